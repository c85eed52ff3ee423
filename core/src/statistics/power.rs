//! Power analysis: the sample size that an effect needs, and the effect that a sample size can detect.

use super::anytime::{Anytime, LEAST_UNITS};
use super::grouped::GROUP_DEGREES;
use super::normal::{above, as_float, is_share, quantile, student_quantile, two_sided};
use super::planned;

/// The metric's value before the test, as known in advance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Baseline {
    /// A share of units, from 0 to 1.
    Proportion {
        /// The control's rate.
        rate: f64,
    },
    /// A mean over units.
    Mean {
        /// The standard deviation of a unit's value, in every variant.
        deviation: f64,
    },
}

/// The correction of `alpha` for several treatments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Correction {
    /// Divides alpha by the number of treatments, so that the chance of *any* false alarm stays below it (C.
    /// E. Bonferroni, 1936).
    #[default]
    Bonferroni,
    /// Applies alpha to each treatment alone.
    None,
}

/// The looks at an experiment that is planned: results judge by the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    /// One look at the end, by a two-sided test.
    Final,
    /// Any number of looks, by the sequence that is tuned for so many units; see [`Anytime`].
    Every {
        /// The units.
        tuned_for: u64,
    },
    /// Any number of looks, by the boundary around the planned size itself; see [`Anytime::planned`].
    Planned,
}

/// A planned experiment in which every treatment is compared with the control.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    baseline: Baseline,
    /// The control's first; they sum to 1.
    shares: Vec<f64>,
    /// The alpha of each comparison.
    alpha: f64,
    monitoring: Monitoring,
    /// `z` of the power.
    z_power: f64,
}

/// What a difference must exceed, in standard errors.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Monitoring {
    /// `z` of alpha, at the one look.
    Final { z_alpha: f64 },
    /// The width of a sequence.
    Every(Anytime),
    /// The boundary at the planned size, and the drift that crosses it by then with the wanted power.
    Planned { boundary: f64, drift: f64 },
}

/// The number of units that an experiment needs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Sizes {
    /// The number in all variants together.
    pub total: u64,
    /// The number in each variant, the control first.
    pub variants: Vec<u64>,
}

/// A width in standard errors as values of this kind are compared: means are, from groups of units.
fn of_baseline(baseline: Baseline, width: f64) -> Option<f64> {
    match baseline {
        Baseline::Proportion { .. } => Some(width),
        Baseline::Mean { .. } => student_quantile(two_sided(width), GROUP_DEGREES),
    }
}

/// More units than this are none that anybody has, and more than a number with a fraction counts one by one.
const MOST_UNITS: f64 = 1e15;

impl Design {
    /// `allocation` holds a number above 0 for each variant, the control's first; only their ratios matter.
    /// `power` is the wanted chance to see an effect that is there. `None` for a rate, `alpha` or power that
    /// is not between 0 and 1, a deviation that is not above 0, fewer than two variants, and a sequence tuned for no units.
    #[must_use]
    pub fn new(
        baseline: Baseline,
        allocation: &[f64],
        alpha: f64,
        power: f64,
        correction: Correction,
        looks: Looks,
    ) -> Option<Self> {
        let known = match baseline {
            Baseline::Proportion { rate } => is_share(rate),
            Baseline::Mean { deviation } => deviation > 0.0 && deviation.is_finite(),
        };
        let whole: f64 = allocation.iter().sum();
        let shares: Vec<f64> = allocation.iter().map(|it| it / whole).collect();
        if !known || shares.len() < 2 || !shares.iter().copied().all(is_share) || !is_share(alpha) {
            return None;
        }
        let alpha = match correction {
            Correction::Bonferroni => alpha / as_float(shares.len() as u64 - 1),
            Correction::None => alpha,
        };
        let z_power = quantile(1.0 - power)?;
        let monitoring = match looks {
            Looks::Final => Monitoring::Final { z_alpha: quantile(alpha / 2.0)? },
            Looks::Every { tuned_for } => Monitoring::Every(Anytime::tuned(alpha, tuned_for)?),
            Looks::Planned => {
                let boundary = of_baseline(baseline, planned::boundary(alpha)?)?;
                Monitoring::Planned { boundary, drift: planned::drift(boundary, power) }
            }
        };
        Some(Self { baseline, shares, alpha, monitoring, z_power })
    }

    /// The `alpha` of each comparison.
    #[must_use]
    pub const fn alpha_each(&self) -> f64 {
        self.alpha
    }

    /// The units with which an effect (absolute: 0.005 is half a percentage point) is seen with the wanted
    /// power. `None` if it leads to no rate between 0 and 1, is 0, or would take more than 10^15 units.
    ///
    /// J. L. Fleiss, B. Levin, M. C. Paik, "Statistical Methods for Rates and Proportions", 3rd edition,
    /// 2003, equation 4.14 and, for unequal sizes, 4.19, both without the continuity correction; with a
    /// deviation in place of rates the usual formula for two means (Student's t would take one unit more in
    /// each variant). With several looks, the effect is seen at this size with the wanted power, if not before.
    #[must_use]
    pub fn sizes(&self, effect: f64) -> Option<Sizes> {
        let needed = self.needed(effect)?;
        let variants: Vec<u64> = self.shares.iter().map(|share| up(needed * share)).collect::<Option<_>>()?;
        Some(Sizes { total: variants.iter().sum(), variants })
    }

    /// The chance to see an effect (absolute) with so many units in all, in the treatment where it is least.
    /// `None` of no units, or if the effect leads to no rate between 0 and 1.
    #[must_use]
    pub fn power(&self, units: u64, effect: f64) -> Option<f64> {
        let of = |share: &f64| {
            let side = |sign: f64| self.chance(as_float(units), effect, sign, *share);
            Some(side(1.0)? + side(-1.0)?)
        };
        let powers: Vec<f64> = self.shares.iter().skip(1).map(of).collect::<Option<_>>()?;
        let least = powers.into_iter().min_by(f64::total_cmp)?;
        (units > 0 && least.is_finite()).then_some(least.min(1.0))
    }

    /// The least increase (absolute) that so many units in all show with the wanted power in every treatment:
    /// the minimal detectable effect. `None` if none is great enough.
    #[must_use]
    pub fn detectable(&self, units: u64) -> Option<f64> {
        let units = Some(as_float(units)).filter(|it| *it > 0.0)?;
        let most = match self.baseline {
            Baseline::Proportion { rate } => 1.0 - rate,
            // Units go with one over the square of the effect.
            Baseline::Mean { deviation }
                if units >= self.least_units() && !matches!(self.monitoring, Monitoring::Every(_)) =>
            {
                let effect = deviation * (self.needed(deviation)? / units).sqrt();
                return effect.is_finite().then_some(effect);
            }
            Baseline::Mean { deviation } => deviation * 1e9,
        };
        let enough = |effect: f64| match self.monitoring {
            Monitoring::Every(anytime) => self.is_enough(anytime, units, effect),
            Monitoring::Final { .. } | Monitoring::Planned { .. } => {
                self.needed(effect).is_some_and(|needed| needed <= units)
            }
        };
        let (mut low, mut high) = (0.0, most);
        if !enough(high) {
            return None;
        }
        for _ in 0..100 {
            let middle = f64::midpoint(low, high);
            if enough(middle) { high = middle } else { low = middle }
        }
        Some(high).filter(|it| it.is_finite())
    }

    /// So many units in all, shared out by the allocation; the control gets what rounding leaves.
    #[must_use]
    pub fn split(&self, total: u64) -> Sizes {
        let mut left = total;
        let mut take = |share: &f64| {
            let units = down(as_float(total) * share).min(left);
            left -= units;
            units
        };
        let treatments: Vec<u64> = self.shares.iter().skip(1).map(&mut take).collect();
        Sizes { total, variants: std::iter::once(left).chain(treatments).collect() }
    }

    /// The chance to see an effect on its own side, or on the wrong one if `sign` is -1.
    fn chance(&self, units: f64, effect: f64, sign: f64, share: f64) -> Option<f64> {
        let (none, some) = self.deviations(effect, share)?;
        let effect = sign * effect.abs() * units.sqrt();
        Some(match self.monitoring {
            Monitoring::Final { z_alpha } => above((z_alpha * none - effect) / some),
            Monitoring::Every(anytime) => above(self.width(anytime, units, share)? - effect / some),
            Monitoring::Planned { boundary, .. } => planned::power(boundary, effect / some),
        })
    }

    /// The units in all below which nothing is compared.
    fn least_units(&self) -> f64 {
        let least_share = self.shares.iter().copied().fold(1.0, f64::min);
        match self.monitoring {
            Monitoring::Final { .. } => 0.0,
            Monitoring::Every(_) | Monitoring::Planned { .. } => LEAST_UNITS / least_share,
        }
    }

    /// The width of a sequence after so many units in all.
    fn width(&self, anytime: Anytime, units: f64, share: f64) -> Option<f64> {
        of_baseline(self.baseline, anytime.width(units * (self.shares.first()? + share)))
    }

    /// True if so many units in all show an effect with the wanted power in every treatment.
    fn is_enough(&self, anytime: Anytime, units: f64, effect: f64) -> bool {
        let excess = |share: f64| {
            let (_, some) = self.deviations(effect, share)?;
            Some(effect.abs() * units.sqrt() / some - self.width(anytime, units, share)?)
        };
        let is_shown = |share: &f64| excess(*share).is_some_and(|it| it >= self.z_power);
        effect != 0.0 && units >= self.least_units() && self.shares.iter().skip(1).all(is_shown)
    }

    /// The units in all, before rounding: what the treatment needs that needs most.
    fn needed(&self, effect: f64) -> Option<f64> {
        if let Monitoring::Every(anytime) = self.monitoring {
            // The wider the interval, the more units: it never widens as fast as an effect in standard errors grows.
            let (mut low, mut high) = (0.0, 1.0);
            while !self.is_enough(anytime, high, effect) {
                (low, high) = (high, high * 2.0);
                if high > 2.0 * MOST_UNITS {
                    return None;
                }
            }
            for _ in 0..60 {
                let middle = f64::midpoint(low, high);
                if self.is_enough(anytime, middle, effect) { high = middle } else { low = middle }
            }
            return Some(high);
        }
        let of = |share: &f64| {
            let (none, some) = self.deviations(effect, *share)?;
            let reach = match self.monitoring {
                Monitoring::Final { z_alpha } => z_alpha * none + self.z_power * some,
                Monitoring::Planned { drift, .. } => drift * some,
                Monitoring::Every(_) => return None,
            };
            Some((reach.max(0.0) / effect).powi(2).max(self.least_units())).filter(|it| it.is_finite())
        };
        let all: Vec<f64> = self.shares.iter().skip(1).map(of).collect::<Option<_>>()?;
        all.into_iter().max_by(f64::total_cmp)
    }

    /// The standard error of the difference with one unit in all, if there is no effect and if there is.
    fn deviations(&self, effect: f64, share: f64) -> Option<(f64, f64)> {
        let control = self.shares.first()?;
        match self.baseline {
            Baseline::Mean { deviation } => {
                let both = deviation * (1.0 / control + 1.0 / share).sqrt();
                Some((both, both))
            }
            Baseline::Proportion { rate } => {
                let treated = Some(rate + effect).filter(|it| (0.0..=1.0).contains(it))?;
                let pooled = (rate * control + treated * share) / (control + share);
                let none = pooled * (1.0 - pooled) * (1.0 / control + 1.0 / share);
                let some = rate * (1.0 - rate) / control + treated * (1.0 - treated) / share;
                Some((none.sqrt(), some.sqrt()))
            }
        }
    }
}

/// Returns the number of whole days until so many units took part, given the units per day and the share of
/// them (`traffic`, 0 to 1) that is in the experiment. `None` if no unit comes, or if it takes longer than
/// any experiment runs.
#[must_use]
pub fn days(units: u64, units_per_day: u64, traffic: f64) -> Option<u64> {
    let each_day = as_float(units_per_day) * traffic;
    if !(traffic > 0.0 && traffic <= 1.0 && each_day > 0.0) {
        return None;
    }
    up(as_float(units) / each_day)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10^15, and whole")]
fn up(number: f64) -> Option<u64> {
    (0.0..=MOST_UNITS).contains(&number).then(|| number.ceil() as u64)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 2^64, cut at both ends")]
fn down(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::super::close;
    use super::*;

    fn design(baseline: Baseline, allocation: &[f64], alpha: f64, power: f64) -> Design {
        Design::new(baseline, allocation, alpha, power, Correction::Bonferroni, Looks::Final).unwrap()
    }

    /// Expected values from statsmodels 0.15.0: `samplesize_proportions_2indep_onetail` with half of alpha.
    /// There the second sample is the control; `ratio` is the control's share over the treatment's. R's
    /// `power.prop.test` has 387.3385 for the fourth.
    #[test]
    fn sizes_for_proportions_are_those_of_statsmodels() {
        for (rate, to, ratio, alpha, power, treatment) in [
            (0.1, 0.105, 1.0, 0.05, 0.8, 57_762.651_454_129_59),
            (0.1, 0.105, 3.0, 0.05, 0.8, 38_340.980_679_403_61),
            (0.1, 0.105, 1.0, 0.05 / 3.0, 0.9, 99_421.036_835_820_55),
            (0.6, 0.5, 1.0, 0.05, 0.8, 387.338_516_699_036),
            (0.65, 0.85, 1.0, 0.05, 0.9, 96.412_799_232_687_32),
        ] {
            let design = design(Baseline::Proportion { rate }, &[ratio, 1.0], alpha, power);
            close(design.needed(to - rate).unwrap() / (ratio + 1.0), treatment);
        }
        let equal = design(Baseline::Proportion { rate: 0.1 }, &[0.5, 0.5], 0.05, 0.8).sizes(0.005).unwrap();
        assert_eq!(equal, Sizes { total: 115_526, variants: vec![57_763, 57_763] });
    }

    /// Expected values from statsmodels 0.15.0: `NormalIndPower`, and `TTestIndPower` for a unit more at
    /// most. Both also count the effect that is seen the wrong way round, a millionth of a size.
    #[test]
    fn sizes_for_means_are_those_of_statsmodels() {
        for (effect, ratio, alpha, power, normal, student) in [
            (0.5, 1.0, 0.05, 0.8, 62.790_884_165_711_35, 63.765_610_588_911_69),
            (0.02, 1.0, 0.05, 0.8, 39_244.302_546_643_26, 39_245.262_934_409_09),
        ] {
            let design = design(Baseline::Mean { deviation: 3.0 }, &[1.0, ratio], alpha, power);
            let found = design.needed(effect * 3.0).unwrap() / (1.0 + ratio);
            assert!((found / normal - 1.0).abs() < 1e-5);
            assert!((found - student).abs() < 1.0);
        }
    }

    /// Expected values from statsmodels 0.15.0: `power_proportions_2indep`, solved for the effect by
    /// `brentq`, and `NormalIndPower.power`.
    #[test]
    fn power_and_detectable_effects_are_those_of_statsmodels() {
        let rates = design(Baseline::Proportion { rate: 0.1 }, &[2.0, 1.0], 0.05, 0.8);
        close(rates.power(15_000, 0.01).unwrap(), 0.475_205_651_090_909_4);
        let even = design(Baseline::Proportion { rate: 0.1 }, &[1.0, 1.0], 0.05, 0.8);
        assert!((even.detectable(20_000).unwrap() / 0.012_201_009_805_611_175 - 1.0).abs() < 1e-5);
        let means = design(Baseline::Mean { deviation: 2.0 }, &[1.0, 1.0], 0.05, 0.8);
        close(means.power(6_000, 0.1).unwrap(), 0.490_685_567_669_968_9);
        close(means.power(6_000, 0.0002).unwrap(), 0.050_001_718_255_285_61);
        let effect = means.detectable(6_000).unwrap();
        assert_eq!(means.sizes(effect).map(|it| it.total), Some(6_000));
    }

    #[test]
    fn several_treatments_share_alpha_and_the_least_one_decides() {
        let baseline = Baseline::Proportion { rate: 0.1 };
        let four = design(baseline, &[1.0; 4], 0.05, 0.9);
        close(four.needed(0.005).unwrap() / 4.0, 99_421.036_835_820_55);
        let alone = Design::new(baseline, &[1.0; 4], 0.05, 0.9, Correction::None, Looks::Final).unwrap();
        close(alone.alpha_each(), 0.05);
        assert!(alone.needed(0.005) < four.needed(0.005));
        let uneven = design(baseline, &[0.5, 0.4, 0.1], 0.05, 0.8);
        let sizes = uneven.sizes(0.01).unwrap();
        assert!(uneven.power(sizes.total, 0.01).unwrap() >= 0.8);
        assert!(uneven.power(sizes.total - 100, 0.01).unwrap() < 0.8);
    }

    #[test]
    fn units_are_shared_out_to_the_last() {
        let design = design(Baseline::Proportion { rate: 0.1 }, &[2.0, 1.0, 1.0], 0.05, 0.8);
        assert_eq!(design.split(1_001).variants, [501, 250, 250]);
        assert_eq!(design.split(u64::MAX).variants.iter().sum::<u64>(), u64::MAX);
    }

    #[test]
    fn days_are_whole() {
        assert_eq!(days(115_526, 10_000, 1.0), Some(12));
        assert_eq!(days(115_526, 10_000, 0.2), Some(58));
        assert_eq!(days(1, 0, 1.0), None);
        assert_eq!(days(1, 10, 1.1), None);
    }

    #[test]
    fn what_is_no_design_is_refused() {
        let new = |rate, shares: &[f64], alpha, power| {
            Design::new(Baseline::Proportion { rate }, shares, alpha, power, Correction::None, Looks::Final)
        };
        assert_eq!(new(0.0, &[1.0, 1.0], 0.05, 0.8), None);
        assert_eq!(new(0.1, &[1.0], 0.05, 0.8), None);
        assert_eq!(new(0.1, &[1.0, 0.0], 0.05, 0.8), None);
        assert_eq!(new(0.1, &[1.0, 1.0], 0.05, 1.0), None);
        let design = new(0.9, &[1.0, 1.0], 0.05, 0.8).unwrap();
        assert_eq!(design.sizes(0.11), None, "a rate above 1");
        assert_eq!(design.sizes(0.0), None, "no effect takes forever");
        assert_eq!(design.detectable(10), None, "even 100 % would not be seen");
    }

    /// Size, power and effect of a plan for many looks are one another's inversions, and take more than a plan for one look.
    #[test]
    fn a_plan_for_many_looks_agrees_with_itself() {
        for baseline in [Baseline::Proportion { rate: 0.1 }, Baseline::Mean { deviation: 0.3 }] {
            let plan = |looks| {
                Design::new(baseline, &[2.0, 1.0, 1.0], 0.05, 0.8, Correction::Bonferroni, looks).unwrap()
            };
            let (once, always) = (plan(Looks::Final), plan(Looks::Every { tuned_for: 10_000 }));
            let units = always.sizes(0.01).unwrap().total;
            let ratio = as_float(units) / as_float(once.sizes(0.01).unwrap().total);
            assert!((1.5..3.0).contains(&ratio), "{baseline:?}: {ratio}");
            assert!((always.power(units, 0.01).unwrap() - 0.8).abs() < 1e-4);
            assert!((always.detectable(units).unwrap() / 0.01 - 1.0).abs() < 1e-4);
            assert_eq!((always.sizes(0.0), always.detectable(0)), (None, None));
        }
    }
}
