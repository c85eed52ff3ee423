//! The archive of events, which are kept forever, and apart from them of records that are not events.

use super::PortResult;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// A line of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveLine {
    /// The time of the event's arrival: lines are stored by its day.
    pub arrived: Timestamp,
    /// One JSON object, with its `_id`, and without a line feed. Lines with one `_id` are the same line twice.
    pub json: String,
}

/// Keeps events. At least once: a reader drops what it has by its `_id`.
pub trait Archive: Send + Sync {
    /// Keeps all lines, or fails; after an error some may be kept.
    fn append(&self, lines: &[ArchiveLine]) -> impl Future<Output = PortResult<()>> + Send;
}

/// A record that can never be processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// `shard:sequence[:sub]`, or a hash of the record where it has no place.
    pub id: String,
    /// The word for what is wrong.
    pub reason: String,
    /// The problem.
    pub detail: String,
    /// The time of the record's arrival on the stream.
    pub arrived: Timestamp,
    /// The record's bytes.
    pub data: Vec<u8>,
}

/// Keeps records that can never be processed, until somebody has looked at them.
pub trait Quarantine: Send + Sync {
    /// Keeps records, each once by its id; after an error some may be kept.
    fn put(&self, records: &[Quarantined]) -> impl Future<Output = PortResult<()>> + Send;

    /// The newest records by arrival, at most so many, of those that came since a time.
    fn list(
        &self,
        since: Timestamp,
        limit: usize,
    ) -> impl Future<Output = PortResult<Vec<Quarantined>>> + Send;

    /// Counts the records that came since a time, by reason; their bytes are not read.
    fn count(&self, since: Timestamp) -> impl Future<Output = PortResult<BTreeMap<String, u64>>> + Send;

    /// Forgets a record, as it came at this time; that it is not there is no error. For whoever has taken care of it: nothing
    /// else has its bytes.
    fn remove(&self, record: &Quarantined) -> impl Future<Output = PortResult<()>> + Send;
}
