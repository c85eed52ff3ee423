//! Where counts are kept, exactly.

use super::PortError;
use abx_core::event::{Amount, Commit, Mark, MarkKey, Position};

/// How many of its latest commits a shard's ledger remembers: a place in the ring is written over by the commit that
/// comes so many later. At one batch of 500 events a second that is two minutes; producers repeat within seconds.
pub const LEDGER_COMMITS: u64 = 128;

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

/// Keeps the heads and ledgers of shards, the marks of units, and rows of counters. What they mean is said in
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

    /// In one transaction: moves the head of a shard from where `state` has it, writes the ids into the ledger and adds to
    /// the rows. Nothing of it, or all; and never twice.
    fn commit(
        &self,
        shard: &str,
        state: &ShardState,
        commit: &Commit,
    ) -> impl Future<Output = Result<Committed, PortError>> + Send;

    /// All counters of a partition, in the order of its rows.
    fn rows(&self, partition: &str) -> impl Future<Output = Result<Vec<RowCounter>, PortError>> + Send;
}

/// The place in the ring of the ledger that the next commit writes.
pub(crate) fn ledger_slot(commits: u64) -> u64 {
    commits % LEDGER_COMMITS
}

/// Ids as bytes, 8 each.
pub(crate) fn ids_to_bytes(ids: &[u64]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.to_be_bytes()).collect()
}

/// Bytes as ids.
pub(crate) fn ids_from_bytes(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.as_chunks::<8>().0.iter().map(|id| u64::from_be_bytes(*id))
}
