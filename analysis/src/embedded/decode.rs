//! A line of an archive, read: as little of it as a question needs.

use crate::Extract;
use abx_core::event::{Amount, EventData};
use abx_core::read::{id_of, time_of_text};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};

/// An event of the archive, with what a question needs of it.
#[derive(Debug)]
pub(super) struct Decoded<'a> {
    pub(super) kind: Cow<'a, str>,
    pub(super) arrived: i64,
    pub(super) t: i64,
    /// `None` for an event that the question is not about.
    pub(super) relevant: Option<Relevant<'a>>,
    /// True for a conversion that the question is about, but for its missing unit.
    pub(super) is_without_unit: bool,
}

/// An event that a question is about.
#[derive(Debug)]
pub(super) struct Relevant<'a> {
    pub(super) unit: i128,
    pub(super) identity: i128,
    pub(super) about: About<'a>,
}

/// The details of an event that a question is about.
#[derive(Debug)]
pub(super) enum About<'a> {
    Exposure {
        variant: Cow<'a, str>,
        revision: Option<i64>,
        dimension: Option<Cow<'a, str>>,
    },
    /// The amounts of the properties are in [`Decoder::amounts`].
    Conversion {
        event: i32,
    },
}

/// A text that is borrowed where it can be. `Option<Cow<str>>` never is, with serde's own implementation.
#[derive(Debug, Clone)]
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// A line as the archive has it.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct WrittenLine<'a> {
    #[serde(rename = "_id")]
    id: Option<Text<'a>>,
    arrived_at: Option<Text<'a>>,
    #[serde(rename = "type")]
    kind: Option<Text<'a>>,
    /// A number in an event as its producer sends it.
    unit: Option<&'a RawValue>,
    event: Option<Text<'a>>,
    experiment: Option<Text<'a>>,
    variant: Option<Text<'a>>,
    timestamp: Option<&'a RawValue>,
    sent: Option<Sent<'a>>,
}

/// The fields of an event as it was sent that the columns of the archive do not have. They were checked when it was taken, but for those
/// that only analyses read; so nothing here refuses a value.
#[derive(Deserialize, Default)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Sent<'a> {
    #[serde(default)]
    event_id: Option<&'a RawValue>,
    #[serde(default)]
    epoch: Option<&'a RawValue>,
    #[serde(default)]
    revision: Option<&'a RawValue>,
    #[serde(default)]
    dimensions: Option<&'a RawValue>,
    #[serde(default)]
    properties: Option<&'a RawValue>,
    #[serde(default)]
    context: Option<&'a RawValue>,
}

/// The columns of a row of the archive.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Columns<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) arrived_at: Option<&'a str>,
    pub(super) kind: Option<&'a str>,
    pub(super) unit: Option<&'a str>,
    pub(super) event: Option<&'a str>,
    pub(super) experiment: Option<&'a str>,
    pub(super) variant: Option<&'a str>,
    pub(super) timestamp: Option<&'a str>,
    pub(super) sent: Option<&'a str>,
}

/// An event, its columns read.
struct Event<'a> {
    /// The identity of its line.
    line: &'a str,
    kind: Cow<'a, str>,
    unit: Cow<'a, str>,
    event: Option<Cow<'a, str>>,
    experiment: Option<Cow<'a, str>>,
    variant: Option<Cow<'a, str>>,
    sent: Sent<'a>,
}

/// Hashes identities and units to 126 bits. The keys are drawn for each archive, so that nobody can send ids that collide.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identities(u64, u64);

impl Identities {
    pub(super) fn new() -> Self {
        let random = || RandomState::new().build_hasher().finish();
        Self(random(), random())
    }

    fn hash(self, parts: &[&str]) -> i128 {
        let mut hasher = SipHasher13::new_with_keys(self.0, self.1);
        for part in parts {
            // With lengths, so that no two lists of parts have the same bytes.
            hasher.write_u64(part.len() as u64);
            hasher.write(part.as_bytes());
        }
        let hash = hasher.finish128();
        // Two bits less than there are, so that it is a decimal of 38 digits.
        i128::from(hash.h1 >> 2) << 64 | i128::from(hash.h2)
    }
}

/// Reads lines for one question.
pub(super) struct Decoder<'q> {
    extract: &'q Extract,
    identities: Identities,
    unit_path: Option<Vec<&'q str>>,
    /// The amounts of the properties of the latest conversion, in millionths.
    pub(super) amounts: Vec<Option<i128>>,
}

impl<'q> Decoder<'q> {
    pub(super) fn new(extract: &'q Extract, identities: Identities) -> Self {
        Self {
            extract,
            identities,
            unit_path: extract.unit.as_deref().map(|path| path.split('.').collect()),
            amounts: vec![None; extract.properties.len()],
        }
    }

    /// Reads a line. `place` names it, for an event without an id.
    pub(super) fn line<'a>(&mut self, line: &'a [u8], place: &'a str) -> Result<Decoded<'a>, String> {
        let text = std::str::from_utf8(line)
            .map_err(|error| format!("byte {} is not UTF-8", error.valid_up_to() + 1))?;
        let written: WrittenLine<'a> = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
        if written.id.is_none() && written.sent.is_none() {
            return self.plain(text, written.arrived_at.as_ref(), place);
        }
        let id = written.id.ok_or("`_id` is missing")?.0;
        let sent = written.sent.ok_or("`sent` is missing")?;
        let arrived = time("arrived_at", written.arrived_at.ok_or("`arrived_at` is missing")?.0.as_ref())?;
        let timestamp = written.timestamp.map(|raw| text_of(raw).ok_or("`timestamp` is not a string"));
        let t = timestamp.transpose()?.map_or(Ok(arrived), |text| time("timestamp", &text))?;
        let event = Event {
            line: place,
            kind: written.kind.ok_or("`type` is missing")?.0,
            unit: written
                .unit
                .map(|raw| text_of(raw).ok_or("`unit` is not a string"))
                .transpose()?
                .unwrap_or_default(),
            event: written.event.map(|it| it.0),
            experiment: written.experiment.map(|it| it.0),
            variant: written.variant.map(|it| it.0),
            sent,
        };
        self.event(event, Some(&id), arrived, t)
    }

    /// Reads a row of Parquet.
    pub(super) fn row<'a>(&mut self, row: Columns<'a>, place: &'a str) -> Result<Decoded<'a>, String> {
        let arrived = time("arrived_at", row.arrived_at.ok_or("`arrived_at` is missing")?)?;
        let t = row.timestamp.map_or(Ok(arrived), |text| time("timestamp", text))?;
        let sent = row.sent.ok_or("`sent` is missing")?;
        let event = Event {
            line: place,
            kind: row.kind.ok_or("`type` is missing")?.into(),
            unit: row.unit.unwrap_or_default().into(),
            event: row.event.map(Cow::Borrowed),
            experiment: row.experiment.map(Cow::Borrowed),
            variant: row.variant.map(Cow::Borrowed),
            sent: serde_json::from_str(sent).map_err(|error| format!("`sent`: {}", unreadable(&error)))?,
        };
        self.event(event, Some(row.id.ok_or("`id` is missing")?), arrived, t)
    }

    /// Reads an event as its producer sends it.
    fn plain<'a>(
        &mut self,
        line: &'a str,
        arrived: Option<&Text<'a>>,
        place: &'a str,
    ) -> Result<Decoded<'a>, String> {
        let data = EventData::read(line.as_bytes()).map_err(|rejection| rejection.to_string())?;
        let arrived = arrived.map(|text| time("arrived_at", &text.0)).transpose()?;
        let t = data.timestamp.map(jiff::Timestamp::as_millisecond).or(arrived);
        let t = t.ok_or("it has neither `timestamp` nor `arrived_at`, so that its time is not known")?;
        let sent = serde_json::from_str(line).map_err(|error| unreadable(&error))?;
        let written: WrittenLine<'a> = serde_json::from_str(line).map_err(|error| unreadable(&error))?;
        let event = Event {
            line: place,
            kind: written.kind.ok_or("`type` is missing")?.0,
            unit: data.unit,
            event: written.event.map(|it| it.0),
            experiment: written.experiment.map(|it| it.0),
            variant: written.variant.map(|it| it.0),
            sent,
        };
        self.event(event, None, arrived.unwrap_or(t), t)
    }

    fn event<'a>(
        &mut self,
        event: Event<'a>,
        id: Option<&str>,
        arrived: i64,
        t: i64,
    ) -> Result<Decoded<'a>, String> {
        let mut decoded = Decoded { kind: event.kind, arrived, t, relevant: None, is_without_unit: false };
        let (unit, name, about) = match &*decoded.kind {
            "exposure" => {
                let experiment = event.experiment.ok_or("`experiment` is missing")?;
                if *experiment != *self.extract.experiment
                    || epoch(event.sent.epoch) != u64::from(self.extract.epoch)
                {
                    return Ok(decoded);
                }
                let about = About::Exposure {
                    variant: event.variant.ok_or("`variant` is missing")?,
                    revision: event.sent.revision.and_then(|raw| raw.get().parse().ok()),
                    dimension: self.dimension(event.sent.dimensions),
                };
                (Some(event.unit.clone()), experiment, about)
            }
            "conversion" => {
                let name = event.event.ok_or("`event` is missing")?;
                let Some(place) = self.extract.event(&name) else { return Ok(decoded) };
                let unit = match &self.unit_path {
                    None => Some(event.unit.clone()),
                    Some(path) => unit_of_context(event.sent.context, path, self.extract.unit.as_deref()),
                };
                self.read_amounts(event.sent.properties);
                (unit, name, About::Conversion { event: i32::try_from(place).unwrap_or(i32::MAX) })
            }
            _ => return Ok(decoded),
        };
        let Some(unit) = unit.filter(|it| !it.trim().is_empty()) else {
            decoded.is_without_unit = true;
            return Ok(decoded);
        };
        let event_id = event.sent.event_id.and_then(id_text).filter(|it| !it.is_empty());
        let identity = match (&event_id, id) {
            // As in `EventData::identity`: an id counts within its type, what it is about and its unit.
            (Some(event_id), _) => {
                self.identities.hash(&[&unit, &decoded.kind, &name, &event.unit, event_id])
            }
            (None, Some(id)) => self.identities.hash(&[&unit, id]),
            (None, None) => self.identities.hash(&[&unit, event.line, ""]),
        };
        decoded.relevant = Some(Relevant { unit: self.identities.hash(&[&unit]), identity, about });
        Ok(decoded)
    }

    fn dimension<'a>(&self, dimensions: Option<&'a RawValue>) -> Option<Cow<'a, str>> {
        let name = self.extract.dimension.as_deref()?;
        let mut found = [None];
        pick(dimensions?, &[name], &mut found);
        let [raw] = found;
        scalar_text(raw?)
    }

    fn read_amounts(&mut self, properties: Option<&RawValue>) {
        self.amounts.fill(None);
        if self.amounts.is_empty() {
            return;
        }
        let Some(properties) = properties else { return };
        // Some properties at a time, so that nothing is allocated.
        for (names, amounts) in self.extract.properties.chunks(8).zip(self.amounts.chunks_mut(8)) {
            let mut found = [None; 8];
            pick(properties, names, &mut found);
            for (amount, raw) in amounts.iter_mut().zip(found) {
                *amount = raw.and_then(|raw| millionths(raw.get()));
            }
        }
    }
}

fn unreadable(error: &serde_json::Error) -> String {
    let what = if error.is_data() { "a field has a wrong type, or stands there twice" } else { "not JSON" };
    format!("{what}, at column {}", error.column())
}

/// A time as the archive writes it, in milliseconds: `2026-03-01T09:00:00.5Z`. `None` for any other form, which is not looked at closely.
fn archived_time(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let (head, rest) = (bytes.get(..19)?, bytes.get(19..)?);
    let number = |from: usize, to: usize| {
        head.get(from..to)?.iter().try_fold(0_i64, |number, byte| {
            byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0'))
        })
    };
    let marks = [4, 7, 10, 13, 16].map(|at| head.get(at).copied());
    if marks != [b'-', b'-', b'T', b':', b':'].map(Some) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    // Days beyond the 28th exist in some months only, and leap seconds hardly at all.
    if year < 1970
        || !(1..=12).contains(&month)
        || !(1..=28).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let milliseconds = match rest {
        [b'Z'] => 0,
        [b'.', digits @ .., b'Z']
            if (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) =>
        {
            let digits = digits.iter().copied().chain([b'0', b'0']).take(3);
            digits.fold(0, |number, byte| number * 10 + i64::from(byte - b'0'))
        }
        _ => return None,
    };
    // Years begin in March here, so that the day that comes every four years is their last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + milliseconds)
}

fn time(name: &str, text: &str) -> Result<i64, String> {
    if let Some(time) = archived_time(text) {
        return Ok(time);
    }
    let time = time_of_text(text).ok_or_else(|| format!("`{name}` is not a time"))?;
    Ok(time.as_millisecond())
}

/// The text of a JSON string.
fn text_of(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(raw.get()).ok().map(|it| it.0)
}

/// A text as it is, a number or a truth value as it is written.
fn scalar_text(raw: &RawValue) -> Option<Cow<'_, str>> {
    match raw.get().as_bytes().first()? {
        b'"' => text_of(raw),
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(raw.get())),
    }
}

/// An id: a text, or a whole number as its digits.
fn id_text(raw: &RawValue) -> Option<Cow<'_, str>> {
    if raw.get().starts_with('"') {
        return text_of(raw);
    }
    let value: Value = serde_json::from_str(raw.get()).ok()?;
    id_of(&value).map(|id| Cow::Owned(id.into_owned()))
}

fn epoch(raw: Option<&RawValue>) -> u64 {
    raw.and_then(|raw| raw.get().parse().ok()).unwrap_or(1)
}

/// The unit of a conversion: a value of `context` by its path, or by a key that holds the dots itself.
fn unit_of_context<'a>(
    context: Option<&'a RawValue>,
    path: &[&str],
    whole: Option<&str>,
) -> Option<Cow<'a, str>> {
    let value = |object: &'a RawValue, name: &str| {
        let mut found = [None];
        pick(object, &[name], &mut found);
        let [value] = found;
        value.filter(|it| it.get() != "null")
    };
    let context = context?;
    let nested = path.iter().try_fold(context, |object, name| value(object, name));
    id_text(nested.or_else(|| value(context, whole?))?)
}

/// The values of an object at some names; the last one where a name stands there twice. Nothing of what is no object.
fn pick<'a, S: AsRef<str>>(object: &'a RawValue, names: &[S], found: &mut [Option<&'a RawValue>]) {
    struct Pick<'n, 'f, 'a, S>(&'n [S], &'f mut [Option<&'a RawValue>]);
    impl<'de, S: AsRef<str>> DeserializeSeed<'de> for Pick<'_, '_, 'de, S> {
        type Value = ();
        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
            deserializer.deserialize_map(self)
        }
    }
    impl<'de, S: AsRef<str>> Visitor<'de> for Pick<'_, '_, 'de, S> {
        type Value = ();
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(name) = map.next_key::<Text<'de>>()? {
                let place = self.0.iter().position(|it| it.as_ref() == name.0);
                match place.and_then(|place| self.1.get_mut(place)) {
                    Some(value) => *value = Some(map.next_value()?),
                    None => {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
            }
            Ok(())
        }
    }
    // The line was parsed before, so nothing can be wrong but that it is no object, which then has no values.
    let _ = Pick(names, found).deserialize(&mut serde_json::Deserializer::from_str(object.get()));
}

/// An amount as [`Amount::of_text`] reads it. Short decimals, which nearly all are, are read without it.
fn millionths(text: &str) -> Option<i128> {
    short_decimal(text).map(i128::from).or_else(|| Amount::of_text(text).map(Amount::millionths))
}

/// A plain decimal of at most 12 digits before the point and 6 after it.
fn short_decimal(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, ""));
    if !(1..=12).contains(&whole.len()) || rest.len() > 6 {
        return None;
    }
    let mut number = 0_i64;
    for byte in whole.bytes().chain(rest.bytes()).chain(std::iter::repeat_n(b'0', 6 - rest.len())) {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number * 10 + i64::from(byte - b'0');
    }
    Some(sign * number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn extract() -> Extract {
        Extract {
            experiment: "checkout".into(),
            epoch: 1,
            unit: None,
            dimension: Some("app.platform".into()),
            events: vec!["purchase".into()],
            properties: vec!["amount".into()],
            first_day: None,
            last_day: None,
        }
    }

    fn read(extract: &Extract, line: &str) -> (Result<String, String>, Vec<Option<i128>>) {
        let mut decoder = Decoder::new(extract, Identities(1, 2));
        let decoded = decoder.line(line.as_bytes(), "file:1");
        (decoded.map(|it| format!("{it:?}")), decoder.amounts)
    }

    proptest! {
        #[test]
        fn a_short_decimal_is_the_amount_of_the_text(text in "-?[0-9]{1,14}(\\.[0-9]{1,7})?(e[0-9])?") {
            prop_assert_eq!(millionths(&text), Amount::of_text(&text).map(Amount::millionths), "{}", text);
        }
    }

    proptest! {
        #[test]
        fn a_time_of_the_archive_is_the_time_of_its_text(
            nanoseconds in 0..253_402_207_200_000_000_000_i128, digits in prop_oneof![Just(1_i128), Just(1_000_000), Just(1_000_000_000)],
        ) {
            let time = jiff::Timestamp::from_nanosecond(nanoseconds / digits * digits).unwrap();
            let read = archived_time(&time.to_string());
            prop_assert!(read.is_none_or(|it| it == time.as_millisecond()), "{time}");
        }

        #[test]
        fn any_text_that_is_read_as_a_time_is_one(text in "20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,10})?Z?") {
            let read = archived_time(&text);
            prop_assert!(read.is_none_or(|it| time_of_text(&text).map(|it| it.as_millisecond()) == Some(it)), "{text}");
        }
    }

    #[test]
    fn most_times_are_read_quickly() {
        for (text, milliseconds) in [
            ("2026-03-01T00:00:00Z", 1_772_323_200_000),
            ("2026-02-28T23:59:59.9999Z", 1_772_323_199_999),
            ("1970-01-01T00:00:00.05Z", 50),
        ] {
            assert_eq!(archived_time(text), Some(milliseconds), "{text}");
        }
    }

    #[test]
    fn a_line_of_the_archive_is_read() {
        let line = r#"{"_id":"s:1","arrived_at":"2026-03-01T00:00:00Z","type":"conversion","unit":"u","event":"purchase",
            "timestamp":"2026-02-28T23:59:59.5Z","sent":{"properties":{"amount":1,"other":{"amount":9},"amount":2.5}}}"#;
        let (decoded, amounts) = read(&extract(), line);
        assert!(decoded.unwrap().contains("Conversion { event: 0 }"));
        assert_eq!(amounts, [Some(2_500_000)]);
        let line = r#"{"_id":"s:1","arrived_at":"2026-03-01T00:00:00Z","type":"exposure","unit":"u","experiment":"checkout","variant":"a",
            "sent":{"revision":7,"dimensions":{"app.platform":"ios"}}}"#;
        let decoded = read(&extract(), line).0.unwrap();
        assert!(decoded.contains(r#"variant: "a", revision: Some(7), dimension: Some("ios")"#), "{decoded}");
        let of_epoch_2 = line.replace("\"revision\"", "\"epoch\":2,\"revision\"");
        assert!(read(&extract(), &of_epoch_2).0.unwrap().contains("relevant: None"));
    }

    #[test]
    fn the_unit_may_be_an_attribute() {
        let extract = Extract { unit: Some("account.id".into()), ..extract() };
        let unit = |context: &str| {
            let line = format!(
                r#"{{"type":"conversion","event":"purchase","user_id":"u","timestamp":0,"event_id":1,"context":{context}}}"#
            );
            let mut decoder = Decoder::new(&extract, Identities(1, 2));
            decoder.line(line.as_bytes(), "file:1").unwrap().relevant.map(|it| it.unit)
        };
        let seven = unit(r#"{"account":{"id":7}}"#);
        assert!(seven.is_some());
        for same in [r#"{"account":{"id":"7"}}"#, r#"{"account.id":7.0}"#, r#"{"account":{},"account.id":7}"#]
        {
            assert_eq!(unit(same), seven, "{same}");
        }
        for none in ["{}", r#"{"account":7}"#, r#"{"account":{"id":" "}}"#, r#"{"account":{"id":7.5}}"#] {
            assert_eq!(unit(none), None, "{none}");
        }
    }

    #[test]
    fn one_event_has_one_identity() {
        let extract = extract();
        let identity = |line: &str, place: &str| {
            let mut decoder = Decoder::new(&extract, Identities(1, 2));
            decoder.line(line.as_bytes(), place).unwrap().relevant.unwrap().identity
        };
        let archived = |id: &str, sent: &str| {
            format!(
                r#"{{"_id":"{id}","arrived_at":"2026-03-01","type":"conversion","unit":"u","event":"purchase","sent":{sent}}}"#
            )
        };
        let sent = r#"{"type":"conversion","event":"purchase","user_id":"u","timestamp":0,"event_id":7}"#;
        let as_text = sent.replace(":7}", ":\"7\"}");
        let with_id = identity(&archived("s:1", sent), "a:1");
        assert_eq!(with_id, identity(&archived("s:2", &as_text), "b:1"));
        assert_eq!(with_id, identity(sent, "c:1"), "as its producer sends it");
        let without = |id: &str| identity(&archived(id, "{}"), "a:1");
        assert_eq!(without("s:1"), without("s:1"));
        assert_ne!(without("s:1"), without("s:2"));
        let plain = sent.replace(",\"event_id\":7", "");
        assert_ne!(identity(&plain, "a:1"), identity(&plain, "a:2"));
    }

    #[test]
    fn a_bad_line_is_explained() {
        for (line, why) in [
            ("{", "not JSON"),
            ("[]", "wrong type"),
            ("7", "wrong type"),
            (r#"{"_id":"s:1"}"#, "`sent` is missing"),
            (r#"{"sent":{}}"#, "`_id` is missing"),
            (r#"{"_id":"s:1","sent":{}}"#, "`arrived_at` is missing"),
            (r#"{"_id":"s:1","sent":{},"arrived_at":"soon"}"#, "`arrived_at` is not a time"),
            (
                r#"{"_id":"s:1","sent":{},"arrived_at":"2026-03-01","timestamp":7}"#,
                "`timestamp` is not a string",
            ),
            (r#"{"_id":"s:1","sent":{},"arrived_at":"2026-03-01"}"#, "`type` is missing"),
            (r#"{"type":"conversion","event":"purchase","user_id":"u"}"#, "its time is not known"),
            (r#"{"type":"conversion","user_id":"u","timestamp":0}"#, "`event` is missing"),
        ] {
            let error = read(&extract(), line).0.expect_err(line);
            assert!(error.contains(why), "{line}: {error}");
        }
    }
}
