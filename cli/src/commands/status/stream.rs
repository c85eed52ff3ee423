//! The lag of the stream, and the records that were not counted.

use super::Args;
use crate::advice::unanswered;
use crate::error::Error;
use crate::part::Part;
use crate::stores::AnyMetrics;
use abx_core::event::{Position, RowKey, ShardName};
use abx_functions::adapters::aws::{Budget, KinesisLag, Waiting, kinesis};
use abx_functions::adapters::embedded::EmbeddedStore;
use abx_functions::events::has_no_place;
use abx_functions::ports::{Either, MetricStore as _, PortError, Quarantine as _, RowsOf, StoredRow};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;

/// The progress of a shard.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct Shard {
    #[serde(rename = "shard")]
    pub(super) name: String,
    /// The place of the last record that is counted; `null` before any is.
    pub(super) position: Option<String>,
    /// The latest hour that events were counted for; `null` before any was.
    #[schemars(with = "Option<String>")]
    pub(super) latest_hour: Option<Timestamp>,
    /// The arrival of that record, if the stream still has it.
    #[schemars(with = "Option<String>")]
    pub(super) counted_at: Option<Timestamp>,
    /// The waiting time of the first record that is not counted, in seconds; 0 if none waits.
    pub(super) behind: Part<f64>,
}

/// Quarantined records.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct Quarantined {
    #[schemars(with = "String")]
    pub(super) since: Timestamp,
    /// Numbers by reason.
    pub(super) reasons: BTreeMap<String, u64>,
}

/// Every shard that was ever counted or that the stream has, with how far it is behind.
pub(super) async fn counted(args: &Args, metrics: &AnyMetrics, now: Timestamp) -> Part<Vec<Shard>> {
    shards(args, metrics, now).await.into()
}

async fn shards(args: &Args, metrics: &AnyMetrics, now: Timestamp) -> Result<Vec<Shard>, Error> {
    let mut hours = latest_hours(metrics).await.map_err(unanswered)?;
    let lags = Lags::new(args, metrics).await;
    for name in lags.names() {
        hours.entry(name).or_insert(None);
    }
    let mut shards = Vec::new();
    for (name, latest_hour) in hours {
        let head = metrics.shard(&name).await.map_err(unanswered)?.head;
        let waiting = lags.look(&name, head.as_ref(), now).await;
        let counted_at = if let Part::Known(waiting) = &waiting { waiting.counted } else { None };
        let behind = waiting.map(|it| it.behind.as_secs_f64());
        shards.push(Shard { position: head.map(|it| it.to_string()), name, latest_hour, counted_at, behind });
    }
    Ok(shards)
}

/// The shards that were counted, each with its latest hour. Those of replayed records are no shards of a stream.
pub(super) async fn latest_hours(
    metrics: &AnyMetrics,
) -> Result<BTreeMap<String, Option<Timestamp>>, PortError> {
    let mut hours: BTreeMap<String, Option<Timestamp>> = BTreeMap::new();
    for StoredRow { row, shard, .. } in metrics.rows(RowsOf::Stream).await? {
        let RowKey::Stream { hour } = row else { continue };
        if has_no_place(&shard) {
            continue;
        }
        let latest = hours.entry(shard).or_default();
        *latest = (*latest).max(hour.start());
    }
    Ok(hours)
}

/// The source of the lag.
enum Lags<'a> {
    /// The file.
    Embedded(&'a EmbeddedStore),
    /// The stream, and its shards.
    Kinesis(KinesisLag, Vec<String>),
    /// Nowhere, and why.
    None(Part<Waiting>),
}

impl<'a> Lags<'a> {
    async fn new(args: &Args, metrics: &'a AnyMetrics) -> Self {
        let stream = match (metrics, &args.stream) {
            (Either::Left(store), _) => return Self::Embedded(store),
            (Either::Right(_), None) => {
                return Self::None(Part::NotAsked("give --stream to see what waits".to_owned()));
            }
            (Either::Right(_), Some(stream)) => stream,
        };
        match ask(args, stream).await {
            Ok((lag, shards)) => Self::Kinesis(lag, shards),
            Err(error) => Self::None(Part::failed(&error)),
        }
    }

    /// The shards that there are, as they are counted.
    fn names(&self) -> Vec<String> {
        match self {
            // A file in which nobody ever counted has no shard yet, and may have events.
            Self::Embedded(store) => match store.events_after(0, 1) {
                Ok(events) if !events.is_empty() => store.local_shard().into_iter().collect(),
                _ => Vec::new(),
            },
            Self::None(_) => Vec::new(),
            Self::Kinesis(lag, shards) => {
                let stream = lag.stream();
                shards.iter().map(|shard| ShardName { stream, shard }.to_string()).collect()
            }
        }
    }

    async fn look(&self, shard: &str, head: Option<&Position>, now: Timestamp) -> Part<Waiting> {
        let waiting = match self {
            Self::None(why) => return why.clone(),
            Self::Embedded(store) if store.local_shard().is_ok_and(|own| own != shard) => {
                return Part::NotAsked("it was replayed from elsewhere".to_owned());
            }
            Self::Embedded(store) => waiting(store, head, now),
            Self::Kinesis(lag, _) => match ShardName::read(shard) {
                Some(it) if it.stream == lag.stream() => lag.look(it.shard, head).await,
                _ => return Part::NotAsked(format!("it is not of the stream {}", lag.stream())),
            },
        };
        waiting.map_err(unanswered).into()
    }
}

/// The stream, and its shards.
async fn ask(args: &Args, stream: &str) -> Result<(KinesisLag, Vec<String>), Error> {
    let lag = KinesisLag::new(kinesis(&args.metrics.store.config().await?, Budget::PATIENT), stream);
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

/// The number of quarantined records.
pub(super) async fn quarantine(args: &Args, now: Timestamp) -> Part<Quarantined> {
    let since = now.checked_sub(args.since).unwrap_or(Timestamp::MIN);
    let count = async {
        let backend = args.metrics.store.open().await?;
        let reasons = args.metrics.quarantine(&backend).count(since).await.map_err(unanswered)?;
        Ok(Quarantined { since, reasons })
    };
    count.await.into()
}
