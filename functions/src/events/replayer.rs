//! Records out of quarantine, once more through the handler.

use super::{Options, Processor, RecordToWrite, kinesis_event};
use crate::catalog::CatalogHolder;
use crate::ports::{Archive, CatalogStore, MetricStore, PortError, Quarantine, Quarantined};
use crate::telemetry::{Telemetry, hashed};
use abx_core::event::{EventData, RejectionReason, StreamCounter};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The stream that replayed records are of. Each has a shard of its own there, or shares one with those of the same event,
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
        let outcome = outcome.map_err(PortError::permanent)?;
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
    match event.and_then(|event| event.identity()) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::embedded::EmbeddedStore;
    use crate::catalog::{Snapshot, encode};
    use crate::ports::{ArchiveLine, RevisionMeta};
    use abx_core::event::{Totals, experiment_partition};
    use serde_json::json;

    /// An archive that takes everything and keeps nothing.
    #[derive(Debug)]
    struct Nowhere;

    impl Archive for Nowhere {
        async fn append(&self, _: &[ArchiveLine]) -> Result<(), PortError> {
            Ok(())
        }
    }

    type Store = Arc<EmbeddedStore>;

    async fn store() -> Store {
        let store = Arc::new(EmbeddedStore::in_memory().unwrap());
        let experiment = json!({"experiment": "e", "status": "active", "variants": [{"key": "a"}, {"key": "b"}],
            "metrics": [{"key": "paid", "event": "paid", "kind": "count"}]});
        let meta = RevisionMeta { created_at: Timestamp::now(), author: "t".into(), message: String::new() };
        store.put_revision(1, &encode(&[experiment]).unwrap(), &meta).await.unwrap();
        store.flip_head(None, 1, &meta).await.unwrap();
        store
    }

    /// A replayer as another process has it: it remembers nothing.
    fn replayer(store: &Store) -> Replayer<Store, Store, Nowhere> {
        let catalog = Arc::new(CatalogHolder::new(Arc::clone(store), Snapshot::default()));
        Replayer::new(catalog, Arc::clone(store), Nowhere)
    }

    fn record(id: &str, data: &Value) -> Quarantined {
        let (reason, detail) = ("panicked".to_owned(), String::new());
        Quarantined {
            id: id.to_owned(),
            reason,
            detail,
            arrived: Timestamp::now(),
            data: data.to_string().into_bytes(),
        }
    }

    fn exposure() -> Quarantined {
        record("s/1:7", &json!({"type": "exposure", "unit": "u", "experiment": "e", "variant": "a"}))
    }

    fn paid() -> Value {
        json!({"type": "conversion", "user_id": "u", "event": "paid"})
    }

    async fn payments(store: &Store) -> (u64, u64) {
        let partition = experiment_partition("e", 1);
        let mut totals = Totals::default();
        for row in store.rows(&partition).await.unwrap() {
            totals.add(&partition, &row.sort, &row.counter, row.amount);
        }
        let variant = totals.variants.remove("a").unwrap_or_default();
        (variant.units, variant.metrics.get("paid").map_or(0, |metric| metric.events))
    }

    const COUNTED: Replayed = Replayed::Counted { unattributed: false };

    #[tokio::test]
    async fn each_record_counts_once_however_often_it_is_replayed() {
        let store = store().await;
        let records = [exposure(), record("s/1:8", &paid()), record("s/1:9", &paid())];
        for record in &records {
            assert_eq!(replayer(&store).replay(record).await.unwrap(), COUNTED, "{}", record.id);
        }
        // Nobody came to remove them.
        for record in &records {
            assert_eq!(replayer(&store).replay(record).await.unwrap(), Replayed::CountedBefore);
        }
        assert_eq!(payments(&store).await, (1, 2));
    }

    #[tokio::test]
    async fn two_records_of_one_event_count_once() {
        let store = store().await;
        let mut payment = paid();
        payment["event_id"] = json!("p1");
        let mut replayer = replayer(&store);
        replayer.replay(&exposure()).await.unwrap();
        assert_eq!(replayer.replay(&record("s/1:8", &payment)).await.unwrap(), COUNTED);
        assert_eq!(replayer.replay(&record("s/2:3", &payment)).await.unwrap(), Replayed::CountedBefore);
        assert_eq!(payments(&store).await, (1, 1));
    }

    #[tokio::test]
    async fn what_is_refused_again_leaves_no_trace() {
        let store = store().await;
        let broken = record("s/1:8", &json!({"type": "thought", "user_id": "u"}));
        for _ in 0..2 {
            let refused = replayer(&store).replay(&broken).await.unwrap();
            let Replayed::Refused { reason, .. } = refused else { panic!("{refused:?}") };
            assert_eq!(reason, "unknown_type");
        }
        assert_eq!(store.rows("stream").await.unwrap(), []);
        // A newer abx knows the type: here, the record itself is mended.
        let mended = Quarantined { data: paid().to_string().into_bytes(), ..broken };
        let unattributed = Replayed::Counted { unattributed: true };
        assert_eq!(replayer(&store).replay(&mended).await.unwrap(), unattributed);
    }

    #[tokio::test]
    async fn a_record_without_a_place_is_opened() {
        let store = store().await;
        let mut replayer = replayer(&store);
        replayer.replay(&exposure()).await.unwrap();
        let whole = json!({"kinesis": {"sequenceNumber": "x", "data": STANDARD.encode(paid().to_string())}});
        let reason = RejectionReason::NoPosition.as_str().to_owned();
        let unplaced = Quarantined { reason, ..record("unplaced:1", &whole) };
        assert_eq!(replayer.replay(&unplaced).await.unwrap(), COUNTED);
        assert_eq!(payments(&store).await, (1, 1));
    }

    #[tokio::test]
    async fn without_a_catalog_nothing_is_counted() {
        let empty = Arc::new(EmbeddedStore::in_memory().unwrap());
        // An empty table is an answer: the events that there are belong to no experiment, as for the deployed function.
        assert_eq!(replayer(&empty).replay(&exposure()).await.unwrap(), COUNTED);
    }
}
