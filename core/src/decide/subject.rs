//! The subject of a decision: a user id and attributes.

use super::AttributePath;
use crate::read::id_of;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// The subject of a decision. `user_id` is also an attribute of this name.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    user_id: Option<&'a str>,
    attributes: &'a Map<String, Value>,
    /// True if the user id serves as the unit for every unit attribute that the attributes do not contain.
    any_unit: bool,
}

impl<'a> Subject<'a> {
    /// A subject; a blank user id is none. The id's bytes are hashed as they are, never trimmed or normalised.
    #[must_use]
    pub fn new(user_id: &'a str, attributes: &'a Map<String, Value>) -> Self {
        Self { user_id: present(user_id), attributes, any_unit: false }
    }

    /// A subject whose id stands for the unit of every document, whatever attribute that is, unless the
    /// attributes give it: for simulated units.
    #[must_use]
    pub fn any_unit(id: &'a str, attributes: &'a Map<String, Value>) -> Self {
        Self { any_unit: true, ..Self::new(id, attributes) }
    }

    /// The user id, where there is one: given, or else the attribute `user_id`.
    #[must_use]
    pub fn user_id(&self) -> Option<Cow<'a, str>> {
        self.user_id.map(Cow::Borrowed).or_else(|| unit_of(self.attributes.get(USER_ID)?))
    }

    /// The attributes, as given.
    #[must_use]
    pub fn attributes(&self) -> &'a Map<String, Value> {
        self.attributes
    }

    /// The unit of an experiment or flag, as [`unit_of`] reads it.
    #[inline]
    pub(crate) fn unit(&self, attribute: &AttributePath) -> Option<Cow<'a, str>> {
        if attribute.is_user_id()
            && let Some(id) = self.user_id
        {
            return Some(Cow::Borrowed(id));
        }
        match self.attribute(attribute) {
            Some(value) => unit_of(value),
            None if self.any_unit => self.user_id.map(Cow::Borrowed),
            None => None,
        }
    }

    /// Finds an attribute by its dotted path; a key that holds the dots itself is found too.
    pub(crate) fn attribute(&self, path: &AttributePath) -> Option<&'a Value> {
        let mut names = path.names();
        let mut found = names.next().and_then(|name| self.attributes.get(name));
        for name in names {
            found = found.and_then(|value| value.get(name));
        }
        found.or_else(|| self.attributes.get(path.as_str())).filter(|value| !value.is_null())
    }
}

/// Reads a unit: an id, as [`id_of`] reads it, that is not blank. `42`, `42.0` and `"42"` are one unit.
#[must_use]
pub fn unit_of(value: &Value) -> Option<Cow<'_, str>> {
    id_of(value).filter(|id| present(id).is_some())
}

/// The unit of documents that name no other.
pub(crate) const USER_ID: &str = "user_id";

fn present(text: &str) -> Option<&str> {
    // Ends at the first character that is not white space, which is nearly always the first.
    text.contains(|c: char| !c.is_whitespace()).then_some(text)
}

/// Limits on the size of a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContextLimits {
    /// Attributes, those inside objects and lists too.
    pub attributes: usize,
    /// Bytes in a string or a name.
    pub string_bytes: usize,
    /// Levels of objects and lists.
    pub depth: usize,
}

impl Default for ContextLimits {
    fn default() -> Self {
        Self { attributes: 64, string_bytes: 1024, depth: 4 }
    }
}

/// A context that is larger than its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitError {
    /// Too many attributes.
    Attributes(usize),
    /// A string of too many bytes, at an attribute of this name.
    String {
        /// The start of the attribute's name.
        attribute: String,
        /// The allowed number of bytes.
        limit: usize,
    },
    /// Nested too deeply, at an attribute of this name.
    Depth {
        /// The attribute's name.
        attribute: String,
        /// The allowed number of levels.
        limit: usize,
    },
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attributes(limit) => write!(f, "the context has more than {limit} attributes"),
            Self::String { attribute, limit } => {
                write!(f, "the attribute {attribute:?} has more than {limit} bytes")
            }
            Self::Depth { attribute, limit } => {
                write!(f, "the attribute {attribute:?} is nested more than {limit} levels deep")
            }
        }
    }
}

impl std::error::Error for LimitError {}

impl ContextLimits {
    /// Checks a context.
    pub fn check(&self, attributes: &Map<String, Value>) -> Result<(), LimitError> {
        let mut left = self.attributes;
        attributes.iter().try_for_each(|(name, value)| self.check_value(name, value, 1, &mut left, name))
    }

    fn check_value(
        &self,
        name: &str,
        value: &Value,
        depth: usize,
        left: &mut usize,
        outer: &str,
    ) -> Result<(), LimitError> {
        let shown = || outer.chars().take(64).collect::<String>();
        *left = left.checked_sub(1).ok_or(LimitError::Attributes(self.attributes))?;
        let text = if let Value::String(text) = value { text.len() } else { 0 };
        if name.len().max(text) > self.string_bytes {
            return Err(LimitError::String { attribute: shown(), limit: self.string_bytes });
        }
        if depth > self.depth {
            return Err(LimitError::Depth { attribute: shown(), limit: self.depth });
        }
        match value {
            Value::Array(items) => {
                items.iter().try_for_each(|item| self.check_value("", item, depth + 1, left, outer))
            }
            Value::Object(map) => {
                map.iter().try_for_each(|(name, item)| self.check_value(name, item, depth + 1, left, outer))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn attributes(value: &Value) -> &Map<String, Value> {
        value.as_object().unwrap()
    }

    #[test]
    fn paths_go_into_objects_and_find_dotted_names() {
        let context = json!({"device": {"os": "ios"}, "plan.name": "pro", "nothing": null});
        let subject = Subject::new("u", attributes(&context));
        let at = |path: &str| subject.attribute(&AttributePath::new(path)).cloned();
        assert_eq!(at("device.os"), Some(json!("ios")));
        assert_eq!(at("plan.name"), Some(json!("pro")));
        assert_eq!(at("device.model"), None);
        assert_eq!(at("nothing"), None, "null is missing");
    }

    #[test]
    fn units_are_strings_or_integers_and_never_blank() {
        let context = json!({"account": 42, "whole": 42.0, "share": 0.5, "blank": " \t", "name": " x "});
        let subject = Subject::new("  ", attributes(&context));
        let unit = |path: &str| subject.unit(&AttributePath::new(path)).map(Cow::into_owned);
        assert_eq!(unit("account").as_deref(), Some("42"));
        assert_eq!(unit("whole").as_deref(), Some("42"));
        assert_eq!(unit("name").as_deref(), Some(" x "), "as it is");
        for missing in ["user_id", "share", "blank", "absent"] {
            assert_eq!(unit(missing), None, "{missing}");
        }
        let simulated = Subject::any_unit("u", attributes(&context));
        assert_eq!(simulated.unit(&AttributePath::new("absent")).as_deref(), Some("u"));
        assert_eq!(simulated.unit(&AttributePath::new("account")).as_deref(), Some("42"));
    }

    #[test]
    fn contexts_over_their_limits_are_refused() {
        let limits = ContextLimits::default();
        assert_eq!(limits.check(attributes(&json!({"a": {"b": [1, "x"]}}))), Ok(()));
        let many: Map<String, Value> = (0..65).map(|i| (i.to_string(), json!(1))).collect();
        assert_eq!(limits.check(&many), Err(LimitError::Attributes(64)));
        let long = json!({"a": "x".repeat(10_000_000)});
        assert!(matches!(limits.check(attributes(&long)), Err(LimitError::String { .. })));
        let deep = json!({"a": [[[[1]]]]});
        assert!(matches!(limits.check(attributes(&deep)), Err(LimitError::Depth { .. })));
    }
}
