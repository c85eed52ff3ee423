//! Where quarantined records are kept: the file here, or a DynamoDB table.

use crate::error::Error;
use crate::stores::{MetricsArgs, open_file, read_file};
use abx_functions::adapters::aws::{self, Budget, DynamoQuarantine};
use abx_functions::adapters::embedded::EmbeddedStore;
use abx_functions::ports::{PortError, Quarantine, Quarantined};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::Path;

/// A quarantine of either kind.
#[derive(Debug)]
pub enum Kept {
    /// One file.
    Embedded(EmbeddedStore),
    /// A DynamoDB table.
    Dynamo(DynamoQuarantine),
}

impl Kept {
    /// Opens the quarantine beside the counts to read.
    pub async fn open(args: &MetricsArgs) -> Result<Self, Error> {
        Self::open_by(args, read_file).await
    }

    /// Opens it to write; a file must be there.
    pub async fn open_to_write(args: &MetricsArgs) -> Result<Self, Error> {
        // The reader is gone before the writer comes: with both open in one process, SQLite lets neither write.
        Self::open_by(args, |path| read_file(path).map(drop).and_then(|()| open_file(path))).await
    }

    async fn open_by(
        args: &MetricsArgs,
        open: impl FnOnce(&Path) -> Result<EmbeddedStore, Error>,
    ) -> Result<Self, Error> {
        if args.store.table.is_none() {
            return Ok(Self::Embedded(open(&args.store.store)?));
        }
        let client = aws::dynamodb(&args.store.config().await?, Budget::PATIENT);
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

/// The error for an id that is not in a quarantine.
#[must_use]
pub fn no_record(id: &str, metrics: &MetricsArgs) -> Error {
    Error::caller(format!("there is no quarantined record {id:?} in {}", metrics.store.name()))
        .help("`abx quarantine list` shows their ids; older ones need a longer --since")
}
