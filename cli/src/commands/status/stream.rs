//! The lag of the stream, and the records that were not counted.

use super::Args;
use crate::advice::unanswered;
use crate::error::Error;
use crate::outcome::CheckOutcome;
use crate::stores::{AnyMetrics, Backend};
use abx_core::event::RowKey;
use abx_functions::events::has_no_place;
use abx_functions::ports::{MetricStore as _, PortError, Quarantine as _, RowsOf, StoredRow};
use jiff::Timestamp;
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
    pub(super) behind: CheckOutcome<f64>,
}

/// Quarantined records.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Quarantined")]
pub(super) struct QuarantineStatus {
    #[schemars(with = "String")]
    pub(super) since: Timestamp,
    /// Numbers by reason.
    pub(super) reasons: BTreeMap<String, u64>,
}

/// Every shard that was ever counted or that the stream has, with how far it is behind.
pub(super) async fn counted(
    args: &Args,
    backend: &Backend,
    metrics: &AnyMetrics,
    now: Timestamp,
) -> CheckOutcome<Vec<Shard>> {
    shards(args.stream.as_deref(), backend, metrics, now).await.into()
}

async fn shards(
    stream: Option<&str>,
    backend: &Backend,
    metrics: &AnyMetrics,
    now: Timestamp,
) -> Result<Vec<Shard>, Error> {
    let mut hours = latest_hours(metrics).await.map_err(unanswered)?;
    let lag = backend.lag(stream).await;
    for name in lag.shards() {
        hours.entry(name).or_insert(None);
    }
    let mut shards = Vec::new();
    for (name, latest_hour) in hours {
        let head = metrics.shard(&name).await.map_err(unanswered)?.head;
        let waiting = lag.look(&name, head.as_ref(), now).await;
        let counted_at = if let CheckOutcome::Known(waiting) = &waiting { waiting.counted } else { None };
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

/// The number of quarantined records.
pub(super) async fn quarantine(args: &Args, now: Timestamp) -> CheckOutcome<QuarantineStatus> {
    let since = now.checked_sub(args.since).unwrap_or(Timestamp::MIN);
    let count = async {
        let backend = args.metrics.store.open().await?;
        let reasons = args.metrics.quarantine(&backend).count(since).await.map_err(unanswered)?;
        Ok(QuarantineStatus { since, reasons })
    };
    count.await.into()
}
