//! Opening the file, to write or only to read.
//!
//! A reader changes nothing, not even beside the file, and works where nothing can be written. `SQLite` keeps the latest commits
//! in a second file (`-wal`) until they are moved into the first one, and readers and writers meet in a third (`-shm`). So there are
//! three ways to read, and which one fits can change while a reader lives:
//!
//! | beside the file | who has it open | how it is read |
//! |---|---|---|
//! | no `-wal`, or an empty one without `-shm` | nobody | `immutable`: without locks, and never while it changes |
//! | `-wal` and `-shm` | a writer, or one that was killed | with the locks that are there; `readonly_shm` makes none |
//! | `-wal` alone | nobody: both were copied | the index of the `-wal` is built in memory, under no locks |

use crate::ports::{PortError, PortResult};
use rusqlite::{Connection, OpenFlags};
use std::ffi::OsString;
use std::fs::{Metadata, OpenOptions, metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Only the user who made a store may look into it: it holds what is known of persons.
const PRIVATE_FILE: u32 = 0o600;

/// The file of a store that is open.
#[derive(Debug)]
pub(super) struct StoreFile {
    pub(super) path: PathBuf,
    access: Access,
}

/// The permitted access to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Reading and writing; the file is this one.
    Write(FileId),
    /// Reading alone, in this way.
    Read(ReadMode),
}

/// The identity of the file that a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

/// The mode in which a file is read: see the table above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadMode {
    Immutable { id: FileId, length: u64, modified: SystemTime },
    Shared { id: FileId },
    Unshared { id: FileId },
}

impl StoreFile {
    /// Opens a file to write, and makes it if there is none.
    pub(super) fn open_to_write(path: &Path) -> PortResult<(Self, Connection)> {
        create_privately(path).map_err(PortError::permanent)?;
        let connection = Connection::open(path).map_err(super::port_error)?;
        let id = FileId::of(&metadata(path).map_err(PortError::permanent)?);
        Ok((Self { path: path.to_owned(), access: Access::Write(id) }, connection))
    }

    /// Opens a file that is there, to read.
    pub(super) fn open_to_read(path: &Path) -> PortResult<(Self, Connection)> {
        let mode = ReadMode::of(path).map_err(PortError::permanent)?;
        if !path.is_file() {
            return Err(PortError::permanent("it is not a file"));
        }
        let connection = mode.connect(path).map_err(super::port_error)?;
        Ok((Self { path: path.to_owned(), access: Access::Read(mode) }, connection))
    }

    /// The fit of the connection to the file. A reader's connection that does not fit is replaced, for example after a writer came;
    /// a writer would write into a file that nobody can find any more.
    pub(super) fn check(&self) -> PortResult<Fit> {
        match self.access {
            Access::Write(id) => match metadata(&self.path) {
                Ok(there) if FileId::of(&there) == id => Ok(Fit::Fits),
                Ok(_) => Err(PortError::permanent("another file took its place: start again")),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Err(PortError::permanent("the file was deleted: start again"))
                }
                Err(error) => Err(PortError::permanent(error)),
            },
            Access::Read(mode) => {
                let now = ReadMode::of(&self.path).map_err(PortError::permanent)?;
                Ok(if now == mode { Fit::Fits } else { Fit::Reopen })
            }
        }
    }

    /// The result of a read: without locks it is valid only if nothing has changed meanwhile, and an error only if the connection
    /// still fits.
    pub(super) fn settle<T>(&self, done: PortResult<T>) -> PortResult<T> {
        let counts = match self.access {
            Access::Write(_) => true,
            Access::Read(ReadMode::Immutable { .. }) => self.check()? == Fit::Fits,
            Access::Read(_) => done.is_ok() || self.check()? == Fit::Fits,
        };
        if counts { done } else { Err(changed()) }
    }

    pub(super) fn is_read(&self) -> bool {
        matches!(self.access, Access::Read(_))
    }
}

/// A reader that was too slow for the others.
pub(super) fn changed() -> PortError {
    PortError::transient("another program opened or closed it meanwhile")
}

/// The fit of a connection to its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    Fits,
    Reopen,
}

impl FileId {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

impl ReadMode {
    fn of(path: &Path) -> io::Result<Self> {
        let file = metadata(path)?;
        let id = FileId::of(&file);
        let wal = metadata(beside(path, "-wal")).map(|it| it.len()).ok();
        let shared = beside(path, "-shm").exists();
        Ok(match (wal, shared) {
            (Some(_), true) => Self::Shared { id },
            (Some(1..), false) => Self::Unshared { id },
            _ => Self::Immutable { id, length: file.len(), modified: file.modified()? },
        })
    }

    fn connect(self, path: &Path) -> rusqlite::Result<Connection> {
        let parameters = match self {
            Self::Immutable { .. } => "immutable=1",
            Self::Shared { .. } => "readonly_shm=1",
            Self::Unshared { .. } => "vfs=unix-none",
        };
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(uri(path, parameters), flags)?;
        if let Self::Unshared { .. } = self {
            connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        }
        Ok(connection)
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A path as `SQLite` reads it in a URI.
fn uri(path: &Path, parameters: &str) -> PathBuf {
    let mut uri = if path.is_absolute() { b"file://".to_vec() } else { b"file:".to_vec() };
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' => uri.extend(b"%25"),
            b'?' => uri.extend(b"%3f"),
            b'#' => uri.extend(b"%23"),
            _ => uri.push(*byte),
        }
    }
    uri.push(b'?');
    uri.extend(parameters.as_bytes());
    OsString::from_vec(uri).into()
}

/// Makes an empty file, which is an empty database, before `SQLite` would make one that everybody can read; what it makes beside
/// the file later has the same permissions.
fn create_privately(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(PRIVATE_FILE).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
