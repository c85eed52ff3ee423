//! JSON with limits.

use super::ApiError;
use abx_core::decide::{Context, ContextLimits};
use abx_core::read::id_of_double;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// The longest body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// Reads JSON. Its length bounds what reading it allocates, and the reader's own limit its depth.
pub fn parse<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, ApiError> {
    if body.len() > MAX_BODY_BYTES {
        return Err(ApiError::body_too_large());
    }
    if !is_object(body) {
        return Err(ApiError::invalid("the body is not a JSON object"));
    }
    serde_json::from_slice(body).map_err(|error| {
        ApiError::invalid(format!(
            "the body cannot be read: {}",
            super::error::shown_up_to(400, &error.to_string())
        ))
    })
}

/// Returns true if a JSON object has a field, whatever its value is.
pub(crate) fn has_field(body: &[u8], name: &str) -> Result<bool, ApiError> {
    Ok(parse::<BTreeMap<Cow<'_, str>, &RawValue>>(body)?.contains_key(name))
}

/// Returns true if the JSON can only be an object. Serde also reads structures from arrays, and the API does
/// not document a form such as `["u", "e"]`.
pub(crate) fn is_object(body: &[u8]) -> bool {
    body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

/// Checks a context, and the ids beside it.
pub(crate) fn check_context<'a>(
    context: &Map<String, Value>,
    ids: impl IntoIterator<Item = (&'static str, &'a str)>,
) -> Result<(), ApiError> {
    let limits = ContextLimits::default();
    for (name, id) in ids {
        if id.len() > limits.string_bytes {
            let message = format!("`{name}` has more than {} bytes", limits.string_bytes);
            return Err(ApiError::context_too_large(message));
        }
    }
    limits.check(context).map_err(|error| ApiError::context_too_large(error.to_string()))
}

/// An id in JSON: a string, or a whole number, which counts as its digits, as it does among attributes.
pub(crate) fn deserialize_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct IdVisitor;

    impl Visitor<'_> for IdVisitor {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string or a whole number")
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
        fn visit_string<E: Error>(self, text: String) -> Result<String, E> {
            Ok(text)
        }
        fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }
        fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }
        fn visit_f64<E: Error>(self, number: f64) -> Result<String, E> {
            id_of_double(number).ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
        }
        fn visit_unit<E: Error>(self) -> Result<String, E> {
            Ok(String::new())
        }
    }

    deserializer.deserialize_any(IdVisitor)
}

/// A context, or nothing. A name that stands twice is refused.
pub(crate) fn deserialize_context<'de, D>(deserializer: D) -> Result<Option<Map<String, Value>>, D::Error>
where
    D: Deserializer<'de>,
{
    Option::<Context>::deserialize(deserializer).map(|context| context.map(|Context(map)| map))
}

/// The attributes of a caller who sent none.
pub(crate) fn no_attributes() -> &'static Map<String, Value> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    &NONE
}
