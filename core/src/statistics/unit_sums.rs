//! Means from sums over single units, adjusted by what the units did before.

use super::compare::Mean;
use super::grouped::RatioMean;
use super::normal::as_float;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

/// Sums over units of a numerator `x`, a denominator `y` and a covariate `c` of each: whatever a metric is, its value is `Σx / Σy`. Of a metric
/// per unit `y` is 1 for each.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[expect(missing_docs, reason = "the letters are explained above; two of them are a product")]
pub struct UnitSums {
    /// The number of units.
    pub units: u64,
    pub x: f64,
    pub y: f64,
    pub c: f64,
    pub xx: f64,
    pub yy: f64,
    pub cc: f64,
    pub xy: f64,
    pub xc: f64,
    pub yc: f64,
}

impl Add for UnitSums {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            units: self.units + other.units,
            x: self.x + other.x,
            y: self.y + other.y,
            c: self.c + other.c,
            xx: self.xx + other.xx,
            yy: self.yy + other.yy,
            cc: self.cc + other.cc,
            xy: self.xy + other.xy,
            xc: self.xc + other.xc,
            yc: self.yc + other.yc,
        }
    }
}

impl AddAssign for UnitSums {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for UnitSums {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

/// Sums of products are exact to about sixteen digits; of a variance below this part of the mean square nothing is left but rounding.
const ROUNDING: f64 = 1e-13;

impl UnitSums {
    /// The covariance of two of the columns, by `n - 1`, from their sums and that of their product.
    fn covariance(&self, product: f64, a: f64, b: f64) -> f64 {
        let n = as_float(self.units);
        let around = product / n - (a / n) * (b / n);
        let kept = if around.abs() > ROUNDING * (product / n).abs() { around } else { 0.0 };
        kept * (n / (n - 1.0))
    }

    /// The ratio of the sums, and the variance of a unit's part in it. By the delta method a unit's part is `(x - r y) / mean(y)`, and the
    /// ratio varies as their mean does (W. G. Cochran, "Sampling Techniques", 3rd edition, 1977, section 6.3). `None` with fewer than
    /// two units, or a denominator of 0.
    fn ratio(&self) -> Option<(f64, f64)> {
        let ratio = self.x / self.y;
        let mean_y = self.y / as_float(self.units);
        let variance = self.covariance(self.xx, self.x, self.x)
            - 2.0 * ratio * self.covariance(self.xy, self.x, self.y)
            + ratio * ratio * self.covariance(self.yy, self.y, self.y);
        let variance = variance.max(0.0) / (mean_y * mean_y);
        (self.units > 1 && ratio.is_finite() && variance.is_finite()).then_some((ratio, variance))
    }

    /// The covariance of a unit's part in the ratio with its covariate.
    fn with_covariate(&self, ratio: f64) -> f64 {
        let mean_y = self.y / as_float(self.units);
        (self.covariance(self.xc, self.x, self.c) - ratio * self.covariance(self.yc, self.y, self.c)) / mean_y
    }

    fn covariate_variance(&self) -> f64 {
        self.covariance(self.cc, self.c, self.c)
    }

    fn covariate_mean(&self) -> f64 {
        self.c / as_float(self.units)
    }

    /// The mean of the covariate, which the treatment cannot have changed.
    #[must_use]
    pub fn covariate(&self) -> Option<RatioMean> {
        let n = as_float(self.units);
        let mean = Mean { n, value: self.covariate_mean(), variance: self.covariate_variance() / n };
        (self.units > 1).then_some(RatioMean { mean, units: n })
    }
}

/// The means of the variants of a metric, from the sums of their units in each stratum.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitMeans {
    /// In the order of the variants; `None` where too little is known.
    pub means: Vec<Option<RatioMean>>,
    /// The part of the variance that the covariate removed: 0 to 1. `None` without a covariate that varies.
    pub variance_removed: Option<f64>,
}

/// Estimates each variant's mean.
///
/// `variants` holds, for each variant, the sums in each stratum: a time in which the allocations were the same. A variant's mean is that of its
/// strata, weighted by the units of *all* variants in each (post-stratification; Cochran, section 5A.9), so that a change of allocations
/// does not compare one time with another. A stratum in which a variant has fewer than two units counts for none.
///
/// With covariates, each mean is adjusted by `θ (mean(c) - that of all variants)` with the `θ` that leaves the least variance in all of them
/// (CUPED: A. Deng, Y. Xu, R. Kohavi, T. Walker, "Improving the sensitivity of online controlled experiments by utilizing pre-experiment
/// data", WSDM 2013).
#[must_use]
pub fn unit_means(variants: &[Vec<UnitSums>]) -> UnitMeans {
    let strata = variants.iter().map(Vec::len).max().unwrap_or_default();
    let of_stratum = |stratum: usize| {
        let sums: Vec<UnitSums> =
            variants.iter().map(|it| it.get(stratum).copied().unwrap_or_default()).collect();
        // Of a variant that nobody could draw at that time there is nothing to compare.
        let is_shared = sums.iter().all(|it| it.units > 1);
        (is_shared || strata == 1).then(|| Stratum::new(&sums))
    };
    let strata: Vec<Stratum> = (0..strata).filter_map(of_stratum).collect();
    let means: Vec<&[Option<RatioMean>]> = strata.iter().map(|it| &*it.means).collect();
    let (raw, adjusted) =
        strata.iter().fold((0.0, 0.0), |(raw, adjusted), it| (raw + it.raw, adjusted + it.adjusted));
    UnitMeans {
        means: post_stratified(&means, variants.len()),
        variance_removed: (strata.iter().any(|it| it.is_adjusted) && raw > 0.0).then(|| 1.0 - adjusted / raw),
    }
}

/// The mean of each of so many variants over strata: that of its strata, weighted by the units of all variants in each. A stratum without
/// some variant counts for none.
#[must_use]
pub fn post_stratified(strata: &[&[Option<RatioMean>]], variants: usize) -> Vec<Option<RatioMean>> {
    let whole: Vec<Vec<RatioMean>> = strata.iter().filter_map(|it| it.iter().copied().collect()).collect();
    let single = |variant: usize| match strata {
        // A variant by itself is shown though there is nothing to compare it with.
        [one] => one.get(variant).copied().flatten(),
        _ => None,
    };
    let units_of = |stratum: &[RatioMean]| stratum.iter().map(|it| it.units).sum::<f64>();
    let units: f64 = whole.iter().map(|it| units_of(it)).sum();
    let mean_of = |variant: usize| {
        let mut sum = RatioMean { mean: Mean { n: 0.0, value: 0.0, variance: 0.0 }, units: 0.0 };
        for stratum in &whole {
            let (part, known) = (units_of(stratum) / units, stratum.get(variant)?);
            sum.mean.value += part * known.mean.value;
            sum.mean.variance += part * part * known.mean.variance;
            sum.mean.n += known.mean.n;
            sum.units += known.units;
        }
        (sum.units > 0.0 && sum.mean.value.is_finite()).then_some(sum).or_else(|| single(variant))
    };
    (0..variants).map(mean_of).collect()
}

/// The means of a stratum, adjusted.
struct Stratum {
    means: Vec<Option<RatioMean>>,
    /// The variance of all units, before the adjustment and after.
    raw: f64,
    adjusted: f64,
    is_adjusted: bool,
}

impl Stratum {
    fn new(variants: &[UnitSums]) -> Self {
        let known = || variants.iter().filter_map(|it| Some((it, it.ratio()?)));
        let weighed = |of: &dyn Fn(&UnitSums, f64) -> f64| -> f64 {
            known().map(|(it, (ratio, _))| as_float(it.units) * of(it, ratio)).sum()
        };
        let theta = weighed(&UnitSums::with_covariate) / weighed(&|it, _| it.covariate_variance());
        let theta = if theta.is_finite() { theta } else { 0.0 };
        let units = as_float(variants.iter().map(|it| it.units).sum());
        let covariate = variants.iter().map(|it| it.c).sum::<f64>() / units;
        let (mut raw, mut adjusted) = (0.0, 0.0);
        let means = variants.iter().map(|it| {
            let (ratio, variance) = it.ratio()?;
            let n = as_float(it.units);
            let left =
                variance - 2.0 * theta * it.with_covariate(ratio) + theta * theta * it.covariate_variance();
            let left = left.max(0.0);
            raw += n * variance;
            adjusted += n * left;
            // Of units of which a few have most of the denominator, few tell anything about the variance (L. Kish, "Survey Sampling", 1965).
            let effective = it.y * it.y / it.yy;
            let value = ratio - theta * (it.covariate_mean() - covariate);
            Some(RatioMean { mean: Mean { n: effective, value, variance: left / n }, units: n })
        });
        let means = means.collect();
        Self { means, raw, adjusted, is_adjusted: theta != 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::close;
    use super::*;

    /// Sums over units that are written out.
    fn sums(units: &[[f64; 3]]) -> UnitSums {
        let one = |[x, y, c]: &[f64; 3]| UnitSums {
            units: 1,
            x: *x,
            y: *y,
            c: *c,
            xx: x * x,
            yy: y * y,
            cc: c * c,
            xy: x * y,
            xc: x * c,
            yc: y * c,
        };
        units.iter().map(one).sum()
    }

    fn means(variants: &[UnitSums]) -> UnitMeans {
        unit_means(&variants.iter().map(|it| vec![*it]).collect::<Vec<_>>())
    }

    const A: [[f64; 3]; 6] = [
        [4.0, 2.0, 1.0],
        [0.0, 1.0, 0.0],
        [9.0, 3.0, 4.0],
        [2.5, 1.0, 2.0],
        [0.0, 0.0, 1.0],
        [7.0, 2.0, 3.0],
    ];
    const B: [[f64; 3]; 5] =
        [[5.0, 1.0, 2.0], [6.0, 3.0, 2.0], [1.0, 1.0, 0.0], [8.0, 2.0, 4.0], [3.0, 2.0, 1.0]];

    /// With numpy 2.4.6, from the units themselves.
    #[test]
    fn a_ratio_and_its_adjustment_are_those_of_the_units() {
        let plain =
            |units: &[[f64; 3]]| sums(&units.iter().map(|[x, y, _]| [*x, *y, 0.0]).collect::<Vec<_>>());
        let found = means(&[plain(&A), plain(&B)]);
        assert_eq!(found.variance_removed, None);
        for (found, [value, variance]) in
            found.means.iter().zip([[2.5, 0.2], [2.555_555_555_555_555_4, 0.369_989_330_894_680_6]])
        {
            close(found.unwrap().mean.value, value);
            close(found.unwrap().mean.variance, variance);
        }
        let found = means(&[sums(&A), sums(&B)]);
        close(found.variance_removed.unwrap(), 0.684_502_152_270_939_4);
        for (found, [value, variance]) in found.means.iter().zip([
            [2.489_621_913_580_247, 0.034_553_202_934_480_26],
            [2.568_009_259_259_259, 0.157_837_605_500_304_82],
        ]) {
            close(found.unwrap().mean.value, value);
            close(found.unwrap().mean.variance, variance);
        }
    }

    /// 90 to 10 at a base of 1, then 50 to 50 at a base of 5: together one looks better than the other, and in neither time it is.
    #[test]
    fn a_change_of_allocations_is_no_difference() {
        let of = |units: u64, base: f64| {
            let n = as_float(units);
            let (x, xx) = (n * base, n * (base * base + 1.0));
            UnitSums { units, x, y: n, yy: n, xx, xy: x, ..UnitSums::default() }
        };
        let found = unit_means(&[vec![of(900, 1.0), of(500, 5.0)], vec![of(100, 1.0), of(500, 5.0)]]);
        let [a, b] = [0, 1].map(|it: usize| found.means[it].unwrap().mean);
        close(a.value, 3.0);
        close(b.value, 3.0);
        assert!(a.variance < b.variance);
        let lost = unit_means(&[vec![of(900, 1.0), of(500, 5.0)], vec![UnitSums::default(), of(500, 5.0)]]);
        close(lost.means[0].unwrap().mean.value, 5.0);
    }

    #[test]
    fn what_tells_nothing_is_none() {
        let none = |sums| means(&[sums, sums]).means[0];
        assert_eq!(none(UnitSums::default()), None);
        assert_eq!(none(sums(&A[..1])), None, "one unit");
        assert_eq!(none(sums(&[[1.0, 0.0, 0.0], [2.0, 0.0, 0.0]])), None, "no denominator");
        assert_eq!(unit_means(&[]).means, []);
    }
}
