//! Targets of batches.

use super::batch::ReplayBatch;
use super::function::DeployedFunction;
use super::load::ReplayLedger;
use crate::advice::unanswered;
use crate::error::Error;
use crate::inputs::{DOCUMENTS, DocumentSource, load_from};
use crate::stores::{StoreArgs, archive_beside, open_file};
use abx_core::event::{Classes, StreamTotals, Totals};
use abx_functions::adapters::embedded::{EmbeddedStore, JsonlArchive};
use abx_functions::catalog::{CatalogHolder, Snapshot, changes, documents_of, head, publish};
use abx_functions::events::{BatchResponse, Options, Processor};
use abx_functions::ports::{Archive, ArchiveLine, MetricStore, PortError, RevisionMeta, RowsOf, totals};
use abx_functions::telemetry::Telemetry;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The time limit of a batch.
const PATIENCE: Duration = Duration::from_mins(1);
/// The file that knows what was replayed to functions.
const REPLAYED: &str = ".abx/replayed.sqlite";
/// The number of deliveries of a batch that is given back.
const TRIES: u32 = 10;

/// The outcome of all batches.
#[derive(Debug, Default)]
pub(super) struct ReplayCounts {
    /// The classes of all records: those that were not delivered, because they were counted before, and those that were.
    pub classes: Classes,
    /// Records delivered, those that came again included.
    pub delivered: u64,
    pub batches: u64,
    /// Batches that were given back, and delivered again.
    pub given_back: u64,
    pub unplaced: u64,
    /// The counts; empty if a function counts.
    pub stream: StreamTotals,
    /// By experiment and epoch; empty where a function counts.
    pub experiments: BTreeMap<(String, u32), Totals>,
}

/// The place of events, if they are stored.
#[derive(Debug)]
pub(super) struct OptionalArchive(Option<JsonlArchive>);

impl Archive for OptionalArchive {
    async fn append(&self, lines: &[ArchiveLine]) -> Result<(), PortError> {
        match &self.0 {
            Some(archive) => archive.append(lines).await,
            None => Ok(()),
        }
    }
}

type ReplayProcessor = Processor<EmbeddedStore, EmbeddedStore, OptionalArchive, EmbeddedStore>;

/// The target of batches.
pub(super) enum ReplayTarget {
    /// The handler, over a store here.
    Local(Box<ReplayProcessor>),
    /// A function, deployed.
    Function {
        function: DeployedFunction,
        /// The file here that knows what was replayed to it.
        ledger: Box<EmbeddedStore>,
    },
}

impl ReplayTarget {
    /// The handler over a file, or over nothing that stays. The documents are published to a store that has none; one that has some
    /// counts by these, so other documents are refused.
    pub(super) async fn local(
        documents: Option<&[DocumentSource]>,
        file: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let (store, archive) = match &file {
            Some(path) => (open_file(path)?, Some(JsonlArchive::new(archive_beside(path)))),
            None => (EmbeddedStore::in_memory().map_err(unanswered)?, None),
        };
        let default = [DocumentSource::Path(DOCUMENTS.into())];
        let place = StoreArgs::file(file.clone());
        let read = |sources: &[DocumentSource]| -> Result<Vec<Value>, Error> {
            Ok(load_from(sources, &place)?.values.into_iter().map(|(_, value)| value).collect())
        };
        match (head(&store).await?, documents) {
            (None, paths) => {
                let values = read(paths.unwrap_or(&default))?;
                let meta = RevisionMeta {
                    created_at: Timestamp::now(),
                    author: "abx replay".to_owned(),
                    message: String::new(),
                };
                publish(&store, None, &values, &meta).await?;
            }
            (Some(_), None) => {}
            (Some(revision), Some(paths)) => {
                let published = documents_of(&store, Some(revision)).await?;
                if !changes(&published, &read(paths)?, Timestamp::now()).documents.is_empty() {
                    let file = file.as_deref().unwrap_or(Path::new("the store")).display();
                    return Err(Error::caller(format!(
                        "{file} counts by its revision {revision}, and --from names other documents"
                    ))
                    .help(format!(
                        "publish them first: abx publish SOURCE --store {file} --yes; or leave out --from"
                    )));
                }
            }
        }
        let holder = Arc::new(CatalogHolder::new(store.clone(), Snapshot::default()));
        holder.load().await.map_err(unanswered)?;
        let telemetry = Arc::new(Telemetry::silent("events"));
        let kept = (OptionalArchive(archive), store.clone());
        Ok(Self::Local(Box::new(Processor::new(holder, store, kept, telemetry, Options::default()))))
    }

    pub(super) async fn function(name: &str, endpoint: Option<&str>) -> Result<Self, Error> {
        let function = DeployedFunction::open(name, endpoint).await?;
        Ok(Self::Function { function, ledger: Box::new(open_file(Path::new(REPLAYED))?) })
    }

    pub(super) fn is_function(&self) -> bool {
        matches!(self, Self::Function { .. })
    }

    /// The ledger of what was replayed to this target.
    pub(super) fn ledger(&self) -> ReplayLedger<'_> {
        match self {
            Self::Local(processor) => ReplayLedger { store: processor.store(), target: String::new() },
            Self::Function { function, ledger } => ReplayLedger { store: ledger, target: function.place() },
        }
    }

    /// Delivers a batch, and again what is given back of it.
    pub(super) async fn deliver(&self, batch: &ReplayBatch, counts: &mut ReplayCounts) -> Result<(), Error> {
        counts.batches += 1;
        counts.delivered += batch.len() as u64;
        for _ in 0..TRIES {
            if self.invoke(batch, counts).await?.batch_item_failures.is_empty() {
                return Ok(());
            }
            // What is counted already is known by its place, so the whole batch can come again.
            counts.given_back += 1;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Err(Error::world(format!("a batch was given back {TRIES} times"))
            .help("the log of the function says why"))
    }

    async fn invoke(&self, batch: &ReplayBatch, counts: &mut ReplayCounts) -> Result<BatchResponse, Error> {
        match self {
            Self::Local(processor) => {
                let outcome = processor.count(batch.records()?, Instant::now() + PATIENCE).await;
                let outcome =
                    outcome.map_err(|error| Error::caller("a batch was not counted").because(error))?;
                counts.stream.merge(&outcome.counted);
                counts.unplaced += outcome.unplaced as u64;
                counts.classes.merge(&outcome.classes);
                Ok(outcome.response)
            }
            Self::Function { function, .. } => {
                let response = function.count(&batch.payload()).await?;
                counts.classes.merge(&response.counted);
                Ok(response)
            }
        }
    }

    /// Adds what is in the store at the end.
    pub(super) async fn finish(&self, mut counts: ReplayCounts) -> Result<ReplayCounts, Error> {
        let Self::Local(processor) = self else { return Ok(counts) };
        for experiment in processor.catalog().held().catalog.experiments() {
            let (key, epoch) = (experiment.key(), experiment.epoch());
            let rows = processor.store().rows(RowsOf::Experiment { experiment: key, epoch }).await;
            let totals = totals(&rows.map_err(unanswered)?);
            if totals.units() > 0 {
                counts.experiments.insert((key.to_owned(), epoch), totals);
            }
        }
        Ok(counts)
    }
}
