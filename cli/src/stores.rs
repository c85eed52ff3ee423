//! Where revisions are published to: one file here, or a DynamoDB table.

mod metrics;
mod quarantine;

pub use metrics::{MarksArg, Metrics, MetricsArgs};
pub use quarantine::{Kept, no_record};

use crate::advice::unanswered;
use crate::aws::aws_config_for;
use crate::error::Error;
use abx_functions::adapters::aws::{self, Budget, DynamoCatalog};
use abx_functions::adapters::embedded::EmbeddedStore;
use abx_functions::ports::{
    CatalogStore, Flip, Head, HeadMove, PortError, PutRevision, RevisionInfo, RevisionMeta,
};
use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Where the catalog is kept.
#[derive(Debug, Clone, clap::Args)]
pub struct StoreArgs {
    /// The file of the embedded store (any tool for `SQLite` opens it)
    #[arg(long, value_name = "FILE", default_value = ".abx/store.sqlite", conflicts_with = "table")]
    pub store: PathBuf,
    /// A DynamoDB table instead, with the credentials that every AWS tool finds
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,
    /// The endpoint of an emulator instead of AWS; credentials are then not read
    #[arg(long, value_name = "URL", requires = "table")]
    pub endpoint: Option<String>,
}

/// A store of either kind.
#[derive(Debug)]
pub enum Store {
    /// One file.
    Embedded(EmbeddedStore),
    /// A DynamoDB table.
    Dynamo(DynamoCatalog),
}

impl StoreArgs {
    /// Opens the store to read: nothing is made or changed by that, and a store that is not there is an error.
    pub async fn open(&self) -> Result<Store, Error> {
        match &self.table {
            Some(table) => self.open_table(table).await,
            None => Ok(Store::Embedded(read_file(&self.store)?)),
        }
    }

    /// Opens the store to read; one that is not there is empty.
    pub async fn open_or_empty(&self) -> Result<Store, Error> {
        if self.table.is_none() && is_missing(&self.store)? {
            return Ok(Store::Embedded(EmbeddedStore::in_memory().map_err(unanswered)?));
        }
        self.open().await
    }

    /// Opens the store to write, and makes a file that is not there.
    pub async fn open_to_write(&self) -> Result<Store, Error> {
        match &self.table {
            Some(table) => self.open_table(table).await,
            None => Ok(Store::Embedded(open_file(&self.store)?)),
        }
    }

    async fn open_table(&self, table: &str) -> Result<Store, Error> {
        let client = aws::dynamodb(&self.config().await?, Budget::PATIENT);
        Ok(Store::Dynamo(DynamoCatalog::new(client, table).with_fresh_head()))
    }

    /// What the tables are reached with.
    pub async fn config(&self) -> Result<aws::SdkConfig, Error> {
        aws_config_for(&self.name(), self.endpoint.as_deref()).await
    }

    /// How a person names the store.
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

/// What is kept about persons is nobody else's business, and no part of a repository.
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

impl CatalogStore for Store {
    async fn head(&self) -> Result<Option<Head>, PortError> {
        match self {
            Self::Embedded(it) => it.head().await,
            Self::Dynamo(it) => it.head().await,
        }
    }

    async fn revision(&self, revision: u64) -> Result<Option<Vec<u8>>, PortError> {
        match self {
            Self::Embedded(it) => it.revision(revision).await,
            Self::Dynamo(it) => it.revision(revision).await,
        }
    }

    async fn put_revision(
        &self,
        revision: u64,
        bytes: &[u8],
        meta: &RevisionMeta,
    ) -> Result<PutRevision, PortError> {
        match self {
            Self::Embedded(it) => it.put_revision(revision, bytes, meta).await,
            Self::Dynamo(it) => it.put_revision(revision, bytes, meta).await,
        }
    }

    async fn flip_head(&self, from: Option<u64>, to: u64, meta: &RevisionMeta) -> Result<Flip, PortError> {
        match self {
            Self::Embedded(it) => it.flip_head(from, to, meta).await,
            Self::Dynamo(it) => it.flip_head(from, to, meta).await,
        }
    }

    async fn head_moves(&self) -> Result<Vec<HeadMove>, PortError> {
        match self {
            Self::Embedded(it) => it.head_moves().await,
            Self::Dynamo(it) => it.head_moves().await,
        }
    }

    async fn revisions(&self) -> Result<Vec<RevisionInfo>, PortError> {
        match self {
            Self::Embedded(it) => it.revisions().await,
            Self::Dynamo(it) => it.revisions().await,
        }
    }
}
