//! The published revision, its differences to the documents here, and its stale documents.

use super::Args;
use crate::advice::unanswered;
use crate::error::Error;
use crate::inputs::{DOCUMENTS, Source};
use crate::part::Part;
use abx_core::Experiment;
use abx_core::change::Diff;
use abx_core::document::Status;
use abx_functions::catalog::{Snapshot, changes, documents_of, experiment_of, name};
use abx_functions::ports::{CatalogStore, HeadMove, RevisionInfo};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The answers about the catalog.
pub(super) struct Answers {
    pub(super) head: Part<Option<Head>>,
    pub(super) drift: Part<Diff>,
    pub(super) stale: Part<Vec<Stale>>,
    /// Experiments of the head that enroll, or did lately, each with its epoch.
    pub(super) running: Vec<(String, u32)>,
    /// The events that metrics of the head ask for.
    pub(super) events: Vec<String>,
}

/// The revision that serves.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct Head {
    pub(super) revision: u64,
    #[schemars(with = "String")]
    pub(super) published_at: Timestamp,
    pub(super) author: String,
    pub(super) message: String,
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
    pub(super) author: String,
    pub(super) message: String,
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
                head: Part::failed(&error),
                drift: Part::failed(&error),
                stale: Part::failed(&error),
                running: Vec::new(),
                events: Vec::new(),
            };
        }
    };
    let drift = drift(args, &documents, now);
    let (running, events) = (running(&documents), events(&documents));
    let stale = match &head {
        None => Part::NotAsked("nothing is published".to_owned()),
        Some(head) => stale(args, store, (head, &revisions, documents), now).await.into(),
    };
    Answers { head: Part::Known(head), drift, stale, running, events }
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

type Read = (Option<Head>, Vec<RevisionInfo>, Vec<Value>);

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
    let head = Head {
        revision: head.revision,
        published_at: info.meta.created_at,
        author: info.meta.author.clone(),
        message: info.meta.message.clone(),
        newest,
        rolled_back: rolled_back.map(|HeadMove { meta, .. }| RolledBack {
            at: meta.created_at,
            author: meta.author,
            message: meta.message,
        }),
    };
    Ok((Some(head), revisions, documents))
}

/// The changes that publishing the documents here would make.
fn drift(args: &Args, published: &[Value], now: Timestamp) -> Part<Diff> {
    let by_default = args.from == [Source::Path(DOCUMENTS.into())];
    if by_default && !Path::new(DOCUMENTS).exists() {
        return Part::NotAsked(format!("there is no folder {DOCUMENTS}; see --from"));
    }
    let checked = match Source::read(&args.from, &args.metrics.store) {
        Ok(corpus) => corpus.compile(),
        Err(error) => return Part::failed(&error),
    };
    let errors = checked.errors().count();
    if errors > 0 {
        return Part::Failed(format!("the documents have errors ({errors}): see `abx validate`"));
    }
    let values: Vec<Value> = checked.values.into_iter().map(|(_, value)| value).collect();
    Part::Known(changes(published, &values, now))
}

async fn stale(
    args: &Args,
    store: &impl CatalogStore,
    (head, revisions, documents): (&Head, &[RevisionInfo], Vec<Value>),
    now: Timestamp,
) -> Result<Vec<Stale>, Error> {
    let snapshot = Snapshot::compile(head.revision, documents.clone(), &Snapshot::default());
    let mut found: Vec<Stale> = snapshot
        .held_back
        .iter()
        .map(|document| Stale {
            document: document.clone(),
            why: Why::NotCompiled,
            detail: "this abx cannot compile it: see `abx pull` and `abx validate`".to_owned(),
        })
        .collect();
    found.extend(snapshot.catalog.experiments().iter().filter_map(|experiment| over(experiment, now)));
    let settled: BTreeMap<String, String> = snapshot
        .catalog
        .flags()
        .iter()
        .filter_map(|flag| Some((format!("flag {}", flag.key()), flag.settled()?.key.to_string())))
        .collect();
    let same = documents.iter().filter_map(|document| Some((name(document)?, document)));
    let same = same.filter(|(name, _)| settled.contains_key(name)).collect();
    let unchanged = unchanged(args, store, (head, revisions, same), now).await?;
    for (document, variant) in settled {
        if let Some(since) = unchanged.get(&document) {
            let since = since.strftime("%Y-%m-%d");
            let detail = format!("everybody gets `{variant}`, and nothing has changed since {since}");
            found.push(Stale { document, why: Why::Settled, detail });
        }
    }
    Ok(found)
}

/// An experiment that is over, and does not say so or not what then.
fn over(experiment: &Experiment, now: Timestamp) -> Option<Stale> {
    let stale =
        |why, detail| Some(Stale { document: format!("experiment {}", experiment.key()), why, detail });
    let ended = experiment.ends_at().filter(|end| *end <= now);
    match (experiment.status(), ended) {
        (Status::Active | Status::Paused, Some(end)) => {
            let detail = format!(
                "it ended at {} and is still {}",
                end.strftime("%Y-%m-%d %H:%M UTC"),
                experiment.status()
            );
            stale(Why::Ended, detail)
        }
        (Status::Completed, _) if experiment.winner().is_none() => {
            stale(Why::NoWinner, "it is completed and has no winner: everybody gets nothing".to_owned())
        }
        _ => None,
    }
}

/// Those of some documents that are as they were before the time from which on a change is recent, and since when at least. Only the
/// revisions since then are read, and one before them.
async fn unchanged(
    args: &Args,
    store: &impl CatalogStore,
    (head, revisions, mut same): (&Head, &[RevisionInfo], BTreeMap<String, &Value>),
    now: Timestamp,
) -> Result<BTreeMap<String, Timestamp>, Error> {
    let before = args.stale_before(now);
    for revision in revisions.iter().filter(|it| it.revision <= head.revision) {
        if same.is_empty() {
            break;
        }
        if revision.revision != head.revision {
            let there = documents_of(store, Some(revision.revision)).await?;
            same.retain(|_, document| there.contains(*document));
        }
        if revision.meta.created_at <= before {
            let since = revision.meta.created_at;
            return Ok(same.into_keys().map(|document| (document, since)).collect());
        }
    }
    Ok(BTreeMap::new())
}
