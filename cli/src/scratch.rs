//! Temporary databases: memory stays flat however much a command sorts.

use rusqlite::Connection;

/// Opens a database for one command, with up to 32 MiB in memory. It has begun a transaction, because nobody needs what is left of a
/// command that was interrupted.
pub fn scratch_database(schema: &str) -> rusqlite::Result<Connection> {
    // A database without a name is a temporary one: in memory while it is small, then in a file that nobody else sees.
    let connection = Connection::open("")?;
    connection.execute_batch(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -32768; PRAGMA temp_store = FILE;",
    )?;
    connection.execute_batch(schema)?;
    connection.execute_batch("BEGIN")?;
    Ok(connection)
}
