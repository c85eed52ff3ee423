//! Where counts are read from: the file here, or a DynamoDB table.

use crate::error::Error;
use crate::stores::{Store, StoreArgs, read_file};
use abx_core::event::{Mark, MarkKey};
use abx_functions::adapters::aws::{self, Budget, DynamoMetrics};
use abx_functions::adapters::embedded::EmbeddedStore;
use abx_functions::ports::{MetricStore, PortError, RowsOf, ShardState, StoredRow};

/// Where the counts are kept.
#[derive(Debug, Clone, clap::Args)]
pub struct MetricsArgs {
    /// The catalog, and the file where both are in one.
    #[command(flatten)]
    pub store: StoreArgs,
    /// The DynamoDB table of the counts, with `--table` for that of the catalog
    #[arg(long, value_name = "NAME", requires = "table", default_value = "abx-metrics")]
    pub metrics_table: String,
}

/// Counts, to be read.
#[derive(Debug)]
pub enum Metrics {
    /// One file.
    Embedded(EmbeddedStore),
    /// A DynamoDB table.
    Dynamo(DynamoMetrics),
}

/// Where marks are looked up.
#[derive(Debug, Clone, clap::Args)]
pub struct MarksArg {
    /// The DynamoDB table of marks, to find ids such as "undefined"; by default named as that of the counts, with
    /// `marks` for `metrics`
    #[arg(long, value_name = "NAME", requires = "table")]
    marks_table: Option<String>,
}

impl MetricsArgs {
    /// Opens the catalog and the counts to read; the marks too, if it is said where they are.
    pub async fn open(&self, marks: Option<&MarksArg>) -> Result<(Store, Metrics), Error> {
        let catalog = self.store.open().await?;
        if self.store.table.is_none() {
            return Ok((catalog, Metrics::Embedded(read_file(&self.store.store)?)));
        }
        let client = aws::dynamodb(&self.store.config().await?, Budget::PATIENT);
        let by_default = || self.metrics_table.replace("metrics", "marks");
        let marks = marks.map(|marks| marks.marks_table.clone().unwrap_or_else(by_default));
        Ok((
            catalog,
            Metrics::Dynamo(DynamoMetrics::new(client, &*self.metrics_table, marks.unwrap_or_default())),
        ))
    }
}

impl Metrics {
    /// Rows with all of their counters.
    pub async fn rows(&self, of: RowsOf<'_>) -> Result<Vec<StoredRow>, PortError> {
        match self {
            Self::Embedded(store) => store.rows(of).await,
            Self::Dynamo(store) => store.rows(of).await,
        }
    }

    /// The experiments that were counted, with their epochs. `None` of a table, which tells them only to whoever reads all of it.
    pub fn counted_experiments(&self) -> Result<Option<Vec<(String, u32)>>, PortError> {
        match self {
            Self::Embedded(store) => store.counted_experiments().map(Some),
            Self::Dynamo(_) => Ok(None),
        }
    }

    /// The marks under these keys, in their order.
    pub async fn marks(&self, keys: &[MarkKey<'_>]) -> Result<Vec<Option<Mark>>, PortError> {
        match self {
            Self::Embedded(store) => store.marks(keys).await,
            Self::Dynamo(store) => store.marks(keys).await,
        }
    }

    /// How far a shard is counted.
    pub async fn shard(&self, shard: &str) -> Result<ShardState, PortError> {
        match self {
            Self::Embedded(store) => store.shard(shard).await,
            Self::Dynamo(store) => store.shard(shard).await,
        }
    }
}
