//! Records out of quarantine, once more through the handler.

use super::{Options, Processor, RecordToWrite, kinesis_event};
use crate::catalog::CatalogHolder;
use crate::ports::{Archive, CatalogStore, MetricStore, PortError, Quarantine, Quarantined};
use crate::telemetry::{Telemetry, hashed};
use abx_core::event::{EventData, NotABatch, RejectionReason, StreamCounter};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The stream that replayed records are of. Each has a shard of its own there, or shares one with those of the same event id,
/// and is its only record: so it is counted once, however often and by however many it is replayed, and no order has to be kept.
pub const REPLAYED_STREAM: &str = "quarantine";

/// How long a record may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends quarantined records through the handler of the event function, over its ports. What it refuses again is not counted
/// and left where it is; to forget what was counted is the caller's business, after it.
#[derive(Debug)]
pub struct Replayer<C, M, A> {
    processor: Processor<C, M, A, Arc<Refusals>>,
    refusals: Arc<Refusals>,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// It is counted, and in the archive.
    Counted {
        /// Whether it counts for no experiment: its unit was not exposed before, or no metric asks for it.
        unattributed: bool,
    },
    /// It was counted by an earlier replay, or another record of its event id was.
    CountedBefore,
    /// It can still not be processed; nothing was counted.
    Refused {
        /// The word for what is wrong.
        reason: String,
        /// What is wrong.
        detail: String,
    },
}

impl<C, M, A> Replayer<C, M, A>
where
    C: CatalogStore + 'static,
    M: MetricStore,
    A: Archive,
{
    /// Counts by a catalog into a store.
    pub fn new(catalog: Arc<CatalogHolder<C>>, store: M, archive: A) -> Self {
        let refusals = Arc::new(Refusals::default());
        let kept = (archive, Arc::clone(&refusals));
        let telemetry = Arc::new(Telemetry::silent("events"));
        Self { processor: Processor::new(catalog, store, kept, telemetry, Options::default()), refusals }
    }

    /// Sends a record. After an error it may be counted or not; the next replay finds out.
    pub async fn replay(&mut self, record: &Quarantined) -> Result<Replayed, PortError> {
        let data = data(record);
        let written = RecordToWrite {
            sequence: "1".to_owned(),
            partition_key: "-".to_owned(),
            // The hour that it counts for, and how late it is, are judged by this as they would have been.
            arrived: record.arrived,
            data: data.clone(),
        };
        let batch = kinesis_event(REPLAYED_STREAM, &shard(record, &data), &[written]);
        let outcome = self.processor.handle(&batch, Instant::now() + PATIENCE).await;
        let outcome = outcome.map_err(|error: NotABatch| PortError::permanent(error))?;
        if let Some(Quarantined { reason, detail, .. }) = self.refusals.take() {
            return Ok(Replayed::Refused { reason, detail });
        }
        if !outcome.response.batch_item_failures.is_empty() {
            return Err(PortError::transient("the handler could not count it now"));
        }
        let counted = |what| outcome.counted.count(what) > 0;
        if !counted(StreamCounter::Accepted) {
            return Ok(Replayed::CountedBefore);
        }
        let unattributed = counted(StreamCounter::Unattributed) || counted(StreamCounter::Unused);
        Ok(Replayed::Counted { unattributed })
    }
}

/// The bytes that the handler reads. A record without a place was kept whole, as JSON.
fn data(record: &Quarantined) -> Vec<u8> {
    let is_whole = record.reason == RejectionReason::NoPosition.as_str();
    let whole: Option<Value> = if is_whole { serde_json::from_slice(&record.data).ok() } else { None };
    let data = whole.as_ref().and_then(|it| it.pointer("/kinesis/data")?.as_str());
    data.and_then(|data| STANDARD.decode(data).ok()).unwrap_or_else(|| record.data.clone())
}

/// The shard of a record; the same whenever it is replayed.
fn shard(record: &Quarantined, data: &[u8]) -> String {
    let event = EventData::read(data).ok();
    match event.and_then(|event| event.event_id) {
        Some(id) => format!("event-{}", hashed(&id)),
        None => format!("record-{}", hashed(&record.id)),
    }
}

/// A quarantine that takes nothing. Because it fails, the handler gives the record back before it commits anything: what is
/// refused again leaves no trace, and can be replayed once more.
#[derive(Debug, Default)]
struct Refusals(Mutex<Option<Quarantined>>);

impl Refusals {
    fn take(&self) -> Option<Quarantined> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Quarantine for Refusals {
    async fn put(&self, records: &[Quarantined]) -> Result<(), PortError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = records.first().cloned();
        Err(PortError::permanent("it is refused again"))
    }

    async fn list(&self, _: Timestamp, _: usize) -> Result<Vec<Quarantined>, PortError> {
        Ok(Vec::new())
    }

    async fn count(&self, _: Timestamp) -> Result<BTreeMap<String, u64>, PortError> {
        Ok(BTreeMap::new())
    }

    async fn remove(&self, _: &Quarantined) -> Result<(), PortError> {
        Ok(())
    }
}
