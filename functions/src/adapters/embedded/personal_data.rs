//! Personal data in the file.

use super::EmbeddedStore;
use crate::adapters::keys;
use crate::ports::{Held, PersonalData, PortError, PortResult, check_unit};
use abx_core::event::EventData;
use rusqlite::types::{FromSql, FromSqlResult, ValueRef};
use rusqlite::{Connection, TransactionBehavior};

impl PersonalData for EmbeddedStore {
    async fn held(&self, unit: &str) -> PortResult<Held> {
        check_unit(unit)?;
        let (assignments, marks, events) = self.with(|connection| {
            let sql = "SELECT experiment_key FROM assignments WHERE user_id = ?1 ORDER BY 1";
            let assignments = column(connection, sql, unit)?;
            let marks = column(connection, "SELECT about FROM marks WHERE unit = ?1 ORDER BY 1", unit)?;
            Ok((assignments, marks, events_of(connection, unit)?.len() as u64))
        })?;
        let unreadable =
            |about: &str| PortError::permanent(format!("a stored mark cannot be read: {about:?}"));
        let read = |about: &String| keys::read_mark(unit, about).ok_or_else(|| unreadable(about));
        Ok(Held { assignments, marks: marks.iter().map(read).collect::<Result<_, _>>()?, events })
    }

    async fn erase(&self, unit: &str) -> PortResult<()> {
        check_unit(unit)?;
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute("DELETE FROM assignments WHERE user_id = ?1", [unit])?;
            transaction.execute("DELETE FROM marks WHERE unit = ?1", [unit])?;
            for id in events_of(&transaction, unit)? {
                transaction.execute("DELETE FROM events WHERE id = ?1", [id])?;
            }
            transaction.commit()?;
            // Deleted rows stay in the pages of the file, and in its log, until they are written over.
            connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")
        })
    }
}

fn column(connection: &Connection, sql: &str, unit: &str) -> rusqlite::Result<Vec<String>> {
    connection.prepare_cached(sql)?.query_map([unit], |row| row.get(0))?.collect()
}

/// The ids of the unit's events: no index names their unit, so each is read.
fn events_of(connection: &Connection, unit: &str) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare_cached("SELECT id, data FROM events")?;
    let mut rows = statement.query([])?;
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        let Data(data) = row.get(1)?;
        if EventData::read(&data).is_ok_and(|event| event.unit == unit) {
            ids.push(row.get(0)?);
        }
    }
    Ok(ids)
}

/// Text or a blob.
struct Data(Vec<u8>);

impl FromSql for Data {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(value.as_bytes()?.to_vec()))
    }
}
