//! The events of an embedded store, as a stream of one shard.

use super::{BatchResponse, NotHandled, Options, Processor};
use crate::adapters::embedded::{EmbeddedStore, JsonlArchive, StoredEvent};
use crate::catalog::CatalogHolder;
use crate::ports::{MetricStore, PortError, PortResult};
use crate::telemetry::Telemetry;
use abx_core::event::{Batch, Classes, NotAPosition, Record, RecordContent};
use std::sync::{self, Arc, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// The number of events in a batch.
const BATCH: u32 = 500;
/// The time limit of a batch.
const PATIENCE: Duration = Duration::from_secs(10);

/// The event function over an embedded store, fed with the events in it. How far it came is the head of the shard, in the
/// same file: whoever is killed goes on where the counts end.
#[derive(Debug)]
pub struct LocalProcessor {
    store: EmbeddedStore,
    processor: Processor<EmbeddedStore, EmbeddedStore, JsonlArchive, EmbeddedStore>,
    /// The number of the last event that is counted, once that is known. Events that come twice are known by the head.
    counted: Mutex<Option<i64>>,
    failure: sync::Mutex<Option<String>>,
}

impl LocalProcessor {
    /// Counts by a catalog, and archives into a folder.
    pub fn new(
        store: EmbeddedStore,
        catalog: Arc<CatalogHolder<EmbeddedStore>>,
        archive: JsonlArchive,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let kept = (archive, store.clone());
        let processor = Processor::new(catalog, store.clone(), kept, telemetry, Options::default());
        Self { store, processor, counted: Mutex::default(), failure: sync::Mutex::default() }
    }

    /// The catalog that it counts by.
    pub fn catalog(&self) -> &Arc<CatalogHolder<EmbeddedStore>> {
        self.processor.catalog()
    }

    /// Why the last attempt to count left events waiting; `None` where it did not.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts all events that wait; what became of them. An error leaves the rest for the next time.
    pub async fn catch_up(&self) -> PortResult<Classes> {
        let caught_up = self.count_waiting().await;
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) =
            caught_up.as_ref().err().map(ToString::to_string);
        caught_up
    }

    async fn count_waiting(&self) -> PortResult<Classes> {
        let mut counted = Classes::default();
        let shard: Arc<str> = self.store.local_shard()?.into();
        let mut counted_upto = self.counted.lock().await;
        let mut after = match *counted_upto {
            Some(number) => number,
            None => self.head().await?,
        };
        loop {
            *counted_upto = Some(after);
            let events = self.store.events_after(after, BATCH)?;
            let Some(last) = events.last() else { return Ok(counted) };
            let last = last.number;
            let records: Result<Vec<_>, _> = events.into_iter().map(|event| record(&shard, event)).collect();
            let batch = Batch::from_records(records.map_err(PortError::permanent)?);
            let outcome = self.processor.count(batch, Instant::now() + PATIENCE).await;
            let outcome = outcome.map_err(PortError::permanent)?;
            counted.merge(&outcome.classes);
            if !outcome.response.batch_item_failures.is_empty() {
                let why = outcome.why.unwrap_or_default();
                return Err(PortError::transient(format!("events wait to be counted: {why}")));
            }
            after = last;
        }
    }

    /// Counts a batch of any source, as the deployed function does.
    pub async fn count_batch(&self, batch: Batch, timeout: Duration) -> Result<BatchResponse, NotHandled> {
        let outcome = self.processor.count(batch, Instant::now() + timeout).await;
        self.processor.telemetry().flush();
        outcome.map(|outcome| outcome.response)
    }

    /// The number of the last event that is counted.
    async fn head(&self) -> PortResult<i64> {
        let state = self.store.shard(&self.store.local_shard()?).await?;
        let Some(head) = state.head else { return Ok(0) };
        head.sequence.as_str().parse().map_err(PortError::permanent)
    }
}

/// The record that an event of the file is.
fn record(shard: &Arc<str>, stored: StoredEvent) -> Result<Record, NotAPosition> {
    Ok(Record {
        shard: Arc::clone(shard),
        sequence: stored.number.to_string().parse()?,
        arrived: stored.arrived,
        // There is one shard, which keeps the order of all units: no key could be a wrong one.
        partition_key: None,
        data: stored.event.data.into(),
        content: RecordContent::AsSent,
    })
}
