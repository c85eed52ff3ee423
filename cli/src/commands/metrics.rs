//! Where counts are read from: the file here, or a DynamoDB table.

use super::store::{Store, StoreArgs, open_file};
use crate::error::Error;
use abx_functions::adapters::embedded::EmbeddedStore;
use abx_functions::ports::{MetricStore, PortError, RowCounter};

/// Where the counts are kept.
#[derive(Debug, Clone, clap::Args)]
pub struct MetricsArgs {
    /// The catalog, and the file where both are in one.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Counts, to be read.
#[derive(Debug)]
pub enum Metrics {
    /// One file.
    Embedded(EmbeddedStore),
}

impl MetricsArgs {
    /// Opens the catalog and the counts.
    pub async fn open(&self) -> Result<(Store, Metrics), Error> {
        let catalog = self.store.open().await?;
        let metrics = Metrics::Embedded(open_file(&self.store.store)?);
        Ok((catalog, metrics))
    }
}

impl Metrics {
    /// All counters of a partition.
    pub async fn rows(&self, partition: &str) -> Result<Vec<RowCounter>, PortError> {
        match self {
            Self::Embedded(store) => store.rows(partition).await,
        }
    }
}
