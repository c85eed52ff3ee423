//! Several hypotheses at once: the level at which each is to be tested, so that few are rejected falsely among all.
//!
//! A level is given instead of a corrected p-value, so that the interval at that level and the decision say the same: it leaves out 0
//! exactly where the hypothesis is rejected.

/// The level of each hypothesis by S. Holm's procedure ("A simple sequentially rejective multiple test procedure", Scandinavian Journal of
/// Statistics 6, 1979): the chance that any true hypothesis is rejected is `alpha` at most, however they depend on each other.
///
/// Of `m` p-values, the `i`-th in order is rejected below `alpha / (m - i + 1)` if all before it are. Those that are not rejected get the
/// level of the first of them.
#[must_use]
pub fn holm(p_values: &[f64], alpha: f64) -> Vec<f64> {
    let left = |rank: usize| alpha / as_share(p_values.len() - rank);
    let order = ranked(p_values);
    let is_rejected = |(rank, at): &(usize, &usize)| p_values.get(**at).is_some_and(|p| *p < left(*rank));
    let rejected = order.iter().enumerate().take_while(is_rejected).count();
    levels(&order, |rank| left(rank.min(rejected)))
}

/// The level of each hypothesis by the procedure of Y. Benjamini and Y. Hochberg ("Controlling the false discovery rate", Journal of the
/// Royal Statistical Society B 57, 1995): the false discovery rate is `alpha` at most, at one look, if the p-values are independent or depend
/// on each other positively.
///
/// The `k` least p-values are rejected, for the greatest `k` of which the `k`-th is below `alpha k / m`. They get this level, and the others
/// that of one more.
#[must_use]
pub fn benjamini_hochberg(p_values: &[f64], alpha: f64) -> Vec<f64> {
    let level = |rejected: usize| alpha * as_share(rejected) / as_share(p_values.len());
    let order = ranked(p_values);
    let is_below = |(rank, at): &(usize, &usize)| p_values.get(**at).is_some_and(|p| *p < level(rank + 1));
    let rejected = order.iter().enumerate().rfind(is_below).map_or(0, |(rank, _)| rank + 1);
    levels(&order, |rank| level(if rank < rejected { rejected } else { rejected + 1 }))
}

/// The numbers of the p-values, from the least one.
fn ranked(p_values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order
        .sort_by(|a, b| p_values.get(*a).partial_cmp(&p_values.get(*b)).unwrap_or(std::cmp::Ordering::Equal));
    order
}

fn levels(order: &[usize], level: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut levels = vec![0.0; order.len()];
    for (rank, at) in order.iter().enumerate() {
        if let Some(slot) = levels.get_mut(*at) {
            *slot = level(rank);
        }
    }
    levels
}

fn as_share(count: usize) -> f64 {
    super::normal::as_float(count as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rejected(p_values: &[f64], levels: &[f64]) -> Vec<bool> {
        p_values.iter().zip(levels).map(|(p, level)| p < level).collect()
    }

    /// Expected values from statsmodels 0.15.0 (`multipletests`, `holm` and `fdr_bh`).
    #[test]
    fn as_many_are_rejected_as_statsmodels_rejects() {
        for (p_values, by_holm, by_rate) in [
            (&[0.01, 0.04, 0.03, 0.005][..], &[true, false, false, true][..], &[true, true, true, true][..]),
            (&[0.012, 0.013, 0.9], &[true, true, false], &[true, true, false]),
            (&[0.02, 0.001, 0.026], &[true, true, true], &[true, true, true]),
            (&[0.04], &[true], &[true]),
            (&[0.06, 0.04], &[false, false], &[false, false]),
            (&[1.0, 0.049, 1.0, 1.0], &[false; 4], &[false; 4]),
            (&[], &[], &[]),
        ] {
            assert_eq!(rejected(p_values, &holm(p_values, 0.05)), by_holm, "{p_values:?}");
            assert_eq!(rejected(p_values, &benjamini_hochberg(p_values, 0.05)), by_rate, "{p_values:?}");
        }
    }

    proptest! {
        /// Whoever compares each p-value with its level gets what the procedures, step by step, reject.
        #[test]
        fn the_levels_reject_what_the_procedures_reject(
            p_values in prop::collection::vec((0.0..0.2_f64).prop_map(|p| p * p), 1..9),
        ) {
            let mut sorted = p_values.clone();
            sorted.sort_by(f64::total_cmp);
            let m = p_values.len();
            let by_holm = (0..m).take_while(|i| sorted[*i] < 0.05 / as_share(m - i)).count();
            let by_rate = (1..=m).rev().find(|k| sorted[k - 1] < 0.05 * as_share(*k) / as_share(m)).unwrap_or(0);
            let count = |levels: Vec<f64>| rejected(&p_values, &levels).into_iter().filter(|it| *it).count();
            prop_assert_eq!(count(holm(&p_values, 0.05)), by_holm);
            prop_assert_eq!(count(benjamini_hochberg(&p_values, 0.05)), by_rate);
        }
    }
}
