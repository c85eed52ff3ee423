//! Payloads that do not fit the description of their document, and descriptions with one mistake.

use super::common::{compiled, experiment, flag};
use super::{Case, case};
use abx_core::finding::Code;
use serde_json::{Value, json};

/// An experiment whose second variant has a payload.
fn paid(schema: Value, payload: Value) -> [Value; 1] {
    let variants = json!([{"key": "control"}, {"key": "b", "payload": payload}]);
    [experiment(json!({"payload_schema": schema, "variants": variants}))]
}

/// An experiment with a description that nothing is compared with.
fn described(schema: Value) -> [Value; 1] {
    [experiment(json!({"payload_schema": schema}))]
}

fn object(properties: Value) -> Value {
    json!({"type": "object", "properties": properties, "required": ["eur"], "additionalProperties": false})
}

pub(crate) fn cases() -> Vec<Case> {
    payloads().into_iter().chain(descriptions()).collect()
}

fn payloads() -> Vec<Case> {
    let eur = || object(json!({"eur": {"type": "number"}}));
    let mismatch = |path, help, documents| case(Code::PayloadMismatch, path, help, documents);
    let list = json!({"type": "array", "items": {"enum": ["a", 1]}});
    let map = json!({"type": "object", "additionalProperties": {"type": ["string", "null"]}});
    vec![
        mismatch("variants[1].payload", "change the value", paid(eur(), json!("3"))),
        mismatch("variants[1].payload", "take it out of `required`", paid(eur(), json!({}))),
        mismatch("variants[1].payload.eur", "change the value", paid(eur(), json!({"eur": "3"}))),
        mismatch("variants[1].payload.eurr", "`eur`", paid(eur(), json!({"eur": 3, "eurr": 3}))),
        mismatch("variants[1].payload.vat", "`properties`", paid(eur(), json!({"eur": 3, "vat": 1}))),
        mismatch("variants[1].payload[1]", "one of: \"a\", 1", paid(list, json!(["a", "b", 1]))),
        mismatch("variants[1].payload.y", "change the value", paid(map, json!({"x": null, "y": 1}))),
        mismatch(
            "variants[1].payload",
            "its type in `payload_schema`",
            paid(json!({"type": "integer"}), json!(1.0)),
        ),
        mismatch(
            "variants[1].value",
            "change the value",
            [flag(json!({
                "payload_schema": {"type": "integer"}, "default_variant": "a",
                "variants": [{"key": "a", "value": 1}, {"key": "b", "value": 1.5}],
            }))],
        ),
    ]
}

fn descriptions() -> Vec<Case> {
    vec![
        case(
            Code::UnknownField,
            "payload_schema.propertys",
            "`properties`",
            described(json!({"type": "object", "propertys": {"eur": {}}})),
        ),
        case(Code::UnknownWord, "payload_schema.type", "`string`", described(json!({"type": "strin"}))),
        case(
            Code::WrongType,
            "payload_schema.additionalProperties",
            "",
            described(json!({"type": "object", "additionalProperties": "no"})),
        ),
        case(
            Code::InvalidValue,
            "payload_schema.properties.eur.items",
            "add `type: array`",
            described(object(json!({"eur": {"type": "number", "items": {}}}))),
        ),
        case(
            Code::InvalidValue,
            "payload_schema.properties",
            "add `type: object`",
            described(json!({"properties": {"eur": {}}})),
        ),
        case(
            Code::InvalidValue,
            "payload_schema.required[0]",
            "did you mean `euro`?",
            described(object(json!({"euro": {}}))),
        ),
        case(Code::InvalidValue, "payload_schema.enum", "list the values", described(json!({"enum": []}))),
        case(Code::InvalidValue, "payload_schema.type", "name a type", described(json!({"type": []}))),
    ]
}

#[test]
fn payloads_that_fit_have_no_finding() {
    let schema = json!({
        "type": ["object", "null"],
        "description": "everything at once",
        "properties": {
            "text": {"type": "string", "enum": ["a", "b"]},
            "list": {"type": "array", "items": {"type": "integer"}},
            "map": {"type": "object", "additionalProperties": {"type": "boolean"}},
            "any": {},
        },
        "required": ["text"],
    });
    for payload in [
        json!({"text": "a"}),
        json!({"text": "b", "list": [1, 2], "map": {"x": true}, "any": [null], "more": 1}),
        Value::Null,
    ] {
        let found = compiled(&paid(schema.clone(), payload.clone())).findings;
        assert!(found.is_empty(), "{payload}: {found:?}");
    }
}

/// A description with a mistake would refuse every payload for the same reason.
#[test]
fn payloads_are_not_compared_with_a_broken_description() {
    let found = compiled(&paid(json!({"type": "object", "required": ["a"]}), json!({}))).findings;
    assert_eq!(found.iter().map(|it| it.code).collect::<Vec<_>>(), [Code::InvalidValue]);
}
