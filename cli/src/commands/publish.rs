//! What would a new revision change, and whom would it move? And, with `--yes`: make it.

use crate::command::{Execute, block_on};
use crate::error::Error;
use crate::inputs::ByArgs;
use crate::render::change;
use crate::render::style::{DIM, GOOD, TITLE};
use crate::report::{FormatArg, Report};
use crate::source::Corpus;
use crate::stores::StoreArgs;
use abx_core::change::Diff;
use abx_functions::catalog::{changes, documents_of, head, publish};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Publish documents as a new revision; without --yes only show what it would change
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx publish
  abx publish --yes --message 'open the checkout test to everybody'
  abx publish experiments/ --table abx-catalog --yes")]
pub struct Args {
    /// Files or folders with the documents
    #[arg(default_value = "experiments", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Publish, instead of only showing what would change
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    by: ByArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    format: FormatArg,
}

/// What changes, whom that moves, and whether it was published.
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
    const REPORT: &'static str = "publish";

    /// Compares the documents with the head, and publishes them if asked to.
    fn execute(&self) -> Result<PublishReport, Error> {
        let checked = Corpus::load(&self.paths)?.compile();
        let errors = checked.errors().count();
        if errors > 0 {
            let message = format!("nothing is published while the documents have errors ({errors})");
            return Err(Error::caller(message).help("see `abx validate`"));
        }
        let documents: Vec<Value> = checked.values.into_iter().map(|(_, value)| value).collect();
        block_on(async {
            let store =
                if self.yes { self.store.open_to_write().await? } else { self.store.open_or_empty().await? };
            let head = head(&store).await?;
            let before = documents_of(&store, head).await?;
            let plan = changes(&before, &documents, Timestamp::now());
            let meta = self.by.now();
            let published = if self.yes && !plan.documents.is_empty() {
                Some(publish(&store, head, &documents, &meta).await?)
            } else {
                None
            };
            Ok(PublishReport { store: self.store.name(), head, plan, published })
        })
    }

    fn print(&self, report: &PublishReport) -> String {
        self.format.print(report)
    }
}

impl Report for PublishReport {
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
