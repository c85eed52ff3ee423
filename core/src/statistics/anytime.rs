//! Two variants, compared as often as somebody looks.

use super::compare::{Comparison, Mean, StatisticalTest, difference, mean_lift};
use super::moments::Moments;
use super::normal::is_share;
use super::proportion::Proportion;

/// A comparison that holds at every look together: the chance that its interval *ever* misses the true
/// difference is `alpha`, however often somebody looks and whenever they stop.
///
/// It is the asymptotic confidence sequence of I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A.
/// Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics 52,
/// 2024, Theorem 2.2: of the mean of `t` values with deviation `σ`
///
/// ```text
/// mean ± σ √( 2 (tρ² + 1) / (t²ρ²) · ln( √(tρ² + 1) / α ) )
/// ```
///
/// The difference of two variants is such a mean over the units of both, whose `σ²/t` is the variance of the
/// difference. Fixed intervals are narrower and hold for one look only: this one has 1.55 times their width
/// at the size that it is tuned for, and 1.07 times that at ten times as many units, 1.26 times at a tenth of
/// them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anytime {
    alpha: f64,
    /// `ρ²`.
    rho_squared: f64,
}

/// The guarantee is one for long runs: it begins with this many units in each variant.
const LEAST_UNITS: f64 = 100.0;
/// Proportions are far from normal with fewer successes, or failures, than this.
const LEAST_SUCCESSES: u64 = 5;

impl Anytime {
    /// Units for which to tune where nothing better is known; the least loss is from a thousand units to a
    /// million.
    pub const TUNED_FOR: u64 = 10_000;

    /// A sequence whose intervals are narrowest at so many units, control and treatment together. That number
    /// is chosen *before* the first look and kept: to choose it by the data would break the promise. `None`
    /// of 0 units, or if `alpha` is not between 0 and 1.
    ///
    /// `ρ` is the paper's best for a size (appendix on tuning): `tρ² = -W₋₁(-α²/e) - 1`, here by iterating
    /// `y = 1 + ln(y/α²)`, whose solution is `y = tρ² + 1`.
    #[must_use]
    pub fn tuned(alpha: f64, units: u64) -> Option<Self> {
        if !is_share(alpha) || units == 0 {
            return None;
        }
        let log = -2.0 * alpha.ln();
        let y = (0..100).fold(1.0 + log, |y: f64, _| 1.0 + log + y.ln());
        let rho_squared = (y - 1.0) / super::normal::as_float(units);
        (rho_squared > 0.0).then_some(Self { alpha, rho_squared })
    }

    /// Two means. `None` with fewer than 100 values in one of them, or where no value differs from another.
    #[must_use]
    pub fn compare_means(&self, control: &Moments, treatment: &Moments) -> Option<Comparison> {
        let (a, b) = (Mean::of(control)?, Mean::of(treatment)?);
        let variance = a.variance + b.variance;
        if a.n.min(b.n) < LEAST_UNITS || variance <= 0.0 || !variance.is_finite() {
            return None;
        }
        let x = (a.n + b.n) * self.rho_squared;
        // In standard errors; `ln` of the root and of the quotient apart, so that no alpha overflows.
        let width = (2.0 * (x + 1.0) / x * (0.5 * x.ln_1p() - self.alpha.ln())).sqrt();
        let z = (b.value - a.value) / variance.sqrt();
        Some(Comparison {
            difference: difference(a, b, width)?,
            lift: mean_lift(a, b, width),
            // The least alpha whose interval leaves out 0: the formula above, solved for it.
            p_value: (0.5 * x.ln_1p() - z * z * x / (2.0 * (x + 1.0))).exp().clamp(0.0, 1.0),
            test: StatisticalTest::ConfidenceSequence,
        })
    }

    /// Two proportions. `None` with fewer than 100 units or 5 successes or failures in one of them.
    #[must_use]
    pub fn compare_proportions(&self, control: Proportion, treatment: Proportion) -> Option<Comparison> {
        let enough = |it: Proportion| it.successes().min(it.failures()) >= LEAST_SUCCESSES;
        if !enough(control) || !enough(treatment) {
            return None;
        }
        self.compare_means(&control.into(), &treatment.into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::close;
    use super::*;

    /// Expected values from numpy 2.4.6 and scipy 1.17.1 (`lambertw`), by the formula as printed in the paper.
    #[test]
    fn the_values_are_those_of_the_formula() {
        let anytime = Anytime::tuned(0.05, 50_000).unwrap();
        close(anytime.rho_squared.sqrt(), 0.012_815_590_553_749_956);
        let of = |successes, units| Proportion::new(successes, units).unwrap();
        let retention = anytime.compare_proportions(of(8_502, 44_700), of(8_279, 45_489)).unwrap();
        close(retention.difference.value, -0.008_201_298_315_205_913);
        close(retention.difference.lower, -0.016_124_277_951_023_905);
        close(retention.difference.upper, -0.000_278_318_679_387_918_8);
        close(retention.p_value, 0.036_567_976_891_673_56);
        let gate_30 = Moments::new(44_700, 2_344_795.0, 3_068_811_771.0).unwrap();
        let gate_40 = Moments::new(45_489, 2_333_530.0, 605_052_202.0).unwrap();
        let rounds = Anytime::tuned(0.05, 90_189).unwrap().compare_means(&gate_30, &gate_40).unwrap();
        close(rounds.difference.lower, -5.125_153_494_958_029);
        close(rounds.difference.upper, 2.810_176_587_051_532);
        close(rounds.p_value, 1.0);
    }

    #[test]
    fn another_size_to_tune_for_would_be_wider() {
        let gate_30 = Moments::new(44_700, 2_344_795.0, 3_068_811_771.0).unwrap();
        let gate_40 = Moments::new(45_489, 2_333_530.0, 605_052_202.0).unwrap();
        let width = |units| {
            let it =
                Anytime::tuned(0.05, units).unwrap().compare_means(&gate_30, &gate_40).unwrap().difference;
            it.upper - it.lower
        };
        let best = width(90_189);
        assert!(width(100_000) > best && width(80_000) > best);
        assert!((width(9_019) / best - 1.07).abs() < 0.005, "ten times as many units as tuned for");
        assert!((width(901_890) / best - 1.26).abs() < 0.005, "a tenth");
    }

    #[test]
    fn it_begins_with_enough() {
        let anytime = Anytime::tuned(0.05, Anytime::TUNED_FOR).unwrap();
        let of = |successes, units| Proportion::new(successes, units).unwrap();
        assert_eq!(anytime.compare_proportions(of(50, 99), of(50, 100)), None);
        assert_eq!(anytime.compare_proportions(of(4, 100), of(50, 100)), None);
        assert!(anytime.compare_proportions(of(5, 100), of(50, 100)).is_some());
        assert_eq!(Anytime::tuned(1.0, 10), None);
        assert_eq!(Anytime::tuned(0.05, 0), None);
    }
}
