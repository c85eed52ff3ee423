//! Events in the file.

use super::EmbeddedStore;
use super::assignments::unreadable;
use crate::ports::{Event, EventSink, MAX_EVENT_BYTES, PortError, PortResult, SendReport};
use jiff::Timestamp;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Row, TransactionBehavior};

impl EventSink for EmbeddedStore {
    async fn send(&self, events: &[Event]) -> SendReport {
        let mut report = SendReport::default();
        let fits =
            |index: &usize| events.get(*index).is_some_and(|event| event.data.len() <= MAX_EVENT_BYTES);
        let (kept, too_long): (Vec<_>, Vec<_>) = (0..events.len()).partition(fits);
        if !too_long.is_empty() {
            report.lose(too_long, Some(PortError::permanent("an event is longer than a record may be")));
        }
        let kept_events = kept.iter().filter_map(|index| events.get(*index));
        if let Err(error) = self.with(|connection| append(connection, kept_events)) {
            report.lose(kept, Some(error));
        }
        report.close()
    }
}

/// An event that was sent to the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its number, from 1, in the order of arrival.
    pub number: i64,
    /// The time of its arrival.
    pub arrived: Timestamp,
    /// The event.
    pub event: Event,
}

impl EmbeddedStore {
    /// Events in the order of their arrival, after a number (0 at first) and at most so many.
    pub fn events_after(&self, number: i64, limit: u32) -> PortResult<Vec<StoredEvent>> {
        self.with(|connection| {
            let sql = "
                SELECT id, partition_key, arrived, data FROM events WHERE id > ?1 ORDER BY id LIMIT ?2";
            connection.prepare_cached(sql)?.query_map((number, limit), read)?.collect()
        })
    }
}

fn append<'a>(connection: &mut Connection, events: impl Iterator<Item = &'a Event>) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let sql = "INSERT INTO events (partition_key, arrived, data) VALUES (?1, ?2, ?3)";
        let mut statement = transaction.prepare_cached(sql)?;
        let now = Timestamp::now().as_millisecond();
        for event in events {
            statement.execute((&event.partition_key, now, readable(&event.data)))?;
        }
    }
    transaction.commit()
}

/// As text where it is text, so that a tool shows JSON instead of a blob.
fn readable(data: &[u8]) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match std::str::from_utf8(data) {
        Ok(text) => ValueRef::Text(text.as_bytes()),
        Err(_) => ValueRef::Blob(data),
    })
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredEvent> {
    let data = match row.get("data")? {
        Value::Text(text) => text.into_bytes(),
        Value::Blob(blob) => blob,
        other => return Err(rusqlite::Error::InvalidColumnType(2, "data".to_owned(), other.data_type())),
    };
    Ok(StoredEvent {
        number: row.get("id")?,
        arrived: Timestamp::from_millisecond(row.get("arrived")?).map_err(unreadable)?,
        event: Event { partition_key: row.get("partition_key")?, data },
    })
}
