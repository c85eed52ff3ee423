//! The results of an experiment, as JSON; `human` has the text for a person.

use super::find::{PublicationState, PublishedExperiment};
use crate::error::Error;
use crate::suspects::Suspects;
use abx_core::document::Status;
use abx_core::event::{Hour, StreamCounter, StreamTotals, Totals, VariantTotals};
use abx_core::results::{self, Lopsided, MetricResult, Standard, lopsided};
use abx_core::statistics::SampleRatio;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The counts of an experiment, and their analysis.
#[derive(Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ResultsReport {
    pub(super) experiment: String,
    /// As its document says; `null` where there never was one.
    pub(super) status: Option<Status>,
    pub(super) standing: PublicationState,
    /// The revision whose document judges; `null` where there are counts alone.
    pub(super) revision: Option<u64>,
    pub(super) epoch: u32,
    /// Units that were exposed, each once.
    pub(super) units: u64,
    pub(super) variants: Vec<VariantReport>,
    /// True if the units follow their allocations, in the order of `variants`; a variant that the document does not have has the
    /// share 0. `null` without units or without a document.
    pub(super) sample_ratio: Option<SampleRatio>,
    /// The hour after which the ratio was a mismatch first, in RFC 3339, or `late`; `null` if it never was.
    pub(super) mismatch_since: Option<String>,
    /// True if verdicts may be used: not where the sample ratio is a mismatch. They are then what they would be otherwise.
    pub(super) verdicts_valid: bool,
    /// `null` where there are counts alone.
    pub(super) control: Option<String>,
    /// The family-wise error rate of primary metrics and of guardrails, and the false discovery rate of secondary metrics.
    pub(super) alpha: f64,
    /// The standard of all differences and verdicts.
    pub(super) standard: Standard,
    /// The fraction of exposures to another variant than the unit's first, if it is above 0.5 %; else `null`.
    pub(super) conflict_share: Option<f64>,
    pub(super) metrics: Vec<MetricResult>,
    /// Metrics that were counted and that the document does not have.
    pub(super) other_metrics: BTreeSet<String>,
    /// Units that are not users.
    pub(super) suspects: Suspects,
    /// Metrics of which a sixteenth of the units has an implausible part: it may be one unit.
    pub(super) lopsided: Vec<Lopsided>,
    /// Units by the hour of their first exposure, the oldest first.
    pub(super) hours: Vec<HourReport>,
    /// The counts of the stream, over all experiments.
    pub(super) stream: BTreeMap<&'static str, u64>,
}

#[derive(Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct VariantReport {
    pub(super) variant: String,
    pub(super) units: u64,
    pub(super) exposures: u64,
    /// Exposures of its units to another variant.
    pub(super) conflicts: u64,
    /// True if the document has it.
    pub(super) is_known: bool,
}

#[derive(Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct HourReport {
    /// RFC 3339, or `late` for units whose clocks are impossible.
    pub(super) hour: String,
    pub(super) units: u64,
}

/// The parameters of the analysis, as they were given.
pub(super) struct AnalysisOptions<'a> {
    /// The control; the first variant by default.
    pub(super) control: Option<&'a str>,
    pub(super) alpha: f64,
    pub(super) tuned_for: u64,
    pub(super) standard: Standard,
}

/// The counts of an experiment that is judged.
pub(super) struct JudgedCounts<'a> {
    pub(super) key: &'a str,
    pub(super) epoch: u32,
    pub(super) totals: &'a Totals,
    pub(super) stream: &'a StreamTotals,
    pub(super) suspects: Suspects,
}

impl ResultsReport {
    /// Judges by a document, or without one shows the counts.
    pub(super) fn new(
        counted: JudgedCounts<'_>,
        found: Option<&PublishedExperiment>,
        plan: &AnalysisOptions<'_>,
    ) -> Result<Self, Error> {
        let JudgedCounts { key, epoch, totals, stream, suspects } = counted;
        let experiment = found.and_then(|found| found.experiment(key));
        let none = VariantTotals::default();
        let keys = results::variants(experiment, totals);
        let all: Vec<(&str, &VariantTotals)> =
            keys.iter().map(|key| (*key, totals.variants.get(*key).unwrap_or(&none))).collect();
        let written = all.get(..experiment.map_or(0, |it| it.variants().len())).unwrap_or_default();
        let control = control(plan.control, experiment.map(|_| written))?;
        let metrics = experiment.map(abx_core::Experiment::metrics).unwrap_or_default();
        let AnalysisOptions { alpha, tuned_for, standard, .. } = *plan;
        let plan = results::AnalysisPlan { control, alpha, tuned_for, standard };
        let metrics = results::judge(metrics, written, &plan);
        let is_other = |key: &&String| metrics.iter().all(|metric| metric.metric != **key);
        let counted_metrics = totals.variants.values().flat_map(|variant| variant.metrics.keys());
        let sample_ratio = experiment.and_then(|experiment| results::ratio(experiment, totals));
        Ok(Self {
            experiment: key.to_owned(),
            status: experiment.map(abx_core::Experiment::status),
            standing: found.map_or(PublicationState::Unpublished, |found| found.standing),
            revision: found.map(PublishedExperiment::revision),
            epoch,
            units: totals.units(),
            variants: all
                .iter()
                .enumerate()
                .map(|(index, (key, totals))| VariantReport::new(key, totals, index < written.len()))
                .collect(),
            verdicts_valid: results::verdicts_valid(sample_ratio.as_ref()),
            mismatch_since: experiment
                .and_then(|experiment| results::mismatch_since(experiment, totals))
                .map(hour_text),
            sample_ratio,
            control: written.get(control).map(|(key, _)| (*key).to_owned()),
            alpha,
            standard,
            conflict_share: results::notable_conflicts(totals),
            other_metrics: counted_metrics.filter(is_other).cloned().collect(),
            metrics,
            suspects,
            lopsided: lopsided(totals),
            hours: totals.hours.iter().filter_map(HourReport::new).collect(),
            stream: StreamCounter::ALL.iter().map(|it| (it.as_str(), stream.count(*it))).collect(),
        })
    }
}

/// The place of the control among the variants of the document; without a document there is nothing to compare.
fn control(asked: Option<&str>, written: Option<&[(&str, &VariantTotals)]>) -> Result<usize, Error> {
    let Some(asked) = asked else { return Ok(0) };
    let keys: Vec<&str> = written.unwrap_or_default().iter().map(|(key, _)| *key).collect();
    keys.iter().position(|key| *key == asked).ok_or_else(|| {
        let help = if keys.is_empty() {
            "it has no document, so that nothing is compared".to_owned()
        } else {
            format!("it has {}", keys.join(", "))
        };
        Error::caller(format!("the experiment has no variant {asked:?}")).help(help)
    })
}

impl VariantReport {
    fn new(key: &str, totals: &VariantTotals, is_known: bool) -> Self {
        let VariantTotals { units, exposures, conflicts, .. } = *totals;
        Self { variant: key.to_owned(), units, exposures, conflicts, is_known }
    }
}

/// An hour in RFC 3339, or `late`.
fn hour_text(hour: Hour) -> String {
    hour.start().map_or_else(|| "late".to_owned(), |start| start.to_string())
}

impl HourReport {
    fn new((hour, variants): (&Hour, &BTreeMap<String, VariantTotals>)) -> Option<Self> {
        let units = variants.values().map(|it| it.units).sum();
        let hour = hour_text(*hour);
        (units > 0).then_some(Self { hour, units })
    }
}
