//! Where revisions are published to: one file here, or a DynamoDB table.

use crate::error::Error;
use abx_functions::adapters::aws::{self, Budget, DynamoCatalog};
use abx_functions::adapters::embedded::EmbeddedStore;
use abx_functions::ports::{CatalogStore, Flip, Head, PortError, PutRevision, RevisionInfo, RevisionMeta};
use aws_sdk_lambda::config::ProvideCredentials as _;
use std::fs;
use std::future::Future;
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
    /// Opens the store.
    pub async fn open(&self) -> Result<Store, Error> {
        let Some(table) = &self.table else { return Ok(Store::Embedded(open_file(&self.store)?)) };
        let client = aws::dynamodb(&self.config().await, Budget::PATIENT);
        Ok(Store::Dynamo(DynamoCatalog::new(client, table.clone()).with_fresh_head()))
    }

    /// What the tables are reached with.
    pub async fn config(&self) -> aws::SdkConfig {
        aws_config(self.endpoint.as_deref()).await
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

/// An emulator at an endpoint, or AWS as every AWS tool finds it.
pub async fn aws_config(endpoint: Option<&str>) -> aws::SdkConfig {
    match endpoint {
        Some(endpoint) => aws::emulator(endpoint),
        None => aws::load(None).await,
    }
}

/// The same, where region and credentials are asked for before the first call: in its own error they stand far down.
pub async fn aws_config_of_region(endpoint: Option<&str>) -> Result<aws::SdkConfig, Error> {
    let config = aws_config(endpoint).await;
    if config.region().is_none() {
        return Err(Error::caller("no AWS region").help("set AWS_REGION, or give --endpoint"));
    }
    let Some(provider) = config.credentials_provider() else { return Ok(config) };
    match provider.provide_credentials().await {
        Ok(_) => Ok(config),
        Err(error) => Err(Error::caller(format!("no AWS credentials: {error}"))
            .help("set AWS_PROFILE, or sign in as for any AWS tool; `aws sts get-caller-identity` shows who you are")),
    }
}

/// Opens the embedded store, and makes its folder.
pub fn open_file(path: &Path) -> Result<EmbeddedStore, Error> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|error| Error::world(format!("{}: {error}", folder.display())))?;
    }
    EmbeddedStore::open(path).map_err(|error| Error::world(error.to_string()))
}

/// Runs the asynchronous part of a command.
pub fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Error::world(format!("no threads: {error}")))?.block_on(work)
}

/// A store that does not answer, or refuses.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
pub fn unanswered(error: PortError) -> Error {
    let help =
        if error.is_transient() { "try again; nothing was changed half" } else { "see the reason above" };
    Error::world(format!("the store: {error}")).help(help)
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

    async fn flip_head(&self, from: Option<u64>, to: u64) -> Result<Flip, PortError> {
        match self {
            Self::Embedded(it) => it.flip_head(from, to).await,
            Self::Dynamo(it) => it.flip_head(from, to).await,
        }
    }

    async fn revisions(&self) -> Result<Vec<RevisionInfo>, PortError> {
        match self {
            Self::Embedded(it) => it.revisions().await,
            Self::Dynamo(it) => it.revisions().await,
        }
    }
}
