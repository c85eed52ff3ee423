//! `abx revisions`: published revisions and moves of the head.

use crate::advice::unanswered;
use crate::command::{Execute, block_on};
use crate::error::Error;
use crate::render::{printable, table};
use crate::report::{Authorship, FormatArg, Report};
use crate::stores::StoreArgs;
use abx_functions::catalog::head;
use abx_functions::ports::{CatalogStore as _, HeadMove, RevisionInfo};
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Write as _;

/// List the published revisions and every move of the head, the newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  abx revisions\n  abx revisions --table abx-catalog --format json")]
pub struct Args {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    format: FormatArg,
}

/// The published revisions, the newest first.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct RevisionsReport {
    store: String,
    /// The one that serves.
    head: Option<u64>,
    revisions: Vec<RevisionReport>,
    /// Every move of the head, the newest first; what versions of abx before this record moved is not in it.
    moves: Vec<Move>,
}

/// A move of the head: somebody published or rolled back.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Move {
    #[schemars(with = "String")]
    moved_at: Timestamp,
    /// The revision that served before; `null` where none did.
    from: Option<u64>,
    /// The revision that served from then on.
    to: u64,
    #[serde(flatten)]
    by: Authorship,
}

/// A published revision.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct RevisionReport {
    #[serde(rename = "revision")]
    number: u64,
    #[schemars(with = "String")]
    created_at: Timestamp,
    #[serde(flatten)]
    by: Authorship,
    /// Compressed.
    bytes: u64,
    /// SHA-256 of the bytes, in hexadecimal.
    checksum: String,
}

impl From<RevisionInfo> for RevisionReport {
    fn from(RevisionInfo { revision, meta, bytes, checksum, .. }: RevisionInfo) -> Self {
        Self { number: revision, created_at: meta.created_at, by: meta.into(), bytes, checksum }
    }
}

impl Execute for Args {
    type Report = RevisionsReport;

    /// Reads the manifests.
    fn execute(&self) -> Result<RevisionsReport, Error> {
        block_on(async {
            let store = self.store.open().await?.catalog();
            let head = head(&store).await?;
            let revisions = store.revisions().await.map_err(unanswered)?;
            let revisions = revisions.into_iter().map(RevisionReport::from).collect();
            let moves = store.head_moves().await.map_err(unanswered)?.into_iter().map(Move::from).collect();
            Ok(RevisionsReport { store: self.store.name(), head, revisions, moves })
        })
    }

    fn print(&self, report: &RevisionsReport) -> String {
        self.format.print(report)
    }
}

impl From<HeadMove> for Move {
    fn from(HeadMove { from, to, meta }: HeadMove) -> Self {
        Self { moved_at: meta.created_at, from, to, by: meta.into() }
    }
}

impl Report for RevisionsReport {
    const KIND: &'static str = "revisions";

    fn human(&self) -> String {
        if self.revisions.is_empty() {
            return format!("{}: nothing was ever published\n", self.store);
        }
        let rows = self.revisions.iter().map(|it| {
            let mark = if self.head == Some(it.number) { "head" } else { "" };
            [vec![it.number.to_string(), mark.to_owned(), minute(it.created_at)], why(&it.by)].concat()
        });
        let mut text = table::plain(&["revision", "", "published", "by", "why"], &[0], rows) + "\n";
        if !self.moves.is_empty() {
            let rows = self.moves.iter().map(|it| {
                let from = it.from.map_or("nothing".to_owned(), |from| from.to_string());
                let moved = vec![minute(it.moved_at), format!("{from} to {}", it.to)];
                [moved, why(&it.by)].concat()
            });
            let _ = writeln!(text, "\n{}", table::plain(&["head moved", "from", "by", "why"], &[], rows));
        }
        text
    }
}

/// The cells of the author and the reason.
fn why(by: &Authorship) -> Vec<String> {
    vec![printable(&by.author), printable(&by.message)]
}

fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
