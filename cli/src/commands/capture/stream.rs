//! Where records are captured from: a Kinesis stream, or the events of `abx dev`.

use super::Args;
use crate::commands::store::{aws_config_for, read_file, unanswered};
use crate::error::Error;
use abx_functions::adapters::aws::{Budget, Resource, ResourceKind, kinesis, port_error, shards};
use abx_functions::adapters::embedded::{EmbeddedStore, LOCAL_SHARD, StoredEvent};
use abx_functions::sources::kinesis::KinesisRecord;
use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{Record, ShardIteratorType};
use jiff::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// How many records are asked for at once.
const BATCH: i32 = 500;
/// Between two looks at a shard without new records; Kinesis allows five a second.
const PAUSE: Duration = Duration::from_millis(250);

/// Records of one shard, in their order.
pub(super) struct Captured {
    pub stream: String,
    pub shard: String,
    pub records: Vec<KinesisRecord>,
}

/// Where records come from.
pub(super) enum Source {
    Stream(Stream),
    Store { store: EmbeddedStore, since: Timestamp, after: i64 },
}

/// A stream, shard by shard in turns.
pub(super) struct Stream {
    client: aws_sdk_kinesis::Client,
    name: String,
    shards: VecDeque<Shard>,
}

struct Shard {
    id: String,
    iterator: String,
    /// Whether its end was seen, where the next records will come.
    is_read: bool,
}

/// One look.
pub(super) enum Look {
    Records(Captured),
    /// Nothing was there; whether nothing waits anywhere.
    Nothing {
        is_end: bool,
    },
}

impl Source {
    /// Everything that came at a time or after it.
    pub(super) async fn open(args: &Args, since: Timestamp) -> Result<Self, Error> {
        if let Some(name) = &args.stream {
            return Ok(Self::Stream(Stream::open(name, args.endpoint.as_deref(), since).await?));
        }
        let store = read_file(&args.store)?;
        Ok(Self::Store { store, since, after: 0 })
    }

    /// How long to wait after a look that found nothing: one shard in turn is looked at each time.
    pub(super) fn pause(&self) -> Duration {
        let shards = if let Self::Stream(stream) = self { stream.shards.len() } else { 1 };
        PAUSE / u32::try_from(shards.max(1)).unwrap_or(1)
    }

    /// The next records.
    pub(super) async fn look(&mut self) -> Result<Look, Error> {
        match self {
            Self::Stream(stream) => stream.look().await,
            Self::Store { store, since, after } => {
                let events = store.events_after(*after, BATCH.unsigned_abs()).map_err(unanswered)?;
                let Some(last) = events.last() else { return Ok(Look::Nothing { is_end: true }) };
                *after = last.number;
                let records = events.into_iter().filter(|event| event.arrived >= *since);
                Ok(Look::Records(Captured {
                    stream: store.stream_name().map_err(unanswered)?,
                    shard: LOCAL_SHARD.to_owned(),
                    records: records.map(stored).collect(),
                }))
            }
        }
    }
}

impl Stream {
    async fn open(name: &str, endpoint: Option<&str>, since: Timestamp) -> Result<Self, Error> {
        let config = aws_config_for(&format!("stream {name}"), endpoint).await?;
        let client = kinesis(&config, Budget::PATIENT);
        let mut stream = Self { client, name: name.to_owned(), shards: VecDeque::new() };
        // Closed ones, too: their records are older than those of their children.
        for id in shards(&stream.client, name).await.map_err(unanswered)? {
            let iterator = stream.iterator(&id, since).await?;
            stream.shards.extend(iterator.map(|iterator| Shard { id, iterator, is_read: false }));
        }
        Ok(stream)
    }

    async fn iterator(&self, shard: &str, since: Timestamp) -> Result<Option<String>, Error> {
        let call = self.client.get_shard_iterator().stream_name(&self.name).shard_id(shard);
        let call = call
            .shard_iterator_type(ShardIteratorType::AtTimestamp)
            .timestamp(DateTime::from_millis(since.as_millisecond()));
        let found = Box::pin(call.send()).await.map_err(|error| self.failed("GetShardIterator", error))?;
        Ok(found.shard_iterator().map(str::to_owned))
    }

    async fn look(&mut self) -> Result<Look, Error> {
        let Some(mut shard) = self.shards.pop_front() else { return Ok(Look::Nothing { is_end: true }) };
        let call = self.client.get_records().shard_iterator(&shard.iterator).limit(BATCH);
        let page = Box::pin(call.send()).await.map_err(|error| self.failed("GetRecords", error))?;
        let id = shard.id.clone();
        shard.is_read = page.millis_behind_latest().unwrap_or(0) == 0;
        // A closed shard that is read to its end has no next iterator.
        if let Some(next) = page.next_shard_iterator() {
            next.clone_into(&mut shard.iterator);
            self.shards.push_back(shard);
        }
        let records: Vec<KinesisRecord> = page.records().iter().map(recorded).collect();
        if records.is_empty() {
            let is_end = self.shards.iter().all(|shard| shard.is_read);
            return Ok(Look::Nothing { is_end });
        }
        Ok(Look::Records(Captured { stream: self.name.clone(), shard: id, records }))
    }

    fn failed<E>(&self, operation: &'static str, error: SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let stream = Resource::new(ResourceKind::Stream, &self.name, self.client.config().region());
        unanswered(port_error(operation, error).at(stream))
    }
}

/// The record that an event of the file would be on a stream.
fn stored(StoredEvent { number, arrived, event }: StoredEvent) -> KinesisRecord {
    let (sequence, partition_key) = (number.to_string(), event.partition_key);
    KinesisRecord { sequence, partition_key, arrived, data: event.data }
}

fn recorded(record: &Record) -> KinesisRecord {
    let arrived = record.approximate_arrival_timestamp().and_then(|time| time.to_millis().ok());
    KinesisRecord {
        sequence: record.sequence_number().to_owned(),
        partition_key: record.partition_key().unwrap_or_default().to_owned(),
        arrived: arrived
            .and_then(|millis| Timestamp::from_millisecond(millis).ok())
            .unwrap_or_else(Timestamp::now),
        data: record.data().as_ref().to_vec(),
    }
}
