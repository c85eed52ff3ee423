//! Stale documents: those that nobody needs any more, or that say something else than they seem to.

use super::{PublishError, Snapshot, documents_of, name};
use crate::ports::{CatalogStore, RevisionInfo};
use abx_core::Experiment;
use abx_core::document::Status;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// A stale document of the revision that serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleDocument {
    /// Its kind and key, as `flag new_search`.
    pub document: String,
    /// The reason.
    pub reason: StaleReason,
}

/// The reason for which a document is stale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StaleReason {
    /// This version cannot compile it.
    NotCompiled,
    /// An experiment whose end has passed, and which is still active or paused.
    Ended {
        /// Its end.
        at: Timestamp,
        /// Its status.
        status: Status,
    },
    /// A completed experiment without a winner.
    NoWinner,
    /// A flag that gives everybody the same variant, and has not changed for long.
    Settled {
        /// The variant.
        variant: String,
        /// It has not changed since, or for longer.
        unchanged_since: Timestamp,
    },
}

/// Finds the stale documents of a revision of a store. `revisions` are all of the store, the newest first. A flag that changed after
/// `recent_from` is not stale.
pub async fn stale_documents(
    store: &impl CatalogStore,
    (head, documents): (u64, &[Value]),
    revisions: &[RevisionInfo],
    recent_from: Timestamp,
    now: Timestamp,
) -> Result<Vec<StaleDocument>, PublishError> {
    let snapshot = Snapshot::compile(head, documents.to_vec(), &Snapshot::default());
    let not_compiled = snapshot.held_back.iter();
    let mut found: Vec<StaleDocument> = not_compiled
        .map(|document| StaleDocument { document: document.clone(), reason: StaleReason::NotCompiled })
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
    let older = revisions.iter().filter(|it| it.revision <= head);
    let unchanged = unchanged(store, older, same, (head, recent_from)).await?;
    found.extend(settled.into_iter().filter_map(|(document, variant)| {
        let unchanged_since = *unchanged.get(&document)?;
        Some(StaleDocument { document, reason: StaleReason::Settled { variant, unchanged_since } })
    }));
    Ok(found)
}

/// An experiment that is over, and does not say so or not what then.
fn over(experiment: &Experiment, now: Timestamp) -> Option<StaleDocument> {
    let ended = experiment.ends_at().filter(|end| *end <= now);
    let reason = match (experiment.status(), ended) {
        (status @ (Status::Active | Status::Paused), Some(at)) => StaleReason::Ended { at, status },
        (Status::Completed, _) if experiment.winner().is_none() => StaleReason::NoWinner,
        _ => return None,
    };
    Some(StaleDocument { document: format!("experiment {}", experiment.key()), reason })
}

/// Those of some documents that are as they were before the time from which on a change is recent, and since when at least. Only the
/// revisions since then are read, and one before them.
async fn unchanged(
    store: &impl CatalogStore,
    revisions: impl Iterator<Item = &RevisionInfo>,
    mut same: BTreeMap<String, &Value>,
    (head, recent_from): (u64, Timestamp),
) -> Result<BTreeMap<String, Timestamp>, PublishError> {
    for revision in revisions {
        if same.is_empty() {
            break;
        }
        if revision.revision != head {
            let there = documents_of(store, Some(revision.revision)).await?;
            same.retain(|_, document| there.contains(*document));
        }
        let since = revision.meta.created_at;
        if since <= recent_from {
            return Ok(same.into_keys().map(|document| (document, since)).collect());
        }
    }
    Ok(BTreeMap::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::embedded::EmbeddedStore;
    use crate::catalog::publish;
    use crate::ports::RevisionMeta;
    use serde_json::json;

    fn day(day: u8) -> Timestamp {
        format!("2026-03-{day:02}T00:00:00Z").parse().unwrap()
    }

    #[tokio::test]
    async fn ended_experiments_and_flags_that_stayed_the_same_are_stale() {
        let experiment = |key: &str, status: &str| json!({"experiment": key, "status": status, "ends_at": "2026-03-05", "variants": [{"key": "a"}, {"key": "b"}]});
        let flag = |key: &str, enabled: bool| json!({"flag": key, "enabled": enabled});
        let same = [experiment("ended", "active"), experiment("open", "completed"), flag("same", true)];
        let store = EmbeddedStore::in_memory().unwrap();
        for (number, is_on) in [(1, false), (10, true)] {
            let documents = [&same[..], &[flag("changed", is_on), json!({"flag": "bad"})]].concat();
            let meta =
                RevisionMeta { created_at: day(number), author: String::new(), message: String::new() };
            let head = store.head().await.unwrap().map(|head| head.revision);
            publish(&store, head, &documents, &meta).await.unwrap();
        }
        let (revisions, documents) =
            (store.revisions().await.unwrap(), documents_of(&store, Some(2)).await.unwrap());
        let find = async |recent_from, now| -> Vec<(String, StaleReason)> {
            let found = stale_documents(&store, (2, &documents), &revisions, recent_from, now).await.unwrap();
            found.into_iter().map(|it| (it.document, it.reason)).collect()
        };
        let not_compiled = ("flag bad".to_owned(), StaleReason::NotCompiled);
        let open = ("experiment open".to_owned(), StaleReason::NoWinner);
        let settled = |key: &str, since| {
            let reason = StaleReason::Settled { variant: "on".to_owned(), unchanged_since: day(since) };
            (format!("flag {key}"), reason)
        };
        assert_eq!(find(Timestamp::UNIX_EPOCH, day(4)).await, [not_compiled.clone(), open.clone()]);
        let ended = StaleReason::Ended { at: day(5), status: Status::Active };
        let ended = ("experiment ended".to_owned(), ended);
        let always = [not_compiled, ended, open];
        assert_eq!(find(day(9), day(20)).await, [&always[..], &[settled("same", 1)]].concat());
        let all = [&always[..], &[settled("changed", 10), settled("same", 10)]].concat();
        assert_eq!(find(day(11), day(20)).await, all);
    }
}
