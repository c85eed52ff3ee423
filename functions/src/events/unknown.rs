//! Names of unknown events, on their way into a commit.

use super::memory::Memory;
use crate::ports::{MetricStore, PortResult, RowsOf, StoredRow};
use crate::telemetry::{Level, Telemetry};
use abx_core::event::{Additions, Counter, RecordClass, RowKey, StreamItem, UnknownEvents};
use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// The age up to which an event is recent, so that a typo that was fixed is soon forgotten.
const RECENT: SignedDuration = SignedDuration::from_hours(24);

/// The additions for the unknown events among items, if there are any. Reads the names of the day once a day and process, so that a
/// row has a bounded number of them whoever writes it; and logs each name once.
pub(super) async fn unknown_row<M: MetricStore>(
    (shard, items, classes): (&str, &[StreamItem<'_>], &[RecordClass]),
    (store, memory): (&M, &Memory),
    telemetry: &Telemetry,
) -> PortResult<Option<Additions<'static>>> {
    let Some(unknown) = UnknownEvents::among(items, classes) else { return Ok(None) };
    let mut names = match memory.take_names(shard, unknown.day) {
        Some(names) => names,
        None => read(store, shard, unknown.day).await?,
    };
    let (row, new) = unknown.additions(&mut names);
    memory.put_names(shard, unknown.day, names);
    if !new.is_empty() {
        let fields = json!({"shard": shard, "names": new, "events": unknown.count(),
            "help": "no metric of a published experiment asks for these events"});
        telemetry.log(Level::Warn, "unknown_events", None, &fields);
    }
    Ok(Some(row))
}

async fn read<M: MetricStore>(store: &M, shard: &str, day: Date) -> PortResult<BTreeSet<String>> {
    let rows = store.rows(RowsOf::UnknownEvents { shard }).await?;
    let of_day = rows.into_iter().filter(|it| it.row == RowKey::UnknownEvents { day });
    let name = |(counter, _)| match counter {
        Counter::Unknown(name) if !name.is_empty() => Some(name.into_owned()),
        _ => None,
    };
    Ok(of_day.flat_map(|row| row.counters).filter_map(name).collect())
}

/// Unknown events that arrived lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentUnknownEvents {
    /// The first day that they are counted from.
    pub since: Date,
    /// Their numbers by name; no name stands for all names beyond those that are kept of a shard and day.
    pub counts: BTreeMap<String, u64>,
}

impl RecentUnknownEvents {
    /// Sums them over the rows of any shards. `known` are the events that metrics ask for now: what was published since an event
    /// arrived is not unknown any more.
    #[must_use]
    pub fn among(rows: impl IntoIterator<Item = StoredRow>, known: &[String], now: Timestamp) -> Self {
        let since = Offset::UTC.to_datetime(now.checked_sub(RECENT).unwrap_or(Timestamp::MIN)).date();
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let is_recent = |it: &StoredRow| matches!(it.row, RowKey::UnknownEvents { day } if day >= since);
        for (counter, amount) in rows.into_iter().filter(is_recent).flat_map(|row| row.counters) {
            if let Counter::Unknown(name) = counter {
                *counts.entry(name.into_owned()).or_default() += amount.as_count().unwrap_or_default();
            }
        }
        counts.retain(|name, _| !known.contains(name));
        Self { since, counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abx_core::event::Amount;
    use std::borrow::Cow;

    #[test]
    fn events_of_the_last_day_that_no_metric_asks_for_are_recent() {
        let row = |day: &str, shard: &str, names: &[(&'static str, u64)]| StoredRow {
            row: RowKey::UnknownEvents { day: day.parse().unwrap() },
            shard: shard.to_owned(),
            counters: names
                .iter()
                .map(|(name, count)| (Counter::Unknown(Cow::Borrowed(*name)), Amount::from(*count)))
                .collect(),
        };
        let rows = [
            row("2026-11-24", "s/1", &[("paid", 7)]),
            row("2026-11-25", "s/1", &[("piad", 2), ("paid", 1), ("", 4)]),
            row("2026-11-26", "s/2", &[("piad", 3)]),
        ];
        let now = "2026-11-26T00:00:00Z".parse().unwrap();
        let found = RecentUnknownEvents::among(rows, &["paid".to_owned()], now);
        assert_eq!(found.since.to_string(), "2026-11-25");
        assert_eq!(found.counts, BTreeMap::from([("piad".to_owned(), 5), (String::new(), 4)]));
    }
}
