//! A batch, shard by shard.

use super::memory::Memory;
use super::shard::{Look, Outdated, Progress, ShardWorker, Stop};
use crate::catalog::{CatalogHolder, Snapshot};
use crate::ports::{Archive, CatalogStore, MetricStore, Quarantine, Quarantined};
use crate::sources::NotABatch;
use crate::telemetry::{Level, Telemetry, TelemetryCounter, hashed};
use abx_core::event::{
    Batch, Classes, Limits, Position, RecordClass, ShardBatch, StreamCounter, StreamTotals, Unplaced,
};
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// The time before its deadline at which an invocation answers, even if work is left.
const RESERVE: Duration = Duration::from_millis(300);

/// The largest difference between the clocks of the stream and of this process.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(3);

/// The time limit of a read of the catalog's head.
const LOOK: Duration = Duration::from_secs(2);

/// The longest wait of records, from their arrival, for a catalog that cannot be read. After it the last good one counts them, so that an outage
/// of the catalog's table alone does not stop a shard for longer.
const CATALOG_PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// The response to Lambda for a batch: the records from which on it is to be delivered again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    /// The first record of each shard that is not counted; empty where all are. Lambda delivers it and all after it
    /// again, so there is one for a shard and never more.
    pub batch_item_failures: Vec<ItemFailure>,
    /// The outcome of the records that are done, for a person who invokes the function: Lambda reads only the failures.
    #[serde(default, skip_serializing_if = "Classes::is_empty")]
    pub counted: Classes,
}

/// A record that is to be delivered again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemFailure {
    /// Its sequence number; never empty.
    pub item_identifier: String,
}

/// The outcome of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchOutcome {
    /// The response to Lambda.
    pub response: BatchResponse,
    /// The counts of it that were added now.
    pub counted: StreamTotals,
    /// The outcome of each record that is not given back.
    pub classes: Classes,
    /// Records without a place in any shard.
    pub unplaced: usize,
    /// Why the first record that is given back is not done.
    pub why: Option<String>,
}

/// Why an invocation ends in an error, so that Lambda delivers all of it again.
#[derive(Debug)]
pub enum NotHandled {
    /// It is no batch.
    NotABatch(NotABatch),
    /// It could not be kept for this reason, and no record in it has a number by which it could be given back.
    Nameless(String),
}

impl NotHandled {
    /// The type of the error, as Lambda and whoever reads its log see it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NotABatch(_) => "NotABatch",
            Self::Nameless(_) => "NotKept",
        }
    }
}

impl fmt::Display for NotHandled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotABatch(error) => error.fmt(f),
            Self::Nameless(why) => write!(f, "records without a sequence number could not be kept: {why}"),
        }
    }
}

impl std::error::Error for NotHandled {}

impl From<NotABatch> for NotHandled {
    fn from(error: NotABatch) -> Self {
        Self::NotABatch(error)
    }
}

/// The options of the function.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The number of marks that a process remembers.
    pub cache_marks: NonZeroUsize,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache_marks: const { NonZeroUsize::new(100_000).unwrap() } }
    }
}

/// The event function, over its ports.
#[derive(Debug)]
pub struct Processor<C, M, A, Q> {
    catalog: Arc<CatalogHolder<C>>,
    store: M,
    archive: A,
    quarantine: Q,
    telemetry: Arc<Telemetry>,
    memory: Memory,
}

impl<C, M, A, Q> Processor<C, M, A, Q>
where
    C: CatalogStore + 'static,
    M: MetricStore,
    A: Archive,
    Q: Quarantine,
{
    /// Counts by a catalog into a store.
    pub fn new(
        catalog: Arc<CatalogHolder<C>>,
        store: M,
        (archive, quarantine): (A, Q),
        telemetry: Arc<Telemetry>,
        options: Options,
    ) -> Self {
        let memory = Memory::new(options.cache_marks);
        Self { catalog, store, archive, quarantine, telemetry, memory }
    }

    /// The store.
    pub fn store(&self) -> &M {
        &self.store
    }

    /// The catalog.
    pub fn catalog(&self) -> &Arc<CatalogHolder<C>> {
        &self.catalog
    }

    /// The log and the metrics.
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// Counts a batch, and answers before the deadline. What the records say is never an error.
    pub async fn count(&self, batch: Batch, deadline: Instant) -> Result<BatchOutcome, NotHandled> {
        self.count_since(std::time::Instant::now(), batch, deadline).await
    }

    /// The same of a batch that was received at `start`, from which its duration is measured.
    pub(crate) async fn count_since(
        &self,
        start: std::time::Instant,
        mut batch: Batch,
        deadline: Instant,
    ) -> Result<BatchOutcome, NotHandled> {
        let now = Timestamp::now();
        let until = deadline.checked_sub(RESERVE).unwrap_or(deadline);
        let mut outcome = BatchOutcome { unplaced: batch.unplaced.len(), ..BatchOutcome::default() };
        // First, so that a batch whose records without a place cannot be kept is given back whole, and no shard twice.
        if let Err(stop) = self.keep_unplaced(&batch.unplaced, now, until).await {
            outcome.why = Some(stop.to_string());
            outcome.response.batch_item_failures = self.give_all_back(&batch, &stop)?;
        } else {
            outcome.classes.add(RecordClass::Rejected, batch.unplaced.len() as u64);
            self.count_shards(&mut batch, until, &mut outcome).await;
        }
        outcome.response.counted = outcome.classes;
        self.measure(&batch, &outcome, now, start);
        Ok(outcome)
    }

    async fn count_shards(&self, batch: &mut Batch, until: Instant, outcome: &mut BatchOutcome) {
        let mut snapshot = self.snapshot(until).await;
        for shard in &mut batch.shards {
            let mut progress = Progress::default();
            let ended = match &mut snapshot {
                Some(snapshot) => self.count_by_newest(shard, snapshot, until, &mut progress).await,
                // Without a catalog every conversion would look as if nobody asked for it.
                None => Err(Stop::NoCatalog),
            };
            outcome.counted.merge(&progress.counted);
            outcome.classes.merge(&progress.classes);
            if let Err(stop) = ended {
                outcome.why.get_or_insert_with(|| stop.to_string());
                outcome.response.batch_item_failures.extend(self.give_back(shard, &progress, &stop));
            }
        }
        self.watch_catalog(snapshot.is_some());
    }

    /// Counts a shard by a catalog that was read after its newest record came. Right after a publish the records are newer than what this
    /// process holds, and an old catalog would miss what only the new one asks for (also of a name that both know), and keep a unit
    /// in `~unknown` for good. So a batch that came after the last look costs one read of the head, beside that of the marks.
    async fn count_by_newest(
        &self,
        shard: &mut ShardBatch,
        snapshot: &mut Arc<Snapshot>,
        until: Instant,
        progress: &mut Progress,
    ) -> Result<(), Stop> {
        let Some(newest) = shard.payloads.iter().map(|payload| payload.arrived).max() else { return Ok(()) };
        let (read, needed) = (self.catalog.freshness().read_at, newest.checked_add(CLOCK_SKEW).ok());
        if read.is_some() && needed < read {
            return self.count_shard((shard, None), snapshot, until, progress).await;
        }
        let held = Arc::clone(snapshot);
        let look: Look = look(Arc::clone(&self.catalog), newest, Arc::clone(&held)).boxed().shared();
        match self.count_shard((&mut *shard, Some(&look)), &held, until, progress).await {
            Err(Stop::StaleCatalog) => {}
            ended => return ended,
        }
        *snapshot = self.catalog.held();
        self.count_shard((shard, None), snapshot, until, progress).await
    }

    /// Notes how old the catalog is, and why it is not newer.
    fn watch_catalog(&self, is_there: bool) {
        let freshness = self.catalog.freshness();
        self.telemetry.catalog(is_there, || freshness.age);
        if let Some(why) = self.catalog.take_failure() {
            let age = freshness.age.map(|age| age.as_secs());
            let fields = json!({"why": why, "failures": freshness.failures, "age_seconds": age});
            self.telemetry.log(Level::Warn, "catalog_not_refreshed", None, &fields);
        }
    }

    /// The catalog, unless none was ever loaded.
    pub(super) async fn snapshot(&self, until: Instant) -> Option<Arc<Snapshot>> {
        let snapshot = self.catalog.current().await;
        if !snapshot.is_empty() {
            return Some(snapshot);
        }
        // It may be that nothing was published yet, which the store says, or that it does not answer.
        match timeout_at(until, self.catalog.load()).await {
            Ok(Ok(())) => Some(self.catalog.held()),
            _ => None,
        }
    }

    async fn count_shard(
        &self,
        (shard, look): (&mut ShardBatch, Option<&Look>),
        snapshot: &Snapshot,
        until: Instant,
        progress: &mut Progress,
    ) -> Result<(), Stop> {
        let worker = ShardWorker { look, ..self.worker(snapshot, self.store.limits().commit, until) };
        // A call that does not come back is left behind: if it still writes, the head tells.
        timeout_at(until, worker.count(shard, progress)).await.unwrap_or(Err(Stop::Time))
    }

    /// The parts that the work on a shard needs.
    pub(super) fn worker<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        limits: Limits,
        until: Instant,
    ) -> ShardWorker<'a, M, A, Q> {
        ShardWorker {
            catalog: &snapshot.catalog,
            look: None,
            store: &self.store,
            archive: &self.archive,
            quarantine: &self.quarantine,
            memory: &self.memory,
            limits,
            telemetry: &self.telemetry,
            until,
        }
    }

    /// The record from which on a shard is to be delivered again.
    fn give_back(&self, shard: &ShardBatch, progress: &Progress, stop: &Stop) -> Option<ItemFailure> {
        let is_left = |position: &&Position| progress.head.as_ref().is_none_or(|head| *position > head);
        let first = shard.payloads.iter().map(|payload| &payload.position).find(is_left)?;
        let fields = json!({"shard": shard.shard, "from": first.sequence.as_str(), "why": stop.to_string()});
        self.telemetry.count(TelemetryCounter::BatchesReturned, 1);
        self.telemetry.log(Level::Warn, "batch_given_back", None, &fields);
        Some(ItemFailure { item_identifier: first.sequence.as_str().to_owned() })
    }

    /// Every shard from its first record: a record without a place would be lost with its batch.
    fn give_all_back(&self, batch: &Batch, stop: &Stop) -> Result<Vec<ItemFailure>, NotHandled> {
        let nothing = Progress::default();
        let from: Vec<_> =
            batch.shards.iter().filter_map(|shard| self.give_back(shard, &nothing, stop)).collect();
        // An answer that names no record would say that all is well.
        if from.is_empty() { Err(NotHandled::Nameless(stop.to_string())) } else { Ok(from) }
    }

    async fn keep_unplaced(&self, unplaced: &[Unplaced], now: Timestamp, until: Instant) -> Result<(), Stop> {
        if unplaced.is_empty() {
            return Ok(());
        }
        let records: Vec<_> = unplaced
            .iter()
            .map(|it| Quarantined {
                id: format!("unplaced:{}", hashed(&it.raw)),
                reason: it.rejection.reason.to_string(),
                detail: it.rejection.detail.clone(),
                arrived: now,
                data: it.raw.clone().into_bytes(),
            })
            .collect();
        timeout_at(until, self.quarantine.put(&records)).await.map_err(|_| Stop::Time)?.map_err(Stop::Port)
    }

    fn measure(&self, batch: &Batch, outcome: &BatchOutcome, now: Timestamp, start: std::time::Instant) {
        let counted = &outcome.counted;
        for (counter, what) in [
            (TelemetryCounter::EventsAccepted, StreamCounter::Accepted),
            (TelemetryCounter::EventsDuplicate, StreamCounter::Duplicates),
            (TelemetryCounter::EventsLate, StreamCounter::Late),
            (TelemetryCounter::EventsUnattributed, StreamCounter::Unattributed),
            (TelemetryCounter::EventsUnknown, StreamCounter::Unused),
            (TelemetryCounter::EventsMisrouted, StreamCounter::Misrouted),
            (TelemetryCounter::EventsOutsideIdWindow, StreamCounter::OutsideIdWindow),
        ] {
            self.telemetry.count(counter, counted.count(what));
        }
        let rejected: u64 = counted.rejected.values().sum();
        self.telemetry.count(TelemetryCounter::EventsQuarantined, rejected + outcome.unplaced as u64);
        let reasons = counted.rejected.iter();
        self.telemetry.reasons(reasons.flat_map(|(reason, count)| (0..*count).map(|_| reason.as_str())));
        let newest =
            batch.shards.iter().flat_map(|shard| &shard.payloads).map(|payload| payload.arrived).max();
        if let Some(newest) = newest {
            self.telemetry.iterator_age(now.duration_since(newest).as_secs_f64().max(0.0));
        }
        let given_back = !outcome.response.batch_item_failures.is_empty();
        self.telemetry.answered(if given_back { 503 } else { 200 }, start);
    }
}

/// Reads the head of the catalog, for records of which the newest came then.
async fn look<C: CatalogStore + 'static>(
    catalog: Arc<CatalogHolder<C>>,
    newest: Timestamp,
    held: Arc<Snapshot>,
) -> Result<(), Outdated> {
    let why = match timeout(LOOK, catalog.load()).await {
        Ok(Ok(())) if Arc::ptr_eq(&catalog.held(), &held) => return Ok(()),
        Ok(Ok(())) => return Err(Outdated::Replaced),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} seconds", LOOK.as_secs()),
    };
    let has_waited = Timestamp::now().duration_since(newest) > CATALOG_PATIENCE;
    if has_waited { Ok(()) } else { Err(Outdated::Unread(why.into())) }
}
