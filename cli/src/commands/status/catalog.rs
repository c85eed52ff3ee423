//! The published revision, its differences to the documents here, and its stale documents.

use super::Args;
use crate::advice::unanswered;
use crate::error::Error;
use crate::inputs::{DOCUMENTS, DocumentSource};
use crate::outcome::CheckOutcome;
use crate::report::Authorship;
use abx_core::change::Diff;
use abx_functions::catalog::{
    StaleDocument, StaleReason, changes, documents_of, experiment_of, stale_documents,
};
use abx_functions::ports::{CatalogStore, HeadMove, RevisionInfo};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::path::Path;

/// The answers about the catalog.
pub(super) struct Answers {
    pub(super) head: CheckOutcome<Option<PublishedHead>>,
    pub(super) drift: CheckOutcome<Diff>,
    pub(super) stale: CheckOutcome<Vec<Stale>>,
    /// Experiments of the head that enroll, or did lately, each with its epoch.
    pub(super) running: Vec<(String, u32)>,
    /// The events that metrics of the head ask for.
    pub(super) events: Vec<String>,
}

/// The revision that serves.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Head")]
pub(super) struct PublishedHead {
    pub(super) revision: u64,
    #[schemars(with = "String")]
    pub(super) published_at: Timestamp,
    #[serde(flatten)]
    pub(super) by: Authorship,
    /// The newest revision; another one than the head after a rollback.
    pub(super) newest: u64,
    /// The rollback to it, if that is recorded.
    pub(super) rolled_back: Option<RolledBack>,
}

/// The author, time and reason of a rollback.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct RolledBack {
    #[schemars(with = "String")]
    pub(super) at: Timestamp,
    #[serde(flatten)]
    pub(super) by: Authorship,
}

/// A document that nobody needs any more, or that says something else than it seems to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub(super) struct Stale {
    pub(super) document: String,
    pub(super) why: Why,
    pub(super) detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Why {
    /// An experiment whose `ends_at` has passed, and which is still active or paused.
    Ended,
    /// A completed experiment without a winner.
    NoWinner,
    /// A flag that gives everybody the same, and has not changed for long.
    Settled,
    /// A document that this version of `abx` cannot compile.
    NotCompiled,
}

/// Asks about head, drift and staleness. The last two need the documents of the head; where these cannot be had, they say so.
pub(super) async fn ask(args: &Args, store: &impl CatalogStore, now: Timestamp) -> Answers {
    let read = read(store).await;
    let (head, revisions, documents) = match read {
        Ok(read) => read,
        Err(error) => {
            return Answers {
                head: CheckOutcome::failed(&error),
                drift: CheckOutcome::failed(&error),
                stale: CheckOutcome::failed(&error),
                running: Vec::new(),
                events: Vec::new(),
            };
        }
    };
    let drift = drift(args, &documents, now);
    let (running, events) = (running(&documents), events(&documents));
    let stale = match &head {
        None => CheckOutcome::NotAsked("nothing is published".to_owned()),
        Some(head) => stale(args, store, (head, &revisions, &documents), now).await.into(),
    };
    Answers { head: CheckOutcome::Known(head), drift, stale, running, events }
}

fn running(documents: &[Value]) -> Vec<(String, u32)> {
    let is_running = |document: &&Value| {
        let status = document.get("status").and_then(Value::as_str);
        matches!(status, Some("active" | "paused"))
    };
    let running = documents.iter().filter(is_running).filter_map(experiment_of);
    running.map(|(key, epoch)| (key.to_owned(), epoch)).collect()
}

fn events(documents: &[Value]) -> Vec<String> {
    let counts = |document: &&Value| document.get("status").and_then(Value::as_str) != Some("draft");
    let metrics = documents.iter().filter(counts).filter_map(|document| document.get("metrics")?.as_array());
    let mut events: Vec<_> =
        metrics.flatten().filter_map(|metric| Some(metric.get("event")?.as_str()?.to_owned())).collect();
    events.sort_unstable();
    events.dedup();
    events
}

type Read = (Option<PublishedHead>, Vec<RevisionInfo>, Vec<Value>);

async fn read(store: &impl CatalogStore) -> Result<Read, Error> {
    let Some(head) = store.head().await.map_err(unanswered)? else {
        return Ok((None, Vec::new(), Vec::new()));
    };
    let revisions = store.revisions().await.map_err(unanswered)?;
    let documents = documents_of(store, Some(head.revision)).await?;
    let newest = revisions.first().map_or(head.revision, |it| it.revision);
    let info = revisions.iter().find(|it| it.revision == head.revision);
    let info = info.ok_or_else(|| Error::world(format!("revision {} is not listed", head.revision)))?;
    let moved = store.head_moves().await.map_err(unanswered)?.into_iter().next();
    let rolled_back = moved.filter(|it| it.to == head.revision && it.from.is_some_and(|from| from > it.to));
    let head = PublishedHead {
        revision: head.revision,
        published_at: info.meta.created_at,
        by: info.meta.clone().into(),
        newest,
        rolled_back: rolled_back
            .map(|HeadMove { meta, .. }| RolledBack { at: meta.created_at, by: meta.into() }),
    };
    Ok((Some(head), revisions, documents))
}

/// The changes that publishing the documents here would make.
fn drift(args: &Args, published: &[Value], now: Timestamp) -> CheckOutcome<Diff> {
    let by_default = args.from == [DocumentSource::Path(DOCUMENTS.into())];
    if by_default && !Path::new(DOCUMENTS).exists() {
        return CheckOutcome::NotAsked(format!("there is no folder {DOCUMENTS}; see --from"));
    }
    let checked = match DocumentSource::read(&args.from, &args.metrics.store) {
        Ok(corpus) => corpus.compile(),
        Err(error) => return CheckOutcome::failed(&error),
    };
    let errors = checked.errors().count();
    if errors > 0 {
        return CheckOutcome::Failed(format!("the documents have errors ({errors}): see `abx validate`"));
    }
    let values: Vec<Value> = checked.values.into_iter().map(|(_, value)| value).collect();
    CheckOutcome::Known(changes(published, &values, now))
}

async fn stale(
    args: &Args,
    store: &impl CatalogStore,
    (head, revisions, documents): (&PublishedHead, &[RevisionInfo], &[Value]),
    now: Timestamp,
) -> Result<Vec<Stale>, Error> {
    let recent_from = args.stale_before(now);
    let found = stale_documents(store, (head.revision, documents), revisions, recent_from, now).await?;
    Ok(found.into_iter().map(Stale::from).collect())
}

impl From<StaleDocument> for Stale {
    fn from(StaleDocument { document, reason }: StaleDocument) -> Self {
        let (why, detail) = match reason {
            StaleReason::NotCompiled => {
                (Why::NotCompiled, "this abx cannot compile it: see `abx pull` and `abx validate`".to_owned())
            }
            StaleReason::Ended { at, status } => {
                let at = at.strftime("%Y-%m-%d %H:%M UTC");
                (Why::Ended, format!("it ended at {at} and is still {status}"))
            }
            StaleReason::NoWinner => {
                (Why::NoWinner, "it is completed and has no winner: everybody gets nothing".to_owned())
            }
            StaleReason::Settled { variant, unchanged_since } => {
                let since = unchanged_since.strftime("%Y-%m-%d");
                (Why::Settled, format!("everybody gets `{variant}`, and nothing has changed since {since}"))
            }
        };
        Self { document, why, detail }
    }
}
