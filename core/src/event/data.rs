//! An event: what a record says.

use super::summary::{self, EvaluationCount};
use super::{Rejection, RejectionReason as Reason};
use crate::document::Key;
use crate::hash::fingerprint;
use crate::read::{id_of, time_of, time_of_text};
use jiff::Timestamp;
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// The longest event, in bytes. A longer one neither fits an archive's record nor says anything that an experiment needs.
pub const MAX_EVENT_BYTES: usize = 256 * 1024;
/// The longest unit, in bytes: the limit of a DynamoDB partition key.
pub(super) const MAX_UNIT_BYTES: usize = 2048;
/// The longest event id or name, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// An event, validated. Texts are borrowed from the record wherever JSON escapes nothing in them.
///
/// ```json
/// {"event_id": "9f…", "type": "exposure", "unit": "u1", "experiment": "checkout", "variant": "control", "epoch": 1}
/// {"event_id": "a0…", "type": "conversion", "user_id": "u1", "event": "purchase", "properties": {"amount": 9.5}}
/// {"event_id": "b1…", "type": "evaluation", "unit": "u1", "flag": "new_search", "variant": "on"}
/// {"event_id": "c2…", "type": "evaluations", "counts": [{"flag": "new_search", "variant": "on", "revision": 7, "count": 120}]}
/// ```
///
/// `timestamp` is a time as [`crate::read`] reads it; without one the event happened when it arrived. `unit` and `user_id` are the
/// same; they and `event_id` are texts or whole numbers. Unknown fields are left alone.
#[derive(Debug, Clone)]
pub struct EventData<'a> {
    /// Names the event among those of its type, its name and its unit; see [`Self::identity`]. `None` if its producer gave none.
    pub event_id: Option<Cow<'a, str>>,
    /// Whose it is; empty for a summary, which is about many units.
    pub unit: Cow<'a, str>,
    /// The time of the event, if its producer gives one.
    pub timestamp: Option<Timestamp>,
    /// The kind of event, with its details.
    pub kind: EventKind<'a>,
}

/// The kind of an event, with its details.
#[derive(Debug, Clone)]
pub enum EventKind<'a> {
    /// A unit saw a variant.
    Exposure {
        /// The experiment.
        experiment: Cow<'a, str>,
        /// The variant.
        variant: Cow<'a, str>,
        /// The experiment's epoch.
        epoch: u32,
    },
    /// A flag gave a unit a value.
    Evaluation {
        /// The flag.
        flag: Cow<'a, str>,
        /// The variant.
        variant: Cow<'a, str>,
    },
    /// A process evaluated flags so many times.
    Evaluations {
        /// By flag, variant and revision.
        counts: Vec<EvaluationCount<'a>>,
    },
    /// A unit did something that metrics may count.
    Conversion {
        /// The name of the event.
        event: Cow<'a, str>,
        /// Numbers and other things about it: a JSON object.
        properties: Option<&'a RawValue>,
        /// Attributes of the unit, for experiments that randomise another one than `user_id`: a JSON object.
        context: Option<&'a RawValue>,
    },
}

impl EventKind<'_> {
    /// Its `type`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Exposure { .. } => "exposure",
            Self::Evaluation { .. } => "evaluation",
            Self::Evaluations { .. } => "evaluations",
            Self::Conversion { .. } => "conversion",
        }
    }
}

/// An event, as written.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct RawEvent<'a> {
    event_id: Option<EventId<'a>>,
    #[serde(rename = "type")]
    kind: Option<Text<'a>>,
    unit: Option<EventId<'a>>,
    user_id: Option<EventId<'a>>,
    event: Option<Text<'a>>,
    experiment: Option<Text<'a>>,
    flag: Option<Text<'a>>,
    variant: Option<Text<'a>>,
    epoch: Option<u32>,
    /// Read where it is asked for: an event of another type may have a field of this name, which is left alone.
    counts: Option<&'a RawValue>,
    timestamp: Option<WrittenTime<'a>>,
    properties: Option<&'a RawValue>,
    context: Option<&'a RawValue>,
}

impl<'a> EventData<'a> {
    /// Reads and validates an event.
    pub fn read(data: &'a [u8]) -> Result<Self, Rejection> {
        if data.len() > MAX_EVENT_BYTES {
            let detail = format!("it has {} bytes; at most {MAX_EVENT_BYTES} are read", data.len());
            return Err(Rejection::new(Reason::TooLarge, detail));
        }
        let text = std::str::from_utf8(data).map_err(|error| {
            let detail = format!("byte {} is not UTF-8", error.valid_up_to());
            Rejection::new(Reason::NotUtf8, detail)
        })?;
        let written: RawEvent<'a> = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
        written.validate()
    }

    /// The event's identity: two records with one identity are one event. An id counts within its type, what it is about and
    /// its unit, because producers number what they have at hand: an order's purchase and its refund have the order's id, and two
    /// users' first events are both number 1. `None` without an id.
    #[must_use]
    pub fn identity(&self) -> Option<String> {
        let id = self.event_id.as_deref()?;
        let (kind, unit) = (self.kind.as_str(), &*self.unit);
        let about = match &self.kind {
            EventKind::Exposure { experiment: about, .. }
            | EventKind::Evaluation { flag: about, .. }
            | EventKind::Conversion { event: about, .. } => &**about,
            EventKind::Evaluations { .. } => "",
        };
        // With lengths, so that no two of them can be put together to the same text.
        Some(format!("{kind}:{}:{about}:{}:{unit}:{id}", about.len(), unit.len()))
    }

    /// The hash of its identity, as ledgers keep it.
    #[must_use]
    pub fn fingerprint(&self) -> Option<u64> {
        self.identity().map(|identity| fingerprint(&identity))
    }
}

pub(super) fn unreadable(error: &serde_json::Error) -> Rejection {
    let reason = if error.is_data() { Reason::WrongType } else { Reason::NotJson };
    let place = format!("at line {} column {}", error.line(), error.column());
    // What serde_json says of a wrong value may quote it, and values stay out of logs.
    let detail = if error.is_data() { "a field has a wrong type, or stands there twice" } else { "no JSON" };
    Rejection::new(reason, format!("{detail}, {place}"))
}

impl<'a> RawEvent<'a> {
    fn validate(self) -> Result<EventData<'a>, Rejection> {
        let is_summary = self.kind.as_ref().is_some_and(|kind| kind.0 == "evaluations");
        let unit = if is_summary { Cow::Borrowed("") } else { unit(self.unit.or(self.user_id))? };
        let event_id = self.event_id.map(|id| id.0).filter(|id| !id.is_empty());
        check_length("event_id", event_id.as_deref().unwrap_or_default(), MAX_NAME_BYTES)?;
        let timestamp = self.timestamp.map(WrittenTime::parse).transpose()?;
        let kind = match self.kind.as_ref().map(|kind| &*kind.0) {
            Some("exposure") => exposure(self.experiment, self.variant, self.epoch)?,
            Some("evaluation") => evaluation(self.flag, self.variant)?,
            Some("evaluations") => EventKind::Evaluations {
                counts: summary::read(self.counts.ok_or_else(|| missing("counts"))?)?,
            },
            Some("conversion") => conversion(self.event, self.properties, self.context)?,
            Some(_) => {
                let detail = "`type` is none of exposure, conversion, evaluation, evaluations";
                return Err(Rejection::new(Reason::UnknownType, detail));
            }
            None => return Err(missing("type")),
        };
        Ok(EventData { event_id, unit, timestamp, kind })
    }
}

fn unit(written: Option<EventId<'_>>) -> Result<Cow<'_, str>, Rejection> {
    let unit = written.ok_or_else(|| missing("user_id"))?.0;
    if unit.chars().all(char::is_whitespace) {
        return Err(Rejection::new(Reason::InvalidValue, "`user_id` is blank"));
    }
    check_length("user_id", &unit, MAX_UNIT_BYTES)?;
    Ok(unit)
}

fn exposure<'a>(
    experiment: Option<Text<'a>>,
    variant: Option<Text<'a>>,
    epoch: Option<u32>,
) -> Result<EventKind<'a>, Rejection> {
    let epoch = epoch.unwrap_or(1);
    if epoch == 0 {
        return Err(Rejection::new(Reason::InvalidValue, "`epoch` is 0; epochs count from 1"));
    }
    Ok(EventKind::Exposure {
        experiment: key("experiment", experiment)?,
        variant: key("variant", variant)?,
        epoch,
    })
}

fn evaluation<'a>(flag: Option<Text<'a>>, variant: Option<Text<'a>>) -> Result<EventKind<'a>, Rejection> {
    Ok(EventKind::Evaluation { flag: key("flag", flag)?, variant: key("variant", variant)? })
}

fn conversion<'a>(
    event: Option<Text<'a>>,
    properties: Option<&'a RawValue>,
    context: Option<&'a RawValue>,
) -> Result<EventKind<'a>, Rejection> {
    let event = event.ok_or_else(|| missing("event"))?.0;
    if event.is_empty() {
        return Err(Rejection::new(Reason::InvalidValue, "`event` is empty"));
    }
    check_length("event", &event, MAX_NAME_BYTES)?;
    Ok(EventKind::Conversion {
        event,
        properties: object("properties", properties)?,
        context: object("context", context)?,
    })
}

pub(super) fn key<'a>(name: &str, text: Option<Text<'a>>) -> Result<Cow<'a, str>, Rejection> {
    let text = text.ok_or_else(|| missing(name))?.0;
    if Key::is_valid(&text) {
        Ok(text)
    } else {
        Err(Rejection::new(Reason::InvalidValue, format!("`{name}` is no key of a document")))
    }
}

fn object<'a>(name: &str, value: Option<&'a RawValue>) -> Result<Option<&'a RawValue>, Rejection> {
    match value {
        Some(value) if value.get() == "null" => Ok(None),
        Some(value) if !value.get().starts_with('{') => {
            Err(Rejection::new(Reason::WrongType, format!("`{name}` is no object")))
        }
        // A text with half of a surrogate pair is not JSON that every reader takes; where it stands must make no difference.
        Some(value) if value.get().contains("\\u") && has_lone_surrogate(value.get()) => {
            let detail = format!("`{name}` has a text with half of a surrogate pair");
            Err(Rejection::new(Reason::NotJson, detail))
        }
        value => Ok(value),
    }
}

/// True if an escape in the texts of a JSON value is half of a pair: `\\ud83d` without `\\ude00` after it, or the other way round.
fn has_lone_surrogate(json: &str) -> bool {
    let mut rest = json.as_bytes();
    let escape = |rest: &[u8]| {
        let digits = rest.strip_prefix(b"\\u").and_then(|rest| rest.get(..4))?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    while let [first, after @ ..] = rest {
        let second_half = || rest.get(6..).and_then(escape);
        rest = match (first, escape(rest)) {
            (_, Some(0xd800..0xdc00)) if matches!(second_half(), Some(0xdc00..0xe000)) => {
                rest.get(12..).unwrap_or_default()
            }
            (_, Some(0xd800..0xe000)) => return true,
            // What is escaped is no escape itself.
            (b'\\', _) => after.get(1..).unwrap_or_default(),
            _ => after,
        };
    }
    false
}

fn missing(name: &str) -> Rejection {
    Rejection::new(Reason::MissingField, format!("`{name}` is missing"))
}

fn check_length(name: &str, text: &str, limit: usize) -> Result<(), Rejection> {
    if text.len() <= limit {
        return Ok(());
    }
    let detail = format!("`{name}` has {} bytes; at most {limit} are taken", text.len());
    Err(Rejection::new(Reason::InvalidValue, detail))
}

/// A text that is borrowed where it can be. `Option<Cow<str>>` never is, with serde's own implementation.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(ScalarVisitor(PhantomData))
    }
}

/// An id: a text that is borrowed where it can be, or a whole number as its digits.
struct EventId<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for EventId<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor(PhantomData))
    }
}

/// A time, as written.
enum WrittenTime<'a> {
    Text(Cow<'a, str>),
    Number(serde_json::Number),
}

impl WrittenTime<'_> {
    fn parse(self) -> Result<Timestamp, Rejection> {
        let parsed = match self {
            Self::Text(text) => time_of_text(&text),
            Self::Number(number) => time_of(&number.into()),
        };
        parsed.ok_or_else(|| {
            let detail = "`timestamp` is neither RFC 3339, for example 2026-03-01T09:00:00Z, nor seconds or milliseconds since 1970";
            Rejection::new(Reason::InvalidTime, detail)
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for WrittenTime<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor(PhantomData))
    }
}

/// A text or a number of an event, without a copy of the text where its JSON has no escapes.
trait EventScalar<'a>: Sized {
    /// The values that it can be read from, as an error names them.
    const EXPECTED: &'static str;

    fn of_text(text: Cow<'a, str>) -> Self;

    fn of_number(number: serde_json::Number) -> Result<Self, &'static str>;
}

impl<'a> EventScalar<'a> for Text<'a> {
    const EXPECTED: &'static str = "a string";

    fn of_text(text: Cow<'a, str>) -> Self {
        Self(text)
    }

    fn of_number(_: serde_json::Number) -> Result<Self, &'static str> {
        Err("not a string")
    }
}

impl<'a> EventScalar<'a> for EventId<'a> {
    const EXPECTED: &'static str = "a string or a whole number";

    fn of_text(text: Cow<'a, str>) -> Self {
        Self(text)
    }

    fn of_number(number: serde_json::Number) -> Result<Self, &'static str> {
        let id = id_of(&number.into()).map(Cow::into_owned);
        id.map(|id| Self(Cow::Owned(id))).ok_or("not a whole number")
    }
}

impl<'a> EventScalar<'a> for WrittenTime<'a> {
    const EXPECTED: &'static str = "a time";

    fn of_text(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }

    fn of_number(number: serde_json::Number) -> Result<Self, &'static str> {
        Ok(Self::Number(number))
    }
}

struct ScalarVisitor<T>(PhantomData<T>);

impl<'de, T: EventScalar<'de>> Visitor<'de> for ScalarVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<T, E> {
        Ok(T::of_text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::of_text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        T::of_number(number.into()).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        T::of_number(number.into()).map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        let number = serde_json::Number::from_f64(number).ok_or_else(|| E::custom("not finite"))?;
        T::of_number(number).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reason(json: &str) -> Reason {
        EventData::read(json.as_bytes()).expect_err(json).reason
    }

    #[test]
    fn each_kind_is_read() {
        let exposure =
            br#"{"event_id":"e","type":"exposure","experiment":"x","variant":"a","unit":"u","revision":3,
            "epoch":2,"timestamp":"2026-03-01T09:00:00.5Z","more":[1]}"#;
        let event = EventData::read(exposure).unwrap();
        assert_eq!((event.event_id.as_deref(), &*event.unit), (Some("e"), "u"));
        assert!(matches!(&event.kind, EventKind::Exposure { epoch: 2, .. }));
        assert_eq!(event.timestamp, Some("2026-03-01T09:00:00.5Z".parse().unwrap()));
        let conversion =
            br#"{"type":"conversion","event":"purchase","user_id":"\u0041","timestamp":1767225600,
            "properties":{"amount":1.5},"context":null}"#;
        let event = EventData::read(conversion).unwrap();
        assert_eq!(&*event.unit, "A");
        assert_eq!(event.timestamp, Some(Timestamp::from_second(1_767_225_600).unwrap()));
        let EventKind::Conversion { properties, context, .. } = event.kind else { panic!() };
        assert_eq!(properties.unwrap().get(), r#"{"amount":1.5}"#);
        assert!(context.is_none());
        let evaluation = br#"{"type":"evaluation","flag":"f","variant":"on","unit":"u","reason":"rule"}"#;
        assert_eq!(EventData::read(evaluation).unwrap().kind.as_str(), "evaluation");
        let summary = br#"{"type":"evaluations","event_id":"p-1","unit":"u","counts":[
            {"flag":"f","variant":"on","revision":7,"reason":"RULE","count":2},{"flag":"f","variant":"off","count":1}]}"#;
        let event = EventData::read(summary).unwrap();
        assert_eq!((event.event_id.as_deref(), &*event.unit), (Some("p-1"), ""), "of many units");
        let EventKind::Evaluations { counts } = event.kind else { panic!() };
        let read: Vec<_> = counts.iter().map(|it| (&*it.flag, &*it.variant, it.revision, it.count)).collect();
        assert_eq!(read, [("f", "on", Some(7), 2), ("f", "off", None, 1)]);
    }

    /// A field of a conversion that nobody reads may be anything.
    #[test]
    fn counts_of_other_types_are_left_alone() {
        let event = r#"{"type":"conversion","event":"e","user_id":"u","counts":7}"#;
        assert!(EventData::read(event.as_bytes()).is_ok());
    }

    #[test]
    fn numbers_are_ids_as_well() {
        for (written, unit) in [("7", "7"), ("7.0", "7"), ("\"7\"", "7"), ("-3", "-3"), ("\"7.0\"", "7.0")] {
            let event =
                format!(r#"{{"event_id":{written},"type":"conversion","event":"e","user_id":{written}}}"#);
            let event = EventData::read(event.as_bytes()).unwrap();
            assert_eq!((&*event.unit, event.event_id.as_deref()), (unit, Some(unit)), "{written}");
        }
    }

    #[test]
    fn texts_are_borrowed() {
        let event = br#"{"event_id":"e","type":"exposure","experiment":"x","variant":"a","unit":"u"}"#;
        let event = EventData::read(event).unwrap();
        assert!(matches!(event.event_id, Some(Cow::Borrowed("e"))));
        assert!(matches!(event.unit, Cow::Borrowed("u")));
    }

    #[test]
    fn half_of_a_surrogate_pair_is_refused_wherever_it_stands() {
        for (text, is_whole) in [
            (r"\ud83d\ude00", true),
            (r"\\ud83d", true),
            (r"\u0041\uD83D\uDE00x", true),
            (r"\ud83d", false),
            (r"\ude00\ud83d", false),
            (r"\\\ud83d x", false),
            (r"\uD83D\u0041", false),
        ] {
            for name in ["user_id", "event_id", "event", "properties", "context"] {
                let value = match name {
                    "properties" | "context" => format!(r#"{{"deep":["{text}"]}}"#),
                    _ => format!(r#""{text}""#),
                };
                let json = ["user_id", "event"]
                    .iter()
                    .filter(|field| **field != name)
                    .fold(format!(r#"{{"type":"conversion","{name}":{value}"#), |json, field| {
                        json + &format!(r#","{field}":"x""#)
                    })
                    + "}";
                let refused = EventData::read(json.as_bytes()).err().map(|rejection| rejection.reason);
                assert_eq!(refused, (!is_whole).then_some(Reason::NotJson), "{json}");
            }
        }
    }

    #[test]
    fn an_id_counts_within_its_type_name_and_unit() {
        let event = |kind: &str, name: &str, unit: &str| {
            let about = match kind {
                "exposure" => "experiment",
                "evaluation" => "flag",
                _ => "event",
            };
            format!(
                r#"{{"event_id":"1","type":"{kind}","{about}":"{name}","variant":"a","user_id":"{unit}","timestamp":0}}"#
            )
        };
        let identity = |json: &str| EventData::read(json.as_bytes()).unwrap().fingerprint();
        let all = [
            event("conversion", "a", "u"),
            event("conversion", "a", "v"),
            event("conversion", "b", "u"),
            event("conversion", "a:1", "u"),
            event("conversion", "a", "1:u"),
            event("conversion", "a\\u0000", "u"),
            event("exposure", "a", "u"),
            event("exposure", "b", "u"),
            event("evaluation", "a", "u"),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().map(|json| identity(json).unwrap()).collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(identity(&all[0].replace(":0}", ":9}")), identity(&all[0]), "sent twice");
        for without in [all[0].replace("\"1\"", "\"\""), all[0].replace("event_id", "id")] {
            assert_eq!(identity(&without), None);
        }
    }

    #[test]
    fn what_is_wrong_has_a_reason() {
        for (json, expected) in [
            ("", Reason::NotJson),
            ("{\"type\":", Reason::NotJson),
            ("[]", Reason::WrongType),
            ("7", Reason::WrongType),
            (r#"{"type":"conversion","event":"e"}"#, Reason::MissingField),
            (r#"{"user_id":"u","event":"e"}"#, Reason::MissingField),
            (r#"{"type":"conversion","event":"e","user_id":" \t"}"#, Reason::InvalidValue),
            (r#"{"type":"conversion","event":"","user_id":"u"}"#, Reason::InvalidValue),
            (r#"{"type":"conversion","event":"e","user_id":7.5}"#, Reason::WrongType),
            (r#"{"type":"conversion","event":"e","user_id":true}"#, Reason::WrongType),
            (r#"{"type":"conversion","event":"e","user_id":"u","event_id":[1]}"#, Reason::WrongType),
            (r#"{"type":"conversion","event":"e","user_id":"u","user_id":"v"}"#, Reason::WrongType),
            (r#"{"type":"conversion","event":"e","user_id":"u","properties":[1]}"#, Reason::WrongType),
            (r#"{"type":"conversion","event":"e","user_id":"u","timestamp":"soon"}"#, Reason::InvalidTime),
            (r#"{"type":"conversion","event":"e","user_id":"u","timestamp":1e300}"#, Reason::InvalidTime),
            (r#"{"type":"conversion","event":"e","user_id":"u","timestamp":1e400}"#, Reason::NotJson),
            (r#"{"type":"conversion","event":"e","user_id":"u","timestamp":true}"#, Reason::WrongType),
            (r#"{"type":"click","user_id":"u"}"#, Reason::UnknownType),
            (r#"{"type":"exposure","experiment":"X","variant":"a","user_id":"u"}"#, Reason::InvalidValue),
            (r#"{"type":"exposure","experiment":"x","user_id":"u"}"#, Reason::MissingField),
            (
                r#"{"type":"exposure","experiment":"x","variant":"a","user_id":"u","epoch":0}"#,
                Reason::InvalidValue,
            ),
            (
                r#"{"type":"exposure","experiment":"x","variant":"a","user_id":"u","epoch":-1}"#,
                Reason::WrongType,
            ),
        ] {
            assert_eq!(reason(json), expected, "{json}");
        }
        let missing = [
            "null",
            r#"[{"flag":"f","variant":"on"}]"#,
            r#"[{"variant":"on","count":1}]"#,
            r#"[{"flag":"f","count":1}]"#,
        ];
        let wrong_type = [
            "{}",
            "[7]",
            r#"[{"flag":"f","variant":"on","count":-1}]"#,
            r#"[{"flag":"f","variant":"on","count":1.5}]"#,
            r#"[{"flag":"f","variant":"on","count":1,"revision":"x"}]"#,
        ];
        let invalid = [
            "[]",
            r#"[{"flag":"F","variant":"on","count":1}]"#,
            r#"[{"flag":"f","variant":"on","count":0}]"#,
            r#"[{"flag":"f","variant":"on","count":1000000001}]"#,
        ];
        for (expected, lists) in [
            (Reason::MissingField, &missing[..]),
            (Reason::WrongType, &wrong_type),
            (Reason::InvalidValue, &invalid),
        ] {
            for counts in lists {
                let event = format!(r#"{{"type":"evaluations","counts":{counts}}}"#);
                assert_eq!(reason(&event), expected, "{event}");
            }
        }
        let of = |count: usize| {
            let counts = vec![r#"{"flag":"f","variant":"on","count":1000000000}"#; count].join(",");
            format!(r#"{{"type":"evaluations","counts":[{counts}]}}"#)
        };
        assert!(EventData::read(of(1000).as_bytes()).is_ok());
        assert_eq!(reason(&of(1001)), Reason::InvalidValue);
        assert_eq!(EventData::read(b"\xff").unwrap_err().reason, Reason::NotUtf8);
        assert_eq!(EventData::read(&vec![b' '; MAX_EVENT_BYTES + 1]).unwrap_err().reason, Reason::TooLarge);
        let long = format!(r#"{{"type":"conversion","event":"e","user_id":"{}"}}"#, "u".repeat(2049));
        assert_eq!(reason(&long), Reason::InvalidValue);
        let deep = format!(r#"{{"type":"conversion","x":{}1"#, "[".repeat(100_000));
        assert_eq!(reason(&deep), Reason::NotJson, "and the stack holds");
    }

    #[test]
    fn reasons_tell_no_values() {
        for secret in [r#"{"type":"s3cret","user_id":"u"}"#, r#"{"user_id":"u","epoch":"s3cret"}"#] {
            let rejection = EventData::read(secret.as_bytes()).unwrap_err();
            assert!(!rejection.detail.contains("s3cret"), "{rejection}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(data in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = EventData::read(&data);
        }
    }
}
