//! Records that can never be processed, in the file.

use super::EmbeddedStore;
use super::assignments::unreadable;
use crate::ports::{PortResult, Quarantine, Quarantined};
use jiff::Timestamp;
use rusqlite::{Row, TransactionBehavior};
use std::collections::BTreeMap;

impl Quarantine for EmbeddedStore {
    async fn put(&self, records: &[Quarantined]) -> PortResult<()> {
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for Quarantined { id, reason, detail, arrived, data } in records {
                let sql = "
                    INSERT OR REPLACE INTO quarantine (id, arrived, reason, detail, data)
                    VALUES (?1, ?2, ?3, ?4, ?5)";
                let values = (id, arrived.as_millisecond(), reason, detail, data);
                transaction.prepare_cached(sql)?.execute(values)?;
            }
            transaction.commit()
        })
    }

    async fn list(&self, since: Timestamp, limit: usize) -> PortResult<Vec<Quarantined>> {
        self.with(|connection| {
            let sql = "
                SELECT id, arrived, reason, detail, data FROM quarantine WHERE arrived >= ?1
                ORDER BY arrived DESC, id DESC LIMIT ?2";
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            connection.prepare_cached(sql)?.query_map((since.as_millisecond(), limit), read)?.collect()
        })
    }

    async fn count(&self, since: Timestamp) -> PortResult<BTreeMap<String, u64>> {
        self.with(|connection| {
            let sql = "SELECT reason, count(*) FROM quarantine WHERE arrived >= ?1 GROUP BY reason";
            let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            connection.prepare_cached(sql)?.query_map([since.as_millisecond()], read)?.collect()
        })
    }

    async fn remove(&self, record: &Quarantined) -> PortResult<()> {
        self.with(|connection| {
            let sql = "DELETE FROM quarantine WHERE id = ?1 AND arrived = ?2";
            connection.prepare_cached(sql)?.execute((&record.id, record.arrived.as_millisecond()))?;
            Ok(())
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Quarantined> {
    Ok(Quarantined {
        id: row.get(0)?,
        arrived: Timestamp::from_millisecond(row.get(1)?).map_err(unreadable)?,
        reason: row.get(2)?,
        detail: row.get(3)?,
        data: row.get(4)?,
    })
}
