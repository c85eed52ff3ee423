//! The document that an experiment is judged by: that of the head, or else the last one that was ever published. Counts outlive
//! the document that they were counted by.

use crate::advice::unanswered;
use crate::error::Error;
use crate::stores::{AnyCatalog, AnyMetrics};
use abx_core::Experiment;
use abx_core::document::Status;
use abx_core::event::Totals;
use abx_core::results::Phase;
use abx_functions::catalog::{PublishError, Snapshot, documents_of, experiment_of, head};
use abx_functions::ports::{CatalogStore as _, HeadMove, MetricStore as _, RowsOf, totals};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The state of an experiment, compared with the published revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Standing")]
pub enum PublicationState {
    /// The head has its document.
    Published,
    /// The head has it no more: an earlier revision does.
    Deleted,
    /// Only a later revision than the head has it: the head was rolled back.
    RolledBack,
    /// No revision has it; there are counts alone.
    Unpublished,
}

impl PublicationState {
    /// A note for a person; empty if the head has the document.
    #[must_use]
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Published => None,
            Self::Deleted => Some("deleted"),
            Self::RolledBack => Some("rolled back"),
            Self::Unpublished => Some("never published"),
        }
    }
}

/// An experiment as some revision has it, compiled with the other documents of that revision.
#[derive(Debug, Clone)]
pub struct PublishedExperiment {
    snapshot: Arc<Snapshot>,
    /// Compared with the head.
    pub standing: PublicationState,
}

impl PublishedExperiment {
    /// The revision that has it.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.snapshot.revision
    }

    /// The one phase of an experiment that this document alone describes.
    #[must_use]
    pub fn phase(&self, key: &str) -> Option<Phase> {
        Some(Phase::new(self.experiment(key)?, Timestamp::UNIX_EPOCH, self.revision()))
    }

    /// The experiment, if it compiles.
    #[must_use]
    pub fn experiment(&self, key: &str) -> Option<&Experiment> {
        self.snapshot.catalog.experiment(key)
    }
}

/// All that was ever published.
pub struct History<'s> {
    store: &'s AnyCatalog,
    head: Option<u64>,
    /// The experiments of the head.
    served: BTreeSet<String>,
    /// The head first, then the newest first.
    revisions: Vec<u64>,
}

impl<'s> History<'s> {
    /// Reads which revisions there are.
    pub async fn read(store: &'s AnyCatalog) -> Result<Self, Error> {
        let head = head(store).await?;
        let served = documents_of(store, head).await?;
        let others = store.revisions().await.map_err(unanswered)?;
        let mut revisions: Vec<u64> = others.into_iter().map(|it| it.revision).collect();
        // Stable, so that the others stay in their order.
        revisions.sort_by_key(|it| Some(*it) != head);
        let served = served.iter().filter_map(experiment_of).map(|(key, _)| key.to_owned()).collect();
        Ok(Self { store, head, served, revisions })
    }

    /// The newest document of an experiment, the head's before all others; if one of some epoch is wanted, the newest of these,
    /// if there is any.
    pub async fn find(&self, key: &str, epoch: Option<u32>) -> Result<Option<PublishedExperiment>, Error> {
        let mut newest = None;
        for revision in &self.revisions {
            let documents = documents_of(self.store, Some(*revision)).await?;
            let written = documents.iter().filter_map(experiment_of).find(|(name, _)| *name == key);
            let Some((_, written)) = written else { continue };
            let found = self.compile(*revision, documents, key);
            // A document that this version cannot compile judges nothing.
            if found.experiment(key).is_none() {
                continue;
            }
            if epoch.is_none_or(|epoch| epoch == written) {
                return Ok(Some(found));
            }
            newest = newest.or(Some(found));
        }
        Ok(newest)
    }

    /// The document of a certain revision.
    pub async fn at(&self, key: &str, revision: u64) -> Result<PublishedExperiment, Error> {
        if !self.revisions.contains(&revision) {
            return Err(PublishError::NoRevision(revision).into());
        }
        let found = self.compile(revision, documents_of(self.store, Some(revision)).await?, key);
        if found.experiment(key).is_some() {
            return Ok(found);
        }
        let error = Error::caller(format!("revision {revision} has no experiment {key:?} that can be read"));
        Err(match self.find(key, None).await? {
            Some(other) => error
                .help(format!("the newest one that has it: abx results {key} --at @{}", other.revision())),
            None => error.help("`abx results` lists all experiments that were counted"),
        })
    }

    /// Every experiment and epoch that was ever published, with its newest document.
    pub async fn all(&self) -> Result<BTreeMap<(String, u32), PublishedExperiment>, Error> {
        let mut all = BTreeMap::new();
        for revision in &self.revisions {
            let documents = documents_of(self.store, Some(*revision)).await?;
            let mut new: Vec<(String, u32)> = documents
                .iter()
                .filter_map(experiment_of)
                .map(|(key, epoch)| (key.to_owned(), epoch))
                .collect();
            new.retain(|name| !all.contains_key(name));
            if new.is_empty() {
                continue;
            }
            let snapshot = compile(*revision, documents);
            for name in new {
                let standing = self.standing(*revision, &name.0);
                all.insert(name, PublishedExperiment { snapshot: Arc::clone(&snapshot), standing });
            }
        }
        Ok(all)
    }

    /// The times in which the allocations of an epoch were the same, the oldest first, by the moves of the head; at least that of the
    /// document that judges. Revisions in which the experiment takes no units begin none.
    pub async fn phases(&self, key: &str, judging: &PublishedExperiment) -> Result<Vec<Phase>, Error> {
        let Some(experiment) = judging.experiment(key) else { return Ok(Vec::new()) };
        let mut phases: Vec<Phase> = Vec::new();
        for HeadMove { to, meta, .. } in self.store.head_moves().await.map_err(unanswered)?.into_iter().rev()
        {
            if !self.revisions.contains(&to) {
                continue;
            }
            let served = compile(to, documents_of(self.store, Some(to)).await?);
            let Some(it) = served.catalog.experiment(key) else { continue };
            if it.epoch() != experiment.epoch() || it.status() != Status::Active {
                continue;
            }
            let phase = Phase::new(it, meta.created_at, to);
            if phases.last().is_none_or(|last| last.shares != phase.shares) {
                phases.push(phase);
            }
        }
        // Units were counted by a document that never served, or whose moves are not recorded.
        let Some(judging) = judging.phase(key) else { return Ok(Vec::new()) };
        if phases.len() < 2 || phases.iter().all(|it| it.shares != judging.shares) {
            return Ok(vec![judging]);
        }
        Ok(phases)
    }

    fn compile(&self, revision: u64, documents: Vec<Value>, key: &str) -> PublishedExperiment {
        PublishedExperiment { snapshot: compile(revision, documents), standing: self.standing(revision, key) }
    }

    fn standing(&self, revision: u64, key: &str) -> PublicationState {
        if self.served.contains(key) {
            PublicationState::Published
        } else if Some(revision) > self.head {
            PublicationState::RolledBack
        } else {
            PublicationState::Deleted
        }
    }
}

fn compile(revision: u64, documents: Vec<Value>) -> Arc<Snapshot> {
    Arc::new(Snapshot::compile(revision, documents, &Snapshot::default()))
}

/// The counts of an epoch of an experiment.
pub async fn count_of(metrics: &AnyMetrics, key: &str, epoch: u32) -> Result<Totals, Error> {
    let rows = metrics.rows(RowsOf::Experiment { experiment: key, epoch }).await;
    Ok(totals(&rows.map_err(unanswered)?))
}
