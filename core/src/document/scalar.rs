//! The single values of a document.

use super::read::{
    ReadPath, ReadValue, json_schemas, quote, record, refuse, written_words, wrong_type, wrong_type_because,
};
use super::share::{before_percent_sign, not_a_share};
use crate::finding::{Code, Findings};
use crate::read::time_of_text;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;
use std::ops::Deref;

/// The name of a document or of a part of one: `[a-z0-9][a-z0-9._-]{0,63}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Key(String);

impl Key {
    /// Returns true if a text is a valid key.
    #[must_use]
    pub fn is_valid(text: &str) -> bool {
        let simple = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        text.len() <= 64
            && text.bytes().next().is_some_and(simple)
            && text.bytes().all(|byte| simple(byte) || matches!(byte, b'.' | b'_' | b'-'))
    }

    /// A key near to a text that is none.
    fn near(text: &str) -> String {
        let kept = |c: char| {
            if c.is_ascii_alphanumeric() || ".-".contains(c) { c.to_ascii_lowercase() } else { '_' }
        };
        let near: String = text.trim().chars().map(kept).take(64).collect();
        near.trim_start_matches(['.', '_', '-']).to_owned()
    }
}

impl Deref for Key {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl ReadValue for Key {
    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        let text = String::read(value, at, findings);
        if Self::is_valid(&text) {
            return Self(text);
        }
        if !value.is_string() {
            return Self::default();
        }
        let near = Self::near(&text);
        let help = if Self::is_valid(&near) {
            format!("for example `{near}`")
        } else {
            "a key has 1 to 64 of a-z, 0-9, `.`, `_` and `-`, and starts with a letter or digit".to_owned()
        };
        refuse(Code::InvalidKey, format!("{} is not a key", quote(&text)), Some(help), at, findings)
    }
}

/// A point in time: RFC 3339 with an offset, or a date, which is its midnight in UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct DateTime(pub Timestamp);

impl DateTime {
    /// Reads `2026-03-01T09:00:00Z`, `2026-03-01T09:00:00+01:00` or `2026-03-01`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(timestamp) = text.parse() {
            return Some(Self(timestamp));
        }
        // `Date` would also take the date of a date-time without an offset, which must be refused.
        let date: Date = (text.len() == 10).then(|| text.parse().ok()).flatten()?;
        jiff::tz::TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok().map(Self)
    }

    /// Reads a text or a number as [`time_of_text`] reads it, so that `2026`, a year, is not a time in a document either.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        let time = match value {
            Value::String(text) => time_of_text(text),
            Value::Number(number) => time_of_text(&number.to_string()),
            _ => None,
        };
        time.map(Self)
    }

    /// A value that is not one, as it is written.
    pub(crate) fn written(value: &Value) -> String {
        value.as_str().map_or_else(|| value.to_string(), quote)
    }

    /// The help on how to write one.
    pub(crate) const HELP: &'static str =
        "write it as 2026-03-01T09:00:00Z, 2026-03-01T09:00:00+01:00 or 2026-03-01 (midnight in UTC)";
}

impl ReadValue for DateTime {
    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        if !value.is_string() && !value.is_number() {
            return wrong_type("a date or a time with its offset", value, at, findings);
        }
        Self::of(value).unwrap_or_else(|| {
            let message = format!("{} is not a date, nor a time with its offset", Self::written(value));
            refuse(Code::InvalidDate, message, Some(Self::HELP.to_owned()), at, findings)
        })
    }
}

/// A length of time, as `30m`, `24h` or `7d`; a day has 24 hours here. Held in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// The length in seconds.
    pub seconds: i64,
}

impl Window {
    fn parse(text: &str) -> Option<Self> {
        let unit = text.chars().next_back()?;
        let number: i64 = text.strip_suffix(unit)?.trim().parse().ok().filter(|number| *number > 0)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        number.checked_mul(seconds).map(|seconds| Self { seconds })
    }
}

impl Serialize for Window {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}s", self.seconds))
    }
}

impl ReadValue for Window {
    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        let Value::String(text) = value else {
            let help = value.as_u64().map(|number| format!("add the unit: {number}d or {number}h"));
            return wrong_type_because("a length of time", value, help, at, findings);
        };
        Self::parse(text).unwrap_or_else(|| {
            let help = "write a whole number and s, m, h, d or w: 24h, 7d".to_owned();
            let message = format!("{} is not a length of time", quote(text));
            refuse(Code::InvalidDate, message, Some(help), at, findings)
        })
    }
}

/// When a metric's events count, after a unit's first exposure: a length of time from it, or `{from: 1d, to: 7d}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MetricWindow {
    /// The beginning; with the exposure by default.
    pub from: Option<Window>,
    /// The end; never by default.
    pub to: Option<Window>,
}

impl Serialize for MetricWindow {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.from, self.to) {
            (None, Some(to)) => to.serialize(serializer),
            (from, to) => MetricWindowBounds { from, to }.serialize(serializer),
        }
    }
}

impl ReadValue for MetricWindow {
    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        if value.is_object() {
            let MetricWindowBounds { from, to } = MetricWindowBounds::read(value, at, findings);
            return Self { from, to };
        }
        Self { from: None, to: Some(Window::read(value, at, findings)) }
    }
}

record! {
    /// The beginning and the end of a window, each after the first exposure.
    pub struct MetricWindowBounds {
        /// The beginning; with the exposure by default.
        pub from: Option<Window>,
        /// The end; never by default.
        pub to: Option<Window>,
    }
}

/// A number, or a percentage of something else: `0.5` or `5%`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct NumberOrPercent {
    /// The number, before the sign of a percentage.
    pub number: f64,
    /// True if it has the sign.
    pub is_percent: bool,
}

impl Serialize for NumberOrPercent {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_percent {
            serializer.collect_str(&format_args!("{}%", self.number))
        } else {
            serializer.serialize_f64(self.number)
        }
    }
}

impl ReadValue for NumberOrPercent {
    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        let read = match value {
            Value::String(text) => before_percent_sign(text)
                .and_then(|it| it.parse().ok())
                .map(|number| Self { number, is_percent: true }),
            other => other.as_f64().map(|number| Self { number, is_percent: false }),
        };
        read.unwrap_or_else(|| not_a_share("a number or a percentage", value, at, findings))
    }
}

json_schemas! {
    NumberOrPercent: {
        "description": "A number, or a percentage with its sign",
        "anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*%\s*$"}]
    }
    MetricWindow: {
        "description": "A length of time after the first exposure, or its beginning and end",
        "anyOf": [
            {"type": "string", "pattern": r"^[1-9]\d* ?[smhdw]$"},
            {
                "type": "object",
                "properties": {
                    "from": {"type": ["string", "null"], "pattern": r"^[1-9]\d* ?[smhdw]$"},
                    "to": {"type": ["string", "null"], "pattern": r"^[1-9]\d* ?[smhdw]$"}
                },
                "additionalProperties": false
            }
        ]
    }
    Key: {"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$"}
    DateTime: {
        "type": ["string", "number"],
        "description": "RFC 3339 with an offset, a date (its midnight in UTC), or a number of seconds, milliseconds, microseconds or nanoseconds since 1970",
        "pattern": r"^\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:?\d{2}))?$|^-?\d{9,}(\.\d+)?$"
    }
    Window: {"type": "string", "pattern": r"^[1-9]\d* ?[smhdw]$"}
}

written_words! {
    /// The scheme by which units are hashed into buckets.
    pub enum HashScheme: "snake_case" {
        /// murmur3 of `salt:purpose:unit`.
        #[default]
        Abx1 = "abx-1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn moments_need_an_offset_or_no_time() {
        assert!(DateTime::parse("2026-03-01T09:00:00Z").is_some());
        assert_eq!(
            DateTime::parse("2026-03-01T01:00:00+01:00"),
            DateTime::parse("2026-03-01"),
            "a date is its midnight in UTC"
        );
        for bad in ["2026-03-01T09:00:00", "2026-02-30", "tomorrow", "", "1e400"] {
            assert_eq!(DateTime::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn moments_may_be_numbers_and_years_may_not() {
        let moment = DateTime::parse("2026-03-01");
        for value in
            [json!(1_772_323_200), json!(1_772_323_200_000_i64), json!("1772323200"), json!(1_772_323_200.0)]
        {
            assert_eq!(DateTime::of(&value), moment, "{value}");
        }
        for bad in [json!(2026), json!(20_260_301), json!("2026"), json!(true), json!(null)] {
            assert_eq!(DateTime::of(&bad), None, "{bad}");
        }
    }

    #[test]
    fn windows_are_whole_numbers_of_a_unit() {
        assert_eq!(Window::parse("7d"), Some(Window { seconds: 604_800 }));
        for bad in ["7", "d", "-1d", "0h", "7 days", "9223372036854775807w", "é"] {
            assert_eq!(Window::parse(bad), None, "{bad}");
        }
    }

    /// What is published is the serialised form, which is read again.
    #[test]
    fn windows_and_percentages_are_read_as_they_are_written() {
        fn round_trip<T: ReadValue + Serialize + PartialEq + std::fmt::Debug>(
            written: &Value,
        ) -> (T, Findings) {
            let mut findings = Findings::default();
            let read = T::read(written, ReadPath::Root, &mut findings);
            assert_eq!(T::read(&json!(read), ReadPath::Root, &mut Findings::default()), read, "{written}");
            (read, findings)
        }
        for good in [json!("7d"), json!({"from": "1d", "to": "7d"}), json!({"from": "1h"}), json!({})] {
            assert!(round_trip::<MetricWindow>(&good).1.into_list().is_empty(), "{good}");
        }
        for bad in [json!(7), json!({"until": "7d"}), json!({"from": "soon"})] {
            assert!(!round_trip::<MetricWindow>(&bad).1.into_list().is_empty(), "{bad}");
        }
        for (good, number, is_percent) in [
            (json!(0.5), 0.5, false),
            (json!("5%"), 5.0, true),
            (json!("0.1 %"), 0.1, true),
            (json!(250), 250.0, false),
        ] {
            assert_eq!(round_trip::<NumberOrPercent>(&good).0, NumberOrPercent { number, is_percent });
        }
        for bad in [json!("5"), json!("-5%"), json!(null), json!([1])] {
            assert!(!round_trip::<NumberOrPercent>(&bad).1.into_list().is_empty(), "{bad}");
        }
    }

    #[test]
    fn keys_are_plain() {
        for good in ["a", "checkout_redesign", "0.1-x", &"k".repeat(64)] {
            assert!(Key::is_valid(good), "{good}");
        }
        for bad in ["", "_a", "A", "é", "a b", "a\0", "a\u{202e}", &"k".repeat(65)] {
            assert!(!Key::is_valid(bad), "{bad}");
        }
        assert_eq!(Key::near(" Checkout Redesign"), "checkout_redesign");
    }
}
