//! The values that change in a document, with the paths that findings use.

use crate::finding::Path;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// A value of a document, before and after.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FieldChange {
    /// The path of the value, for example `variants[1].allocation`: in the new document, or in the old one if
    /// it was removed.
    pub path: Path,
    /// The value before; left out where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The value after; left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Everything that differs between two documents, in the order of the fields' names.
#[must_use]
pub fn field_changes(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    compare(Path::default(), before, after, &mut changes);
    changes
}

fn compare(path: Path, before: &Value, after: &Value, changes: &mut Vec<FieldChange>) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(old), Value::Object(new)) => compare_fields(&path, old, new, changes),
        (Value::Array(old), Value::Array(new)) if holds_parts(old) && holds_parts(new) => {
            compare_items(&path, old, new, changes);
        }
        _ => changes.push(FieldChange { path, before: Some(before.clone()), after: Some(after.clone()) }),
    }
}

/// Returns true if a list holds parts of a document, and not plain values such as countries.
fn holds_parts(list: &[Value]) -> bool {
    list.iter().all(Value::is_object)
}

fn compare_fields(
    path: &Path,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    changes: &mut Vec<FieldChange>,
) {
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let path = path.field(name.clone());
        match (old.get(name), new.get(name)) {
            (Some(before), Some(after)) => compare(path, before, after, changes),
            (before, after) => {
                changes.push(FieldChange { path, before: before.cloned(), after: after.cloned() });
            }
        }
    }
}

/// Items that have a name are the same item wherever they stand; others are told by their place, from both ends.
fn compare_items(path: &Path, old: &[Value], new: &[Value], changes: &mut Vec<FieldChange>) {
    let pairs = match (names(old), names(new)) {
        (Some(old), Some(new)) => by_name(&old, &new),
        _ => by_place(old, new),
    };
    for (at, other) in pairs {
        let (before, after) = (at.and_then(|it| old.get(it)), other.and_then(|it| new.get(it)));
        let path = path.index(other.or(at).unwrap_or_default());
        match (before, after) {
            (Some(before), Some(after)) => compare(path, before, after, changes),
            (before, after) => {
                changes.push(FieldChange { path, before: before.cloned(), after: after.cloned() });
            }
        }
    }
}

type IndexPairs = Vec<(Option<usize>, Option<usize>)>;

/// The name of each item, where all have one and no two the same.
fn names(items: &[Value]) -> Option<Vec<&str>> {
    const NAMES: [&str; 5] = ["key", "name", "variant", "flag", "experiment"];
    fn name(item: &Value) -> Option<&str> {
        NAMES.into_iter().find_map(|name| item.get(name)?.as_str())
    }
    let names: Vec<&str> = items.iter().map(name).collect::<Option<_>>()?;
    let mut distinct = names.clone();
    distinct.sort_unstable();
    distinct.dedup();
    (distinct.len() == names.len()).then_some(names)
}

fn by_name(old: &[&str], new: &[&str]) -> IndexPairs {
    let place = |name: &str, list: &[&str]| list.iter().position(|it| *it == name);
    let kept = new.iter().enumerate().map(|(at, name)| (place(name, old), Some(at)));
    let gone = old.iter().enumerate().filter(|(_, name)| place(name, new).is_none());
    kept.chain(gone.map(|(at, _)| (Some(at), None))).collect()
}

fn by_place(old: &[Value], new: &[Value]) -> IndexPairs {
    let shorter = old.len().min(new.len());
    let equal = |(a, b): &(&Value, &Value)| a == b;
    let first = old.iter().zip(new).take_while(equal).count();
    let last = old.iter().rev().zip(new.iter().rev()).take(shorter - first).take_while(equal).count();
    let (old_end, new_end) = (old.len() - last, new.len() - last);
    let place = |at: usize, end: usize| (at < end).then_some(at);
    (first..old_end.max(new_end)).map(|at| (place(at, old_end), place(at, new_end))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(before: &Value, after: &Value) -> Vec<String> {
        let word = |it: &FieldChange| match (&it.before, &it.after) {
            (Some(_), Some(_)) => "~",
            (None, _) => "+",
            (_, None) => "-",
        };
        field_changes(before, after).iter().map(|it| format!("{}{}", word(it), it.path)).collect()
    }

    #[test]
    fn items_with_a_key_are_the_same_wherever_they_stand() {
        let before = json!({"variants": [{"key": "a", "allocation": 0.5}, {"key": "b", "allocation": 0.5}]});
        let after = json!({"variants": [{"key": "b", "allocation": 0.3}, {"key": "c"}]});
        assert_eq!(paths(&before, &after), ["~variants[0].allocation", "+variants[1]", "-variants[0]"]);
    }

    #[test]
    fn conditions_are_told_by_their_place() {
        let of = |values: &[&str]| -> Value {
            values.iter().map(|it| json!({"attribute": it, "operator": "exists"})).collect()
        };
        let rules = |values: &[&str]| json!({"targeting_rules": of(values)});
        assert_eq!(paths(&rules(&["a", "b"]), &rules(&["a", "x", "b"])), ["+targeting_rules[1]"]);
        assert_eq!(paths(&rules(&["a", "b", "c"]), &rules(&["b", "c"])), ["-targeting_rules[0]"]);
        assert_eq!(paths(&rules(&["a", "b"]), &rules(&["a", "c"])), ["~targeting_rules[1].attribute"]);
        assert_eq!(paths(&rules(&["a", "a"]), &rules(&["a"])), ["-targeting_rules[1]"]);
    }

    #[test]
    fn plain_lists_are_one_value() {
        let before = json!({"value": ["DE"], "ranges": [[0, 10]]});
        let after = json!({"value": ["DE", "AT"], "ranges": [[0, 20]], "owner": null});
        assert_eq!(paths(&before, &after), ["+owner", "~ranges", "~value"]);
        assert!(field_changes(&before, &before).is_empty());
    }
}
