//! A compiled revision.

use abx_core::finding::{Finding, Severity};
use abx_core::{Catalog, read_and_compile};
use serde_json::Value;
use std::collections::HashMap;

/// A compiled revision, immutable. All decisions of a request read one.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// What decides.
    pub catalog: Catalog,
    /// The revision's number; 0 before anything was published.
    pub revision: u64,
    /// Documents that did not compile, by kind and key, as `flag new_search`. Each serves in its previous form,
    /// where it had one.
    pub held_back: Vec<String>,
    /// What it was compiled from, by name; the previous form of the next snapshot.
    documents: HashMap<String, Value>,
}

impl Snapshot {
    /// Compiles a revision. A document with an error keeps the form that it has in `previous`, so that one bad
    /// document takes neither itself nor another down.
    #[must_use]
    pub fn compile(revision: u64, mut documents: Vec<Value>, previous: &Self) -> Self {
        let mut held_back = Vec::new();
        // Putting an old form back can only make findings elsewhere (a name that is gone again), each round holds
        // another document back, and so this ends.
        loop {
            let compilation = read_and_compile(&documents);
            let bad = documents_with_errors(&compilation.findings);
            if bad.is_empty() {
                let documents =
                    documents.into_iter().filter_map(|document| Some((name(&document)?, document))).collect();
                return Self { catalog: compilation.catalog, revision, held_back, documents };
            }
            for index in bad.into_iter().rev() {
                let document = documents.remove(index);
                let Some(name) = name(&document) else { continue };
                if !held_back.contains(&name)
                    && let Some(old) = previous.documents.get(&name)
                    && *old != document
                {
                    documents.push(old.clone());
                }
                if !held_back.contains(&name) {
                    held_back.push(name);
                }
            }
        }
    }

    /// Whether anything was ever loaded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }
}

/// The indices of the documents that have errors, in ascending order.
fn documents_with_errors(findings: &[Finding]) -> Vec<usize> {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let mut indices: Vec<usize> = errors.map(|finding| finding.place.document).collect();
    indices.sort_unstable();
    indices.dedup();
    indices
}

/// A document's kind and key; the shared catalog is one and needs no key.
#[must_use]
pub fn name(document: &Value) -> Option<String> {
    ["experiment", "flag"]
        .into_iter()
        .find_map(|kind| Some(format!("{kind} {}", document.get(kind)?.as_str()?)))
        .or_else(|| document.get("catalog").map(|_| "catalog".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn flag(key: &str, percentage: i32) -> Value {
        json!({"flag": key, "enabled": true, "rollout_percentage": percentage})
    }

    #[test]
    fn a_bad_document_keeps_its_previous_form_and_takes_no_other_down() {
        let first = Snapshot::compile(1, vec![flag("a", 10), flag("b", 10)], &Snapshot::default());
        assert!(first.held_back.is_empty());
        let second = Snapshot::compile(2, vec![flag("a", 400), flag("b", 20), flag("c", 30)], &first);
        assert_eq!(second.held_back, ["flag a"]);
        for key in ["a", "b", "c"] {
            assert!(second.catalog.flag(key).is_some(), "{key}");
        }
        let third = Snapshot::compile(3, vec![flag("a", 500), flag("b", 20)], &second);
        assert!(third.catalog.flag("a").is_some(), "the previous form lasts");
        assert!(third.catalog.flag("c").is_none(), "what was taken out is gone");
    }

    #[test]
    fn twenty_thousand_overrides_are_two_chunks_and_decide() {
        use crate::catalog::{decode, encode};
        use crate::ports::CHUNK_BYTES;
        let unit = |number: u64| {
            let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
            let mixed = mixed.wrapping_mul(0xd6e8_feb8_6659_fd93);
            format!("{mixed:016x}{:016x}{:08x}", mixed.wrapping_mul(31), mixed >> 32)
        };
        let overrides: serde_json::Map<String, Value> = (0..20_000)
            .map(|number| (unit(number), json!(if number % 2 == 0 { "on" } else { "off" })))
            .collect();
        assert_eq!(overrides.len(), 20_000);
        let document = json!({"flag": "a", "enabled": true, "rollout_percentage": 0, "overrides": overrides});
        let bytes = encode(&[document]).unwrap();
        assert!(bytes.len() <= 2 * CHUNK_BYTES, "{}", bytes.len());
        let at = std::time::Instant::now();
        let documents = decode(&bytes).unwrap();
        let decoded = at.elapsed();
        let snapshot = Snapshot::compile(1, documents, &Snapshot::default());
        eprintln!("{} bytes, unpacked in {decoded:?}, ready in {:?}", bytes.len(), at.elapsed());
        assert!(snapshot.held_back.is_empty());
        let (unit, context) = (unit(19_998), json!({}));
        let subject = abx_core::Subject::new(&unit, context.as_object().unwrap());
        let evaluation = snapshot.catalog.evaluate("a", &subject, jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(evaluation.reason, abx_core::decide::FlagReason::Override);
    }

    #[test]
    fn without_a_previous_form_it_is_left_out() {
        let snapshot = Snapshot::compile(1, vec![flag("a", 400), json!("no document")], &Snapshot::default());
        assert_eq!(snapshot.held_back, ["flag a"]);
        assert!(snapshot.catalog.flag("a").is_none());
    }

    #[test]
    fn an_old_form_that_no_longer_fits_is_left_out_too() {
        let on_a = json!({"flag": "b", "enabled": true, "prerequisites": [{"flag": "a", "variant": "on"}]});
        let first = Snapshot::compile(1, vec![flag("a", 10), on_a], &Snapshot::default());
        // `a` is gone, and `b` is broken: its old form would need `a`.
        let second = Snapshot::compile(2, vec![json!({"flag": "b", "enabled": "yes"})], &first);
        assert_eq!(second.held_back, ["flag b"]);
        assert!(second.catalog.flags().is_empty());
    }
}
