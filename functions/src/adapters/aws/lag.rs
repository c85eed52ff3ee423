//! The lag of a stream: the records that wait after the places that are counted.
//!
//! Asked of the stream itself and not of `CloudWatch`, whose iterator age tells how old a record was when somebody read it: that is
//! not to say that it was counted, and it tells nothing where nobody reads.

use super::error::{Resource, ResourceKind, port_error};
use crate::ports::{PortError, PortResult};
use abx_core::event::Position;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::{Record, ShardIteratorType};
use jiff::{SignedDuration, Timestamp};

/// The number of answers without a record after which the report of the last one is believed: an answer may be empty
/// although more comes after it.
const ANSWERS: usize = 5;

/// The record at a place in a shard, and the wait of those behind it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// The arrival of the record at the place; `None` if there is none, or if it is too old to be kept.
    pub counted: Option<Timestamp>,
    /// The waiting time of the first record behind it; zero if none waits.
    pub behind: SignedDuration,
}

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

    /// The ids of its shards, closed ones included as long as their records are kept.
    pub async fn shards(&self) -> PortResult<Vec<String>> {
        shards(&self.client, &self.stream).await
    }

    /// Reads the record at a place of a shard and those behind it; `None` is the place before all records.
    pub async fn look(&self, shard: &str, place: Option<&Position>) -> PortResult<Waiting> {
        self.ask(shard, place).await.map_err(|error| at(&self.client, &self.stream, error))
    }

    async fn ask(&self, shard: &str, place: Option<&Position>) -> PortResult<Waiting> {
        let mut iterator = self.iterator(shard, place).await?;
        let mut waiting = Waiting::default();
        for _ in 0..ANSWERS {
            // A shard that was closed has an end.
            let Some(at) = iterator else { return Ok(Waiting { behind: SignedDuration::ZERO, ..waiting }) };
            // The record at the place, and the first that waits.
            let request = self.client.get_records().shard_iterator(at).limit(2);
            let answer = Box::pin(request.send()).await.map_err(|error| port_error("GetRecords", error))?;
            for record in answer.records() {
                let arrived = arrived(record)?;
                if place.is_none_or(|place| place.sequence.as_str() != record.sequence_number()) {
                    let waited = Timestamp::now().duration_since(arrived);
                    return Ok(Waiting { behind: waited.max(SignedDuration::ZERO), ..waiting });
                }
                waiting.counted = Some(arrived);
            }
            waiting.behind = SignedDuration::from_millis(answer.millis_behind_latest().unwrap_or(0));
            if waiting.behind.is_zero() {
                break;
            }
            iterator = answer.next_shard_iterator().map(str::to_owned);
        }
        Ok(waiting)
    }

    async fn iterator(&self, shard: &str, place: Option<&Position>) -> PortResult<Option<String>> {
        let request = self.client.get_shard_iterator().stream_name(&self.stream).shard_id(shard);
        let request = match place {
            Some(place) => request
                .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
                .starting_sequence_number(place.sequence.as_str()),
            None => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
        };
        let answer = Box::pin(request.send()).await.map_err(|error| port_error("GetShardIterator", error))?;
        Ok(answer.shard_iterator().map(str::to_owned))
    }
}

/// The ids of a stream's shards, those that were closed included as long as their records are kept.
pub(super) async fn shards(client: &Client, stream: &str) -> PortResult<Vec<String>> {
    let mut names = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let request = client.list_shards();
        // With a token the stream is named by it, and naming both is refused.
        let request = match next {
            Some(token) => request.next_token(token),
            None => request.stream_name(stream),
        };
        let answer = Box::pin(request.send()).await;
        let answer = answer.map_err(|error| at(client, stream, port_error("ListShards", error)))?;
        names.extend(answer.shards().iter().map(|shard| shard.shard_id().to_owned()));
        next = answer.next_token().map(str::to_owned);
        if next.is_none() {
            return Ok(names);
        }
    }
}

/// An error with the name of the stream.
fn at(client: &Client, stream: &str, error: PortError) -> PortError {
    error.at(Resource::new(ResourceKind::Stream, stream, client.config().region()))
}

/// The time when a record came.
pub(super) fn arrived(record: &Record) -> PortResult<Timestamp> {
    // The service always says it; the model of its API does not promise that.
    let at = record.approximate_arrival_timestamp();
    let at = at.ok_or_else(|| PortError::permanent("GetRecords: a record without a time of arrival"))?;
    Timestamp::new(at.secs(), at.subsec_nanos().cast_signed()).map_err(PortError::permanent)
}
