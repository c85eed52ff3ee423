//! Two means, compared once: at the end, or at a time fixed beforehand. For proportions see [`super::compare_proportions`], for looking daily
//! [`super::Anytime`].

use super::moments::Moments;
use super::normal::{as_float, quantile, student_quantile, student_two_sided};
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
    /// The score test of two proportions.
    Score,
    /// The score test and Fisher's exact test, for two proportions with few units or few successes: the greater p-value.
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

    fn is(estimate: Estimate, lower: f64, upper: f64) {
        close(estimate.lower, lower);
        close(estimate.upper, upper);
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
