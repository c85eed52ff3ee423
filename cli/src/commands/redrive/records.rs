//! Records to redrive, sorted by their places in a temporary database: memory stays flat however many there are.

use crate::error::Error;
use crate::scratch::scratch_database;
use abx_core::event::{Payload, Position, Rejection, RejectionReason, ShardBatch};
use abx_functions::adapters::keys;
use jiff::Timestamp;
use rusqlite::{Connection, Row};

/// The number of records that are redriven in one call.
const BATCH: u32 = 500;
const SCHEMA: &str = "
    CREATE TABLE records (
      shard TEXT, place TEXT, position TEXT, arrived INTEGER, object INTEGER, data BLOB, reason TEXT, detail TEXT, key TEXT,
      PRIMARY KEY (shard, place)
    ) WITHOUT ROWID;";

/// Records of any shards.
#[derive(Debug)]
pub(super) struct Records(Connection);

impl Records {
    pub(super) fn new() -> Result<Self, Error> {
        scratch_database(SCHEMA).map(Self).map_err(failed)
    }

    /// Adds a record out of an object. Whether none was there at its place.
    pub(super) fn add(&self, shard: &str, payload: &Payload, object: usize) -> Result<bool, Error> {
        let Payload { position, arrived, partition_key, data, rejection } = payload;
        let (reason, detail) = rejection.as_ref().map(|it| (it.reason.as_str(), &*it.detail)).unzip();
        let sql = "INSERT OR IGNORE INTO records VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let (place, position, arrived) =
            (keys::position(position), position.to_string(), arrived.as_millisecond());
        let values =
            (shard, place, position, arrived, object, &**data, reason, detail, partition_key.as_deref());
        let added = self.0.prepare_cached(sql).and_then(|mut insert| insert.execute(values));
        added.map(|rows| rows == 1).map_err(failed)
    }

    /// The shards, that whose first record came first before the others: a parent is before its children.
    pub(super) fn shards(&self) -> Result<Vec<String>, Error> {
        let sql = "SELECT shard FROM records GROUP BY shard ORDER BY min(arrived), shard";
        let shards = self.0.prepare(sql).and_then(|mut it| it.query_map([], |row| row.get(0))?.collect());
        shards.map_err(failed)
    }

    /// The next records of a shard after a position. They are of one object, because records of one object follow each other in the
    /// stream, and those of two may have others between them.
    pub(super) fn next(&self, shard: &str, after: Option<&Position>) -> Result<ShardBatch, Error> {
        let sql = "
            SELECT position, arrived, data, reason, detail, object, key FROM records
            WHERE shard = ?1 AND place > ?2 ORDER BY place LIMIT ?3";
        let after = after.map(keys::position).unwrap_or_default();
        let read = || -> rusqlite::Result<Vec<Payload>> {
            let mut statement = self.0.prepare_cached(sql)?;
            let mut rows = statement.query((shard, after, BATCH))?;
            let (mut payloads, mut object) = (Vec::new(), None);
            while let Some(row) = rows.next()? {
                let of: i64 = row.get(5)?;
                if *object.get_or_insert(of) != of {
                    break;
                }
                payloads.push(payload(row)?);
            }
            Ok(payloads)
        };
        let payloads = read().map_err(failed)?;
        Ok(ShardBatch { shard: shard.to_owned(), payloads, repeated: 0 })
    }
}

fn payload(row: &Row<'_>) -> rusqlite::Result<Payload> {
    let position: String = row.get(0)?;
    let unreadable = |error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error);
    let reason: Option<String> = row.get(3)?;
    let reason = reason.and_then(|word| RejectionReason::ALL.iter().find(|it| it.as_str() == word));
    let detail: Option<String> = row.get(4)?;
    let detail = detail.unwrap_or_default();
    Ok(Payload {
        position: position
            .parse()
            .map_err(|error: abx_core::event::NotAPosition| unreadable(error.into()))?,
        arrived: Timestamp::from_millisecond(row.get(1)?).unwrap_or_default(),
        partition_key: row.get::<_, Option<String>>(6)?.map(Into::into),
        data: row.get::<_, Vec<u8>>(2)?.into(),
        rejection: reason.map(|reason| Rejection { reason: *reason, detail }),
    })
}

fn failed(error: rusqlite::Error) -> Error {
    Error::world("records could not be sorted in a temporary file")
        .because(error)
        .help("TMPDIR names the folder of temporary files; it needs about as much space as the records")
}
