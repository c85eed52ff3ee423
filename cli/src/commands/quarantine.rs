//! `abx quarantine`: records that could not be processed.

pub mod list;
pub mod show;

use crate::advice::unanswered;
use crate::command::{ReportSchema, Run};
use crate::error::Error;
use crate::exit::Exit;
use crate::inputs::duration;
use crate::output::Output;
use crate::stores::{AnyQuarantine, MetricsArgs};
use abx_functions::ports::{Quarantine as _, Quarantined};
use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};

/// List and show records that could not be processed
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
enum Action {
    List(list::Args),
    Show(show::Args),
}

impl Run for Args {
    fn run(&self, output: &Output) -> Exit {
        match &self.action {
            Action::List(args) => args.run(output),
            Action::Show(args) => args.run(output),
        }
    }

    fn reports() -> Vec<ReportSchema> {
        [list::Args::reports(), show::Args::reports()].concat()
    }
}

/// The selection of records.
#[derive(Debug, clap::Args)]
pub struct SelectArgs {
    #[command(flatten)]
    metrics: MetricsArgs,
    /// Only records that arrived within this time, for example 12h or 90d
    #[arg(long, value_name = "DURATION", default_value = "31d", value_parser = duration)]
    since: SignedDuration,
}

impl SelectArgs {
    /// Opens the quarantine to read.
    async fn open(&self) -> Result<AnyQuarantine, Error> {
        Ok(self.metrics.quarantine(&self.metrics.store.open().await?))
    }

    /// Since when.
    fn since(&self) -> Timestamp {
        Timestamp::now().checked_sub(self.since).unwrap_or(Timestamp::MIN)
    }

    /// All records that are meant, the newest first.
    async fn records(&self, quarantine: &AnyQuarantine) -> Result<Vec<Quarantined>, Error> {
        quarantine.list(self.since(), usize::MAX).await.map_err(unanswered)
    }
}
