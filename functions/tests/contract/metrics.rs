//! Contract of a [`MetricStore`] for shards and rows.

use crate::race;
use abx_core::event::{Additions, Amount, Commit, Counter, Hour, MetricCounter, Position, RowKey, Unexposed};
use abx_functions::adapters::keys;
use abx_functions::ports::{
    Committed, Guard, LEDGER_COMMITS, LogEntry, MetricStore, RowsOf, ShardState, StoredRow,
};
use std::sync::Arc;

pub(crate) const SHARD: &str = "events/shardId-000000000001";

pub(crate) fn position(text: &str) -> Position {
    text.parse().unwrap()
}

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

pub(crate) const CHECKOUT: RowsOf<'static> = RowsOf::Experiment { experiment: "checkout", epoch: 1 };
const HOUR: &str = "2026-11-24T13";

/// Additions to a row, and its counters, as [`keys`] writes them.
pub(crate) fn row(of: RowsOf<'_>, place: &str, counters: &[(&str, &str)]) -> Additions<'static> {
    let (row, _) = keys::read_row(of, &format!("{place}#shard")).unwrap();
    let counters = counters.iter().map(|(name, sum)| (keys::read_counter(name).unwrap(), amount(sum)));
    Additions { row, counters: counters.collect() }
}

pub(crate) fn commit(
    head: &str,
    ids: impl IntoIterator<Item = u64>,
    rows: Vec<Additions<'static>>,
) -> Commit<'static> {
    covering(head, head, ids, rows)
}

/// A commit of the items from one position to another.
fn covering(
    first: &str,
    last: &str,
    ids: impl IntoIterator<Item = u64>,
    rows: Vec<Additions<'static>>,
) -> Commit<'static> {
    let ids: Vec<u64> = ids.into_iter().collect();
    let unexposed = unexposed(&ids);
    Commit { upto: 1, first: position(first), head: position(last), ids, unexposed, rows }
}

/// One event for one counter.
pub(crate) fn small(head: &str, id: u64) -> Commit<'static> {
    commit(head, [id], vec![row(RowsOf::Stream, HOUR, &[("accepted", "1")])])
}

/// A conversion of a unit that was not exposed, for each id.
fn unexposed(ids: &[u64]) -> Vec<Unexposed> {
    ids.iter().map(|id| Unexposed { key: !id, time: u32::try_from(id % (1 << 32)).unwrap() }).collect()
}

/// The state after commits with these ids, in their order.
fn shard_state(head: Option<Position>, commits: u64, ledger: Vec<u64>) -> ShardState {
    let mut unexposed = unexposed(&ledger);
    unexposed.sort_unstable();
    ShardState { head, commits, ledger, unexposed }
}

/// The state with its ids in order.
async fn state(store: &impl MetricStore, shard: &str) -> ShardState {
    let mut state = store.shard(shard).await.unwrap();
    state.ledger.sort_unstable();
    state.unexposed.sort_unstable();
    state
}

async fn done(store: &impl MetricStore, shard: &str, commit: &Commit<'_>) {
    let state = store.shard(shard).await.unwrap();
    assert_eq!(store.commit(shard, &state, commit).await.unwrap(), Committed::Done);
}

/// The content of rows, as `place counter=amount`, sorted.
async fn rows(store: &impl MetricStore, of: RowsOf<'_>) -> Vec<String> {
    let rows = store.rows(of).await.unwrap();
    let lines = rows.iter().flat_map(|StoredRow { row, shard, counters }| {
        let (partition, place) = keys::row(row, shard);
        assert_eq!(partition, keys::partition(of));
        let line = move |(counter, amount): &(Counter<'_>, Amount)| {
            format!("{place} {}={amount}", keys::counter(counter))
        };
        counters.iter().map(line)
    });
    let mut lines: Vec<_> = lines.collect();
    lines.sort_unstable();
    lines
}

fn accepted(number: u64) -> [String; 1] {
    [format!("{HOUR}#{SHARD} accepted={number}")]
}

pub(crate) async fn an_unknown_shard_has_no_head(store: impl MetricStore) {
    assert_eq!(store.shard(SHARD).await.unwrap(), ShardState::default());
    assert_eq!(rows(&store, RowsOf::Stream).await, [""; 0]);
}

pub(crate) async fn a_commit_moves_the_head_and_adds(store: impl MetricStore) {
    let counters = [("u#control", "2"), ("ms#control#revenue", "10.5")];
    let first = commit("9", [1, u64::MAX], vec![row(CHECKOUT, HOUR, &counters)]);
    done(&store, SHARD, &first).await;
    let head = Some(position("9"));
    assert_eq!(state(&store, SHARD).await, shard_state(head, 1, vec![1, u64::MAX]));
    let more = [("ms#control#revenue", "0.25"), ("x#control", "1")];
    let second = commit("10:2", [7], vec![row(CHECKOUT, HOUR, &more)]);
    done(&store, SHARD, &second).await;
    let head = Some(position("10:2"));
    assert_eq!(state(&store, SHARD).await, shard_state(head, 2, vec![1, 7, u64::MAX]));
    let at = format!("{HOUR}#{SHARD}");
    let expected =
        [format!("{at} ms#control#revenue=10.75"), format!("{at} u#control=2"), format!("{at} x#control=1")];
    assert_eq!(rows(&store, CHECKOUT).await, expected);
}

pub(crate) async fn shards_do_not_touch_each_other(store: impl MetricStore) {
    done(&store, "events/a", &small("5", 1)).await;
    done(&store, "events/a#b", &small("6", 2)).await;
    done(&store, "events/a", &small("7", 3)).await;
    let of = |head, commits, ledger| shard_state(Some(position(head)), commits, ledger);
    assert_eq!(state(&store, "events/a").await, of("7", 2, vec![1, 3]));
    assert_eq!(state(&store, "events/a#b").await, of("6", 1, vec![2]));
    assert_eq!(state(&store, "events").await, ShardState::default());
}

pub(crate) async fn a_wrong_expectation_writes_nothing(store: impl MetricStore) {
    done(&store, SHARD, &small(&"4".repeat(129), 1)).await;
    let before = (state(&store, SHARD).await, rows(&store, RowsOf::Stream).await);
    let wrong = [None, Some("4"), Some("5"), Some(&*"4".repeat(128))].map(|head| head.map(position));
    for head in wrong {
        for commits in [0, 1, 5] {
            let stale = shard_state(head.clone(), commits, Vec::new());
            let put = store.commit(SHARD, &stale, &small("9", 2)).await.unwrap();
            assert_eq!(put, Committed::Moved, "{head:?}");
        }
    }
    let nobody = shard_state(Some(position("1")), 1, Vec::new());
    assert_eq!(store.commit("events/new", &nobody, &small("2", 3)).await.unwrap(), Committed::Moved);
    assert_eq!(store.shard("events/new").await.unwrap(), ShardState::default());
    assert_eq!((state(&store, SHARD).await, rows(&store, RowsOf::Stream).await), before);
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
        assert_eq!(rows(&store, RowsOf::Stream).await, accepted(number));
    }
    let head = Some(position("3"));
    assert_eq!(state(&store, SHARD).await, shard_state(head, 3, vec![1, 2, 3]));
}

pub(crate) async fn the_ledger_remembers_its_latest_commits(store: impl MetricStore) {
    let mut known = ShardState::default();
    let last = LEDGER_COMMITS + 3;
    for number in 0..=last {
        let head = position(&(1000 + number).to_string());
        let commit = commit(&(1000 + number).to_string(), [number], Vec::new());
        assert_eq!(store.commit(SHARD, &known, &commit).await.unwrap(), Committed::Done);
        known = shard_state(Some(head), number + 1, Vec::new());
    }
    let ledger = (last + 1 - LEDGER_COMMITS..=last).collect();
    assert_eq!(state(&store, SHARD).await, shard_state(known.head, known.commits, ledger));
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
    let rows_of = || vec![row(RowsOf::Stream, HOUR, &[("accepted", "1")])];
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
    assert_eq!(rows(&store, RowsOf::Stream).await, accepted(5));
}

pub(crate) async fn racing_redrives_have_one_winner(store: impl MetricStore + 'static) {
    let store = Arc::new(store);
    let ended = race(0..8, |racer| {
        let store = Arc::clone(&store);
        // Each has a record of its own, and one that all have.
        let guards = [format!("5:{racer}"), "7".to_owned()];
        let guards = guards.map(|it| Guard { before: None, after: position(&it), id: None });
        let rows = [row(RowsOf::Stream, HOUR, &[("accepted", "2")])];
        async move { store.redrive(SHARD, &guards, &rows).await.unwrap() }
    });
    assert_eq!(ended.await.into_iter().filter(|ended| *ended == Committed::Done).count(), 1);
    assert_eq!(rows(&*store, RowsOf::Stream).await, accepted(2));
}

/// As many rows, counters and ids as a commit may have, with the longest names.
pub(crate) async fn the_largest_commit_fits(store: impl MetricStore) {
    let limits = store.limits().commit;
    let variant = "v".repeat(64);
    let counter = |number: usize| {
        Counter::Metric(variant.clone().into(), format!("{number:0>64}").into(), MetricCounter::Sum)
    };
    let counters: Vec<_> =
        (0..limits.counters).map(|number| (counter(number), Amount::from(number as u64 + 1))).collect();
    let of = |row: usize| Additions {
        row: RowKey::Experiment {
            experiment: "checkout".into(),
            epoch: 1,
            hour: Hour::At(row.try_into().unwrap()),
        },
        counters: counters.clone(),
    };
    // With the row of unknown events.
    let rows = limits.rows + 1;
    let largest = commit("1", (0..limits.ids as u64).map(|id| u64::MAX - id), (0..rows).map(of).collect());
    done(&store, SHARD, &largest).await;
    let state = state(&store, SHARD).await;
    assert_eq!((state.ledger.len(), state.ledger[0]), (limits.ids, u64::MAX - (limits.ids as u64 - 1)));
    let mut found = store.rows(CHECKOUT).await.unwrap();
    assert_eq!(found.len(), rows);
    found.sort_by(|a, b| a.row.cmp(&b.row));
    for (number, row) in found.iter_mut().enumerate() {
        row.counters.sort();
        assert_eq!((&row.row, &row.counters), (&of(number).row, &counters));
    }
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
        done(&store, SHARD, &commit(&(round + 1).to_string(), [], vec![row(CHECKOUT, "late", &counters)]))
            .await;
    }
    let found = rows(&store, CHECKOUT).await;
    assert_eq!(found.len(), terms.len());
    for (name, _, sum) in terms {
        assert!(found.contains(&format!("late#{SHARD} ms#a#{name}={sum}")), "{name}: {found:?}");
    }
}

pub(crate) async fn each_experiment_has_its_own_rows(store: impl MetricStore) {
    let of = |experiment, epoch| RowsOf::Experiment { experiment, epoch };
    let shards = ["events/1", "events/1#2"];
    let own = [of("a", 1), of("a", 2), of("a.b", 1), of("exp", 1)];
    let hours = ["late", "2026-11-24T13", "2026-11-24T09"];
    let counters = [("7", "3"), ("u#a", "1"), ("u#b", "2")];
    for (of, places) in own.map(|of| (of, vec!["groups#late", "late", HOUR])).into_iter().chain([
        (RowsOf::Stream, hours.to_vec()),
        (RowsOf::UnknownEvents { shard: shards[0] }, vec!["2026-11-24", "2026-11-25"]),
        (RowsOf::UnknownEvents { shard: shards[1] }, vec!["2026-11-24", "2026-11-26"]),
    ]) {
        // Unknown events are of one shard.
        let of_shards = match of {
            RowsOf::UnknownEvents { shard } => vec![shard],
            RowsOf::Experiment { .. } | RowsOf::Stream => shards.to_vec(),
        };
        let mut expected = Vec::new();
        for shard in of_shards {
            let number = store.shard(shard).await.unwrap().commits + 1;
            let additions = places.iter().map(|place| row(of, place, &counters));
            done(&store, shard, &commit(&number.to_string(), [], additions.collect())).await;
            let line = |place: &&str| counters.map(|(name, sum)| format!("{place}#{shard} {name}={sum}"));
            expected.extend(places.iter().flat_map(line));
        }
        expected.sort_unstable();
        assert_eq!(rows(&store, of).await, expected, "{of:?}");
    }
    for other in [of("b", 1), of("a", 3), of("", 1), RowsOf::UnknownEvents { shard: "events/3" }] {
        assert_eq!(rows(&store, other).await, [""; 0], "{other:?}");
    }
}

pub(crate) async fn racing_commits_have_one_winner(store: impl MetricStore + 'static) {
    let store = Arc::new(store);
    for round in 0..5_u64 {
        let before = store.shard(SHARD).await.unwrap();
        let ended = race(1..=8, |racer| {
            let (store, before) = (Arc::clone(&store), before.clone());
            let id = round * 10 + racer;
            let commit = small(&(100 + id).to_string(), id);
            async move { (store.commit(SHARD, &before, &commit).await.unwrap(), id) }
        });
        let ended = ended.await;
        let winners: Vec<_> =
            ended.iter().filter(|(committed, _)| *committed == Committed::Done).map(|(_, id)| *id).collect();
        assert_eq!(winners.len(), 1);
        let after = store.shard(SHARD).await.unwrap();
        assert_eq!(after.head, Some(position(&(100 + winners[0]).to_string())));
        assert_eq!(after.commits, round + 1);
        assert!(after.ledger.contains(&winners[0]) && after.ledger.len() as u64 == round + 1);
        assert_eq!(rows(&*store, RowsOf::Stream).await, accepted(round + 1));
    }
}
