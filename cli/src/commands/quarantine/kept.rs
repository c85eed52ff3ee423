//! Where quarantined records are kept: the file here, or a DynamoDB table.

use crate::commands::metrics::MetricsArgs;
use crate::commands::store::{aws_config_of_region, open_file};
use crate::error::Error;
use abx_functions::adapters::aws::{self, Budget, DynamoQuarantine};
use abx_functions::adapters::embedded::EmbeddedStore;
use abx_functions::ports::{PortError, Quarantine, Quarantined};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// A quarantine of either kind.
#[derive(Debug)]
pub enum Kept {
    /// One file.
    Embedded(EmbeddedStore),
    /// A DynamoDB table.
    Dynamo(DynamoQuarantine),
}

impl Kept {
    /// Opens the quarantine beside the counts.
    pub async fn open(args: &MetricsArgs) -> Result<Self, Error> {
        if args.store.table.is_none() {
            return Ok(Self::Embedded(open_file(&args.store.store)?));
        }
        let config = aws_config_of_region(args.store.endpoint.as_deref()).await?;
        let client = aws::dynamodb(&config, Budget::PATIENT);
        Ok(Self::Dynamo(DynamoQuarantine::new(client, &*args.metrics_table)))
    }
}

impl Quarantine for Kept {
    async fn put(&self, records: &[Quarantined]) -> Result<(), PortError> {
        match self {
            Self::Embedded(it) => it.put(records).await,
            Self::Dynamo(it) => it.put(records).await,
        }
    }

    async fn list(&self, since: Timestamp, limit: usize) -> Result<Vec<Quarantined>, PortError> {
        match self {
            Self::Embedded(it) => it.list(since, limit).await,
            Self::Dynamo(it) => it.list(since, limit).await,
        }
    }

    async fn count(&self, since: Timestamp) -> Result<BTreeMap<String, u64>, PortError> {
        match self {
            Self::Embedded(it) => it.count(since).await,
            Self::Dynamo(it) => it.count(since).await,
        }
    }

    async fn remove(&self, record: &Quarantined) -> Result<(), PortError> {
        match self {
            Self::Embedded(it) => it.remove(record).await,
            Self::Dynamo(it) => it.remove(record).await,
        }
    }
}
