//! The store of counts, which are exact.

use super::PortResult;
use abx_core::event::{
    Additions, Amount, Commit, Counter, Limits, Mark, MarkKey, Position, RowKey, StreamTotals, Totals,
    Unexposed,
};
use jiff::SignedDuration;

/// The number of a shard's latest commits that are read for the ids of their events. At one batch of 500 events a second that is two
/// minutes; producers repeat within seconds.
pub const LEDGER_COMMITS: u64 = 128;

/// The retention of the log of a shard's commits, and so the reach of a redrive. A stream remembers a record for a week at
/// most, so this leaves more than three weeks to find out why Lambda gave it up.
pub const LOG_KEPT: SignedDuration = SignedDuration::from_hours(31 * 24);

/// The number of redriven records before and after others that are read for the ids of their events: producers repeat within seconds.
pub const REDRIVEN_AROUND: usize = 500;

/// The state of a shard in a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardState {
    /// The position up to which the shard has been applied; `None` before its first commit.
    pub head: Option<Position>,
    /// The number of commits.
    pub commits: u64,
    /// The hashes of the ids of the events of its latest [`LEDGER_COMMITS`], in no order.
    pub ledger: Vec<u64>,
    /// Their conversions whose units were not exposed yet, in no order.
    pub unexposed: Vec<Unexposed>,
}

/// The outcome of an attempt to commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It is written, whole.
    Done,
    /// The head was not where it was expected; nothing is written. Also the answer to a repetition of a commit that was
    /// written and whose answer was lost: whoever reads the state again sees that.
    Moved,
}

/// An entry of a shard's commit log: which records one commit counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The number of commits of the shard before it.
    pub number: u64,
    /// The position of the first item that it counted, or counted a part of.
    pub first: Position,
    /// The head after it.
    pub last: Position,
}

/// A record of a redrive, as of one commit of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The position that redrives of it had reached before; `None` if there were none.
    pub before: Option<Position>,
    /// The position that they have reached now: that of the record, or of a part of it.
    pub after: Position,
    /// The hash of its event's id, once all of it is counted, if it took it.
    pub id: Option<u64>,
}

/// A record that was redriven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedrivenRecord {
    /// The position that was reached: that of the record, or of a part of it.
    pub reached: Position,
    /// The hash of its event's id, if it took it.
    pub id: Option<u64>,
}

/// The outcome of an attempt to put a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarkPut {
    /// It stands, or stood already with this owner.
    First,
    /// Another one was there first.
    Existing(Mark),
}

/// The limits of a transaction of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionLimits {
    /// With the head of a shard, its log, and the row of unknown events.
    pub commit: Limits,
    /// With a guard for each item, and the row of unknown events.
    pub redrive: Limits,
}

/// Rows that are read together, of all shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowsOf<'a> {
    /// Counts of an epoch of an experiment.
    Experiment {
        /// The experiment.
        experiment: &'a str,
        /// The epoch.
        epoch: u32,
    },
    /// Counts of the stream.
    Stream,
    /// Events of a shard that no metric asks for.
    UnknownEvents {
        /// The shard.
        shard: &'a str,
    },
}

/// A row of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow {
    /// The row.
    pub row: RowKey<'static>,
    /// The stream and the shard that it is of.
    pub shard: String,
    /// The totals of its counters.
    pub counters: Vec<(Counter<'static>, Amount)>,
}

/// Keeps the heads and commit logs of shards, the marks of units, and rows of counters. What they mean is said in
/// [`abx_core::event`].
pub trait MetricStore: Send + Sync {
    /// The limits of one commit, and of one transaction of a redrive.
    fn limits(&self) -> TransactionLimits;

    /// A shard's state, as of the latest commit that was answered.
    fn shard(&self, shard: &str) -> impl Future<Output = PortResult<ShardState>> + Send;

    /// The marks under these keys, in their order, as of the latest that was put. All of them, or an error: a mark that was
    /// not read must not look like one that is not there.
    fn marks(&self, keys: &[MarkKey<'_>]) -> impl Future<Output = PortResult<Vec<Option<Mark>>>> + Send;

    /// Puts marks, each only if none is under its key; one answer for each, in their order. An error may leave some of them
    /// put, which does no harm: the record that owns them will find them to be its own.
    fn put_marks(
        &self,
        marks: &[(MarkKey<'_>, Mark)],
    ) -> impl Future<Output = PortResult<Vec<MarkPut>>> + Send;

    /// In one transaction: moves the head of a shard from where `state` has it, writes the commit and its ids into the log
    /// and adds to the rows. Nothing of it, or all; and never twice.
    fn commit(
        &self,
        shard: &str,
        state: &ShardState,
        commit: &Commit<'_>,
    ) -> impl Future<Output = PortResult<Committed>> + Send;

    /// The entries of a shard's commit log that tell whether the positions between two were counted: the latest that ends before
    /// the first of them, and those that follow, up to one that ends at the second or after it.
    fn log(
        &self,
        shard: &str,
        from: &Position,
        to: &Position,
    ) -> impl Future<Output = PortResult<Vec<LogEntry>>> + Send;

    /// The records of a shard between two positions that were redriven, and of those before and after them the nearest
    /// [`REDRIVEN_AROUND`], for the ids of their events. In any order, and some maybe twice.
    fn redriven(
        &self,
        shard: &str,
        from: &Position,
        to: &Position,
    ) -> impl Future<Output = PortResult<Vec<RedrivenRecord>>> + Send;

    /// In one transaction: moves the guards of records, each from where it is said to be, and adds to the rows. The head of the
    /// shard stays. Nothing of it, or all; and never twice.
    fn redrive(
        &self,
        shard: &str,
        guards: &[Guard],
        rows: &[Additions<'_>],
    ) -> impl Future<Output = PortResult<Committed>> + Send;

    /// These rows with all of their counters, in any order. What an earlier or later version wrote and this one cannot read is left out.
    fn rows(&self, of: RowsOf<'_>) -> impl Future<Output = PortResult<Vec<StoredRow>>> + Send;
}

/// The totals of rows of an experiment.
#[must_use]
pub fn totals(rows: &[StoredRow]) -> Totals {
    sum(rows, Totals::add)
}

/// The totals of rows of a stream.
#[must_use]
pub fn stream_totals(rows: &[StoredRow]) -> StreamTotals {
    sum(rows, StreamTotals::add)
}

fn sum<T: Default>(rows: &[StoredRow], add: fn(&mut T, &RowKey<'_>, &Counter<'_>, Amount)) -> T {
    let mut totals = T::default();
    for StoredRow { row, counters, .. } in rows {
        for (counter, amount) in counters {
            add(&mut totals, row, counter, *amount);
        }
    }
    totals
}

/// Ids as bytes, 8 each.
pub(crate) fn ids_to_bytes(ids: &[u64]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.to_be_bytes()).collect()
}

/// Conversions as bytes, 12 each.
pub(crate) fn unexposed_to_bytes(of: &[Unexposed]) -> Vec<u8> {
    of.iter().flat_map(|it| it.key.to_be_bytes().into_iter().chain(it.time.to_be_bytes())).collect()
}

/// Bytes as conversions.
pub(crate) fn unexposed_from_bytes(bytes: &[u8]) -> impl Iterator<Item = Unexposed> {
    bytes.as_chunks::<12>().0.iter().map(|[key @ .., a, b, c, d]| Unexposed {
        key: u64::from_be_bytes(*key),
        time: u32::from_be_bytes([*a, *b, *c, *d]),
    })
}

/// Bytes as ids.
pub(crate) fn ids_from_bytes(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.as_chunks::<8>().0.iter().map(|id| u64::from_be_bytes(*id))
}
