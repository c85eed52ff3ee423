//! The schemas of values that requests have in common, with their limits.

use abx_core::decide::ContextLimits;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// The largest number of experiments or flags that a request may name.
pub(crate) const MAX_KEYS: usize = 256;
/// The longest text, in bytes. JSON Schema counts characters, so that it lets some through that are refused.
pub(crate) const MAX_TEXT: usize = 1024;

/// The attributes of a request.
struct Context;

impl JsonSchema for Context {
    fn schema_name() -> Cow<'static, str> {
        "Context".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let limits = ContextLimits::default();
        let description = format!(
            "Attributes by name: up to {} of them, those inside objects and lists included, on up to {} levels. A name and a text have up to \
             {} bytes. No name stands twice.",
            limits.attributes, limits.depth, limits.string_bytes
        );
        json_schema!({
            "description": description,
            "type": "object",
            "maxProperties": limits.attributes,
            "propertyNames": {"maxLength": limits.string_bytes},
            "additionalProperties": {"$ref": level(1)},
            "$defs": (1..=limits.depth).map(|at| (format!("level{at}"), attribute(limits, at))).collect::<Map<_, _>>(),
        })
    }
}

/// An attribute of any type, on a level.
fn attribute(limits: ContextLimits, at: usize) -> Value {
    let ContextLimits { attributes, string_bytes, depth } = limits;
    if at == depth {
        return json!({"maxLength": string_bytes, "maxItems": 0, "maxProperties": 0});
    }
    json!({
        "maxLength": string_bytes,
        "maxItems": attributes,
        "items": {"$ref": level(at + 1)},
        "maxProperties": attributes,
        "propertyNames": {"maxLength": string_bytes},
        "additionalProperties": {"$ref": level(at + 1)},
    })
}

fn level(at: usize) -> String {
    format!("#/components/schemas/Context/$defs/level{at}")
}

/// A unit: a text, or a whole number, which stands for its digits.
pub(crate) fn id_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["string", "integer", "null"], "maxLength": MAX_TEXT, "minimum": i64::MIN, "maximum": u64::MAX})
}

pub(crate) fn optional_context_schema(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [generator.subschema_for::<Context>(), {"type": "null"}]})
}

pub(crate) fn ofrep_context_schema(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "allOf": [generator.subschema_for::<Context>()],
        "properties": {"targetingKey": id_schema(generator)},
    })
}

/// Keys of experiments or flags.
pub(crate) fn keys_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["array", "null"], "maxItems": MAX_KEYS, "items": {"type": "string", "maxLength": MAX_TEXT},
    })
}

pub(crate) fn optional_time_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["string", "null"], "format": "date-time"})
}
