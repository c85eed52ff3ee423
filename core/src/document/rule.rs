//! Conditions, as written.

use super::meant::{condition_meant, word_meant};
use super::operator::Operator;
use super::read::{ReadPath, ReadValue, describe, quote, record, refuse};
use crate::finding::{Code, Findings};
use crate::hash::Range;
use serde_json::Value;

/// A condition: a leaf, or a nesting of conditions.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
#[serde(untagged)]
#[schemars(deny_unknown_fields)]
pub enum Condition {
    /// True when all are.
    All {
        /// The conditions.
        all: Vec<Condition>,
    },
    /// True when at least one is.
    Any {
        /// The conditions.
        any: Vec<Condition>,
    },
    /// True when its condition is not; a list means all of it.
    Not {
        /// The condition, or a list of them.
        not: Negated,
    },
    /// True for units of a segment.
    Segment {
        /// The segment's key.
        segment: String,
    },
    /// One attribute against one value.
    Leaf(LeafConfig),
}

/// The operand of `not:`: one condition, or a list whose conditions must all hold.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Negated {
    /// One.
    One(Box<Condition>),
    /// All of these.
    All(Vec<Condition>),
}

record! {
    /// One attribute against one value.
    #[schemars(transform = super::schema::leaf)]
    pub struct LeafConfig {
        /// The dotted path of the attribute. `before`, `after` and `time_window` look at the present time
        /// where it is left out, and `percentage` at the unit.
        pub attribute: Option<String>,
        /// The operator that compares the attribute with the value.
        pub operator: Operator,
        /// The value that the attribute is compared with.
        pub value: Option<Value>,
        /// The salt that `percentage` hashes with the attribute.
        pub salt: Option<String>,
    }
}

impl Default for Condition {
    fn default() -> Self {
        Self::All { all: Vec::new() }
    }
}

impl Default for Negated {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

impl Negated {
    /// The conditions, all of which are negated together.
    #[must_use]
    pub fn conditions(&self) -> &[Condition] {
        match self {
            Self::One(condition) => std::slice::from_ref(condition),
            Self::All(conditions) => conditions,
        }
    }
}

impl ReadValue for Negated {
    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        if value.is_array() {
            Self::All(ReadValue::read(value, at, findings))
        } else {
            Self::One(Box::new(ReadValue::read(value, at, findings)))
        }
    }
}

impl ReadValue for Condition {
    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        const NESTINGS: [&str; 4] = ["all", "any", "not", "segment"];
        const HELP: &str =
            "a condition is {attribute, operator, value}, or one of `all:`, `any:`, `not:` and `segment:`";
        let Value::Object(map) = value else {
            let message = format!("expected a condition, found {}", describe(value));
            return refuse(Code::WrongType, message, Some(HELP.to_owned()), at, findings);
        };
        let Some(nesting) = NESTINGS.into_iter().find(|name| map.contains_key(*name)) else {
            let is_leaf = |name: &String| LeafConfig::FIELDS.contains(&name.as_str());
            // Without a field of a leaf it is a misspelt nesting, and no leaf that lacks an operator.
            let Some(other) = map.keys().next().filter(|_| !map.keys().any(is_leaf)) else {
                return Self::Leaf(ReadValue::read(value, at, findings));
            };
            let near = map.keys().find_map(|name| Some((name, word_meant(name, NESTINGS)?)));
            let short = || map.iter().next().and_then(|(name, value)| condition_meant(name, value));
            let (name, help) = match near {
                Some((name, near)) => (name, format!("did you mean `{near}`?")),
                None => (other, short().unwrap_or_else(|| HELP.to_owned())),
            };
            let message = format!("unknown field {}", quote(name));
            findings.add(Code::UnknownField, ReadPath::Field(&at, name).path(), message).help(help);
            findings.mark_broken(at.path());
            return Self::default();
        };
        for other in map.keys().filter(|name| *name != nesting) {
            let message = format!("{other:?} cannot be used beside `{nesting}`");
            findings.add(Code::UnknownField, ReadPath::Field(&at, other).path(), message).help(HELP);
        }
        let inner = ReadPath::Field(&at, nesting);
        let value = map.get(nesting).unwrap_or(&Value::Null);
        match nesting {
            "all" => Self::All { all: ReadValue::read(value, inner, findings) },
            "any" => Self::Any { any: ReadValue::read(value, inner, findings) },
            "not" => Self::Not { not: ReadValue::read(value, inner, findings) },
            _ => Self::Segment { segment: ReadValue::read(value, inner, findings) },
        }
    }
}

impl ReadValue for Range {
    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        let bound = |index: usize| value.get(index)?.as_u64().and_then(|it| u32::try_from(it).ok());
        if let (Some(2), Some(start), Some(end)) = (value.as_array().map(Vec::len), bound(0), bound(1)) {
            return Self { start, end };
        }
        let help = "write [first bucket, one past the last], for example [0, 250000]".to_owned();
        let message = format!("expected a range of buckets, found {}", describe(value));
        refuse(Code::WrongType, message, Some(help), at, findings)
    }
}
