//! The sums that a mean and its variance are made of.

use super::normal::as_float;
use super::proportion::Proportion;

/// The number of values, their sum and the sum of their squares. These can be added up over rows and shards
/// without keeping a value.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moments {
    n: u64,
    sum: f64,
    sum_squares: f64,
}

/// Sums of numbers are exact to about sixteen digits; of a variance below this part of the mean square nothing
/// is left but rounding.
const ROUNDING: f64 = 1e-13;

impl Moments {
    /// The sums of `n` values. `None` where no values have such sums: infinite ones, negative squares, a sum
    /// whose square is above `n` times the sum of squares (Cauchy and Schwarz).
    #[must_use]
    pub fn new(n: u64, sum: f64, sum_squares: f64) -> Option<Self> {
        // Roots, so that nothing overflows.
        let possible = sum.abs() <= (as_float(n).sqrt() * sum_squares.sqrt()) * (1.0 + 1e-9);
        (sum.is_finite() && sum_squares.is_finite() && sum_squares >= 0.0 && possible).then_some(Self {
            n,
            sum,
            sum_squares,
        })
    }

    /// Counts units without a value as zeroes: a metric *per exposed unit*. `None` if there are fewer units
    /// than values.
    #[must_use]
    pub fn over_units(self, units: u64) -> Option<Self> {
        (units >= self.n).then_some(Self { n: units, ..self })
    }

    /// Both together. `None` if that is more than can be counted.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        let n = self.n.checked_add(other.n)?;
        Self::new(n, self.sum + other.sum, self.sum_squares + other.sum_squares)
    }

    /// Returns the number of values.
    #[must_use]
    pub const fn n(&self) -> u64 {
        self.n
    }

    /// Their mean; `None` of no values.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.n > 0).then(|| self.sum / as_float(self.n))
    }

    /// Their variance, by `n - 1`. `None` of fewer than two values.
    #[must_use]
    pub fn variance(&self) -> Option<f64> {
        let (n, mean) = (as_float(self.n), self.mean()?);
        let mean_square = self.sum_squares / n;
        let around = mean_square - mean * mean;
        let kept = if around > ROUNDING * mean_square { around } else { 0.0 };
        (self.n > 1).then(|| kept * (n / (n - 1.0))).filter(|it| it.is_finite())
    }
}

/// A success is a 1, everything else a 0.
impl From<Proportion> for Moments {
    fn from(proportion: Proportion) -> Self {
        let ones = as_float(proportion.successes());
        Self { n: proportion.units(), sum: ones, sum_squares: ones }
    }
}

impl FromIterator<f64> for Moments {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        values.into_iter().fold(Self::default(), |all, value| Self {
            n: all.n + 1,
            sum: all.sum + value,
            sum_squares: all.sum_squares + value * value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::close;
    use super::*;

    #[test]
    fn sums_tell_mean_and_variance() {
        let moments: Moments = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].into_iter().collect();
        close(moments.mean().unwrap(), 5.0);
        close(moments.variance().unwrap(), 32.0 / 7.0);
        let doubled = moments.plus(moments).unwrap();
        close(doubled.variance().unwrap(), 64.0 / 15.0);
        let per_unit = moments.over_units(10).unwrap();
        close(per_unit.mean().unwrap(), 4.0);
        close(per_unit.variance().unwrap(), 8.0);
        assert_eq!(moments.over_units(7), None);
    }

    #[test]
    fn equal_values_have_no_variance_however_great_they_are() {
        let moments: Moments = std::iter::repeat_n(1e9 + 0.1, 1000).collect();
        close(moments.variance().unwrap(), 0.0);
    }

    #[test]
    fn impossible_sums_are_refused() {
        assert_eq!(Moments::new(0, 1.0, 1.0), None);
        assert_eq!(Moments::new(2, 3.0, 4.0), None, "two values with the sum 3 have squares of 4.5 or more");
        assert_eq!(Moments::new(2, f64::NAN, 4.0), None);
        assert_eq!(Moments::new(2, 0.0, -1.0), None);
        assert_eq!(Moments::default().mean(), None);
        assert_eq!(Moments::new(1, 1.0, 1.0).unwrap().variance(), None);
    }
}
