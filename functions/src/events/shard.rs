//! One shard of a batch, step by step. The commit comes last: everything before it may happen twice.
//!
//! A store may refuse for good what counting a record writes or asks for, and does not say which record of a call it was. So each
//! refusal halves the records that are worked on, until one is left, which is rejected as if it could not be read:
//!
//! | call | what is refused of a record | what becomes of it |
//! |---|---|---|
//! | marks | a key that is too long | it is rejected; nothing was written for it |
//! | put of marks | a key or an item that is too long | it is rejected; other marks of it may stand |
//! | archive | a line that is longer than it may be | it is rejected; its marks stand |
//! | commit | a row that is full, or a sum out of range | it is rejected; its marks stand, so that its unit is exposed, and its line is in the archive, which is written before |
//! | quarantine | an id that is too long | its bytes are not kept, which the log says, and the rejection is counted |
//!
//! Refusals of anything else (a table that is not there, a call that is not allowed) give the batch back, as an outage does: no record
//! is at fault. So does the refusal of a commit that holds nothing but a rejection.

use super::archived;
use super::halving::Halving;
use super::memory::Memory;
use super::position_writer::PositionWriter;
use super::unknown::unknown_row;
use crate::ports::{
    Archive, ArchiveLine, Committed, MarkPut, MetricStore, PortError, Quarantine, Quarantined,
};
use crate::telemetry::{Level, Telemetry, TelemetryCounter};
use abx_core::Catalog;
use abx_core::event::{
    Classes, Folded, ItemContent, Limits, Mark, MarkKey, Marks, Payload, Position, RecordClass, ShardBatch,
    StreamItem, StreamTotals, fold, wanted,
};
use futures_util::future::{BoxFuture, Shared};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use tokio::time::Instant;

/// The number of times that a batch is restarted in one invocation because somebody else committed first.
pub(super) const ROUNDS: u32 = 4;

/// The part of a store's message that is kept with a record that it refuses, in characters.
const DETAIL_CHARS: usize = 500;

/// Counts the records of a shard, with what that needs.
pub(super) struct ShardWorker<'a, M, A, Q> {
    pub catalog: &'a Catalog,
    /// A look at the head of the catalog, where the catalog may be older than the records.
    pub look: Option<&'a Look>,
    pub store: &'a M,
    pub archive: &'a A,
    pub quarantine: &'a Q,
    pub memory: &'a Memory,
    pub limits: Limits,
    pub telemetry: &'a Telemetry,
    /// Nothing is begun after it.
    pub until: Instant,
}

/// A look at the head of the catalog, which runs beside the reading of marks.
pub(super) type Look = Shared<BoxFuture<'static, Result<(), Outdated>>>;

/// Why the catalog that is held does not do for a batch.
#[derive(Debug, Clone)]
pub(super) enum Outdated {
    /// A newer one is held by now.
    Replaced,
    /// Nobody can tell, because the store does not.
    Unread(Arc<str>),
}

/// The progress of the work: it is also read after the work was given up.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The counts.
    pub counted: StreamTotals,
    /// The outcome of each record up to `classed`.
    pub classes: Classes,
    classed: Option<Position>,
    /// The records that the head was found to be behind. Their source delivers such records again; a redrive has to ask the log,
    /// because the head may have passed them uncounted.
    pub passed: HashSet<Position>,
    /// The last item that is counted; `None` before any is known to be.
    pub head: Option<Position>,
    /// Each record that is in the archive or in quarantine already, and the number of credits of its line, so that a second round leaves it
    /// alone unless it knows of more.
    kept: KeptPositions,
    /// The search for a record that is refused.
    halving: Halving,
}

/// A record that is in the archive or in quarantine, and the number of credits of its line.
type KeptPosition = (Position, usize);
type KeptPositions = HashMap<Position, usize>;

impl Progress {
    /// Rejects a record that a store refuses by itself. It goes into quarantine even if it is in the archive already.
    pub(super) fn refuse(&mut self, payload: &mut Payload, error: &PortError) {
        self.kept.remove(&payload.position);
        payload.refuse(error.to_string().chars().take(DETAIL_CHARS).collect::<String>());
    }

    /// The number of records of a batch that are left.
    fn left(&self, batch: &ShardBatch) -> usize {
        let is_left = |position: &Position| self.head.as_ref().is_none_or(|head| position > head);
        batch.payloads.iter().filter(|payload| is_left(&payload.position)).count()
    }

    /// Notes what others counted: the records up to the head that have no class yet.
    fn pass_over(&mut self, batch: &ShardBatch) {
        let Some(head) = &self.head else { return };
        let is_left = |at: &Position| at <= head && self.classed.as_ref().is_none_or(|classed| at > classed);
        for payload in batch.payloads.iter().filter(|payload| is_left(&payload.position)) {
            let is_rejected = payload.event().is_err();
            let class = if is_rejected { RecordClass::Rejected } else { RecordClass::AlreadyCounted };
            self.classes.add(class, 1);
            self.passed.insert(payload.position.clone());
        }
        self.classed = self.classed.take().max(Some(head.clone()));
    }
}

/// Why the work ended before the end.
#[derive(Debug)]
pub(super) enum Stop {
    /// A port failed.
    Port(PortError),
    /// The time was over.
    Time,
    /// Others committed again and again.
    Contended,
    /// There is no catalog to count by.
    NoCatalog,
    /// A newer catalog is there.
    StaleCatalog,
    /// The catalog may be older than the records, and its store does not tell.
    UnreadCatalog(Arc<str>),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(error) => error.fmt(f),
            Self::Time => f.write_str("the time was over"),
            Self::Contended => f.write_str("others committed to this shard again and again"),
            Self::NoCatalog => f.write_str("the catalog could not be loaded"),
            Self::StaleCatalog => f.write_str("a newer catalog was published"),
            Self::UnreadCatalog(why) => {
                write!(f, "the catalog may be older than the records and could not be read: {why}")
            }
        }
    }
}

impl From<Outdated> for Stop {
    fn from(outdated: Outdated) -> Self {
        match outdated {
            Outdated::Replaced => Self::StaleCatalog,
            Outdated::Unread(why) => Self::UnreadCatalog(why),
        }
    }
}

impl From<PortError> for Stop {
    fn from(error: PortError) -> Self {
        Self::Port(error)
    }
}

/// The items of a batch, and what they add up to.
#[derive(Clone, Copy)]
struct FoldedBatch<'a> {
    batch: &'a ShardBatch,
    items: &'a [StreamItem<'a>],
    folded: &'a Folded<'a>,
}

impl<M: MetricStore, A: Archive, Q: Quarantine> ShardWorker<'_, M, A, Q> {
    /// Counts a shard's records, all that are not counted yet.
    pub(super) async fn count(&self, batch: &mut ShardBatch, progress: &mut Progress) -> Result<(), Stop> {
        for round in 0..ROUNDS {
            let mut ledger = match self.memory.take(&batch.shard).filter(|_| round == 0) {
                Some(ledger) => ledger,
                None => self.store.shard(&batch.shard).await?.into(),
            };
            progress.head.clone_from(&ledger.state.head);
            progress.pass_over(batch);
            if self.halve(batch, &mut PositionWriter::Head(&mut ledger), progress).await? {
                self.memory.put(&batch.shard, ledger);
                progress.classes.add(RecordClass::AlreadyCounted, batch.repeated as u64);
                return Ok(());
            }
            self.telemetry.count(TelemetryCounter::CommitRetries, 1);
        }
        Err(Stop::Contended)
    }

    /// Rounds over fewer and fewer records while a store refuses one of them. Whether all is counted; if not, somebody else moved the
    /// head.
    async fn halve(
        &self,
        batch: &mut ShardBatch,
        writer: &mut PositionWriter<'_>,
        progress: &mut Progress,
    ) -> Result<bool, Stop> {
        // The head may not be where the search before was.
        progress.halving = Halving::default();
        loop {
            let left = progress.left(batch);
            let together = progress.halving.window().min(left);
            let ended = self.round(batch, writer, progress).await;
            let done = left - progress.left(batch);
            progress.halving.taken(done);
            match ended {
                Ok(true) if done < left => {}
                Err(Stop::Port(error)) if error.is_unprocessable() => {
                    if progress.halving.refused(together.saturating_sub(done)) {
                        self.reject(batch, progress, error)?;
                    }
                }
                ended => return ended,
            }
        }
    }

    /// Rejects the first record that is left, because a store refuses it by itself.
    fn reject(&self, batch: &mut ShardBatch, progress: &mut Progress, error: PortError) -> Result<(), Stop> {
        let is_left = |position: &Position| progress.head.as_ref().is_none_or(|head| position > head);
        let first = batch.payloads.iter_mut().find(|payload| is_left(&payload.position));
        let Some(payload) = first else { return Err(error.into()) };
        let was_kept = progress.kept.contains_key(&payload.position);
        let is_rejected = payload.event().is_err();
        // Its rejection is all that there is to write, so the store refuses whatever it is given.
        if is_rejected && was_kept {
            return Err(error.into());
        }
        let fields =
            json!({"shard": batch.shard, "record": payload.position.to_string(), "why": error.to_string()});
        if is_rejected {
            // It does not go into quarantine, and would stop the shard. The stream has its bytes for a while.
            self.telemetry.log(Level::Error, "record_not_quarantined", None, &fields);
            progress.kept.insert(payload.position.clone(), 0);
        } else {
            self.telemetry.log(Level::Warn, "record_refused_by_store", None, &fields);
            progress.refuse(payload, &error);
        }
        Ok(())
    }

    /// True if all is counted; if not, somebody else moved the head, or a guard.
    pub(super) async fn round(
        &self,
        batch: &ShardBatch,
        writer: &mut PositionWriter<'_>,
        progress: &mut Progress,
    ) -> Result<bool, Stop> {
        let mut items = batch.items(writer.head(), |id| writer.knows(id));
        items.truncate(progress.halving.window());
        let (mut known, ()) = tokio::try_join!(self.enrich(&items), self.look())?;
        // Each round that does not settle it finds marks of somebody else, and each can be found once.
        let recent = writer.unexposed();
        let folded = loop {
            let folded = fold(self.catalog, &batch.shard, &items, &known, recent);
            let prepared = FoldedBatch { batch, items: &items, folded: &folded };
            let others = self.prepare(prepared, progress).await?;
            if others.is_empty() {
                break folded;
            }
            drop(folded);
            known.extend(others);
        };
        let mut from = 0;
        while let Some(mut commit) =
            folded.commit(&items, (from, writer.reached(items.get(from))), &self.limits)
        {
            self.check_time()?;
            let (done, classes) = (items.get(from..commit.upto), folded.classes().get(from..commit.upto));
            let (done, classes) = (done.unwrap_or_default(), classes.unwrap_or_default());
            let part = (&*batch.shard, done, classes);
            commit.rows.extend(unknown_row(part, (self.store, self.memory), self.telemetry).await?);
            match writer.write(self.store, &batch.shard, &commit, done).await? {
                Committed::Moved => return Ok(false),
                Committed::Done => {}
            }
            for row in &commit.rows {
                for (counter, amount) in &row.counters {
                    progress.counted.add(&row.row, counter, *amount);
                }
            }
            for class in classes {
                progress.classes.add(*class, 1);
            }
            from = commit.upto;
            progress.head = Some(commit.head.clone());
            progress.classed.clone_from(&progress.head);
            writer.advance(commit, done, classes);
        }
        Ok(true)
    }

    /// Checks that the catalog is new enough.
    async fn look(&self) -> Result<(), Stop> {
        match self.look {
            Some(look) => Ok(look.clone().await?),
            None => Ok(()),
        }
    }

    /// The marks of all units in the batch, with keys of their own, because the items may still change.
    async fn enrich(&self, items: &[StreamItem<'_>]) -> Result<Marks<'static>, Stop> {
        let (known, unknown) = self.memory.marks(wanted(self.catalog, items));
        let mut marks: Marks<'static> =
            known.into_iter().map(|(key, mark)| (key.into_owned(), mark)).collect();
        if unknown.is_empty() {
            return Ok(marks);
        }
        self.check_time()?;
        let found = self.store.marks(&unknown).await?;
        let found = unknown.into_iter().zip(found).filter_map(|(key, mark)| Some((key.into_owned(), mark?)));
        marks.extend(found);
        self.memory.remember(marks.iter());
        Ok(marks)
    }

    /// All that a commit needs: marks, quarantine, archive. Those marks that somebody else had put before; if there are any,
    /// the items are to be folded again.
    ///
    /// The marks that credits hang on come first: a line must not say what the next fold takes back. Once these stand, the
    /// lines are final, and so is what is refused (a conversion that is no longer a unit's first only counts for less), so
    /// that both are kept beside the other marks.
    async fn prepare(
        &self,
        batch: FoldedBatch<'_>,
        progress: &mut Progress,
    ) -> Result<Vec<(MarkKey<'static>, Mark)>, Stop> {
        let folded = batch.folded;
        let (decisive, others) = folded.new_marks.split_at_checked(folded.decisive).unwrap_or_default();
        let found = self.put_marks(decisive).await?;
        if !found.is_empty() {
            return Ok(found);
        }
        let kept = &progress.kept;
        // One after the other, so that a quarantine that takes nothing keeps the archive from it as well; it is rare.
        let keep = async {
            let refused = self.quarantine(batch, kept).await?;
            Ok((refused, self.archive(batch, kept).await?))
        };
        let (found, (refused, archived)) = tokio::try_join!(self.put_marks(others), keep)?;
        progress.kept.extend(refused);
        progress.kept.extend(archived);
        Ok(found)
    }

    /// Puts marks that are new; those that somebody else had put before.
    async fn put_marks(&self, marks: &[(MarkKey<'_>, Mark)]) -> Result<Vec<(MarkKey<'static>, Mark)>, Stop> {
        if marks.is_empty() {
            return Ok(Vec::new());
        }
        self.check_time()?;
        let puts = self.store.put_marks(marks).await?;
        let mut others = Vec::new();
        for ((key, mark), put) in marks.iter().zip(puts) {
            match put {
                // Ids are put and not asked for: they would only drive out what is.
                MarkPut::First if key.is_of_id() => {}
                MarkPut::First => self.memory.remember([(key, mark)].into_iter()),
                MarkPut::Existing(other) => {
                    if !key.is_of_id() {
                        self.memory.remember([(key, &other)].into_iter());
                    }
                    others.push((key.clone().into_owned(), other));
                }
            }
        }
        Ok(others)
    }

    /// Keeps what can never be processed; where that stands.
    async fn quarantine(
        &self,
        batch: FoldedBatch<'_>,
        kept: &KeptPositions,
    ) -> Result<Vec<KeptPosition>, Stop> {
        let FoldedBatch { batch, items, .. } = batch;
        let rejected = items.iter().filter(|item| !kept.contains_key(item.position)).filter_map(|item| {
            let ItemContent::Rejected(rejection) = &item.what else { return None };
            let record = Quarantined {
                id: format!("{}:{}", batch.shard, item.position),
                reason: rejection.reason.to_string(),
                detail: rejection.detail.clone(),
                arrived: item.arrived,
                data: item.data.to_vec(),
            };
            Some(((item.position.clone(), 0), record))
        });
        let (positions, records): (Vec<_>, Vec<_>) = rejected.unzip();
        if !records.is_empty() {
            self.check_time()?;
            self.quarantine.put(&records).await?;
        }
        Ok(positions)
    }

    /// Archives events, those of an earlier round only if they are credited to more by now; where they stand, and how many
    /// credits their lines have.
    async fn archive(&self, batch: FoldedBatch<'_>, kept: &KeptPositions) -> Result<Vec<KeptPosition>, Stop> {
        let FoldedBatch { batch, items, folded } = batch;
        let mut positions = Vec::new();
        let mut lines: Vec<ArchiveLine> = Vec::new();
        for ((item, credits), class) in items.iter().zip(folded.credits()).zip(folded.classes()) {
            let (ItemContent::Event(event, _) | ItemContent::Duplicate(event)) = &item.what else { continue };
            if *class == RecordClass::Duplicate {
                continue;
            }
            if kept.get(item.position).is_none_or(|before| *before < credits.len()) {
                positions.push((item.position.clone(), credits.len()));
                lines.extend(archived::line(&batch.shard, item, event, credits));
            }
        }
        if !lines.is_empty() {
            self.check_time()?;
            self.archive.append(&lines).await?;
        }
        Ok(positions)
    }

    fn check_time(&self) -> Result<(), Stop> {
        if Instant::now() < self.until { Ok(()) } else { Err(Stop::Time) }
    }
}
