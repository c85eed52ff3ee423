//! Means that are ratios of sums, and how exactly they are known; here from sums over groups of units.

use super::compare::{Comparison, Estimate, Mean, welch};
use super::normal::{as_float, student_quantile};

/// The degrees of freedom of a comparison of two means over all groups of equal variances.
pub(super) const GROUP_DEGREES: f64 = 2.0 * (crate::event::GROUPS as f64 - 1.0);

/// A mean per unit or per event, and how exactly it is known, from sums over groups of units that were formed by hash.
///
/// The mean is a ratio of two sums, and its variance is that of the groups' deviations from it, by the delta method: with `K` groups of
/// `n` units or events each, `N` in all, `K/(K-1) * Σ(sum - mean * n)² / N²` (W. G. Cochran, "Sampling Techniques", 3rd edition, 1977, section 6.3; for groups
/// of a stream N. Chamandy et al., "Estimating Uncertainty for Massive Data Streams", Google 2012). All events of a unit fall
/// into one group, so that what belongs together is not taken for independent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatioMean {
    /// Over the groups, or over the units.
    pub(super) mean: Mean,
    /// In all of them.
    pub(super) units: f64,
}

impl RatioMean {
    /// The mean per unit of groups with so many units and such sums. `None` with fewer than two groups that have units, or
    /// with lists of different lengths.
    #[must_use]
    pub fn new(units: &[u64], sums: &[f64]) -> Option<Self> {
        Self::over(units, &units.iter().copied().map(as_float).collect::<Vec<_>>(), sums)
    }

    /// The ratio of sums over groups with so many units: per event, if `over` holds the number of events of each. The same conditions
    /// hold, and the denominator is not 0.
    #[must_use]
    pub fn over(units: &[u64], over: &[f64], sums: &[f64]) -> Option<Self> {
        let groups = as_float(units.iter().filter(|units| **units > 0).count() as u64);
        let units_in_all = units.iter().copied().map(as_float).sum::<f64>();
        let all = over.iter().sum::<f64>();
        if units.len() != sums.len() || over.len() != sums.len() || groups < 2.0 {
            return None;
        }
        let value = sums.iter().sum::<f64>() / all;
        let squares: f64 = over.iter().zip(sums).map(|(over, sum)| (sum - value * over).powi(2)).sum();
        let variance = groups / (groups - 1.0) * squares / (all * all);
        // Groups with few events tell little about the variance, and are not groups to count (L. Kish, "Survey Sampling", 1965).
        let effective = all * all / over.iter().map(|over| over * over).sum::<f64>();
        let mean = Mean { n: effective, value, variance };
        (value.is_finite() && variance.is_finite()).then_some(Self { mean, units: units_in_all })
    }

    /// A mean whose variance is known from so many units, however it was found.
    #[must_use]
    pub fn of_units(units: u64, value: f64, variance: f64) -> Option<Self> {
        let n = as_float(units);
        let is_known = value.is_finite() && variance.is_finite() && variance >= 0.0;
        is_known.then_some(Self { mean: Mean { n, value, variance }, units: n })
    }

    /// The mean.
    #[must_use]
    pub const fn value(&self) -> f64 {
        self.mean.value
    }

    /// The variance of the mean.
    #[must_use]
    pub const fn variance(&self) -> f64 {
        self.mean.variance
    }

    /// The number of groups, or units, of equal size that would be as informative. The variance is hardly known where most events are in a few groups,
    /// as those of a few units are.
    #[must_use]
    pub const fn effective_groups(&self) -> f64 {
        self.mean.n
    }

    /// The mean, and its interval at level `1 - alpha`. `None` if `alpha` is not between 0 and 1.
    #[must_use]
    pub fn estimate(&self, alpha: f64) -> Option<Estimate> {
        let Mean { n, value, variance } = self.mean;
        let half = student_quantile(alpha, n - 1.0)? * variance.sqrt();
        Estimate::new(value, value - half, value + half)
    }
}

/// Two means, by Welch's test over the groups; see [`super::compare_means`].
#[must_use]
pub fn compare_grouped(control: RatioMean, treatment: RatioMean, alpha: f64) -> Option<Comparison> {
    welch(control.mean, treatment.mean, alpha)
}

#[cfg(test)]
mod tests {
    use super::super::{Moments, close, compare_means};
    use super::*;

    /// With one unit in each group it is Welch's test over the units.
    #[test]
    fn groups_of_one_are_units() {
        let (a, b) = ([1.0, 4.0, 2.5, 8.0, 0.0], [3.0, 5.0, 9.0, 4.0]);
        let moments = |values: &[f64]| {
            Moments::new(values.len() as u64, values.iter().sum(), values.iter().map(|it| it * it).sum())
                .unwrap()
        };
        let grouped = |values: &[f64]| RatioMean::new(&vec![1; values.len()], values).unwrap();
        let expected = compare_means(&moments(&a), &moments(&b), 0.05).unwrap();
        let found = compare_grouped(grouped(&a), grouped(&b), 0.05).unwrap();
        close(found.p_value, expected.p_value);
        close(found.difference.lower, expected.difference.lower);
    }

    /// Units with several correlated events: under no difference, 5 % of the tests are below 0.05, and those of a test that
    /// takes events for units are not.
    #[test]
    fn false_alarms_are_as_many_as_promised() {
        let mut state = 7_u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from((state >> 33) % 1000).unwrap()
        };
        let (mut alarms, mut naive_alarms) = (0, 0);
        for _ in 0..1000 {
            let mut arm = || {
                let (mut units, mut sums) = ([0_u64; 16], [0.0; 16]);
                let (mut n, mut sum, mut squares) = (0, 0.0, 0.0);
                for unit in 0..320 {
                    let (events, value) = (1 + random() % 20, f64::from(random()) / 1000.0);
                    units[unit % 16] += 1;
                    sums[unit % 16] += value * f64::from(events);
                    n += u64::from(events);
                    sum += value * f64::from(events);
                    squares += value * value * f64::from(events);
                }
                (RatioMean::new(&units, &sums).unwrap(), Moments::new(n, sum, squares).unwrap())
            };
            let (a, b) = (arm(), arm());
            alarms += u32::from(compare_grouped(a.0, b.0, 0.05).unwrap().p_value < 0.05);
            naive_alarms += u32::from(compare_means(&a.1, &b.1, 0.05).unwrap().p_value < 0.05);
        }
        assert!((25..75).contains(&alarms), "{alarms} of 1000");
        assert!(naive_alarms > 100, "{naive_alarms} of 1000");
    }

    /// By the formula, with numpy 2.4.6.
    #[test]
    fn a_mean_per_event_is_a_ratio_of_sums() {
        let (units, events, sums) = ([10, 12, 9, 11], [20.0, 31.0, 15.0, 24.0], [40.0, 70.0, 22.0, 55.0]);
        let found = RatioMean::over(&units, &events, &sums).unwrap().mean;
        close(found.value, 187.0 / 90.0);
        close(found.variance, 0.023_709_353_248_996_586);
        assert_eq!(RatioMean::over(&units, &[0.0; 4], &[0.0; 4]), None, "no event");
    }

    #[test]
    fn what_tells_nothing_is_none() {
        assert_eq!(RatioMean::new(&[], &[]), None);
        assert_eq!(RatioMean::new(&[5, 0], &[1.0, 0.0]), None, "one group");
        assert_eq!(RatioMean::new(&[5, 5], &[1.0]), None);
        assert_eq!(RatioMean::new(&[5, 5], &[f64::NAN, 1.0]), None);
    }
}
