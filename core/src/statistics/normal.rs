//! The normal distribution, and Student's.

use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::erf::{erfc, erfc_inv};
use std::f64::consts::SQRT_2;

/// Counts above 2^53 lose their last digits, which no share or mean shows.
#[expect(clippy::cast_precision_loss, reason = "a relative error of 1e-16")]
pub(super) fn as_float(count: u64) -> f64 {
    count as f64
}

/// Returns true if a number is above 0 and below 1, so that it can be a test's probability.
pub(super) fn is_share(number: f64) -> bool {
    number > 0.0 && number < 1.0
}

/// Returns the density of a standard normal variable at `z`.
pub(super) fn density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// Returns the probability that a standard normal variable is above `z`.
pub(super) fn above(z: f64) -> f64 {
    0.5 * erfc(z / SQRT_2)
}

/// The `z` above which a standard normal is with probability `tail`. `None` if that is not above 0 and below 1.
pub(super) fn quantile(tail: f64) -> Option<f64> {
    is_share(tail).then(|| SQRT_2 * erfc_inv(2.0 * tail)).filter(|z| z.is_finite())
}

/// Returns the probability that a standard normal variable is further from 0 than `z`, on either side.
pub(super) fn two_sided(z: f64) -> f64 {
    (2.0 * above(z.abs())).min(1.0)
}

/// The degrees of freedom from which Student's distribution equals the normal one to six digits.
const NORMAL_FROM: f64 = 1e6;

/// Returns the probability that Student's t with these degrees of freedom is further from 0 than `t`.
pub(super) fn student_two_sided(t: f64, degrees: f64) -> Option<f64> {
    if degrees >= NORMAL_FROM {
        return Some(two_sided(t));
    }
    Some((2.0 * StudentsT::new(0.0, 1.0, degrees).ok()?.sf(t.abs())).clamp(0.0, 1.0))
}

/// The `t` that Student's t of these degrees of freedom is further from 0 than with probability `alpha`. By
/// halving, because the library's own search panics for small probabilities, and has five digits left at a
/// million degrees.
pub(super) fn student_quantile(alpha: f64, degrees: f64) -> Option<f64> {
    if degrees >= NORMAL_FROM {
        return quantile(alpha / 2.0);
    }
    let (mut low, mut high) = (0.0, 1.0);
    while student_two_sided(high, degrees)? > alpha {
        (low, high) = (high, high * 2.0);
    }
    for _ in 0..f64::MANTISSA_DIGITS {
        let middle = f64::midpoint(low, high);
        if student_two_sided(middle, degrees)? > alpha { low = middle } else { high = middle }
    }
    Some(high).filter(|it| it.is_finite())
}

#[cfg(test)]
mod tests {
    use super::super::close;
    use super::*;

    /// Expected values from scipy 1.17.1: `norm.isf`, `norm.sf`, `t.isf`, `t.sf`.
    #[test]
    fn the_values_are_those_of_scipy() {
        close(quantile(0.025).unwrap(), 1.959_963_984_540_054_5);
        close(quantile(5e-10).unwrap(), 6.109_410_204_869_397_5);
        assert!((two_sided(9.3) / 1.404_456_848_088_308_2e-20 - 1.0).abs() < 1e-9);
        close(student_quantile(0.05, 3.7).unwrap(), 2.867_520_707_191_190_3);
        close(student_two_sided(4.2, 9.1).unwrap(), 0.002_250_973_738_781_742);
    }

    /// Expected values from scipy 1.17.1, on both sides of every change of method.
    #[test]
    fn many_degrees_of_freedom_lose_no_digits() {
        for (alpha, degrees, t) in [
            (0.05, 999.9, 1.962_339_318_642_608_8),
            (0.05, 5e4, 1.960_011_431_093_680_3),
            (0.05, 999_999.0, 1.959_966_356_816_479_6),
            (2e-6, 999.9, 4.781_611_453_729_849),
        ] {
            close(student_quantile(alpha, degrees).unwrap(), t);
        }
        assert!((student_quantile(0.05, 1e6).unwrap() / 1.959_966_356_814_107_2 - 1.0).abs() < 2e-6);
        assert!((student_two_sided(5.0, 999_999.0).unwrap() / 5.733_997_871_857_254e-7 - 1.0).abs() < 1e-6);
        assert!((student_two_sided(5.0, 1e6).unwrap() / 5.733_997_871_857_254e-7 - 1.0).abs() < 1e-3);
    }

    #[test]
    fn what_is_no_probability_has_no_quantile() {
        for tail in [0.0, 1.0, -0.1, f64::NAN, f64::INFINITY] {
            assert_eq!(quantile(tail), None);
        }
    }
}
