//! What was published, when, by whom and why?

use super::publish::head;
use super::store::{self, StoreArgs, unanswered};
use crate::error::Error;
use crate::render::table;
use crate::report::{FormatArg, Report};
use abx_functions::ports::CatalogStore as _;
use jiff::Timestamp;
use serde::Serialize;

/// List the published revisions, the newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  abx revisions\n  abx revisions --table abx-catalog --format json")]
pub struct Args {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    pub(super) format: FormatArg,
}

/// The published revisions, the newest first.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct RevisionsReport {
    store: String,
    /// The one that serves.
    head: Option<u64>,
    revisions: Vec<Revision>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Revision {
    #[serde(rename = "revision")]
    number: u64,
    #[schemars(with = "String")]
    created_at: Timestamp,
    author: String,
    message: String,
    /// Compressed.
    bytes: u64,
    /// SHA-256 of the bytes, in hexadecimal.
    checksum: String,
}

/// Reads the manifests.
pub fn run(args: &Args) -> Result<RevisionsReport, Error> {
    store::block_on(async {
        let store = args.store.open().await?;
        let head = head(&store).await?;
        let revisions = store.revisions().await.map_err(unanswered)?;
        let revisions = revisions
            .into_iter()
            .map(|it| Revision {
                number: it.revision,
                created_at: it.meta.created_at,
                author: it.meta.author,
                message: it.meta.message,
                bytes: it.bytes,
                checksum: it.checksum,
            })
            .collect();
        Ok(RevisionsReport { store: args.store.name(), head, revisions })
    })
}

impl Report for RevisionsReport {
    fn human(&self) -> String {
        if self.revisions.is_empty() {
            return format!("{}: nothing was ever published\n", self.store);
        }
        let rows = self.revisions.iter().map(|it| {
            let mark = if self.head == Some(it.number) { "head" } else { "" };
            let at = it.created_at.strftime("%Y-%m-%d %H:%M UTC").to_string();
            vec![it.number.to_string(), mark.to_owned(), at, it.author.clone(), it.message.clone()]
        });
        table::plain(&["revision", "", "published", "by", "why"], &[0], rows) + "\n"
    }
}
