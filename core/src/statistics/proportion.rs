//! One proportion.

use super::normal::{as_float, quantile};
use serde::Serialize;

/// So many units of all: the input of every test of rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proportion {
    successes: u64,
    units: u64,
}

/// An interval estimate of a number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Interval {
    /// Its lower end.
    pub lower: f64,
    /// Its upper end.
    pub upper: f64,
}

impl Proportion {
    /// So many of so many. `None` of no units, or with more successes than units.
    #[must_use]
    pub fn new(successes: u64, units: u64) -> Option<Self> {
        (units > 0 && successes <= units).then_some(Self { successes, units })
    }

    /// The units with a success.
    #[must_use]
    pub const fn successes(&self) -> u64 {
        self.successes
    }

    /// The units without one.
    #[must_use]
    pub const fn failures(&self) -> u64 {
        self.units - self.successes
    }

    /// All units.
    #[must_use]
    pub const fn units(&self) -> u64 {
        self.units
    }

    /// The share of units with a success, from 0 to 1.
    #[must_use]
    pub fn rate(&self) -> f64 {
        as_float(self.successes) / as_float(self.units)
    }

    /// The variance of the rate, as observed.
    #[must_use]
    pub fn variance(self) -> f64 {
        self.rate() * (1.0 - self.rate()) / as_float(self.units)
    }

    /// The score interval at level `1 - alpha` (E. B. Wilson, "Probable inference, the law of succession, and
    /// statistical inference", Journal of the American Statistical Association 22, 1927), within 0 and 1 for
    /// any count. `None` if `alpha` is not between 0 and 1.
    #[must_use]
    pub fn wilson(&self, alpha: f64) -> Option<Interval> {
        Some(self.score_interval(quantile(alpha / 2.0)?))
    }

    /// Wilson's interval of `z` standard deviations.
    pub(super) fn score_interval(&self, z: f64) -> Interval {
        let (n, rate) = (as_float(self.units), self.rate());
        let spread = rate * (1.0 - rate) / n + (z / n).powi(2) / 4.0;
        let shrink = 1.0 + z * z / n;
        let (centre, half) = (rate + z * z / (2.0 * n), z * spread.sqrt());
        Interval {
            lower: ((centre - half) / shrink).clamp(0.0, rate),
            upper: ((centre + half) / shrink).clamp(rate, 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::close;
    use super::*;

    /// The first four are those of R. G. Newcombe, "Two-sided confidence intervals for the single proportion",
    /// Statistics in Medicine 17, 1998, Table I, method 3, with more digits from statsmodels 0.15.0
    /// (`proportion_confint`), as are the others.
    #[test]
    fn intervals_are_the_published_ones() {
        for (successes, units, alpha, lower, upper) in [
            (81, 263, 0.05, 0.255_288_519_878_274_2, 0.366_209_576_982_800_04),
            (15, 148, 0.05, 0.062_386_399_530_736_28, 0.160_487_241_723_308_03),
            (0, 20, 0.05, 0.0, 0.161_125_158_052_819_4),
            (1, 29, 0.05, 0.006_113_214_292_762_667, 0.171_755_218_793_202_94),
            (29, 29, 0.05, 0.883_030_201_500_259_2, 1.0),
            (20_034, 44_700, 0.05, 0.443_582_365_147_744_74, 0.452_802_378_336_396_25),
            (81, 263, 0.01, 0.240_136_902_687_607_73, 0.385_282_502_318_229_86),
        ] {
            let interval = Proportion::new(successes, units).unwrap().wilson(alpha).unwrap();
            close(interval.lower, lower);
            close(interval.upper, upper);
        }
    }

    #[test]
    fn what_is_no_proportion_is_refused() {
        assert_eq!(Proportion::new(0, 0), None);
        assert_eq!(Proportion::new(8, 7), None);
        assert_eq!(Proportion::new(1, 2).and_then(|it| it.wilson(0.0)), None);
    }
}
