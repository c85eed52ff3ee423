//! Where revisions are published to: one file here, or a DynamoDB table.

mod advice;

pub use advice::unanswered;

use crate::error::{Error, chain};
use abx_functions::adapters::aws::{self, Budget, DynamoCatalog};
use abx_functions::adapters::embedded::EmbeddedStore;
use abx_functions::ports::{
    CatalogStore, Flip, Head, HeadMove, PortError, PutRevision, RevisionInfo, RevisionMeta,
};
use aws_sdk_lambda::config::{Credentials, ProvideCredentials as _, SharedCredentialsProvider};
use std::fs::{DirBuilder, File};
use std::future::Future;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// The file of the embedded store, where none is named.
pub const DEFAULT_STORE: &str = ".abx/store.sqlite";

/// Where the catalog is kept.
#[derive(Debug, Clone, clap::Args)]
pub struct StoreArgs {
    /// The file of the embedded store (any tool for `SQLite` opens it)
    #[arg(long, value_name = "FILE", default_value = DEFAULT_STORE, conflicts_with = "table")]
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
    /// The store in a file; the file of the default where none is given.
    #[must_use]
    pub fn file(store: Option<PathBuf>) -> Self {
        Self { store: store.unwrap_or_else(|| DEFAULT_STORE.into()), table: None, endpoint: None }
    }

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

/// An emulator at an endpoint, or AWS as every AWS tool finds it. Region and credentials are asked for before the first call: the
/// SDK tries them late, and says little.
pub async fn aws_config_for(what: &str, endpoint: Option<&str>) -> Result<aws::SdkConfig, Error> {
    if let Some(endpoint) = endpoint {
        return Ok(aws::emulator(endpoint));
    }
    let config = aws::load(None).await;
    let region = config.region().ok_or_else(|| no_region(what))?;
    credentials_of(&config, &format!("{what} in {region}")).await?;
    Ok(config)
}

/// What to say where nothing names a region.
#[must_use]
pub fn no_region(what: &str) -> Error {
    Error::caller(format!("{what}: there is no AWS region to look for it in"))
        .help("set AWS_REGION, as AWS_REGION=eu-central-1, or AWS_PROFILE; --endpoint names an emulator")
}

/// The credentials that every AWS tool finds, and what provides them.
pub async fn credentials_of(
    config: &aws::SdkConfig,
    place: &str,
) -> Result<(SharedCredentialsProvider, Credentials), Error> {
    let provider = config.credentials_provider();
    let provider = provider.ok_or_else(|| Error::caller(format!("{place}: there are no AWS credentials")))?;
    match provider.provide_credentials().await {
        Ok(credentials) => Ok((provider, credentials)),
        Err(error) => Err(no_credentials(place, error)),
    }
}

fn no_credentials(place: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let chain = chain(&error).to_lowercase();
    // The chain does not name the profile that it looked for.
    let profile = std::env::var("AWS_PROFILE").map_or(String::new(), |name| format!(" of profile {name}"));
    let says = |why: &str| Error::caller(format!("{place}: {why}{profile}")).help(advice::SIGN_IN);
    // It names a part of the SDK that is left out of this program, which nobody can add to it.
    if chain.contains("cargo feature") {
        return says("abx does not run SSO or `credential_process` itself for the AWS credentials");
    }
    let is_expired = chain.contains("expired");
    let why = if is_expired { "the AWS credentials have expired" } else { "there are no AWS credentials" };
    says(why).because(error)
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

/// Runs the asynchronous part of a command.
pub fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Error::world("there are no threads").because(error))?.block_on(work)
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
