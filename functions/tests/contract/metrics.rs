//! What a [`MetricStore`] promises of shards and rows.

use abx_core::event::{Additions, Amount, Commit, Position};
use abx_functions::ports::{Committed, Guard, LEDGER_COMMITS, LogEntry, MetricStore, RowCounter, ShardState};
use std::sync::Arc;

pub(crate) const SHARD: &str = "events/shardId-000000000001";

pub(crate) fn position(text: &str) -> Position {
    text.parse().unwrap()
}

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

pub(crate) fn row(partition: &str, sort: &str, counters: &[(&str, &str)]) -> Additions {
    let counters = counters.iter().map(|(name, sum)| ((*name).to_owned(), amount(sum)));
    Additions { partition: partition.to_owned(), sort: sort.to_owned(), counters: counters.collect() }
}

pub(crate) fn commit(head: &str, ids: impl IntoIterator<Item = u64>, rows: Vec<Additions>) -> Commit {
    covering(head, head, ids, rows)
}

/// A commit of the items from one position to another.
fn covering(first: &str, last: &str, ids: impl IntoIterator<Item = u64>, rows: Vec<Additions>) -> Commit {
    Commit { upto: 1, first: position(first), head: position(last), ids: ids.into_iter().collect(), rows }
}

/// One event for one counter.
pub(crate) fn small(head: &str, id: u64) -> Commit {
    commit(head, [id], vec![row("stream", "2026-11-24T13#a", &[("accepted", "1")])])
}

/// The state with its ids in order.
async fn state(store: &impl MetricStore, shard: &str) -> ShardState {
    let mut state = store.shard(shard).await.unwrap();
    state.ledger.sort_unstable();
    state
}

async fn done(store: &impl MetricStore, shard: &str, commit: &Commit) {
    let state = store.shard(shard).await.unwrap();
    assert_eq!(store.commit(shard, &state, commit).await.unwrap(), Committed::Done);
}

/// What stands in a partition, as `place counter=amount`.
async fn rows(store: &impl MetricStore, partition: &str) -> Vec<String> {
    let rows = store.rows(partition).await.unwrap();
    rows.iter().map(|RowCounter { sort, counter, amount }| format!("{sort} {counter}={amount}")).collect()
}

pub(crate) async fn an_unknown_shard_has_no_head(store: impl MetricStore) {
    assert_eq!(store.shard(SHARD).await.unwrap(), ShardState::default());
    assert_eq!(rows(&store, "stream").await, [""; 0]);
}

pub(crate) async fn a_commit_moves_the_head_and_adds(store: impl MetricStore) {
    let counters = [("u#control", "2"), ("ms#control#revenue", "10.5")];
    let first = commit("9", [1, u64::MAX], vec![row("exp#checkout", "2026-11-24T13#a", &counters)]);
    done(&store, SHARD, &first).await;
    let head = Some(position("9"));
    assert_eq!(state(&store, SHARD).await, ShardState { head, commits: 1, ledger: vec![1, u64::MAX] });
    let more = [("ms#control#revenue", "0.25"), ("x#control", "1")];
    let second = commit("10:2", [7], vec![row("exp#checkout", "2026-11-24T13#a", &more)]);
    done(&store, SHARD, &second).await;
    let head = Some(position("10:2"));
    assert_eq!(state(&store, SHARD).await, ShardState { head, commits: 2, ledger: vec![1, 7, u64::MAX] });
    let at = "2026-11-24T13#a";
    let expected =
        [format!("{at} ms#control#revenue=10.75"), format!("{at} u#control=2"), format!("{at} x#control=1")];
    assert_eq!(rows(&store, "exp#checkout").await, expected);
}

pub(crate) async fn shards_do_not_touch_each_other(store: impl MetricStore) {
    done(&store, "events/a", &small("5", 1)).await;
    done(&store, "events/a#b", &small("6", 2)).await;
    done(&store, "events/a", &small("7", 3)).await;
    let of = |head, commits, ledger| ShardState { head: Some(position(head)), commits, ledger };
    assert_eq!(state(&store, "events/a").await, of("7", 2, vec![1, 3]));
    assert_eq!(state(&store, "events/a#b").await, of("6", 1, vec![2]));
    assert_eq!(state(&store, "events").await, ShardState::default());
}

pub(crate) async fn a_wrong_expectation_writes_nothing(store: impl MetricStore) {
    done(&store, SHARD, &small(&"4".repeat(129), 1)).await;
    let before = (state(&store, SHARD).await, rows(&store, "stream").await);
    let wrong = [None, Some("4"), Some("5"), Some(&*"4".repeat(128))].map(|head| head.map(position));
    for head in wrong {
        for commits in [0, 1, 5] {
            let stale = ShardState { head: head.clone(), commits, ledger: Vec::new() };
            let put = store.commit(SHARD, &stale, &small("9", 2)).await.unwrap();
            assert_eq!(put, Committed::Moved, "{head:?}");
        }
    }
    let nobody = ShardState { head: Some(position("1")), commits: 1, ledger: Vec::new() };
    assert_eq!(store.commit("events/new", &nobody, &small("2", 3)).await.unwrap(), Committed::Moved);
    assert_eq!(store.shard("events/new").await.unwrap(), ShardState::default());
    assert_eq!((state(&store, SHARD).await, rows(&store, "stream").await), before);
}

pub(crate) async fn a_repeated_commit_counts_once(store: impl MetricStore) {
    for number in 1..=3_u64 {
        let before = store.shard(SHARD).await.unwrap();
        let commit = small(&number.to_string(), number);
        assert_eq!(store.commit(SHARD, &before, &commit).await.unwrap(), Committed::Done);
        for _ in 0..3 {
            let again = store.commit(SHARD, &before, &commit).await.unwrap();
            assert_eq!(again, Committed::Moved, "the answer before was lost");
        }
        assert_eq!(rows(&store, "stream").await, [format!("2026-11-24T13#a accepted={number}")]);
    }
    let head = Some(position("3"));
    assert_eq!(state(&store, SHARD).await, ShardState { head, commits: 3, ledger: vec![1, 2, 3] });
}

pub(crate) async fn the_ledger_remembers_its_latest_commits(store: impl MetricStore) {
    let mut known = ShardState::default();
    let last = LEDGER_COMMITS + 3;
    for number in 0..=last {
        let head = position(&(1000 + number).to_string());
        let commit = commit(&(1000 + number).to_string(), [number], Vec::new());
        assert_eq!(store.commit(SHARD, &known, &commit).await.unwrap(), Committed::Done);
        known = ShardState { head: Some(head), commits: number + 1, ledger: Vec::new() };
    }
    let ledger = (last + 1 - LEDGER_COMMITS..=last).collect();
    assert_eq!(state(&store, SHARD).await, ShardState { ledger, ..known });
}

/// Sequence numbers of all lengths, several events of a record, and parts of an event.
pub(crate) async fn the_log_has_its_entries_in_order(store: impl MetricStore) {
    let (short, long) = ("9".repeat(56), format!("1{}", "0".repeat(56)));
    let spans = [
        ("5", "7"),
        ("9:1", "9:12"),
        ("10", "10@a/z"),
        ("10", "10@a-b/a"),
        ("10", "10"),
        ("10:1", "12"),
        ("20", &*short),
        (&*long, &*long),
    ];
    for (first, last) in spans {
        done(&store, SHARD, &covering(first, last, [], Vec::new())).await;
        done(&store, "events/another", &covering(first, last, [], Vec::new())).await;
    }
    let entry = |(number, (first, last))| LogEntry { number, first: position(first), last: position(last) };
    let all: Vec<_> = (0..).zip(spans).map(entry).collect();
    for (from, to, expected) in [
        ("1", "3", 0..1),
        ("5", "5", 0..1),
        ("7", "7", 0..1),
        ("8", "8", 0..2),
        ("9:12", "9:12", 0..2),
        ("9:13", "10", 1..5),
        ("10", "10:7", 3..6),
        ("13", "19", 5..7),
        (&*short, &*long, 5..8),
        (&*format!("{long}0"), &*format!("{long}1"), 7..8),
        ("1", &*long, 0..8),
    ] {
        let found = store.log(SHARD, &position(from), &position(to)).await.unwrap();
        assert_eq!(found, all[expected], "{from} to {to}");
    }
    assert_eq!(store.log("events/nobody", &position("1"), &position("9")).await.unwrap(), []);
}

pub(crate) async fn a_redriven_record_counts_once(store: impl MetricStore) {
    done(&store, SHARD, &small("9", 1)).await;
    let before = state(&store, SHARD).await;
    let rows_of = || vec![row("stream", "2026-11-24T13#a", &[("accepted", "1")])];
    let guards = |records: &[(Option<&str>, &str)]| -> Vec<Guard> {
        let guard = |(before, after): &(Option<&str>, &str)| Guard {
            before: before.map(position),
            after: position(after),
            id: Some(u64::MAX - 7),
        };
        records.iter().map(guard).collect()
    };
    let redrive = async |records: &[(Option<&str>, &str)]| {
        store.redrive(SHARD, &guards(records), &rows_of()).await.unwrap()
    };
    assert_eq!(redrive(&[(None, "4"), (None, "4:1"), (None, "10")]).await, Committed::Done);
    assert_eq!(redrive(&[(None, "4"), (None, "4:1"), (None, "10")]).await, Committed::Moved, "again");
    assert_eq!(redrive(&[(None, "5"), (None, "10")]).await, Committed::Moved, "one of them");
    assert_eq!(redrive(&[(None, "6@a/m"), (None, "7")]).await, Committed::Done, "a part");
    assert_eq!(redrive(&[(None, "6")]).await, Committed::Moved, "whoever does not know of the part");
    assert_eq!(redrive(&[(Some("6@a/l"), "6")]).await, Committed::Moved);
    assert_eq!(redrive(&[(Some("6@a/m"), "6@b/m")]).await, Committed::Done);
    assert_eq!(redrive(&[(Some("6@b/m"), "6")]).await, Committed::Done);
    assert_eq!(redrive(&[(Some("6@b/m"), "6")]).await, Committed::Moved);
    let reached = async |shard, from, to| {
        let mut found = store.redriven(shard, &position(from), &position(to)).await.unwrap();
        assert!(found.iter().all(|it| it.id == Some(u64::MAX - 7)));
        found.sort_by(|a, b| a.reached.cmp(&b.reached));
        found.dedup();
        found.iter().map(|it| it.reached.to_string()).collect::<Vec<_>>()
    };
    let all = ["4", "4:1", "6", "7", "10"];
    for (from, to) in [("1", "99"), ("4:1", "6"), ("4", "10"), ("5", "5"), ("100", "101")] {
        assert_eq!(reached(SHARD, from, to).await, all, "{from} to {to}");
    }
    assert_eq!(reached("events/another", "1", "99").await, [""; 0]);
    assert_eq!(state(&store, SHARD).await, before, "the head stays");
    assert_eq!(rows(&store, "stream").await, ["2026-11-24T13#a accepted=5"]);
}

pub(crate) async fn racing_redrives_have_one_winner(store: impl MetricStore + 'static) {
    let store = Arc::new(store);
    let racers = (0..8).map(|racer| {
        let store = Arc::clone(&store);
        // Each has a record of its own, and one that all have.
        let guards = [format!("5:{racer}"), "7".to_owned()];
        let guards = guards.map(|it| Guard { before: None, after: position(&it), id: None });
        let rows = [row("stream", "2026-11-24T13#a", &[("accepted", "2")])];
        tokio::spawn(async move { store.redrive(SHARD, &guards, &rows).await.unwrap() })
    });
    let mut winners = 0;
    for racer in racers.collect::<Vec<_>>() {
        winners += usize::from(racer.await.unwrap() == Committed::Done);
    }
    assert_eq!(winners, 1);
    assert_eq!(rows(&*store, "stream").await, ["2026-11-24T13#a accepted=2"]);
}

/// As many rows, counters and ids as a commit may have, with the longest names.
pub(crate) async fn the_largest_commit_fits(store: impl MetricStore) {
    let variant = "v".repeat(64);
    let name = |counter: usize| format!("ms#{variant}#{counter:0>64}");
    let counters: Vec<_> =
        (0..250).map(|counter| (name(counter), Amount::from(counter as u64 + 1))).collect();
    let of = |row: usize| Additions {
        partition: "exp#checkout".to_owned(),
        sort: format!("2026-11-24T13#{row:03}"),
        counters: counters.clone(),
    };
    let largest = commit("1", (0..5_000).map(|id| u64::MAX - id), (0..98).map(of).collect());
    done(&store, SHARD, &largest).await;
    let state = state(&store, SHARD).await;
    assert_eq!((state.ledger.len(), state.ledger[0]), (5_000, u64::MAX - 4_999));
    let rows = store.rows("exp#checkout").await.unwrap();
    assert_eq!(rows.len(), 98 * 250);
    let sum: Amount = rows.iter().map(|row| row.amount).sum();
    assert_eq!(sum, Amount::from(98 * (250 * 251 / 2)));
    assert!(rows.is_sorted_by(|a, b| (&a.sort, &a.counter) < (&b.sort, &b.counter)));
}

pub(crate) async fn amounts_are_exact(store: impl MetricStore) {
    let terms = [
        ("tenths", ["0.1", "0.2", "0.3"], "0.6"),
        ("negative", ["-0.5", "-1000000000000000", "0.25"], "-1000000000000000.25"),
        // As millionths this is more than 2^63.
        ("huge", ["1000000000000000", "999999999999999.999999", "0.000001"], "2000000000000000"),
        ("tiny", ["0.000001", "0.000001", "0.000001"], "0.000003"),
        ("mixed", ["9999999999.999999", "-0.000001", "1"], "10000000000.999998"),
        ("zero", ["1", "-1", "0"], "0"),
    ];
    for round in 0..3 {
        let counters: Vec<_> =
            terms.iter().map(|(name, terms, _)| (format!("ms#a#{name}"), terms[round])).collect();
        let counters: Vec<_> = counters.iter().map(|(name, term)| (&**name, *term)).collect();
        done(
            &store,
            SHARD,
            &commit(&(round + 1).to_string(), [], vec![row("exp#checkout", "late#a", &counters)]),
        )
        .await;
    }
    let found = rows(&store, "exp#checkout").await;
    assert_eq!(found.len(), terms.len());
    for (name, _, sum) in terms {
        assert!(found.contains(&format!("late#a ms#a#{name}={sum}")), "{name}: {found:?}");
    }
}

pub(crate) async fn a_partition_has_its_own_rows_in_order(store: impl MetricStore) {
    let sorts = ["late#b", "2026-11-24T13#b", "groups#control#b", "2026-11-24T09#b", "2026-11-24T13#a"];
    let partitions = ["exp#a", "exp#a#2", "exp#a.b", "exp#", "stream"];
    let each = partitions.iter().flat_map(|partition| {
        sorts.iter().map(|sort| row(partition, sort, &[("u#b", "2"), ("u#a", "1"), ("7", "3")]))
    });
    done(&store, SHARD, &commit("1", [], each.collect())).await;
    let mut sorted = sorts;
    sorted.sort_unstable();
    let expected: Vec<_> = sorted
        .iter()
        .flat_map(|sort| [("7", 3), ("u#a", 1), ("u#b", 2)].map(|(name, sum)| format!("{sort} {name}={sum}")))
        .collect();
    for partition in partitions {
        assert_eq!(rows(&store, partition).await, expected, "{partition}");
    }
    for other in ["exp", "exp#b", "nothing"] {
        assert_eq!(rows(&store, other).await, [""; 0], "{other}");
    }
}

pub(crate) async fn racing_commits_have_one_winner(store: impl MetricStore + 'static) {
    let store = Arc::new(store);
    for round in 0..5_u64 {
        let before = store.shard(SHARD).await.unwrap();
        let racers = (1..=8).map(|racer| {
            let (store, before) = (Arc::clone(&store), before.clone());
            let id = round * 10 + racer;
            let commit = small(&(100 + id).to_string(), id);
            tokio::spawn(async move { (store.commit(SHARD, &before, &commit).await.unwrap(), id) })
        });
        let mut ended = Vec::new();
        for racer in racers.collect::<Vec<_>>() {
            ended.push(racer.await.unwrap());
        }
        let winners: Vec<_> =
            ended.iter().filter(|(committed, _)| *committed == Committed::Done).map(|(_, id)| *id).collect();
        assert_eq!(winners.len(), 1);
        let after = store.shard(SHARD).await.unwrap();
        assert_eq!(after.head, Some(position(&(100 + winners[0]).to_string())));
        assert_eq!(after.commits, round + 1);
        assert!(after.ledger.contains(&winners[0]) && after.ledger.len() as u64 == round + 1);
        assert_eq!(rows(&*store, "stream").await, [format!("2026-11-24T13#a accepted={}", round + 1)]);
    }
}
