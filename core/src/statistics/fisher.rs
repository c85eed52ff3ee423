//! Fisher's exact test, for counts too small for a normal distribution.

use super::normal::as_float;
use super::proportion::Proportion;

/// Tables as likely as the observed one count as such up to rounding; R and scipy take the same.
const AS_LIKELY: f64 = 1.0 + 1e-7;

/// The two-sided p-value: how likely a table is that is no likelier than the observed one, all totals being
/// as they are (R. A. Fisher, "The logic of inductive inference", Journal of the Royal Statistical Society
/// 98, 1935).
///
/// The weights start at the table whose smallest cell is empty and are ratios, never factorials, so that a
/// count of any size works; they end where nothing is left. That is after some hundred tables, because this
/// is only asked where fewer than [`super::chi_square::LEAST_EXPECTED`] are expected in that cell.
pub(super) fn fisher_exact(a: Proportion, b: Proportion) -> f64 {
    // The cell where the smaller row and the smaller column meet.
    let (row, other_row) = if a.units() <= b.units() { (a, b) } else { (b, a) };
    let hits = u128::from(row.successes()) + u128::from(other_row.successes());
    let misses = u128::from(row.failures()) + u128::from(other_row.failures());
    let observed = if hits <= misses { row.successes() } else { row.failures() };
    let column = hits.min(misses);
    let most = u128::from(row.units()).min(column);
    let (wide, high) = (as_float(row.units()), wide_float(column));
    let rest = as_float(other_row.units()) - high;

    let mut weights = vec![1.0];
    let (mut weight, mut cell) = (1.0, 0.0);
    while weight > f64::MIN_POSITIVE && weights.len() as u128 <= most {
        weight *= (wide - cell) * (high - cell) / ((cell + 1.0) * (rest + cell + 1.0));
        cell += 1.0;
        weights.push(weight);
    }
    let seen = usize::try_from(observed).ok().and_then(|it| weights.get(it)).copied().unwrap_or(0.0);
    let all: f64 = weights.iter().sum();
    let no_likelier: f64 = weights.iter().filter(|it| **it <= seen * AS_LIKELY).sum();
    (no_likelier / all).clamp(0.0, 1.0)
}

#[expect(clippy::cast_precision_loss, reason = "a relative error of 1e-16")]
fn wide_float(count: u128) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::super::close;
    use super::*;

    /// Expected values from scipy 1.17.1: `fisher_exact`. `1/4, 3/4` is the lady who tastes tea.
    #[test]
    fn the_values_are_those_of_scipy() {
        for (a, b, p_value) in [
            ((1, 10), (4, 10), 0.303_405_572_755_417_96),
            ((0, 1_000), (3, 1_000), 0.249_624_812_406_203_07),
            ((2, 100_000), (7, 100_000), 0.179_677_656_129_341_94),
            ((0, 10), (0, 20), 1.0),
            ((10, 10), (9, 12), 0.220_779_220_779_220_7),
            ((3, 5), (900, 1_000), 0.083_209_562_480_540_1),
            ((1, 4), (3, 4), 0.485_714_285_714_285_7),
            ((1, 9), (11, 14), 0.002_759_456_185_220_082_7),
        ] {
            let of = |(successes, units)| Proportion::new(successes, units).unwrap();
            close(fisher_exact(of(a), of(b)), p_value);
            close(fisher_exact(of(b), of(a)), p_value);
        }
    }
}
