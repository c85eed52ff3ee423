//! Types of JSON values, as sets.

use super::{ConditionTest, Set};
use serde_json::{Number, Value};
use std::fmt;

/// A set of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kinds(u8);

impl Kinds {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const TEXT: Self = Self(1);
    pub(crate) const NUMBER: Self = Self(2);
    pub(crate) const BOOLEAN: Self = Self(4);
    pub(crate) const LIST: Self = Self(8);
    pub(crate) const OBJECT: Self = Self(16);
    pub(crate) const ALL: Self = Self(31);

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The type of a value; nothing has all, because it is a missing attribute.
    pub(crate) const fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::ALL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(_) => Self::NUMBER,
            Value::String(_) => Self::TEXT,
            Value::Array(_) => Self::LIST,
            Value::Object(_) => Self::OBJECT,
        }
    }

    /// The types of values that a test can hold for.
    pub(crate) fn accepted_by(test: &ConditionTest) -> Self {
        match test {
            ConditionTest::Exists | ConditionTest::NotExists => Self::ALL,
            ConditionTest::Equals(value) | ConditionTest::NotEquals(value) => Self::of(value),
            ConditionTest::In(set) | ConditionTest::NotIn(set) => Self::in_set(set),
            ConditionTest::Number(..) | ConditionTest::Between(..) => Self::NUMBER,
            ConditionTest::Contains(part) | ConditionTest::NotContains(part) => Self::with_part(part),
            ConditionTest::ContainsAny(parts) | ConditionTest::ContainsAll(parts) => {
                parts.iter().map(Self::with_part).fold(Self::NONE, Self::or)
            }
            ConditionTest::StartsWith(_)
            | ConditionTest::EndsWith(_)
            | ConditionTest::Matches(_)
            | ConditionTest::Semver(..)
            | ConditionTest::SemverRange(_)
            | ConditionTest::Ip(_) => Self::TEXT,
            ConditionTest::Length(..) => Self::TEXT.or(Self::LIST),
            ConditionTest::Time(_) | ConditionTest::Percentage(..) => Self::TEXT.or(Self::NUMBER),
            ConditionTest::Geo(_) => Self::LIST.or(Self::OBJECT),
        }
    }

    fn in_set(set: &Set) -> Self {
        if set.is_empty() { Self::ALL } else { set.kinds() }
    }

    fn with_part(part: &Value) -> Self {
        if part.is_string() { Self::TEXT.or(Self::LIST) } else { Self::LIST }
    }
}

/// `a text or a list`.
impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (Self::TEXT, "a text"),
            (Self::NUMBER, "a number"),
            (Self::BOOLEAN, "true or false"),
            (Self::LIST, "a list"),
            (Self::OBJECT, "an object"),
        ];
        let words: Vec<&str> =
            words.iter().filter(|(kind, _)| self.has(*kind)).map(|(_, word)| *word).collect();
        f.write_str(&words.join(" or "))
    }
}

/// Reads a text as a value of one of some types; a text, if it can be none of them.
pub(super) fn read(text: &str, kinds: Kinds) -> Value {
    let mut read = None;
    if kinds.has(Kinds::BOOLEAN) {
        read = boolean(text).map(Value::Bool);
    }
    if read.is_none() && kinds.has(Kinds::NUMBER) {
        read = number(text).map(Value::Number);
    }
    if read.is_none() && kinds.has(Kinds::LIST.or(Kinds::OBJECT)) && text.starts_with(['[', '{']) {
        let parsed = serde_json::from_str::<Value>(text).ok();
        read = parsed.filter(|value| kinds.has(Kinds::of(value)));
    }
    read.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The type that a text looks like when nobody says what it is. A number only if it is written as that number is
/// printed: `01234`, `5.10`, `1e5` and 20 digits would be another text afterwards.
pub(super) fn look(text: &str) -> Kinds {
    let value = read(text, Kinds::ALL);
    match &value {
        Value::Number(number) if number.to_string() != text => Kinds::TEXT,
        value => Kinds::of(value),
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "TRUE" | "True" => Some(true),
        "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A decimal number, as people and spreadsheets write it: leading zeros and a sign are allowed.
pub(super) fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if !is_number {
        return None;
    }
    let signed = text.parse::<i64>().map(Number::from);
    let integer = signed.or_else(|_| text.parse::<u64>().map(Number::from)).ok();
    integer.or_else(|| Number::from_f64(text.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_is_read_as_what_is_wanted() {
        let both = Kinds::TEXT.or(Kinds::LIST);
        for (text, kinds, expected) in [
            ("5.10", Kinds::TEXT, json!("5.10")),
            ("5.10", Kinds::NUMBER, json!(5.1)),
            ("007", Kinds::NUMBER, json!(7)),
            ("+3", Kinds::NUMBER, json!(3)),
            ("18446744073709551615", Kinds::NUMBER, json!(u64::MAX)),
            ("1e3", Kinds::NUMBER, json!(1000.0)),
            ("12 kg", Kinds::NUMBER, json!("12 kg")),
            ("1e999", Kinds::NUMBER, json!("1e999")),
            ("inf", Kinds::NUMBER, json!("inf")),
            ("0x10", Kinds::NUMBER, json!("0x10")),
            ("TRUE", Kinds::BOOLEAN, json!(true)),
            ("true", Kinds::TEXT, json!("true")),
            ("1", Kinds::BOOLEAN, json!("1")),
            ("[\"a\"]", both, json!(["a"])),
            ("[\"a\"]", Kinds::TEXT, json!("[\"a\"]")),
            ("{\"a\": 1}", both, json!("{\"a\": 1}")),
            ("[broken", both, json!("[broken")),
            ("", Kinds::ALL, json!("")),
        ] {
            assert_eq!(read(text, kinds), expected, "{text} as {kinds}");
        }
    }

    #[test]
    fn a_text_looks_like_a_number_only_if_nothing_is_lost() {
        for text in ["42", "-1.5", "0", "5.1", "18446744073709551615"] {
            assert_eq!(look(text), Kinds::NUMBER, "{text}");
        }
        for text in
            ["01234", "5.10", "72225e2", "+1", "12345678901234567890123", "2.1.0", "-", "1.", "NaN", ""]
        {
            assert_eq!(look(text), Kinds::TEXT, "{text}");
        }
        assert_eq!([look("true"), look("[1]"), look("{}")], [Kinds::BOOLEAN, Kinds::LIST, Kinds::OBJECT]);
    }
}
