//! The one sentence about an experiment: what was decided, and what to do next.

use super::{MetricResult, VariantResult, Verdict};
use crate::document::MetricRole;
use serde::Serialize;

/// The state of an experiment's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionState {
    /// Nothing was counted.
    NothingCounted,
    /// The units do not follow the allocations: no result can be trusted.
    Mismatch,
    /// A guardrail is worse.
    GuardrailBroken,
    /// A treatment is better by the goal.
    Better,
    /// Every treatment is worse by the goal.
    Worse,
    /// The planned size is reached, and no treatment is known to differ.
    NoDifference,
    /// None of these yet.
    NotDecided,
    /// There is no metric to decide by.
    NoMetric,
}

/// The decision about an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Headline {
    /// The state.
    pub state: DecisionState,
    /// The metric that it is about: the goal, or the guardrail.
    pub metric: Option<String>,
    /// The variant that it is about.
    pub variant: Option<String>,
    /// The units that the plan still needs, over all variants; `null` without a planned size, and when it is reached.
    pub units_missing: Option<u64>,
    /// The days that this takes at the rate of so far; `null` where nobody knows.
    pub days_missing: Option<u64>,
}

/// The planned size of an experiment, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Progress {
    /// The units that count for the goal by now.
    pub units: u64,
    /// The units that are planned.
    pub planned_units: Option<u64>,
    /// The days since the first exposure.
    pub days: f64,
    /// The days that are planned.
    pub planned_days: Option<u32>,
}

impl Progress {
    /// True if the planned size is reached: the units, or where none are planned the days.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        match (self.planned_units, self.planned_days) {
            (Some(units), _) => self.units >= units,
            (None, Some(days)) => self.days >= f64::from(days),
            (None, None) => false,
        }
    }

    fn missing(&self) -> (Option<u64>, Option<u64>) {
        let units = self.planned_units.map(|it| it.saturating_sub(self.units)).filter(|it| *it > 0);
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let by_units = units.map(|missing| missing as f64 / (self.units as f64 / self.days));
        let by_days =
            self.planned_days.map(|it| f64::from(it) - self.days).filter(|_| self.planned_units.is_none());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is finite and above 0"
        )]
        let days = by_units.or(by_days).filter(|it| it.is_finite() && *it > 0.0).map(|it| it.ceil() as u64);
        (units, days)
    }
}

/// Decides by the goal, which is the first primary metric unless the plan names one. `units` are all that were counted.
#[must_use]
pub fn headline(
    metrics: &[MetricResult],
    goal: Option<&str>,
    units: u64,
    verdicts_valid: bool,
    progress: &Progress,
) -> Headline {
    let (units_missing, days_missing) = progress.missing();
    let say = |state, metric: Option<&MetricResult>, variant: Option<&VariantResult>| Headline {
        state,
        metric: metric.map(|it| it.metric.clone()),
        variant: variant.map(|it| it.variant.clone()),
        units_missing,
        days_missing,
    };
    if units == 0 {
        return say(DecisionState::NothingCounted, None, None);
    }
    if !verdicts_valid {
        return say(DecisionState::Mismatch, None, None);
    }
    let is_worse = |it: &&VariantResult| it.verdict == Some(Verdict::Worse);
    if let Some(broken) = metrics.iter().find(|it| it.broken) {
        return say(DecisionState::GuardrailBroken, Some(broken), broken.variants.iter().find(is_worse));
    }
    let is_primary = |it: &&MetricResult| it.role == MetricRole::Primary;
    let named = metrics.iter().find(|it| goal == Some(&*it.metric));
    let Some(goal) = named.or_else(|| metrics.iter().find(is_primary)) else {
        return say(DecisionState::NoMetric, None, None);
    };
    let treatments = || goal.variants.iter().filter(|it| it.level.is_some());
    let size = |it: &&VariantResult| it.comparison.map_or(0.0, |it| it.difference.value.abs());
    let better = treatments().filter(|it| it.verdict == Some(Verdict::Better));
    if let Some(best) = better.max_by(|a, b| size(a).total_cmp(&size(b))) {
        return say(DecisionState::Better, Some(goal), Some(best));
    }
    if treatments().next().is_some() && treatments().all(|it| is_worse(&it)) {
        let worst = treatments().max_by(|a, b| size(a).total_cmp(&size(b)));
        return say(DecisionState::Worse, Some(goal), worst);
    }
    let state = if progress.is_complete() { DecisionState::NoDifference } else { DecisionState::NotDecided };
    say(state, Some(goal), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_that_are_missing_follow_from_the_rate_so_far() {
        let progress =
            |units, planned_units, days, planned_days| Progress { units, planned_units, days, planned_days };
        for (progress, is_complete, missing) in [
            (progress(600, Some(1_000), 3.0, Some(9)), false, (Some(400), Some(2))),
            (progress(1_000, Some(1_000), 3.0, Some(9)), true, (None, None)),
            (progress(600, None, 3.5, Some(9)), false, (None, Some(6))),
            (progress(600, None, 9.0, Some(9)), true, (None, None)),
            (progress(0, Some(1_000), 0.0, None), false, (Some(1_000), None)),
            (progress(600, None, 3.0, None), false, (None, None)),
        ] {
            assert_eq!((progress.is_complete(), progress.missing()), (is_complete, missing), "{progress:?}");
        }
    }
}
