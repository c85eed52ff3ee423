//! `--context`: attributes in every request, in its query or in the JSON that it sends.

use crate::error::Error;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// Adds attributes to the query of a URL, as `context.NAME=VALUE`.
pub(super) fn into_url(url: &mut String, attributes: &Map<String, Value>) {
    let (before, fragment) = url.split_once('#').map_or((&**url, None), |(before, it)| (before, Some(it)));
    let mut with = before.to_owned();
    for (name, value) in attributes {
        let separator = if with.contains('?') { '&' } else { '?' };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let _ = write!(with, "{separator}context.{}={}", encoded(name), encoded(&text));
    }
    if let Some(fragment) = fragment {
        let _ = write!(with, "#{fragment}");
    }
    *url = with;
}

/// Adds attributes to the `context` of a JSON object; those of `--context` win. `what` is the option that gives the JSON.
pub(super) fn into_json(json: &mut String, attributes: &Map<String, Value>, what: &str) -> Result<(), Error> {
    if attributes.is_empty() {
        return Ok(());
    }
    let refused = |why: &str| {
        Error::caller(format!("--context has no place in {what}: {why}"))
            .help("write the attributes into the JSON itself, as {\"context\": {\"country\": \"DE\"}}")
    };
    let mut value: Value =
        serde_json::from_str(json).map_err(|error| refused("it is not JSON").because(error))?;
    let fields = value.as_object_mut().ok_or_else(|| refused("it is not an object"))?;
    let context = fields.entry("context").or_insert_with(|| Value::Object(Map::new()));
    let context = context.as_object_mut().ok_or_else(|| refused("its `context` is not an object"))?;
    context.extend(attributes.clone());
    *json = value.to_string();
    Ok(())
}

/// A text as it stands in a query; `{unit}` is left for the user.
fn encoded(text: &str) -> String {
    let encode = |part: &str| {
        let mut encoded = String::new();
        for byte in part.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    };
    text.split("{unit}").map(encode).collect::<Vec<_>>().join("{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn attributes_stand_in_the_query_or_in_the_json() {
        let attributes =
            json!({"country": "DE", "app.version": "5.10 b&c", "age": 42, "tags": ["a"], "id": "x-{unit}"});
        let attributes = attributes.as_object().unwrap();
        let with = |url: &str| {
            let mut url = url.to_owned();
            into_url(&mut url, attributes);
            url
        };
        let query = "context.age=42&context.app.version=5.10%20b%26c&context.country=DE&context.id=x-{unit}&context.tags=%5B%22a%22%5D";
        assert_eq!(
            with("http://h/assign?user_id={unit}"),
            format!("http://h/assign?user_id={{unit}}&{query}")
        );
        assert_eq!(with("http://h/assign#x"), format!("http://h/assign?{query}#x"));
        let mut body = r#"{"user_id": "{unit}", "context": {"country": "US", "os": "ios"}}"#.to_owned();
        into_json(&mut body, attributes, "--body").unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["context"]["country"], &body["context"]["os"]), (&json!("DE"), &json!("ios")));
        assert_eq!(body["user_id"], "{unit}");
        for bad in ["", "[]", r#"{"context": 1}"#] {
            let error = into_json(&mut bad.to_owned(), attributes, "--body").unwrap_err().to_string();
            assert!(error.contains("--context has no place in --body"), "{error}");
        }
    }
}
