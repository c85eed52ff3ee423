//! Names of unknown events, on their way into a commit.

use super::memory::Memory;
use crate::ports::{MetricStore, PortResult, RowsOf};
use crate::telemetry::{Level, Telemetry};
use abx_core::event::{Additions, Counter, RecordClass, RowKey, StreamItem, UnknownEvents};
use jiff::civil::Date;
use serde_json::json;
use std::collections::BTreeSet;

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
