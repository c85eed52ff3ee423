//! All experiments that were ever counted.

use super::find::{History, PublicationState, PublishedExperiment};
use super::{Args, count_of};
use crate::advice::unanswered;
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::render::numbers::count;
use crate::render::style::{BAD, DIM, GOOD, TITLE};
use crate::render::table;
use crate::report::Report;
use abx_core::document::Status;
use abx_core::results::{ratio, verdicts_valid};
use abx_core::statistics::{RatioVerdict, SampleRatio};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// All experiments that were ever counted, by key and epoch.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ResultsListReport {
    store: String,
    experiments: Vec<CountedExperiment>,
}

/// An epoch of an experiment that has counts.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct CountedExperiment {
    experiment: String,
    epoch: u32,
    /// As its document says; `null` where there never was one, or none that can be compiled.
    status: Option<Status>,
    standing: PublicationState,
    /// The newest revision that has this epoch of it, the head before all others.
    revision: Option<u64>,
    /// Units that were exposed, each once.
    units: u64,
    /// True if the units follow their allocations; `null` without units or without a document.
    sample_ratio: Option<SampleRatio>,
}

/// Lists what was counted, of whatever was published.
pub(super) async fn read(args: &Args) -> Result<ResultsListReport, Error> {
    let backend = args.metrics.store.open().await?;
    let (catalog, metrics) = args.metrics.of(&backend, None);
    let mut known: BTreeMap<(String, u32), Option<PublishedExperiment>> = History::read(&catalog)
        .await?
        .all()
        .await?
        .into_iter()
        .map(|(name, found)| (name, Some(found)))
        .collect();
    for experiment in backend.counted_experiments().map_err(unanswered)?.unwrap_or_default() {
        known.entry(experiment).or_default();
    }
    let mut experiments = Vec::new();
    for ((key, epoch), found) in known {
        let totals = count_of(&metrics, &key, epoch).await?;
        if totals.variants.is_empty() {
            continue;
        }
        let experiment = found.as_ref().and_then(|found| found.experiment(&key));
        experiments.push(CountedExperiment {
            status: experiment.map(abx_core::Experiment::status),
            standing: found.as_ref().map_or(PublicationState::Unpublished, |found| found.standing),
            revision: found.as_ref().map(PublishedExperiment::revision),
            units: totals.units(),
            sample_ratio: experiment.and_then(|experiment| ratio(experiment, &totals)),
            experiment: key,
            epoch,
        });
    }
    Ok(ResultsListReport { store: args.metrics.store.name(), experiments })
}

impl CountedExperiment {
    fn row(&self) -> Vec<String> {
        let epoch = if self.epoch > 1 { format!(" · epoch {}", self.epoch) } else { String::new() };
        // Styles in any column but the last would move the others.
        let status = self.standing.word().map(str::to_owned).or_else(|| Some(self.status?.to_string()));
        let ratio = match self.sample_ratio.as_ref().map(|it| it.verdict) {
            None => "-".to_owned(),
            Some(RatioVerdict::Fits | RatioVerdict::BelowFloor) => format!("{GOOD}fits{GOOD:#}"),
            Some(RatioVerdict::TooFew) => "too few".to_owned(),
            Some(RatioVerdict::Mismatch) => format!("{BAD}mismatch{BAD:#}"),
        };
        vec![
            format!("{}{epoch}", self.experiment),
            status.unwrap_or_default(),
            self.revision.map_or_else(|| "-".to_owned(), |it| it.to_string()),
            count(self.units),
            ratio,
        ]
    }

    fn is_mismatch(&self) -> bool {
        !verdicts_valid(self.sample_ratio.as_ref())
    }
}

impl Report for ResultsListReport {
    const KIND: &'static str = "results-list";

    fn human(&self) -> String {
        if self.experiments.is_empty() {
            return format!("{}: nothing was counted yet\n", self.store);
        }
        let rows = self.experiments.iter().map(CountedExperiment::row);
        let mut text = format!("{TITLE}{}{TITLE:#}\n", self.store);
        let header = ["experiment", "status", "revision", "units", "sample ratio"];
        let _ = writeln!(text, "{}", table::plain(&header, &[2, 3], rows));
        let _ = writeln!(text, "{DIM}`abx results KEY` shows one of them{DIM:#}");
        text
    }

    fn exit(&self) -> Exit {
        let is_finding =
            self.experiments.is_empty() || self.experiments.iter().any(CountedExperiment::is_mismatch);
        if is_finding { exit::FINDINGS } else { exit::DONE }
    }
}
