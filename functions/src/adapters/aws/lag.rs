//! How far a stream is behind: what waits after the places that are counted.
//!
//! Asked of the stream itself and not of `CloudWatch`, whose iterator age tells how old a record was when somebody read it: that is
//! not to say that it was counted, and it tells nothing where nobody reads.

use super::error::port_error;
use crate::ports::PortError;
use abx_core::event::Position;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::ShardIteratorType;
use jiff::{SignedDuration, Timestamp};

/// How many answers without a record are taken before what the last one says of itself is believed: an answer may be empty
/// although more comes after it.
const ANSWERS: usize = 5;

/// A stream that is asked what waits in it.
#[derive(Debug, Clone)]
pub struct KinesisLag {
    client: Client,
    stream: String,
}

impl KinesisLag {
    /// Asks a stream through a client.
    #[must_use]
    pub fn new(client: Client, stream: impl Into<String>) -> Self {
        Self { client, stream: stream.into() }
    }

    /// The stream's name.
    #[must_use]
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// The ids of its shards, those that were closed included as long as their records are kept.
    pub async fn shards(&self) -> Result<Vec<String>, PortError> {
        let mut names = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let request = self.client.list_shards();
            // With a token the stream is named by it, and naming both is refused.
            let request = match next {
                Some(token) => request.next_token(token),
                None => request.stream_name(&self.stream),
            };
            let answer = Box::pin(request.send()).await.map_err(|error| port_error("ListShards", error))?;
            names.extend(answer.shards().iter().map(|shard| shard.shard_id().to_owned()));
            next = answer.next_token().map(str::to_owned);
            if next.is_none() {
                return Ok(names);
            }
        }
    }

    /// How long the first record after a place of a shard has waited; nothing if none waits. `None` is the place before all records.
    pub async fn behind(&self, shard: &str, after: Option<&Position>) -> Result<SignedDuration, PortError> {
        let mut iterator = self.iterator(shard, after).await?;
        let mut behind = SignedDuration::ZERO;
        for _ in 0..ANSWERS {
            // A shard that was closed has an end.
            let Some(at) = iterator else { return Ok(SignedDuration::ZERO) };
            let request = self.client.get_records().shard_iterator(at).limit(1);
            let answer = Box::pin(request.send()).await.map_err(|error| port_error("GetRecords", error))?;
            let arrived = answer.records().first().and_then(|record| record.approximate_arrival_timestamp());
            if let Some(arrived) = arrived {
                let arrived = Timestamp::new(arrived.secs(), arrived.subsec_nanos().cast_signed());
                let waited = Timestamp::now().duration_since(arrived.map_err(PortError::permanent)?);
                return Ok(waited.max(SignedDuration::ZERO));
            }
            behind = SignedDuration::from_millis(answer.millis_behind_latest().unwrap_or(0));
            if behind.is_zero() {
                break;
            }
            iterator = answer.next_shard_iterator().map(str::to_owned);
        }
        Ok(behind)
    }

    async fn iterator(&self, shard: &str, after: Option<&Position>) -> Result<Option<String>, PortError> {
        let request = self.client.get_shard_iterator().stream_name(&self.stream).shard_id(shard);
        let request = match after {
            Some(position) => request
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(position.sequence.as_str()),
            None => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
        };
        let answer = Box::pin(request.send()).await.map_err(|error| port_error("GetShardIterator", error))?;
        Ok(answer.shard_iterator().map(str::to_owned))
    }
}
