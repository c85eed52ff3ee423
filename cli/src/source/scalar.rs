//! Plain scalars of YAML 1.2.

use serde_json::{Number, Value};

/// A plain scalar by the core schema of YAML 1.2: `on`, `off`, `yes` and `no` are strings. `Err`: a number that
/// is not finite.
pub(super) fn plain(text: &str) -> Result<Value, ()> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => match number(text) {
            Some(Ok(number)) => Value::Number(number),
            Some(Err(())) => return Err(()),
            None => Value::String(text.to_owned()),
        },
    })
}

/// `None`: not a number. `Err`: infinite, or not a number by name.
fn number(text: &str) -> Option<Result<Number, ()>> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(Err(()));
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            return u64::from_str_radix(digits, radix).ok().map(|it| Ok(it.into()));
        }
    }
    let first = unsigned.bytes().next()?;
    let decimal = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    if !(first.is_ascii_digit() || first == b'.') || !unsigned.bytes().all(decimal) {
        return None;
    }
    if let Ok(integer) = text.parse::<i64>() {
        return Some(Ok(integer.into()));
    }
    if let Ok(integer) = text.parse::<u64>() {
        return Some(Ok(integer.into()));
    }
    let float: f64 = text.parse().ok()?;
    Some(Number::from_f64(float).ok_or(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_of_older_yaml_are_texts() {
        for text in
            ["on", "off", "yes", "no", "y", "On", "NULL ", "tRUE", "1_000", "1:30", "2026-03-01", "nan"]
        {
            assert_eq!(plain(text), Ok(json!(text)), "{text}");
        }
    }

    #[test]
    fn values_of_the_core_schema_are_read() {
        let cases = [
            ("", json!(null)),
            ("~", json!(null)),
            ("true", json!(true)),
            ("FALSE", json!(false)),
            ("-12", json!(-12)),
            ("+7", json!(7)),
            ("007", json!(7)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("18446744073709551615", json!(u64::MAX)),
            ("1.5e3", json!(1500.0)),
            (".5", json!(0.5)),
            ("1.", json!(1.0)),
        ];
        for (text, value) in cases {
            assert_eq!(plain(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_number_is_a_text() {
        for text in
            ["-", "+", ".", "e1", "1.2.3", "1e", "--1", "0x", "0xg", "0o8", "4.2.0", "1-2", ".e1", "+-1"]
        {
            assert_eq!(plain(text), Ok(json!(text)), "{text}");
        }
    }

    #[test]
    fn numbers_are_finite() {
        for text in [".nan", ".NaN", ".inf", "-.INF", "+.inf", "1e400", "-1e400"] {
            assert!(plain(text).is_err(), "{text}");
        }
    }
}
