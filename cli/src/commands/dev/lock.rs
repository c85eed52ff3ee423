//! One `abx dev` for each store: two of them would publish their own files in turn.

use crate::error::Error;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Held as long as the program serves a store. The system gives it back when the program ends, however that happens.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the store, unless another program has it. The lock is a file of its own beside the store, because `SQLite` loses
    /// its locks on a file that is opened and closed by its side.
    pub(super) fn take(store: &Path) -> Result<Self, Error> {
        let mut name = store.file_name().unwrap_or_default().to_owned();
        name.push("-dev");
        let path = store.with_file_name(name);
        let failed = |error: std::io::Error| Error::world(path.display().to_string()).because(error);
        let mut open = OpenOptions::new();
        let mut file = open
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // A number is a help and no more.
                let _ = file.read_to_string(&mut holder);
                let process =
                    holder.trim().parse::<u32>().map_or(String::new(), |it| format!(" (process {it})"));
                let message = format!("another `abx dev` already serves {}{process}", store.display());
                return Err(Error::world(message).help("end it, or name another file with --store"));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(failed)?;
        Ok(Self { _file: file })
    }
}
