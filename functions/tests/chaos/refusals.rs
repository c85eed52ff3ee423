//! A store that refuses what some records hold: what that costs, and that their neighbours are counted.

use crate::ports::Sabotage;
use crate::storm::{Ended, World, compare};
use crate::truth::{
    FULL, Form, Happening, NO_LINES, NO_MARKS, NO_PUTS, Record, START, Shard, UNKEEPABLE, What,
};
use crate::{NOTHING, blocking};
use abx_core::event::RecordClass;
use abx_functions::adapters::TRANSACTION_LIMITS;
use std::collections::BTreeMap;
use std::time::Duration;

fn record(number: usize, unit: &str, what: What) -> Record {
    let time = START + i64::try_from(number).unwrap();
    let happening = Happening { id: number.to_string(), unit: unit.to_owned(), time, what };
    Record { sequence: 1000 + number as u64, arrived: time, happenings: vec![happening], form: Form::Plain }
}

fn exposure(number: usize) -> Record {
    record(number, &format!("unit {number}"), What::Exposure("checkout", "a"))
}

fn shard(records: Vec<Record>) -> Shard {
    Shard { name: "events/shardId-000000000000".to_owned(), parents: Vec::new(), records }
}

/// Delivers a shard once to a new process; how many calls of each name that took.
async fn calls(shard: &Shard) -> BTreeMap<&'static str, usize> {
    let mut world = World::new(0, NOTHING, Sabotage::Nothing).await;
    let process = world.start(TRANSACTION_LIMITS.commit).await;
    assert_eq!(process.invoke(shard, &shard.records).await, Ended::Done);
    compare(&world, std::slice::from_ref(shard)).unwrap();
    let faults = world.faults.lock().unwrap();
    faults.calls_by_name.clone()
}

/// One record of 128, wherever it stands and whichever call is refused, is found by halving.
#[test]
fn one_refused_record_costs_a_search_by_halving() {
    const RECORDS: usize = 128;
    blocking(async {
        let usual = calls(&shard((0..RECORDS).map(exposure).collect())).await;
        for (call, unit, what) in [
            ("marks", NO_MARKS, What::Exposure("checkout", "a")),
            ("marks put", NO_PUTS, What::Exposure("checkout", "a")),
            ("archive", NO_LINES, What::Exposure("checkout", "a")),
            ("commit", "unit", What::Exposure(FULL, "b")),
        ] {
            for place in [0, 1, 31, 64, 100, 126, 127] {
                let mut records: Vec<_> = (0..RECORDS).map(exposure).collect();
                records[place] = record(place, unit, what.clone());
                let found = calls(&shard(records)).await;
                let extra = |name: &str| found.get(name).unwrap_or(&0) - usual.get(name).unwrap_or(&0);
                // All at once, the search, and the rest: log2(128) is 7.
                for name in found.keys() {
                    assert!(extra(name) <= 10, "{call} at {place}: {} more calls of {name}", extra(name));
                }
                let sum: usize = found.keys().map(|name| extra(name)).sum();
                assert!(sum <= 40, "{call} at {place}: {sum} more calls: {found:?}");
            }
        }
    });
}

/// An invocation that has no time to find all of them leaves the head after those that it found.
#[test]
fn the_search_goes_on_in_the_next_invocation() {
    blocking(async {
        let refused = |number: usize| record(number, NO_MARKS, What::Exposure("checkout", "a"));
        let bad = |number: usize| number.is_multiple_of(3);
        let records = (0..200).map(|number| if bad(number) { refused(number) } else { exposure(number) });
        let shard = shard(records.collect());
        let mut world = World::new(0, NOTHING, Sabotage::Nothing).await;
        world.faults.lock().unwrap().latency = Duration::from_millis(100);
        let (mut from, mut invocations) = (0, 0);
        while from < shard.records.len() {
            invocations += 1;
            let process = world.start(TRANSACTION_LIMITS.commit).await;
            from = match process.invoke(&shard, &shard.records[from..]).await {
                Ended::From(first) => {
                    let next = shard.records.iter().position(|record| record.sequence == first).unwrap();
                    assert!(next > from, "invocation {invocations} comes no further than {from}");
                    next
                }
                ended => {
                    assert_eq!(ended, Ended::Done);
                    shard.records.len()
                }
            };
        }
        assert!(invocations > 1, "there was more to do than one invocation has time for");
        compare(&world, std::slice::from_ref(&shard)).unwrap();
    });
}

/// A store that takes nothing at all is not the fault of a record: the batch is given back, whenever it comes.
#[test]
fn a_store_that_takes_nothing_keeps_the_batch() {
    blocking(async {
        let shard = shard((0..50).map(exposure).collect());
        let mut world = World::new(0, NOTHING, Sabotage::Nothing).await;
        world.faults.lock().unwrap().takes_no_commit = true;
        let process = world.start(TRANSACTION_LIMITS.commit).await;
        for _ in 0..3 {
            assert_eq!(process.invoke(&shard, &shard.records).await, Ended::From(1000));
        }
        assert!(world.state.lock().unwrap().rows.is_empty());
        assert!(world.state.lock().unwrap().quarantine.len() <= 1, "the one that the search ended at");
        world.faults.lock().unwrap().takes_no_commit = false;
        assert_eq!(process.invoke(&shard, &shard.records).await, Ended::Done);
    });
}

/// A record that the quarantine refuses as well is counted as rejected, and stops no other record.
#[test]
fn a_record_that_the_quarantine_refuses_stops_nothing() {
    blocking(async {
        let mut records: Vec<_> = (0..40).map(exposure).collect();
        records[7] = record(7, "u", What::Poison(UNKEEPABLE, "not_json"));
        records[8] = record(8, "u", What::Poison(b"{", "not_json"));
        let shard = shard(records);
        let mut world = World::new(0, NOTHING, Sabotage::Nothing).await;
        let process = world.start(TRANSACTION_LIMITS.commit).await;
        assert_eq!(process.invoke(&shard, &shard.records).await, Ended::Done);
        let kept: Vec<_> = world.state.lock().unwrap().quarantine.keys().cloned().collect();
        assert_eq!(kept, ["events/shardId-000000000000:1008"]);
        let said = process.said();
        assert_eq!((said.count(RecordClass::Counted), said.count(RecordClass::Rejected)), (38, 2));
    });
}
