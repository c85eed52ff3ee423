//! Two proportions, compared once: the score test of O. Miettinen and M. Nurminen ("Comparative analysis of two rates", Statistics in
//! Medicine 4, 1985), and the intervals of the difference and of the ratio that are its inversions.
//!
//! The statistic of a difference `δ` is, with `N` units in both variants,
//!
//! ```text
//! z² = (d - δ)² / ( (p₀(1 - p₀)/n₀ + p₁(1 - p₁)/n₁) · N/(N - 1) )
//! ```
//!
//! where `d` is observed, and `p₀` and `p₁` are the likeliest rates among those that differ by `δ`. The interval holds each `δ` whose `z²` is
//! below the quantile, so that it leaves out 0 exactly where the p-value of `δ = 0` is below alpha, and a margin exactly where the test of
//! that margin rejects it. At `δ = 0` this is Pearson's chi-square times `(N - 1)/N`. That factor makes the variance unbiased; Miettinen and
//! Nurminen have it, and I. Campbell ("Chi-squared and Fisher-Irwin tests of two-by-two tables with small sample recommendations", Statistics
//! in Medicine 26, 2007) recommends the test with it.
//!
//! The paper finds `p₀` and `p₁` by a cubic, of which little is left to rounding where rates are small. Here they come from the Lagrange
//! multiplier `λ` of the condition, with which they solve a quadratic each:
//!
//! ```text
//! x₀/p₀ - (n₀ - x₀)/(1 - p₀) = λ        x₁/p₁ - (n₁ - x₁)/(1 - p₁) = -λ
//! ```
//!
//! Of these follows `δ - d = λ (v₀ + v₁)` for the variances `v` of both, so that `z² N/(N - 1) = λ (δ - d)`. It grows with `λ`, as both of its factors
//! do: there is one end to each side, and halving finds it.

use super::chi_square::LEAST_EXPECTED;
use super::compare::{Comparison, Estimate, StatisticalTest};
use super::fisher::fisher_exact;
use super::normal::{as_float, quantile, two_sided};
use super::proportion::Proportion;

/// Two proportions. `None` if `alpha` is not between 0 and 1.
///
/// The intervals of the difference and of the lift leave out 0 exactly where the p-value is below `alpha`. With fewer than 5 expected in a
/// cell that takes both tests, the score test and Fisher's exact one: the p-value is the greater one, and an interval that leaves out 0 by the
/// score test alone is extended to it.
#[must_use]
pub fn compare_proportions(control: Proportion, treatment: Proportion, alpha: f64) -> Option<Comparison> {
    let z = quantile(alpha / 2.0).filter(|_| alpha < 1.0)?;
    let value = treatment.rate() - control.rate();
    let bound = z * z * correction(control, treatment);
    let (p_value, test) = test(control, treatment);
    let agreeing = |value: f64, lower: f64, upper: f64| {
        // Rounding does not take an end across 0 either.
        let (lower, upper) = if p_value >= alpha {
            (lower.min(0.0), upper.max(0.0))
        } else if value > 0.0 {
            (lower.max(f64::MIN_POSITIVE), upper)
        } else {
            (lower, upper.min(-f64::MIN_POSITIVE))
        };
        Estimate::new(value, lower.min(value), upper.max(value))
    };
    let difference = agreeing(
        value,
        (value - excess(treatment, control, bound)).max(-1.0),
        (value + excess(control, treatment, bound)).min(1.0),
    )?;
    let lift = (control.successes() > 0).then(|| {
        let least = if treatment.successes() > 0 { 1.0 / ratio(treatment, control, bound) } else { 0.0 };
        agreeing(treatment.rate() / control.rate() - 1.0, least - 1.0, ratio(control, treatment, bound) - 1.0)
    });
    Some(Comparison { difference, lift: lift.flatten(), p_value, test })
}

/// `N / (N - 1)`.
fn correction(a: Proportion, b: Proportion) -> f64 {
    let units = as_float(a.units()) + as_float(b.units());
    units / (units - 1.0)
}

fn test(control: Proportion, treatment: Proportion) -> (f64, StatisticalTest) {
    let (m, n) = (as_float(control.units()), as_float(treatment.units()));
    let successes = as_float(control.successes()) + as_float(treatment.successes());
    let failures = as_float(control.failures()) + as_float(treatment.failures());
    let pooled = (successes / (m + n)) * (failures / (m + n)) * correction(control, treatment);
    let z = (treatment.rate() - control.rate()) / (pooled * (1.0 / m + 1.0 / n)).sqrt();
    // Without any success, or any failure, nothing differs.
    let by_score = if z.is_nan() { 1.0 } else { two_sided(z) };
    if m.min(n) * successes.min(failures) / (m + n) < LEAST_EXPECTED {
        (by_score.max(fisher_exact(control, treatment)), StatisticalTest::FisherExact)
    } else {
        (by_score, StatisticalTest::Score)
    }
}

/// How far above the observed one the difference may be: `λ (v₀ + v₁)` where `λ² (v₀ + v₁)` is the bound.
fn excess(control: Proportion, treatment: Proportion, bound: f64) -> f64 {
    let variance = |force: f64| {
        pulled(control.successes(), control.failures(), force)
            + pulled(treatment.failures(), treatment.successes(), force)
    };
    let force = last(|force| force * force * variance(force) <= bound);
    force * variance(force)
}

/// The variance of a rate that a multiplier pulls down from `some` of `some + others`. Of the two forms of each root it takes the one
/// that subtracts nothing.
fn pulled(some: u64, others: u64, force: f64) -> f64 {
    let (x, rest) = (as_float(some), as_float(others));
    let n = x + rest;
    let root = ((n - force).powi(2) + 4.0 * force * rest).sqrt();
    let rate = 2.0 * x / (n + force + root);
    let other = if force < n { 2.0 * rest / (n - force + root) } else { (force - n + root) / (2.0 * force) };
    rate * other / n
}

/// The greatest ratio of the rates, `φ`. Its statistic is `(φ x₀/n₀ - x₁/n₁)² / ((v₁ + φ² v₀) N/(N - 1))`, where the likeliest rates with that
/// ratio solve a quadratic.
fn ratio(control: Proportion, treatment: Proportion, bound: f64) -> f64 {
    let [x, m] = [control.successes(), control.units()].map(as_float);
    let [y, n] = [treatment.successes(), treatment.units()].map(as_float);
    last(|ratio| {
        let (from_control, from_treatment) = (ratio * (x + n), y + m);
        let both = from_control + from_treatment;
        let root = ((from_control - from_treatment).powi(2) + 4.0 * ratio * (m - x) * (n - y)).sqrt();
        let rate = (2.0 * (x + y) / (both + root)).min(1.0);
        let other = (ratio * rate).min(1.0);
        let variance = other * (1.0 - other) / n + ratio * ratio * rate * (1.0 - rate) / m;
        let excess = ratio * x / m - y / n;
        excess <= 0.0 || excess * excess <= bound * variance
    })
}

/// The greatest number for which it holds, of something that holds from 0 up to some number; 2^128 if it always does.
fn last(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..128 {
        if !holds(high) {
            break;
        }
        (low, high) = (high, 2.0 * high);
    }
    for _ in 0..64 {
        let middle = f64::midpoint(low, high);
        if holds(middle) { low = middle } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::super::close;
    use super::*;

    fn compared(control: (u64, u64), treatment: (u64, u64), alpha: f64) -> Comparison {
        let of = |(successes, units)| Proportion::new(successes, units).unwrap();
        compare_proportions(of(control), of(treatment), alpha).unwrap()
    }

    /// The eight contrasts of R. G. Newcombe, "Interval estimation for the difference between independent proportions", Statistics in Medicine
    /// 17, 1998, Table II, method 6 (Miettinen and Nurminen).
    #[test]
    fn differences_are_the_published_ones() {
        for (control, treatment, lower, upper) in [
            ((48, 80), (56, 70), 0.0528, 0.3382),
            ((3, 10), (9, 10), 0.1700, 0.8406),
            ((2, 7), (6, 7), 0.0342, 0.8534),
            ((0, 29), (5, 56), -0.0326, 0.1933),
            ((0, 20), (0, 10), -0.1658, 0.2844),
            ((0, 10), (0, 10), -0.2879, 0.2879),
            ((0, 20), (10, 10), 0.7156, 1.0),
            ((0, 10), (10, 10), 0.6636, 1.0),
        ] {
            let found = compared(control, treatment, 0.05);
            // Of the third, Fisher's exact test is not sure: its interval is extended to 0.
            let lower = if found.p_value < 0.05 { lower } else { f64::min(lower, 0.0) };
            assert!((found.difference.lower - lower).abs() < 6e-5, "{found:?}");
            assert!((found.difference.upper - upper).abs() < 6e-5, "{found:?}");
        }
    }

    /// Expected values from mpmath 1.3 with 60 digits: the likeliest rates by halving on the derivative of the likelihood, the ends by
    /// halving on the statistic. statsmodels 0.15.0 (`test_proportions_2indep`, `confint_proportions_2indep`, `score`) has the same p-values
    /// and ratios; its differences are others, because a coefficient of its cubic is not that of the paper (`e2e/statistics/check.py`).
    #[test]
    fn digits_are_those_of_exact_arithmetic() {
        for (control, treatment, p_value, difference, lift) in [
            (
                (48, 80),
                (56, 70),
                0.008_258_287_929_380_777,
                (0.052_829_713_245_844_6, 0.338_172_940_015_868_35),
                (0.079_047_119_534_426_52, 0.672_145_359_089_767_7),
            ),
            (
                (20_034, 44_700),
                (20_119, 45_489),
                0.074_411_262_258_869_03,
                (-0.012_392_180_086_137_843, 0.000_582_168_169_978_898_4),
                (-0.027_449_821_709_811_956, 0.001_308_485_467_683_323_2),
            ),
            (
                (8_502, 44_700),
                (8_279, 45_489),
                0.001_554_343_672_214_050_5,
                (-0.013_282_326_248_425_054, -0.003_121_415_802_292_432_4),
                (-0.068_891_005_109_158_1, -0.016_634_529_783_186_217),
            ),
        ] {
            let found = compared(control, treatment, 0.05);
            close(found.p_value, p_value);
            close(found.difference.lower, difference.0);
            close(found.difference.upper, difference.1);
            let found = found.lift.unwrap();
            close(found.lower, lift.0);
            close(found.upper, lift.1);
        }
    }

    #[test]
    fn few_units_are_tested_exactly_too() {
        let few = compared((0, 1_000), (3, 1_000), 0.05);
        assert_eq!(few.test, StatisticalTest::FisherExact);
        close(few.p_value, 0.249_624_812_406_203_07);
        assert_eq!(few.lift, None, "a part of what may be 0");
        // The score test alone would see a difference: p = 0.025.
        let by_chance = compared((0, 1_000), (5, 1_000), 0.05);
        close(by_chance.p_value, 0.062_187_578_516_348_8);
        assert_eq!(by_chance.difference.lower.to_bits(), 0.0_f64.to_bits());
        assert!(compared((0, 1_000), (7, 1_000), 0.05).difference.lower > 0.0);
        // No event in either variant shows that they are rare in both.
        let none = compared((0, 10_000), (0, 10_000), 0.05);
        close(none.p_value, 1.0);
        close(none.difference.upper, 0.000_384_017_564_181_698_9);
    }
}
