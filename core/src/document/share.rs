//! Shares: a number, or a percentage with its sign.

use super::meant::decimal_meant;
use super::read::{
    ReadPath, ReadValue, describe, json_schemas, quote, refuse, wrong_type, wrong_type_because,
};
use crate::finding::{Code, Findings};
use serde::Serialize;
use serde_json::Value;

/// A share from 0 to 1, written `0.1` or `10%`.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Share(pub f64);

/// A percentage from 0 to 100, written `10` or `10%`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Percentage {
    /// The number before the sign.
    pub percent: f64,
    /// True if the percent sign is written. Without it, the number could be taken for a share.
    pub has_sign: bool,
}

/// The number before a percent sign, as it is written: digits, perhaps with a point among them.
#[must_use]
pub fn before_percent_sign(text: &str) -> Option<&str> {
    let number = text.trim().strip_suffix('%')?.trim_end();
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_digits(whole) && is_digits(part)).then_some(number)
}

impl Share {
    /// A percentage as a share: the float nearest to the decimal hundredth, as if it had been written. Dividing by 100
    /// would round twice.
    #[must_use]
    pub fn of_percent(text: &str) -> Option<Self> {
        format!("{}e-2", before_percent_sign(text)?).parse().ok().map(Self)
    }
}

impl Percentage {
    /// Reads a value: a number, or a text as `10%`.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_f64().map(|percent| Self { percent, has_sign: false }),
            Value::String(text) => {
                before_percent_sign(text)?.parse().ok().map(|percent| Self { percent, has_sign: true })
            }
            _ => None,
        }
    }
}

/// Refuses what is no share; a number in quotes is told to drop them.
pub(super) fn not_a_share<T: ReadValue>(
    expected: &str,
    value: &Value,
    at: ReadPath<'_>,
    findings: &mut Findings,
) -> T {
    match value {
        Value::String(text) if text.trim().parse::<f64>().is_ok() => {
            let message = format!("expected {expected}, found {}", describe(value));
            refuse(Code::WrongType, message, Some(format!("drop the quotes: {}", text.trim())), at, findings)
        }
        Value::String(text) if decimal_meant(text).is_some() => {
            let help = decimal_meant(text).map(|number| format!("write a decimal point: {number}"));
            wrong_type_because(expected, value, help, at, findings)
        }
        Value::String(text) if text.contains('%') => {
            let message = format!("{} is not a percentage", quote(text));
            let help = "write digits, a decimal point if needed, and the sign: 12.5%".to_owned();
            refuse(Code::AllocationRange, message, Some(help), at, findings)
        }
        Value::String(text) if text.starts_with(|c: char| c.is_ascii_digit()) => {
            let help = "write digits, and a percent sign where it is a percentage: 10%".to_owned();
            wrong_type_because(expected, value, Some(help), at, findings)
        }
        other => wrong_type(expected, other, at, findings),
    }
}

impl ReadValue for Share {
    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        let share = match value {
            Value::String(text) => Self::of_percent(text),
            other => other.as_f64().map(Self),
        };
        share.unwrap_or_else(|| not_a_share("a number", value, at, findings))
    }
}

impl ReadValue for Percentage {
    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        Self::of(value).unwrap_or_else(|| not_a_share("a number", value, at, findings))
    }
}

impl Serialize for Percentage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.percent)
    }
}

/// `0%` to `100%`, with any number of digits behind the point.
pub(super) const PERCENT_PATTERN: &str = r"^\s*(0*100(\.0+)?|0*[0-9]{1,2}(\.[0-9]+)?)\s*%\s*$";

json_schemas! {
    Share: {
        "description": "A share from 0 to 1, or a percentage with its sign",
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": 1},
            {"type": "string", "pattern": PERCENT_PATTERN}
        ]
    }
    Percentage: {
        "description": "A percentage from 0 to 100, with or without its sign",
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": 100},
            {"type": "string", "pattern": PERCENT_PATTERN}
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn percentages_are_the_decimals_that_they_stand_for() {
        for percent in 0..=100_000_u32 {
            let (whole, part) = (percent / 1_000, percent % 1_000);
            let written: f64 = format!("0.{percent:05}").parse().unwrap_or(f64::NAN);
            let written = if percent == 100_000 { 1.0 } else { written };
            assert_eq!(Share::of_percent(&format!("{whole}.{part:03}%")), Some(Share(written)));
        }
        assert_eq!(Share::of_percent("12.3 %"), Some(Share(0.123)), "and 12.3 / 100 is another float");
    }

    #[test]
    fn only_digits_stand_before_the_sign() {
        for bad in ["%", "10", "-1%", "+1%", "1e1%", "1.%", ".5%", "0,5%", "1 0%", "10%%", "NaN%", "½%"] {
            assert_eq!(Share::of_percent(bad), None, "{bad}");
            assert_eq!(Percentage::of(&json!(bad)), None, "{bad}");
        }
        assert_eq!(Percentage::of(&json!("010%")), Some(Percentage { percent: 10.0, has_sign: true }));
        assert_eq!(Percentage::of(&json!(10)), Some(Percentage { percent: 10.0, has_sign: false }));
    }
}
