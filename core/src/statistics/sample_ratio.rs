//! Sample-ratio mismatch: do the units follow their allocations? Where they do not, assignment, exposure or
//! counting is broken, and no result can be trusted.

use super::chi_square::{ChiSquare, LEAST_EXPECTED, goodness_of_fit};
use super::normal::{as_float, is_share};
use serde::Serialize;
use statrs::function::gamma::ln_gamma;

/// The thresholds at which a deviation from the allocations is a mismatch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleRatioPlan {
    /// The chance of a false alarm, over all looks with [`RatioTest::Anytime`].
    pub alpha: f64,
    /// Deviations below this share of the expected one are reported and are no alarm: 0.005 is 0.5 %. By default there is none: a loss
    /// of 1 % in one variant may be of the users that matter.
    pub floor: f64,
    /// The test that decides.
    pub test: RatioTest,
}

impl Default for SampleRatioPlan {
    fn default() -> Self {
        Self { alpha: 0.01, floor: 0.0, test: RatioTest::Anytime }
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

/// The result of a sample ratio mismatch (SRM) test.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct SampleRatio {
    /// The verdict of the test.
    pub verdict: RatioVerdict,
    /// The p-value that holds at every look together: the least of all looks that are known, 0 to 1.
    pub anytime_p_value: f64,
    /// The test for one look; `null` with fewer than 5 expected in a variant.
    pub chi_square: Option<ChiSquare>,
    /// The greatest deviation of a variant from its share, without its sign; `null` if one has units and no
    /// share.
    pub greatest_deviation: Option<f64>,
    /// The number of units below which the deciding test could not have raised an alarm.
    pub least_units: u64,
    /// The variants, in the order given.
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

/// The verdict of a sample ratio test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RatioVerdict {
    /// The counts are consistent with the allocations.
    Fits,
    /// The units are too few to test: no split of them would raise an alarm.
    TooFew,
    /// The counts deviate significantly from the allocations, but by less than the floor.
    BelowFloor,
    /// The counts deviate significantly from the allocations.
    Mismatch,
}

/// Tests whether units follow their shares, which need not sum to 1. `None` where there is nothing to test: no units,
/// a single share above 0 and no unit elsewhere, lists of two lengths, or an `alpha` that is not between 0 and 1.
///
/// Units where the share is 0 are a mismatch from the first one on.
#[must_use]
pub fn sample_ratio(observed: &[u64], shares: &[f64], plan: SampleRatioPlan) -> Option<SampleRatio> {
    sample_ratio_over(&[observed.to_vec()], shares, plan)
}

/// The same of units that grew over several looks, the newest last. A mismatch that an earlier look showed stays one: the least
/// p-value of all looks is as valid as each, and the units that came since only hide the fault.
#[must_use]
pub fn sample_ratio_over(looks: &[Vec<u64>], shares: &[f64], plan: SampleRatioPlan) -> Option<SampleRatio> {
    sample_ratio_of_phases(&[RatioPhase { shares: shares.to_vec(), looks: looks.to_vec() }], plan)
}

/// A time in which the shares were the same.
#[derive(Debug, Clone, PartialEq)]
pub struct RatioPhase {
    /// The shares, which need not sum to 1.
    pub shares: Vec<f64>,
    /// The units of this phase alone at each look, the newest last.
    pub looks: Vec<Vec<u64>>,
}

/// The same of phases, of which each had its own shares. Given the units of the phases before, the evidence of a phase is a martingale that
/// begins at 1, so that of all phases together is their product.
#[must_use]
pub fn sample_ratio_of_phases(phases: &[RatioPhase], plan: SampleRatioPlan) -> Option<SampleRatio> {
    let phases: Vec<TestedPhase> = phases.iter().filter_map(TestedPhase::new).collect();
    let (last, variants) = (phases.last()?, phases.iter().map(|it| it.shares.len()).max()?);
    if !is_share(plan.alpha) || phases.iter().any(|it| it.shares.len() != variants) {
        return None;
    }
    let is_leak = phases.iter().any(TestedPhase::is_leak);
    if !is_leak && phases.iter().all(|it| it.shares.iter().filter(|share| **share > 0.0).count() < 2) {
        return None;
    }
    let (mut before, mut greatest_evidence) = (0.0, 0.0_f64);
    for phase in phases.iter().filter(|_| !is_leak) {
        let looks = phase.looks.iter().map(|look| before + evidence(look, &phase.shares));
        greatest_evidence = looks.fold(greatest_evidence, f64::max);
        before += phase.looks.last().map_or(0.0, |look| evidence(look, &phase.shares));
    }
    let anytime_p_value = if is_leak { 0.0 } else { (-greatest_evidence).exp() };
    let total: f64 = phases.iter().map(|it| it.total).sum();
    let variants: Vec<RatioVariant> = (0..variants)
        .map(|at| {
            let units = phases.iter().filter_map(|it| it.looks.last()?.get(at)).sum();
            // What the shares of each phase say of its units.
            let expected = |it: &TestedPhase| it.shares.get(at).map(|share| share * it.total);
            RatioVariant::new(units, total, phases.iter().filter_map(expected).sum::<f64>() / total)
        })
        .collect();
    let chi_square = match (&phases[..], last.looks.last()) {
        ([phase], Some(observed)) => goodness_of_fit(observed, &phase.shares),
        _ => None,
    };
    let greatest = variants.iter().filter_map(|it| it.deviation).map(f64::abs).fold(0.0, f64::max);
    let least_units = least_units(&last.shares, plan);
    let p_value = match plan.test {
        RatioTest::Anytime => Some(anytime_p_value),
        RatioTest::ChiSquare => chi_square.map(|it| it.p_value),
    };
    let verdict = match p_value {
        _ if is_leak => RatioVerdict::Mismatch,
        Some(p_value) if total >= as_float(least_units) => {
            if p_value >= plan.alpha {
                RatioVerdict::Fits
            } else if greatest >= plan.floor {
                RatioVerdict::Mismatch
            } else {
                RatioVerdict::BelowFloor
            }
        }
        _ => RatioVerdict::TooFew,
    };
    let greatest_deviation = (!is_leak).then_some(greatest);
    Some(SampleRatio { verdict, anytime_p_value, chi_square, greatest_deviation, least_units, variants })
}

/// A phase that has units, with shares that sum to 1.
struct TestedPhase {
    shares: Vec<f64>,
    looks: Vec<Vec<u64>>,
    /// The units at the last look.
    total: f64,
}

impl TestedPhase {
    fn new(phase: &RatioPhase) -> Option<Self> {
        let RatioPhase { shares, looks } = phase;
        let whole: f64 = shares.iter().sum();
        let is_valid = shares.iter().all(|share| share.is_finite() && *share >= 0.0) && whole.is_finite();
        let observed = looks.last().filter(|it| it.len() == shares.len())?;
        let total: f64 = observed.iter().copied().map(as_float).sum();
        let looks = looks.iter().filter(|look| look.len() == shares.len()).cloned().collect();
        (is_valid && whole > 0.0 && total > 0.0).then(|| Self {
            shares: shares.iter().map(|share| normalised(*share, whole)).collect(),
            looks,
            total,
        })
    }

    /// True if there are units where the share is 0.
    fn is_leak(&self) -> bool {
        let observed = self.looks.last().into_iter().flatten();
        observed.zip(&self.shares).any(|(units, share)| *units > 0 && *share == 0.0)
    }
}

/// A share of the whole. One so small that no number of units could show it is none.
fn normalised(share: f64, whole: f64) -> f64 {
    let share = share / whole;
    if share < 1e-100 { 0.0 } else { share }
}

impl RatioVariant {
    fn new(units: u64, total: f64, expected: f64) -> Self {
        let observed = as_float(units) / total;
        let deviation = (expected > 0.0).then(|| observed / expected - 1.0).filter(|it| it.is_finite());
        Self { units, expected, observed, deviation }
    }
}

/// The prior distribution of the shares if assignment is wrong: a mixture of Dirichlet distributions around
/// the allocations, each with its concentration, in units of evidence, and its weight. The least concentrated
/// one detects a dead variant, the most concentrated one a leak of a percent; a single one cannot detect
/// both.
///
/// Units until the alarm at alpha 0.01, of two variants with equal shares:
///
/// | observed | these | 1,000 alone | equal weights of 2, 100, 10,000 | chi-square, looked at once |
/// |---|---|---|---|---|
/// | 100:0 | 12 | 102 | 12 | 7 |
/// | 90:10 | 19 | 129 | 21 | 11 |
/// | 70:30 | 89 | 275 | 95 | 42 |
/// | 55:45 | 1,596 | 1,638 | 1,469 | 664 |
/// | 51:49 | 36,778 | 32,796 | 37,995 | 16,588 |
///
/// Weights and concentrations are the best of a search over 1 to 4, 10 to 100 and 1,000 to 10,000, in steps of 5 %, under the
/// condition that 51:49 is seen no more than an eighth later than by 1,000 alone.
const BELIEFS: [(f64, f64); 3] = [(2.0, 0.55), (100.0, 0.1), (3_000.0, 0.35)];

/// The anytime-valid p-value of a multinomial (M. Lindon, A. Malek, "Anytime-valid inference for multinomial count data",
/// Advances in Neural Information Processing Systems 35, 2022): one over the Bayes factor of the beliefs against the
/// allocations. Each Bayes factor is a martingale that begins at 1 while the allocations hold; so is their weighted sum, and by
/// Ville's inequality it ever exceeds `1/alpha` with probability `alpha` at most. The least value over all looks is still valid;
/// one look alone is the greater and so too. Every unit counted has a share above 0.
fn anytime_p_value(observed: &[u64], shares: &[f64]) -> f64 {
    (-evidence(observed, shares)).exp().min(1.0)
}

/// The logarithm of that Bayes factor.
fn evidence(observed: &[u64], shares: &[f64]) -> f64 {
    let logs = BELIEFS
        .map(|(concentration, weight)| weight.ln() + log_bayes_factor(observed, shares, concentration));
    let most = logs.into_iter().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logs.iter().map(|log| (log - most).exp()).sum();
    most + sum.ln()
}

/// The logarithm of `∏ Γ(cs + x) / Γ(cs) · Γ(c) / Γ(c + n) / ∏ sˣ`, for counts `x` that sum to `n` and shares `s`.
///
/// With Stirling's formula written out, `ln Γ(z) = (z - ½) ln z - z + ½ ln 2π + r(z)`, all terms that grow with `n` cancel
/// but one, which is small where counts follow their shares. As a difference of factorials it would lose six digits at 10⁹ units.
fn log_bayes_factor(observed: &[u64], shares: &[f64], concentration: f64) -> f64 {
    let n: f64 = observed.iter().copied().map(as_float).sum();
    let all = concentration + n;
    let whole = 0.5 * (all / concentration).ln() - stirling_rest(all) + stirling_rest(concentration);
    let part = |(x, share): (f64, &f64)| {
        let prior = concentration * share;
        let posterior = prior + x;
        posterior * ((x - n * share) / (all * share)).ln_1p() - 0.5 * (posterior / prior).ln()
            + stirling_rest(posterior)
            - stirling_rest(prior)
    };
    let tested = observed.iter().copied().map(as_float).zip(shares).filter(|(_, share)| **share > 0.0);
    whole + tested.map(part).sum::<f64>()
}

/// Returns the rest of `ln Γ(z)` that Stirling's formula leaves out (Abramowitz and Stegun, 6.1.41).
fn stirling_rest(z: f64) -> f64 {
    if z < 10.0 {
        return ln_gamma(z) - (z - 0.5) * z.ln() + z - 0.5 * std::f64::consts::TAU.ln();
    }
    let square = z * z;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / (1680.0 * square)) / square) / square) / z
}

/// Returns the number of units below which no split raises an alarm, not even all of them in the variant with
/// the smallest share. With the chi-square test, it is the number with which 5 units are expected there.
fn least_units(shares: &[f64], plan: SampleRatioPlan) -> u64 {
    let tested: Vec<f64> = shares.iter().copied().filter(|share| *share > 0.0).collect();
    let least = tested.iter().copied().fold(1.0, f64::min);
    if plan.test == RatioTest::ChiSquare {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
        return (LEAST_EXPECTED / least).ceil() as u64;
    }
    let mut counts = vec![0; tested.len()];
    let at = tested.iter().position(|share| *share <= least).unwrap_or_default();
    // Each unit makes it at least twice as unlikely, so that this ends: with a single share, at once.
    (1..=u64::from(u16::MAX))
        .find(|units| {
            if let Some(count) = counts.get_mut(at) {
                *count = *units;
            }
            least >= 1.0 || anytime_p_value(&counts, &tested) < plan.alpha
        })
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(observed: &[u64], shares: &[f64]) -> RatioVerdict {
        sample_ratio(observed, shares, SampleRatioPlan::default()).unwrap().verdict
    }

    /// Expected values from mpmath 1.3 with 60 digits, by the formula of the paper.
    #[test]
    fn the_values_are_those_of_the_formula_up_to_a_billion_units_and_beyond() {
        for (observed, shares, p_value) in [
            (&[44_700, 45_489][..], &[0.5, 0.5][..], 0.513_091_196_504_416),
            (&[5_000, 4_800], &[0.5, 0.5], 1.0),
            (&[50_000, 48_000], &[5.0, 5.0], 3.580_305_337_608_3e-8),
            (&[60_000, 10_500, 30_000], &[0.6, 0.1, 0.3], 0.002_157_270_364_600_42),
            (&[3, 1], &[0.5, 0.5], 1.0),
            (&[100, 0], &[0.5, 0.5], 1.448_635_480_496_77e-28),
            (&[500_100_000, 499_900_000], &[0.5, 0.5], 3.125_459_719_139_91e-6),
            (&[500_010_000, 499_990_000], &[0.5, 0.5], 1.0),
            (&[1_000_004_000_000, 999_996_000_000], &[0.5, 0.5], 0.007_631_015_158_273_71),
        ] {
            let found = sample_ratio(observed, shares, SampleRatioPlan::default()).unwrap().anytime_p_value;
            assert!((found / p_value - 1.0).abs() < 1e-9, "{observed:?}: {found} is not {p_value}");
        }
    }

    /// The first number of units with an alarm, if they come in these shares.
    fn alarm_after(observed: &[f64], shares: &[f64]) -> u64 {
        let is_alarm = |units: u64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
            let mut counts: Vec<u64> =
                observed.iter().map(|share| (share * as_float(units)).round() as u64).collect();
            counts[0] += units.saturating_sub(counts.iter().sum());
            anytime_p_value(&counts, shares) < SampleRatioPlan::default().alpha
        };
        let looks = std::iter::successors(Some(1_u64), |units| Some(units + 1 + units / 1_000));
        looks.into_iter().find(|units| is_alarm(*units)).unwrap_or_default()
    }

    /// From a dead variant to a leak of a percent: what one prior alone cannot see.
    #[test]
    fn gross_faults_are_seen_at_once_and_small_ones_as_soon_as_before() {
        let half = &[0.5, 0.5][..];
        let third = &[1.0 / 3.0; 3][..];
        let tenth = &[0.1; 10][..];
        let nine = [1.0 / 9.0; 9];
        let dead_of_ten: Vec<f64> = nine.iter().copied().chain([0.0]).collect();
        for (observed, shares, most) in [
            (&[1.0, 0.0][..], half, 12),
            (&[0.9, 0.1], half, 20),
            (&[0.7, 0.3], half, 90),
            (&[0.51, 0.49], half, 37_200),
            (&[1.0, 0.0, 0.0], third, 10),
            (&[0.5, 0.5, 0.0], third, 23),
            (&dead_of_ten, tenth, 240),
            // A variant with a tenth of the units that gets none of them, or all.
            (&[1.0, 0.0], &[0.9, 0.1], 57),
            (&[0.0, 1.0], &[0.9, 0.1], 6),
            (&[1.0, 0.0], &[0.99, 0.01], 760),
            (&[0.61, 0.09, 0.3], &[0.6, 0.1, 0.3], 20_000),
        ] {
            let found = alarm_after(observed, shares);
            println!("{observed:?} of {shares:?}: {found}");
            assert!(found <= most, "{observed:?} of {shares:?} is seen after {found} units");
        }
        // The sizes that the documentation names, at exact counts.
        for observed in [[12, 0], [18, 2], [63, 27], [18_800, 18_062]] {
            assert_eq!(verdict(&observed, half), RatioVerdict::Mismatch, "{observed:?}");
        }
    }

    #[test]
    fn too_few_units_to_test_are_no_fit() {
        for (observed, shares, least) in [
            (&[6, 5][..], &[0.5, 0.5][..], 12),
            (&[11, 0], &[0.5, 0.5], 12),
            (&[1, 0, 0], &[0.8, 0.1, 0.1], 5),
        ] {
            let found = sample_ratio(observed, shares, SampleRatioPlan::default()).unwrap();
            assert_eq!((found.verdict, found.least_units), (RatioVerdict::TooFew, least), "{observed:?}");
        }
        assert_eq!(verdict(&[8, 7], &[0.5, 0.5]), RatioVerdict::Fits);
        let once = SampleRatioPlan { test: RatioTest::ChiSquare, ..SampleRatioPlan::default() };
        let found = sample_ratio(&[9, 0], &[0.5, 0.5], once).unwrap();
        assert_eq!((found.verdict, found.least_units), (RatioVerdict::TooFew, 10));
        assert_ne!(sample_ratio(&[10, 0], &[0.5, 0.5], once).unwrap().verdict, RatioVerdict::TooFew);
    }

    #[test]
    fn a_mismatch_is_told_and_one_below_the_floor_is_no_alarm() {
        assert_eq!(verdict(&[5_000, 4_800], &[0.5, 0.5]), RatioVerdict::Fits);
        assert_eq!(verdict(&[50_000, 48_000], &[0.5, 0.5]), RatioVerdict::Mismatch);
        assert_eq!(verdict(&[50_100_000, 49_900_000], &[0.5, 0.5]), RatioVerdict::Mismatch);
        let above = SampleRatioPlan { floor: 0.005, ..SampleRatioPlan::default() };
        for (observed, expected) in [
            ([50_100_000, 49_900_000], RatioVerdict::BelowFloor),
            ([50_300_000, 49_700_000], RatioVerdict::Mismatch),
        ] {
            assert_eq!(sample_ratio(&observed, &[0.5, 0.5], above).unwrap().verdict, expected);
        }
        let once = SampleRatioPlan { alpha: 0.01, test: RatioTest::ChiSquare, ..SampleRatioPlan::default() };
        let gates = sample_ratio(&[44_700, 45_489], &[0.5, 0.5], once).unwrap();
        assert_eq!(gates.verdict, RatioVerdict::Mismatch, "p = 0.0086, looked at once");
        assert!((gates.greatest_deviation.unwrap() - 0.008_748_295).abs() < 1e-8);
    }

    /// A loss in the first days is not made good by the units that follow.
    #[test]
    fn a_mismatch_of_an_earlier_look_stays_one() {
        let looks = [vec![600, 400], vec![5_600, 5_400], vec![50_600, 50_400]];
        let plan = SampleRatioPlan::default();
        assert_eq!(verdict(&looks[2], &[0.5, 0.5]), RatioVerdict::Fits);
        let over = sample_ratio_over(&looks, &[0.5, 0.5], plan).unwrap();
        let first = sample_ratio(&looks[0], &[0.5, 0.5], plan).unwrap();
        assert_eq!((over.verdict, over.anytime_p_value), (RatioVerdict::Mismatch, first.anytime_p_value));
        assert_eq!(over.variants, sample_ratio(&looks[2], &[0.5, 0.5], plan).unwrap().variants);
        assert_eq!(sample_ratio_over(&[], &[0.5, 0.5], plan), None);
    }

    #[test]
    fn units_without_a_share_are_a_mismatch() {
        for (observed, shares) in [
            (&[50, 50, 1][..], &[0.5, 0.5, 0.0][..]),
            (&[100, 5], &[1.0, 0.0]),
            (&[1, 1], &[1.0, 0.0]),
            (&[0, 1], &[1.0, 0.0]),
            (&[1, 1], &[1.0, 1e-200]),
        ] {
            for test in [RatioTest::Anytime, RatioTest::ChiSquare] {
                let plan = SampleRatioPlan { test, ..SampleRatioPlan::default() };
                let leak = sample_ratio(observed, shares, plan).unwrap();
                assert_eq!((leak.verdict, leak.greatest_deviation), (RatioVerdict::Mismatch, None));
                assert!(leak.anytime_p_value <= 0.0, "{observed:?}");
            }
        }
        assert_eq!(verdict(&[50, 50, 0], &[0.5, 0.5, 0.0]), RatioVerdict::Fits);
    }

    #[test]
    fn what_cannot_be_tested_is_not() {
        let plan = SampleRatioPlan::default();
        assert_eq!(sample_ratio(&[0, 0], &[0.5, 0.5], plan), None, "no units");
        assert_eq!(sample_ratio(&[10, 0], &[1.0, 0.0], plan), None, "nothing to compare");
        assert_eq!(sample_ratio(&[10], &[1.0], plan), None, "one variant");
        assert_eq!(sample_ratio(&[10], &[0.5, 0.5], plan), None, "a variant without a count");
        assert_eq!(sample_ratio(&[10, 10], &[0.5, f64::NAN], plan), None);
        assert_eq!(sample_ratio(&[10, 10], &[0.0, 0.0], plan), None, "no share at all");
        assert_eq!(verdict(&[u64::MAX, 10], &[0.5, 0.5]), RatioVerdict::Mismatch, "any count is one");
    }
}
