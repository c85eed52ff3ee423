//! The places where everything is kept: one file here, or tables and streams of AWS.

// The one place that knows which adapters a command works on.
#[cfg(feature = "aws")]
mod any;
#[cfg(not(feature = "aws"))]
#[path = "stores/embedded.rs"]
mod any;
#[cfg(feature = "aws")]
mod lag;
mod metrics;
#[cfg(feature = "aws")]
mod serving;

pub use any::{AnyArchive, AnyAssignments, AnyCatalog, AnyMetrics, AnyPersonalData, AnyQuarantine, Backend};
#[cfg(feature = "aws")]
pub use lag::ConsumerLag;
pub use metrics::{MarksArg, MetricsArgs};
#[cfg(feature = "aws")]
pub use serving::AnySink;

use crate::advice::unanswered;
use crate::error::Error;
use abx_functions::adapters::embedded::EmbeddedStore;
use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// The file of the embedded store, where none is named.
pub const DEFAULT_STORE: &str = ".abx/store.sqlite";

/// The place of the catalog.
#[derive(Debug, Clone, clap::Args)]
pub struct StoreArgs {
    /// The file of the embedded store, a `SQLite` database
    #[arg(long, value_name = "FILE", default_value = DEFAULT_STORE, conflicts_with = "table")]
    pub store: PathBuf,
    /// A DynamoDB table instead, with the usual AWS credentials
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,
    /// The endpoint of an emulator instead of AWS; no credentials are needed
    #[arg(long, value_name = "URL", requires = "table")]
    pub endpoint: Option<String>,
}

/// The place of stored assignments.
#[derive(Debug, Clone)]
pub struct AssignmentsPlace {
    /// The table, as [`Backend::assignments`] takes it; or the file.
    pub name: String,
    /// The name for a person.
    pub shown: String,
    /// True if nobody named it, so that it may not be there.
    pub is_guess: bool,
}

impl StoreArgs {
    /// The store in a file; the file of the default where none is given.
    #[must_use]
    pub fn file(store: Option<PathBuf>) -> Self {
        Self { store: store.unwrap_or_else(|| DEFAULT_STORE.into()), table: None, endpoint: None }
    }

    /// Opens the store to read: nothing is made or changed by that, and a store that is not there is an error.
    pub async fn open(&self) -> Result<Backend, Error> {
        self.open_by(read_file).await
    }

    /// Opens the store to read; one that is not there is empty.
    pub async fn open_or_empty(&self) -> Result<Backend, Error> {
        let empty = || EmbeddedStore::in_memory().map_err(unanswered);
        self.open_by(|path| if is_missing(path)? { empty() } else { read_file(path) }).await
    }

    /// Opens the store to write, and makes a file that is not there.
    pub async fn open_to_write(&self) -> Result<Backend, Error> {
        self.open_by(open_file).await
    }

    /// Opens a store that is there: to write, or only to read.
    pub async fn open_existing(&self, to_write: bool) -> Result<Backend, Error> {
        // The reader is gone before the writer comes: with both open in one process, SQLite lets neither write.
        let open = |path: &Path| read_file(path).map(drop).and_then(|()| open_file(path));
        if to_write { self.open_by(open).await } else { self.open().await }
    }

    async fn open_by(
        &self,
        open: impl FnOnce(&Path) -> Result<EmbeddedStore, Error>,
    ) -> Result<Backend, Error> {
        match &self.table {
            Some(table) => Backend::of_table(table, self).await,
            None => Ok(Backend::File { path: self.store.clone(), store: open(&self.store)? }),
        }
    }

    /// The place of the assignments: the same file, or the table that is named, or else the one whose name fits that of the catalog.
    /// `None` of a table whose name is not known.
    #[must_use]
    pub fn assignments_place(&self, named: Option<&str>) -> Option<AssignmentsPlace> {
        let Some(catalog) = &self.table else {
            return Some(AssignmentsPlace { name: self.name(), shown: self.name(), is_guess: false });
        };
        let beside = || catalog.strip_suffix("catalog").map(|start| format!("{start}assignments"));
        let name = named.map(str::to_owned).or_else(beside)?;
        Some(AssignmentsPlace { shown: format!("table {name}"), name, is_guess: named.is_none() })
    }

    /// The folder of the archive beside the file of the store. `None` of tables, whose archive is elsewhere.
    #[must_use]
    pub fn archive_folder(&self) -> Option<PathBuf> {
        self.table.is_none().then(|| archive_beside(&self.store))
    }

    /// The name of the store for a person.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.table {
            Some(table) => format!("table {table}"),
            None => self.store.display().to_string(),
        }
    }
}

/// Opens the embedded store to write, and makes it and its folder.
pub fn open_file(path: &Path) -> Result<EmbeddedStore, Error> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_folder(folder).map_err(|error| {
            Error::world(format!("{}: the folder of the store cannot be made", folder.display()))
                .because(error)
                .help("name a file that can be written with --store")
        })?;
    }
    EmbeddedStore::open(path).map_err(unanswered)
}

/// Opens the embedded store to read.
pub fn read_file(path: &Path) -> Result<EmbeddedStore, Error> {
    if is_missing(path)? {
        return Err(Error::caller(format!("{}: there is no store", path.display()))
            .help("`abx dev` and `abx publish --yes` make one; --store and --table name another"));
    }
    EmbeddedStore::open_to_read(path).map_err(unanswered)
}

/// The folder of the archive beside the file of a store: `store.sqlite-archive`. Each store has its own, because two of them count their
/// events from 1.
#[must_use]
pub fn archive_beside(store: &Path) -> PathBuf {
    let mut name = store.file_name().unwrap_or_default().to_owned();
    name.push("-archive");
    store.with_file_name(name)
}

fn is_missing(path: &Path) -> Result<bool, Error> {
    let is_there = path.try_exists();
    is_there.map(|it| !it).map_err(|error| Error::world(path.display().to_string()).because(error))
}

/// Personal data is private, and not part of a repository.
fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if folder.file_name().is_none_or(|name| name != ".abx") {
        return Ok(());
    }
    match File::create_new(folder.join(".gitignore")) {
        Ok(mut file) => file.write_all(b"*\n"),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
