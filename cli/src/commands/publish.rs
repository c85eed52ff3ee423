//! What would a new revision change, and whom would it move? And, with `--yes`: make it.

use super::inputs::SourcesArgs;
use super::store::{self, unanswered};
use crate::error::Error;
use crate::render::change;
use crate::render::style::{DIM, GOOD, TITLE};
use crate::report::{FormatArg, Report};
use abx_core::change::{CatalogVersion, Diff, compare};
use abx_core::read_and_compile;
use abx_functions::catalog::{decode, encode};
use abx_functions::ports::{CatalogStore, Flip, PutRevision, RevisionMeta};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;

/// Publish documents as a new revision; without --yes only show what it would change
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx publish
  abx publish --yes --message 'open the checkout test to everybody'
  abx publish experiments/ --table abx-catalog --yes")]
pub struct Args {
    #[command(flatten)]
    documents: SourcesArgs,
    /// Publish, instead of only showing what would change
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    by: ByArgs,
    #[command(flatten)]
    pub(super) format: FormatArg,
}

/// Who publishes or rolls back, and why.
#[derive(Debug, clap::Args)]
pub struct ByArgs {
    /// Why, for the list of revisions
    #[arg(long, short, value_name = "TEXT", default_value = "")]
    message: String,
    /// Who, for the list of revisions; the user of this machine by default
    #[arg(long, value_name = "NAME", env = "USER", default_value = "unknown", hide_env_values = true)]
    author: String,
}

impl ByArgs {
    /// As of now.
    pub(super) fn now(&self) -> RevisionMeta {
        RevisionMeta {
            created_at: Timestamp::now(),
            author: self.author.clone(),
            message: self.message.clone(),
        }
    }
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

/// Compares the documents with the head, and publishes them if asked to.
pub fn run(args: &Args) -> Result<PublishReport, Error> {
    let checked = args.documents.check()?;
    let errors = checked.errors().count();
    if errors > 0 {
        let message = format!("nothing is published while the documents have errors ({errors})");
        return Err(Error::caller(message).help("see `abx validate`"));
    }
    let documents: Vec<Value> = checked.values.into_iter().map(|(_, value)| value).collect();
    store::block_on(async {
        let place = &args.documents.store;
        let store = if args.yes { place.open_to_write().await? } else { place.open_or_empty().await? };
        let head = head(&store).await?;
        let before = documents_of(&store, head).await?;
        let plan = changes(&before, &documents);
        let meta = args.by.now();
        let published = if args.yes && !plan.documents.is_empty() {
            Some(publish(&store, head, &documents, &meta).await?)
        } else {
            None
        };
        Ok(PublishReport { store: place.name(), head, plan, published })
    })
}

/// What differs between the documents of two revisions, and whom that moves now.
#[must_use]
pub fn changes(before: &[Value], after: &[Value]) -> Diff {
    let (old, new) = (read_and_compile(before), read_and_compile(after));
    let old = CatalogVersion { catalog: &old.catalog, documents: before.iter().collect() };
    let new = CatalogVersion { catalog: &new.catalog, documents: after.iter().collect() };
    compare(&old, &new, Timestamp::now())
}

/// The number of the revision that serves.
pub async fn head(store: &impl CatalogStore) -> Result<Option<u64>, Error> {
    Ok(store.head().await.map_err(unanswered)?.map(|head| head.revision))
}

/// The documents of a revision; none of none.
pub async fn documents_of(store: &impl CatalogStore, revision: Option<u64>) -> Result<Vec<Value>, Error> {
    let Some(number) = revision else { return Ok(Vec::new()) };
    let bytes = store.revision(number).await.map_err(unanswered)?.ok_or_else(|| no_revision(number))?;
    decode(&bytes).map_err(|error| Error::world(format!("revision {number} cannot be read")).because(error))
}

/// The key and the epoch of a document, if it is an experiment's.
#[must_use]
pub fn experiment_of(document: &Value) -> Option<(&str, u32)> {
    let key = document.get("experiment")?.as_str()?;
    let epoch = document.get("epoch").and_then(Value::as_u64);
    Some((key, epoch.and_then(|epoch| u32::try_from(epoch).ok()).unwrap_or(1)))
}

/// The error for a revision that was never published.
#[must_use]
pub fn no_revision(number: u64) -> Error {
    Error::caller(format!("there is no revision {number}")).help("`abx revisions` lists them")
}

/// Writes a new revision whole, and then makes it the head by one conditional write.
pub async fn publish(
    store: &impl CatalogStore,
    head: Option<u64>,
    documents: &[Value],
    meta: &RevisionMeta,
) -> Result<u64, Error> {
    let bytes = encode(documents).map_err(|error| Error::world("the documents").because(error))?;
    let newest = store.revisions().await.map_err(unanswered)?.first().map_or(0, |it| it.revision);
    let number = newest.max(head.unwrap_or(0)) + 1;
    let raced = |who: String| {
        Error::world(format!("somebody else published meanwhile: {who}"))
            .help("look at the plan again, with what they changed")
    };
    match store.put_revision(number, &bytes, meta).await.map_err(unanswered)? {
        PutRevision::Stored => {}
        PutRevision::Taken => return Err(raced(format!("revision {number} is theirs"))),
    }
    match store.flip_head(head, number, meta).await.map_err(unanswered)? {
        Flip::Done => Ok(number),
        Flip::Lost { actual } => Err(raced(match actual {
            Some(actual) => format!("the head is revision {actual}"),
            None => "the head is gone".to_owned(),
        })),
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
