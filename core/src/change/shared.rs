//! The changes in segments that other documents use.

use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// The segments whose members may be others than before, directly or by a segment in them.
#[derive(Debug, Default)]
pub(super) struct ChangedSegments<'a>(BTreeSet<&'a str>);

impl<'a> ChangedSegments<'a> {
    /// Compares the shared documents of both sides.
    pub(super) fn between(before: Option<&'a Value>, after: Option<&'a Value>) -> Self {
        let (old, new) = (segments(before), segments(after));
        let differs = |key: &&'a str| {
            let when = |side: &HashMap<&str, &Value>| side.get(*key).and_then(|it| it.get("when")).cloned();
            when(&old) != when(&new)
        };
        let mut changed: BTreeSet<&str> = old.keys().chain(new.keys()).copied().filter(differs).collect();
        // Chains of segments are short; each round finds those that use what the last one found.
        loop {
            let uses = |key: &&&'a str| {
                [&old, &new].iter().any(|side| side.get(**key).is_some_and(|it| used(it, &changed).is_some()))
            };
            let more: Vec<&str> =
                new.keys().filter(|key| !changed.contains(**key)).filter(uses).copied().collect();
            if more.is_empty() {
                return Self(changed);
            }
            changed.extend(more);
        }
    }

    /// A changed segment that a document uses.
    pub(super) fn used_by(&self, document: &Value) -> Option<&'a str> {
        if self.0.is_empty() { None } else { used(document, &self.0) }
    }
}

fn segments(shared: Option<&Value>) -> HashMap<&str, &Value> {
    let list = shared.and_then(|it| it.pointer("/catalog/segments")?.as_array()).into_iter().flatten();
    list.filter_map(|segment| Some((segment.get("key")?.as_str()?, segment))).collect()
}

/// One of some segments that a value names, at any depth.
fn used<'a>(value: &Value, segments: &BTreeSet<&'a str>) -> Option<&'a str> {
    match value {
        Value::Array(list) => list.iter().find_map(|it| used(it, segments)),
        Value::Object(map) => map.iter().find_map(|(name, it)| match it {
            Value::String(key) if name == "segment" => segments.get(key.as_str()).copied(),
            _ => used(it, segments),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_segment_changes_with_those_in_it() {
        let shared = |value: &str| {
            json!({"catalog": {"segments": [
                {"key": "inner", "when": [{"attribute": "a", "operator": "equals", "value": value}]},
                {"key": "outer", "when": [{"not": [{"segment": "inner"}]}]},
                {"key": "other", "description": value, "when": []},
            ]}})
        };
        let (before, after) = (shared("x"), shared("y"));
        let changed = ChangedSegments::between(Some(&before), Some(&after));
        let uses = |key: &str| changed.used_by(&json!({"targeting_rules": [{"segment": key}]}));
        assert_eq!(uses("outer"), Some("outer"));
        assert_eq!(uses("other"), None, "what it is called is no condition");
        let same = ChangedSegments::between(Some(&before), Some(&before));
        assert_eq!(same.used_by(&json!([{"segment": "inner"}])), None);
    }
}
