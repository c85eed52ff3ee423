//! Records that came after a publish, and processes that have not heard of it: what a batch is counted by.

use crate::ports::Sabotage;
use crate::storm::{Ended, World, compare};
use crate::truth::{Form, Happening, Record, SECOND, START, Shard, What};
use crate::{NOTHING, blocking};
use abx_functions::adapters::TRANSACTION_LIMITS;
use jiff::Timestamp;

fn record(number: i64, arrived: i64, what: What) -> Record {
    let happening = Happening { id: number.to_string(), unit: "u".to_owned(), time: arrived, what };
    Record { sequence: 1000 + number.unsigned_abs(), arrived, happenings: vec![happening], form: Form::Plain }
}

fn shard(records: Vec<Record>) -> Shard {
    Shard { name: "events/shardId-000000000000".to_owned(), parents: Vec::new(), records }
}

/// The first experiments ask for purchases already, so that no name tells this process that its catalog is old.
#[test]
fn a_conversion_counts_for_an_experiment_that_only_another_process_knows() {
    blocking(async {
        let mut world = World::new(0, NOTHING, Sabotage::Nothing).await;
        let (knows, knew) =
            (world.start(TRANSACTION_LIMITS.commit).await, world.start(TRANSACTION_LIMITS.commit).await);
        world.publish_second().await;
        let exposure = record(0, START, What::Exposure(SECOND, "a"));
        let shard = shard(vec![exposure, record(1, START + 1, What::Purchase(2.0))]);
        assert_eq!(knows.invoke(&shard, &shard.records[..1]).await, Ended::Done);
        assert_eq!(knew.invoke(&shard, &shard.records[1..]).await, Ended::Done);
        compare(&world, std::slice::from_ref(&shard)).unwrap();
        let state = world.state.lock().unwrap();
        let is_sum = |(partition, _, counter): &(String, String, String)| {
            partition == "exp#second" && counter == "ms#a#spent"
        };
        assert!(state.rows.keys().any(is_sum), "{:?}", state.rows);
    });
}

#[test]
fn records_wait_while_the_catalog_cannot_be_read() {
    blocking(async {
        let mut world = World::new(0, NOTHING, Sabotage::Nothing).await;
        let process = world.start(TRANSACTION_LIMITS.commit).await;
        world.publish_second().await;
        world.faults.lock().unwrap().no_catalog = true;
        let shard = shard(vec![record(0, START, What::Exposure(SECOND, "a"))]);
        assert_eq!(process.invoke(&shard, &shard.records).await, Ended::From(1000));
        assert!(world.state.lock().unwrap().rows.is_empty());
        world.faults.lock().unwrap().no_catalog = false;
        assert_eq!(process.invoke(&shard, &shard.records).await, Ended::Done);
        compare(&world, std::slice::from_ref(&shard)).unwrap();
    });
}

/// An outage of the catalog alone does not stop a shard for more than five minutes.
#[test]
fn records_that_waited_long_enough_are_counted_by_what_is_held() {
    blocking(async {
        let mut world = World::new(0, NOTHING, Sabotage::Nothing).await;
        world.faults.lock().unwrap().no_catalog = true;
        let process = world.start_unread(TRANSACTION_LIMITS.commit);
        for (minutes, ended) in [(6, Ended::Done), (4, Ended::From(1001))] {
            let arrived = Timestamp::now().as_millisecond() - minutes * 60_000;
            let shard = shard(vec![record(i64::from(minutes == 4), arrived, What::Exposure(SECOND, "a"))]);
            assert_eq!(process.invoke(&shard, &shard.records).await, ended, "{minutes} minutes ago");
        }
        let state = world.state.lock().unwrap();
        let units: Vec<_> =
            state.rows.iter().filter(|((.., counter), _)| counter.starts_with("u#")).collect();
        assert!(matches!(&units[..], [((.., counter), _)] if counter == "u#~unknown"), "{units:?}");
    });
}

#[test]
fn names_that_were_never_published_wait_for_nothing() {
    blocking(async {
        let mut world = World::new(0, NOTHING, Sabotage::Nothing).await;
        let process = world.start(TRANSACTION_LIMITS.commit).await;
        let shard = shard(vec![record(0, START, What::Exposure("nowhere", "a"))]);
        assert_eq!(process.invoke(&shard, &shard.records).await, Ended::Done);
        assert!(world.state.lock().unwrap().rows.keys().any(|(.., counter)| counter == "u#~unknown"));
    });
}
