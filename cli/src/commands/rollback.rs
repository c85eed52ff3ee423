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

/// Make an earlier revision serve again, at once
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx rollback --message 'fewer orders since this morning'
  abx rollback 41 --table abx-catalog

`abx revisions` lists who moved the head, when and why.")]
pub struct Args {
    /// The revision; by default the one before the head
    revision: Option<u64>,
    #[command(flatten)]
    by: ByArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    format: FormatArg,
}

/// What serves now, what that changed, and whom it moved.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct RollbackReport {
    store: String,
    /// The revision that served before.
    from: u64,
    /// The revision that serves now.
    to: u64,
    plan: Diff,
}

impl Execute for Args {
    type Report = RollbackReport;
    const REPORT: &'static str = "rollback";

    /// Flips the head.
    fn execute(&self) -> Result<RollbackReport, Error> {
        block_on(async {
            // Nothing is made where nothing is.
            drop(self.store.open().await?);
            let store = self.store.open_to_write().await?;
            let from = head(&store).await?.ok_or_else(|| Error::caller("nothing was ever published"))?;
            let to = match self.revision {
                Some(revision) => revision,
                None => before(&store, from).await?,
            };
            let old = documents_of(&store, Some(from)).await?;
            let new = documents_of(&store, Some(to)).await?;
            match store.flip_head(Some(from), to, &self.by.now()).await.map_err(unanswered)? {
                Flip::Done => Ok(RollbackReport {
                    store: self.store.name(),
                    from,
                    to,
                    plan: changes(&old, &new, Timestamp::now()),
                }),
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
    fn human(&self) -> String {
        let Self { store, from, to, .. } = self;
        format!(
            "{TITLE}{store}{TITLE:#} {DIM}(revision {from}){DIM:#}\n{}\n{GOOD}revision {to} serves{GOOD:#}\n",
            change::human(&self.plan)
        )
    }
}
