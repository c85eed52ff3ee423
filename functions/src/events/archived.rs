//! The line of the archive, written and read.
//!
//! Of several lines with one `_id` the one with the most in `credited` says what was counted: a line rests on marks that stand
//! and never change, so that a later attempt knows as much or more.

use crate::ports::ArchiveLine;
use abx_core::event::{Credit, EventData, EventKind, Position, StreamItem};
use abx_core::read::time_of_text;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// An event as the archive keeps it: what was read, what it was credited to, and what was sent, whole.
#[derive(Debug, Serialize)]
struct ArchivedEvent<'a> {
    /// `shard:sequence[:sub]`: two lines with one id are one event.
    #[serde(rename = "_id")]
    id: String,
    arrived_at: Timestamp,
    #[serde(rename = "type")]
    kind: &'a str,
    /// Left out of a summary, which is about many units.
    #[serde(skip_serializing_if = "str::is_empty")]
    unit: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    experiment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flag: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Timestamp>,
    /// The metrics that it was credited to, with the variant of each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    credited: Vec<Credited<'a>>,
    /// As it was sent.
    sent: &'a RawValue,
}

#[derive(Debug, Serialize)]
struct Credited<'a> {
    experiment: &'a str,
    metric: &'a str,
    variant: &'a str,
}

/// An event's line. `None` for what is no JSON, which no event is.
pub(super) fn line(
    shard: &str,
    item: &StreamItem<'_>,
    event: &EventData<'_>,
    credits: &[Credit<'_>],
) -> Option<ArchiveLine> {
    let (name, experiment, flag, variant) = match &event.kind {
        EventKind::Exposure { experiment, variant, .. } => {
            (None, Some(&**experiment), None, Some(&**variant))
        }
        EventKind::Evaluation { flag, variant } => (None, None, Some(&**flag), Some(&**variant)),
        EventKind::Evaluations { .. } => (None, None, None, None),
        EventKind::Conversion { event, .. } => (Some(&**event), None, None, None),
    };
    let credited = credits.iter().map(|credit| Credited {
        experiment: credit.experiment,
        metric: credit.metric,
        variant: credit.variant,
    });
    let written = ArchivedEvent {
        id: format!("{shard}:{}", item.position),
        arrived_at: item.arrived,
        kind: event.kind.as_str(),
        unit: &event.unit,
        event: name,
        experiment,
        flag,
        variant,
        timestamp: event.timestamp,
        credited: credited.collect(),
        sent: serde_json::from_slice(item.data).ok()?,
    };
    // A line feed can only stand between the tokens of what was sent: inside texts it is escaped.
    let json = serde_json::to_string(&written).ok()?.replace(['\n', '\r'], " ");
    Some(ArchiveLine { arrived: item.arrived, json })
}

/// A record as it was when it was archived: counted again under its own identity, it counts once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedRecord {
    /// The shard that it came in, as `stream/shard`.
    pub shard: String,
    /// Its position there.
    pub position: Position,
    /// The time of its arrival.
    pub arrived: Timestamp,
    /// The event as it was sent, except that line feeds between its tokens are spaces.
    pub data: Vec<u8>,
}

/// Why an object of the archive cannot be read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotArchived(String);

impl fmt::Display for NotArchived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this line of an archive cannot be read: {}", self.0)
    }
}

impl std::error::Error for NotArchived {}

/// A line of the archive, as it is read. A field that is not there is `None`, so that lines of older versions can be read.
#[derive(Debug, Deserialize)]
pub struct ArchivedLine<'a> {
    /// The identity of the event; [`Self::place`] takes it apart.
    #[serde(rename = "_id")]
    pub id: Option<Cow<'a, str>>,
    arrived_at: Option<Cow<'a, str>>,
    /// The unit; a summary has none.
    pub unit: Option<Cow<'a, str>>,
    /// The experiment of an exposure.
    pub experiment: Option<Cow<'a, str>>,
    /// The metrics that a conversion was credited to.
    #[serde(borrow)]
    pub credited: Option<Vec<ArchivedCredit<'a>>>,
    /// The event as it was sent.
    #[serde(borrow)]
    pub sent: Option<&'a RawValue>,
}

/// A metric that an archived event was credited to.
#[derive(Debug, Deserialize)]
pub struct ArchivedCredit<'a> {
    /// The experiment of the metric.
    #[serde(borrow)]
    pub experiment: Cow<'a, str>,
}

impl<'a> ArchivedLine<'a> {
    /// Reads a line. Any JSON object whose fields have the types of these is one.
    pub fn read(line: &'a [u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(line)
    }

    /// The shard and the position of the event.
    #[must_use]
    pub fn place(&self) -> Option<(&str, Position)> {
        identity(self.id.as_deref()?)
    }

    /// The time of the event's arrival.
    #[must_use]
    pub fn arrived(&self) -> Option<Timestamp> {
        time_of_text(self.arrived_at.as_deref()?)
    }

    /// True for an exposure to an experiment, or a conversion that was credited to it.
    #[must_use]
    pub fn is_about(&self, experiment: &str) -> bool {
        self.experiment.as_deref() == Some(experiment)
            || self.credited.iter().flatten().any(|it| it.experiment == experiment)
    }
}

impl ArchivedRecord {
    /// Reads a line. `None` for one with neither `_id` nor `sent`: an event as its producer sends it, or something else.
    pub fn read(line: &str) -> Result<Option<Self>, NotArchived> {
        let missing = |name: &str| NotArchived(format!("`{name}` is missing"));
        let written = match ArchivedLine::read(line.as_bytes()) {
            Ok(written) => written,
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                let what = if error.is_data() {
                    "a field has a wrong type, or stands there twice"
                } else {
                    "not JSON"
                };
                return Err(NotArchived(format!("{what}, at line {line} column {column}")));
            }
        };
        if written.id.is_none() && written.sent.is_none() {
            return Ok(None);
        }
        if written.id.is_none() {
            return Err(missing("_id"));
        }
        let (shard, position) = written.place().ok_or_else(|| {
            NotArchived(
                "`_id` is not a shard and a sequence number, for example events/shardId-000000000001:4961"
                    .to_owned(),
            )
        })?;
        Ok(Some(Self {
            shard: shard.to_owned(),
            position,
            arrived: match written.arrived() {
                Some(arrived) => arrived,
                None if written.arrived_at.is_none() => return Err(missing("arrived_at")),
                None => return Err(NotArchived("`arrived_at` is not a time".to_owned())),
            },
            data: written.sent.ok_or_else(|| missing("sent"))?.get().into(),
        }))
    }
}

/// Takes an `_id` apart. The name of a shard may hold colons; what follows the first of them that can be is the position.
pub(super) fn identity(id: &str) -> Option<(&str, Position)> {
    let (shard, position) = id.match_indices(':').find_map(|(at, _)| {
        let (shard, rest) = id.split_at_checked(at)?;
        Some((shard, rest.strip_prefix(':')?.parse().ok()?))
    })?;
    (!shard.is_empty()).then_some((shard, position))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::kinesis::{KinesisRecord, aggregate};
    use abx_core::event::{Batch, ItemContent};
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::sync::Arc;

    /// Archives what a batch holds; each item beside its line.
    fn round_trip(batch: &Batch) -> usize {
        let mut events = 0;
        for shard in &batch.shards {
            for item in shard.items(None, |_| false) {
                let ItemContent::Event(event, _) = &item.what else { continue };
                let credit = Credit { experiment: "checkout", variant: "a", metric: "revenue" };
                let line = line(&shard.shard, &item, event, &[credit]).unwrap();
                assert!(!line.json.contains('\n'));
                let read = ArchivedRecord::read(&line.json).unwrap().unwrap();
                assert_eq!(
                    (&read.shard, &read.position, read.arrived),
                    (&shard.shard, item.position, item.arrived)
                );
                let again = EventData::read(&read.data).unwrap();
                assert_eq!(
                    (&again.event_id, &again.unit, again.timestamp),
                    (&event.event_id, &event.unit, event.timestamp)
                );
                let json = |data| serde_json::from_slice::<Value>(data).unwrap();
                assert_eq!(json(&read.data), json(item.data));
                events += 1;
            }
        }
        events
    }

    fn event() -> impl Strategy<Value = Value> {
        let text = prop_oneof![any::<String>(), Just("a\nb\r\u{2028}".to_owned())];
        let unit = text.clone().prop_filter("a unit is not blank", |unit| !unit.trim().is_empty());
        let amount = prop_oneof![any::<i64>().prop_map(Value::from), any::<f64>().prop_map(Value::from)];
        let time = 0..4_000_000_000_000_i64;
        (0..4, unit, proptest::option::of(text), amount, proptest::option::of(time)).prop_map(
            |(kind, unit, id, amount, time)| match kind {
                0 => json!({"type": "exposure", "experiment": "checkout", "variant": "a", "unit": unit,
                    "event_id": id, "timestamp": time, "epoch": 2}),
                1 => json!({"type": "evaluation", "flag": "f", "variant": "on", "user_id": unit, "event_id": id}),
                2 => json!({"type": "evaluations", "event_id": id, "timestamp": time,
                    "counts": [{"flag": "f", "variant": "on", "count": 3, "reason": unit}]}),
                _ => json!({"type": "conversion", "event": "purchase", "user_id": unit, "timestamp": time,
                    "properties": {"amount": amount, "sent": unit}, "context": {"account": id}}),
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_archived_is_read_back(
            events in prop::collection::vec((event(), any::<bool>()), 1..8),
            digits in "[1-9][0-9]{0,60}",
            arrived in 0..4_000_000_000_000_i64,
            together in any::<bool>(),
        ) {
            // Some are sent with line feeds between their tokens.
            let text = |(event, pretty): &(Value, bool)| {
                if *pretty { serde_json::to_vec_pretty(event) } else { serde_json::to_vec(event) }.unwrap()
            };
            let all: Vec<Vec<u8>> = events.iter().map(text).collect();
            let datas = if together { vec![aggregate("u", &all)] } else { all };
            let records: Vec<_> = datas.into_iter().zip(100..).map(|(data, number)| KinesisRecord {
                sequence: format!("{digits}{number}"),
                partition_key: "u".to_owned(),
                arrived: Timestamp::from_millisecond(arrived).unwrap(),
                data,
            }).collect();
            for shard in ["events/shardId-000000000001", "events/shard:of:colons"] {
                let shard = Arc::from(shard);
                let records = records.iter().map(|it| it.clone().into_record(&shard).unwrap());
                prop_assert!(round_trip(&Batch::from_records(records)) > 0);
            }
        }

        #[test]
        fn any_line_is_read_or_refused(line in ".{0,200}") {
            let _ = ArchivedRecord::read(&line);
        }
    }

    #[test]
    fn a_line_is_about_the_experiments_that_it_counted_for() {
        let exposure = br#"{"_id": "s:1", "unit": "u", "experiment": "a", "sent": {}}"#;
        let conversion = br#"{"_id": "s:2", "unit": "u", "credited": [{"experiment": "b", "metric": "m", "variant": "v"}]}"#;
        for (line, about) in [(&exposure[..], "a"), (&conversion[..], "b")] {
            let line = ArchivedLine::read(line).unwrap();
            assert_eq!(["a", "b"].map(|it| line.is_about(it)), ["a", "b"].map(|it| it == about));
        }
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        for (line, why) in [
            ("", "not JSON"),
            ("{", "not JSON"),
            ("[]", "wrong type"),
            ("{\"_id\": 7}", "wrong type"),
            ("{\"_id\": \"s:1\", \"_id\": \"s:1\"}", "twice"),
            ("{\"_id\": \"s:1\"}", "`arrived_at` is missing"),
            ("{\"_id\": \"s:1\", \"arrived_at\": \"2026-11-24T10:11:12Z\"}", "`sent` is missing"),
            ("{\"sent\": {}}", "`_id` is missing"),
            ("{\"_id\": \"s\", \"sent\": {}}", "`_id` is not"),
            ("{\"_id\": \":1\", \"sent\": {}}", "`_id` is not"),
            ("{\"_id\": \"s:01\", \"sent\": {}}", "`_id` is not"),
            ("{\"_id\": \"s:1\", \"arrived_at\": \"soon\", \"sent\": {}}", "`arrived_at` is not a time"),
        ] {
            let error = ArchivedRecord::read(line).expect_err(line).to_string();
            assert!(error.contains(why), "{line}: {error}");
        }
        let plain = r#"{"type": "conversion", "event": "e", "user_id": "u"}"#;
        assert_eq!(ArchivedRecord::read(plain), Ok(None));
    }
}
