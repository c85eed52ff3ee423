//! What changes from one set of documents to another.

use crate::render::short;
use crate::render::style::{BAD, DIM, GOOD};
use abx_functions::catalog::name;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What changes, by the documents' kinds and keys.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
pub struct Plan {
    /// New documents.
    added: Vec<String>,
    /// Documents with other values.
    changed: Vec<Changed>,
    /// Documents that are gone.
    removed: Vec<String>,
    /// Documents that stay as they are.
    unchanged: usize,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Changed {
    document: String,
    fields: Vec<FieldChange>,
}

/// A field of a document, before and after; `null` where it is not written.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct FieldChange {
    field: String,
    before: Value,
    after: Value,
}

impl Plan {
    /// Compares two sets of documents.
    #[must_use]
    pub fn new(before: &[Value], after: &[Value]) -> Self {
        let before: BTreeMap<String, &Value> = by_name(before);
        let after: BTreeMap<String, &Value> = by_name(after);
        let mut plan = Self::default();
        for (name, new) in &after {
            match before.get(name) {
                None => plan.added.push(name.clone()),
                Some(old) if old == new => plan.unchanged += 1,
                Some(old) => {
                    plan.changed.push(Changed { document: name.clone(), fields: changed_fields(old, new) });
                }
            }
        }
        plan.removed = before.keys().filter(|name| !after.contains_key(*name)).cloned().collect();
        plan
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    /// For a person: a line a document, and one a field.
    #[must_use]
    pub fn human(&self) -> String {
        let mut text = String::new();
        for name in &self.added {
            let _ = writeln!(text, "  {GOOD}+{GOOD:#} {name}");
        }
        for changed in &self.changed {
            let _ = writeln!(text, "  ~ {}", changed.document);
            for field in &changed.fields {
                let (before, after) = (shown(&field.before), shown(&field.after));
                let _ = writeln!(text, "      {}: {before} -> {after}", field.field);
            }
        }
        for name in &self.removed {
            let _ = writeln!(text, "  {BAD}-{BAD:#} {name}");
        }
        let _ = writeln!(
            text,
            "  {DIM}{} added, {} changed, {} removed, {} unchanged{DIM:#}",
            self.added.len(),
            self.changed.len(),
            self.removed.len(),
            self.unchanged
        );
        text
    }
}

/// Published documents compile, so each has a name.
fn by_name(documents: &[Value]) -> BTreeMap<String, &Value> {
    documents.iter().filter_map(|document| Some((name(document)?, document))).collect()
}

fn changed_fields(old: &Value, new: &Value) -> Vec<FieldChange> {
    let empty = serde_json::Map::new();
    let (old, new) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
    let mut fields: Vec<&String> = old.keys().chain(new.keys()).collect();
    fields.sort();
    fields.dedup();
    let value =
        |map: &serde_json::Map<String, Value>, field: &str| map.get(field).cloned().unwrap_or_default();
    fields
        .into_iter()
        .filter(|field| old.get(*field) != new.get(*field))
        .map(|field| FieldChange {
            field: field.clone(),
            before: value(old, field),
            after: value(new, field),
        })
        .collect()
}

fn shown(value: &Value) -> String {
    if value.is_null() { "nothing".to_owned() } else { short(value, 60) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_are_compared_by_kind_and_key() {
        let before = [json!({"flag": "a", "enabled": true}), json!({"flag": "b", "enabled": true})];
        let after = [json!({"flag": "b", "enabled": false}), json!({"experiment": "a"})];
        let plan = Plan::new(&before, &after);
        assert_eq!(plan.added, ["experiment a"]);
        assert_eq!(plan.removed, ["flag a"]);
        assert_eq!(plan.changed[0].document, "flag b");
        assert_eq!(plan.changed[0].fields[0].field, "enabled");
        assert!(Plan::new(&before, &before).is_empty());
    }
}
