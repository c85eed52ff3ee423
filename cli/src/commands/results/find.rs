//! The document that an experiment is judged by: that of the head, or else the last one that was ever published. Counts outlive
//! the document that they were counted by.

use crate::advice::unanswered;
use crate::error::Error;
use crate::stores::AnyCatalog;
use abx_core::Experiment;
use abx_functions::catalog::{PublishError, Snapshot, documents_of, experiment_of, head};
use abx_functions::ports::CatalogStore as _;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The state of an experiment, compared with the published revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Standing")]
pub(super) enum PublicationState {
    /// The head has its document.
    Published,
    /// The head has it no more: an earlier revision does.
    Deleted,
    /// Only a later revision than the head has it: the head was rolled back.
    RolledBack,
    /// No revision has it; there are counts alone.
    Unpublished,
}

/// An experiment as some revision has it, compiled with the other documents of that revision.
#[derive(Debug, Clone)]
pub(super) struct PublishedExperiment {
    snapshot: Arc<Snapshot>,
    pub(super) standing: PublicationState,
}

impl PublishedExperiment {
    pub(super) fn revision(&self) -> u64 {
        self.snapshot.revision
    }

    pub(super) fn experiment(&self, key: &str) -> Option<&Experiment> {
        self.snapshot.catalog.experiment(key)
    }
}

/// All that was ever published.
pub(super) struct History<'s> {
    store: &'s AnyCatalog,
    head: Option<u64>,
    /// The experiments of the head.
    served: BTreeSet<String>,
    /// The head first, then the newest first.
    revisions: Vec<u64>,
}

impl<'s> History<'s> {
    pub(super) async fn read(store: &'s AnyCatalog) -> Result<Self, Error> {
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
    pub(super) async fn find(
        &self,
        key: &str,
        epoch: Option<u32>,
    ) -> Result<Option<PublishedExperiment>, Error> {
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
    pub(super) async fn at(&self, key: &str, revision: u64) -> Result<PublishedExperiment, Error> {
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
    pub(super) async fn all(&self) -> Result<BTreeMap<(String, u32), PublishedExperiment>, Error> {
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
