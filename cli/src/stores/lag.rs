//! The lag of the consumer: what waits behind the records that are counted.

use super::Backend;
use crate::advice::unanswered;
use crate::error::Error;
use crate::outcome::CheckOutcome;
use abx_core::event::{Position, ShardName};
use abx_functions::adapters::aws::{Budget, KinesisLag, SdkConfig, Waiting, kinesis};
use abx_functions::adapters::embedded::EmbeddedStore;
use abx_functions::ports::PortError;
use jiff::{SignedDuration, Timestamp};

/// The source of the lag of a backend.
#[derive(Debug)]
pub enum ConsumerLag {
    /// The events of the file.
    Embedded(EmbeddedStore),
    /// The stream, and its shards.
    Kinesis(KinesisLag, Vec<String>),
    /// Nowhere, and why.
    Unknown(CheckOutcome<Waiting>),
}

impl Backend {
    /// The source of the lag; `stream` is that of AWS.
    pub async fn lag(&self, stream: Option<&str>) -> ConsumerLag {
        match (self, stream) {
            (Self::File { store, .. }, _) => ConsumerLag::Embedded(store.clone()),
            (Self::Aws { .. }, None) => {
                ConsumerLag::Unknown(CheckOutcome::NotAsked("give --stream to see what waits".to_owned()))
            }
            (Self::Aws { config, .. }, Some(stream)) => match of_stream(config, stream).await {
                Ok((lag, shards)) => ConsumerLag::Kinesis(lag, shards),
                Err(error) => ConsumerLag::Unknown(CheckOutcome::failed(&error)),
            },
        }
    }
}

impl ConsumerLag {
    /// The shards that there are, as they are counted.
    #[must_use]
    pub fn shards(&self) -> Vec<String> {
        match self {
            // A file in which nobody ever counted has no shard yet, and may have events.
            Self::Embedded(store) => match store.events_after(0, 1) {
                Ok(events) if !events.is_empty() => store.local_shard().into_iter().collect(),
                _ => Vec::new(),
            },
            Self::Unknown(_) => Vec::new(),
            Self::Kinesis(lag, shards) => {
                let stream = lag.stream();
                shards.iter().map(|shard| ShardName { stream, shard }.to_string()).collect()
            }
        }
    }

    /// The wait behind the head of a shard.
    pub async fn look(&self, shard: &str, head: Option<&Position>, now: Timestamp) -> CheckOutcome<Waiting> {
        let waiting = match self {
            Self::Unknown(why) => return why.clone(),
            Self::Embedded(store) if store.local_shard().is_ok_and(|own| own != shard) => {
                return CheckOutcome::NotAsked("it was replayed from elsewhere".to_owned());
            }
            Self::Embedded(store) => waiting(store, head, now),
            Self::Kinesis(lag, _) => match ShardName::read(shard) {
                Some(it) if it.stream == lag.stream() => lag.look(it.shard, head).await,
                _ => return CheckOutcome::NotAsked(format!("it is not of the stream {}", lag.stream())),
            },
        };
        waiting.map_err(unanswered).into()
    }
}

/// The stream, and its shards.
async fn of_stream(config: &SdkConfig, stream: &str) -> Result<(KinesisLag, Vec<String>), Error> {
    let lag = KinesisLag::new(kinesis(config, Budget::PATIENT), stream);
    let shards = lag.shards().await.map_err(unanswered)?;
    Ok((lag, shards))
}

/// The event of the file that was counted last, and how long the next one has waited.
fn waiting(store: &EmbeddedStore, head: Option<&Position>, now: Timestamp) -> Result<Waiting, PortError> {
    let head =
        head.map(|head| head.sequence.as_str().parse::<i64>()).transpose().map_err(PortError::permanent)?;
    let events = store.events_after(head.map_or(0, |number| number - 1), 2)?;
    let mut waiting = Waiting::default();
    for event in events {
        if Some(event.number) == head {
            waiting.counted = Some(event.arrived);
        } else {
            waiting.behind = now.duration_since(event.arrived).max(SignedDuration::ZERO);
            break;
        }
    }
    Ok(waiting)
}
