//! Pearson's chi-square tests (K. Pearson, "On the criterion …", Philosophical Magazine 50, 1900).

use super::normal::as_float;
use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF};

/// The result of a chi-square test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ChiSquare {
    /// The sum of `(observed - expected)² / expected`.
    pub statistic: f64,
    /// Degrees of freedom.
    pub degrees: u32,
    /// The probability of a statistic at least as great if nothing is wrong: 0 to 1.
    pub p_value: f64,
}

impl ChiSquare {
    /// True if so small a p-value rejects that nothing is wrong.
    #[must_use]
    pub fn fails(&self, threshold: f64) -> bool {
        self.p_value < threshold
    }
}

/// The least count that is expected in a cell for the distribution to hold (Cochran's rule, 1954).
pub(super) const LEAST_EXPECTED: f64 = 5.0;
/// The statistic of counts that cannot be. JSON has no infinity.
const IMPOSSIBLE: f64 = f64::MAX;

/// Tests whether counts follow their shares, which need not sum to 1. `None` where there is nothing to test: fewer
/// than two shares above 0, or fewer than 5 expected in a cell. A count where none can be is impossible, p = 0, however few
/// there are elsewhere.
#[must_use]
pub fn goodness_of_fit(observed: &[u64], shares: &[f64]) -> Option<ChiSquare> {
    let total: f64 = observed.iter().copied().map(as_float).sum();
    let whole: f64 = shares.iter().sum();
    let cells = || observed.iter().copied().zip(shares.iter().copied());
    let degrees = u32::try_from(cells().filter(|(_, share)| *share > 0.0).count()).ok()?.checked_sub(1)?;
    if cells().any(|(count, share)| count > 0 && share <= 0.0) {
        return test(IMPOSSIBLE, degrees);
    }
    let mut statistic = 0.0;
    for (count, share) in cells().filter(|(_, share)| *share > 0.0 || share.is_nan()) {
        let expected = total * (share / whole);
        // Also where shares are so great, or no numbers, that nothing can be expected.
        if expected.is_nan() || expected < LEAST_EXPECTED {
            return None;
        }
        statistic += (as_float(count) - expected).powi(2) / expected;
    }
    (degrees > 0).then(|| test(statistic, degrees)).flatten()
}

/// Tests if the rows and columns of a table of counts are independent. Rows and columns without counts are
/// left out. `None` if there is nothing to test: fewer than two of either, or fewer than 5 expected in a
/// cell.
#[must_use]
pub fn independence(table: &[Vec<u64>]) -> Option<ChiSquare> {
    let columns = table.iter().map(Vec::len).max().unwrap_or(0);
    let row_sums: Vec<f64> = table.iter().map(|row| row.iter().copied().map(as_float).sum()).collect();
    let column_sums: Vec<f64> = (0..columns)
        .map(|at| table.iter().filter_map(|row| row.get(at).copied()).map(as_float).sum())
        .collect();
    let total: f64 = row_sums.iter().sum();
    let mut statistic = 0.0;
    for (row, row_sum) in table.iter().zip(&row_sums) {
        for (count, column_sum) in row.iter().zip(&column_sums) {
            let expected = row_sum * column_sum / total;
            if *row_sum == 0.0 || *column_sum == 0.0 {
                continue;
            }
            if expected < LEAST_EXPECTED {
                return None;
            }
            statistic += (as_float(*count) - expected).powi(2) / expected;
        }
    }
    let used = |sums: &[f64]| u32::try_from(sums.iter().filter(|sum| **sum > 0.0).count()).ok();
    let degrees = used(&row_sums)?.saturating_sub(1) * used(&column_sums)?.saturating_sub(1);
    (degrees > 0).then(|| test(statistic, degrees)).flatten()
}

fn test(statistic: f64, degrees: u32) -> Option<ChiSquare> {
    let p_value =
        if statistic < IMPOSSIBLE { ChiSquared::new(f64::from(degrees)).ok()?.sf(statistic) } else { 0.0 };
    Some(ChiSquare { statistic, degrees, p_value })
}

#[cfg(test)]
mod tests {
    use super::super::close;
    use super::*;

    /// Expected values from scipy 1.17.1: `chisquare`, `chi2_contingency(correction=False)`.
    #[test]
    fn the_values_are_those_of_scipy() {
        let die = goodness_of_fit(&[16, 18, 16, 14, 12, 12], &[1.0; 6]).unwrap();
        close(die.statistic, 2.0);
        close(die.p_value, 0.849_145_036_084_609_6);
        let gates = goodness_of_fit(&[44_700, 45_489], &[0.5, 0.5]).unwrap();
        close(gates.statistic, 6.902_404_949_605_83);
        close(gates.p_value, 0.008_607_987_810_836_262);
        let table = independence(&[vec![10, 20, 30], vec![20, 20, 20]]).unwrap();
        assert_eq!(table.degrees, 2);
        close(table.statistic, 5.333_333_333_333_334);
        close(table.p_value, 0.069_483_451_222_801_5);
    }

    #[test]
    fn what_cannot_be_tested_is_not() {
        assert_eq!(goodness_of_fit(&[3, 4], &[0.5, 0.5]), None, "too few");
        assert_eq!(goodness_of_fit(&[100], &[1.0]), None, "nothing to compare");
        assert_eq!(independence(&[vec![100, 100], vec![0, 0]]), None, "one row");
        assert_eq!(independence(&[]), None);
    }

    #[test]
    fn a_count_where_none_can_be_is_impossible() {
        let test = goodness_of_fit(&[50, 50, 1], &[0.5, 0.5, 0.0]).unwrap();
        close(test.p_value, 0.0);
        assert_eq!(goodness_of_fit(&[3, 1], &[1.0, 0.0]).unwrap().degrees, 0, "also beside a single share");
    }
}
