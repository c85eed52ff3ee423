//! Make an earlier revision serve again.

use crate::advice::unanswered;
use crate::command::{Execute, block_on};
use crate::error::Error;
use crate::inputs::ByArgs;
use crate::render::change;
use crate::render::style::{DIM, GOOD, TITLE};
use crate::report::{FormatArg, Report};
use crate::stores::StoreArgs;
use abx_core::change::Diff;
use abx_functions::catalog::{changes, documents_of, head};
use abx_functions::ports::{CatalogStore, Flip};
use jiff::Timestamp;
use serde::Serialize;

/// Make an earlier revision serve again, immediately; without --yes only show the changes
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx rollback
  abx rollback --yes --message 'fewer orders since this morning'
  abx rollback 41 --table abx-catalog --yes

`abx revisions` lists every move of the head with its author, time and reason.")]
pub struct Args {
    /// The revision; by default the one before the head
    #[arg(value_parser = crate::inputs::revision)]
    revision: Option<u64>,
    /// Roll back, instead of only showing the changes
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    by: ByArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    format: FormatArg,
}

/// The two revisions, their differences, and the units that they move.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct RollbackReport {
    store: String,
    /// The head before the rollback.
    from: u64,
    /// The revision to roll back to.
    to: u64,
    plan: Diff,
    /// True if `to` serves now; false without `--yes`.
    rolled_back: bool,
}

impl Execute for Args {
    type Report = RollbackReport;

    /// Compares the two revisions, and moves the head if asked to.
    fn execute(&self) -> Result<RollbackReport, Error> {
        block_on(async {
            let store = self.store.open_existing(self.yes).await?.catalog();
            let from = head(&store).await?.ok_or_else(|| Error::caller("nothing was ever published"))?;
            let to = match self.revision {
                Some(revision) => revision,
                None => before(&store, from).await?,
            };
            let old = documents_of(&store, Some(from)).await?;
            let new = documents_of(&store, Some(to)).await?;
            let plan = changes(&old, &new, Timestamp::now());
            let report = RollbackReport { store: self.store.name(), from, to, plan, rolled_back: self.yes };
            if !self.yes {
                return Ok(report);
            }
            match store.flip_head(Some(from), to, &self.by.now()).await.map_err(unanswered)? {
                Flip::Done => Ok(report),
                Flip::Lost { actual } => {
                    let actual = actual.map_or("gone".to_owned(), |it| format!("revision {it}"));
                    Err(Error::world(format!("somebody else moved the head meanwhile: it is {actual}"))
                        .help("look at `abx revisions` and decide again"))
                }
            }
        })
    }

    fn print(&self, report: &RollbackReport) -> String {
        self.format.print(report)
    }
}

async fn before(store: &impl CatalogStore, head: u64) -> Result<u64, Error> {
    let revisions = store.revisions().await.map_err(unanswered)?;
    let before = revisions.iter().map(|it| it.revision).find(|number| *number < head);
    before.ok_or_else(|| Error::caller(format!("there is no revision before {head}")))
}

impl Report for RollbackReport {
    const KIND: &'static str = "rollback";

    fn human(&self) -> String {
        let Self { store, from, to, .. } = self;
        let ending = if self.rolled_back {
            format!("{GOOD}revision {to} serves{GOOD:#}")
        } else {
            format!("revision {from} still serves: add --yes to roll back to revision {to}")
        };
        format!(
            "{TITLE}{store}{TITLE:#} {DIM}(revision {from}){DIM:#}\n{}\n{ending}\n",
            change::human(&self.plan)
        )
    }
}
