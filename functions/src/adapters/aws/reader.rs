//! The records of a stream, read one by one.

use super::error::{Resource, ResourceKind, port_error};
use super::lag::{arrived, shards};
use crate::ports::{PortError, PortResult};
use crate::sources::kinesis::KinesisRecord;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::ShardIteratorType;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::error::Error;

/// The number of records in a request.
const BATCH: i32 = 500;

/// A reader of a stream, shard by shard in turns.
#[derive(Debug)]
pub struct KinesisReader {
    client: Client,
    stream: String,
    shards: VecDeque<ShardReader>,
}

#[derive(Debug)]
struct ShardReader {
    id: String,
    iterator: String,
    /// True if its end was reached, at which the next records will come.
    is_read: bool,
}

/// The answer of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamPage {
    /// Records of a shard, in their order.
    Records(String, Vec<KinesisRecord>),
    /// The shard had no record.
    Empty {
        /// True if no shard has a record that was not read.
        is_end: bool,
    },
}

impl KinesisReader {
    /// Reads everything that came at a time or after it.
    pub async fn open(client: Client, stream: impl Into<String>, since: Timestamp) -> PortResult<Self> {
        let mut reader = Self { client, stream: stream.into(), shards: VecDeque::new() };
        // Closed ones, too: their records are older than those of their children.
        for id in shards(&reader.client, &reader.stream).await? {
            let iterator = reader.iterator(&id, since).await?;
            reader.shards.extend(iterator.map(|iterator| ShardReader { id, iterator, is_read: false }));
        }
        Ok(reader)
    }

    /// The stream's name.
    #[must_use]
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// The number of shards that may still have records.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Asks the next shard in turn.
    pub async fn next(&mut self) -> PortResult<StreamPage> {
        let Some(mut shard) = self.shards.pop_front() else { return Ok(StreamPage::Empty { is_end: true }) };
        let call = self.client.get_records().shard_iterator(&shard.iterator).limit(BATCH);
        let page = Box::pin(call.send()).await.map_err(|error| self.failed("GetRecords", error))?;
        let id = shard.id.clone();
        shard.is_read = page.millis_behind_latest().unwrap_or(0) == 0;
        // A closed shard that is read to its end has no next iterator.
        if let Some(next) = page.next_shard_iterator() {
            next.clone_into(&mut shard.iterator);
            self.shards.push_back(shard);
        }
        if page.records().is_empty() {
            return Ok(StreamPage::Empty { is_end: self.shards.iter().all(|shard| shard.is_read) });
        }
        let records = page.records().iter().map(|record| KinesisRecord {
            sequence: record.sequence_number().to_owned(),
            partition_key: record.partition_key().unwrap_or_default().to_owned(),
            arrived: arrived(record).unwrap_or_else(|_| Timestamp::now()),
            data: record.data().as_ref().to_vec(),
        });
        Ok(StreamPage::Records(id, records.collect()))
    }

    async fn iterator(&self, shard: &str, since: Timestamp) -> PortResult<Option<String>> {
        let call = self.client.get_shard_iterator().stream_name(&self.stream).shard_id(shard);
        let call = call
            .shard_iterator_type(ShardIteratorType::AtTimestamp)
            .timestamp(DateTime::from_millis(since.as_millisecond()));
        let found = Box::pin(call.send()).await.map_err(|error| self.failed("GetShardIterator", error))?;
        Ok(found.shard_iterator().map(str::to_owned))
    }

    fn failed<E>(&self, operation: &'static str, error: SdkError<E, HttpResponse>) -> PortError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let stream = Resource::new(ResourceKind::Stream, &self.stream, self.client.config().region());
        port_error(operation, error).at(stream)
    }
}
