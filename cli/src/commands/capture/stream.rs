//! Sources of a capture: a Kinesis stream, or the events of `abx dev`.

use super::Args;
use crate::advice::unanswered;
use crate::aws::aws_config_for;
use crate::error::Error;
use crate::stores::read_file;
use abx_functions::adapters::aws::{Budget, KinesisReader, StreamPage, kinesis};
use abx_functions::adapters::embedded::{EmbeddedStore, LOCAL_SHARD, StoredEvent};
use abx_functions::sources::kinesis::KinesisRecord;
use jiff::Timestamp;
use std::time::Duration;

/// The number of records in a request.
const BATCH: u32 = 500;
/// Between two looks at a shard without new records; Kinesis allows five a second.
const PAUSE: Duration = Duration::from_millis(250);

/// Records of one shard, in their order.
pub(super) struct Captured {
    pub stream: String,
    pub shard: String,
    pub records: Vec<KinesisRecord>,
}

/// The source of records.
pub(super) enum CaptureSource {
    Stream(KinesisReader),
    Store { store: EmbeddedStore, since: Timestamp, after: i64 },
}

/// One look.
pub(super) enum PollResult {
    Records(Captured),
    /// Nothing was there; whether nothing waits anywhere.
    Nothing {
        is_end: bool,
    },
}

impl CaptureSource {
    /// Everything that came at a time or after it.
    pub(super) async fn open(args: &Args, since: Timestamp) -> Result<Self, Error> {
        if let Some(name) = &args.stream {
            let config = aws_config_for(&format!("stream {name}"), args.endpoint.as_deref()).await?;
            let reader = KinesisReader::open(kinesis(&config, Budget::PATIENT), name, since).await;
            return Ok(Self::Stream(reader.map_err(unanswered)?));
        }
        let store = read_file(&args.store)?;
        Ok(Self::Store { store, since, after: 0 })
    }

    /// The pause after a poll without records: each poll reads one shard in turn.
    pub(super) fn pause(&self) -> Duration {
        let shards = if let Self::Stream(stream) = self { stream.shards() } else { 1 };
        PAUSE / u32::try_from(shards.max(1)).unwrap_or(1)
    }

    /// The next records.
    pub(super) async fn look(&mut self) -> Result<PollResult, Error> {
        match self {
            Self::Stream(stream) => Ok(match stream.next().await.map_err(unanswered)? {
                StreamPage::Empty { is_end } => PollResult::Nothing { is_end },
                StreamPage::Records(shard, records) => {
                    PollResult::Records(Captured { stream: stream.stream().to_owned(), shard, records })
                }
            }),
            Self::Store { store, since, after } => {
                let events = store.events_after(*after, BATCH).map_err(unanswered)?;
                let Some(last) = events.last() else { return Ok(PollResult::Nothing { is_end: true }) };
                *after = last.number;
                let records = events.into_iter().filter(|event| event.arrived >= *since);
                Ok(PollResult::Records(Captured {
                    stream: store.stream_name().map_err(unanswered)?,
                    shard: LOCAL_SHARD.to_owned(),
                    records: records.map(stored).collect(),
                }))
            }
        }
    }
}

/// The record that an event of the file would be on a stream.
fn stored(StoredEvent { number, arrived, event }: StoredEvent) -> KinesisRecord {
    let (sequence, partition_key) = (number.to_string(), event.partition_key);
    KinesisRecord { sequence, partition_key, arrived, data: event.data }
}
