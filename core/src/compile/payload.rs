//! Payloads, compared with the description that a document gives of them.

use crate::document::{OtherProperties, PayloadSchema, PayloadType, describe, quote};
use crate::finding::{Code, Findings, Path, did_you_mean};
use serde_json::{Map, Value};

/// The field of documents.
const FIELD: &str = "payload_schema";

/// Checks the description itself, and each of the payloads, which stand at paths. A variant may have none.
pub(super) fn check<'v>(
    schema: Option<&PayloadSchema>,
    payloads: impl Iterator<Item = (Path, &'v Value)>,
    findings: &mut Findings,
) {
    let Some(schema) = schema else { return };
    // What could not be read is replaced by a default, which would refuse or take anything.
    if findings.is_broken(FIELD) {
        return;
    }
    check_schema(schema, &Path::of(FIELD), findings);
    if findings.is_broken(FIELD) {
        return;
    }
    for (path, payload) in payloads {
        if !findings.is_broken(&path) {
            check_value(schema, payload, &path, findings);
        }
    }
}

/// Finds words of a description that would have no effect, or could never be obeyed.
fn check_schema(schema: &PayloadSchema, path: &Path, findings: &mut Findings) {
    let mut refuse = |path: Path, message: String, help: String| {
        findings.add(Code::InvalidValue, path.clone(), message).help(help);
        findings.mark_broken(path);
    };
    let types = schema.r#type.as_ref().map_or(&[][..], |it| &it.0);
    let of_objects = [
        ("properties", !schema.properties.is_empty()),
        ("required", !schema.required.is_empty()),
        ("additionalProperties", schema.additionalProperties.is_some()),
    ];
    let of_arrays = [("items", schema.items.is_some())];
    let words = of_objects.map(|it| (it, PayloadType::Object)).into_iter();
    for ((word, is_written), wanted) in words.chain(of_arrays.map(|it| (it, PayloadType::Array))) {
        if is_written && !types.contains(&wanted) {
            let message = format!("`{word}` has no effect without `type: {wanted}`");
            refuse(path.field(word), message, format!("add `type: {wanted}` beside it"));
        }
    }
    if schema.r#type.as_ref().is_some_and(|it| it.0.is_empty()) {
        refuse(path.field("type"), "no value has a type of none".to_owned(), "name a type".to_owned());
    }
    if schema.r#enum.as_ref().is_some_and(Vec::is_empty) {
        let help = "list the values, or leave it out".to_owned();
        refuse(path.field("enum"), "no value is allowed".to_owned(), help);
    }
    for (index, name) in schema.required.iter().enumerate() {
        if !schema.properties.contains_key(name) {
            let near = did_you_mean(name, schema.properties.keys().map(String::as_str));
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "describe it there".to_owned(),
            };
            let message = format!("{} is not one of the `properties`", quote(name));
            refuse(path.field("required").index(index), message, help);
        }
    }
    for (name, inner) in &schema.properties {
        check_schema(inner, &path.field("properties").field(name.clone()), findings);
    }
    if let Some(items) = &schema.items {
        check_schema(items, &path.field("items"), findings);
    }
    if let Some(OtherProperties::Described(inner)) = &schema.additionalProperties {
        check_schema(inner, &path.field("additionalProperties"), findings);
    }
}

/// Returns true if a value has a type. An integer is written without a fraction: programs with types take 1 and 1.0 apart.
fn has_type(value: &Value, wanted: PayloadType) -> bool {
    match wanted {
        PayloadType::Object => value.is_object(),
        PayloadType::Array => value.is_array(),
        PayloadType::String => value.is_string(),
        PayloadType::Number => value.is_number(),
        PayloadType::Integer => value.is_i64() || value.is_u64(),
        PayloadType::Boolean => value.is_boolean(),
        PayloadType::Null => value.is_null(),
    }
}

fn check_value(schema: &PayloadSchema, value: &Value, path: &Path, findings: &mut Findings) {
    if let Some(types) = schema.r#type.as_ref().filter(|it| !it.0.iter().any(|it| has_type(value, *it))) {
        let expected: Vec<&str> = types.0.iter().map(|it| it.as_str()).collect();
        let message = format!("expected {}, found {}", expected.join(" or "), describe(value));
        findings
            .add(Code::PayloadMismatch, path, message)
            .help("change the value, or its type in `payload_schema`");
        return;
    }
    if let Some(allowed) = schema.r#enum.as_ref().filter(|it| !it.contains(value)) {
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        findings
            .add(Code::PayloadMismatch, path, format!("{value} is not one of the allowed values"))
            .help(format!("one of: {}", allowed.join(", ")));
        return;
    }
    match value {
        Value::Object(map) => check_object(schema, map, path, findings),
        Value::Array(list) => {
            for (index, item) in list.iter().enumerate() {
                if let Some(items) = &schema.items {
                    check_value(items, item, &path.index(index), findings);
                }
            }
        }
        _ => {}
    }
}

fn check_object(schema: &PayloadSchema, map: &Map<String, Value>, path: &Path, findings: &mut Findings) {
    for name in schema.required.iter().filter(|name| !map.contains_key(*name)) {
        findings
            .add(Code::PayloadMismatch, path, format!("{} is missing", quote(name)))
            .help("add it, or take it out of `required` in `payload_schema`");
    }
    for (name, value) in map {
        let path = path.field(name.clone());
        match (schema.properties.get(name), &schema.additionalProperties) {
            (Some(inner), _) => check_value(inner, value, &path, findings),
            (None, Some(OtherProperties::Described(inner))) => check_value(inner, value, &path, findings),
            (None, Some(OtherProperties::Allowed(false))) => {
                let near = did_you_mean(name, schema.properties.keys().map(String::as_str));
                let help = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "add it to `properties` in `payload_schema`".to_owned(),
                };
                let message = format!("{} is not one of the `properties`", quote(name));
                findings.add(Code::PayloadMismatch, path, message).help(help);
            }
            (None, Some(OtherProperties::Allowed(true)) | None) => {}
        }
    }
}
