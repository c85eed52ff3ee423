//! Inputs that were replayed, by their content: what was counted of which file, for each target.
//!
//! A file is an input in segments: from where the last replay ended to where this one ends. Segments that are counted together are a
//! load. A load is noted before its first record is delivered, so that one that was interrupted goes on exactly where it ended.

use super::EmbeddedStore;
use crate::ports::PortResult;
use rusqlite::{Connection, OptionalExtension, Row};

/// The tables are made by the first replay, so that stores without one stay as they are.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS loads (
      id      TEXT NOT NULL,
      target  TEXT NOT NULL, -- empty: this store; else the function that counts
      made_at INTEGER NOT NULL, -- milliseconds since 1970: the time of events that have none
      done    INTEGER NOT NULL, -- 0 or 1
      PRIMARY KEY (target, id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS load_segments (
      target  TEXT NOT NULL,
      load    TEXT NOT NULL,
      part    TEXT NOT NULL, -- which events of the file: of a CSV, an exposure or a named event
      start   INTEGER NOT NULL,
      stop    INTEGER NOT NULL,
      digest  TEXT NOT NULL, -- SHA-256 of the file up to `stop`, in hexadecimal
      name    TEXT NOT NULL, -- of the file, for messages
      records INTEGER NOT NULL,
      PRIMARY KEY (target, load, digest, part)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS replayed_ids (
      target TEXT NOT NULL,
      id     INTEGER NOT NULL, -- the hash of an event's id, or of a record's place
      PRIMARY KEY (target, id)
    ) STRICT, WITHOUT ROWID;";

/// A part of a file that is counted as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// SHA-256 of the file's content from its beginning to `end`, in hexadecimal.
    pub digest: String,
    /// The part of its events: empty for all.
    pub part: String,
    /// The start, in bytes.
    pub start: u64,
    /// The end, in bytes.
    pub end: u64,
    /// The name of the file, for messages: two names with one content are one input.
    pub name: String,
    /// The number of records.
    pub records: u64,
}

/// Segments that are counted together, in the order of their events' times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Follows from the segments.
    pub id: String,
    /// The time of events that have none, in milliseconds since 1970.
    pub made_at: i64,
    /// In the order of their digests and parts.
    pub segments: Vec<Segment>,
}

impl EmbeddedStore {
    /// The segments that are counted for a target (empty for this store), and the load that was begun and not ended.
    pub fn replayed(&self, target: &str) -> PortResult<(Vec<Segment>, Option<Load>)> {
        self.with(|connection| {
            connection.execute_batch(SCHEMA)?;
            let done = segments(connection, target, "done = 1", "")?;
            let sql = "SELECT id, made_at FROM loads WHERE target = ?1 AND done = 0";
            let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?));
            let Some((id, made_at)) = connection.query_row(sql, [target], read).optional()? else {
                return Ok((done, None));
            };
            let segments = segments(connection, target, "done = 0", &id)?;
            Ok((done, Some(Load { id, made_at, segments })))
        })
    }

    /// Notes a load that begins; one that is noted already stays as it is.
    pub fn begin_load(&self, target: &str, load: &Load) -> PortResult<()> {
        self.with(|connection| {
            let transaction = connection.transaction()?;
            transaction.execute(
                "INSERT OR IGNORE INTO loads (id, target, made_at, done) VALUES (?1, ?2, ?3, 0)",
                (&load.id, target, load.made_at),
            )?;
            for it in &load.segments {
                transaction.execute(
                    "INSERT OR IGNORE INTO load_segments (target, load, part, start, stop, digest, name, records)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                    (target, &load.id, &it.part, it.start, it.end, &it.digest, &it.name, it.records),
                )?;
            }
            transaction.commit()
        })
    }

    /// Notes that all of a load is counted, and the ids of its events.
    pub fn end_load(
        &self,
        target: &str,
        load: &str,
        ids: impl IntoIterator<Item = rusqlite::Result<u64>>,
    ) -> PortResult<()> {
        self.with(|connection| {
            let transaction = connection.transaction()?;
            for id in ids {
                transaction
                    .prepare_cached("INSERT OR IGNORE INTO replayed_ids (target, id) VALUES (?1, ?2)")?
                    .execute((target, id?.cast_signed()))?;
            }
            transaction.execute("UPDATE loads SET done = 1 WHERE target = ?1 AND id = ?2", (target, load))?;
            transaction.commit()
        })
    }

    /// True if an event with this id was replayed for a target.
    pub fn has_replayed(&self, target: &str, id: u64) -> PortResult<bool> {
        self.with(|connection| {
            let sql = "SELECT 1 FROM replayed_ids WHERE target = ?1 AND id = ?2";
            connection.prepare_cached(sql)?.exists((target, id.cast_signed()))
        })
    }
}

fn segments(
    connection: &Connection,
    target: &str,
    which: &str,
    load: &str,
) -> rusqlite::Result<Vec<Segment>> {
    let sql = format!(
        "SELECT digest, part, start, stop, name, records FROM load_segments
         JOIN loads ON loads.id = load AND loads.target = load_segments.target
         WHERE loads.target = ?1 AND {which} AND (?2 = '' OR load = ?2) ORDER BY digest, part"
    );
    let read = |row: &Row<'_>| {
        Ok(Segment {
            digest: row.get(0)?,
            part: row.get(1)?,
            start: row.get(2)?,
            end: row.get(3)?,
            name: row.get(4)?,
            records: row.get(5)?,
        })
    };
    connection.prepare(&sql)?.query_map((target, load), read)?.collect()
}
