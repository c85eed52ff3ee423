//! All experiments that were ever counted.

use super::Args;
use super::evidence::{Evidence, start_of_hour};
use super::judgement::{AnalysisOptions, Judgement};
use crate::advice::unanswered;
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::history::count_of;
use crate::history::{History, PublicationState, PublishedExperiment};
use crate::render::numbers::count;
use crate::render::style::{BAD, DIM, GOOD, TITLE};
use crate::render::table;
use crate::report::Report;
use abx_core::document::Status;
use abx_core::results::{DecisionState, Headline, needs_attention};
use abx_core::statistics::{RatioVerdict, SampleRatio};
use jiff::Timestamp;
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
    /// Days since the first exposure, of which the last is not over.
    day: u64,
    /// The decision, and what is missing for one.
    headline: Headline,
    /// True if nothing was counted, the units do not follow their allocations, or a guardrail is worse.
    needs_attention: bool,
}

/// Lists what was counted, of whatever was published.
pub(super) async fn read(args: &Args) -> Result<ResultsListReport, Error> {
    let backend = args.metrics.store.open().await?;
    let (catalog, metrics) = args.metrics.of(&backend, None);
    let history = History::read(&catalog).await?;
    let mut known: BTreeMap<(String, u32), Option<PublishedExperiment>> =
        history.all().await?.into_iter().map(|(name, found)| (name, Some(found))).collect();
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
        let phases = match &found {
            Some(found) => history.phases(&key, found).await?,
            None => Vec::new(),
        };
        let evidence = Evidence::of_counters(experiment, &totals, &phases, start_of_hour(Timestamp::now()));
        let options = AnalysisOptions { control: None, ..args.options() };
        let judged = Judgement::new(&evidence, experiment, &phases, &options)?;
        experiments.push(CountedExperiment {
            status: experiment.map(abx_core::Experiment::status),
            standing: found.as_ref().map_or(PublicationState::Unpublished, |found| found.standing),
            revision: found.as_ref().map(PublishedExperiment::revision),
            units: evidence.units,
            day: evidence.whole_days().max(1),
            needs_attention: needs_attention(evidence.units, evidence.sample_ratio.as_ref(), &judged.metrics),
            sample_ratio: evidence.sample_ratio,
            headline: judged.headline,
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
            Some(RatioVerdict::Fits | RatioVerdict::BelowFloor) => "fits".to_owned(),
            Some(RatioVerdict::TooFew) => "too few".to_owned(),
            Some(RatioVerdict::Mismatch) => "mismatch".to_owned(),
        };
        vec![
            format!("{}{epoch}", self.experiment),
            status.unwrap_or_default(),
            self.revision.map_or_else(|| "-".to_owned(), |it| it.to_string()),
            count(self.units),
            count(self.day),
            ratio,
            self.decision(),
        ]
    }

    /// The decision in two words.
    fn decision(&self) -> String {
        let Headline { state, metric, variant, .. } = &self.headline;
        let (metric, variant) =
            (metric.as_deref().unwrap_or_default(), variant.as_deref().unwrap_or_default());
        match state {
            DecisionState::Mismatch => format!("{BAD}not valid{BAD:#}"),
            DecisionState::GuardrailBroken => format!("{BAD}{metric} broken{BAD:#}"),
            DecisionState::Better => format!("{GOOD}{variant} better{GOOD:#}"),
            DecisionState::Worse => format!("{variant} worse"),
            DecisionState::NoDifference => "no difference".to_owned(),
            DecisionState::NotDecided => "not decided".to_owned(),
            DecisionState::NothingCounted | DecisionState::NoMetric => "-".to_owned(),
        }
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
        let header = ["experiment", "status", "revision", "units", "day", "split", "decision"];
        let _ = writeln!(text, "{}", table::plain(&header, &[2, 3, 4], rows));
        let _ = writeln!(text, "{DIM}`abx results KEY` shows one of them{DIM:#}");
        text
    }

    fn exit(&self) -> Exit {
        let is_finding = self.experiments.is_empty() || self.experiments.iter().any(|it| it.needs_attention);
        if is_finding { exit::FINDINGS } else { exit::DONE }
    }
}
