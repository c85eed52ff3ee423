//! Which records could never be processed, and what becomes of them now?

pub mod list;
pub mod show;

use crate::advice::unanswered;
use crate::command::{ReportSchema, Run};
use crate::error::Error;
use crate::exit::Exit;
use crate::inputs::age;
use crate::stores::{Kept, MetricsArgs, no_record};
use abx_functions::ports::{Quarantine as _, Quarantined};
use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};

/// List and show records that could not be processed
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

/// What is done with them.
#[derive(Debug, Subcommand)]
enum Action {
    List(list::Args),
    Show(show::Args),
}

impl Run for Args {
    fn run(&self) -> Exit {
        match &self.action {
            Action::List(args) => args.run(),
            Action::Show(args) => args.run(),
        }
    }

    fn reports() -> Vec<ReportSchema> {
        [list::Args::reports(), show::Args::reports()].concat()
    }
}

/// Which records are meant.
#[derive(Debug, clap::Args)]
pub struct SelectArgs {
    #[command(flatten)]
    metrics: MetricsArgs,
    /// Only records that came in this time, as 12h or 90d
    #[arg(long, value_name = "TIME", default_value = "31d", value_parser = age)]
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
        no_record(id, &self.metrics)
    }
}
