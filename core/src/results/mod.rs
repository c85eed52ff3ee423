//! Counts become comparisons and verdicts.
//!
//! All differences and verdicts of a report are by one [`Standard`]: intervals that are valid at every look together, unless the one planned look
//! is asked for (`docs/statistics.md`).

mod busy;
mod conclusion;
mod early;
mod headline;
mod looks;
mod lopsided;
mod measured;
mod metric;

pub use busy::{BusyUnit, BusyUnits};
pub use conclusion::{Conclusion, GuardrailState, needs_attention, verdicts_valid};
pub use early::{EarlyEvents, early_events};
pub use headline::{DecisionState, Headline, Progress, headline};
pub use looks::{DailyResult, Look, end_of, judge_looks, looks as looks_of_counters, totals_until};
pub use lopsided::{Lopsided, lopsided};
pub use measured::{ArchivedVariant, MeasuredMetric, MeasuredValue, MeasuredVariant, archived, counted};
pub use metric::{AnalysisPlan, MetricResult, Standard, VariantResult, Verdict, judge};

use crate::decide::Experiment;
use crate::event::{Hour, Totals, VariantTotals};
use crate::statistics::{RatioPhase, RatioVerdict, SampleRatio, SampleRatioPlan, sample_ratio_of_phases};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The variants of the document, and then those that were counted and that it does not have.
#[must_use]
pub fn variants<'t>(experiment: Option<&'t Experiment>, totals: &'t Totals) -> Vec<&'t str> {
    let written = experiment.map(Experiment::variants).unwrap_or_default();
    let written: Vec<&str> = written.iter().map(|variant| &*variant.key).collect();
    let others = totals.variants.keys().map(String::as_str).filter(|key| !written.contains(key));
    written.iter().copied().chain(others).collect()
}

/// The fraction of exposures to another variant than the unit's first from which on it is reported: such units saw both, which makes
/// variants look alike.
const NOTABLE_CONFLICTS: f64 = 0.005;

/// The fraction of exposures, 0 to 1, to another variant than the unit's first, if that is more than a few.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn notable_conflicts(totals: &Totals) -> Option<f64> {
    let sum = |of: fn(&VariantTotals) -> u64| totals.variants.values().map(of).sum::<u64>() as f64;
    let share = sum(|it| it.conflicts) / sum(|it| it.exposures);
    (share > NOTABLE_CONFLICTS).then_some(share)
}

/// A time in which the allocations of an experiment were the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// Its beginning: when its revision began to serve.
    pub since: Timestamp,
    /// The revision.
    pub revision: u64,
    /// The share of each variant, by its key.
    pub shares: BTreeMap<String, f64>,
}

impl Phase {
    /// The phase of a document that is served from some time on.
    #[must_use]
    pub fn new(experiment: &Experiment, since: Timestamp, revision: u64) -> Self {
        let keys = experiment.variants().iter().map(|it| it.key.to_string());
        let shares = keys.zip(experiment.variant_buckets().into_iter().map(f64::from)).collect();
        Self { since, revision, shares }
    }
}

/// Tests whether the units follow the allocations, in the order of [`variants`], after each hour in which units were exposed first. Each phase
/// is tested by its own shares; the hour in which they changed belongs to none. Units of a variant that a document does not have follow none:
/// their share is 0.
#[must_use]
pub fn ratio(variants: &[&str], phases: &[Phase], totals: &Totals) -> Option<SampleRatio> {
    sample_ratio_of_phases(&tested(variants, phases, totals).0, SampleRatioPlan::default())
}

/// The first hour after which the units did not follow the allocations.
#[must_use]
pub fn mismatch_since(variants: &[&str], phases: &[Phase], totals: &Totals) -> Option<Hour> {
    let (tested, hours) = tested(variants, phases, totals);
    let is_mismatch = |upto: usize| {
        let mut left = upto;
        let cut = tested.iter().map_while(|phase| {
            let looks = phase.looks.get(..left.min(phase.looks.len()))?.to_vec();
            left = left.saturating_sub(phase.looks.len());
            (!looks.is_empty()).then(|| RatioPhase { shares: phase.shares.clone(), looks })
        });
        let found = sample_ratio_of_phases(&cut.collect::<Vec<_>>(), SampleRatioPlan::default());
        found.is_some_and(|it| it.verdict == RatioVerdict::Mismatch)
    };
    let first = (1..=hours.len()).find(|upto| is_mismatch(*upto))?;
    hours.get(first - 1).copied()
}

/// What is tested: for each phase its shares, and the units of each variant up to the end of every hour of it; and all these hours in turn.
fn tested(variants: &[&str], phases: &[Phase], totals: &Totals) -> (Vec<RatioPhase>, Vec<Hour>) {
    let (mut tested, mut hours) = (Vec::new(), Vec::new());
    for (at, phase) in phases.iter().enumerate() {
        let next = phases.get(at + 1).map(|it| Hour::of(it.since));
        let is_of_phase = |hour: &Hour| {
            // Units whose clocks are impossible come last, and so in the look at all of them.
            (at == 0 || *hour > Hour::of(phase.since)) && next.is_none_or(|next| *hour < next)
        };
        let mut units = vec![0; variants.len()];
        let mut looks = Vec::new();
        for (hour, of_hour) in totals.hours.iter().filter(|(hour, _)| is_of_phase(hour)) {
            for (sum, key) in units.iter_mut().zip(variants) {
                *sum += of_hour.get(*key).map_or(0, |variant| variant.units);
            }
            looks.push(units.clone());
            hours.push(*hour);
        }
        let shares = variants.iter().map(|key| phase.shares.get(*key).copied().unwrap_or(0.0)).collect();
        tested.push(RatioPhase { shares, looks });
    }
    (tested, hours)
}
