//! Which records could never be processed, and what becomes of them now?

mod kept;
pub mod list;
pub mod show;

pub use kept::Kept;

use super::inputs::duration;
use super::metrics::MetricsArgs;
use super::store::unanswered;
use crate::error::Error;
use abx_functions::ports::{Quarantine as _, Quarantined};
use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};

/// List and show records that could not be processed
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    pub(super) action: Action,
}

/// What is done with them.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    List(list::Args),
    Show(show::Args),
}

/// Which records are meant.
#[derive(Debug, clap::Args)]
pub struct SelectArgs {
    #[command(flatten)]
    metrics: MetricsArgs,
    /// Only records that came in this time, for example 12h or 90d
    #[arg(long, value_name = "DURATION", default_value = "31d", value_parser = duration)]
    since: SignedDuration,
}

impl SelectArgs {
    /// Since when.
    fn since(&self) -> Timestamp {
        Timestamp::now().checked_sub(self.since).unwrap_or(Timestamp::MIN)
    }

    /// All records that are meant, the newest first.
    async fn records(&self, kept: &Kept) -> Result<Vec<Quarantined>, Error> {
        kept.list(self.since(), usize::MAX).await.map_err(unanswered)
    }

    /// The error for an id that is not there.
    fn unknown(&self, id: &str) -> Error {
        unknown(id, &self.metrics)
    }
}

/// The error for an id that is not in a quarantine.
pub(super) fn unknown(id: &str, metrics: &MetricsArgs) -> Error {
    Error::caller(format!("there is no quarantined record {id:?} in {}", metrics.store.name()))
        .help("`abx quarantine list` shows their ids; older ones need a longer --since")
}
