//! Counts become comparisons and verdicts.
//!
//! All differences and verdicts of a report are by one [`Standard`]: intervals that are valid at every look together, unless the one planned look
//! is asked for (`docs/statistics.md`).

mod busy;
mod conclusion;
mod lopsided;
mod metric;

pub use busy::{BusyUnit, BusyUnits};
pub use conclusion::{Conclusion, GuardrailState, needs_attention, verdicts_valid};
pub use lopsided::{Lopsided, lopsided};
pub use metric::{AnalysisPlan, MetricResult, Standard, VariantResult, Verdict, judge};

use crate::decide::Experiment;
use crate::event::{Hour, Totals, VariantTotals};
use crate::statistics::{RatioVerdict, SampleRatio, SampleRatioPlan, sample_ratio_over};

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

/// Tests whether the units follow the allocations, in the order of [`variants`], after each hour in which units were exposed first. Units
/// of a variant that the document does not have follow none: their share is 0.
#[must_use]
pub fn ratio(experiment: &Experiment, totals: &Totals) -> Option<SampleRatio> {
    let (shares, looks) = looks(experiment, totals);
    let looks: Vec<Vec<u64>> = looks.into_iter().map(|(_, units)| units).collect();
    sample_ratio_over(&looks, &shares, SampleRatioPlan::default())
}

/// The first hour after which the units did not follow the allocations.
#[must_use]
pub fn mismatch_since(experiment: &Experiment, totals: &Totals) -> Option<Hour> {
    let (shares, looks) = looks(experiment, totals);
    let is_mismatch = |units: &[u64]| {
        let found = sample_ratio_over(&[units.to_vec()], &shares, SampleRatioPlan::default());
        found.is_some_and(|it| it.verdict == RatioVerdict::Mismatch)
    };
    looks.into_iter().find(|(_, units)| is_mismatch(units)).map(|(hour, _)| hour)
}

/// The shares of the variants, and the units of each up to the end of every hour.
fn looks(experiment: &Experiment, totals: &Totals) -> (Vec<f64>, Vec<(Hour, Vec<u64>)>) {
    let variants = variants(Some(experiment), totals);
    let mut shares: Vec<f64> = experiment.variant_buckets().into_iter().map(f64::from).collect();
    shares.resize(variants.len(), 0.0);
    let mut units = vec![0; variants.len()];
    let mut looks = Vec::with_capacity(totals.hours.len());
    // Units whose clocks are impossible come last, and so in the look at all of them.
    for (hour, of_hour) in &totals.hours {
        for (sum, key) in units.iter_mut().zip(&variants) {
            *sum += of_hour.get(*key).map_or(0, |variant| variant.units);
        }
        looks.push((*hour, units.clone()));
    }
    (shares, looks)
}
