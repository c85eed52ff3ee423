//! The results of an experiment, as JSON; `human` has the text for a person.

use super::evidence::Evidence;
use super::judgement::{AnalysisOptions, Judgement};
use crate::error::Error;
use crate::history::{PublicationState, PublishedExperiment};
use crate::suspects::Suspects;
use abx_core::document::Status;
use abx_core::event::{Hour, StreamCounter, StreamTotals, VariantTotals};
#[cfg(feature = "archive")]
use abx_core::results::AnalysisPlan;
use abx_core::results::{
    self, DailyResult, EarlyEvents, Headline, Look, Lopsided, MetricResult, Phase, Standard,
};
use abx_core::statistics::{Comparison, Estimate, SampleRatio};
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
    /// Where the numbers come from.
    pub(super) source: String,
    /// The decision, and what is missing for one.
    pub(super) headline: Headline,
    /// The same in a sentence.
    pub(super) sentence: String,
    /// The next command, if there is one.
    pub(super) next: Option<String>,
    /// Days since the first exposure, of which the last is not over.
    pub(super) day: u64,
    /// The days of the plan; `null` without one.
    pub(super) planned_days: Option<u32>,
    /// The units of the plan, over all variants; `null` without them.
    pub(super) planned_units: Option<u64>,
    /// Units that were exposed, each once.
    pub(super) units: u64,
    pub(super) variants: Vec<VariantReport>,
    /// True if the units follow their allocations, in the order of `variants`; a variant that the document does not have has the
    /// share 0. `null` without units or without a document.
    pub(super) sample_ratio: Option<SampleRatio>,
    /// The hour after which the ratio was a mismatch first, in RFC 3339, or `late`; `null` if it never was.
    pub(super) mismatch_since: Option<String>,
    /// The times in which the allocations were the same, the oldest first; of more than one, each is tested by its own shares.
    pub(super) phases: Vec<PhaseReport>,
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
    /// The goal with the units that saw several variants, which the metrics of an archive leave out. `null` where `conflict_share` is, from live
    /// counters, and where nothing can be compared.
    pub(super) with_mixed_units: Option<MixedUnitsReport>,
    /// Metrics without any event.
    pub(super) metrics_without_events: Vec<String>,
    pub(super) metrics: Vec<MetricResult>,
    /// The treatments at the end of each day, the oldest first.
    pub(super) daily: Vec<DailyResult>,
    /// Metrics that were counted and that the document does not have.
    pub(super) other_metrics: BTreeSet<String>,
    /// Units that are not users.
    pub(super) suspects: Suspects,
    /// Metrics of which a sixteenth of the units has an implausible part: it may be one unit.
    pub(super) lopsided: Vec<Lopsided>,
    /// Events that reached their shard before the exposure of their unit and happened after it: live counters miss them, an archive counts
    /// them. By metric that has any.
    pub(super) early: Vec<EarlyEvents>,
    /// Units by the hour of their first exposure, the oldest first.
    pub(super) hours: Vec<HourReport>,
    /// Units by the day of their first exposure, the oldest first.
    pub(super) units_by_day: Vec<DayReport>,
    /// What was read of the archive; `null` for live counters.
    pub(super) archive: Option<ArchiveReport>,
    /// The attribute that `by_value` breaks down by.
    pub(super) by: Option<String>,
    /// The results by the values of an attribute, the largest first.
    pub(super) by_value: Vec<DimensionReport>,
    /// The counts of the stream, over all experiments.
    pub(super) stream: BTreeMap<&'static str, u64>,
    /// True if the text shows the goal day by day.
    #[serde(skip)]
    pub(super) shows_daily: bool,
}

/// The goal with the units that saw several variants, each counted by the first one.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct MixedUnitsReport {
    /// The goal.
    pub(super) metric: String,
    /// The treatments, in the order of the document.
    pub(super) variants: Vec<MixedUnitsVariant>,
}

/// A treatment with the units that saw several variants.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct MixedUnitsVariant {
    pub(super) variant: String,
    /// Units that saw it first, those that saw another one later among them.
    pub(super) units: u64,
    /// The difference to the control, by the standard of the report.
    pub(super) difference: Estimate,
    /// The difference as a share of the control's value; `null` where that is not known to be above 0.
    pub(super) lift: Option<Estimate>,
}

impl MixedUnitsReport {
    fn of(goal: &MetricResult) -> Option<Self> {
        let variants = goal.variants.iter().filter_map(|it| {
            let Comparison { difference, lift, .. } = it.comparison?;
            Some(MixedUnitsVariant { variant: it.variant.clone(), units: it.units, difference, lift })
        });
        let variants: Vec<MixedUnitsVariant> = variants.collect();
        (!variants.is_empty()).then(|| Self { metric: goal.metric.clone(), variants })
    }
}

/// The units of a day.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct DayReport {
    /// The day, as 2026-11-24.
    pub(super) day: String,
    /// The units of each variant of the document, in its order.
    pub(super) units: Vec<u64>,
}

impl DayReport {
    /// What each look adds to the one before.
    fn of(looks: &[Look]) -> Vec<Self> {
        let mut before: &[u64] = &[];
        let of_look = |look: &'_ Look, before: &[u64]| {
            let new = |(at, units): (usize, &u64)| units.saturating_sub(before.get(at).copied().unwrap_or(0));
            let day = super::numbers::last_day(&look.at.to_string());
            Self { day, units: look.units.iter().enumerate().map(new).collect() }
        };
        let mut days = Vec::with_capacity(looks.len());
        for look in looks {
            days.push(of_look(look, before));
            before = &look.units;
        }
        days
    }
}

/// What was read of an archive.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct ArchiveReport {
    pub(super) files: u64,
    /// Lines, or rows of Parquet.
    pub(super) lines: u64,
    /// Lines that are not events, and files that end early.
    pub(super) bad_lines: u64,
    /// The first of them, each with its place and what is wrong.
    pub(super) bad: Vec<String>,
    /// Lines of the experiment that repeat an event.
    pub(super) duplicates: u64,
    /// Conversions without the attribute that the experiment randomizes.
    pub(super) without_unit: u64,
    /// Days without lines between the first and the last one.
    pub(super) missing_days: Vec<String>,
    /// The bytes that Athena scanned, which cost money; else `null`.
    pub(super) scanned_bytes: Option<u64>,
    /// The events of each metric that need attention.
    pub(super) metrics: Vec<ArchivedMetric>,
}

/// The events of a metric that need attention.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct ArchivedMetric {
    pub(super) metric: String,
    /// Events that count and have no usable amount.
    pub(super) unusable: u64,
    /// Events of exposed units that happened before their exposure, which count for nothing.
    pub(super) before_exposure: u64,
    /// Events that count and arrived before the exposure of their unit: live counters miss them.
    pub(super) overtook: u64,
}

/// Results of the units that have one value of an attribute.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct DimensionReport {
    /// The value; `null` for units without one.
    pub(super) value: Option<String>,
    /// The units.
    pub(super) units: u64,
    /// The metrics, each value judged by itself: many of them find something by chance.
    pub(super) metrics: Vec<MetricResult>,
}

/// A time in which the allocations were the same.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct PhaseReport {
    /// Its beginning, in RFC 3339.
    pub(super) since: String,
    /// The revision that began it.
    pub(super) revision: u64,
    /// The share of each variant, 0 to 1.
    pub(super) shares: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct VariantReport {
    pub(super) variant: String,
    pub(super) units: u64,
    pub(super) exposures: u64,
    /// Exposures of its units to another variant.
    pub(super) conflicts: u64,
    /// True if the document has it.
    pub(super) is_known: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct HourReport {
    /// RFC 3339, or `late` for units whose clocks are impossible.
    pub(super) hour: String,
    pub(super) units: u64,
}

/// An experiment that is judged.
pub(super) struct Judged<'a> {
    pub(super) key: &'a str,
    pub(super) epoch: u32,
    pub(super) found: Option<&'a PublishedExperiment>,
    pub(super) phases: &'a [Phase],
    pub(super) stream: &'a StreamTotals,
    pub(super) suspects: Suspects,
}

impl ResultsReport {
    /// Judges by a document, or without one shows the counts.
    pub(super) fn new(
        judged: Judged<'_>,
        evidence: Evidence,
        options: &AnalysisOptions<'_>,
    ) -> Result<Self, Error> {
        let Judged { key, epoch, found, phases, stream, suspects } = judged;
        let experiment = found.and_then(|found| found.experiment(key));
        let Judgement { control, plan, progress, metrics, daily, headline, verdicts_valid } =
            Judgement::new(&evidence, experiment, phases, options)?;
        let with_mixed_units =
            experiment.zip(evidence.with_mixed.as_ref()).and_then(|(experiment, measured)| {
                let names: Vec<&str> = experiment.variants().iter().map(|it| &*it.key).collect();
                let judged = results::judge(experiment.metrics(), &names, measured, &plan);
                let goal = judged.into_iter().find(|it| Some(&it.metric) == headline.metric.as_ref())?;
                MixedUnitsReport::of(&goal)
            });
        let day = evidence.whole_days();
        let has_no_event =
            |it: &&MetricResult| it.variants.iter().all(|it| it.events + it.pending_events == 0);
        let is_other = |key: &&String| metrics.iter().all(|metric| metric.metric != **key);
        let mut report = Self {
            experiment: key.to_owned(),
            status: experiment.map(abx_core::Experiment::status),
            standing: found.map_or(PublicationState::Unpublished, |found| found.standing),
            revision: found.map(PublishedExperiment::revision),
            epoch,
            source: evidence.source,
            headline,
            sentence: String::new(),
            next: None,
            day,
            planned_days: progress.planned_days,
            planned_units: progress.planned_units,
            units: evidence.units,
            variants: evidence.variants,
            phases: phases.iter().map(PhaseReport::new).collect(),
            verdicts_valid,
            mismatch_since: evidence.mismatch_since,
            sample_ratio: evidence.sample_ratio,
            control,
            alpha: plan.alpha,
            standard: plan.standard,
            conflict_share: evidence.conflict_share,
            with_mixed_units,
            metrics_without_events: metrics.iter().filter(has_no_event).map(|it| it.metric.clone()).collect(),
            other_metrics: evidence.counted_metrics.iter().filter(is_other).cloned().collect(),
            metrics,
            daily,
            suspects,
            lopsided: evidence.lopsided,
            early: evidence.early,
            hours: evidence.hours,
            units_by_day: DayReport::of(&evidence.looks),
            archive: evidence.archive,
            by: None,
            by_value: Vec::new(),
            shows_daily: false,
            stream: StreamCounter::ALL.iter().map(|it| (it.as_str(), stream.count(*it))).collect(),
        };
        (report.sentence, report.next) = super::sentence::of(&report);
        Ok(report)
    }
}

#[cfg(feature = "archive")]
impl ResultsReport {
    /// Adds the results by the values of an attribute.
    pub(super) fn by(
        self,
        by: Option<&str>,
        values: Vec<super::archive::DimensionEvidence>,
        experiment: &abx_core::Experiment,
    ) -> Self {
        let names: Vec<&str> = experiment.variants().iter().map(|it| &*it.key).collect();
        let control = names.iter().position(|it| self.control.as_deref() == Some(it)).unwrap_or_default();
        let plan = AnalysisPlan { control, alpha: self.alpha, ..AnalysisPlan::default() };
        let of_value = |it: super::archive::DimensionEvidence| DimensionReport {
            value: it.value,
            units: it.units,
            metrics: results::judge(experiment.metrics(), &names, &it.measured, &plan),
        };
        let by_value = values.into_iter().map(of_value).collect();
        Self { by: by.map(str::to_owned), by_value, ..self }
    }
}

impl PhaseReport {
    fn new(phase: &Phase) -> Self {
        let whole: f64 = phase.shares.values().sum();
        let shares = phase.shares.iter().map(|(key, share)| (key.clone(), share / whole)).collect();
        Self { since: phase.since.to_string(), revision: phase.revision, shares }
    }
}

impl VariantReport {
    pub(super) fn new(key: &str, totals: &VariantTotals, is_known: bool) -> Self {
        let VariantTotals { units, exposures, conflicts, .. } = *totals;
        Self { variant: key.to_owned(), units, exposures, conflicts, is_known }
    }
}

/// An hour in RFC 3339, or `late`.
pub(super) fn hour_text(hour: Hour) -> String {
    hour.start().map_or_else(|| "late".to_owned(), |start| start.to_string())
}

impl HourReport {
    pub(super) fn new((hour, variants): (&Hour, &BTreeMap<String, VariantTotals>)) -> Option<Self> {
        let units = variants.values().map(|it| it.units).sum();
        let hour = hour_text(*hour);
        (units > 0).then_some(Self { hour, units })
    }
}
