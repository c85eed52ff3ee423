//! Proves that no input of the statistics panics, and that no result is infinite, not a number or out of its
//! bounds.

use abx_core::statistics::{
    Anytime, Baseline, Comparison, Correction, Design, Estimate, Looks, Moments, Proportion, RatioTest,
    RatioVerdict, SampleRatioPlan, compare_means, compare_proportions, days, goodness_of_fit, independence,
    sample_ratio,
};
use proptest::prelude::*;

/// Small counts, great ones, and the greatest.
fn count() -> impl Strategy<Value = u64> {
    prop_oneof![0..20_u64, 0..1_000_000_u64, any::<u64>(), Just(u64::MAX), Just(u64::MAX - 1)]
}

/// Any number at all, most of them sensible.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![4 => 0.0..1.0, 2 => -1e6..1e6, 1 => any::<f64>(), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)]
}

fn proportion() -> impl Strategy<Value = Option<Proportion>> {
    let sensible = (count(), count()).prop_map(|(a, b)| Proportion::new(a.min(b), a.max(b)));
    prop_oneof![3 => sensible, 1 => (count(), count()).prop_map(|(a, b)| Proportion::new(a, b))]
}

fn moments() -> impl Strategy<Value = Option<Moments>> {
    let values = prop::collection::vec(-1e9..1e9, 0..30);
    prop_oneof![
        2 => (values, count()).prop_map(|(values, units)| {
            let moments: Moments = values.into_iter().collect();
            Some(moments.over_units(units).unwrap_or(moments))
        }),
        1 => (count(), number(), number()).prop_map(|(n, sum, squares)| Moments::new(n, sum, squares)),
        1 => (count(), any::<f64>()).prop_map(|(n, value)| Moments::new(n, value, value * value)),
    ]
}

fn check_estimate(estimate: Estimate) {
    assert!(estimate.lower <= estimate.value && estimate.value <= estimate.upper, "{estimate:?}");
    assert!(estimate.lower.is_finite() && estimate.upper.is_finite(), "{estimate:?}");
}

fn check(comparison: Option<Comparison>) {
    let Some(comparison) = comparison else { return };
    check_estimate(comparison.difference);
    comparison.lift.into_iter().for_each(check_estimate);
    assert!((0.0..=1.0).contains(&comparison.p_value), "{comparison:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn proportions_are_compared_within_bounds(a in proportion(), b in proportion(), alpha in number(), tuned in count()) {
        let (Some(a), Some(b)) = (a, b) else { return Ok(()) };
        let compared = compare_proportions(a, b, alpha);
        prop_assert_eq!(compared.is_some(), alpha > 0.0 && alpha < 1.0);
        if let Some(it) = compared {
            prop_assert!(it.difference.lower >= -1.0 - 1e-12 && it.difference.upper <= 1.0 + 1e-12);
        }
        check(compared);
        if let Some(it) = a.wilson(alpha) {
            prop_assert!(0.0 <= it.lower && it.lower <= a.rate() && a.rate() <= it.upper && it.upper <= 1.0);
        }
        if let Some(anytime) = Anytime::tuned(alpha, tuned) {
            check(anytime.compare_proportions(a, b));
        }
    }

    /// Swapping treatment and control changes only the sign.
    #[test]
    fn both_ways_round_are_the_same(a in proportion(), b in proportion()) {
        let (Some(a), Some(b)) = (a, b) else { return Ok(()) };
        let forth = compare_proportions(a, b, 0.05).expect("a level");
        let back = compare_proportions(b, a, 0.05).expect("a level");
        prop_assert!((forth.p_value - back.p_value).abs() <= 1e-9, "{forth:?} {back:?}");
        prop_assert!((forth.difference.lower + back.difference.upper).abs() <= 1e-12);
    }

    #[test]
    fn means_are_compared_within_bounds(a in moments(), b in moments(), alpha in number(), tuned in count()) {
        let (Some(a), Some(b)) = (a, b) else { return Ok(()) };
        prop_assert!(a.variance().is_none_or(|it| it >= 0.0 && it.is_finite()));
        check(compare_means(&a, &b, alpha));
        if let Some(anytime) = Anytime::tuned(alpha, tuned) {
            check(anytime.compare_means(&a, &b));
        }
    }

    #[test]
    fn ratios_are_tested_within_bounds(
        observed in prop::collection::vec(count(), 0..5),
        shares in prop::collection::vec(number(), 0..5),
        alpha in number(),
        floor in number(),
    ) {
        for test in [RatioTest::Anytime, RatioTest::ChiSquare] {
            if let Some(it) = sample_ratio(&observed, &shares, SampleRatioPlan { alpha, floor, test }) {
                prop_assert!((0.0..=1.0).contains(&it.anytime_p_value));
                prop_assert!(it.chi_square.is_none_or(|it| (0.0..=1.0).contains(&it.p_value)));
                prop_assert!(it.greatest_deviation.is_none_or(f64::is_finite));
                prop_assert!(it.variants.iter().all(|it| it.deviation.is_none_or(f64::is_finite)));
                // Whatever else there is: units where none can be are a mismatch, and too few are nothing.
                let is_leak = it.variants.iter().any(|it| it.units > 0 && it.expected == 0.0);
                let units: u128 = observed.iter().map(|units| u128::from(*units)).sum();
                let is_tested = it.verdict != RatioVerdict::TooFew;
                prop_assert!(!is_leak || it.verdict == RatioVerdict::Mismatch, "{it:?}");
                // The greatest number stands for more than can be counted.
                let is_enough = it.least_units < u64::MAX && units >= u128::from(it.least_units);
                prop_assert!(is_leak || is_tested == is_enough, "{it:?}");
            }
        }
        let fit = goodness_of_fit(&observed, &shares);
        prop_assert!(fit.is_none_or(|it| it.statistic.is_finite() && (0.0..=1.0).contains(&it.p_value)));
        let table = independence(&[observed.clone(), observed]);
        prop_assert!(table.is_none_or(|it| it.statistic.is_finite() && (0.0..=1.0).contains(&it.p_value)));
    }

    #[test]
    fn designs_are_within_bounds(
        value in number(),
        allocation in prop::collection::vec(number(), 0..4),
        (alpha, power, effect) in (number(), number(), number()),
        units in count(),
    ) {
        let baselines = [Baseline::Proportion { rate: value }, Baseline::Mean { deviation: value }];
        let looks = [Looks::Final, Looks::Every { tuned_for: units }];
        for (baseline, looks) in baselines.into_iter().flat_map(|baseline| looks.map(|looks| (baseline, looks))) {
            let made = Design::new(baseline, &allocation, alpha, power, Correction::Bonferroni, looks);
            let Some(design) = made else { continue };
            prop_assert!(design.power(units, effect).is_none_or(|it| (0.0..=1.0).contains(&it)));
            prop_assert!(design.detectable(units).is_none_or(|it| it.is_finite() && it >= 0.0));
            prop_assert_eq!(design.split(units).variants.iter().sum::<u64>(), units);
            prop_assert!(design.sizes(effect).is_none_or(|it| it.total >= it.variants.iter().sum()));
        }
        prop_assert!(days(units, units / 3, effect).is_none_or(|it| it <= 1_000_000_000_000_000));
    }
}
