//! Events that came lately and that no metric asks for: one of them may be a typo.

use super::stream::latest_hours;
use crate::advice::unanswered;
use crate::error::Error;
use crate::outcome::CheckOutcome;
use crate::render::numbers::count;
use crate::render::printable;
use crate::render::style::{BAD, GOOD};
use crate::stores::AnyMetrics;
use abx_core::finding::did_you_mean;
use abx_functions::events::RecentUnknownEvents;
use abx_functions::ports::{MetricStore as _, RowsOf};
use jiff::Timestamp;
use serde::Serialize;

/// The number of names that a person is shown.
const SHOWN: usize = 10;

/// Unknown events, and what is known.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct UnknownEventsStatus {
    /// The first day that they are counted from, as `2026-11-24`.
    since: String,
    /// Those that came most often first.
    events: Vec<UnknownEventReport>,
}

#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
struct UnknownEventReport {
    /// The first 64 bytes of its name; `null` for all names beyond those that are kept of a shard and day.
    event: Option<String>,
    count: u64,
    /// A name that a metric asks for and that looks like it.
    did_you_mean: Option<String>,
}

/// Names of unknown events, of all shards. `known` are the events that metrics ask for now.
pub(super) async fn ask(
    metrics: &AnyMetrics,
    known: &[String],
    now: Timestamp,
) -> CheckOutcome<UnknownEventsStatus> {
    read(metrics, known, now).await.into()
}

async fn read(metrics: &AnyMetrics, known: &[String], now: Timestamp) -> Result<UnknownEventsStatus, Error> {
    let mut rows = Vec::new();
    for shard in latest_hours(metrics).await.map_err(unanswered)?.into_keys() {
        rows.extend(metrics.rows(RowsOf::UnknownEvents { shard: &shard }).await.map_err(unanswered)?);
    }
    let RecentUnknownEvents { since, counts } = RecentUnknownEvents::among(rows, known, now);
    let mut events: Vec<_> = counts
        .into_iter()
        .map(|(name, count)| UnknownEventReport {
            count,
            did_you_mean: did_you_mean(&name, known.iter().map(String::as_str)).map(str::to_owned),
            event: (!name.is_empty()).then_some(name),
        })
        .collect();
    events.sort_by_key(|it| std::cmp::Reverse(it.count));
    Ok(UnknownEventsStatus { since: since.to_string(), events })
}

/// The row for a person, and the lines below it.
pub(super) fn row(unknown: &UnknownEventsStatus) -> (String, Vec<String>) {
    let UnknownEventsStatus { since, events } = unknown;
    if events.is_empty() {
        return (format!("{GOOD}none unknown{GOOD:#} since {since}"), Vec::new());
    }
    let total: u64 = events.iter().map(|it| it.count).sum();
    let line = |it: &UnknownEventReport| {
        let name = it
            .event
            .as_ref()
            .map_or_else(|| "other names".to_owned(), |name| printable(&format!("{name:?}")));
        let near = it.did_you_mean.as_ref().map(|near| format!("; did you mean {near:?}?"));
        format!("{name}: {}{}", count(it.count), near.unwrap_or_default())
    };
    let mut lines: Vec<_> = events.iter().take(SHOWN).map(line).collect();
    if events.len() > SHOWN {
        lines.push(format!("and {} more: see --format json", events.len() - SHOWN));
    }
    (format!("{BAD}{}{BAD:#} since {since} that no metric asks for", count(total)), lines)
}
