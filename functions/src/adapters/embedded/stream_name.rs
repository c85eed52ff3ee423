//! The name of the stream that the events of a store are counted under.
//!
//! Each store has its own: two stores number their events from 1, so a record of one must not look like a record of the other
//! when both are captured.

use super::EmbeddedStore;
use super::assignments::unreadable;
use crate::ports::PortResult;
use abx_core::event::{Position, ShardName};
use rusqlite::{Connection, OptionalExtension};

/// The stream of a store that counted before each store had a name of its own.
const LOCAL_STREAM: &str = "local";
/// The shard of that stream, and of each store's own.
pub const LOCAL_SHARD: &str = "shardId-000000000000";

/// Stores that counted before there were names keep the one that their head stands under, so that nothing is counted again.
const NAME: &str = "
    INSERT OR IGNORE INTO stream_name (id, name)
    SELECT 1, iif(EXISTS (SELECT 1 FROM shards WHERE shard = 'local/shardId-000000000000'),
                  'local', 'local-' || lower(hex(randomblob(8))))";

/// Names the stream of a store that has no name yet.
pub(super) fn give(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute(NAME, ()).map(|_| ())
}

impl EmbeddedStore {
    /// The name of the stream that this store's events are on.
    pub fn stream_name(&self) -> PortResult<String> {
        self.with(|connection| name(connection))
    }

    /// The name that the shard of this store's events is counted under.
    pub fn local_shard(&self) -> PortResult<String> {
        Ok(ShardName { stream: &self.stream_name()?, shard: LOCAL_SHARD }.to_string())
    }

    /// True if this store counted a recorded place: that of an event that was sent to it, or of an earlier replay.
    pub fn has_counted(&self, shard: &str, position: &Position, data: &[u8]) -> PortResult<bool> {
        let is_own = shard == self.local_shard()?;
        if !is_own && !shard.starts_with("replay/") {
            return Ok(false);
        }
        self.with(|connection| {
            let head: Option<String> = connection
                .prepare_cached("SELECT position FROM shards WHERE shard = ?1")?
                .query_row([shard], |row| row.get(0))
                .optional()?;
            let head: Option<Position> = head.map(|it| it.parse().map_err(unreadable)).transpose()?;
            if head.is_none_or(|head| head < *position) {
                return Ok(false);
            }
            // Many stores have this name, from before each had its own: the event itself has to be the same.
            if is_own && is_shared(shard) {
                let sql = "SELECT 1 FROM events WHERE id = ?1 AND CAST(data AS BLOB) = ?2";
                let number = position.sequence.as_str().parse::<i64>().unwrap_or(0);
                return connection.prepare_cached(sql)?.exists((number, data));
            }
            Ok(true)
        })
    }
}

/// True if several stores may have a shard of this name.
#[must_use]
pub fn is_shared(shard: &str) -> bool {
    ShardName::read(shard).is_some_and(|it| it.stream == LOCAL_STREAM)
}

fn name(connection: &Connection) -> rusqlite::Result<String> {
    let name = connection.prepare_cached("SELECT name FROM stream_name")?.query_row((), |row| row.get(0));
    // A store that is only read, and was not written since there are names.
    Ok(name.optional()?.unwrap_or_else(|| LOCAL_STREAM.to_owned()))
}
