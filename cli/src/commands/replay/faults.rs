//! Faults of a stream, by a seed.

use super::batch::ReplayBatch;
use abx_core::event::EventData;
use clap::ValueEnum;
use serde_json::Value;
use std::collections::VecDeque;

/// Something that happens to a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Fault {
    /// A producer sends one event in fifty twice
    Duplicate,
    /// Batches that were counted are delivered again, out of order
    Reorder,
    /// Records that are not events are mixed in
    Poison,
    /// Batches are cut, and delivered in parts and whole
    Bisect,
}

/// The number of batches that are remembered, to be delivered again.
const REMEMBERED: usize = 16;

/// The faults of a run.
#[derive(Debug)]
pub(super) struct Faults {
    enabled: Vec<Fault>,
    random: fastrand::Rng,
    recent: VecDeque<ReplayBatch>,
}

impl Faults {
    pub(super) fn new(faults: &[Fault], seed: u64) -> Self {
        Self { enabled: faults.to_vec(), random: fastrand::Rng::with_seed(seed), recent: VecDeque::new() }
    }

    fn has(&self, fault: Fault) -> bool {
        self.enabled.contains(&fault)
    }

    /// The records that are sent for an event: itself, sometimes twice, and sometimes a record that is not an event after it.
    pub(super) fn records(&mut self, data: Vec<u8>) -> Vec<Vec<u8>> {
        let is_twice = self.has(Fault::Duplicate) && chance(&mut self.random, 2);
        let mut records = if is_twice { self.twice(data) } else { vec![data] };
        records.extend(self.poison());
        records
    }

    /// An event that its producer sends twice. Two records without an id are two events, so one without gets one.
    fn twice(&mut self, data: Vec<u8>) -> Vec<Vec<u8>> {
        let has_id = |event: EventData<'_>| event.event_id.is_some();
        let Ok(false) = EventData::read(&data).map(has_id) else { return vec![data.clone(), data] };
        let Ok(Value::Object(mut event)) = serde_json::from_slice(&data) else { return vec![data] };
        event.insert("event_id".to_owned(), format!("sent twice: {}", self.random.u64(..)).into());
        let data = Value::Object(event).to_string().into_bytes();
        vec![data.clone(), data]
    }

    /// A record that is not an event, now and then.
    fn poison(&mut self) -> Option<Vec<u8>> {
        const NONSENSE: [&[u8]; 4] = [b"{", b"\xff\xfe", b"{\"type\":\"click\"}", b"[1]"];
        let poisoned = self.has(Fault::Poison) && chance(&mut self.random, 1);
        poisoned
            .then(|| NONSENSE.get(self.random.usize(..NONSENSE.len())).copied().unwrap_or_default().to_vec())
    }

    /// The deliveries of a batch: in order the first time, and then more.
    pub(super) fn deliveries(&mut self, batch: ReplayBatch) -> Vec<ReplayBatch> {
        let mut deliveries = Vec::new();
        if self.has(Fault::Bisect) && chance(&mut self.random, 30) && batch.len() > 1 {
            let cut = self.random.usize(1..batch.len());
            deliveries.push(batch.part(0..cut));
            if self.random.bool() {
                deliveries.push(batch.part(cut / 2..batch.len()));
            }
        }
        deliveries.push(batch.clone());
        if self.has(Fault::Reorder) {
            if chance(&mut self.random, 30) && !self.recent.is_empty() {
                let again = self.random.usize(..self.recent.len());
                deliveries.extend(self.recent.get(again).cloned());
            }
            self.recent.push_back(batch);
            if self.recent.len() > REMEMBERED {
                self.recent.pop_front();
            }
        }
        deliveries
    }
}

/// True with a probability of so many percent.
fn chance(random: &mut fastrand::Rng, percent: u8) -> bool {
    random.u8(0..100) < percent
}
