//! Rows, counters and marks as the texts that stores keep them under. Tables and files hold them, so they never change.
//!
//! | what | text |
//! |---|---|
//! | rows of an experiment | partition `exp#checkout`, from the second epoch on `exp#checkout#2` |
//! | of a stream | partition `stream` |
//! | of unknown events | partition `unknown#events/shardId-000000000001` |
//! | a row | `2026-11-24T13#events/shardId-000000000001`; `late#…`, `groups#control#…`, `cohort#2026-11-24#control#…`, `2026-11-24#…` |
//! | a counter | `u#control`, `ms#control#revenue`, `7`, `7#revenue`, `7#e#revenue`, `accepted`, `rejected#not_json`, `unknown#scroll` |
//! | a position | `00212:0000000002~`: its length, its digits, the number of the event and the part |
//! | a mark of a unit | `checkout#1`, `checkout#1#purchase`, `id#00c0ffee00c0ffee` |
//!
//! Keys of documents hold no `#`. Names of shards and of events may, so they stand last.

use crate::ports::RowsOf;
use abx_core::event::{
    Counter, MarkKey, MarkSubject, MetricCounter, Position, RejectionReason, RowKey, StreamCounter,
    VariantCounter,
};
use std::borrow::Cow;
use std::str::FromStr;

const STREAM: &str = "stream";
const EXPERIMENT: &str = "exp#";
const UNKNOWN: &str = "unknown#";
const GROUPS: &str = "groups";
const COHORT: &str = "cohort";
const GROUP_VALUES: &str = "e";
const REJECTED: &str = "rejected";
const EVENT: &str = "id#";

/// A part of a text, if it is one: what is not is something else that a store keeps, and no error.
fn read<T: FromStr>(part: &str) -> Option<T> {
    T::from_str(part).ok()
}

/// The partition of rows that are read together.
#[must_use]
pub fn partition(of: RowsOf<'_>) -> String {
    match of {
        RowsOf::Experiment { experiment, epoch } if epoch > 1 => format!("{EXPERIMENT}{experiment}#{epoch}"),
        RowsOf::Experiment { experiment, .. } => format!("{EXPERIMENT}{experiment}"),
        RowsOf::Stream => STREAM.to_owned(),
        RowsOf::UnknownEvents { shard } => format!("{UNKNOWN}{shard}"),
    }
}

/// The experiment and the epoch of a partition; `None` for one of something else.
#[must_use]
pub fn read_experiment(partition: &str) -> Option<(&str, u32)> {
    let experiment = partition.strip_prefix(EXPERIMENT)?;
    match experiment.split_once('#') {
        Some((experiment, epoch)) => Some((experiment, read(epoch)?)),
        None => Some((experiment, 1)),
    }
}

/// A row of a shard: its partition, and its place there.
#[must_use]
pub fn row(row: &RowKey<'_>, shard: &str) -> (String, String) {
    match row {
        RowKey::Experiment { experiment, epoch, hour } => {
            (partition(RowsOf::Experiment { experiment, epoch: *epoch }), format!("{hour}#{shard}"))
        }
        RowKey::Groups { experiment, epoch, variant } => {
            let partition = partition(RowsOf::Experiment { experiment, epoch: *epoch });
            (partition, format!("{GROUPS}#{variant}#{shard}"))
        }
        RowKey::Cohort { experiment, epoch, variant, day } => {
            let partition = partition(RowsOf::Experiment { experiment, epoch: *epoch });
            (partition, format!("{COHORT}#{day}#{variant}#{shard}"))
        }
        RowKey::Stream { hour } => (partition(RowsOf::Stream), format!("{hour}#{shard}")),
        RowKey::UnknownEvents { day } => {
            (partition(RowsOf::UnknownEvents { shard }), format!("{day}#{shard}"))
        }
    }
}

/// The row at a place in its partition, and its shard. `None` for what is not a row.
#[must_use]
pub fn read_row<'t>(of: RowsOf<'_>, sort: &'t str) -> Option<(RowKey<'static>, &'t str)> {
    let (first, rest) = sort.split_once('#')?;
    Some(match of {
        RowsOf::Experiment { experiment, epoch } => {
            let experiment = Cow::Owned(experiment.to_owned());
            if first == GROUPS {
                let (variant, shard) = rest.split_once('#')?;
                let variant = Cow::Owned(variant.to_owned());
                (RowKey::Groups { experiment, epoch, variant }, shard)
            } else if first == COHORT {
                let (day, rest) = rest.split_once('#')?;
                let (variant, shard) = rest.split_once('#')?;
                let variant = Cow::Owned(variant.to_owned());
                (RowKey::Cohort { experiment, epoch, variant, day: read(day)? }, shard)
            } else {
                (RowKey::Experiment { experiment, epoch, hour: read(first)? }, rest)
            }
        }
        RowsOf::Stream => (RowKey::Stream { hour: read(first)? }, rest),
        RowsOf::UnknownEvents { .. } => (RowKey::UnknownEvents { day: read(first)? }, rest),
    })
}

/// The name of a counter in its row.
#[must_use]
pub fn counter(counter: &Counter<'_>) -> String {
    match counter {
        Counter::Variant(variant, what) => format!("{}#{variant}", what.as_str()),
        Counter::Metric(variant, metric, what) => format!("{}#{variant}#{metric}", what.as_str()),
        Counter::GroupUnits(group) => group.to_string(),
        Counter::GroupSum(group, metric) => format!("{group}#{metric}"),
        Counter::GroupValues(group, metric) => format!("{group}#{GROUP_VALUES}#{metric}"),
        Counter::Stream(what) => what.as_str().to_owned(),
        Counter::Rejected(reason) => format!("{REJECTED}#{reason}"),
        Counter::Unknown(name) => format!("{UNKNOWN}{name}"),
    }
}

/// The counter of a name. `None` for what is not one: a store keeps other attributes beside them.
#[must_use]
pub fn read_counter(name: &str) -> Option<Counter<'static>> {
    // First, because a name of an event may hold anything.
    if let Some(name) = name.strip_prefix(UNKNOWN) {
        return Some(Counter::Unknown(Cow::Owned(name.to_owned())));
    }
    let mut parts = name.splitn(3, '#');
    let (first, second, third) = (parts.next()?, parts.next(), parts.next());
    let owned = |text: &str| Cow::Owned(text.to_owned());
    if let Some(group) = read(first) {
        return match (second, third) {
            (None, _) => Some(Counter::GroupUnits(group)),
            (Some(metric), None) => Some(Counter::GroupSum(group, owned(metric))),
            (Some(GROUP_VALUES), Some(metric)) => Some(Counter::GroupValues(group, owned(metric))),
            _ => None,
        };
    }
    match (second, third) {
        (None, _) => StreamCounter::of_word(first).map(Counter::Stream),
        (Some(reason), None) if first == REJECTED => RejectionReason::of_word(reason).map(Counter::Rejected),
        (Some(variant), None) => Some(Counter::Variant(owned(variant), VariantCounter::of_word(first)?)),
        (Some(variant), Some(metric)) => {
            Some(Counter::Metric(owned(variant), owned(metric), MetricCounter::of_word(first)?))
        }
    }
}

/// The subject of a mark, beside its unit.
#[must_use]
pub fn mark(subject: &MarkSubject<'_>) -> String {
    match subject {
        MarkSubject::Exposure { experiment, epoch } => format!("{experiment}#{epoch}"),
        MarkSubject::Conversion { experiment, epoch, metric } => format!("{experiment}#{epoch}#{metric}"),
        MarkSubject::Event(id) => format!("{EVENT}{id:016x}"),
    }
}

/// The key of a unit's mark. `None` for what is not one.
#[must_use]
pub fn read_mark(unit: &str, about: &str) -> Option<MarkKey<'static>> {
    let owned = |text: &str| Cow::Owned(text.to_owned());
    let (experiment, rest) = about.split_once('#')?;
    let (epoch, metric) = rest.split_once('#').map_or((rest, None), |(epoch, metric)| (epoch, Some(metric)));
    // An experiment may be named as the prefix of ids is; but these have more digits than an epoch.
    let id = about.strip_prefix(EVENT).filter(|id| id.len() == 16);
    let subject = match (id.and_then(|id| u64::from_str_radix(id, 16).ok()), metric) {
        (Some(id), _) => MarkSubject::Event(id),
        (_, None) => MarkSubject::Exposure { experiment: owned(experiment), epoch: read(epoch)? },
        (_, Some(metric)) => MarkSubject::Conversion {
            experiment: owned(experiment),
            epoch: read(epoch)?,
            metric: owned(metric),
        },
    };
    Some(MarkKey { unit: owned(unit), subject })
}

/// A text of a position that sorts, byte by byte, as positions compare: stores have no other order. The separators sort before every
/// character of a key, so that parts sort by experiment and then by metric.
#[must_use]
pub fn position(position: &Position) -> String {
    let Position { sequence, sub, part } = position;
    let event = format!("{:03}{}:{sub:010}", sequence.as_str().len(), sequence.as_str());
    match part {
        Some((experiment, metric)) => format!("{event}!{experiment}!{metric}"),
        None => format!("{event}~"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abx_core::event::Hour;
    use proptest::prelude::*;

    /// Tables hold these texts: a change here makes what they hold unreadable.
    #[test]
    fn the_texts_are_those_that_stores_hold() {
        let (checkout, control) = (|| Cow::Borrowed("checkout"), || Cow::Borrowed("a.b-c"));
        let shard = "events/shardId-000000000001";
        let day = "2026-11-28".parse().unwrap();
        for (key, partition, sort) in [
            (
                RowKey::Experiment { experiment: checkout(), epoch: 1, hour: Hour::At(498_853) },
                "exp#checkout",
                "2026-11-28T13#events/shardId-000000000001",
            ),
            (
                RowKey::Experiment { experiment: checkout(), epoch: 2, hour: Hour::Late },
                "exp#checkout#2",
                "late#events/shardId-000000000001",
            ),
            (
                RowKey::Groups { experiment: checkout(), epoch: 1, variant: control() },
                "exp#checkout",
                "groups#a.b-c#events/shardId-000000000001",
            ),
            (
                RowKey::Cohort { experiment: checkout(), epoch: 2, variant: control(), day },
                "exp#checkout#2",
                "cohort#2026-11-28#a.b-c#events/shardId-000000000001",
            ),
            (RowKey::Stream { hour: Hour::At(-1) }, "stream", "1969-12-31T23#events/shardId-000000000001"),
            (
                RowKey::UnknownEvents { day },
                "unknown#events/shardId-000000000001",
                "2026-11-28#events/shardId-000000000001",
            ),
        ] {
            assert_eq!(row(&key, shard), (partition.to_owned(), sort.to_owned()));
        }
        let revenue = || Cow::Borrowed("revenue");
        let variants = VariantCounter::ALL.iter().map(|it| Counter::Variant(control(), *it));
        let metrics = MetricCounter::ALL.iter().map(|it| Counter::Metric(control(), revenue(), *it));
        let streams = StreamCounter::ALL.iter().map(|it| Counter::Stream(*it));
        let others = [
            Counter::GroupUnits(15),
            Counter::GroupSum(0, revenue()),
            Counter::GroupValues(7, revenue()),
            Counter::Rejected(RejectionReason::NotJson),
            Counter::Unknown("a#b".into()),
        ];
        let names: Vec<_> =
            variants.chain(metrics).chain(streams).chain(others).map(|it| counter(&it)).collect();
        let expected = "u#a.b-c x#a.b-c c#a.b-c mu#a.b-c#revenue me#a.b-c#revenue ms#a.b-c#revenue mi#a.b-c#revenue mo#a.b-c#revenue \
            accepted duplicates late unattributed unused misrouted outside_id_window evaluations \
            15 0#revenue 7#e#revenue rejected#not_json unknown#a#b";
        assert_eq!(names.join(" "), expected);
        for (subject, text) in [
            (MarkSubject::Exposure { experiment: checkout(), epoch: 1 }, "checkout#1"),
            (
                MarkSubject::Conversion { experiment: checkout(), epoch: 2, metric: revenue() },
                "checkout#2#revenue",
            ),
            (MarkSubject::Event(0xc0_ffee_00c0_ffee), "id#00c0ffee00c0ffee"),
        ] {
            assert_eq!(mark(&subject), text);
        }
    }

    #[test]
    fn what_is_none_of_these_is_left_out() {
        for other in ["pk", "sk", "ttl", "x", "z#control", "1#a#b", "rejected#nothing"] {
            assert_eq!(read_counter(other), None, "{other}");
        }
        let experiment = RowsOf::Experiment { experiment: "e", epoch: 1 };
        for (of, sort) in [
            (experiment, "head"),
            (experiment, "groups#a"),
            (experiment, "yesterday#events/1"),
            (RowsOf::Stream, "groups#a#events/1"),
            (RowsOf::UnknownEvents { shard: "events/1" }, "late#events/1"),
        ] {
            assert_eq!(read_row(of, sort), None, "{sort}");
        }
        for about in ["", "checkout", "checkout#", "checkout#one", "checkout##bought", "id#00c0ffee00c0ffeg"]
        {
            assert_eq!(read_mark("u", about), None, "{about}");
        }
        for other in ["stream", "exp", "exp#e#two", "shard#events/1"] {
            assert_eq!(read_experiment(other), None, "{other}");
        }
    }

    /// The keys of documents, and the names of variants that no document knows.
    const KEY: &str = "id|groups|cohort|late|exp|7|[a-zA-Z0-9][a-zA-Z0-9._-]{0,20}|~unknown";
    /// Shards, and names of events: anything.
    const ANYTHING: &str = "events/shardId-[0-9]{12}|.{0,20}|[#a-z]{0,8}";

    fn hours() -> impl Strategy<Value = Hour> {
        prop_oneof![Just(Hour::Late), (-1_000_000..10_000_000_i64).prop_map(Hour::At)]
    }

    fn rows() -> impl Strategy<Value = RowKey<'static>> {
        let epoch = prop_oneof![Just(1_u32), 2..=u32::MAX];
        (KEY, epoch, hours(), KEY, 0..5_u8, 0..100_000_i32).prop_map(
            |(experiment, epoch, hour, variant, kind, day)| {
                let (experiment, variant) = (Cow::Owned(experiment), Cow::Owned(variant));
                let day = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(day)).unwrap();
                match kind {
                    0 => RowKey::Experiment { experiment, epoch, hour },
                    1 => RowKey::Groups { experiment, epoch, variant },
                    2 => RowKey::Stream { hour },
                    3 => RowKey::Cohort { experiment, epoch, variant, day },
                    _ => RowKey::UnknownEvents { day },
                }
            },
        )
    }

    fn counters() -> impl Strategy<Value = Counter<'static>> {
        (0..8_u8, KEY, KEY, 0..16_u8, any::<prop::sample::Index>(), ANYTHING).prop_map(
            |(kind, variant, metric, group, which, name)| {
                let (variant, metric) = (Cow::Owned(variant), Cow::Owned(metric));
                match kind {
                    0 => Counter::Variant(variant, *which.get(&VariantCounter::ALL)),
                    1 => Counter::Metric(variant, metric, *which.get(&MetricCounter::ALL)),
                    2 => Counter::GroupUnits(group),
                    3 => Counter::GroupSum(group, metric),
                    7 => Counter::GroupValues(group, metric),
                    4 => Counter::Stream(*which.get(&StreamCounter::ALL)),
                    5 => Counter::Rejected(*which.get(&RejectionReason::ALL)),
                    _ => Counter::Unknown(name.into()),
                }
            },
        )
    }

    fn marks() -> impl Strategy<Value = MarkSubject<'static>> {
        (0..3_u8, KEY, 1..=u32::MAX, KEY, any::<u64>()).prop_map(|(kind, experiment, epoch, metric, id)| {
            let (experiment, metric) = (Cow::Owned(experiment), Cow::Owned(metric));
            match kind {
                0 => MarkSubject::Exposure { experiment, epoch },
                1 => MarkSubject::Conversion { experiment, epoch, metric },
                _ => MarkSubject::Event(id),
            }
        })
    }

    proptest! {
        #[test]
        fn rows_are_read_as_they_are_written(key in rows(), shard in ANYTHING) {
            let of = match &key {
                RowKey::Experiment { experiment, epoch, .. }
                | RowKey::Groups { experiment, epoch, .. }
                | RowKey::Cohort { experiment, epoch, .. } => RowsOf::Experiment { experiment, epoch: *epoch },
                RowKey::Stream { .. } => RowsOf::Stream,
                RowKey::UnknownEvents { .. } => RowsOf::UnknownEvents { shard: &shard },
            };
            let (at, sort) = row(&key, &shard);
            prop_assert_eq!(&at, &partition(of));
            prop_assert_eq!(read_row(of, &sort), Some((key.clone(), &*shard)));
            let experiment = match of {
                RowsOf::Experiment { experiment, epoch } => Some((experiment, epoch)),
                RowsOf::Stream | RowsOf::UnknownEvents { .. } => None,
            };
            prop_assert_eq!(read_experiment(&at), experiment);
        }

        #[test]
        fn counters_are_read_as_they_are_written(written in counters()) {
            prop_assert_eq!(read_counter(&counter(&written)), Some(written));
        }

        #[test]
        fn marks_are_read_as_they_are_written(unit in ".{0,20}", subject in marks()) {
            let read = read_mark(&unit, &mark(&subject));
            prop_assert_eq!(read, Some(MarkKey { unit: unit.into(), subject }));
        }

        #[test]
        fn positions_sort_as_they_compare(
            a in ("0|[1-9][0-9]{0,128}", 0..12_u32, prop::option::of(("[ab][a-b._-]{0,2}", "[ab][a-b._-]{0,2}"))),
            b in ("0|[1-9][0-9]{0,3}", 0..12_u32, prop::option::of(("[ab][a-b._-]{0,2}", "[ab][a-b._-]{0,2}"))),
            same: bool,
        ) {
            let position = |(digits, sub, part): (String, u32, Option<(String, String)>)| Position {
                sequence: digits.parse().unwrap(),
                sub,
                part: part.map(|(experiment, metric)| (experiment.into(), metric.into())),
            };
            let (a, mut b) = (position(a), position(b));
            if same {
                b.sequence.clone_from(&a.sequence);
            }
            prop_assert_eq!(super::position(&a).cmp(&super::position(&b)), a.cmp(&b));
        }
    }
}
