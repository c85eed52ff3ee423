//! One file, or tables and streams of AWS.

use super::{StoreArgs, archive_beside};
use crate::aws::aws_config_for;
use crate::error::Error;
use abx_functions::adapters::aws::{
    self, Budget, DynamoAssignments, DynamoCatalog, DynamoMetrics, DynamoPersonalData, DynamoQuarantine,
    FirehoseArchive,
};
use abx_functions::adapters::embedded::{EmbeddedStore, JsonlArchive};
use abx_functions::ports::{Either, PortError};
use std::path::PathBuf;

/// A port of any backend; `A` is the adapter of AWS.
pub(super) type AnyStore<A> = Either<EmbeddedStore, A>;
/// The catalog of any backend.
pub type AnyCatalog = AnyStore<DynamoCatalog>;
/// The assignments of any backend.
pub type AnyAssignments = AnyStore<DynamoAssignments>;
/// The counts of any backend.
pub type AnyMetrics = AnyStore<DynamoMetrics>;
/// The quarantined records of any backend.
pub type AnyQuarantine = AnyStore<DynamoQuarantine>;
/// The personal data of any backend.
pub type AnyPersonalData = AnyStore<DynamoPersonalData>;
/// The archive of any backend.
pub type AnyArchive = Either<JsonlArchive, FirehoseArchive>;

/// Where a command works. It opens every port.
#[derive(Debug, Clone)]
pub enum Backend {
    /// One file, and the archive beside it.
    File {
        /// The path of the file.
        path: PathBuf,
        /// The file, opened.
        store: EmbeddedStore,
    },
    /// Tables and streams of AWS.
    Aws {
        /// The table of the catalog.
        catalog: String,
        /// Region, credentials and endpoint.
        config: Box<aws::SdkConfig>,
    },
}

impl Backend {
    /// The tables beside that of the catalog, and what belongs to them.
    pub(super) async fn of_table(table: &str, args: &StoreArgs) -> Result<Self, Error> {
        Ok(Self::Aws { catalog: table.to_owned(), config: Box::new(args.config().await?) })
    }

    /// A port: the file, or an adapter of AWS by the name of the catalog's table and the configuration.
    pub(super) fn port<A>(&self, of_aws: impl FnOnce(&str, &aws::SdkConfig) -> A) -> AnyStore<A> {
        match self {
            Self::File { store, .. } => Either::Left(store.clone()),
            Self::Aws { catalog, config } => Either::Right(of_aws(catalog, config)),
        }
    }

    /// The revisions and the head.
    #[must_use]
    pub fn catalog(&self) -> AnyCatalog {
        self.port(|table, config| {
            DynamoCatalog::new(aws::dynamodb(config, Budget::PATIENT), table).with_fresh_head()
        })
    }

    /// The assignments; `table` is that of AWS.
    #[must_use]
    pub fn assignments(&self, table: &str) -> AnyAssignments {
        self.port(|_, config| DynamoAssignments::new(aws::dynamodb(config, Budget::PATIENT), table))
    }

    /// The counts and marks; the tables are those of AWS.
    #[must_use]
    pub fn metrics(&self, table: &str, marks: &str) -> AnyMetrics {
        self.port(|_, config| DynamoMetrics::new(aws::dynamodb(config, Budget::PATIENT), table, marks))
    }

    /// The quarantined records; `table` is that of AWS.
    #[must_use]
    pub fn quarantine(&self, table: &str) -> AnyQuarantine {
        self.port(|_, config| DynamoQuarantine::new(aws::dynamodb(config, Budget::PATIENT), table))
    }

    /// The assignments, marks and events of a unit; the tables are those of AWS.
    #[must_use]
    pub fn personal_data(&self, assignments: &str, marks: &str) -> AnyPersonalData {
        self.port(|_, config| {
            DynamoPersonalData::new(aws::dynamodb(config, Budget::PATIENT), assignments, marks)
        })
    }

    /// The archive of events; `stream` is the delivery stream of AWS.
    #[must_use]
    pub fn archive(&self, stream: &str) -> AnyArchive {
        match self {
            Self::File { path, .. } => Either::Left(JsonlArchive::new(archive_beside(path))),
            Self::Aws { config, .. } => {
                Either::Right(FirehoseArchive::new(aws::firehose(config, Budget::PATIENT), stream))
            }
        }
    }

    /// The experiments that were counted, with their epochs. `None` of tables, which tell them only to whoever reads all of them.
    pub fn counted_experiments(&self) -> Result<Option<Vec<(String, u32)>>, PortError> {
        match self {
            Self::File { store, .. } => store.counted_experiments().map(Some),
            Self::Aws { .. } => Ok(None),
        }
    }
}

impl StoreArgs {
    /// The configuration of the calls to the tables.
    pub async fn config(&self) -> Result<aws::SdkConfig, Error> {
        aws_config_for(&self.name(), self.endpoint.as_deref()).await
    }

    /// The part of a deployment that an option names, or the reason why nothing is asked: a file has no deployment.
    pub fn of_deployment<'a>(&self, named: Option<&'a str>, option: &str) -> Result<&'a str, String> {
        match (&self.table, named) {
            (None, _) => Err("only with --table".to_owned()),
            (Some(_), None) => Err(format!("give {option}")),
            (Some(_), Some(named)) => Ok(named),
        }
    }
}
