//! Metrics that one unit may have most of. Counts of single units are not stored, but sums of 16 groups of units are, in every
//! store: a robot shows as a group that has far more than the others.

use crate::event::{MetricTotals, Totals, VariantTotals};
use serde::Serialize;

/// A metric of which one group of units has an implausible part.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Lopsided {
    /// Its key.
    pub metric: String,
    /// The variant.
    pub variant: String,
    /// The group's fraction of the metric's sum, 0 to 1; one sixteenth is expected.
    pub share: f64,
}

/// Groups with fewer units, and metrics with fewer events, differ by chance.
const LEAST_UNITS: u64 = 20;
const LEAST_EVENTS: u64 = 100;
/// The share from which a group is implausible, if it is also this many times the mean of the others.
const IMPLAUSIBLE_SHARE: f64 = 0.25;
const IMPLAUSIBLE_TIMES: f64 = 5.0;

/// Every such metric of every variant.
#[must_use]
pub fn lopsided(totals: &Totals) -> Vec<Lopsided> {
    let of_variant = |(variant, counted): (&String, &VariantTotals)| -> Vec<Lopsided> {
        let metrics =
            counted.metrics.iter().filter(|_| counted.groups.iter().all(|units| *units >= LEAST_UNITS));
        let found = metrics.filter_map(|(metric, sums)| {
            let share = greatest_share(sums)?;
            Some(Lopsided { metric: metric.clone(), variant: variant.clone(), share })
        });
        found.collect()
    };
    totals.variants.iter().flat_map(of_variant).collect()
}

/// The part of the greatest group, if it is implausible.
fn greatest_share(metric: &MetricTotals) -> Option<f64> {
    let sums: Vec<f64> = metric.groups.iter().map(|sum| sum.as_f64().abs()).collect();
    let whole: f64 = sums.iter().sum();
    let greatest = sums.iter().copied().fold(0.0, f64::max);
    let others = (whole - greatest) / f64::from(u32::try_from(sums.len()).ok()?.checked_sub(1)?);
    let is_implausible = greatest >= IMPLAUSIBLE_SHARE * whole && greatest >= IMPLAUSIBLE_TIMES * others;
    (whole > 0.0 && metric.events >= LEAST_EVENTS && is_implausible).then(|| greatest / whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Amount;

    fn of(units: u64, sums: [u32; 16]) -> Vec<f64> {
        let events = sums.iter().map(|sum| u64::from(*sum)).sum();
        let groups = sums.iter().filter_map(|sum| Amount::from_f64(f64::from(*sum))).collect();
        let metric = MetricTotals { events, groups, ..MetricTotals::default() };
        let metrics = [("orders".to_owned(), metric)].into();
        let variant = VariantTotals { groups: vec![units; 16], metrics, ..VariantTotals::default() };
        let totals = Totals { variants: [("a".to_owned(), variant)].into(), ..Totals::default() };
        lopsided(&totals).into_iter().map(|it| it.share).collect()
    }

    #[test]
    fn a_group_with_far_more_than_the_others_is_named() {
        let mut sums = [30; 16];
        assert!(of(20, sums).is_empty());
        sums[7] = 149;
        assert!(of(20, sums).is_empty(), "below a quarter");
        sums[7] = 450;
        assert_eq!(of(20, sums), [0.5]);
        assert!(of(19, sums).is_empty(), "too few units");
        assert!(of(20, [0; 16]).is_empty());
        let mut one = [0; 16];
        one[0] = 99;
        assert!(of(20, one).is_empty(), "too few events");
        one[0] = 100;
        assert_eq!(of(20, one), [1.0]);
    }
}
