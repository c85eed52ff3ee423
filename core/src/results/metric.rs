//! The metrics of an experiment, judged together.

use crate::document::{Direction, MetricKind, MetricRole};
use crate::event::{MetricTotals, VariantTotals};
use crate::metric::{Measure, Metric};
use crate::statistics::{
    Anytime, Comparison, Estimate, GroupedMean, Interval, Proportion, benjamini_hochberg, compare_grouped,
    compare_proportions, holm,
};
use serde::Serialize;

/// The settings by which results are judged.
#[derive(Debug, Clone, Copy)]
pub struct AnalysisPlan {
    /// The variant that the others are compared with, by its number.
    pub control: usize,
    /// The family-wise error rate of the primary metrics, and that of the guardrails; the false discovery rate of the secondary metrics.
    pub alpha: f64,
    /// For how many units the anytime-valid intervals are tuned.
    pub tuned_for: u64,
    /// The standard of all differences and verdicts of a report.
    pub standard: Standard,
}

/// The standard of all differences and verdicts of a report: two of them in one report could not be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standard {
    /// Valid at every look together.
    #[default]
    Anytime,
    /// Valid for one look, at a time that was fixed before the start.
    Final,
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
    /// Too few units or events for an interval.
    TooEarly,
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
    /// True if the metric is a guardrail and a variant is worse.
    pub broken: bool,
    /// True if the metric is a guardrail that cannot be judged yet: it is too early for every variant.
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
    /// The rate, the mean per exposed unit, or per event for `mean`, with an interval for one look; `null` without units or events.
    pub value: Option<Estimate>,
    /// The comparison with the control by the standard of the report. `null` for the control, and with too little data.
    pub comparison: Option<Comparison>,
    /// The level of its interval, and the p-value below which there is a verdict: the alpha of the report, corrected for the number of
    /// metrics of this role and of treatments. `null` for the control.
    pub level: Option<f64>,
    /// The verdict of that comparison; `null` for the control.
    pub verdict: Option<Verdict>,
}

/// Values of a metric whose values are summed, in each of two variants, below which its interval is not shown: with daily looks at few
/// values of which some are large, it fails more often than it promises (`core/tests/peeking.rs`).
const LEAST_VALUES: u64 = 100;
/// Effective groups of units below which the variance of a mean is not known: its events are those of a few units.
const LEAST_GROUPS: f64 = 8.0;

/// Judges the metrics of these variants, which are those of the document and in its order.
#[must_use]
pub fn judge(
    metrics: &[Metric],
    variants: &[(&str, &VariantTotals)],
    plan: &AnalysisPlan,
) -> Vec<MetricResult> {
    let judges: Vec<MetricJudge<'_>> =
        metrics.iter().map(|metric| MetricJudge::new(metric, variants, plan)).collect();
    let mut levels = vec![vec![None; variants.len()]; metrics.len()];
    for role in MetricRole::ALL {
        let of_role = |at: &usize| metrics.get(*at).is_some_and(|metric| metric.role == role);
        let treatments = |at: usize| (0..variants.len()).map(move |variant| (at, variant));
        let hypotheses: Vec<(usize, usize)> = (0..metrics.len())
            .filter(of_role)
            .flat_map(treatments)
            .filter(|(_, variant)| *variant != plan.control)
            .collect();
        // What cannot be compared yet counts as a hypothesis too, or the number of them would depend on the data.
        let p_value = |(metric, variant): &(usize, usize)| {
            judges.get(*metric)?.compare(*variant, plan.alpha).map(|it| it.p_value)
        };
        let p_values: Vec<f64> = hypotheses.iter().map(|it| p_value(it).unwrap_or(1.0)).collect();
        let of_all = match role {
            MetricRole::Primary | MetricRole::Guardrail => holm(&p_values, plan.alpha),
            MetricRole::Secondary => benjamini_hochberg(&p_values, plan.alpha),
        };
        for ((metric, variant), level) in hypotheses.into_iter().zip(of_all) {
            if let Some(slot) = levels.get_mut(metric).and_then(|of_metric| of_metric.get_mut(variant)) {
                *slot = Some(level);
            }
        }
    }
    judges.iter().zip(levels).map(|(judge, levels)| judge.result(&levels)).collect()
}

/// A metric and what was counted for it.
struct MetricJudge<'a> {
    metric: &'a Metric,
    plan: &'a AnalysisPlan,
    anytime: Option<Anytime>,
    variants: Vec<(&'a str, u64, MetricTotals, VariantData)>,
}

impl<'a> MetricJudge<'a> {
    fn new(metric: &'a Metric, variants: &[(&'a str, &'a VariantTotals)], plan: &'a AnalysisPlan) -> Self {
        let of_variant = |(name, totals): &(&'a str, &'a VariantTotals)| {
            let counted = totals.metrics.get(&*metric.key).cloned().unwrap_or_default();
            let data = VariantData::of(&metric.measure, totals, &counted);
            (*name, totals.units, counted, data)
        };
        let anytime = Anytime::tuned(plan.alpha, plan.tuned_for);
        Self { metric, plan, anytime, variants: variants.iter().map(of_variant).collect() }
    }

    /// A variant and the control at a level.
    fn compare(&self, variant: usize, level: f64) -> Option<Comparison> {
        let (_, _, of_control, control) = self.variants.get(self.plan.control)?;
        let (_, _, of_treatment, treatment) = self.variants.get(variant)?;
        match self.plan.standard {
            Standard::Final => control.compare(treatment, level),
            Standard::Anytime => {
                let values = |it: &MetricTotals| it.events.saturating_sub(it.invalid);
                let values = values(of_control).min(values(of_treatment));
                let is_enough = !self.metric.measure.aggregation().adds_values() || values >= LEAST_VALUES;
                let anytime = self.anytime.filter(|_| is_enough)?;
                control.compare_anytime(treatment, anytime.at_level(level))
            }
        }
    }

    fn result(&self, levels: &[Option<f64>]) -> MetricResult {
        let Metric { key, event, measure, direction, role, .. } = self.metric;
        let aggregation = measure.aggregation();
        let judged = self.variants.iter().zip(levels).enumerate();
        let judged = judged.map(|(at, ((name, units, counted, data), level))| {
            let comparison = level.and_then(|level| self.compare(at, level));
            VariantResult {
                variant: (*name).to_owned(),
                units: *units,
                converted: aggregation.marks_units().then_some(counted.units),
                events: counted.events,
                sum: aggregation.adds_values().then(|| counted.sum.to_string()),
                invalid: counted.invalid,
                value: data.value(self.plan.alpha),
                comparison,
                level: *level,
                verdict: level.map(|level| verdict(*direction, comparison, level)),
            }
        });
        let variants: Vec<VariantResult> = judged.collect();
        let is_guardrail = *role == MetricRole::Guardrail;
        let is_unjudged = |it: &VariantResult| it.verdict.is_none_or(|it| it == Verdict::TooEarly);
        MetricResult {
            metric: key.to_string(),
            event: event.to_string(),
            kind: measure.kind(),
            role: *role,
            direction: *direction,
            broken: is_guardrail && variants.iter().any(|it| it.verdict == Some(Verdict::Worse)),
            unjudged: is_guardrail && variants.iter().all(is_unjudged),
            variants,
        }
    }
}

fn verdict(direction: Direction, comparison: Option<Comparison>, level: f64) -> Verdict {
    let Some(Comparison { difference, p_value, .. }) = comparison else { return Verdict::TooEarly };
    // Interval and test of proportions at one look are not inversions of one another: close to the level only one may see a difference.
    if !difference.excludes_zero() || p_value >= level {
        return Verdict::Unclear;
    }
    let is_more = difference.value > 0.0;
    let more_is_better = match direction {
        Direction::Increase => true,
        Direction::Decrease => false,
    };
    if is_more == more_is_better { Verdict::Better } else { Verdict::Worse }
}

/// A mean whose variance is known well enough to be compared.
fn known(mean: Option<GroupedMean>) -> Option<GroupedMean> {
    mean.filter(|mean| mean.effective_groups() >= LEAST_GROUPS)
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
            Measure::Count | Measure::Sum { .. } => {
                Self::Mean(GroupedMean::new(&variant.groups, &Self::sums(variant, metric)))
            }
            Measure::Mean { .. } => {
                let mut values = metric.group_values.clone();
                values.resize(variant.groups.len(), 0);
                // Where an earlier version counted a part of the events, their number in the groups is not known. There may be more of them
                // than events, because rows that are being written are not read all at once.
                let is_whole = values.iter().sum::<u64>() + metric.invalid >= metric.events;
                let mean = GroupedMean::over(&variant.groups, &values, &Self::sums(variant, metric));
                Self::Mean(mean.filter(|_| is_whole))
            }
        }
    }

    fn sums(variant: &VariantTotals, metric: &MetricTotals) -> Vec<f64> {
        let mut sums: Vec<f64> = metric.groups.iter().map(|sum| sum.as_f64()).collect();
        sums.resize(variant.groups.len(), 0.0);
        sums
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
            (Self::Mean(a), Self::Mean(b)) => compare_grouped(known(*a)?, known(*b)?, alpha),
            (Self::Rate(_), Self::Mean(_)) | (Self::Mean(_), Self::Rate(_)) => None,
        }
    }

    fn compare_anytime(&self, treatment: &Self, anytime: Anytime) -> Option<Comparison> {
        match (self, treatment) {
            (Self::Rate(a), Self::Rate(b)) => anytime.compare_proportions((*a)?, (*b)?),
            (Self::Mean(a), Self::Mean(b)) => anytime.compare_grouped(known(*a)?, known(*b)?),
            (Self::Rate(_), Self::Mean(_)) | (Self::Mean(_), Self::Rate(_)) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Amount;

    /// So many units in each group, of which some pay once, each after so many days.
    fn paying(units: u64, payers: u32, days: u32) -> VariantTotals {
        let sums = (0..16).map(|group| Amount::from_f64(f64::from(days * payers) + f64::from(group % 3)));
        let metric = MetricTotals {
            events: 16 * u64::from(payers),
            groups: sums.map(Option::unwrap).collect(),
            group_values: vec![payers.into(); 16],
            ..MetricTotals::default()
        };
        let metrics = [("days".to_owned(), metric)].into();
        VariantTotals { units: 16 * units, groups: vec![units; 16], metrics, ..VariantTotals::default() }
    }

    fn judged(kind: &str, control: &VariantTotals, treatment: &VariantTotals) -> VariantResult {
        judged_by(Standard::Anytime, kind, control, treatment)
    }

    fn judged_by(
        standard: Standard,
        kind: &str,
        control: &VariantTotals,
        treatment: &VariantTotals,
    ) -> VariantResult {
        let written = serde_json::json!({"experiment": "e", "status": "active", "variants": [{"key": "a"}, {"key": "b"}],
            "metrics": [{"key": "days", "event": "paid", "kind": kind, "property": "days", "direction": "decrease"}]});
        let compiled = crate::read_and_compile([&written]);
        let metrics = compiled.catalog.experiment("e").unwrap().metrics();
        let plan = AnalysisPlan { control: 0, alpha: 0.05, tuned_for: 10_000, standard };
        judge(metrics, &[("a", control), ("b", treatment)], &plan)[0].variants[1].clone()
    }

    /// Half as many pay, as soon as before: the days until they pay are not better for that.
    #[test]
    fn a_mean_is_over_events_and_a_sum_over_units() {
        let (control, treatment) = (paying(1_000, 200, 3), paying(1_000, 100, 3));
        assert_eq!(judged("sum", &control, &treatment).verdict, Some(Verdict::Better));
        let mean = judged("mean", &control, &treatment);
        assert_eq!(mean.verdict, Some(Verdict::Unclear));
        assert!((mean.value.unwrap().value - 3.009_375).abs() < 1e-9, "{mean:?}");
        assert_eq!(judged("mean", &control, &paying(1_000, 200, 4)).verdict, Some(Verdict::Worse));
    }

    #[test]
    fn a_mean_of_which_the_events_are_not_known_is_not_judged() {
        let mut of_old_version = paying(1_000, 200, 3);
        of_old_version.metrics.get_mut("days").unwrap().group_values = vec![150; 16];
        let judged = |treatment| judged("mean", &paying(1_000, 200, 3), treatment);
        let of_old = judged(&of_old_version);
        assert_eq!((of_old.verdict, of_old.value), (Some(Verdict::TooEarly), None));
        let mut being_written = paying(1_000, 200, 3);
        being_written.metrics.get_mut("days").unwrap().group_values = vec![201; 16];
        assert_ne!(judged(&being_written).verdict, Some(Verdict::TooEarly));
    }

    /// All payments of one unit: its group has no deviation from the mean, which would look exact.
    #[test]
    fn a_mean_of_a_few_units_is_not_judged() {
        let mut of_one = paying(1_000, 0, 0);
        let metric = of_one.metrics.get_mut("days").unwrap();
        (metric.events, metric.group_values[3], metric.groups[3]) =
            (500, 500, Amount::from_f64(2_500.0).unwrap());
        for standard in [Standard::Anytime, Standard::Final] {
            let judged = judged_by(standard, "mean", &paying(1_000, 200, 3), &of_one);
            assert_eq!(judged.verdict, Some(Verdict::TooEarly), "{standard:?}");
        }
    }

    #[test]
    fn events_without_a_value_are_no_values() {
        let mut unusable = paying(1_000, 200, 3);
        let metric = unusable.metrics.get_mut("days").unwrap();
        metric.invalid = metric.events - 99;
        assert_eq!(judged("sum", &paying(1_000, 200, 3), &unusable).verdict, Some(Verdict::TooEarly));
    }
}
