//! Counts, in rows of counters.

use super::RejectionReason;
use crate::words;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// In how many groups units are put by hash, so that the spread between groups tells the variance of a mean without a sum
/// for each unit (N. Chamandy et al., "Estimating Uncertainty for Massive Data Streams", Google 2012).
pub const GROUPS: u8 = 16;

/// A row, without its shard.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RowKey<'a> {
    /// Counts of an experiment in an hour.
    Experiment {
        /// The experiment.
        experiment: Cow<'a, str>,
        /// Its epoch.
        epoch: u32,
        /// The hour.
        hour: Hour,
    },
    /// Units and sums of one variant, by group.
    Groups {
        /// The experiment.
        experiment: Cow<'a, str>,
        /// Its epoch.
        epoch: u32,
        /// The variant.
        variant: Cow<'a, str>,
    },
    /// Counts of metrics that have a window, over the units of one variant that were exposed first on a day, and these units and the
    /// sums by group: so that only units whose window is over can be judged.
    Cohort {
        /// The experiment.
        experiment: Cow<'a, str>,
        /// Its epoch.
        epoch: u32,
        /// The variant.
        variant: Cow<'a, str>,
        /// The day of the first exposure, in UTC.
        day: Date,
    },
    /// Counts of the stream in an hour.
    Stream {
        /// The hour.
        hour: Hour,
    },
    /// Events of a day that no metric asks for, by name.
    UnknownEvents {
        /// The day that they arrived on.
        day: Date,
    },
}

/// An hour of event time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hour {
    /// So many hours after 1970-01-01T00.
    At(i64),
    /// The event's own time is impossible: more than 7 days before it arrived, or more than 5 minutes after.
    Late,
}

impl Hour {
    /// The hour of a time.
    #[must_use]
    pub fn of(time: Timestamp) -> Self {
        Self::At(time.as_second().div_euclid(3600))
    }

    /// The start of the hour; `None` for [`Hour::Late`].
    #[must_use]
    pub fn start(self) -> Option<Timestamp> {
        match self {
            Self::At(hour) => Timestamp::from_second(hour.checked_mul(3600)?).ok(),
            Self::Late => None,
        }
    }

    /// The day of an hour; `None` for [`Hour::Late`].
    #[must_use]
    pub fn day(self) -> Option<Date> {
        self.start().map(|start| Offset::UTC.to_datetime(start).date())
    }
}

impl FromStr for Hour {
    type Err = NotAnHour;

    fn from_str(text: &str) -> Result<Self, NotAnHour> {
        if text == "late" {
            return Ok(Self::Late);
        }
        format!("{text}:00:00Z").parse().map(Self::of).map_err(|_| NotAnHour)
    }
}

text_error! {
    /// A text that is not an hour.
    NotAnHour, "not an hour, for example 2026-11-24T13, or `late`"
}

/// `2026-11-24T13`, or `late`.
impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(start) = self.start() else { return f.write_str("late") };
        let start = Offset::UTC.to_datetime(start);
        write!(f, "{:04}-{:02}-{:02}T{:02}", start.year(), start.month(), start.day(), start.hour())
    }
}

impl RowKey<'_> {
    /// The same with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> RowKey<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Experiment { experiment, epoch, hour } => {
                RowKey::Experiment { experiment: owned(experiment), epoch, hour }
            }
            Self::Groups { experiment, epoch, variant } => {
                RowKey::Groups { experiment: owned(experiment), epoch, variant: owned(variant) }
            }
            Self::Cohort { experiment, epoch, variant, day } => {
                RowKey::Cohort { experiment: owned(experiment), epoch, variant: owned(variant), day }
            }
            Self::Stream { hour } => RowKey::Stream { hour },
            Self::UnknownEvents { day } => RowKey::UnknownEvents { day },
        }
    }
}

/// The counters of a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counter<'a> {
    /// Of a variant.
    Variant(Cow<'a, str>, VariantCounter),
    /// Of a metric of a variant.
    Metric(Cow<'a, str>, Cow<'a, str>, MetricCounter),
    /// Units in a group, of the row's variant.
    GroupUnits(u8),
    /// The sum of a metric over a group, of the row's variant.
    GroupSum(u8, Cow<'a, str>),
    /// The number of a metric's values in a group, of the row's variant.
    GroupValues(u8, Cow<'a, str>),
    /// Of a stream.
    Stream(StreamCounter),
    /// Records of a stream that can never be processed.
    Rejected(RejectionReason),
    /// Events of a name that no metric asks for; without a name, those of all names beyond the limit.
    Unknown(Cow<'a, str>),
}

words! {
    /// The counters of a variant. Rows are billed by length, so the words are short.
    pub enum VariantCounter: "snake_case" {
        /// Units that saw it first.
        Units = "u",
        /// Exposures of these units.
        Exposures = "x",
        /// Exposures of these units to another variant.
        Conflicts = "c",
    }
}

words! {
    /// The counters of a metric, with short words as well.
    pub enum MetricCounter: "snake_case" {
        /// Units that converted, for a conversion.
        Units = "mu",
        /// Events.
        Events = "me",
        /// The sum of the property, or the number of events for a count.
        Sum = "ms",
        /// Events whose property is missing or no number, so that they are not in the sum.
        Invalid = "mi",
        /// Events that reached the shard before the exposure of their unit and happened after it, so that they are in no other counter.
        Overtook = "mo",
    }
}

words! {
    /// The counters of a stream.
    pub enum StreamCounter: "snake_case" {
        /// Events that were taken.
        Accepted,
        /// Events whose id was taken lately.
        Duplicates,
        /// Events with an impossible time.
        Late,
        /// Conversions for a metric, of units that were not exposed before, or too long ago.
        Unattributed,
        /// Conversions that no metric asks for.
        Unused,
        /// Exposures, and conversions for a metric, whose record has another partition key than their unit.
        Misrouted,
        /// Events that happened longer before they came than ids are remembered, so that a repetition may have been counted.
        OutsideIdWindow,
        /// Evaluations of flags; a summary counts as those that it stands for.
        Evaluations,
    }
}

impl Counter<'_> {
    /// The same with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> Counter<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Variant(variant, what) => Counter::Variant(owned(variant), what),
            Self::Metric(variant, metric, what) => Counter::Metric(owned(variant), owned(metric), what),
            Self::GroupUnits(group) => Counter::GroupUnits(group),
            Self::GroupSum(group, metric) => Counter::GroupSum(group, owned(metric)),
            Self::GroupValues(group, metric) => Counter::GroupValues(group, owned(metric)),
            Self::Stream(what) => Counter::Stream(what),
            Self::Rejected(reason) => Counter::Rejected(reason),
            Self::Unknown(name) => Counter::Unknown(owned(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_read_as_they_are_written() {
        for (hour, text) in
            [(Hour::At(498_853), "2026-11-28T13"), (Hour::At(-1), "1969-12-31T23"), (Hour::Late, "late")]
        {
            assert_eq!((hour.to_string(), text.parse()), (text.to_owned(), Ok(hour)));
        }
        for other in ["", "2026-11-28", "2026-11-28T25", "Late", "groups"] {
            assert_eq!(other.parse::<Hour>(), Err(NotAnHour), "{other}");
        }
    }
}
