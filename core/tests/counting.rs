//! Events are folded into rows: what is credited, what is not, and that portions do not matter.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use abx_core::event::{
    Amount, Batch, Commit, Counter, Limits, MAX_UNKNOWN_NAMES, Mark, MarkKey, Marks, Position,
    RecentUnexposed, Record, RecordClass, RecordContent, RowKey, StreamCounter, StreamTotals, Totals,
    UNKNOWN_VARIANT, UnknownEvents, fold, wanted,
};
use abx_core::{Catalog, read_and_compile};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

const DAY: i64 = 86_400_000;
/// The arrival time of every record.
const NOW: i64 = 20_000 * DAY;
const LIMITS: Limits = Limits { rows: 97, counters: 250, ids: 5_000, items: usize::MAX };

fn catalog() -> Catalog {
    let documents = [
        json!({
            "experiment": "checkout", "status": "active", "variants": [{"key": "a"}, {"key": "b"}],
            "metrics": [
                {"key": "bought", "event": "purchase", "kind": "conversion", "window": "7d"},
                {"key": "revenue", "event": "purchase", "kind": "sum", "property": "amount"},
                {"key": "basket", "event": "purchase", "kind": "mean", "property": "amount"},
                {"key": "visits", "event": "visit", "kind": "count"},
            ],
        }),
        json!({
            "experiment": "billing", "status": "active", "unit": "account.id", "variants": [{"key": "a"}, {"key": "b"}],
            "metrics": [{"key": "paid", "event": "purchase", "kind": "conversion"}],
        }),
    ];
    let compiled = read_and_compile(&documents);
    assert!(
        compiled.findings.iter().all(|it| it.severity != abx_core::finding::Severity::Error),
        "{:?}",
        compiled.findings
    );
    compiled.catalog
}

fn exposure(unit: &str, variant: &str, time: i64) -> Value {
    json!({"type": "exposure", "experiment": "checkout", "variant": variant, "unit": unit, "timestamp": time})
}

fn purchase(unit: &str, time: i64) -> Value {
    json!({"type": "conversion", "event": "purchase", "user_id": unit, "timestamp": time, "properties": {"amount": 2.5}})
}

/// A stream's only shard, and a store that applies what it is told.
#[derive(Default)]
struct World {
    head: Option<Position>,
    ledger: HashSet<u64>,
    unexposed: RecentUnexposed,
    marks: HashMap<MarkKey<'static>, Mark>,
    rows: BTreeMap<(RowKey<'static>, Counter<'static>), Amount>,
    classes: Vec<RecordClass>,
    /// Names of unknown events that the store has.
    names: BTreeSet<String>,
    writes: usize,
}

impl World {
    /// Hands over records, of which the first has a sequence number, and takes at most so many commits.
    fn deliver(
        &mut self,
        catalog: &Catalog,
        first: usize,
        events: &[Value],
        limits: &Limits,
        commits: usize,
    ) {
        let batch = Batch::from_records((first..).zip(events).map(|(at, event)| record(at, event)));
        for shard in &batch.shards {
            let items = shard.items(self.head.as_ref(), |id| self.ledger.contains(&id));
            let keys = wanted(catalog, &items);
            let known: Marks<'_> = keys
                .into_iter()
                .filter_map(|key| Some((key.clone(), self.marks.get(&key.into_owned())?.clone())))
                .collect();
            let folded = fold(catalog, &shard.shard, &items, &known, Some(&self.unexposed));
            for (key, mark) in &folded.new_marks {
                // Marks of ids are put without being read, so a second delivery finds those of the first.
                let put = self.marks.insert(key.clone().into_owned(), mark.clone());
                self.writes += usize::from(put.is_none());
                assert!(
                    put.is_none_or(|before| before.owner == mark.owner),
                    "{key:?} belongs to another record"
                );
            }
            let mut from = 0;
            for _ in 0..commits {
                let done = (from, self.head.as_ref());
                let Some(mut commit) = folded.commit(&items, done, limits) else { break };
                let classes = &folded.classes()[from..commit.upto];
                let unknown = UnknownEvents::among(&items[from..commit.upto], classes);
                commit.rows.extend(unknown.map(|it| it.additions(&mut self.names).0));
                self.classes.extend(classes);
                from = commit.upto;
                self.apply(commit);
            }
        }
    }

    fn apply(&mut self, commit: Commit<'_>) {
        assert!(self.head.as_ref().is_none_or(|head| *head < commit.head));
        self.head = Some(commit.head);
        self.ledger.extend(commit.ids);
        for of in commit.unexposed {
            assert!(self.unexposed.insert(of), "each is remembered once");
        }
        for row in commit.rows {
            for (counter, amount) in row.counters {
                let key = (row.row.clone().into_owned(), counter.into_owned());
                *self.rows.entry(key).or_default() += amount;
            }
        }
    }

    fn totals(&self) -> Totals {
        self.totals_of("checkout")
    }

    fn totals_of(&self, experiment: &str) -> Totals {
        let mut totals = Totals::default();
        for ((row, counter), amount) in &self.rows {
            if let RowKey::Experiment { experiment: of, epoch: 1, .. }
            | RowKey::Groups { experiment: of, epoch: 1, .. }
            | RowKey::Cohort { experiment: of, epoch: 1, .. } = row
                && of == experiment
            {
                totals.add(row, counter, *amount);
            }
        }
        totals
    }

    fn stream(&self, what: StreamCounter) -> u64 {
        let mut totals = StreamTotals::default();
        for ((row, counter), amount) in &self.rows {
            totals.add(row, counter, *amount);
        }
        totals.count(what)
    }
}

/// A record, under the partition key that the event names in a field which nobody else reads.
fn record(sequence: usize, event: &Value) -> Record {
    Record {
        shard: "events/shardId-000000000000".into(),
        sequence: sequence.to_string().parse().unwrap(),
        arrived: Timestamp::from_millisecond(NOW).unwrap(),
        partition_key: event["routed_by"].as_str().map(Into::into),
        data: event.to_string().into_bytes().into(),
        content: RecordContent::AsSent,
    }
}

fn after(events: &[Value]) -> World {
    let mut world = World::default();
    world.deliver(&catalog(), 1, events, &LIMITS, usize::MAX);
    world
}

#[test]
fn an_event_under_another_key_than_its_unit_is_misrouted() {
    let of_two = || json!({"type": "conversion", "event": "purchase", "user_id": "u", "context": {"account": {"id": "A"}}});
    let long = "é".repeat(300);
    let evaluation = json!({"type": "evaluation", "flag": "f", "variant": "on", "unit": "u"});
    let unknown = json!({"type": "conversion", "event": "scroll", "user_id": "u"});
    for (mut event, key, expected) in [
        (exposure("u", "a", NOW), "u", 0),
        (exposure("u", "a", NOW), "U", 1),
        (exposure(&long, "a", NOW), &*"é".repeat(256), 0),
        (exposure(&long, "a", NOW), &*"é".repeat(255), 1),
        (purchase("u", NOW), "u", 0),
        (purchase("u", NOW), "session-7", 1),
        // It counts for a unit that the key cannot be, whichever of the two it is.
        (of_two(), "u", 1),
        (of_two(), "A", 1),
        (of_two(), "session-7", 1),
        (evaluation, "session-7", 0),
        (unknown, "session-7", 0),
    ] {
        event["routed_by"] = key.into();
        assert_eq!(after(&[event.clone()]).stream(StreamCounter::Misrouted), expected, "{key}: {event}");
        event["routed_by"] = Value::Null;
        assert_eq!(after(&[event]).stream(StreamCounter::Misrouted), 0, "nothing is known of {key}");
    }
}

#[test]
fn conversions_are_credited_to_what_the_unit_saw_first() {
    let world = after(&[
        purchase("u", NOW),
        exposure("u", "a", NOW),
        purchase("u", NOW + 1),
        exposure("u", "b", NOW + 2),
        purchase("u", NOW + 3),
        purchase("stranger", NOW),
    ]);
    let totals = world.totals();
    let a = &totals.variants["a"];
    assert_eq!((a.units, a.exposures, a.conflicts), (1, 2, 1));
    let bought = &a.metrics["bought"];
    assert_eq!((bought.units, bought.events), (1, 2));
    assert_eq!(a.metrics["revenue"].sum.to_string(), "5");
    assert_eq!(a.metrics["revenue"].groups.iter().copied().sum::<Amount>().to_string(), "5");
    assert_eq!(a.groups.iter().sum::<u64>(), 1);
    assert!(!totals.variants.contains_key("b"));
    assert_eq!(world.stream(StreamCounter::Unattributed), 2);
    assert_eq!(world.stream(StreamCounter::Accepted), 6);
}

#[test]
fn conversions_that_overtook_the_exposure_of_their_unit_are_counted_apart() {
    let events = [
        purchase("u", NOW - 1), // before the exposure in time as well
        purchase("u", NOW),
        purchase("u", NOW), // sent twice
        purchase("u", NOW + 5),
        purchase("u", NOW + 4 * 60_000),
        purchase("v", NOW),
        exposure("u", "a", NOW),
        exposure("u", "a", NOW),
        purchase("u", NOW),
        exposure("v", "b", NOW + 1),
    ];
    for portion in 1..=events.len() {
        let mut world = World::default();
        for (number, events) in (0..).zip(events.chunks(portion)) {
            world.deliver(&catalog(), 1 + number * portion, events, &LIMITS, usize::MAX);
        }
        let totals = world.totals();
        for metric in ["bought", "revenue", "basket"] {
            let of = &totals.variants["a"].metrics[metric];
            assert_eq!((of.overtook, of.events), (3, 1), "{metric} in portions of {portion}");
        }
        assert!(totals.variants["b"].metrics.is_empty(), "the purchase of v was before its exposure");
        assert_eq!(world.stream(StreamCounter::Unattributed), 6);
        let early = abx_core::results::early_events(&totals);
        let shares: Vec<_> =
            early.iter().map(|it| (&*it.metric, it.events, it.share, it.variants["a"])).collect();
        assert_eq!(shares, ["basket", "bought", "revenue"].map(|metric| (metric, 3, 0.75, 0.75)));
        assert!(early.iter().all(|it| it.is_notable));
    }
}

#[test]
fn each_record_has_one_class() {
    let with_id = |mut event: Value| {
        event["event_id"] = json!("7");
        event
    };
    let scroll = |time| json!({"type": "conversion", "event": "scroll", "user_id": "u", "timestamp": time});
    let table = [
        (exposure("u", "a", NOW), RecordClass::Counted),
        (exposure("v", "a", NOW - 8 * DAY), RecordClass::Late),
        (json!({"type": "evaluation", "flag": "f", "variant": "on", "unit": "u"}), RecordClass::Counted),
        (with_id(purchase("u", NOW)), RecordClass::Counted),
        (with_id(purchase("u", NOW + 1)), RecordClass::Duplicate),
        (with_id(purchase("v", NOW)), RecordClass::Counted),
        (with_id(scroll(NOW)), RecordClass::UnknownEvent),
        (scroll(0), RecordClass::UnknownEvent),
        (purchase("u", NOW - 1), RecordClass::Unattributed),
        (purchase("stranger", NOW), RecordClass::Unattributed),
        (purchase("stranger", 0), RecordClass::Late),
        (purchase("u", 0), RecordClass::Late),
        (json!({"type": "click"}), RecordClass::Rejected),
    ];
    let (events, classes): (Vec<_>, Vec<_>) = table.into_iter().unzip();
    assert_eq!(after(&events).classes, classes);
}

/// Nor do portions matter: what is in one batch is judged as what is in several.
#[test]
fn a_conversion_that_counts_for_nothing_leaves_its_id_to_its_repetition() {
    let mut bought = purchase("u", NOW);
    bought["event_id"] = json!("7");
    let mut scrolled = json!({"type": "conversion", "event": "scroll", "user_id": "u"});
    scrolled["event_id"] = json!("7");
    let exposed = exposure("u", "a", NOW);
    let events = [&bought, &scrolled, &scrolled, &exposed, &bought, &bought].map(Clone::clone);
    for portion in 1..=events.len() {
        let mut world = World::default();
        for (number, events) in (0..).zip(events.chunks(portion)) {
            world.deliver(&catalog(), 1 + number * portion, events, &LIMITS, usize::MAX);
        }
        let classes = [
            RecordClass::Unattributed,
            RecordClass::UnknownEvent,
            RecordClass::UnknownEvent,
            RecordClass::Counted,
            RecordClass::Counted,
            RecordClass::Duplicate,
        ];
        assert_eq!(world.classes, classes, "{portion} at a time");
        assert_eq!(world.totals().variants["a"].metrics["revenue"].sum.to_string(), "2.5");
    }
}

#[test]
fn a_window_ends_and_time_runs_forwards() {
    let world = after(&[
        exposure("u", "a", NOW - 6 * DAY),
        purchase("u", NOW - 6 * DAY - 1),
        purchase("u", NOW + 60_000),
        exposure("v", "a", NOW - 7 * DAY),
        purchase("v", NOW + 1),
    ]);
    let metrics = &world.totals().variants["a"].metrics;
    assert_eq!(metrics["bought"].events, 1, "one is too early, and one after 7 days");
    assert_eq!(metrics["revenue"].events, 2, "this metric has no window");
}

/// An arrival is told to the millisecond, and an exposure more finely.
/// What metrics with a window count stands under the day on which its unit was exposed, whenever it happened.
#[test]
fn metrics_with_a_window_are_counted_by_the_day_of_exposure() {
    let day = |at: i64| jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(at)).unwrap();
    let world = after(&[
        exposure("u", "a", NOW - 3 * DAY),
        exposure("v", "a", NOW - 2 * DAY),
        purchase("u", NOW - DAY),
        purchase("u", NOW),
        purchase("v", NOW),
    ]);
    let totals = world.totals();
    let of = |at: i64| {
        let cohort = &totals.cohorts[&day(at)]["a"];
        (cohort.groups.iter().sum::<u64>(), cohort.metrics["bought"].units, cohort.metrics["bought"].events)
    };
    assert_eq!((of(20_000 - 3), of(20_000 - 2)), ((1, 1, 2), (1, 1, 1)));
    assert_eq!(totals.cohorts.len(), 2);
    let all = &totals.variants["a"];
    assert_eq!((all.units, all.groups.iter().sum::<u64>(), all.metrics["bought"].units), (2, 2, 2));
    assert!(totals.hours.values().all(|it| it.values().all(|it| !it.metrics.contains_key("bought"))));
}

#[test]
fn what_happens_within_a_millisecond_goes_by_the_order_of_the_records() {
    let exact =
        format!("{:#.9}", Timestamp::from_millisecond(NOW).unwrap()).replace(".000000000", ".000999999");
    let mut exposed = exposure("u", "a", 0);
    exposed["timestamp"] = json!(exact);
    let mut bought = purchase("u", 0);
    bought.as_object_mut().unwrap().remove("timestamp");
    let world = after(&[exposed, bought]);
    assert_eq!(world.totals().variants["a"].metrics["bought"].units, 1, "{exact}");
    assert!(world.marks.values().all(|mark| mark.at == Timestamp::from_millisecond(NOW).unwrap()));
}

#[test]
fn impossible_times_are_counted_apart() {
    let far = [0, NOW - 7 * DAY - 1, NOW + 5 * 60_000 + 1, 253_402_207_200_000];
    let units = ["a", "b", "c", "d"];
    let world =
        after(&std::iter::zip(units, far).map(|(unit, time)| exposure(unit, "a", time)).collect::<Vec<_>>());
    let totals = world.totals();
    assert_eq!(world.stream(StreamCounter::Late), 4);
    assert_eq!(totals.units(), 4, "and counted");
    assert_eq!(totals.hours.len(), 1);
    assert!(totals.hours.keys().all(|hour| hour.to_string() == "late"));
    let world = after(&[exposure("a", "a", NOW - 7 * DAY), exposure("b", "a", NOW + 5 * 60_000)]);
    assert_eq!(world.stream(StreamCounter::Late), 0);
}

#[test]
fn another_unit_comes_from_the_context() {
    let mut exposed = exposure("acme", "b", NOW);
    exposed["experiment"] = json!("billing");
    let mut bought = purchase("somebody", NOW);
    bought["context"] = json!({"account": {"id": "acme"}});
    let world = after(&[exposed, bought]);
    assert_eq!(world.totals_of("billing").variants["b"].metrics["paid"].units, 1);
}

#[test]
fn values_that_are_none_are_counted_as_such() {
    let mut events = vec![exposure("u", "a", NOW)];
    for amount in [json!("2"), json!(null), json!(1e16), json!([1]), json!(-1.5)] {
        let mut bought = purchase("u", NOW);
        bought["properties"]["amount"] = amount;
        events.push(bought);
    }
    let totals = after(&events).totals();
    let revenue = &totals.variants["a"].metrics["revenue"];
    assert_eq!((revenue.events, revenue.invalid, revenue.sum.to_string()), (5, 4, "-1.5".to_owned()));
    assert_eq!(revenue.group_values, [] as [u64; 0], "a sum is per unit");
    let basket = &totals.variants["a"].metrics["basket"];
    assert_eq!(
        basket.group_values.iter().sum::<u64>() + basket.invalid,
        basket.events,
        "its values are counted"
    );
    assert_eq!(basket.groups, revenue.groups);
}

#[test]
fn more_rows_than_a_commit_holds_are_committed_by_prefix() {
    let events: Vec<_> =
        (0..100).map(|hour| exposure(&hour.to_string(), "a", NOW - hour * 3_600_000)).collect();
    let catalog = catalog();
    let mut world = World::default();
    let limits = Limits { rows: 10, ..LIMITS };
    world.deliver(&catalog, 1, &events, &limits, 1);
    assert!(world.rows.keys().map(|(row, _)| row).collect::<HashSet<_>>().len() <= 10);
    assert!(world.totals().units() < 100);
    for _ in 0..100 {
        world.deliver(&catalog, 1, &events, &limits, 1);
    }
    assert_eq!(world.totals(), after(&events).totals());
}

/// Whatever a producer puts an id into, a row has a bounded number of counters: one that grew would be refused at 400 KB, and every
/// event that adds to it with it.
#[test]
fn no_text_of_an_event_makes_a_row_grow() {
    let exposed = |experiment: &str, variant: String, epoch: usize, number: usize| json!({"type": "exposure", "experiment": experiment, "variant": variant, "epoch": epoch, "unit": format!("u{number}")});
    let places: [(&str, &dyn Fn(usize) -> Value); 13] = [
        ("a variant", &|it| exposed("checkout", format!("v{it}"), 1, it)),
        ("a variant of one unit", &|it| exposed("checkout", format!("v{it}"), 1, 0)),
        ("a variant of an earlier or later epoch", &|it| exposed("checkout", format!("v{it}"), 2, it)),
        ("a variant of an unknown experiment", &|it| exposed("nobody_knows", format!("v{it}"), 1, it)),
        ("an unknown experiment", &|it| exposed(&format!("e{it}"), "a".to_owned(), 1, it)),
        ("an epoch", &|it| exposed("checkout", "a".to_owned(), it + 1, it)),
        ("a unit", &|it| {
            if it.is_multiple_of(2) { exposure("u", "a", NOW) } else { purchase(&it.to_string(), NOW) }
        }),
        (
            "the name of an event",
            &|it| json!({"type": "conversion", "event": format!("scroll {it}"), "user_id": "u"}),
        ),
        ("a property", &|it| {
            let bought = json!({"type": "conversion", "event": "purchase", "user_id": "u", "properties": {format!("p{it}"): it}});
            if it == 0 { exposure("u", "a", NOW) } else { bought }
        }),
        (
            "the context",
            &|it| json!({"type": "conversion", "event": "purchase", "user_id": "u", "context": {"account": {"id": it}}}),
        ),
        (
            "a flag",
            &|it| json!({"type": "evaluation", "flag": format!("f{it}"), "variant": "on", "unit": "u"}),
        ),
        (
            "a variant of a flag",
            &|it| json!({"type": "evaluation", "flag": "f", "variant": format!("v{it}"), "unit": "u"}),
        ),
        ("a type", &|it| json!({"type": format!("t{it}"), "user_id": "u"})),
    ];
    let catalog = catalog();
    for (place, event) in places {
        let mut world = World::default();
        for first in (0..10_000).step_by(500) {
            let events: Vec<_> = (first..first + 500).map(event).collect();
            world.deliver(&catalog, first + 1, &events, &LIMITS, usize::MAX);
        }
        assert_eq!(world.classes.len(), 10_000, "{place}");
        let mut counters = HashMap::<_, usize>::new();
        for (row, _) in world.rows.keys() {
            *counters.entry(row).or_default() += 1;
        }
        let largest = counters.values().max().copied().unwrap_or_default();
        assert!(largest <= MAX_UNKNOWN_NAMES + 1, "{place}: {largest} counters in one row");
    }
}

#[test]
fn a_variant_that_no_document_knows_is_counted_apart() {
    let stranger = |experiment: &str, unit: &str| {
        let mut exposed = exposure(unit, "gone", NOW);
        exposed["experiment"] = json!(experiment);
        exposed
    };
    let world =
        after(&[stranger("checkout", "u"), stranger("nobody_knows", "u"), stranger("nobody_knows", "v")]);
    for (experiment, units) in [("checkout", 1), ("nobody_knows", 2)] {
        let variants = world.totals_of(experiment).variants;
        assert_eq!(variants.keys().collect::<Vec<_>>(), [UNKNOWN_VARIANT], "{experiment}");
        let unknown = &variants[UNKNOWN_VARIANT];
        assert_eq!((unknown.units, unknown.exposures, unknown.conflicts), (units, units, 0), "{experiment}");
    }
}

/// An exposure of a unit to a variant that was later removed from the document is not a conflict.
#[test]
fn a_removed_variant_does_not_conflict_with_itself() {
    let with = |variants: [&str; 2]| {
        let variants = variants.map(|key| json!({"key": key}));
        read_and_compile(&[json!({"experiment": "checkout", "status": "active", "variants": variants,
            "metrics": [{"key": "visits", "event": "visit", "kind": "count"}]})])
        .catalog
    };
    let mut world = World::default();
    world.deliver(&with(["a", "b"]), 1, &[exposure("u", "b", NOW)], &LIMITS, usize::MAX);
    let again = [exposure("u", "b", NOW), exposure("u", "a", NOW), exposure("u", "c", NOW)];
    world.deliver(&with(["a", "z"]), 2, &again, &LIMITS, usize::MAX);
    let b = &world.totals().variants["b"];
    assert_eq!((b.units, b.exposures, b.conflicts), (1, 4, 2));
}

/// A catalog of many experiments that all count purchases.
fn many(experiments: usize) -> Catalog {
    let documents: Vec<_> = (0..experiments)
        .map(|number| {
            json!({"experiment": format!("e{number:02}"), "status": "active", "variants": [{"key": "a"}, {"key": "b"}],
                "metrics": [{"key": "buyers", "event": "purchase", "kind": "conversion"},
                    {"key": "revenue", "event": "purchase", "kind": "sum", "property": "amount"}]})
        })
        .collect();
    read_and_compile(documents.iter()).catalog
}

/// An event that counts for more experiments than one transaction holds counts for all of them, wherever it is interrupted.
#[test]
fn an_event_for_many_experiments_is_committed_in_parts() {
    let catalog = many(60);
    let mut events: Vec<_> = (0..60)
        .map(|number| json!({"type": "exposure", "unit": "u", "experiment": format!("e{number:02}"), "variant": "a", "timestamp": NOW}))
        .collect();
    events.extend([purchase("u", NOW + 1_000), purchase("u", NOW + 2_000)]);
    let mut whole = World::default();
    whole.deliver(
        &catalog,
        1,
        &events,
        &Limits { rows: 10_000, counters: 10_000, ids: 10_000, items: usize::MAX },
        usize::MAX,
    );
    assert_eq!(whole.totals_of("e59").variants["a"].metrics["buyers"].events, 2);
    for limits in [LIMITS, Limits { rows: 3, ..LIMITS }] {
        let mut world = World::default();
        let (mut commits, mut parts) = (0, 0);
        while world.head.as_ref().is_none_or(|head| head.sequence.as_str() != "62" || head.part.is_some()) {
            world.deliver(&catalog, 1, &events, &limits, 1);
            commits += 1;
            parts += usize::from(world.head.as_ref().is_some_and(|head| head.part.is_some()));
            assert!(commits < 1_000, "there is an end");
        }
        assert!(parts >= 2, "of each purchase there was a part");
        assert_eq!(world.rows, whole.rows);
        assert_eq!(world.writes, whole.writes);
    }
}

/// A catalog that is published between two parts changes what is counted for the experiments that it changes, and no other.
#[test]
fn a_new_catalog_between_two_parts_counts_nothing_twice() {
    let exposures = |number: usize| json!({"type": "exposure", "unit": "u", "experiment": format!("e{number:02}"), "variant": "a", "timestamp": NOW});
    let events: Vec<_> = (0..60).map(exposures).chain([purchase("u", NOW + 1_000)]).collect();
    let mut world = World::default();
    while world.head.as_ref().is_none_or(|head| head.part.is_none()) {
        world.deliver(&many(60), 1, &events, &LIMITS, 1);
    }
    world.deliver(&many(55), 1, &events, &LIMITS, usize::MAX);
    let counted = |number: usize| {
        let totals = world.totals_of(&format!("e{number:02}"));
        totals.variants["a"].metrics.get("revenue").map_or(0, |metric| metric.events)
    };
    assert_eq!((0..55).map(counted).collect::<Vec<_>>(), [1; 55]);
}

prop_compose! {
    fn any_event()(unit in 0..6u8, kind in 0..5u8, variant in 0..2u8, minutes in -20..20i64, id in prop::option::of(0..30u8)) -> Value {
        let time = NOW + minutes * 60_000;
        let unit = format!("u{unit}");
        let mut event = match kind {
            0 | 1 => exposure(&unit, if variant == 0 { "a" } else { "b" }, time),
            2 => json!({"type": "conversion", "event": "visit", "user_id": unit, "timestamp": time}),
            3 => json!({"nonsense": true}),
            _ => purchase(&unit, time),
        };
        if let Some(id) = id {
            event["event_id"] = json!(format!("e{id}"));
        }
        event
    }
}

proptest! {
    /// Whatever is delivered again, in whichever portions and however much of it is committed: the counts are the same.
    #[test]
    fn portions_and_repetitions_do_not_matter(
        events in prop::collection::vec(any_event(), 1..40),
        steps in prop::collection::vec((0..40usize, 1..40usize, 0..3usize), 0..12),
        rows in 1..9usize,
    ) {
        let catalog = catalog();
        let limits = Limits { rows, ..LIMITS };
        let expected = after(&events);
        let mut world = World::default();
        for (back, length, commits) in steps {
            // A stream delivers in order the first time: nothing is delivered before what stands before it was.
            let applied = world.head.as_ref().map_or(0, |head| {
                head.sequence.as_str().parse::<usize>().unwrap() - usize::from(head.part.is_some())
            });
            let start = applied.saturating_sub(back);
            let end = (start + length).min(events.len());
            world.deliver(&catalog, start + 1, &events[start..end], &limits, commits);
        }
        world.deliver(&catalog, 1, &events, &limits, usize::MAX);
        prop_assert_eq!(&world.rows, &expected.rows);
        prop_assert_eq!(&world.marks, &expected.marks);
        prop_assert_eq!(world.writes, expected.writes, "a mark is written once");
    }
}
