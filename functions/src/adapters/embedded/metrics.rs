//! Counts in the file.

use super::EmbeddedStore;
use super::assignments::unreadable;
use crate::adapters::keys;
use crate::ports::{
    Committed, Guard, LEDGER_COMMITS, LOG_KEPT, LogEntry, MarkPut, MetricStore, PortResult, REDRIVEN_AROUND,
    RedrivenRecord, RowsOf, ShardState, StoredRow, TransactionLimits, ids_from_bytes, ids_to_bytes,
    unexposed_from_bytes, unexposed_to_bytes,
};
use abx_core::event::{Additions, Amount, Commit, ID_WINDOW, Mark, MarkKey, Owner, Position};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior};

impl MetricStore for EmbeddedStore {
    fn limits(&self) -> TransactionLimits {
        self.limits
    }

    async fn shard(&self, shard: &str) -> PortResult<ShardState> {
        self.with(|connection| state(connection, shard))
    }

    async fn marks(&self, keys: &[MarkKey<'_>]) -> PortResult<Vec<Option<Mark>>> {
        self.with(|connection| keys.iter().map(|key| mark(connection, key)).collect())
    }

    async fn put_marks(&self, marks: &[(MarkKey<'_>, Mark)]) -> PortResult<Vec<MarkPut>> {
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let puts = marks.iter().map(|(key, mark)| put_mark(&transaction, key, mark)).collect();
            transaction.commit()?;
            puts
        })
    }

    async fn commit(&self, shard: &str, state: &ShardState, commit: &Commit<'_>) -> PortResult<Committed> {
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let position: Option<String> = transaction
                .prepare_cached("SELECT position FROM shards WHERE shard = ?1")?
                .query_row([shard], |row| row.get(0))
                .optional()?;
            if position != state.head.as_ref().map(ToString::to_string) {
                return Ok(Committed::Moved);
            }
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO shards (shard, position, commits) VALUES (?1, ?2, ?3)",
                )?
                .execute((shard, commit.head.to_string(), state.commits + 1))?;
            log(&transaction, shard, state, commit)?;
            commit.rows.iter().try_for_each(|row| add(&transaction, shard, row))?;
            transaction.commit()?;
            Ok(Committed::Done)
        })
    }

    async fn log(&self, shard: &str, from: &Position, to: &Position) -> PortResult<Vec<LogEntry>> {
        self.with(|connection| {
            let sql = "
                SELECT number, first, last FROM commits WHERE shard = ?1
                  AND place >= coalesce((SELECT max(place) FROM commits WHERE shard = ?1 AND place < ?2), ?2)
                  AND place <= coalesce((SELECT min(place) FROM commits WHERE shard = ?1 AND place >= ?3), ?3)
                ORDER BY place";
            let read = |row: &Row<'_>| {
                Ok(LogEntry { number: row.get(0)?, first: position(row, 1)?, last: position(row, 2)? })
            };
            let between = (shard, keys::position(from), keys::position(to));
            connection.prepare_cached(sql)?.query_map(between, read)?.collect()
        })
    }

    async fn redriven(&self, shard: &str, from: &Position, to: &Position) -> PortResult<Vec<RedrivenRecord>> {
        self.with(|connection| {
            let sql = "
                SELECT position, id FROM (
                  SELECT * FROM redriven WHERE shard = ?1 AND record < ?2 ORDER BY record DESC LIMIT ?4)
                UNION ALL SELECT position, id FROM redriven WHERE shard = ?1 AND record BETWEEN ?2 AND ?3
                UNION ALL SELECT position, id FROM (
                  SELECT * FROM redriven WHERE shard = ?1 AND record > ?3 ORDER BY record LIMIT ?4)";
            let read = |row: &Row<'_>| {
                let id = row.get::<_, Option<i64>>(1)?.map(i64::cast_unsigned);
                Ok(RedrivenRecord { reached: position(row, 0)?, id })
            };
            let range = (shard, keys::position(from), keys::position(to), REDRIVEN_AROUND);
            connection.prepare_cached(sql)?.query_map(range, read)?.collect()
        })
    }

    async fn redrive(&self, shard: &str, guards: &[Guard], rows: &[Additions<'_>]) -> PortResult<Committed> {
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for Guard { before, after, id } in guards {
                let record = keys::position(&after.whole());
                let there = transaction
                    .prepare_cached("SELECT position FROM redriven WHERE shard = ?1 AND record = ?2")?
                    .query_row((shard, &record), |row| position(row, 0))
                    .optional()?;
                if there != *before {
                    return Ok(Committed::Moved);
                }
                let sql =
                    "INSERT OR REPLACE INTO redriven (shard, record, position, id) VALUES (?1, ?2, ?3, ?4)";
                let values = (shard, record, after.to_string(), id.map(u64::cast_signed));
                transaction.prepare_cached(sql)?.execute(values)?;
            }
            rows.iter().try_for_each(|row| add(&transaction, shard, row))?;
            transaction.commit()?;
            Ok(Committed::Done)
        })
    }

    async fn rows(&self, of: RowsOf<'_>) -> PortResult<Vec<StoredRow>> {
        self.with(|connection| {
            let sql = "SELECT sort, counter, amount FROM counters WHERE partition = ?1 ORDER BY sort";
            let mut statement = connection.prepare_cached(sql)?;
            let mut found = statement.query([keys::partition(of)])?;
            // The counters of a row follow each other.
            let (mut rows, mut last) = (Vec::<StoredRow>::new(), None);
            while let Some(of_row) = found.next()? {
                let (sort, counter): (String, String) = (of_row.get(0)?, of_row.get(1)?);
                let Some((row, shard)) = keys::read_row(of, &sort) else { continue };
                let Some(counter) = keys::read_counter(&counter) else { continue };
                if last.as_ref() != Some(&sort) {
                    rows.push(StoredRow { row, shard: shard.to_owned(), counters: Vec::new() });
                    last = Some(sort);
                }
                if let Some(row) = rows.last_mut() {
                    row.counters.push((counter, amount(of_row, 2)?));
                }
            }
            Ok(rows)
        })
    }
}

impl EmbeddedStore {
    /// The experiments that have counters, each with its epochs.
    pub fn counted_experiments(&self) -> PortResult<Vec<(String, u32)>> {
        let partitions: Vec<String> = self.with(|connection| {
            let sql = "SELECT DISTINCT partition FROM counters ORDER BY partition";
            connection.prepare_cached(sql)?.query_map((), |row| row.get(0))?.collect()
        })?;
        let read = |partition: &String| {
            keys::read_experiment(partition).map(|(experiment, epoch)| (experiment.to_owned(), epoch))
        };
        Ok(partitions.iter().filter_map(read).collect())
    }
}

fn state(connection: &Connection, shard: &str) -> rusqlite::Result<ShardState> {
    // One transaction, so that head and ledger are of one moment.
    let transaction = connection.unchecked_transaction()?;
    let head = transaction
        .prepare_cached("SELECT position, commits FROM shards WHERE shard = ?1")?
        .query_row([shard], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))
        .optional()?;
    let Some((position, commits)) = head else { return Ok(ShardState::default()) };
    let (mut ledger, mut unexposed) = (Vec::new(), Vec::new());
    let sql = "SELECT ids, unexposed FROM commits WHERE shard = ?1 ORDER BY place DESC LIMIT ?2";
    let mut statement = transaction.prepare_cached(sql)?;
    let mut latest = statement.query((shard, LEDGER_COMMITS))?;
    while let Some(row) = latest.next()? {
        ledger.extend(ids_from_bytes(row.get_ref(0)?.as_blob()?));
        unexposed.extend(unexposed_from_bytes(row.get_ref(1)?.as_blob()?));
    }
    Ok(ShardState { head: Some(position.parse().map_err(unreadable)?), commits, ledger, unexposed })
}

/// Writes a commit into the log, and forgets entries that are as old as they become.
fn log(
    connection: &Connection,
    shard: &str,
    state: &ShardState,
    commit: &Commit<'_>,
) -> rusqlite::Result<()> {
    let Commit { first, head, ids, unexposed, .. } = commit;
    let now = Timestamp::now().as_second();
    let sql = "
        INSERT INTO commits (shard, place, number, first, last, ids, unexposed, ends)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let (place, ends) = (keys::position(head), now + LOG_KEPT.as_secs());
    let (first, head) = (first.to_string(), head.to_string());
    let (ids, unexposed) = (ids_to_bytes(ids), unexposed_to_bytes(unexposed));
    let values = (shard, place, state.commits, first, head, ids, unexposed, ends);
    connection.prepare_cached(sql)?.execute(values)?;
    connection.prepare_cached("DELETE FROM commits WHERE ends < ?1")?.execute([now])?;
    Ok(())
}

fn position(row: &Row<'_>, column: usize) -> rusqlite::Result<Position> {
    row.get::<_, String>(column)?.parse().map_err(unreadable)
}

fn mark(connection: &Connection, key: &MarkKey<'_>) -> rusqlite::Result<Option<Mark>> {
    let sql = "SELECT variant, at, shard, position FROM marks WHERE unit = ?1 AND about = ?2";
    connection.prepare_cached(sql)?.query_row((&key.unit, keys::mark(&key.subject)), read_mark).optional()
}

fn read_mark(row: &Row<'_>) -> rusqlite::Result<Mark> {
    let position: String = row.get(3)?;
    Ok(Mark {
        variant: row.get(0)?,
        at: Timestamp::from_millisecond(row.get(1)?).map_err(unreadable)?,
        owner: Owner { shard: row.get(2)?, position: position.parse().map_err(unreadable)? },
    })
}

fn put_mark(connection: &Connection, key: &MarkKey<'_>, new: &Mark) -> rusqlite::Result<MarkPut> {
    let sql = "
        INSERT INTO marks (unit, about, variant, at, shard, position) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (unit, about) DO UPDATE SET at = excluded.at, shard = excluded.shard, position = excluded.position
        WHERE at <= ?7";
    let Mark { variant, at, owner } = new;
    // All others stay.
    let ended = if key.is_of_id() { at.as_millisecond() - ID_WINDOW.as_secs() * 1000 } else { i64::MIN };
    let values = (
        &key.unit,
        keys::mark(&key.subject),
        variant,
        at.as_millisecond(),
        &owner.shard,
        owner.position.to_string(),
        ended,
    );
    if connection.prepare_cached(sql)?.execute(values)? == 1 {
        return Ok(MarkPut::First);
    }
    Ok(match mark(connection, key)? {
        Some(there) if there.owner != new.owner => MarkPut::Existing(there),
        _ => MarkPut::First,
    })
}

/// Adds here and not in SQL, whose integers end at 2^63.
fn add(connection: &Connection, shard: &str, additions: &Additions<'_>) -> rusqlite::Result<()> {
    let (partition, sort) = &keys::row(&additions.row, shard);
    let mut get = connection
        .prepare_cached("SELECT amount FROM counters WHERE partition = ?1 AND sort = ?2 AND counter = ?3")?;
    let mut put = connection.prepare_cached(
        "INSERT OR REPLACE INTO counters (partition, sort, counter, amount) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (counter, more) in &additions.counters {
        let counter = &keys::counter(counter);
        let there = get.query_row((partition, sort, counter), |row| amount(row, 0)).optional()?;
        let sum = there.unwrap_or_default() + *more;
        put.execute((partition, sort, counter, sum.to_string()))?;
    }
    Ok(())
}

fn amount(row: &Row<'_>, column: usize) -> rusqlite::Result<Amount> {
    row.get::<_, String>(column)?.parse().map_err(unreadable)
}
