//! Kinesis Data Streams, as Lambda's event source mapping hands their records over.
//!
//! | file | what happens there |
//! |---|---|
//! | `batch` | the payload of an invocation becomes a batch of records, each read by itself |
//! | `aggregated` | records of the Kinesis Producer Library, which hold many |
//! | `written` | the same payload, made here: for `abx capture`, for replays to a function and for tests |

mod aggregated;
mod batch;
mod written;

pub use aggregated::{KeyedData, aggregate, aggregate_keyed, deaggregate};
pub use batch::{data_of, place_of, read, read_values};
pub use written::write;

use crate::events::{BatchOutcome, NotHandled, Processor};
use crate::ports::{Archive, CatalogStore, MetricStore, Quarantine};
use abx_core::event::{EventData, NotAPosition, Record, RecordContent};
use bytes::Bytes;
use jiff::Timestamp;
use std::sync::Arc;
use tokio::time::Instant;

/// Counts the payload of an invocation; see [`Processor::count`].
pub async fn handle<C, M, A, Q>(
    processor: &Processor<C, M, A, Q>,
    payload: &[u8],
    deadline: Instant,
) -> Result<BatchOutcome, NotHandled>
where
    C: CatalogStore + 'static,
    M: MetricStore,
    A: Archive,
    Q: Quarantine,
{
    let start = std::time::Instant::now();
    let batch = read(payload, Timestamp::now())?;
    processor.count_since(start, batch, deadline).await
}

/// A record of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KinesisRecord {
    /// Its sequence number.
    pub sequence: String,
    /// Its partition key; empty where none is known.
    pub partition_key: String,
    /// The time of its arrival.
    pub arrived: Timestamp,
    /// Its bytes.
    pub data: Vec<u8>,
}

impl KinesisRecord {
    /// The record of a shard, named as `stream/shard`, that is to be counted.
    pub fn into_record(self, shard: &Arc<str>) -> Result<Record, NotAPosition> {
        let Self { sequence, partition_key, arrived, data } = self;
        let (data, shard) = (Bytes::from(data), Arc::clone(shard));
        let partition_key = Some(partition_key).filter(|key| !key.is_empty()).map(Into::into);
        let (sequence, content) = (sequence.parse()?, content(&data));
        Ok(Record { shard, sequence, arrived, partition_key, data, content })
    }
}

/// The content of a record's bytes.
pub(super) fn content(data: &Bytes) -> RecordContent {
    if !data.trim_ascii_start().starts_with(&aggregated::MAGIC) {
        return RecordContent::AsSent;
    }
    if let Some(parts) = deaggregate(data) {
        return RecordContent::Aggregated(parts.into_iter().map(|(key, data)| (key, data.into())).collect());
    }
    // A broken one is binary, and not text that could be split into lines.
    match EventData::read(data) {
        Err(rejection) => RecordContent::Unreadable(rejection),
        Ok(_) => RecordContent::AsSent,
    }
}
