//! The boundary of an experiment that is planned for a number of units, and may be looked at at any time before and after.
//!
//! In units of the planned size, the standardised difference is Brownian motion `B(t)` at `t`. The boundary of P. C. O'Brien and T. R.
//! Fleming ("A multiple testing procedure for clinical trials", Biometrics 35, 1979), in its continuous form, is a constant: `|B(t)| ≥ c`
//! for `t ≤ 1`. It spends little early, and at the planned size asks for hardly more than one look does. Here it goes on after that as
//! `|B(t)| ≥ c t`, because experiments are looked at after their planned end, too; that is the same boundary, seen from the other end of time
//! (`t B(1/t)` is Brownian motion again). In standard errors both are `c √max(t, 1/t)`.

use super::normal::{above, density, quantile};

/// The steps of the integration, by Simpson's rule: six digits are right.
const STEPS: u32 = 400;

/// The chance that a difference of 0 ever crosses the boundary: 0 to 1.
///
/// Before the planned size the path that ends at `b` stays inside with probability `r(b) = Σₖ (-1)ᵏ exp(2kc(b - kc))`, over all integers `k`
/// (reflection; for example P. Billingsley, "Convergence of Probability Measures", 2nd edition, 1999, section 11). After it, the same
/// holds by inversion of time, independently of it. So the chance is `1 - ∫ φ(b) r(b)² db` over the inside.
pub(super) fn crossing(boundary: f64) -> f64 {
    if boundary <= 0.0 || boundary.is_nan() {
        return 1.0;
    }
    // `1 - r(b)`, so that no digit is lost where it is small.
    let outside = |b: f64| {
        let term = |k: f64| (2.0 * k * boundary * (b - k * boundary)).exp();
        let both = |k: u32| term(f64::from(k)) + term(-f64::from(k));
        let signed = |k: u32| if k % 2 == 1 { both(k) } else { -both(k) };
        (1..=20).map(signed).take_while(|it| it.abs() > 1e-18).sum::<f64>().clamp(0.0, 1.0)
    };
    let crossed = |b: f64| {
        let outside = outside(b);
        density(b) * outside * (2.0 - outside)
    };
    let step = 2.0 * boundary / f64::from(STEPS);
    let weight = |at: u32| match at {
        0 | STEPS => 1.0,
        odd if odd % 2 == 1 => 4.0,
        _ => 2.0,
    };
    let inside: f64 =
        (0..=STEPS).map(|at| weight(at) * crossed(-boundary + step * f64::from(at))).sum::<f64>() * step
            / 3.0;
    (2.0 * above(boundary) + inside).clamp(0.0, 1.0)
}

/// The boundary that a difference of 0 ever crosses with probability `alpha`; `None` if that is not between 0 and 1.
pub(super) fn boundary(alpha: f64) -> Option<f64> {
    // At most six times the chance to be outside at the planned size, and at least twice that.
    let (mut low, mut high) = (quantile(alpha / 2.0).filter(|_| alpha < 1.0)?, quantile(alpha / 6.0)?);
    // The logarithm of the chance is nearly a parabola, which regula falsi follows in a few steps (with the Illinois rule, so that no end
    // stays behind). A report asks for a boundary for each metric of each day.
    let excess = |boundary: f64| crossing(boundary).max(f64::MIN_POSITIVE).ln() - alpha.ln();
    let (mut above, mut below) = (excess(low), excess(high));
    let mut side = 0;
    for _ in 0..40 {
        if above <= 0.0 || below >= 0.0 || high - low < 1e-12 {
            break;
        }
        let next = (low * below - high * above) / (below - above);
        let found = excess(next);
        if found.abs() < 1e-13 {
            return Some(next);
        }
        if found > 0.0 {
            (low, above) = (next, found);
            below *= if side > 0 { 0.5 } else { 1.0 };
            side = 1;
        } else {
            (high, below) = (next, found);
            above *= if side < 0 { 0.5 } else { 1.0 };
            side = -1;
        }
    }
    Some(if below >= 0.0 { high } else { low })
}

/// The chance that a difference of `drift` standard errors at the planned size has crossed the boundary by then, on its own side
/// (reflection again; for example D. Siegmund, "Sequential Analysis", 1985, equation 3.13).
pub(super) fn power(boundary: f64, drift: f64) -> f64 {
    let reflected = above(boundary + drift).ln() + 2.0 * boundary * drift;
    (above(boundary - drift) + reflected.exp()).min(1.0)
}

/// The drift that [`power`] is wanted for; `power` is between 0 and 1.
pub(super) fn drift(boundary: f64, wanted: f64) -> f64 {
    let (mut low, mut high) = (0.0, boundary + 40.0);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if power(boundary, middle) < wanted { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::super::close;
    use super::*;

    /// Expected values from numpy and scipy (`scipy.integrate.quad` over the same series, `brentq`).
    #[test]
    fn boundaries_are_those_of_the_integral() {
        for (alpha, expected) in [
            (0.2, 1.769_566_269_070_899),
            (0.05, 2.344_743_196_111_869),
            (0.01, 2.895_054_727_346_684),
            (0.001, 3.555_078_814_153_596),
        ] {
            assert!((boundary(alpha).unwrap() - expected).abs() < 1e-6, "{alpha}");
            assert!((crossing(expected) / alpha - 1.0).abs() < 1e-5, "{alpha}");
        }
        assert_eq!(boundary(0.0), None);
        assert_eq!(boundary(1.0), None);
        close(crossing(0.0), 1.0);
    }

    #[test]
    fn a_drift_is_what_its_power_needs() {
        let boundary = boundary(0.05).unwrap();
        for wanted in [0.5, 0.8, 0.9, 0.99] {
            close(power(boundary, drift(boundary, wanted)), wanted);
        }
        assert!(power(boundary, 60.0) <= 1.0);
    }
}
