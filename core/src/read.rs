//! One way to read a unit, an id and a time, wherever it comes from: a request, an event, a cell of a file, a document.
//!
//! | value | read as |
//! |---|---|
//! | unit, event id | a text as it is, byte by byte; a whole number as its digits, so that `7`, `7.0` and `"7"` are the same |
//! | time | RFC 3339 with an offset; a date, which is its midnight in UTC; or a number, see [`time_of_number`] |

use crate::document::DateTime;
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;

/// The smallest double that may stand for another integer than the written one (2^53).
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Reads an id: a text as it is, or a whole number as its digits. `None` for any other value.
#[must_use]
pub fn id_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) if number.is_f64() => id_of_double(number.as_f64()?).map(Cow::Owned),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// Reads a double as an id: the digits of a whole number that a double holds exactly.
#[must_use]
pub fn id_of_double(number: f64) -> Option<String> {
    // Adding 0 makes the negative zero a plain one.
    (number.fract() == 0.0 && number.abs() <= EXACT).then(|| format!("{:.0}", number + 0.0))
}

/// Reads a time: a text as [`time_of_text`], a number as [`time_of_number`].
#[must_use]
pub fn time_of(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => time_of_text(text),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => time_of_integer(whole),
            None => time_of_number(number.as_f64()?),
        },
        _ => None,
    }
}

/// Reads `2026-03-01T09:00:00Z`, `2026-03-01T10:00:00+01:00`, `2026-03-01`, or a number in digits as [`time_of_number`] reads it.
/// A number of fewer than 9 digits is not a time: `2026` is a year.
#[must_use]
pub fn time_of_text(text: &str) -> Option<Timestamp> {
    let digits = text.strip_prefix('-').unwrap_or(text).bytes().take_while(u8::is_ascii_digit).count();
    if digits >= 9 {
        return match text.parse() {
            Ok(whole) => time_of_integer(whole),
            Err(_) => text.parse().ok().and_then(time_of_number),
        };
    }
    DateTime::parse(text).map(|date_time| date_time.0)
}

/// Reads a number of seconds, milliseconds, microseconds or nanoseconds since 1970; its size says which. Below 10^11 in either
/// direction it is seconds (up to the year 5138), below 10^14 milliseconds (from March 1973 on), below 10^17 microseconds, and beyond that
/// nanoseconds. `None` beyond the years that a time can have.
#[must_use]
pub fn time_of_number(number: f64) -> Option<Timestamp> {
    let nanoseconds = number * f64::from(nanoseconds_per_unit(number.abs())?);
    #[expect(clippy::cast_possible_truncation, reason = "a double beyond saturates, and is then not a time")]
    Timestamp::from_nanosecond(nanoseconds.round() as i128).ok()
}

fn time_of_integer(number: i64) -> Option<Timestamp> {
    #[expect(clippy::cast_precision_loss, reason = "only the size matters")]
    let unit = nanoseconds_per_unit((number as f64).abs())?;
    Timestamp::from_nanosecond(i128::from(number) * i128::from(unit)).ok()
}

fn nanoseconds_per_unit(size: f64) -> Option<u32> {
    match size {
        size if size < 1e11 => Some(1_000_000_000),
        size if size < 1e14 => Some(1_000_000),
        size if size < 1e17 => Some(1_000),
        size if size < 1e20 => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn one_id_is_one_text_however_it_is_written() {
        for (value, id) in [
            (json!("7"), Some("7")),
            (json!(7), Some("7")),
            (json!(7.0), Some("7")),
            (json!(-0.0), Some("0")),
            (json!(1e15), Some("1000000000000000")),
            (json!(18_446_744_073_709_551_615_u64), Some("18446744073709551615")),
            (json!(" 7"), Some(" 7")),
            (json!("7.0"), Some("7.0")),
            (json!(7.5), None),
            (json!(1e16), None),
            (json!(true), None),
            (json!(null), None),
            (json!([7]), None),
        ] {
            assert_eq!(id_of(&value).as_deref(), id, "{value}");
        }
    }

    #[test]
    fn one_time_is_one_moment_however_it_is_written() {
        let date_time: Timestamp = "2026-01-01T00:00:00.5Z".parse().unwrap();
        for value in [
            json!("2026-01-01T00:00:00.5Z"),
            json!("2026-01-01T01:00:00.5+01:00"),
            json!(1_767_225_600.5),
            json!(1_767_225_600_500_i64),
            json!(1_767_225_600_500.0),
            json!(1_767_225_600_500_000_i64),
            json!(1_767_225_600_500_000_000_i64),
            json!("1767225600.5"),
            json!("1767225600500"),
        ] {
            assert_eq!(time_of(&value), Some(date_time), "{value}");
        }
        assert_eq!(time_of(&json!("2026-01-01")), Some("2026-01-01T00:00:00Z".parse().unwrap()));
        assert_eq!(time_of(&json!(0)), Some(Timestamp::UNIX_EPOCH));
        assert_eq!(time_of(&json!(-86_400)), Some("1969-12-31T00:00:00Z".parse().unwrap()));
        for value in [
            json!("2026"),
            json!("soon"),
            json!("2026-01-01T00:00:00"),
            json!(true),
            json!(1e300),
            json!("1e99"),
        ] {
            assert_eq!(time_of(&value), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_time_since_1974_is_read_in_every_unit(milliseconds in 130_000_000_000_i64..99_000_000_000_000) {
            let date_time = Timestamp::from_millisecond(milliseconds).unwrap();
            prop_assert_eq!(time_of(&json!(milliseconds)), Some(date_time));
            prop_assert_eq!(time_of(&json!(milliseconds * 1_000)), Some(date_time));
            prop_assert_eq!(time_of(&json!(date_time.to_string())), Some(date_time));
            let second = date_time.as_second();
            prop_assert_eq!(time_of(&json!(second)), Some(Timestamp::from_second(second).unwrap()));
        }
    }
}
