//! Sample-ratio mismatch: do the units follow their allocations? Where they do not, assignment, exposure or
//! counting is broken, and no result can be trusted.

use super::chi_square::{ChiSquare, goodness_of_fit};
use super::normal::{as_float, is_share};
use serde::Serialize;
use statrs::function::gamma::ln_gamma;

/// What counts as a mismatch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleRatioPlan {
    /// The chance of a false alarm, over all looks with [`RatioTest::Anytime`].
    pub alpha: f64,
    /// Deviations below this share of the expected one are told and are no alarm: 0.005 is 0.5 %.
    pub floor: f64,
    /// Which test decides.
    pub test: RatioTest,
}

impl Default for SampleRatioPlan {
    fn default() -> Self {
        Self { alpha: 0.001, floor: 0.005, test: RatioTest::Anytime }
    }
}

/// A test of the ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RatioTest {
    /// May be looked at as often as anybody likes.
    #[default]
    Anytime,
    /// Looked at once, at a time fixed beforehand; sees somewhat more.
    ChiSquare,
}

/// Whether units follow their allocations.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct SampleRatio {
    /// What it comes to.
    pub verdict: RatioVerdict,
    /// The p-value that holds at every look together: 0 to 1.
    pub anytime_p_value: f64,
    /// The test for one look; `null` with fewer than 5 expected in a variant.
    pub chi_square: Option<ChiSquare>,
    /// The greatest deviation of a variant from its share, without its sign; `null` if one has units and no
    /// share.
    pub greatest_deviation: Option<f64>,
    /// In the order given.
    pub variants: Vec<RatioVariant>,
}

/// One variant's part.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct RatioVariant {
    /// Its units.
    pub units: u64,
    /// The share that it should have, from 0 to 1.
    pub expected: f64,
    /// The share that it has.
    pub observed: f64,
    /// The one over the other, less 1; `null` without an expected share.
    pub deviation: Option<f64>,
}

/// What a test of the ratio comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RatioVerdict {
    /// Nothing speaks against the allocations.
    Fits,
    /// They are not followed, by less than the floor: real, and too little to matter.
    BelowFloor,
    /// They are not followed.
    Mismatch,
}

/// Do units follow their shares, which need not sum to 1? `None` where there is nothing to test: no units,
/// fewer than two shares above 0, a list longer than the other, more than 10^12 units, an `alpha` that is not
/// between 0 and 1, or too few units for the chi-square test where that decides.
#[must_use]
pub fn sample_ratio(observed: &[u64], shares: &[f64], plan: SampleRatioPlan) -> Option<SampleRatio> {
    let total: f64 = observed.iter().copied().map(as_float).sum();
    let whole: f64 = shares.iter().sum();
    let valid = shares.iter().all(|share| share.is_finite() && *share >= 0.0) && whole.is_finite();
    let tested = shares.iter().filter(|share| **share > 0.0).count() > 1;
    if !(valid && tested && observed.len() == shares.len() && is_share(plan.alpha)) || total <= 0.0 {
        return None;
    }
    let shares: Vec<f64> = shares.iter().map(|share| share / whole).collect();
    let anytime_p_value = anytime_p_value(observed, &shares)?;
    let chi_square = goodness_of_fit(observed, &shares);
    let variants: Vec<RatioVariant> =
        observed.iter().zip(&shares).map(|(units, share)| RatioVariant::new(*units, total, *share)).collect();
    let stray = variants.iter().any(|it| it.deviation.is_none() && it.units > 0);
    let greatest = variants.iter().filter_map(|it| it.deviation).map(f64::abs).fold(0.0, f64::max);
    let p_value = match plan.test {
        RatioTest::Anytime => anytime_p_value,
        RatioTest::ChiSquare => chi_square?.p_value,
    };
    let verdict = if p_value >= plan.alpha {
        RatioVerdict::Fits
    } else if stray || greatest >= plan.floor {
        RatioVerdict::Mismatch
    } else {
        RatioVerdict::BelowFloor
    };
    let greatest_deviation = (!stray).then_some(greatest);
    Some(SampleRatio { verdict, anytime_p_value, chi_square, greatest_deviation, variants })
}

impl RatioVariant {
    fn new(units: u64, total: f64, expected: f64) -> Self {
        let observed = as_float(units) / total;
        let deviation = (expected > 0.0).then(|| observed / expected - 1.0).filter(|it| it.is_finite());
        Self { units, expected, observed, deviation }
    }
}

/// How concentrated the shares are believed to be around the allocations if something is wrong, in units of
/// evidence. Deviations that matter are small. Of 1, 100, 1,000, 10,000 and 100,000 (per two variants, alpha
/// 0.001) this one sees 51:49 after 45,100 units (62,300, 50,600, 45,100, 47,300, 82,200) and 55:45 after
/// 2,200 (2,100, 1,800, 2,200, 4,600, 12,700); the chi-square test, looked at once, after 27,200 and 1,100.
const CONCENTRATION: f64 = 1_000.0;

/// Above this, logarithms of factorials lose the digits that are compared.
const MOST_UNITS: f64 = 1e12;

/// The anytime-valid p-value of a multinomial (M. Lindon, A. Malek, "Anytime-valid inference for multinomial
/// count data", Advances in Neural Information Processing Systems 35, 2022): one over the Bayes factor of a
/// Dirichlet distribution around the allocations against the allocations themselves. Its least value over all
/// looks is still valid; one look alone is the greater and so too.
fn anytime_p_value(observed: &[u64], shares: &[f64]) -> Option<f64> {
    let total: f64 = observed.iter().copied().map(as_float).sum();
    if total > MOST_UNITS {
        return None;
    }
    let mut log_factor = ln_gamma(CONCENTRATION) - ln_gamma(CONCENTRATION + total);
    for (units, share) in observed.iter().copied().map(as_float).zip(shares) {
        if *share > 0.0 {
            let prior = CONCENTRATION * share;
            log_factor += ln_gamma(prior + units) - ln_gamma(prior) - units * share.ln();
        } else if units > 0.0 {
            return Some(0.0);
        }
    }
    log_factor.is_finite().then(|| (-log_factor).exp().min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(observed: &[u64], shares: &[f64]) -> RatioVerdict {
        sample_ratio(observed, shares, SampleRatioPlan::default()).unwrap().verdict
    }

    /// Expected values from scipy 1.17.1 (`gammaln`), by the formula of the paper.
    #[test]
    fn the_values_are_those_of_the_formula() {
        for (observed, shares, p_value) in [
            (&[44_700, 45_489][..], &[0.5, 0.5][..], 0.314_515_661_787_954_26),
            (&[5_000, 4_800], &[0.5, 0.5], 0.515_751_974_025_300_7),
            (&[50_000, 48_000], &[5.0, 5.0], 1.673_453_519_132_562e-8),
            (&[60_000, 10_500, 30_000], &[0.6, 0.1, 0.3], 0.001_830_133_454_121_560_5),
            (&[3, 1], &[0.5, 0.5], 1.0),
        ] {
            let found = sample_ratio(observed, shares, SampleRatioPlan::default()).unwrap().anytime_p_value;
            assert!((found / p_value - 1.0).abs() < 1e-6, "{observed:?}: {found} is not {p_value}");
        }
    }

    #[test]
    fn a_mismatch_is_told_and_one_below_the_floor_is_no_alarm() {
        assert_eq!(verdict(&[5_000, 4_800], &[0.5, 0.5]), RatioVerdict::Fits);
        assert_eq!(verdict(&[50_000, 48_000], &[0.5, 0.5]), RatioVerdict::Mismatch);
        assert_eq!(verdict(&[50_100_000, 49_900_000], &[0.5, 0.5]), RatioVerdict::BelowFloor);
        assert_eq!(verdict(&[50_300_000, 49_700_000], &[0.5, 0.5]), RatioVerdict::Mismatch);
        let once = SampleRatioPlan { alpha: 0.01, test: RatioTest::ChiSquare, ..SampleRatioPlan::default() };
        let gates = sample_ratio(&[44_700, 45_489], &[0.5, 0.5], once).unwrap();
        assert_eq!(gates.verdict, RatioVerdict::Mismatch, "p = 0.0086, looked at once");
        assert!((gates.greatest_deviation.unwrap() - 0.008_748_295).abs() < 1e-8);
    }

    #[test]
    fn units_without_a_share_are_a_mismatch() {
        let stray = sample_ratio(&[50, 50, 1], &[0.5, 0.5, 0.0], SampleRatioPlan::default()).unwrap();
        assert_eq!((stray.verdict, stray.greatest_deviation), (RatioVerdict::Mismatch, None));
        assert_eq!(verdict(&[50, 50, 0], &[0.5, 0.5, 0.0]), RatioVerdict::Fits);
    }

    #[test]
    fn what_cannot_be_tested_is_not() {
        let plan = SampleRatioPlan::default();
        assert_eq!(sample_ratio(&[0, 0], &[0.5, 0.5], plan), None, "no units");
        assert_eq!(sample_ratio(&[10, 0], &[1.0, 0.0], plan), None, "nothing to compare");
        assert_eq!(sample_ratio(&[10], &[0.5, 0.5], plan), None, "a variant without a count");
        assert_eq!(sample_ratio(&[10, 10], &[0.5, f64::NAN], plan), None);
        assert_eq!(sample_ratio(&[u64::MAX, 10], &[0.5, 0.5], plan), None);
    }
}
