//! From the outbox of the assignment function to the counts of the event function, over a stream that loses in every way: what is lost is
//! forgotten, so that the next request of its unit records it again, and what arrives twice counts once.

use crate::ports::Sabotage;
use crate::storm::World;
use crate::truth::START;
use crate::{NOTHING, blocking};
use abx_core::event::{Batch, StreamCounter};
use abx_functions::adapters::TRANSACTION_LIMITS;
use abx_functions::outbox::Outbox;
use abx_functions::ports::{Event, EventSink, PortError, SendReport};
use abx_functions::settings::Exposures;
use abx_functions::sources::kinesis::KinesisRecord;
use abx_functions::telemetry::Telemetry;
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::timeout;

const UNITS: usize = 40;

/// A stream that takes what a seed says, and says of it what the seed says.
struct Stream {
    random: Mutex<fastrand::Rng>,
    is_well: AtomicBool,
    arrived: Mutex<Vec<Event>>,
}

impl Stream {
    fn take(&self, events: &[Event], is_taken: impl Fn(&mut fastrand::Rng) -> bool) -> Vec<usize> {
        let mut failed = Vec::new();
        for (index, event) in events.iter().enumerate() {
            if is_taken(&mut self.random.lock().unwrap()) {
                self.arrived.lock().unwrap().push(event.clone());
            } else {
                failed.push(index);
            }
        }
        failed
    }
}

impl EventSink for Stream {
    async fn send(&self, events: &[Event]) -> SendReport {
        let all = || (0..events.len()).collect();
        let (transient, permanent) = (PortError::transient("away"), PortError::permanent("refused"));
        let fault = if self.is_well.load(Relaxed) { u8::MAX } else { self.random.lock().unwrap().u8(0..8) };
        let (failed, cause) = match fault {
            0 => (all(), transient),
            1 => (all(), permanent),
            2 => (self.take(events, fastrand::Rng::bool), transient),
            3 => (self.take(events, fastrand::Rng::bool), permanent),
            // The answer is lost.
            4 => {
                self.take(events, |_| true);
                (all(), transient)
            }
            // It never comes, after some of them or none arrived.
            5 => {
                self.take(events, fastrand::Rng::bool);
                std::future::pending().await
            }
            6 => std::future::pending().await,
            _ => (self.take(events, |_| true), transient),
        };
        let cause = Some(cause).filter(|_| !failed.is_empty());
        SendReport { failed, cause }
    }
}

fn exposure(unit: &str) -> Event {
    let data = json!({"event_id": format!("id of {unit}"), "type": "exposure", "experiment": "checkout", "variant": "a",
        "unit": unit, "timestamp": START});
    Event { partition_key: unit.to_owned(), data: data.to_string().into_bytes() }
}

/// Requests of units while the stream fails and processes end, and one more of each unit once it is well. How many exposures were made.
async fn requests(stream: &Arc<Stream>, random: &mut fastrand::Rng) -> usize {
    let telemetry = Arc::new(Telemetry::silent("assignment"));
    let start = || Outbox::new(Arc::clone(stream), Exposures::After, Arc::clone(&telemetry));
    let made = AtomicUsize::new(0);
    let ask = |outbox: &Outbox<_>, unit: usize| {
        let unit = format!("unit {unit}");
        outbox.record(&unit, || {
            made.fetch_add(1, Relaxed);
            exposure(&unit)
        });
    };
    let mut outbox = start();
    for _ in 0..300 {
        ask(&outbox, random.usize(0..UNITS));
        match random.u8(0..20) {
            // An environment that is frozen, or a request that is given up, cuts a flush off.
            0..=9 => {
                let _ = timeout(Duration::from_millis(100), outbox.flush()).await;
                tokio::time::advance(Duration::from_secs(1)).await;
            }
            10 => {
                let _ = timeout(Duration::from_millis(100), outbox.close()).await;
                outbox = start();
            }
            _ => {}
        }
    }
    stream.is_well.store(true, Relaxed);
    (0..UNITS).for_each(|unit| ask(&outbox, unit));
    for _ in 0..5 {
        tokio::time::advance(Duration::from_secs(2)).await;
        outbox.flush().await;
    }
    assert_eq!(outbox.waiting(), 0);
    made.into_inner()
}

#[test]
fn every_unit_that_asks_again_is_counted_once_whatever_the_stream_loses() {
    let mut more = 0;
    for seed in 0..60 {
        blocking(async {
            let mut random = fastrand::Rng::with_seed(seed);
            let sent = Mutex::new(random.fork());
            let stream = Stream { random: sent, is_well: AtomicBool::new(false), arrived: Mutex::default() };
            let stream = Arc::new(stream);
            more += requests(&stream, &mut random).await - UNITS;
            let arrived = std::mem::take(&mut *stream.arrived.lock().unwrap());
            let units: BTreeSet<_> = arrived.iter().map(|event| event.partition_key.clone()).collect();
            assert_eq!(units.len(), UNITS, "seed {seed}: a unit stayed known whose exposure was lost");
            let mut world = World::new(seed, NOTHING, Sabotage::Nothing).await;
            let process = world.start(TRANSACTION_LIMITS.commit).await;
            let arrived_at = Timestamp::from_millisecond(START).unwrap();
            let records = arrived.into_iter().zip(1..).map(|(event, sequence)| KinesisRecord {
                sequence: sequence.to_string(),
                partition_key: event.partition_key,
                arrived: arrived_at,
                data: event.data,
            });
            let records: Vec<_> = records.collect();
            let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
            let shard = Arc::from("events/shardId-000000000000");
            let batch = records.iter().map(|record| record.clone().into_record(&shard).unwrap());
            let outcome = process.function.count(Batch::from_records(batch), deadline).await.unwrap();
            let duplicates = (records.len() - UNITS) as u64;
            assert_eq!(outcome.counted.count(StreamCounter::Accepted), UNITS as u64, "seed {seed}");
            assert_eq!(outcome.counted.count(StreamCounter::Duplicates), duplicates, "seed {seed}");
            let state = world.state.lock().unwrap();
            let units =
                state.rows.iter().filter(|((_, _, counter), _)| counter == "u#a").map(|(_, sum)| *sum);
            assert_eq!(units.sum::<abx_core::event::Amount>().as_count(), Some(UNITS as u64), "seed {seed}");
        });
    }
    assert!(more > 0, "something was lost, and recorded again");
}
