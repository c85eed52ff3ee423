//! Proves that no input of the statistics panics, and that no result is infinite, not a number or out of its
//! bounds.

#![expect(
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test's own numbers"
)]

use abx_core::statistics::{
    Anytime, Baseline, Comparison, Correction, Design, Estimate, Looks, Moments, Proportion, RatioTest,
    RatioVerdict, SampleRatioPlan, StatisticalTest, compare_means, compare_proportions, days,
    goodness_of_fit, independence, sample_ratio,
};
use proptest::prelude::*;
use statrs::function::erf::erfc_inv;

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

/// The levels that tests are made at, Holm's among them.
fn level() -> impl Strategy<Value = f64> {
    prop_oneof![0.001..0.2, Just(0.05), (1..9_u32).prop_map(|tests| 0.05 / f64::from(tests))]
}

/// Up to ten million units, of which any number succeed: few, most, none and all of them as well.
fn moderate() -> impl Strategy<Value = Proportion> {
    let units = prop_oneof![1..30_u64, 1..3_000_u64, 1..10_000_000_u64];
    let share =
        prop_oneof![4 => 0.0..1.0_f64, 2 => 0.0..0.01, 1 => Just(0.0), 1 => Just(1.0), 1 => 0.99..1.0];
    (units, share).prop_map(|(units, share)| {
        Proportion::new((share * (units as f64)).round() as u64, units).expect("a part of them")
    })
}

/// `z²` without the factor `N / (N - 1)`, of a treatment's rate that is `factor` times that of the control and `shift` more. The likeliest
/// rates are found by halving on the derivative of the logarithm of their likelihood, which only falls.
fn statistic(control: Proportion, treatment: Proportion, factor: f64, shift: f64) -> f64 {
    let slope = |arm: Proportion, rate: f64| {
        let part = |count: u64, rate: f64| if count > 0 { count as f64 / rate } else { 0.0 };
        part(arm.successes(), rate) - part(arm.failures(), 1.0 - rate)
    };
    let (mut low, mut high) = (f64::max(0.0, -shift / factor), f64::min(1.0, (1.0 - shift) / factor));
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        let rises = slope(control, middle) + factor * slope(treatment, factor * middle + shift) > 0.0;
        if rises { low = middle } else { high = middle }
    }
    let variance = |arm: Proportion, rate: f64| rate * (1.0 - rate) / arm.units() as f64;
    let of_both = variance(treatment, factor * low + shift) + factor * factor * variance(control, low);
    (treatment.rate() - factor * control.rate() - shift).powi(2) / of_both
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

    /// An interval leaves out 0 exactly where its p-value is below alpha, that of the lift, too. Swapping treatment and control changes only
    /// the sign.
    #[test]
    fn one_question_has_one_answer(a in proportion(), b in proportion(), alpha in level()) {
        let (Some(a), Some(b)) = (a, b) else { return Ok(()) };
        let forth = compare_proportions(a, b, alpha).expect("a level");
        let is_different = forth.p_value < alpha;
        prop_assert_eq!(forth.difference.excludes_zero(), is_different, "{:?}", forth);
        prop_assert!(forth.lift.is_none_or(|it| it.excludes_zero() == is_different), "{:?}", forth);
        prop_assert_eq!(forth.lift.is_some(), a.successes() > 0);
        let back = compare_proportions(b, a, alpha).expect("a level");
        prop_assert!((forth.p_value - back.p_value).abs() <= 1e-9, "{forth:?} {back:?}");
        prop_assert!((forth.difference.lower + back.difference.upper).abs() <= 1e-12);
        if let (Some(forth), Some(back)) = (forth.lift, back.lift) {
            let again = (1.0 + forth.upper) * (1.0 + back.lower);
            // Close to a loss of everything, a lift has no digits left to compare.
            prop_assert!((again - 1.0).abs() <= 1e-9 || back.lower.min(forth.upper) < -0.999, "{forth:?} {back:?}");
        }
    }

    /// The statistic at either end is the quantile, and inside it is smaller: the test of any margin and the interval agree.
    #[test]
    fn ends_are_where_the_score_test_changes_its_mind(a in moderate(), b in moderate(), alpha in level(), part in prop_oneof![0.01..1.0, Just(1.0)]) {
        let found = compare_proportions(a, b, alpha).expect("a level");
        let units = (a.units() + b.units()) as f64;
        let quantile = std::f64::consts::SQRT_2 * erfc_inv(alpha);
        let bound = quantile * quantile * units / (units - 1.0);
        let is_exact = matches!(found.test, StatisticalTest::FisherExact);
        for (estimate, is_lift) in [(Some(found.difference), false), (found.lift, true)] {
            let Some(Estimate { value, lower, upper }) = estimate else { continue };
            let statistic = |at: f64| if is_lift { statistic(a, b, 1.0 + at, 0.0) } else { statistic(a, b, 1.0, at) };
            for end in [lower, upper] {
                // The greatest and the least difference there are end an interval as well, and so does 0 where Fisher's test decides.
                let is_extreme = if is_lift { end <= -1.0 } else { end.abs() >= 1.0 };
                if is_extreme || is_exact && end == 0.0 {
                    continue;
                }
                // Sides on which nine digits lie: rates close to 1 have no more.
                let out = 1e-9 * (1.0 + end.abs()) * (end - value).signum();
                let inside = if (end - value).abs() < 2.0 * out.abs() { value } else { value + part * (end - out - value) };
                let (inside, outside) = (statistic(inside), statistic(end + out));
                prop_assert!(inside.is_nan() || inside <= bound * (1.0 + 1e-4), "{inside} {bound} at {end} of {a:?} {b:?} {found:?}");
                prop_assert!(outside >= bound * (1.0 - 1e-4), "{outside} {bound} at {end} of {a:?} {b:?} {found:?}");
            }
        }
    }

    /// One more success of the treatment makes neither end smaller.
    #[test]
    fn ends_grow_with_the_successes(a in moderate(), b in moderate(), alpha in level()) {
        let Some(more) = Proportion::new(b.successes() + 1, b.units()) else { return Ok(()) };
        let (few, many) = (compare_proportions(a, b, alpha).expect("a level"), compare_proportions(a, more, alpha).expect("a level"));
        // Fisher's test is of another kind: where it takes part, an interval may be extended to 0.
        let is_score = |it: &Comparison| it.test == StatisticalTest::Score;
        if !is_score(&few) || !is_score(&many) {
            return Ok(());
        }
        for (few, many) in [(Some(few.difference), Some(many.difference)), (few.lift, many.lift)] {
            if let (Some(few), Some(many)) = (few, many) {
                prop_assert!(few.lower <= many.lower + 1e-12 && few.upper <= many.upper + 1e-12, "{few:?} {many:?}");
            }
        }
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
