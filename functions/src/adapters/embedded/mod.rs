//! The ports in one `SQLite` file, which any tool for such files opens.
//!
//! | file | what it keeps |
//! |---|---|
//! | `schema.sql` | the tables, each with what its columns mean |
//! | `catalog`, `assignments`, `events`, `metrics`, `quarantine`, `personal_data` | one port each, on [`EmbeddedStore`] |
//! | `inputs` | files that were replayed, by their content |
//! | `stream_name` | the name that tells the events of one store from those of another |
//! | `archive` | [`JsonlArchive`]: files beside it, one for each day |

mod archive;
mod assignments;
mod catalog;
mod events;
mod inputs;
mod metrics;
mod personal_data;
mod quarantine;
mod stream_name;

pub use archive::JsonlArchive;
pub use events::StoredEvent;
pub use inputs::{Load, Segment};
pub use stream_name::{LOCAL_SHARD, is_shared};

use crate::ports::PortError;
use rusqlite::{Connection, ErrorCode};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Raised with every change to `schema.sql` that an older program could not live with.
const SCHEMA_VERSION: i64 = 3;

/// The first schema did not tell when events came; those that it holds came before there were counts.
const FROM_1: &str = "ALTER TABLE events ADD COLUMN arrived INTEGER NOT NULL DEFAULT 0";

/// All ports in one file.
///
/// Its methods are async by their traits only: they call the library in place, under a mutex. A call takes some
/// microseconds (`latency` in `tests/contract/embedded.rs` measures it), less than handing it to a thread for blocking work and back.
///
/// Log and file are written, not synced, at each commit (`synchronous = NORMAL` under WAL): whoever kills the program loses nothing;
/// whoever pulls the plug may lose the last moments, but gets a sound file.
#[derive(Debug)]
pub struct EmbeddedStore {
    connection: Mutex<Connection>,
}

impl EmbeddedStore {
    /// Opens a file, or makes it. The error is permanent for what is not a file of ours.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PortError> {
        let path = path.as_ref();
        let opened = Connection::open(path).map_err(port_error).and_then(Self::of);
        opened.map_err(|error| {
            let why = format!("{} cannot be used as a store: {error}", path.display());
            if error.is_transient() { PortError::transient(why) } else { PortError::permanent(why) }
        })
    }

    /// A store in memory, gone when it is dropped.
    pub fn in_memory() -> Result<Self, PortError> {
        Self::of(Connection::open_in_memory().map_err(port_error)?)
    }

    fn of(connection: Connection) -> Result<Self, PortError> {
        let version = configure(&connection).map_err(port_error)?;
        if version > SCHEMA_VERSION {
            return Err(PortError::permanent("it was made by a newer abx"));
        }
        if version == 1 {
            connection.execute_batch(FROM_1).map_err(port_error)?;
        }
        connection.execute_batch(include_str!("schema.sql")).map_err(port_error)?;
        connection.pragma_update(None, "user_version", SCHEMA_VERSION).map_err(port_error)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Does something with the connection.
    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, PortError> {
        // Whoever panicked had a transaction at most, and dropping it rolled it back.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut connection).map_err(port_error)
    }
}

/// Sets up a connection; the version of the schema that the file has, 0 if it has none.
fn configure(connection: &Connection) -> rusqlite::Result<i64> {
    // Another program may be writing: wait for it rather than fail.
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn port_error(error: rusqlite::Error) -> PortError {
    if is_busy(&error) { PortError::transient(error) } else { PortError::permanent(error) }
}
