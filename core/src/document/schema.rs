//! Additions to the JSON Schema of documents that the types alone cannot express: fields that belong
//! together, and the values that each operator takes. A schema never refuses what the reader accepts;
//! `cli/tests/schema.rs` compares the two.

use super::experiment::MetricKind;
use super::operator::Operator;
use super::share::PERCENT_PATTERN;
use schemars::Schema;
use serde_json::{Value, json};

/// A text that says something.
const TEXT: &str = r"\S";
/// A pattern for the start of a version; the reader checks the rest.
const VERSION: &str = "^v?[0-9]";

fn add(schema: &mut Schema, name: &str, rules: Vec<Value>) {
    schema.insert(name.to_owned(), Value::Array(rules));
}

/// A field that is written; `null` counts as not written.
fn written(field: &str) -> Value {
    json!({"required": [field], "properties": {field: {"not": {"type": "null"}}}})
}

/// Adds a rule to a field.
fn narrow(schema: &mut Schema, field: &str, rule: &Value) {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    let Some(known) = properties.remove(field) else { return };
    // Descriptions stay where editors look for them.
    let description = known.get("description").cloned();
    let mut both = json!({"allOf": [known, rule]});
    if let (Some(description), Some(both)) = (description, both.as_object_mut()) {
        both.insert("description".to_owned(), description);
    }
    properties.insert(field.to_owned(), both);
}

/// Fields of text that may not be blank where they are written.
fn texts(schema: &mut Schema, fields: &[&str]) {
    for field in fields {
        narrow(schema, field, &json!({"pattern": TEXT}));
    }
}

/// Describes the fields that belong to hashing.
fn hashing(schema: &mut Schema) {
    texts(schema, &["unit", "salt"]);
    narrow(schema, "epoch", &json!({"minimum": 1}));
}

/// One of `allocation` and `ranges`, or none.
pub(super) fn shared_out(schema: &mut Schema) {
    add(schema, "allOf", vec![json!({"not": {"allOf": [written("allocation"), written("ranges")]}})]);
}

pub(super) fn experiment(schema: &mut Schema) {
    hashing(schema);
    narrow(schema, "variants", &json!({"minItems": 1}));
    add(schema, "allOf", vec![json!({"required": ["variants"]})]);
}

pub(super) fn metric(schema: &mut Schema) {
    texts(schema, &["event"]);
    let is_of = |kinds: Vec<&str>| json!({"properties": {"kind": {"enum": kinds}}, "required": ["kind"]});
    let kinds = |is_one: fn(MetricKind) -> bool| -> Vec<&str> {
        MetricKind::ALL.into_iter().filter(|it| is_one(*it)).map(MetricKind::as_str).collect()
    };
    let parts = json!({"allOf": [written("numerator"), written("denominator")]});
    let rules = [
        (kinds(MetricKind::needs_event), written("event")),
        (kinds(MetricKind::needs_property), written("property")),
        (vec![MetricKind::Ratio.as_str()], parts),
        (vec![MetricKind::Quantile.as_str()], written("q")),
    ];
    add(
        schema,
        "allOf",
        rules.into_iter().map(|(kinds, then)| json!({"if": is_of(kinds), "then": then})).collect(),
    );
}

pub(super) fn flag(schema: &mut Schema) {
    hashing(schema);
    let has_variants =
        json!({"properties": {"variants": {"type": "array", "minItems": 1}}, "required": ["variants"]});
    add(schema, "allOf", vec![json!({"if": has_variants, "then": written("default_variant")})]);
}

pub(super) fn flag_variant(schema: &mut Schema) {
    shared_out(schema);
    narrow(schema, "value", &json!({"type": ["boolean", "string", "number", "object"]}));
}

/// Exactly one of what a rule may serve.
pub(super) fn flag_rule(schema: &mut Schema) {
    narrow(schema, "split", &json!({"if": {"type": "array"}, "then": {"minItems": 1}}));
    add(schema, "oneOf", vec![written("serve"), written("split"), written("experiment")]);
}

/// A layer or a holdout.
pub(super) fn bucketed(schema: &mut Schema) {
    texts(schema, &["unit", "salt"]);
}

pub(super) fn tests(schema: &mut Schema) {
    narrow(schema, "cases", &json!({"minItems": 1}));
}

pub(super) fn buckets(schema: &mut Schema) {
    for field in ["holdout", "layer", "traffic", "variant", "rollout", "percentage"] {
        narrow(schema, field, &json!({"maximum": 999_999}));
    }
}

/// Describes the value that each operator takes, by `if` and `then`.
pub(super) fn leaf(schema: &mut Schema) {
    let rule = |operator: &Operator| {
        let takes_salt = *operator == Operator::Percentage;
        let asks_alone = operator.without_attribute().is_some();
        let nothing = json!({"type": "null"});
        let value = value_of(*operator);
        let needed = [("attribute", !asks_alone), ("value", value.is_some()), ("salt", takes_salt)];
        let required: Vec<&str> = needed.into_iter().filter(|it| it.1).map(|it| it.0).collect();
        let attribute = if asks_alone { json!(true) } else { json!({"type": "string"}) };
        let salt = if takes_salt { json!({"type": "string", "pattern": TEXT}) } else { nothing.clone() };
        let properties = json!({"attribute": attribute, "value": value.unwrap_or(nothing), "salt": salt});
        json!({
            "if": {"properties": {"operator": {"const": operator.as_str()}}, "required": ["operator"]},
            "then": {"properties": properties, "required": required}
        })
    };
    let rules = Operator::ALL.iter().map(rule).collect();
    add(schema, "allOf", rules);
    texts(schema, &["attribute"]);
}

/// Returns the schema of an operator's value; `None` if the operator takes no value.
fn value_of(operator: Operator) -> Option<Value> {
    let scalar = json!({"type": ["string", "number", "boolean"]});
    let count = json!({"type": "integer", "minimum": 0});
    let version = json!({"type": "string", "pattern": VERSION});
    Some(match operator {
        Operator::Exists | Operator::NotExists => return None,
        Operator::Equals | Operator::NotEquals | Operator::Contains | Operator::NotContains => scalar,
        Operator::In | Operator::NotIn => json!({"type": "array", "items": scalar}),
        Operator::ContainsAny | Operator::ContainsAll => {
            json!({"type": "array", "minItems": 1, "items": scalar})
        }
        Operator::GreaterThan | Operator::GreaterOrEqual | Operator::LessThan | Operator::LessOrEqual => {
            json!({"type": "number"})
        }
        Operator::Between => {
            json!({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2})
        }
        Operator::StartsWith | Operator::EndsWith | Operator::Matches => json!({"type": "string"}),
        Operator::SemverRange => json!({"type": "string", "minLength": 1}),
        Operator::LengthEquals
        | Operator::LengthGreaterThan
        | Operator::LengthGreaterOrEqual
        | Operator::LengthLessThan
        | Operator::LengthLessOrEqual => count,
        Operator::Before | Operator::After => json!({"type": "string", "minLength": 10}),
        Operator::TimeWindow => time_window(),
        Operator::SemverEquals
        | Operator::SemverNotEquals
        | Operator::SemverGreaterThan
        | Operator::SemverGreaterOrEqual
        | Operator::SemverLessThan
        | Operator::SemverLessOrEqual => version,
        Operator::GeoWithin => json!({
            "type": "object",
            "properties": {
                "lat": {"type": "number", "minimum": -90, "maximum": 90},
                "lon": {"type": "number", "minimum": -180, "maximum": 180},
                "radius_km": {"type": "number", "exclusiveMinimum": 0}
            },
            "required": ["lat", "lon", "radius_km"],
            "additionalProperties": false
        }),
        Operator::IpIn => {
            let network = json!({"type": "string", "minLength": 2});
            json!({"anyOf": [network, {"type": "array", "minItems": 1, "items": network}]})
        }
        Operator::Percentage => json!({"anyOf": [
            {"type": "number", "minimum": 0, "maximum": 100},
            {"type": "string", "pattern": PERCENT_PATTERN}
        ]}),
    })
}

fn time_window() -> Value {
    let clock = json!({"type": "string", "minLength": 2});
    json!({
        "type": "object",
        "properties": {
            "start": clock,
            "end": clock,
            "days": {
                "type": "array",
                "minItems": 1,
                "items": {"enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}
            },
            "zone": {"type": "string", "minLength": 1}
        },
        "required": ["zone"],
        "additionalProperties": false
    })
}
