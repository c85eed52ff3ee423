//! The ports in one `SQLite` file, which any tool for such files opens.
//!
//! | file | what it keeps |
//! |---|---|
//! | `schema.sql` | the tables, each with what its columns mean |
//! | `opening` | the file, opened to write or only to read |
//! | `identity` | whose file it is, and which form its tables have |
//! | `catalog`, `assignments`, `events`, `metrics`, `quarantine`, `personal_data` | one port each, on [`EmbeddedStore`] |
//! | `inputs` | files that were replayed, by their content |
//! | `stream_name` | the name that tells the events of one store from those of another |
//! | `archive` | [`JsonlArchive`]: files beside it, one for each day |

mod archive;
mod assignments;
mod catalog;
mod events;
mod identity;
mod inputs;
mod metrics;
mod opening;
mod personal_data;
mod quarantine;
mod stream_name;

pub use archive::JsonlArchive;
pub use events::StoredEvent;
pub use inputs::{Load, Segment};
pub use stream_name::{LOCAL_SHARD, is_shared};

use crate::adapters::TRANSACTION_LIMITS;
use crate::ports::{PortError, PortResult, TransactionLimits};
use opening::{Fit, StoreFile};
use rusqlite::{Connection, ErrorCode, ffi};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The time that a call waits for another program that is writing.
const PATIENCE: Duration = Duration::from_secs(5);
/// The number of attempts of a reader to open a file that a writer is opening or closing, and the pause between two attempts.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(5);

/// All ports in one file. A clone is another handle on the same connection.
///
/// Its methods are async by their traits only: they call the library in place, under a mutex. A call takes some
/// microseconds (`latency` in `tests/contract/embedded.rs` measures it), less than handing it to a thread for blocking work and back.
///
/// Log and file are written, not synced, at each commit (`synchronous = NORMAL` under WAL): whoever kills the program loses nothing;
/// whoever pulls the plug may lose the last moments, but gets a sound file.
#[derive(Debug, Clone)]
pub struct EmbeddedStore {
    open: Arc<Mutex<OpenStore>>,
    limits: TransactionLimits,
}

/// A connection, and the file that it is to; none of a store in memory.
#[derive(Debug)]
struct OpenStore {
    connection: Connection,
    file: Option<StoreFile>,
}

impl EmbeddedStore {
    /// Opens a file, or makes it. The error is permanent for what is not a file of ours.
    pub fn open(path: impl AsRef<Path>) -> PortResult<Self> {
        Self::of(OpenStore::to_write(path.as_ref()), path.as_ref())
    }

    /// Opens a file that is there to read, and only that: nothing is made or changed, in it or beside it, and whatever would write
    /// is an error. The medium may be one that cannot be written, and other processes may write meanwhile. A process that writes the
    /// file itself opens it to write alone: `SQLite` lets all connections of a process share what lies beside it, and a reader has
    /// that open to read.
    pub fn open_to_read(path: impl AsRef<Path>) -> PortResult<Self> {
        Self::of(OpenStore::to_read(path.as_ref()), path.as_ref())
    }

    fn of(opened: PortResult<OpenStore>, path: &Path) -> PortResult<Self> {
        let open =
            opened.map_err(|error| error.at(format!("{} cannot be used as a store", path.display())))?;
        Ok(Self { open: Arc::new(Mutex::new(open)), limits: TRANSACTION_LIMITS })
    }

    /// A store in memory, gone when it is dropped.
    pub fn in_memory() -> PortResult<Self> {
        let connection = Connection::open_in_memory().map_err(port_error)?;
        configure(&connection)?;
        identity::prepare_to_write(&connection)?;
        let open = Arc::new(Mutex::new(OpenStore { connection, file: None }));
        Ok(Self { open, limits: TRANSACTION_LIMITS })
    }

    /// The same, waiting so long for another program that writes, where calls otherwise wait for five seconds.
    pub fn with_patience(self, patience: Duration) -> PortResult<Self> {
        self.lock().connection.busy_timeout(patience).map_err(port_error)?;
        Ok(self)
    }

    /// The same with transactions of another size.
    #[must_use]
    pub fn with_limits(self, limits: TransactionLimits) -> Self {
        Self { limits, ..self }
    }

    /// Fails if the open file is no longer the one that its path leads to. Data that is written into another is lost.
    pub fn is_in_place(&self) -> PortResult<()> {
        self.lock().fit()
    }

    /// Fails if nothing can be written now. It writes data that is already there.
    pub fn try_to_write(&self) -> PortResult<()> {
        self.with(identity::rewrite)
    }

    /// Does something with the connection.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> PortResult<T> {
        let mut open = self.lock();
        open.fit()?;
        let done = work(&mut open.connection).map_err(port_error);
        open.settle(done).map_err(|error| open.at(error))
    }

    fn lock(&self) -> MutexGuard<'_, OpenStore> {
        // Whoever panicked had a transaction at most, and dropping it rolled it back.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenStore {
    fn to_write(path: &Path) -> PortResult<Self> {
        let (file, connection) = StoreFile::open_to_write(path)?;
        configure(&connection)?;
        identity::prepare_to_write(&connection)?;
        Ok(Self { connection, file: Some(file) })
    }

    /// Writers come and go, and what lies beside the file with them: then another way of reading it fits.
    fn to_read(path: &Path) -> PortResult<Self> {
        let mut tries = 1;
        loop {
            match Self::try_to_read(path) {
                Err(error) if tries < TRIES && (error.is_transient() || is_race(&error)) => {
                    thread::sleep(PAUSE);
                }
                opened => return opened,
            }
            tries += 1;
        }
    }

    fn try_to_read(path: &Path) -> PortResult<Self> {
        let (file, connection) = StoreFile::open_to_read(path)?;
        let prepared = configure(&connection).and_then(|()| identity::prepare_to_read(&connection));
        file.settle(prepared)?;
        Ok(Self { connection, file: Some(file) })
    }

    /// Lets the connection fit its file, or says why it cannot.
    fn fit(&mut self) -> PortResult<()> {
        let Some(file) = &self.file else { return Ok(()) };
        match file.check().map_err(|error| self.at(error))? {
            Fit::Fits => {}
            Fit::Reopen => *self = Self::to_read(&file.path.clone()).map_err(|error| self.at(error))?,
        }
        Ok(())
    }

    /// The result of a read, which is valid only if the file and the files beside it have not changed.
    fn settle<T>(&self, done: PortResult<T>) -> PortResult<T> {
        let Some(file) = &self.file else { return done };
        match file.settle(done) {
            Err(error) if file.is_read() && is_race(&error) => Err(opening::changed()),
            settled => settled,
        }
    }

    /// An error with the name of the file.
    fn at(&self, error: PortError) -> PortError {
        match &self.file {
            Some(file) => error.at(file.path.display().to_string()),
            None => error,
        }
    }
}

fn configure(connection: &Connection) -> PortResult<()> {
    connection.set_prepared_statement_cache_capacity(64);
    connection.busy_timeout(PATIENCE).map_err(port_error)
}

/// True for an error of a reader while a writer opens or closes the file: a file beside it is missing, or not ready yet.
fn is_race(error: &PortError) -> bool {
    let error = error.find::<rusqlite::Error>().and_then(|error| Some(error.sqlite_error()?.extended_code));
    let races = [ffi::SQLITE_CANTOPEN, ffi::SQLITE_READONLY_RECOVERY, ffi::SQLITE_READONLY_CANTINIT];
    error.is_some_and(|code| races.contains(&code))
}

/// The fault of a file that cannot be used, if somebody else has to act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFault {
    /// Another program is writing.
    Locked,
    /// The disk is full.
    Full,
    /// The file cannot be written.
    ReadOnly,
    /// The file cannot be opened.
    Unopenable,
}

/// The fault, if it is a fault of the file.
#[must_use]
pub fn fault(error: &PortError) -> Option<StoreFault> {
    // The file is made before SQLite opens it.
    if let Some(error) = error.find::<io::Error>() {
        return match error.kind() {
            io::ErrorKind::ReadOnlyFilesystem => Some(StoreFault::ReadOnly),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(StoreFault::Full),
            io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Some(StoreFault::Unopenable)
            }
            _ => None,
        };
    }
    match error.find::<rusqlite::Error>()?.sqlite_error_code()? {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Some(StoreFault::Locked),
        ErrorCode::DiskFull => Some(StoreFault::Full),
        ErrorCode::ReadOnly => Some(StoreFault::ReadOnly),
        ErrorCode::CannotOpen => Some(StoreFault::Unopenable),
        _ => None,
    }
}

/// Another program has the file, or the disk is full or failed: what is mended elsewhere.
fn is_transient(error: &rusqlite::Error) -> bool {
    use ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull, SystemIoFailure};
    matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked | DiskFull | SystemIoFailure))
}

fn port_error(error: rusqlite::Error) -> PortError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::TooBig) => PortError::unprocessable(error),
        _ if is_transient(&error) => PortError::transient(error),
        _ => PortError::permanent(error),
    }
}
