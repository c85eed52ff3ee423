//! Two variants, compared once: at the end, or at a time fixed beforehand. For looking daily see
//! [`super::Anytime`].

use super::fisher::fisher_exact;
use super::moments::Moments;
use super::normal::{as_float, quantile, student_quantile, student_two_sided, two_sided};
use super::proportion::Proportion;
use serde::Serialize;

/// The difference between a treatment and the control.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Comparison {
    /// The treatment's rate or mean less the control's.
    pub difference: Estimate,
    /// The difference as a share of the control's rate or mean: 0.05 is 5 % more. `null` where that may be 0.
    pub lift: Option<Estimate>,
    /// The probability of a difference at least as great, on either side, if there is no true difference: 0
    /// to 1.
    pub p_value: f64,
    /// The test that produced the p-value.
    pub test: StatisticalTest,
}

/// A number and the interval, at level `1 - alpha`, where it is believed to be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Estimate {
    /// The observed value.
    pub value: f64,
    /// The lower end.
    pub lower: f64,
    /// The upper end.
    pub upper: f64,
}

/// A test of two variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatisticalTest {
    /// Two proportions with one variance for both.
    PooledZ,
    /// Two proportions with few units or few successes.
    FisherExact,
    /// Two means with a variance each.
    WelchT,
    /// Two means or proportions that may be looked at at any time.
    ConfidenceSequence,
}

impl Estimate {
    /// `None` where a number is beyond all bounds.
    pub(super) fn new(value: f64, lower: f64, upper: f64) -> Option<Self> {
        let finite = value.is_finite() && lower.is_finite() && upper.is_finite();
        finite.then_some(Self { value, lower, upper })
    }

    /// Returns true if the whole interval lies on one side of 0.
    #[must_use]
    pub fn excludes_zero(&self) -> bool {
        self.lower > 0.0 || self.upper < 0.0
    }
}

/// The least count that is expected in a cell for the normal distribution to hold (W. G. Cochran, "Some
/// methods for strengthening the common χ² tests", Biometrics 10, 1954).
pub(super) const LEAST_EXPECTED: f64 = 5.0;

/// Two proportions. `None` if `alpha` is not between 0 and 1.
///
/// The interval of the difference is Newcombe's hybrid score (R. G. Newcombe, "Interval estimation for the
/// difference between independent proportions", Statistics in Medicine 17, 1998, method 10): two Wilson
/// intervals, squared and added. The p-value is that of the pooled z-test, with fewer than 5 expected in a cell
/// Fisher's. Interval and test are each the best of their kind and not inversions of one another: close to
/// `alpha` one may exclude 0 and the other not.
#[must_use]
pub fn compare_proportions(control: Proportion, treatment: Proportion, alpha: f64) -> Option<Comparison> {
    let z = quantile(alpha / 2.0).filter(|_| alpha < 1.0)?;
    let (p, q) = (control.rate(), treatment.rate());
    let (around_p, around_q) = (control.score_interval(z), treatment.score_interval(z));
    let difference = Estimate::new(
        q - p,
        q - p - (q - around_q.lower).hypot(around_p.upper - p),
        q - p + (around_q.upper - q).hypot(p - around_p.lower),
    )?;
    let (p_value, test) = test_proportions(control, treatment);
    Some(Comparison { difference, lift: rate_lift(control, treatment, z), p_value, test })
}

fn test_proportions(control: Proportion, treatment: Proportion) -> (f64, StatisticalTest) {
    let (m, n) = (as_float(control.units()), as_float(treatment.units()));
    let successes = as_float(control.successes()) + as_float(treatment.successes());
    let failures = as_float(control.failures()) + as_float(treatment.failures());
    if m.min(n) * successes.min(failures) / (m + n) < LEAST_EXPECTED {
        return (fisher_exact(control, treatment), StatisticalTest::FisherExact);
    }
    let pooled = (successes / (m + n)) * (failures / (m + n));
    let z = (treatment.rate() - control.rate()) / (pooled * (1.0 / m + 1.0 / n)).sqrt();
    (two_sided(z), StatisticalTest::PooledZ)
}

/// The ratio of two proportions less 1, with the interval of its logarithm (D. Katz, J. Baptista, S. P. Azen,
/// M. C. Pike, "Obtaining confidence intervals for the risk ratio in cohort studies", Biometrics 34, 1978,
/// method C). `None` where a logarithm has no variance: without any success.
fn rate_lift(control: Proportion, treatment: Proportion, z: f64) -> Option<Estimate> {
    let part = |it: Proportion| as_float(it.failures()) / as_float(it.units()) / as_float(it.successes());
    if control.successes() == 0 || treatment.successes() == 0 {
        return None;
    }
    let ratio = treatment.rate() / control.rate();
    let factor = (z * (part(control) + part(treatment)).sqrt()).exp();
    Estimate::new(ratio - 1.0, ratio / factor - 1.0, ratio * factor - 1.0)
}

/// Two means: Welch's test and its interval (B. L. Welch, "The generalization of 'Student's' problem when
/// several different population variances are involved", Biometrika 34, 1947), degrees of freedom by F. E.
/// Satterthwaite ("An approximate distribution of estimates of variance components", Biometrics Bulletin 2,
/// 1946, equation 17).
///
/// `None` with fewer than two values in one of them, where no value differs from another, or if `alpha` is not
/// between 0 and 1.
#[must_use]
pub fn compare_means(control: &Moments, treatment: &Moments, alpha: f64) -> Option<Comparison> {
    welch(Mean::of(control)?, Mean::of(treatment)?, alpha)
}

/// Welch's test of two means that are known so exactly.
pub(super) fn welch(a: Mean, b: Mean, alpha: f64) -> Option<Comparison> {
    let variance = a.variance + b.variance;
    quantile(alpha / 2.0).filter(|_| alpha < 1.0 && variance > 0.0 && variance.is_finite())?;
    let degrees = welch_degrees(a, b);
    let t = student_quantile(alpha, degrees)?;
    Some(Comparison {
        difference: difference(a, b, t)?,
        lift: mean_lift(a, b, t),
        p_value: student_two_sided((b.value - a.value) / variance.sqrt(), degrees)?,
        test: StatisticalTest::WelchT,
    })
}

/// The degrees of freedom of the difference of two means, of which one has a variance (Satterthwaite, equation 17).
pub(super) fn welch_degrees(a: Mean, b: Mean) -> f64 {
    let part = a.variance / (a.variance + b.variance);
    1.0 / (part.powi(2) / (a.n - 1.0) + (1.0 - part).powi(2) / (b.n - 1.0))
}

/// A mean and how exactly it is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mean {
    /// The number of values, or of groups of values, from which the variance is computed.
    pub(super) n: f64,
    pub(super) value: f64,
    /// The variance of the mean, not of the values.
    pub(super) variance: f64,
}

impl Mean {
    pub(super) fn of(moments: &Moments) -> Option<Self> {
        let n = as_float(moments.n());
        Some(Self { n, value: moments.mean()?, variance: moments.variance()? / n })
    }
}

/// The difference of two means, and `width` standard errors to either side.
pub(super) fn difference(control: Mean, treatment: Mean, width: f64) -> Option<Estimate> {
    let value = treatment.value - control.value;
    let half = width * (control.variance + treatment.variance).sqrt();
    Estimate::new(value, value - half, value + half)
}

/// The ratio of two means less 1: every ratio `r` for which `treatment - r * control` is within `width`
/// standard errors of 0 (E. C. Fieller, "Some problems in interval estimation", Journal of the Royal
/// Statistical Society B 16, 1954). `None` where that is not an interval, because the control's mean may be
/// 0, and where it is below 0.
pub(super) fn mean_lift(control: Mean, treatment: Mean, width: f64) -> Option<Estimate> {
    let unsure = (width / control.value).powi(2) * control.variance;
    if control.value <= 0.0 || unsure.is_nan() || unsure >= 1.0 {
        return None;
    }
    let ratio = treatment.value / control.value;
    let spread = (ratio * ratio * control.variance + (1.0 - unsure) * treatment.variance).sqrt();
    let half = width / control.value * spread;
    Estimate::new(ratio - 1.0, (ratio - half) / (1.0 - unsure) - 1.0, (ratio + half) / (1.0 - unsure) - 1.0)
}

#[cfg(test)]
mod tests {
    use super::super::close;
    use super::*;

    fn of((successes, units): (u64, u64)) -> Proportion {
        Proportion::new(successes, units).unwrap()
    }

    fn is(estimate: Estimate, lower: f64, upper: f64) {
        close(estimate.lower, lower);
        close(estimate.upper, upper);
    }

    /// The first three are those of Newcombe's Table II (method 10: 0.0524 to 0.3339, 0.1705 to 0.8090,
    /// 0.6075 to 1.0000), the others the retention of Cookie Cats; digits from statsmodels 0.15.0
    /// (`confint_proportions_2indep`, `newcomb` and `log`; `proportions_ztest`).
    #[test]
    fn proportions_are_compared_as_published() {
        for (control, treatment, lower, upper) in [
            ((48, 80), (56, 70), 0.052_431_472_402_364_98, 0.333_872_654_036_906_14),
            ((3, 10), (9, 10), 0.170_522_723_934_502_9, 0.809_017_973_535_488),
            ((0, 10), (10, 10), 0.607_509_350_430_524_1, 1.0),
            ((20_034, 44_700), (20_119, 45_489), -0.012_391_904_992_707_325, 0.000_582_095_069_752_226),
            ((8_502, 44_700), (8_279, 45_489), -0.013_281_940_871_914_845, -0.003_121_302_688_761_28),
        ] {
            is(compare_proportions(of(control), of(treatment), 0.05).unwrap().difference, lower, upper);
        }
        let retention = compare_proportions(of((8_502, 44_700)), of((8_279, 45_489)), 0.05).unwrap();
        assert_eq!(retention.test, StatisticalTest::PooledZ);
        close(retention.p_value, 0.001_554_249_975_614_329);
        is(retention.lift.unwrap(), -0.068_891_150_431_617_86, -0.016_633_574_257_273_742);
        let small = compare_proportions(of((48, 80)), of((56, 70)), 0.05).unwrap();
        close(small.p_value, 0.008_045_081_368_196_56);
        is(small.lift.unwrap(), 0.076_626_422_763_192_76, 0.651_248_511_266_387_3);
    }

    #[test]
    fn few_units_are_tested_exactly() {
        let few = compare_proportions(of((0, 1_000)), of((3, 1_000)), 0.05).unwrap();
        assert_eq!(few.test, StatisticalTest::FisherExact);
        close(few.p_value, 0.249_624_812_406_203_07);
        assert_eq!(few.lift, None);
    }

    /// `sum_gamerounds` of Cookie Cats, from sums alone. Expected values from scipy 1.17.1 (`ttest_ind` over
    /// all values, `equal_var=False`); the lift by root finding on Fieller's definition (`optimize.brentq`).
    #[test]
    fn means_are_compared_as_scipy_does() {
        let gate_30 = Moments::new(44_700, 2_344_795.0, 3_068_811_771.0).unwrap();
        let gate_40 = Moments::new(45_489, 2_333_530.0, 605_052_202.0).unwrap();
        let rounds = compare_means(&gate_30, &gate_40, 0.05).unwrap();
        close(rounds.p_value, 0.375_924_384_093_261_73);
        is(rounds.difference, -3.719_705_116_494_645_7, 1.404_728_208_588_147_6);
        is(rounds.lift.unwrap(), -0.068_056_870_464_269_45, 0.027_959_472_919_477_646);
    }

    #[test]
    fn few_values_use_students_t() {
        let a = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4];
        let b = [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5, 24.2];
        let few = compare_means(&a.into_iter().collect(), &b.into_iter().collect(), 0.05).unwrap();
        close(few.p_value, 0.008_303_425_483_320_234);
        is(few.difference, 0.786_578_803_917_559_2, 4.853_421_196_082_442);
        is(few.lift.unwrap(), 0.035_897_787_200_191_1, 0.246_588_314_204_720_05);
    }

    #[test]
    fn what_cannot_be_compared_is_not() {
        let of = |values: &[f64]| values.iter().copied().collect::<Moments>();
        assert_eq!(compare_means(&of(&[1.0]), &of(&[1.0, 2.0]), 0.05), None, "one value");
        assert_eq!(compare_means(&of(&[1.0, 1.0]), &of(&[2.0, 2.0]), 0.05), None, "no variation");
        assert_eq!(compare_means(&of(&[1.0, 2.0]), &of(&[1.0, 3.0]), 1.0), None, "no level");
        let near_zero = compare_means(&of(&[-1.0, 2.0]), &of(&[1.0, 3.0]), 0.05).unwrap();
        assert_eq!(near_zero.lift, None, "a share of what may be 0");
    }
}
