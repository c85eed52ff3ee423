//! Rule tests, as written.

use super::read::{ReadPath, ReadValue, record, written_words, wrong_type};
use super::scalar::DateTime;
use crate::finding::Findings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

record! {
    /// Tests of one experiment or flag: who must get what. They are checked with the documents and never published.
    #[schemars(transform = super::schema::tests)]
    pub struct TestsConfig {
        /// The key of the experiment or flag.
        pub tests: String,
        /// The kind of the document, required if an experiment and a flag both have this key.
        pub kind: Option<TestedKind>,
        /// The time of the decisions, unless a case has its own; the present one by default.
        pub at: Option<DateTime>,
        /// The cases.
        pub cases: Vec<CaseConfig>,
    }
}

written_words! {
    /// The kind of document that tests are about.
    pub enum TestedKind: "snake_case" {
        /// An experiment.
        #[default]
        Experiment,
        /// A flag.
        Flag,
    }
}

record! {
    /// Somebody who asks, and what they must get.
    pub struct CaseConfig {
        /// A description of the case, in words.
        pub name: Option<String>,
        /// The unit, hashed as it is. Without one the case is about any unit that is let on: in the traffic, the
        /// rollout and the layer's slot, in no holdout, and in bucket 0 among the variants.
        pub unit: Option<String>,
        /// The buckets of the unit. They replace the buckets that hashing the unit would give.
        pub buckets: Option<BucketsConfig>,
        /// The attributes.
        pub context: Option<Attributes>,
        /// The time of the decision.
        pub at: Option<DateTime>,
        /// The variant that was assigned earlier, in the present epoch.
        pub pin: Option<String>,
        /// Values of attributes; the case is one for each combination of them. `null` is a missing attribute.
        #[serde(default)]
        pub matrix: BTreeMap<String, Vec<Value>>,
        /// The expected result.
        pub expect: ExpectConfig,
        /// Combinations of the matrix of which something else must come; the first that fits counts.
        #[serde(default)]
        pub except: Vec<ExceptionConfig>,
    }
}

record! {
    /// Buckets from 0 to 999,999. Each counts wherever the decision draws one of its name, in prerequisites too.
    #[schemars(transform = super::schema::buckets)]
    #[derive(Copy, Eq)]
    pub struct BucketsConfig {
        /// The bucket in every holdout.
        pub holdout: Option<u32>,
        /// The bucket in the layer.
        pub layer: Option<u32>,
        /// The bucket in the traffic of an experiment.
        pub traffic: Option<u32>,
        /// Among the variants of an experiment, a split or a rollout.
        pub variant: Option<u32>,
        /// The bucket in the rollout of a flag.
        pub rollout: Option<u32>,
        /// The bucket in conditions with `percentage` that have no `attribute`.
        pub percentage: Option<u32>,
    }
}

record! {
    /// The expected result of a decision; at least one field is set.
    pub struct ExpectConfig {
        /// The variant; `null` for none.
        pub variant: ExpectedVariant,
        /// The value of a flag.
        pub value: Option<Value>,
        /// The reason.
        pub reason: Option<String>,
    }
}

record! {
    /// Combinations of a matrix, and what must come of them.
    pub struct ExceptionConfig {
        /// Attributes of the matrix, each with one of its values or a list of them.
        pub when: BTreeMap<String, Value>,
        /// The expected result for the combinations that match `when`.
        pub expect: ExpectConfig,
    }
}

/// The attributes of a case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Attributes(pub Map<String, Value>);

impl ReadValue for Attributes {
    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        match value {
            Value::Object(map) => Self(map.clone()),
            other => wrong_type("a mapping of attributes", other, at, findings),
        }
    }
}

/// The variant that a test expects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ExpectedVariant {
    /// The variant is not checked.
    #[default]
    Any,
    /// There must be none.
    Nothing,
    /// The one of this key.
    Key(String),
}

impl ReadValue for ExpectedVariant {
    const IS_OPTIONAL: bool = true;

    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        match value {
            Value::Null => Self::Nothing,
            Value::String(key) => Self::Key(key.clone()),
            other => wrong_type("the key of a variant, or null for none", other, at, findings),
        }
    }
}

impl Serialize for ExpectedVariant {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Key(key) => serializer.serialize_str(key),
            Self::Any | Self::Nothing => serializer.serialize_none(),
        }
    }
}

impl JsonSchema for ExpectedVariant {
    fn schema_name() -> Cow<'static, str> {
        "ExpectedVariant".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "null"]})
    }
    fn _schemars_private_is_option() -> bool {
        true
    }
}
