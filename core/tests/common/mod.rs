//! Helpers that several test files need: documents from JSON, and subjects.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use abx_core::finding::{Finding, Severity};
use abx_core::{Catalog, Compilation, read_and_compile};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Reads and compiles documents together.
pub(crate) fn compiled(values: &[Value]) -> Compilation {
    read_and_compile(values)
}

/// The catalog of documents that have no errors.
pub(crate) fn catalog(values: &[Value]) -> Catalog {
    let compilation = compiled(values);
    let errors: Vec<&Finding> =
        compilation.findings.iter().filter(|it| it.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    compilation.catalog
}

/// Attributes from a JSON object.
pub(crate) fn attributes(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// Noon on a Wednesday.
pub(crate) fn noon() -> Timestamp {
    at("2026-03-04T12:00:00Z")
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// An experiment `e` with two halves, and some fields more or other.
pub(crate) fn experiment(fields: Value) -> Value {
    with(
        json!({
            "experiment": "e",
            "status": "active",
            "variants": [{"key": "control", "allocation": 0.5}, {"key": "treatment", "allocation": 0.5}],
        }),
        fields,
    )
}

/// A boolean flag `f` that is on for everybody, with some fields more or other.
pub(crate) fn flag(fields: Value) -> Value {
    with(json!({"flag": "f", "enabled": true}), fields)
}

/// A flag `f` with the variants `red`, `green` and `blue`, which is the default.
pub(crate) fn colours(fields: Value) -> Value {
    let variants = json!([
        {"key": "red", "value": "#f00"}, {"key": "green", "value": "#0f0"}, {"key": "blue", "value": "#00f"},
    ]);
    with(json!({"flag": "f", "enabled": true, "variants": variants, "default_variant": "blue"}), fields)
}

fn with(mut document: Value, fields: Value) -> Value {
    if let (Some(document), Value::Object(fields)) = (document.as_object_mut(), fields) {
        document.extend(fields);
    }
    document
}
