//! Counts become comparisons and verdicts.
//!
//! A verdict comes from an interval that is valid at every look together, and from nothing else (`docs/statistics.md`).

mod busy;
mod conclusion;
mod lopsided;
mod metric;

pub use busy::{BusyUnit, BusyUnits};
pub use conclusion::{Conclusion, GuardrailState, needs_attention, verdicts_valid};
pub use lopsided::{Lopsided, lopsided};
pub use metric::{AnalysisPlan, MetricResult, VariantResult, Verdict, judge};

use crate::decide::Experiment;
use crate::event::Totals;
use crate::statistics::{SampleRatio, SampleRatioPlan, sample_ratio_over};

/// The variants of the document, and then those that were counted and that it does not have.
#[must_use]
pub fn variants<'t>(experiment: Option<&'t Experiment>, totals: &'t Totals) -> Vec<&'t str> {
    let written = experiment.map(Experiment::variants).unwrap_or_default();
    let written: Vec<&str> = written.iter().map(|variant| &*variant.key).collect();
    let others = totals.variants.keys().map(String::as_str).filter(|key| !written.contains(key));
    written.iter().copied().chain(others).collect()
}

/// Tests whether the units follow the allocations, in the order of [`variants`], after each hour in which units were exposed first. Units
/// of a variant that the document does not have follow none: their share is 0.
#[must_use]
pub fn ratio(experiment: &Experiment, totals: &Totals) -> Option<SampleRatio> {
    let variants = variants(Some(experiment), totals);
    let mut shares: Vec<f64> = experiment.variant_buckets().into_iter().map(f64::from).collect();
    shares.resize(variants.len(), 0.0);
    let mut units = vec![0; variants.len()];
    let mut looks = Vec::with_capacity(totals.hours.len());
    // Units whose clocks are impossible come last, and so in the look at all of them.
    for of_hour in totals.hours.values() {
        for (sum, key) in units.iter_mut().zip(&variants) {
            *sum += of_hour.get(*key).map_or(0, |variant| variant.units);
        }
        looks.push(units.clone());
    }
    sample_ratio_over(&looks, &shares, SampleRatioPlan::default())
}
