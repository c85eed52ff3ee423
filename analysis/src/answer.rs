//! Answers: sums for each metric, variant and day, quantiles, and checks of the archive.

use crate::Decimal;
use jiff::Timestamp;
use jiff::civil::Date;
use num_bigint::BigInt;
use num_traits::ToPrimitive;
use std::collections::BTreeMap;

/// The answer to a question.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// The changes of each day, ordered by all but their sums.
    pub cells: Vec<Cell>,
    /// The quantiles, in the order of the question, then by variant.
    pub quantiles: Vec<QuantileAnswer>,
    /// The limits that percentiles of the question came to: metric and value.
    pub caps: Vec<(String, Decimal<6>)>,
    /// Checks of the archive.
    pub checks: Checks,
    /// The files, lines and bytes that were read.
    pub read: ReadReport,
}

/// The sums of the totals of units. `x` is the numerator, `y` the denominator (1 for a metric per unit), `c` the covariate.
///
/// They are exact, so that shuffled, duplicated and split archives give the same bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// The number of units.
    pub units: u64,
    /// The sum of x.
    pub x: Decimal<6>,
    /// The sum of y.
    pub y: Decimal<6>,
    /// The sum of c.
    pub c: Decimal<6>,
    /// The sum of x².
    pub xx: Decimal<12>,
    /// The sum of y².
    pub yy: Decimal<12>,
    /// The sum of c².
    pub cc: Decimal<12>,
    /// The sum of x·y.
    pub xy: Decimal<12>,
    /// The sum of x·c.
    pub xc: Decimal<12>,
    /// The sum of y·c.
    pub yc: Decimal<12>,
}

/// Means, variances and covariances of the totals of units, with n - 1 in the denominator (0 below two units).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    /// The number of units.
    pub units: u64,
    /// The mean of x.
    pub x: f64,
    /// The mean of y.
    pub y: f64,
    /// The mean of c.
    pub c: f64,
    /// The variance of x.
    pub xx: f64,
    /// The variance of y.
    pub yy: f64,
    /// The variance of c.
    pub cc: f64,
    /// The covariance of x and y.
    pub xy: f64,
    /// The covariance of x and c.
    pub xc: f64,
    /// The covariance of y and c.
    pub yc: f64,
}

impl Sums {
    /// Adds other sums; `None` where a sum is beyond its range.
    #[must_use]
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        Some(Self {
            units: self.units.checked_add(other.units)?,
            x: self.x.checked_add(other.x)?,
            y: self.y.checked_add(other.y)?,
            c: self.c.checked_add(other.c)?,
            xx: self.xx.checked_add(other.xx)?,
            yy: self.yy.checked_add(other.yy)?,
            cc: self.cc.checked_add(other.cc)?,
            xy: self.xy.checked_add(other.xy)?,
            xc: self.xc.checked_add(other.xc)?,
            yc: self.yc.checked_add(other.yc)?,
        })
    }

    /// Returns true if all sums are 0.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// The moments. Differences are taken of whole numbers, so that no digits cancel where a variance is small beside its mean.
    #[must_use]
    pub fn moments(&self) -> Moments {
        let n = BigInt::from(self.units);
        #[expect(clippy::cast_precision_loss, reason = "statistics are made in floats")]
        let units = self.units as f64;
        let mean = |sum: Decimal<6>| if self.units == 0 { 0.0 } else { sum.as_f64() / units };
        let central = |product: Decimal<12>, left: Decimal<6>, right: Decimal<6>| {
            if self.units < 2 {
                return 0.0;
            }
            let times_n: BigInt =
                &n * BigInt::from(product.units()) - BigInt::from(left.units()) * right.units();
            let divisor: BigInt = &n * (&n - 1);
            times_n.to_f64().unwrap_or(f64::NAN) / divisor.to_f64().unwrap_or(f64::NAN) / 1e12
        };
        Moments {
            units: self.units,
            x: mean(self.x),
            y: mean(self.y),
            c: mean(self.c),
            xx: central(self.xx, self.x, self.x),
            yy: central(self.yy, self.y, self.y),
            cc: central(self.cc, self.c, self.c),
            xy: central(self.xy, self.x, self.y),
            xc: central(self.xc, self.x, self.c),
            yc: central(self.yc, self.y, self.c),
        }
    }
}

/// What a day changes in the sums of a metric. The sums at the end of a day are those of all cells up to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The metric; `None` for the exposures themselves, which have `units` alone.
    pub metric: Option<String>,
    /// The phase of the allocations in which the units were first exposed.
    pub phase: u32,
    /// The variant of their first exposure.
    pub variant: String,
    /// The dimension's value in their first exposure.
    pub dimension: Option<String>,
    /// True for units that were exposed to several variants.
    pub mixed: bool,
    /// The day, in UTC.
    pub day: Date,
    /// The changes of the sums.
    pub sums: Sums,
}

/// A quantile of a variant.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantileAnswer {
    /// The key of the question.
    pub key: String,
    /// The variant.
    pub variant: String,
    /// The number of values.
    pub n: u64,
    /// The number of units that have values.
    pub units: u64,
    /// The quantile: the smallest value that has at least the fraction of all values at or below it.
    pub value: Decimal<6>,
    /// The standard error of the fraction of values at or below the quantile; `None` below two units.
    pub fraction_error: Option<f64>,
    /// The lower bound of the interval, an order statistic.
    pub low: Option<Decimal<6>>,
    /// The upper bound of the interval, an order statistic.
    pub high: Option<Decimal<6>>,
}

/// Lines of the archive, and the events that they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineCount {
    /// The number of lines.
    pub lines: u64,
    /// The number of events: several lines with one identity are one event.
    pub events: u64,
}

impl LineCount {
    /// The number of lines that repeat an event.
    #[must_use]
    pub const fn duplicates(&self) -> u64 {
        self.lines.saturating_sub(self.events)
    }
}

/// The exposures and units of a variant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VariantUnits {
    /// The variant: of each exposure, and of the first exposure of each unit.
    pub variant: String,
    /// The number of exposures, repetitions left out.
    pub exposures: u64,
    /// The number of units.
    pub units: u64,
    /// The number of units among these that were exposed to another variant as well.
    pub mixed: u64,
}

/// The events of a metric that need attention.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricChecks {
    /// The key of the metric.
    pub metric: String,
    /// Events that count but have no usable amount: the property is missing, not a number, or beyond 10^15.
    pub unusable: u64,
    /// Events of exposed units that happened before the first exposure.
    pub early: u64,
    /// Events that count, and that arrived before any exposure of their unit: live counters miss them.
    pub overtook: u64,
}

/// Checks of the archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checks {
    /// The lines of each type of event, whatever they are about.
    pub lines: BTreeMap<String, u64>,
    /// The exposures to the experiment and epoch.
    pub exposures: LineCount,
    /// The conversions that metrics take, of any unit.
    pub conversions: LineCount,
    /// The units of each variant.
    pub variants: Vec<VariantUnits>,
    /// The events of each metric that need attention.
    pub metrics: Vec<MetricChecks>,
    /// The first partition with lines.
    pub first_day: Option<Date>,
    /// The last partition with lines.
    pub last_day: Option<Date>,
    /// The partitions between these that have no lines.
    pub missing_days: Vec<Date>,
    /// The latest arrival.
    pub latest_arrival: Option<Timestamp>,
    /// The time of the latest event.
    pub latest_event: Option<Timestamp>,
}

/// The files, lines and bytes that were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadReport {
    /// The number of files.
    pub files: u64,
    /// The number of lines, or of rows in files of Parquet.
    pub lines: u64,
    /// The number of lines that are not events, and of files that end early.
    pub bad_lines: u64,
    /// The first of them, at most [`MAX_BAD_LINES`].
    pub bad: Vec<BadLine>,
    /// The number of conversions without the attribute that the experiment randomizes.
    pub without_unit: u64,
    /// The bytes that the engine scanned, where these cost money.
    pub scanned_bytes: Option<u64>,
}

/// The number of bad lines that a report names.
pub const MAX_BAD_LINES: usize = 100;

/// A line that is not an event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BadLine {
    /// The path of the file.
    pub file: String,
    /// The line, from 1; the row in a file of Parquet. `None` where the file as a whole is meant.
    pub line: Option<u64>,
    /// What is wrong with it.
    pub why: String,
}

impl std::fmt::Display for BadLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.why),
            None => write!(f, "{}: {}", self.file, self.why),
        }
    }
}

/// All but the day and the sums of a cell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The phase.
    pub phase: u32,
    /// The variant.
    pub variant: String,
    /// The dimension's value.
    pub dimension: Option<String>,
    /// True for units that were exposed to several variants.
    pub mixed: bool,
}

impl Answer {
    /// The sums of a metric (`None` for the exposures) at the end of a day, for each group.
    #[must_use]
    pub fn at(&self, metric: Option<&str>, day: Date) -> BTreeMap<Group, Sums> {
        let mut groups = BTreeMap::<Group, Sums>::new();
        for cell in self.cells.iter().filter(|it| it.metric.as_deref() == metric && it.day <= day) {
            let sums = groups.entry(cell.group()).or_default();
            // The sums of all cells were checked when the answer was made.
            *sums = sums.checked_add(&cell.sums).unwrap_or(*sums);
        }
        groups
    }

    /// The days on which the sums of a metric change, in their order, each with the sums at its end, for each group.
    #[must_use]
    pub fn cumulative(&self, metric: Option<&str>) -> Vec<(Date, BTreeMap<Group, Sums>)> {
        let mut by_day = BTreeMap::<Date, Vec<&Cell>>::new();
        for cell in self.cells.iter().filter(|it| it.metric.as_deref() == metric) {
            by_day.entry(cell.day).or_default().push(cell);
        }
        let mut groups = BTreeMap::<Group, Sums>::new();
        let days = by_day.into_iter().map(|(day, cells)| {
            for cell in cells {
                let sums = groups.entry(cell.group()).or_default();
                *sums = sums.checked_add(&cell.sums).unwrap_or(*sums);
            }
            (day, groups.clone())
        });
        days.collect()
    }
}

impl Cell {
    /// All but its day and sums.
    #[must_use]
    pub fn group(&self) -> Group {
        let Self { phase, variant, dimension, mixed, .. } = self;
        Group { phase: *phase, variant: variant.clone(), dimension: dimension.clone(), mixed: *mixed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two units with values 1,000,000,000 and 1,000,000,001: in floats the variance would have lost its digits.
    #[test]
    fn no_digits_cancel_in_a_variance() {
        let (low, high) = (1_000_000_000_i128, 1_000_000_001_i128);
        let sums = Sums {
            units: 2,
            x: Decimal::from_whole(low + high).unwrap(),
            xx: Decimal::from_whole(low * low + high * high).unwrap(),
            ..Sums::default()
        };
        assert!((sums.moments().xx - 0.5).abs() < 1e-15);
        assert_eq!(Sums { units: 1, ..sums }.moments().xx.to_bits(), 0);
    }

    #[test]
    fn the_days_add_up() {
        let cell = |day: i8, variant: &str, units| Cell {
            metric: None,
            phase: 0,
            variant: variant.to_owned(),
            dimension: None,
            mixed: false,
            day: jiff::civil::date(2026, 3, day),
            sums: Sums { units, ..Sums::default() },
        };
        let answer =
            Answer { cells: vec![cell(1, "a", 3), cell(2, "a", 4), cell(3, "b", 5)], ..Answer::default() };
        let days = answer.cumulative(None);
        let units: Vec<Vec<u64>> =
            days.iter().map(|(_, it)| it.values().map(|it| it.units).collect()).collect();
        assert_eq!(units, [vec![3], vec![7], vec![7, 5]]);
        assert_eq!(answer.at(None, jiff::civil::date(2026, 3, 3)), days[2].1);
        assert!(answer.cumulative(Some("m")).is_empty());
    }
}
