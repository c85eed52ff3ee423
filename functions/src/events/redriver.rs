//! Records that nobody counted, counted where they stood: their marks, if they left any, are then their own.

use super::coverage::{RecordStatus, coverage};
use super::memory::ShardMemory;
use super::position_writer::{Guards, PositionWriter, Reached, is_of_rejected};
use super::quarantined::has_no_place;
use super::shard::{Progress, ROUNDS, ShardWorker, Stop};
use super::{Options, Processor};
use crate::catalog::CatalogHolder;
use crate::ports::{Archive, CatalogStore, MetricStore, PortError, PortResult, Quarantine};
use crate::telemetry::Telemetry;
use abx_core::event::{Classes, Payload, Position, RecordClass, RejectionReason, ShardBatch};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The time limit of the records of one call.
const PATIENCE: Duration = Duration::from_secs(30);

/// The source of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedriveSource {
    /// A batch that Lambda gave up, or the archive: the commit log says which of them were counted.
    Stream,
    /// The quarantine: the log has them, as rejected. What is refused again leaves no trace, and can be redriven once more.
    Quarantine,
}

/// The state of a record before it is redriven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordStanding {
    /// It is counted.
    Counted,
    /// It would be counted where it stood.
    GivenUp,
    /// The shard is not counted up to it: it would be counted in order, and the head of the shard moved.
    Ahead,
    /// It would be refused.
    Refused(RefusalReason),
}

/// Why a record is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalReason {
    /// It is not an event that can be counted.
    Rejected(RejectionReason),
    /// The commit log no longer tells whether it was counted.
    BeyondReach,
    /// It is in quarantine, and its batch is not counted yet: the stream delivers it again.
    NotYetCounted,
}

impl RefusalReason {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rejected(reason) => reason.as_str(),
            Self::BeyondReach => "beyond_reach",
            Self::NotYetCounted => "not_yet_counted",
        }
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A record that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRefusal {
    /// The position.
    pub position: Position,
    /// Why.
    pub reason: RefusalReason,
    /// The problem with it.
    pub detail: String,
}

/// The outcome of records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redriven {
    /// The classes of those that are counted now.
    pub counted: Classes,
    /// The number of records that were counted before.
    pub already_counted: u64,
    /// Those that were refused.
    pub refused: Vec<RecordRefusal>,
}

impl Redriven {
    /// The number of records that it covers.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.counted.sum() + self.already_counted + self.refused.len() as u64
    }

    fn refuse(&mut self, position: &Position, reason: RefusalReason, detail: impl Into<String>) {
        self.refused.push(RecordRefusal { position: position.clone(), reason, detail: detail.into() });
    }
}

/// Counts records of a stream under their own shards and positions, over the ports of the event function. It may be interrupted,
/// repeated, and run beside itself and beside the function: each record counts once.
#[derive(Debug)]
pub struct Redriver<C, M, A, Q> {
    processor: Processor<C, M, A, Q>,
}

/// A record and how far it is counted.
type Placed<'a> = (&'a Payload, RecordStatus, Reached);

impl<C, M, A, Q> Redriver<C, M, A, Q>
where
    C: CatalogStore + 'static,
    M: MetricStore,
    A: Archive,
    Q: Quarantine,
{
    /// Counts by a catalog into a store.
    pub fn new(catalog: Arc<CatalogHolder<C>>, store: M, kept: (A, Q)) -> Self {
        let telemetry = Arc::new(Telemetry::silent("events"));
        let processor = Processor::new(catalog, store, kept, telemetry, Options::default());
        Self { processor }
    }

    /// The state of each of a shard's records, in their order.
    pub async fn standings(
        &self,
        origin: RedriveSource,
        batch: &ShardBatch,
    ) -> PortResult<Vec<RecordStanding>> {
        let state = self.processor.store().shard(&batch.shard).await?;
        let (placed, _) = self.place(origin, batch, state.head.as_ref()).await?;
        let standing = |(payload, coverage, _): &Placed<'_>| match coverage {
            RecordStatus::Counted => RecordStanding::Counted,
            RecordStatus::BeyondReach => RecordStanding::Refused(RefusalReason::BeyondReach),
            RecordStatus::Ahead if is_not_yet_counted(origin, batch) => {
                RecordStanding::Refused(RefusalReason::NotYetCounted)
            }
            _ if payload.event().is_err() => {
                let reason = payload.event().err().map_or(RejectionReason::Panicked, |it| it.reason);
                RecordStanding::Refused(RefusalReason::Rejected(reason))
            }
            RecordStatus::GivenUp { .. } => RecordStanding::GivenUp,
            RecordStatus::Ahead => RecordStanding::Ahead,
        };
        Ok(placed.iter().map(standing).collect())
    }

    /// Counts those of a shard's records that are not counted; they stand in their order, each once. Those that the head has not come
    /// to must follow each other in the shard. What became of them; after an error, of some of them.
    pub async fn redrive(&self, origin: RedriveSource, batch: &ShardBatch) -> (Redriven, PortResult<()>) {
        let mut redriven = Redriven::default();
        let until = Instant::now() + PATIENCE;
        let ended = match self.processor.snapshot(until).await {
            Some(snapshot) => {
                let worker = self.processor.worker(&snapshot, self.processor.store().limits().redrive, until);
                let work = self.redrive_with(&worker, (origin, batch), &mut redriven);
                timeout_at(until, work).await.unwrap_or(Err(Stop::Time))
            }
            None => Err(Stop::NoCatalog),
        };
        let ended = ended.map_err(|stop| match stop {
            Stop::Port(error) => error,
            stop => PortError::transient(stop.to_string()),
        });
        (redriven, ended)
    }

    async fn redrive_with(
        &self,
        worker: &ShardWorker<'_, M, A, Q>,
        (origin, batch): (RedriveSource, &ShardBatch),
        redriven: &mut Redriven,
    ) -> Result<(), Stop> {
        let mut left = ShardBatch { shard: batch.shard.clone(), payloads: Vec::new(), repeated: 0 };
        left.payloads.clone_from(&batch.payloads);
        let mut progress = Progress::default();
        for _ in 0..ROUNDS {
            let ledger: ShardMemory = self.processor.store().shard(&batch.shard).await?.into();
            let (placed, ids) = self.place(origin, &left, ledger.state.head.as_ref()).await?;
            let (mut given_up, mut ahead) = (Vec::new(), Vec::new());
            for (payload, coverage, reached) in placed {
                match coverage {
                    RecordStatus::Counted => redriven.already_counted += 1,
                    RecordStatus::BeyondReach => {
                        redriven.refuse(&payload.position, RefusalReason::BeyondReach, BEYOND_REACH);
                    }
                    RecordStatus::Ahead if is_not_yet_counted(origin, batch) => {
                        redriven.refuse(&payload.position, RefusalReason::NotYetCounted, NOT_YET_COUNTED);
                    }
                    _ if origin == RedriveSource::Quarantine && payload.event().is_err() => {
                        refuse_rejected(payload, redriven);
                    }
                    RecordStatus::GivenUp { .. } => given_up.push((payload.clone(), reached)),
                    RecordStatus::Ahead => ahead.push(payload.clone()),
                }
            }
            let moved = self
                .count_given_up(
                    worker,
                    (origin, &ledger, &ids),
                    (&left.shard, given_up),
                    redriven,
                    &mut progress,
                )
                .await?;
            // In their order: those that the head has not come to come after those that it passed.
            left.payloads = if moved.is_empty() {
                left.payloads = ahead;
                self.count_ahead(worker, &mut left, redriven).await?
            } else {
                moved.into_iter().chain(ahead).collect()
            };
            if left.payloads.is_empty() {
                return Ok(());
            }
        }
        Err(Stop::Contended)
    }

    /// Counts records that the head passed, under guards. Those that are left because somebody else moved a guard meanwhile.
    async fn count_given_up(
        &self,
        worker: &ShardWorker<'_, M, A, Q>,
        (origin, ledger, ids): (RedriveSource, &ShardMemory, &HashSet<u64>),
        given_up: (&str, Vec<(Payload, Reached)>),
        redriven: &mut Redriven,
        progress: &mut Progress,
    ) -> Result<Vec<Payload>, Stop> {
        let (shard, records) = given_up;
        let mut runs: Vec<(ShardBatch, HashMap<Position, Reached>)> = Vec::new();
        for (payload, reached) in records {
            // A commit goes on with a part of a record only at its beginning.
            if runs.is_empty() || reached.part.is_some() {
                let run = ShardBatch { shard: shard.to_owned(), payloads: Vec::new(), repeated: 0 };
                runs.push((run, HashMap::new()));
            }
            if let Some((run, known)) = runs.last_mut() {
                known.insert(payload.position.clone(), reached);
                run.payloads.push(payload);
            }
        }
        let (mut left, mut runs, mut ids) = (Vec::new(), VecDeque::from(runs), ids.clone());
        while let Some((run, reached)) = runs.pop_front() {
            let mut writer = PositionWriter::Guards(Guards {
                ledger,
                reached,
                ids: &ids,
                done: Vec::new(),
                taken: Vec::new(),
            });
            let ended = worker.round(&run, &mut writer, progress).await;
            let PositionWriter::Guards(Guards { done, taken, reached, .. }) = writer else { continue };
            let done: BTreeMap<Position, RecordClass> = done.into_iter().collect();
            // Their repetitions may be in a later run.
            ids.extend(taken);
            let mut rest = Vec::new();
            for payload in run.payloads {
                match done.get(&payload.position) {
                    Some(RecordClass::Rejected) => refuse_rejected(&payload, redriven),
                    Some(class) => redriven.counted.add(*class, 1),
                    None => rest.push(payload),
                }
            }
            match ended {
                Err(Stop::Port(error)) if error.is_unprocessable() => {
                    for payloads in halve(origin, rest, error, redriven, progress)?.into_iter().rev() {
                        let run = ShardBatch { shard: shard.to_owned(), payloads, repeated: 0 };
                        runs.push_front((run, reached.clone()));
                    }
                }
                ended => {
                    left.extend(rest);
                    if !ended? {
                        // Somebody else counts these records. What comes after them may repeat an id that they took meanwhile.
                        left.extend(runs.drain(..).flat_map(|(run, _)| run.payloads));
                    }
                }
            }
        }
        Ok(left)
    }

    /// Counts records that the head has not come to, as the function does. Those that are left because the head passed them meanwhile:
    /// somebody else may have counted them, or others that come after them.
    async fn count_ahead(
        &self,
        worker: &ShardWorker<'_, M, A, Q>,
        batch: &mut ShardBatch,
        redriven: &mut Redriven,
    ) -> Result<Vec<Payload>, Stop> {
        if batch.payloads.is_empty() {
            return Ok(Vec::new());
        }
        let mut progress = Progress::default();
        let worker = ShardWorker { limits: self.processor.store().limits().commit, ..*worker };
        let ended = worker.count(batch, &mut progress).await;
        for (class, count) in progress.classes.iter() {
            match class {
                RecordClass::AlreadyCounted | RecordClass::Rejected => {}
                class => redriven.counted.add(class, count),
            }
        }
        let (passed, others): (Vec<Payload>, Vec<Payload>) = std::mem::take(&mut batch.payloads)
            .into_iter()
            .partition(|it| progress.passed.contains(&it.position));
        let is_done =
            |payload: &&Payload| progress.head.as_ref().is_some_and(|head| payload.position <= *head);
        for payload in others.iter().filter(is_done) {
            refuse_rejected(payload, redriven);
        }
        ended.map(|()| passed)
    }

    /// Each record with how far it is counted, and the ids of redriven events.
    async fn place<'a>(
        &self,
        origin: RedriveSource,
        batch: &'a ShardBatch,
        head: Option<&Position>,
    ) -> PortResult<(Vec<Placed<'a>>, HashSet<u64>)> {
        let (Some(first), Some(last)) = (batch.payloads.first(), batch.payloads.last()) else {
            return Ok((Vec::new(), HashSet::new()));
        };
        let store = self.processor.store();
        let (log, guards) = tokio::try_join!(
            store.log(&batch.shard, &first.position, &last.position),
            store.redriven(&batch.shard, &first.position, &last.position)
        )?;
        let ids = guards.iter().filter_map(|guard| guard.id).collect();
        let guards: HashMap<Position, Position> =
            guards.into_iter().map(|guard| (guard.reached.whole(), guard.reached)).collect();
        let is_quarantined = origin == RedriveSource::Quarantine && !has_no_place(&batch.shard);
        let place = |payload: &'a Payload| {
            let guard = guards.get(&payload.position).cloned();
            let by_log = match coverage(head, &log, &payload.position) {
                RecordStatus::Ahead => RecordStatus::Ahead,
                // The log has it as rejected.
                _ if is_quarantined => RecordStatus::GivenUp { part: None },
                coverage => coverage,
            };
            match (guard, by_log) {
                (Some(guard), _) if is_of_rejected(&guard) && is_quarantined => {
                    (payload, RecordStatus::GivenUp { part: None }, Reached::by_guard(guard))
                }
                (Some(guard), _) if guard.part.is_some() && !is_of_rejected(&guard) => {
                    (payload, RecordStatus::GivenUp { part: Some(guard.clone()) }, Reached::by_guard(guard))
                }
                (Some(_), _) => (payload, RecordStatus::Counted, Reached::default()),
                (None, RecordStatus::GivenUp { part }) => {
                    let reached = Reached { guard: None, part: part.clone() };
                    (payload, RecordStatus::GivenUp { part }, reached)
                }
                (None, coverage) => (payload, coverage, Reached::default()),
            }
        };
        Ok((batch.payloads.iter().map(place).collect(), ids))
    }
}

/// The next attempts for records that a store refuses together: their halves, or the one that is refused by itself as a rejected one.
/// Out of quarantine, that is refused again and not written.
fn halve(
    origin: RedriveSource,
    mut refused: Vec<Payload>,
    error: PortError,
    redriven: &mut Redriven,
    progress: &mut Progress,
) -> Result<Vec<Vec<Payload>>, Stop> {
    let half = refused.split_off(refused.len().div_ceil(2));
    match &mut refused[..] {
        [payload] if half.is_empty() => {
            // Its rejection is refused as well: no record is at fault.
            if payload.event().is_err() {
                return Err(error.into());
            }
            progress.refuse(payload, &error);
            if origin == RedriveSource::Quarantine {
                refuse_rejected(payload, redriven);
                return Ok(Vec::new());
            }
            Ok(vec![refused])
        }
        _ if half.is_empty() => Err(error.into()),
        _ => Ok(vec![refused, half]),
    }
}

const BEYOND_REACH: &str = "the commit log no longer tells whether it was counted";
const NOT_YET_COUNTED: &str = "its batch is not counted yet: the stream delivers it again";

fn is_not_yet_counted(origin: RedriveSource, batch: &ShardBatch) -> bool {
    origin == RedriveSource::Quarantine && !has_no_place(&batch.shard)
}

/// Notes a record that is not an event.
fn refuse_rejected(payload: &Payload, redriven: &mut Redriven) {
    if let Err(rejection) = payload.event() {
        redriven.refuse(&payload.position, RefusalReason::Rejected(rejection.reason), rejection.detail);
    }
}

#[cfg(test)]
mod tests;
