//! The metrics of an experiment, judged together.

use super::measured::{MeasuredMetric, MeasuredVariant};
use crate::document::{Direction, MetricKind, MetricRole};
use crate::metric::{Effect, Metric};
use crate::plan::Plan;
use crate::statistics::{Anytime, Comparison, Estimate, benjamini_hochberg, compare_grouped, holm};
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
    /// The planned number of units, control and a treatment together; for [`Standard::Planned`].
    pub planned_pair: u64,
    /// True if verdicts may be given now: not before the one planned look.
    pub is_due: bool,
    /// The standard of all differences and verdicts of a report.
    pub standard: Standard,
}

impl Default for AnalysisPlan {
    fn default() -> Self {
        let (alpha, tuned_for) = (Plan::ALPHA, Anytime::TUNED_FOR);
        Self {
            control: 0,
            alpha,
            tuned_for,
            planned_pair: tuned_for,
            is_due: true,
            standard: Standard::default(),
        }
    }
}

/// The standard of all differences and verdicts of a report: two of them in one report could not be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standard {
    /// Valid at every look together.
    #[default]
    Anytime,
    /// Valid at every look together, around the number of units that the document plans.
    Planned,
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
    /// Too few units or events for an interval, or not yet the planned look.
    TooEarly,
}

/// A metric of all variants.
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the report")]
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
    /// The least change that matters, in the metric's own unit; `null` where none is written.
    pub minimum_effect: Option<f64>,
    /// The acceptable loss of a guardrail, in the metric's own unit; `null` where none is written.
    pub margin: Option<f64>,
    /// The part of the variance that the covariate removed, 0 to 1; `null` without one.
    pub variance_removed: Option<f64>,
    /// True if the variants differed before the exposure already (p < 0.01), so that something else than the treatment differs.
    pub differed_before: bool,
    /// True if the metric is a guardrail and a variant is worse, by more than the margin or by nobody knows how much.
    pub broken: bool,
    /// True if the metric is a guardrail with a margin, and the loss of every variant is shown to be smaller.
    pub safe: bool,
    /// True if the metric is a guardrail that cannot be judged yet: it is too early for every variant.
    pub unjudged: bool,
}

/// A variant in the light of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct VariantResult {
    /// The variant.
    pub variant: String,
    /// Units that saw it first; of a metric with a window, those whose window is over.
    pub units: u64,
    /// Units whose window is still open, so that they do not count yet.
    pub pending: u64,
    /// The events of these units so far; 0 from an archive.
    pub pending_events: u64,
    /// Those of them that converted so far; `null` where the metric has no window or does not count units.
    pub pending_converted: Option<u64>,
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
    /// The time of the first look that reached the verdict, in RFC 3339: from then on it stands. `null` without one, and for one planned look.
    pub since: Option<String>,
    /// The units of both variants at that look.
    pub units_since: Option<u64>,
    /// The least change that these units would show with a probability of 80 %, in the metric's own unit; `null` for the control, and with
    /// too little data.
    pub detectable: Option<f64>,
    /// True if the loss is shown to be smaller than the guardrail's margin.
    pub safe: bool,
}

/// Values of a metric whose values are summed, in each of two variants, below which its interval is not shown: with daily looks at few
/// values of which some are large, it fails more often than it promises (`core/tests/peeking.rs`).
const LEAST_VALUES: u64 = 100;
/// The p-value below which variants differed before the exposure.
const DIFFERED_BEFORE: f64 = 0.01;
/// `z` of a probability of 80 %.
const Z_POWER: f64 = 0.841_621_233_572_914_2;

/// Judges the metrics of these variants, which are those of the document and in its order. `measured` is in the order of the metrics.
#[must_use]
pub fn judge(
    metrics: &[Metric],
    variants: &[&str],
    measured: &[MeasuredMetric],
    plan: &AnalysisPlan,
) -> Vec<MetricResult> {
    let judges: Vec<MetricJudge<'_>> = metrics
        .iter()
        .zip(measured)
        .map(|(metric, measured)| MetricJudge::new(metric, measured, plan))
        .collect();
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
    judges.iter().zip(levels).map(|(judge, levels)| judge.result(variants, &levels)).collect()
}

/// A metric and what was measured of it.
struct MetricJudge<'a> {
    metric: &'a Metric,
    measured: &'a MeasuredMetric,
    plan: &'a AnalysisPlan,
    anytime: Option<Anytime>,
}

impl<'a> MetricJudge<'a> {
    fn new(metric: &'a Metric, measured: &'a MeasuredMetric, plan: &'a AnalysisPlan) -> Self {
        let anytime = match plan.standard {
            Standard::Anytime => Anytime::tuned(plan.alpha, plan.tuned_for),
            Standard::Planned => Anytime::planned(plan.alpha, plan.planned_pair),
            Standard::Final => None,
        };
        Self { metric, measured, plan, anytime }
    }

    /// A variant and the control.
    fn pair(&self, variant: usize) -> Option<(&MeasuredVariant, &MeasuredVariant)> {
        Some((self.measured.variants.get(self.plan.control)?, self.measured.variants.get(variant)?))
    }

    /// A variant and the control at a level.
    fn compare(&self, variant: usize, level: f64) -> Option<Comparison> {
        let (control, treatment) = self.pair(variant)?;
        match self.plan.standard {
            Standard::Final => control.value.compare(&treatment.value, level),
            Standard::Anytime | Standard::Planned => {
                let least = control.values.zip(treatment.values).map(|(a, b)| a.min(b));
                let anytime = self.anytime.filter(|_| least.is_none_or(|values| values >= LEAST_VALUES))?;
                control.value.compare_anytime(&treatment.value, anytime.at_level(level))
            }
        }
    }

    /// True if the covariates of a variant and of the control differ.
    fn differed_before(&self, variant: usize) -> bool {
        let means =
            self.pair(variant).and_then(|(control, treatment)| control.covariate.zip(treatment.covariate));
        let compared =
            means.and_then(|(control, treatment)| compare_grouped(control, treatment, DIFFERED_BEFORE));
        compared.is_some_and(|it| it.p_value < DIFFERED_BEFORE)
    }

    fn result(&self, names: &[&str], levels: &[Option<f64>]) -> MetricResult {
        let Metric { key, event, measure, direction, role, .. } = self.metric;
        let judged = self.measured.variants.iter().zip(names).zip(levels).enumerate();
        let judged = judged.map(|(at, ((measured, name), level))| {
            let comparison = level.and_then(|level| self.compare(at, level));
            VariantResult {
                variant: (*name).to_owned(),
                units: measured.units,
                pending: measured.pending,
                pending_events: measured.pending_events,
                pending_converted: measured.pending_converted,
                converted: measured.converted,
                events: measured.events,
                sum: measured.sum.map(|it| it.to_string()),
                invalid: measured.invalid,
                value: measured.value.estimate(self.plan.alpha),
                comparison,
                level: *level,
                verdict: level.map(|level| self.verdict(comparison, level)),
                since: None,
                units_since: None,
                detectable: comparison.and_then(|it| self.detectable(at, &it)),
                safe: comparison.is_some_and(|it| self.is_safe(&it)),
            }
        });
        let variants: Vec<VariantResult> = judged.collect();
        let is_guardrail = *role == MetricRole::Guardrail;
        let is_unjudged = |it: &VariantResult| it.verdict.is_none_or(|it| it == Verdict::TooEarly);
        let of_control = variants.get(self.plan.control).and_then(|it| it.value).map(|it| it.value);
        let absolute = |effect: Option<Effect>| Some(effect?.absolute(of_control?));
        let mut treatments = variants.iter().filter(|it| it.level.is_some());
        MetricResult {
            metric: key.to_string(),
            event: event.to_string(),
            kind: measure.kind(),
            role: *role,
            direction: *direction,
            minimum_effect: absolute(self.metric.minimum_effect),
            margin: absolute(self.metric.margin),
            variance_removed: self.measured.variance_removed,
            differed_before: (0..variants.len())
                .any(|at| at != self.plan.control && self.differed_before(at)),
            broken: is_guardrail && variants.iter().any(|it| it.verdict == Some(Verdict::Worse) && !it.safe),
            unjudged: is_guardrail && variants.iter().all(is_unjudged),
            safe: is_guardrail && treatments.clone().next().is_some() && treatments.all(|it| it.safe),
            variants,
        }
    }

    fn verdict(&self, comparison: Option<Comparison>, level: f64) -> Verdict {
        let Some(Comparison { difference, p_value, .. }) = comparison.filter(|_| self.plan.is_due) else {
            return Verdict::TooEarly;
        };
        // Every interval is the inversion of its test, so that it leaves out 0 exactly where this holds.
        if p_value >= level {
            return Verdict::Unclear;
        }
        if self.gain(difference.value) > 0.0 { Verdict::Better } else { Verdict::Worse }
    }

    /// A change as a gain: below 0 it is a loss.
    fn gain(&self, change: f64) -> f64 {
        match self.metric.direction {
            Direction::Increase => change,
            Direction::Decrease => -change,
        }
    }

    /// True if the whole interval loses less than the margin. A margin that is a part of the control's value is compared with the lift, whose
    /// interval knows that this value is uncertain, too.
    fn is_safe(&self, comparison: &Comparison) -> bool {
        let is_within = |interval: Estimate, margin: f64| {
            self.gain(interval.lower).min(self.gain(interval.upper)) > -margin
        };
        self.plan.is_due
            && match self.metric.margin {
                None => false,
                Some(Effect::Absolute(margin)) => is_within(comparison.difference, margin),
                Some(Effect::Relative(margin)) => comparison.lift.is_some_and(|it| is_within(it, margin)),
            }
    }

    /// The least change that these units would show with a probability of 80 %: as far beyond the interval's half width as that needs.
    fn detectable(&self, variant: usize, comparison: &Comparison) -> Option<f64> {
        let (control, treatment) = self.pair(variant)?;
        let error = (control.value.variance()? + treatment.value.variance()?).sqrt();
        let half = (comparison.difference.upper - comparison.difference.lower) / 2.0;
        Some(half + Z_POWER * error).filter(|it| it.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::super::counted;
    use super::*;
    use crate::event::{Amount, MetricTotals, Totals, VariantTotals};
    use crate::results::{MeasuredValue, MeasuredVariant};
    use crate::statistics::Proportion;
    use proptest::prelude::*;

    proptest! {
        /// A report has one answer by each standard: there is a verdict exactly where the p-value is below the level, and where the intervals
        /// at that level leave out 0. Rates that are close to each other and to 0, so that every third comparison is a near one.
        #[test]
        fn p_values_intervals_and_verdicts_are_one_answer(
            alpha in 0.001..0.2_f64,
            scale in prop_oneof![Just(1_u64), Just(10), Just(1_000)],
            rate in 0..40_u64,
            variants in prop::collection::vec((20..400_u64, 0..30_u64), 3),
        ) {
            let names = ["a", "b", "c"];
            let written = serde_json::json!({"experiment": "e", "status": "active",
                "variants": [{"key": "a"}, {"key": "b"}, {"key": "c"}],
                "metrics": [
                    {"key": "m", "event": "e", "kind": "conversion", "role": "primary"},
                    {"key": "n", "event": "f", "kind": "conversion", "role": "secondary", "direction": "decrease"},
                ]});
            let compiled = crate::read_and_compile([&written]);
            let metrics = compiled.catalog.experiment("e").unwrap().metrics();
            let measured = |turn: usize| {
                let of = |(units, more): &(u64, u64)| {
                    let successes = (units * rate / 100 + more).min(*units) * scale;
                    let value = MeasuredValue::Rate(Proportion::new(successes, units * scale));
                    MeasuredVariant { units: units * scale, value, ..MeasuredVariant::default() }
                };
                let mut variants: Vec<_> = variants.iter().map(of).collect();
                variants.rotate_left(turn);
                MeasuredMetric { variants, variance_removed: None }
            };
            let measured = [measured(0), measured(1)];
            for standard in [Standard::Final, Standard::Anytime, Standard::Planned] {
                let plan = AnalysisPlan { alpha, standard, ..AnalysisPlan::default() };
                for result in judge(metrics, &names, &measured, &plan) {
                    for it in &result.variants[1..] {
                        let Some(comparison) = it.comparison else { continue };
                        let is_different = comparison.p_value < it.level.unwrap();
                        let is_verdict = matches!(it.verdict, Some(Verdict::Better | Verdict::Worse));
                        prop_assert_eq!(is_verdict, is_different);
                        prop_assert_eq!(comparison.difference.excludes_zero(), is_different, "{:?}", it);
                        prop_assert!(comparison.lift.is_none_or(|it| it.excludes_zero() == is_different), "{:?}", it);
                    }
                }
            }
        }

        /// A guardrail is safe exactly where the interval of the difference, or with a relative margin that of the lift, is above the margin; a
        /// loss of that is what the score test rejects there (`core/tests/statistics.rs`).
        #[test]
        fn a_guardrail_without_events_is_safe_from_enough_units_on(units in 50..1_000_u64, margin in 1..60_u32) {
            let margin = f64::from(margin) / 1_000.0;
            let written = serde_json::json!({"experiment": "e", "status": "active", "variants": [{"key": "a"}, {"key": "b"}],
                "metrics": [{"key": "m", "event": "e", "kind": "conversion", "role": "guardrail", "direction": "decrease", "margin": margin}]});
            let compiled = crate::read_and_compile([&written]);
            let metrics = compiled.catalog.experiment("e").unwrap().metrics();
            let value = MeasuredValue::Rate(Proportion::new(0, units));
            let variant = MeasuredVariant { units, value, ..MeasuredVariant::default() };
            let measured = MeasuredMetric { variants: vec![variant.clone(), variant], variance_removed: None };
            let plan = AnalysisPlan { standard: Standard::Final, ..AnalysisPlan::default() };
            let result = &judge(metrics, &["a", "b"], &[measured], &plan)[0];
            // Without events z² is n δ / (1 - δ), less by the factor (N - 1)/N.
            #[expect(clippy::cast_precision_loss, reason = "few units")]
            let n = units as f64;
            let statistic = n * margin / (1.0 - margin) * (2.0 * n - 1.0) / (2.0 * n);
            prop_assert_eq!(result.safe, statistic > 1.959_963_984_540_054_f64.powi(2), "{}", statistic);
        }
    }

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
        let plan = AnalysisPlan { standard, ..AnalysisPlan::default() };
        let variants = [("a".to_owned(), control.clone()), ("b".to_owned(), treatment.clone())].into();
        let totals = Totals { variants, ..Totals::default() };
        let names = ["a", "b"];
        judge(metrics, &names, &counted(metrics, &names, &totals, &[], None), &plan)[0].variants[1].clone()
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
