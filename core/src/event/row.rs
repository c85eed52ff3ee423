//! Where counts are kept: rows of counters.

use super::RejectionReason;
use jiff::Timestamp;
use jiff::tz::Offset;
use std::borrow::Cow;
use std::fmt;

/// In how many groups units are put by hash, so that the spread between groups tells the variance of a mean without a sum
/// for each unit (N. Chamandy et al., "Estimating Uncertainty for Massive Data Streams", Google 2012).
pub const GROUPS: u8 = 16;

/// A row, without its shard.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RowKey<'a> {
    /// What happened in an experiment in an hour.
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
    /// What came through the stream in an hour.
    Stream {
        /// The hour.
        hour: Hour,
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

    /// When it begins; `None` for [`Hour::Late`].
    #[must_use]
    pub fn start(self) -> Option<Timestamp> {
        match self {
            Self::At(hour) => Timestamp::from_second(hour.checked_mul(3600)?).ok(),
            Self::Late => None,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if text == "late" {
            return Some(Self::Late);
        }
        format!("{text}:00:00Z").parse().ok().map(Self::of)
    }
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
    /// The partition of a store: `exp#checkout`, from the second epoch on `exp#checkout#2`, or `stream`.
    #[must_use]
    pub fn partition(&self) -> String {
        match self {
            Self::Experiment { experiment, epoch, .. } | Self::Groups { experiment, epoch, .. } => {
                experiment_partition(experiment, *epoch)
            }
            Self::Stream { .. } => STREAM.to_owned(),
        }
    }

    /// The place in the partition: `2026-11-24T13#events/shardId-000000000001`, `groups#control#events/shardId-…`.
    #[must_use]
    pub fn sort(&self, shard: &str) -> String {
        match self {
            Self::Experiment { hour, .. } | Self::Stream { hour } => format!("{hour}#{shard}"),
            Self::Groups { variant, .. } => format!("groups#{variant}#{shard}"),
        }
    }

    /// Reads a partition and a place in it. `None` for what is no row.
    #[must_use]
    pub fn parse(partition: &str, sort: &str) -> Option<RowKey<'static>> {
        let (first, rest) = sort.split_once('#')?;
        if partition == STREAM {
            return Some(RowKey::Stream { hour: Hour::parse(first)? });
        }
        let experiment = partition.strip_prefix("exp#")?;
        let (experiment, epoch) = experiment.split_once('#').unwrap_or((experiment, "1"));
        let (experiment, epoch) = (experiment.to_owned().into(), epoch.parse().ok()?);
        Some(match first {
            "groups" => {
                let variant = rest.split_once('#')?.0.to_owned().into();
                RowKey::Groups { experiment, epoch, variant }
            }
            hour => RowKey::Experiment { experiment, epoch, hour: Hour::parse(hour)? },
        })
    }
}

/// The partition of what is not about an experiment.
pub const STREAM: &str = "stream";

/// The partition of an experiment's rows.
#[must_use]
pub fn experiment_partition(experiment: &str, epoch: u32) -> String {
    if epoch > 1 { format!("exp#{experiment}#{epoch}") } else { format!("exp#{experiment}") }
}

/// What is counted in a row.
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
    /// Of a stream.
    Stream(StreamCounter),
    /// Records of a stream that can never be processed.
    Rejected(RejectionReason),
    /// Events of a name that no metric asks for; without a name, those of all names beyond the limit.
    Unknown(Cow<'a, str>),
}

macro_rules! counters {
    ($(#[doc = $docs:literal])* $enum:ident { $($(#[doc = $doc:literal])* $name:ident = $word:literal,)* }) => {
        $(#[doc = $docs])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $enum { $($(#[doc = $doc])* $name,)* }

        impl $enum {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word that a row holds it under: rows are billed by length, so it is short.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|it| it.as_str() == word)
            }
        }
    };
}

counters! {
    /// What is counted of a variant.
    VariantCounter {
        /// Units that saw it first.
        Units = "u",
        /// Exposures of these units.
        Exposures = "x",
        /// Exposures of these units to another variant.
        Conflicts = "c",
    }
}

counters! {
    /// What is counted of a metric.
    MetricCounter {
        /// Units that converted, for a conversion.
        Units = "mu",
        /// Events.
        Events = "me",
        /// The sum of the property, or the number of events for a count.
        Sum = "ms",
        /// Events whose property is missing or no number, so that they are not in the sum.
        Invalid = "mi",
    }
}

counters! {
    /// What is counted of a stream.
    StreamCounter {
        /// Events that were taken.
        Accepted = "accepted",
        /// Events whose id was taken lately.
        Duplicates = "duplicates",
        /// Events with an impossible time.
        Late = "late",
        /// Conversions for a metric, of units that were not exposed before, or too long ago.
        Unattributed = "unattributed",
        /// Conversions that no metric asks for.
        Unused = "unused",
        /// Evaluations of flags; a summary counts as those that it stands for.
        Evaluations = "evaluations",
    }
}

/// As a store names it: `u#control`, `ms#control#revenue`, `7#revenue`, `accepted`, `rejected#not_json`.
impl fmt::Display for Counter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variant(variant, what) => write!(f, "{}#{variant}", what.as_str()),
            Self::Metric(variant, metric, what) => write!(f, "{}#{variant}#{metric}", what.as_str()),
            Self::GroupUnits(group) => write!(f, "{group}"),
            Self::GroupSum(group, metric) => write!(f, "{group}#{metric}"),
            Self::Stream(what) => f.write_str(what.as_str()),
            Self::Rejected(reason) => write!(f, "rejected#{reason}"),
            Self::Unknown(name) => write!(f, "unknown#{name}"),
        }
    }
}

impl Counter<'_> {
    /// Reads a name. `None` for what is no counter: a store keeps other attributes beside them.
    #[must_use]
    pub fn parse(name: &str) -> Option<Counter<'static>> {
        // First, because a name of an event may hold anything.
        if let Some(name) = name.strip_prefix("unknown#") {
            return Some(Counter::Unknown(Cow::Owned(name.to_owned())));
        }
        let mut parts = name.splitn(3, '#');
        let (first, second, third) = (parts.next()?, parts.next(), parts.next());
        let owned = |text: &str| Cow::Owned(text.to_owned());
        if let Ok(group) = first.parse() {
            return match (second, third) {
                (None, _) => Some(Counter::GroupUnits(group)),
                (Some(metric), None) => Some(Counter::GroupSum(group, owned(metric))),
                _ => None,
            };
        }
        match (second, third) {
            (None, _) => StreamCounter::parse(first).map(Counter::Stream),
            (Some(reason), None) if first == "rejected" => {
                let reason = RejectionReason::ALL.iter().find(|it| it.as_str() == reason)?;
                Some(Counter::Rejected(*reason))
            }
            (Some(variant), None) => Some(Counter::Variant(owned(variant), VariantCounter::parse(first)?)),
            (Some(variant), Some(metric)) => {
                Some(Counter::Metric(owned(variant), owned(metric), MetricCounter::parse(first)?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_they_are_written() {
        let experiment = || Cow::Borrowed("checkout");
        for (row, partition, sort) in [
            (
                RowKey::Experiment { experiment: experiment(), epoch: 1, hour: Hour::At(498_853) },
                "exp#checkout",
                "2026-11-28T13#events/shardId-000000000001",
            ),
            (
                RowKey::Experiment { experiment: experiment(), epoch: 2, hour: Hour::Late },
                "exp#checkout#2",
                "late#events/shardId-000000000001",
            ),
            (
                RowKey::Groups { experiment: experiment(), epoch: 1, variant: "a.b-c".into() },
                "exp#checkout",
                "groups#a.b-c#events/shardId-000000000001",
            ),
            (RowKey::Stream { hour: Hour::At(-1) }, "stream", "1969-12-31T23#events/shardId-000000000001"),
        ] {
            assert_eq!(row.partition(), partition);
            assert_eq!(row.sort("events/shardId-000000000001"), sort);
            assert_eq!(RowKey::parse(partition, sort), Some(row));
        }
        assert_eq!(RowKey::parse("shard#x", "head"), None);
    }

    #[test]
    fn counters_are_read_as_they_are_written() {
        let (variant, metric) = (|| Cow::Borrowed("control"), || Cow::Borrowed("late.rate"));
        let mut all = vec![Counter::GroupUnits(15), Counter::GroupSum(0, metric())];
        all.extend(VariantCounter::ALL.iter().map(|it| Counter::Variant(variant(), *it)));
        all.extend(MetricCounter::ALL.iter().map(|it| Counter::Metric(variant(), metric(), *it)));
        all.extend(StreamCounter::ALL.iter().map(|it| Counter::Stream(*it)));
        all.extend(RejectionReason::ALL.iter().map(|it| Counter::Rejected(*it)));
        all.extend(["", "scroll", "a#b#c", "#"].map(|it| Counter::Unknown(it.into())));
        for counter in all {
            assert_eq!(Counter::parse(&counter.to_string()), Some(counter));
        }
        for other in ["pk", "sk", "ttl", "x", "z#control", "1#a#b"] {
            assert_eq!(Counter::parse(other), None, "{other}");
        }
    }
}
