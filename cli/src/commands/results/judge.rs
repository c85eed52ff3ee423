//! Counts become comparisons and a verdict.

use abx_core::Experiment;
use abx_core::document::{Direction, MetricConfig, MetricKind, MetricRole};
use abx_core::event::{MetricTotals, Totals, VariantTotals};
use abx_core::statistics::{
    Anytime, Comparison, Estimate, GroupedMean, Interval, Proportion, SampleRatio, SampleRatioPlan,
    compare_grouped, compare_proportions, sample_ratio,
};
use serde::Serialize;

/// How results are judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan<'a> {
    /// The variant that the others are compared with; the first one if it is not said.
    pub control: Option<&'a str>,
    /// The chance of a false alarm of each interval and test.
    pub alpha: f64,
    /// For how many units the anytime-valid intervals are tuned.
    pub tuned_for: u64,
}

/// What a metric says about a treatment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// Better than the control.
    Better,
    /// Worse than the control.
    Worse,
    /// It may be either.
    Unclear,
}

/// A variant in the light of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct VariantResult {
    /// The variant.
    pub variant: String,
    /// Units that saw it first.
    pub units: u64,
    /// Units that converted; `null` for a metric that is no conversion.
    pub converted: Option<u64>,
    /// Events that were credited.
    pub events: u64,
    /// The sum over all units, as a decimal; `null` for a conversion.
    pub sum: Option<String>,
    /// Events whose property is missing or no number, so that they are not in the sum.
    pub invalid: u64,
    /// The rate, or the mean per exposed unit; `null` without units.
    pub value: Option<Estimate>,
    /// Against the control, for one look. `null` for the control, and where too little is known.
    pub comparison: Option<Comparison>,
    /// The same, valid at every look together; `null` too for means, whose variance is estimated from 16 groups of units.
    pub anytime: Option<Comparison>,
    /// By the anytime-valid comparison, and by nothing else; `null` for the control, and where there is none.
    pub verdict: Option<Verdict>,
    /// What the comparison for one look shows where there is no other. It is not a verdict: by looking daily, one of three
    /// experiments without a difference shows one.
    pub one_look: Option<Verdict>,
}

/// The variants of the document, and then those that were counted and that it does not have.
pub(super) fn variants<'t>(experiment: Option<&'t Experiment>, totals: &'t Totals) -> Vec<&'t str> {
    let written = experiment.map(Experiment::variants).unwrap_or_default();
    let written: Vec<&str> = written.iter().map(|variant| &*variant.key).collect();
    let others = totals.variants.keys().map(String::as_str).filter(|key| !written.contains(key));
    written.iter().copied().chain(others).collect()
}

/// Whether the units follow the allocations, in the order of [`variants`]. Units of a variant that the document does not have
/// follow none: their share is 0.
pub(super) fn ratio(experiment: &Experiment, totals: &Totals) -> Option<SampleRatio> {
    let variants = variants(Some(experiment), totals);
    let units: Vec<u64> =
        variants.iter().map(|key| totals.variants.get(*key).map_or(0, |variant| variant.units)).collect();
    let mut shares: Vec<f64> = experiment.variant_buckets().into_iter().map(f64::from).collect();
    shares.resize(units.len(), 0.0);
    sample_ratio(&units, &shares, SampleRatioPlan::default())
}

/// A metric of all variants.
pub(super) fn metric(
    metric: &MetricConfig,
    variants: &[(&str, &VariantTotals)],
    control: usize,
    plan: &Plan<'_>,
) -> Vec<VariantResult> {
    let none = MetricTotals::default();
    let sides: Vec<Side> = variants
        .iter()
        .map(|(_, totals)| Side::of(metric.kind, totals, totals.metrics.get(&*metric.key).unwrap_or(&none)))
        .collect();
    let anytime = Anytime::tuned(plan.alpha, plan.tuned_for);
    let judged = variants.iter().zip(&sides).enumerate().map(|(index, ((name, totals), side))| {
        let counted = totals.metrics.get(&*metric.key).unwrap_or(&none);
        let against = sides.get(control).filter(|_| index != control);
        let comparison = against.and_then(|control| control.compare(side, plan.alpha));
        let sequence =
            against.zip(anytime).and_then(|(control, anytime)| control.compare_anytime(side, anytime));
        let is_conversion = metric.kind == MetricKind::Conversion;
        VariantResult {
            variant: (*name).to_owned(),
            units: totals.units,
            converted: is_conversion.then_some(counted.units),
            events: counted.events,
            sum: (!is_conversion).then(|| counted.sum.to_string()),
            invalid: counted.invalid,
            value: side.value(plan.alpha),
            verdict: sequence.map(|it| verdict(metric, it)),
            one_look: comparison.filter(|_| sequence.is_none()).map(|it| verdict(metric, it)),
            comparison,
            anytime: sequence,
        }
    });
    judged.collect()
}

/// Whether a guardrail is broken, at whichever look.
pub(super) fn breaks_guardrail(metric: &MetricConfig, variants: &[VariantResult]) -> bool {
    metric.role == Some(MetricRole::Guardrail) && variants.iter().any(|it| it.verdict == Some(Verdict::Worse))
}

/// Whether it is a guardrail that nothing holds: no variant has a comparison that is valid at any time.
pub(super) fn is_unjudged(metric: &MetricConfig, variants: &[VariantResult]) -> bool {
    metric.role == Some(MetricRole::Guardrail) && variants.iter().all(|it| it.verdict.is_none())
}

fn verdict(metric: &MetricConfig, comparison: Comparison) -> Verdict {
    let difference = comparison.difference;
    if !difference.excludes_zero() {
        return Verdict::Unclear;
    }
    let is_more = difference.value > 0.0;
    if is_more == (metric.direction != Some(Direction::Decrease)) { Verdict::Better } else { Verdict::Worse }
}

/// What is known of a variant's metric.
enum Side {
    Rate(Option<Proportion>),
    Mean(Option<GroupedMean>),
}

impl Side {
    fn of(kind: MetricKind, variant: &VariantTotals, metric: &MetricTotals) -> Self {
        if kind == MetricKind::Conversion {
            return Self::Rate(Proportion::new(metric.units, variant.units));
        }
        let mut sums: Vec<f64> = metric.groups.iter().map(|sum| sum.as_f64()).collect();
        sums.resize(variant.groups.len(), 0.0);
        Self::Mean(GroupedMean::new(&variant.groups, &sums))
    }

    fn value(&self, alpha: f64) -> Option<Estimate> {
        match self {
            Self::Rate(rate) => {
                let rate = (*rate)?;
                let Interval { lower, upper } = rate.wilson(alpha)?;
                Some(Estimate { value: rate.rate(), lower, upper })
            }
            Self::Mean(mean) => (*mean)?.estimate(alpha),
        }
    }

    fn compare(&self, treatment: &Self, alpha: f64) -> Option<Comparison> {
        match (self, treatment) {
            (Self::Rate(a), Self::Rate(b)) => compare_proportions((*a)?, (*b)?, alpha),
            (Self::Mean(a), Self::Mean(b)) => compare_grouped((*a)?, (*b)?, alpha),
            _ => None,
        }
    }

    fn compare_anytime(&self, treatment: &Self, anytime: Anytime) -> Option<Comparison> {
        match (self, treatment) {
            (Self::Rate(a), Self::Rate(b)) => anytime.compare_proportions((*a)?, (*b)?),
            _ => None,
        }
    }
}
