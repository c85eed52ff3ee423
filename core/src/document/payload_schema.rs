//! A description of payloads, as written: a part of JSON Schema.

use super::read::{ReadPath, ReadValue, json_schemas, record, written_words, wrong_type};
use crate::finding::Findings;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

record! {
    /// A description of values, in the words of JSON Schema that `abx` knows. `abx validate` checks payloads against it, and
    /// `abx generate` makes types of it.
    #[expect(non_snake_case, reason = "the words of JSON Schema")]
    pub struct PayloadSchema {
        /// The type of a value, or a list of types that it may have; any by default.
        pub r#type: Option<PayloadTypes>,
        /// A description of the value, for readers.
        pub description: Option<String>,
        /// The values that are allowed.
        pub r#enum: Option<Vec<Value>>,
        /// The items of an array.
        pub items: Option<Box<PayloadSchema>>,
        /// The properties of an object.
        #[serde(default)]
        pub properties: BTreeMap<String, PayloadSchema>,
        /// The properties that an object must have.
        #[serde(default)]
        pub required: Vec<String>,
        /// The other properties of an object: a description of their values, or false for none; any by default.
        pub additionalProperties: Option<OtherProperties>,
    }
}

impl ReadValue for Box<PayloadSchema> {
    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        Self::new(PayloadSchema::read(value, at, findings))
    }
}

written_words! {
    /// A type of values, as JSON Schema names it.
    pub enum PayloadType: "snake_case" {
        /// Any value but the ones below.
        #[default]
        Object,
        /// A list.
        Array,
        /// A text.
        String,
        /// A number, with a fraction or without.
        Number,
        /// A number that is written without a fraction.
        Integer,
        /// True or false.
        Boolean,
        /// Nothing.
        Null,
    }
}

/// The types that a value may have.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct PayloadTypes(pub Vec<PayloadType>);

impl ReadValue for PayloadTypes {
    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        if value.is_array() {
            return Self(ReadValue::read(value, at, findings));
        }
        Self(vec![ReadValue::read(value, at, findings)])
    }
}

/// The properties of an object that are not named.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum OtherProperties {
    /// Any, or none.
    Allowed(bool),
    /// Those with values as described.
    Described(Box<PayloadSchema>),
}

impl Default for OtherProperties {
    fn default() -> Self {
        Self::Allowed(true)
    }
}

impl ReadValue for OtherProperties {
    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        match value {
            Value::Bool(it) => Self::Allowed(*it),
            Value::Object(_) => Self::Described(ReadValue::read(value, at, findings)),
            other => wrong_type("true, false or a description of values", other, at, findings),
        }
    }
}

json_schemas! {
    PayloadTypes: {
        "description": "A type of values, or a list of types",
        "anyOf": [
            {"enum": ["object", "array", "string", "number", "integer", "boolean", "null"]},
            {
                "type": "array",
                "items": {"enum": ["object", "array", "string", "number", "integer", "boolean", "null"]}
            }
        ]
    }
    OtherProperties: {
        "description": "A description of values, or false for none",
        "anyOf": [{"type": "boolean"}, {"$ref": "#/$defs/PayloadSchema"}]
    }
}
