//! The tables of counts and marks, and what is read from them.

use super::{AnyCatalog, AnyMetrics, AnyQuarantine, Backend, StoreArgs};
use crate::error::Error;

/// The place of the counts.
#[derive(Debug, Clone, clap::Args)]
pub struct MetricsArgs {
    /// The catalog, and the file where both are in one.
    #[command(flatten)]
    pub store: StoreArgs,
    /// The DynamoDB table of the counts; needs --table, which names that of the catalog
    #[arg(long, value_name = "NAME", requires = "table", default_value = "abx-metrics")]
    pub metrics_table: String,
}

/// The place of marks.
#[derive(Debug, Clone, clap::Args)]
pub struct MarksArg {
    /// The DynamoDB table of marks, to find ids such as "undefined"; by default the name of the table of counts,
    /// with `marks` for `metrics`
    #[arg(long, value_name = "NAME", requires = "table")]
    marks_table: Option<String>,
}

impl MetricsArgs {
    /// Opens the catalog and the counts to read; the marks too, if it is said where they are.
    pub async fn open(&self, marks: Option<&MarksArg>) -> Result<(AnyCatalog, AnyMetrics), Error> {
        Ok(self.of(&self.store.open().await?, marks))
    }

    /// The catalog and the counts of an open store; the marks too, if it is said where they are.
    #[must_use]
    pub fn of(&self, backend: &Backend, marks: Option<&MarksArg>) -> (AnyCatalog, AnyMetrics) {
        let by_default = || self.metrics_table.replace("metrics", "marks");
        let marks = marks.map(|marks| marks.marks_table.clone().unwrap_or_else(by_default));
        (backend.catalog(), backend.metrics(&self.metrics_table, &marks.unwrap_or_default()))
    }

    /// The quarantine, which is in the table of the counts.
    #[must_use]
    pub fn quarantine(&self, backend: &Backend) -> AnyQuarantine {
        backend.quarantine(&self.metrics_table)
    }

    /// The error for an id that is not in the quarantine.
    #[must_use]
    pub fn no_record(&self, id: &str) -> Error {
        Error::caller(format!("there is no quarantined record {id:?} in {}", self.store.name()))
            .help("`abx quarantine list` shows their ids; older ones need a longer --since")
    }
}
