//! A metric of all variants, judged.

use crate::document::{Direction, MetricKind, MetricRole};
use crate::event::{MetricTotals, VariantTotals};
use crate::metric::{Measure, Metric};
use crate::statistics::{
    Anytime, Comparison, Estimate, GroupedMean, Interval, Proportion, compare_grouped, compare_proportions,
};
use serde::Serialize;

/// The settings by which results are judged.
#[derive(Debug, Clone, Copy)]
pub struct AnalysisPlan {
    /// The variant that the others are compared with, by its number.
    pub control: usize,
    /// The chance of a false alarm of each interval and test.
    pub alpha: f64,
    /// For how many units the anytime-valid intervals are tuned.
    pub tuned_for: u64,
}

/// The verdict of a metric about a treatment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Better than the control.
    Better,
    /// Worse than the control.
    Worse,
    /// The difference may be in either direction.
    Unclear,
}

/// A metric of all variants.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct MetricResult {
    /// Its key.
    pub metric: String,
    /// The name of its events.
    pub event: String,
    /// The aggregation of the events.
    pub kind: MetricKind,
    /// The role of the metric in a decision.
    pub role: MetricRole,
    /// The direction of an improvement.
    pub direction: Direction,
    /// The variants, in the order of the document.
    pub variants: Vec<VariantResult>,
    /// True if the metric is a guardrail and a variant is worse at any look.
    pub broken: bool,
    /// True if the metric is a guardrail that cannot be judged yet: no variant has a comparison that is valid
    /// at any time.
    pub unjudged: bool,
}

/// A variant in the light of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct VariantResult {
    /// The variant.
    pub variant: String,
    /// Units that saw it first.
    pub units: u64,
    /// Units that converted; `null` where the metric does not count units.
    pub converted: Option<u64>,
    /// Events that were credited.
    pub events: u64,
    /// The sum over all units, as a decimal; `null` for a conversion.
    pub sum: Option<String>,
    /// Events without a usable amount, so that they are not in the sum.
    pub invalid: u64,
    /// The rate, or the mean per exposed unit; `null` without units.
    pub value: Option<Estimate>,
    /// The comparison with the control for a single look. `null` for the control, and with too little data.
    pub comparison: Option<Comparison>,
    /// The comparison with the control that stays valid at every look. `null` for the control and with too
    /// little data, and also for means, whose variance is estimated from 16 groups of units.
    pub anytime: Option<Comparison>,
    /// The verdict of the anytime-valid comparison only; `null` for the control, and if there is no such
    /// comparison.
    pub verdict: Option<Verdict>,
    /// The result of the fixed-sample comparison, which is valid for a single look, where no other comparison
    /// exists. It is not a verdict: with daily looks, one of three experiments without a true difference
    /// shows one.
    pub one_look: Option<Verdict>,
}

/// Judges a metric of these variants, which are those of the document and in its order.
#[must_use]
pub fn judge(metric: &Metric, variants: &[(&str, &VariantTotals)], plan: &AnalysisPlan) -> MetricResult {
    let none = MetricTotals::default();
    let counted: Vec<&MetricTotals> =
        variants.iter().map(|(_, totals)| totals.metrics.get(&*metric.key).unwrap_or(&none)).collect();
    let side = |((_, totals), counted): (&(&str, &VariantTotals), &&MetricTotals)| {
        VariantData::of(&metric.measure, totals, counted)
    };
    let sides: Vec<VariantData> = variants.iter().zip(&counted).map(side).collect();
    let anytime = Anytime::tuned(plan.alpha, plan.tuned_for);
    let judged = variants.iter().zip(counted).zip(&sides).enumerate().map(
        |(index, (((name, totals), counted), side))| {
            let against = sides.get(plan.control).filter(|_| index != plan.control);
            let comparison = against.and_then(|control| control.compare(side, plan.alpha));
            let sequence =
                against.zip(anytime).and_then(|(control, anytime)| control.compare_anytime(side, anytime));
            VariantResult {
                variant: (*name).to_owned(),
                units: totals.units,
                converted: metric.measure.aggregation().marks_units().then_some(counted.units),
                events: counted.events,
                sum: metric.measure.aggregation().adds_values().then(|| counted.sum.to_string()),
                invalid: counted.invalid,
                value: side.value(plan.alpha),
                verdict: sequence.map(|it| verdict(metric.direction, it)),
                one_look: comparison.filter(|_| sequence.is_none()).map(|it| verdict(metric.direction, it)),
                comparison,
                anytime: sequence,
            }
        },
    );
    let variants: Vec<VariantResult> = judged.collect();
    let is_guardrail = metric.role == MetricRole::Guardrail;
    MetricResult {
        metric: metric.key.to_string(),
        event: metric.event.to_string(),
        kind: metric.measure.kind(),
        role: metric.role,
        direction: metric.direction,
        broken: is_guardrail && variants.iter().any(|it| it.verdict == Some(Verdict::Worse)),
        unjudged: is_guardrail && variants.iter().all(|it| it.verdict.is_none()),
        variants,
    }
}

fn verdict(direction: Direction, comparison: Comparison) -> Verdict {
    let difference = comparison.difference;
    if !difference.excludes_zero() {
        return Verdict::Unclear;
    }
    let is_more = difference.value > 0.0;
    let more_is_better = match direction {
        Direction::Increase => true,
        Direction::Decrease => false,
    };
    if is_more == more_is_better { Verdict::Better } else { Verdict::Worse }
}

/// The data of a variant's metric.
enum VariantData {
    Rate(Option<Proportion>),
    Mean(Option<GroupedMean>),
}

impl VariantData {
    fn of(measure: &Measure, variant: &VariantTotals, metric: &MetricTotals) -> Self {
        match measure {
            Measure::Conversion => Self::Rate(Proportion::new(metric.units, variant.units)),
            Measure::Count | Measure::Sum { .. } | Measure::Mean { .. } => {
                let mut sums: Vec<f64> = metric.groups.iter().map(|sum| sum.as_f64()).collect();
                sums.resize(variant.groups.len(), 0.0);
                Self::Mean(GroupedMean::new(&variant.groups, &sums))
            }
        }
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
            (Self::Rate(_), Self::Mean(_)) | (Self::Mean(_), Self::Rate(_)) => None,
        }
    }

    fn compare_anytime(&self, treatment: &Self, anytime: Anytime) -> Option<Comparison> {
        match (self, treatment) {
            (Self::Rate(a), Self::Rate(b)) => anytime.compare_proportions((*a)?, (*b)?),
            (Self::Mean(_), _) | (_, Self::Mean(_)) => None,
        }
    }
}
