//! Whose file it is, and which form its tables have.

use crate::ports::{PortError, PortResult};
use rusqlite::{Connection, TransactionBehavior};
use std::collections::BTreeSet;

/// `abx1`: tells a file of ours from that of any other program.
const APPLICATION_ID: i32 = 0x6162_7831;

/// Raised with every change to `schema.sql` that an older program could not live with.
const SCHEMA_VERSION: i64 = 4;

/// The first schema did not tell when events came; those that it holds came before there were counts.
const FROM_1: &str = "ALTER TABLE events ADD COLUMN arrived INTEGER NOT NULL DEFAULT 0";
/// A log of commits did not always tell of conversions of units that were not exposed; a program that does not know of them may go on.
const WITH_UNEXPOSED: &str = "ALTER TABLE commits ADD COLUMN unexposed BLOB NOT NULL DEFAULT x''";
/// The same for whoever may only read.
const SEEN_WITH_UNEXPOSED: &str = "CREATE TEMP VIEW commits AS SELECT *, x'' AS unexposed FROM main.commits";
const SEEN_FROM_1: &str = "
    CREATE TEMP VIEW events AS SELECT id, partition_key, 0 AS arrived, data FROM main.events";

const SCHEMA: &str = include_str!("schema.sql");

/// The tables that every version made. Files from before there was an `application_id` are known by them.
const FIRST_TABLES: [&str; 4] = ["assignments", "events", "head", "revisions"];

/// Makes or completes the tables of a file that is ours or empty. That of another program stays as it is.
pub(super) fn prepare_to_write(connection: &Connection) -> PortResult<()> {
    let version = version_of_ours(connection)?;
    let prepare = || {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        if version == 1 {
            connection.execute_batch(FROM_1)?;
        }
        if lacks_unexposed(connection)? {
            connection.execute_batch(WITH_UNEXPOSED)?;
        }
        connection.execute_batch(SCHEMA)?;
        super::stream_name::give(connection)?;
        connection.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)
    };
    prepare().map_err(super::port_error)
}

/// Writes the version that is there, so that whatever keeps the file from being written shows.
pub(super) fn rewrite(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

/// Lets a reader see the present tables in a file of any version: what the file lacks, this connection has by itself, and empty.
pub(super) fn prepare_to_read(connection: &Connection) -> PortResult<()> {
    let version = version_of_ours(connection)?;
    let prepare = || {
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        if version == 1 {
            connection.execute_batch(SEEN_FROM_1)?;
        }
        let there = tables(connection)?;
        if lacks_unexposed(connection)? {
            connection.execute_batch(SEEN_WITH_UNEXPOSED)?;
        }
        for (name, definition) in schema()? {
            if !there.contains(&name) {
                connection.execute_batch(&definition.replacen("CREATE TABLE", "CREATE TEMP TABLE", 1))?;
            }
        }
        // A file that cannot be written guards itself; this guards the tables that it lacks.
        connection.pragma_update(None, "query_only", true)
    };
    prepare().map_err(super::port_error)
}

/// The version of the tables, 0 of an empty file; an error for a file of another program, or of a newer one of ours.
fn version_of_ours(connection: &Connection) -> PortResult<i64> {
    let read = || {
        let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok((id, version, tables(connection)?))
    };
    let (id, version, tables) = read().map_err(super::port_error)?;
    let is_unmarked = id == 0 && (tables.is_empty() || FIRST_TABLES.iter().all(|it| tables.contains(*it)));
    if id != APPLICATION_ID && !is_unmarked {
        let some: Vec<&str> = tables.iter().map(String::as_str).take(5).collect();
        let why = format!("it is a database of another program (tables: {})", some.join(", "));
        return Err(PortError::permanent(why));
    }
    if version > SCHEMA_VERSION {
        return Err(PortError::permanent("it was made by a newer abx"));
    }
    Ok(version)
}

/// True of a log of commits from before it told of conversions of units that were not exposed.
fn lacks_unexposed(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) > 0 AND sum(name = 'unexposed') = 0 FROM pragma_table_info('commits')";
    connection.query_row(sql, (), |row| Ok(row.get::<_, Option<bool>>(0)?.unwrap_or_default()))
}

fn tables(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let sql =
        "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    connection.prepare(sql)?.query_map((), |row| row.get(0))?.collect()
}

/// The present tables, each with the statement that makes it.
fn schema() -> rusqlite::Result<Vec<(String, String)>> {
    let model = Connection::open_in_memory()?;
    model.execute_batch(SCHEMA)?;
    let sql =
        "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    model.prepare(sql)?.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
