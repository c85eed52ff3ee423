//! Where counts are kept, exactly.

use super::PortError;
use abx_core::event::{Additions, Amount, Commit, Mark, MarkKey, Position};
use jiff::SignedDuration;

/// How many of a shard's latest commits are read for the ids of their events. At one batch of 500 events a second that is two
/// minutes; producers repeat within seconds.
pub const LEDGER_COMMITS: u64 = 128;

/// How long the log of a shard's commits is kept, and so how far back a redrive reaches. A stream remembers a record for a week at
/// most, so this leaves more than three weeks to find out why Lambda gave it up.
pub const LOG_KEPT: SignedDuration = SignedDuration::from_hours(31 * 24);

/// How many redriven records before and after others are read for the ids of their events: producers repeat within seconds.
pub const REDRIVEN_AROUND: usize = 500;

/// What a store knows of a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardState {
    /// How far the shard has been applied; `None` before its first commit.
    pub head: Option<Position>,
    /// How many commits there were.
    pub commits: u64,
    /// The hashes of the ids of the events of its latest [`LEDGER_COMMITS`], in no order.
    pub ledger: Vec<u64>,
}

/// How an attempt to commit ended.
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
    /// How many commits of the shard there were before it.
    pub number: u64,
    /// The position of the first item that it counted, or counted a part of.
    pub first: Position,
    /// The head after it.
    pub last: Position,
}

/// A record of a redrive, as of one commit of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// How far redrives came with it before; `None` where none did.
    pub before: Option<Position>,
    /// How far they are now: its position, or a part of it.
    pub after: Position,
    /// The hash of its event's id, once all of it is counted, if it took it.
    pub id: Option<u64>,
}

/// A record that was redriven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedrivenRecord {
    /// How far: its position, or a part of it.
    pub reached: Position,
    /// The hash of its event's id, if it took it.
    pub id: Option<u64>,
}

/// How an attempt to put a mark ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarkPut {
    /// It stands, or stood already with this owner.
    First,
    /// Another one was there first.
    Existing(Mark),
}

/// A counter of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowCounter {
    /// The row's place in its partition.
    pub sort: String,
    /// The counter's name.
    pub counter: String,
    /// What it has come to.
    pub amount: Amount,
}

/// Keeps the heads and commit logs of shards, the marks of units, and rows of counters. What they mean is said in
/// [`abx_core::event`].
pub trait MetricStore: Send + Sync {
    /// A shard's state, as of the latest commit that was answered.
    fn shard(&self, shard: &str) -> impl Future<Output = Result<ShardState, PortError>> + Send;

    /// The marks under these keys, in their order, as of the latest that was put. All of them, or an error: a mark that was
    /// not read must not look like one that is not there.
    fn marks(
        &self,
        keys: &[MarkKey<'_>],
    ) -> impl Future<Output = Result<Vec<Option<Mark>>, PortError>> + Send;

    /// Puts marks, each only if none is under its key; one answer for each, in their order. An error may leave some of them
    /// put, which does no harm: the record that owns them will find them to be its own.
    fn put_marks(
        &self,
        marks: &[(MarkKey<'_>, Mark)],
    ) -> impl Future<Output = Result<Vec<MarkPut>, PortError>> + Send;

    /// In one transaction: moves the head of a shard from where `state` has it, writes the commit and its ids into the log
    /// and adds to the rows. Nothing of it, or all; and never twice.
    fn commit(
        &self,
        shard: &str,
        state: &ShardState,
        commit: &Commit,
    ) -> impl Future<Output = Result<Committed, PortError>> + Send;

    /// The entries of a shard's commit log that tell whether the positions between two were counted: the latest that ends before
    /// the first of them, and those that follow, up to one that ends at the second or after it.
    fn log(
        &self,
        shard: &str,
        from: &Position,
        to: &Position,
    ) -> impl Future<Output = Result<Vec<LogEntry>, PortError>> + Send;

    /// The records of a shard between two positions that were redriven, and of those before and after them the nearest
    /// [`REDRIVEN_AROUND`], for the ids of their events. In any order, and some maybe twice.
    fn redriven(
        &self,
        shard: &str,
        from: &Position,
        to: &Position,
    ) -> impl Future<Output = Result<Vec<RedrivenRecord>, PortError>> + Send;

    /// In one transaction: moves the guards of records, each from where it is said to be, and adds to the rows. The head of the
    /// shard stays. Nothing of it, or all; and never twice.
    fn redrive(
        &self,
        shard: &str,
        guards: &[Guard],
        rows: &[Additions],
    ) -> impl Future<Output = Result<Committed, PortError>> + Send;

    /// All counters of a partition, in the order of its rows.
    fn rows(&self, partition: &str) -> impl Future<Output = Result<Vec<RowCounter>, PortError>> + Send;
}

/// Ids as bytes, 8 each.
pub(crate) fn ids_to_bytes(ids: &[u64]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.to_be_bytes()).collect()
}

/// Bytes as ids.
pub(crate) fn ids_from_bytes(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.as_chunks::<8>().0.iter().map(|id| u64::from_be_bytes(*id))
}
