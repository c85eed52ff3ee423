//! `abx publish`: the changes of a new revision, which `--yes` publishes.

use crate::command::{Execute, block_on};
use crate::error::Error;
use crate::inputs::{ByArgs, SourcesArgs};
use crate::render::change;
use crate::render::style::{DIM, GOOD, TITLE};
use crate::report::{FormatArg, Report};
use abx_core::change::Diff;
use abx_functions::catalog::{changes, documents_of, head, publish};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;

/// Publish documents as a new revision; without --yes only show the changes
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx publish
  abx publish --yes --message 'open the checkout test to everybody'
  abx publish experiments/ --table abx-catalog --yes")]
pub struct Args {
    #[command(flatten)]
    documents: SourcesArgs,
    /// Publish, instead of only showing the changes
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    by: ByArgs,
    #[command(flatten)]
    format: FormatArg,
}

/// The changes of a revision, the units that they move, and whether it was published.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct PublishReport {
    store: String,
    /// The revision that served before; `null` where there was none.
    head: Option<u64>,
    plan: Diff,
    /// The new revision; `null` where nothing was published.
    published: Option<u64>,
}

impl Execute for Args {
    type Report = PublishReport;

    /// Compares the documents with the head, and publishes them if asked to.
    fn execute(&self) -> Result<PublishReport, Error> {
        let checked = self.documents.check()?;
        let errors = checked.errors().count();
        if errors > 0 {
            let message = format!("nothing is published while the documents have errors ({errors})");
            return Err(Error::caller(message).help("see `abx validate`"));
        }
        let documents: Vec<Value> = checked.values.into_iter().map(|(_, value)| value).collect();
        block_on(async {
            let place = &self.documents.store;
            let store = if self.yes { place.open_to_write().await? } else { place.open_or_empty().await? };
            let store = store.catalog();
            let head = head(&store).await?;
            let before = documents_of(&store, head).await?;
            let plan = changes(&before, &documents, Timestamp::now());
            let meta = self.by.now();
            let published = if self.yes && !plan.documents.is_empty() {
                Some(publish(&store, head, &documents, &meta).await?)
            } else {
                None
            };
            Ok(PublishReport { store: place.name(), head, plan, published })
        })
    }

    fn print(&self, report: &PublishReport) -> String {
        self.format.print(report)
    }
}

impl Report for PublishReport {
    const KIND: &'static str = "publish";

    fn human(&self) -> String {
        let head = self.head.map_or("nothing published yet".to_owned(), |it| format!("revision {it}"));
        let mut text = format!("{TITLE}{}{TITLE:#} {DIM}({head}){DIM:#}\n", self.store);
        text.push_str(&change::human(&self.plan));
        let _ = match self.published {
            Some(number) => writeln!(text, "\n{GOOD}published{GOOD:#} as revision {number}"),
            None if self.plan.documents.is_empty() => writeln!(text, "nothing to publish"),
            None => writeln!(text, "\nnothing was published: add --yes"),
        };
        text
    }
}
