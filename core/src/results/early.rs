//! Events that live counters miss because they overtook the exposure of their unit.

use crate::event::{MetricTotals, Totals, VariantTotals};
use std::collections::{BTreeMap, BTreeSet};

/// The fraction of a metric's events from which on they distort a comparison: variants rarely lose the same fraction.
const NOTABLE: f64 = 0.005;

/// The events of a metric that reached their shard before the exposure of their unit and happened after it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct EarlyEvents {
    /// The metric.
    pub metric: String,
    /// Their number.
    pub events: u64,
    /// Their fraction of all events of exposed units, 0 to 1.
    pub share: f64,
    /// The same of each variant that has events.
    pub variants: BTreeMap<String, f64>,
    /// True above 0.5 %.
    pub is_notable: bool,
}

/// The metrics that have such events, by key.
#[must_use]
pub fn early_events(totals: &Totals) -> Vec<EarlyEvents> {
    let metrics = |it: &VariantTotals| it.metrics.keys().cloned().collect::<Vec<_>>();
    let keys: BTreeSet<String> = totals.variants.values().flat_map(metrics).collect();
    keys.into_iter().filter_map(|key| of_metric(key, totals)).collect()
}

fn of_metric(metric: String, totals: &Totals) -> Option<EarlyEvents> {
    let of = |it: &MetricTotals| (it.overtook, it.events + it.overtook);
    let variants = totals.variants.iter();
    let counts: BTreeMap<&String, (u64, u64)> =
        variants.filter_map(|(key, it)| Some((key, of(it.metrics.get(&metric)?)))).collect();
    let (events, all) = counts.values().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    let share = share((events, all))?;
    let is_notable = share > NOTABLE;
    let variants = counts.into_iter().filter_map(|(key, it)| Some((key.clone(), self::share(it)?))).collect();
    (events > 0).then_some(EarlyEvents { metric, events, share, variants, is_notable })
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn share((some, all): (u64, u64)) -> Option<f64> {
    (all > 0).then(|| some as f64 / all as f64)
}
