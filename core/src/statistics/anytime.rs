//! Two variants, compared as often as somebody looks.

use super::compare::{Comparison, Mean, StatisticalTest, difference, mean_lift, welch_degrees};
use super::grouped::RatioMean;
use super::moments::Moments;
use super::normal::{is_share, quantile, student_quantile, student_two_sided, two_sided};
use super::planned;
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
///
/// Where a size was planned, it is the continuous boundary of O'Brien and Fleming around that size instead, which asks at that size for 1.20
/// times the width of one look, and for more the further the number of units is from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anytime {
    alpha: f64,
    boundary: Boundary,
}

/// The shape of a sequence: its half width, in standard errors, after each number of units.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Boundary {
    /// A mixture, with its `ρ²`.
    Mixture { rho_squared: f64 },
    /// Constant for Brownian motion up to so many units, and what it is there; see [`super::planned`].
    Planned { units: f64, boundary: f64 },
}

/// The guarantee is one for long runs: it begins with this many units in each variant.
pub(super) const LEAST_UNITS: f64 = 100.0;
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
        (rho_squared > 0.0).then_some(Self { alpha, boundary: Boundary::Mixture { rho_squared } })
    }

    /// The boundary around a planned size: so many units, control and treatment together. `None` of 0 units, or if `alpha` is not
    /// between 0 and 1.
    #[must_use]
    pub fn planned(alpha: f64, units: u64) -> Option<Self> {
        let units = super::normal::as_float(units);
        let boundary = Boundary::Planned { units, boundary: planned::boundary(alpha)? };
        (units > 0.0).then_some(Self { alpha, boundary })
    }

    /// The same sequence at another level, which is tuned as before: a level that depends on the data (see [`super::holm`]) changes no
    /// p-value.
    #[must_use]
    pub fn at_level(self, alpha: f64) -> Self {
        let boundary = match self.boundary {
            // Without a boundary there is no interval: beyond all bounds.
            Boundary::Planned { units, .. } if alpha.to_bits() != self.alpha.to_bits() => {
                Boundary::Planned { units, boundary: planned::boundary(alpha).unwrap_or(f64::MAX) }
            }
            as_it_is => as_it_is,
        };
        Self { alpha, boundary }
    }

    /// Two means. `None` with fewer than 100 values in one of them, or where no value differs from another.
    #[must_use]
    pub fn compare_means(&self, control: &Moments, treatment: &Moments) -> Option<Comparison> {
        let (a, b) = (Mean::of(control)?, Mean::of(treatment)?);
        let z = standard_errors(a, b)?;
        (a.n.min(b.n) >= LEAST_UNITS).then_some(())?;
        comparison((a, b), self.width(a.n + b.n), self.p_value(a.n + b.n, z))
    }

    /// Two means from sums over groups of units. `None` with fewer than 100 units in one of them, or where no group differs from another.
    ///
    /// The variance is estimated from the few groups, so that the width is that of Student's t where the sequence's is that of the normal
    /// distribution: both are exceeded with the same probability.
    #[must_use]
    pub fn compare_grouped(&self, control: RatioMean, treatment: RatioMean) -> Option<Comparison> {
        let (a, b) = (control.mean, treatment.mean);
        let (t, degrees) = (standard_errors(a, b)?, welch_degrees(a, b));
        (control.units.min(treatment.units) >= LEAST_UNITS).then_some(())?;
        let units = control.units + treatment.units;
        let width = student_quantile(two_sided(self.width(units)), degrees)?;
        let p_value = student_two_sided(t, degrees)?;
        // Of a probability of 0 the distance is beyond all bounds.
        let z = quantile(p_value / 2.0).unwrap_or(if p_value < 0.5 { f64::MAX.sqrt() } else { 0.0 });
        comparison((a, b), width, self.p_value(units, z))
    }

    /// The half width of the interval after so many units, in standard errors. The logarithms of root and quotient are taken apart, so
    /// that no alpha overflows.
    pub(super) fn width(&self, units: f64) -> f64 {
        match self.boundary {
            Boundary::Mixture { rho_squared } => {
                let x = units * rho_squared;
                (2.0 * (x + 1.0) / x * (0.5 * x.ln_1p() - self.alpha.ln())).sqrt()
            }
            Boundary::Planned { units: planned, boundary } => boundary * stretch(units / planned),
        }
    }

    /// The least alpha whose interval leaves out 0, of a difference of `z` standard errors: [`Self::width`], solved for alpha.
    fn p_value(&self, units: f64, z: f64) -> f64 {
        match self.boundary {
            Boundary::Mixture { rho_squared } => {
                let x = units * rho_squared;
                (0.5 * x.ln_1p() - z * z * x / (2.0 * (x + 1.0))).exp().clamp(0.0, 1.0)
            }
            Boundary::Planned { units: planned, .. } => planned::crossing(z.abs() / stretch(units / planned)),
        }
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

/// The boundary of a planned size at a part of it, in multiples of that at the size itself.
fn stretch(part: f64) -> f64 {
    part.max(1.0 / part).sqrt()
}

fn comparison((a, b): (Mean, Mean), width: f64, p_value: f64) -> Option<Comparison> {
    let test = StatisticalTest::ConfidenceSequence;
    Some(Comparison { difference: difference(a, b, width)?, lift: mean_lift(a, b, width), p_value, test })
}

/// The difference of two means, in standard errors; `None` where no value differs from another.
fn standard_errors(a: Mean, b: Mean) -> Option<f64> {
    let variance = a.variance + b.variance;
    (variance > 0.0 && variance.is_finite()).then(|| (b.value - a.value) / variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::super::close;
    use super::*;

    /// Expected values from numpy 2.4.6 and scipy 1.17.1 (`lambertw`), by the formula as printed in the paper.
    #[test]
    fn the_values_are_those_of_the_formula() {
        let anytime = Anytime::tuned(0.05, 50_000).unwrap();
        let Boundary::Mixture { rho_squared } = anytime.boundary else { panic!("{anytime:?}") };
        close(rho_squared.sqrt(), 0.012_815_590_553_749_956);
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

    /// Groups of 10 units that differ by chance: the width is Student's with 30 degrees of freedom, and the interval and the p-value are one
    /// test.
    #[test]
    fn groups_are_compared_more_widely_than_their_units() {
        let sums = |by: f64| (0..16).map(|group| 100.0 + by + f64::from(group % 4)).collect::<Vec<_>>();
        for (by, alpha) in [(0.0, 0.05), (2.0, 0.05), (9.0, 0.05), (1_000.0, 0.05), (2.0, 0.000_01)] {
            let (a, b) = (RatioMean::new(&[10; 16], &sums(0.0)), RatioMean::new(&[10; 16], &sums(by)));
            let anytime = Anytime::tuned(alpha, 320).unwrap();
            let grouped = anytime.compare_grouped(a.unwrap(), b.unwrap()).unwrap();
            let errors = (grouped.difference.upper - grouped.difference.value)
                / (a.unwrap().mean.variance + b.unwrap().mean.variance).sqrt();
            assert!(errors > anytime.width(320.0), "{errors}");
            close(two_sided(anytime.width(320.0)), student_two_sided(errors, 30.0).unwrap());
            assert_eq!(grouped.difference.excludes_zero(), grouped.p_value < alpha, "{by}: {grouped:?}");
        }
    }

    /// The interval and the p-value are one test, before the planned size, at it and after it.
    #[test]
    fn a_planned_size_is_where_the_boundary_is_narrowest() {
        let of = |units: u64, more: u64| {
            let of = |successes| Proportion::new(successes, units).unwrap();
            Anytime::planned(0.05, 20_000)
                .unwrap()
                .compare_proportions(of(units / 10), of(units / 10 + more))
                .unwrap()
        };
        let width = |units: u64| {
            let it = of(units, 0).difference;
            (it.upper - it.lower) / 2.0 / (2.0 * 0.09 / super::super::normal::as_float(units)).sqrt()
        };
        assert!((width(10_000) - 2.3449).abs() < 0.0005, "{}", width(10_000));
        assert!((width(2_500) / width(10_000) - 2.0).abs() < 0.001);
        assert!((width(40_000) / width(10_000) - 2.0).abs() < 0.001);
        for (units, more) in
            [(1_000, 90), (1_000, 20), (10_000, 95), (10_000, 110), (40_000, 400), (40_000, 300)]
        {
            let found = of(units, more);
            assert_eq!(found.difference.excludes_zero(), found.p_value < 0.05, "{units} {more} {found:?}");
        }
        assert_eq!(Anytime::planned(0.05, 0), None);
    }

    #[test]
    fn it_begins_with_enough() {
        let anytime = Anytime::tuned(0.05, Anytime::TUNED_FOR).unwrap();
        let of = |successes, units| Proportion::new(successes, units).unwrap();
        assert_eq!(anytime.compare_proportions(of(50, 99), of(50, 100)), None);
        assert_eq!(anytime.compare_proportions(of(4, 100), of(50, 100)), None);
        assert!(anytime.compare_proportions(of(5, 100), of(50, 100)).is_some());
        let grouped = |units, by: f64| {
            let sums: Vec<f64> = (0..16).map(|group| by * f64::from(group % 3)).collect();
            RatioMean::new(&[units; 16], &sums).unwrap()
        };
        assert_eq!(anytime.compare_grouped(grouped(6, 1.0), grouped(7, 1.0)), None, "96 units");
        assert_eq!(anytime.compare_grouped(grouped(7, 0.0), grouped(7, 0.0)), None, "no variation");
        assert!(anytime.compare_grouped(grouped(7, 1.0), grouped(7, 0.0)).is_some(), "one that varies");
        assert_eq!(Anytime::tuned(1.0, 10), None);
        assert_eq!(Anytime::tuned(0.05, 0), None);
    }
}
