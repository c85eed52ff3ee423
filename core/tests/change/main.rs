//! Proves that the matrix of a change is what brute force over every bucket gives, that it is what real units do,
//! and that each thing that a change spoils is found, once and where it stands.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "documents are written in place")]

#[path = "../common/mod.rs"]
mod common;
mod findings;
mod flags;
#[path = "../properties/generators.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod generators;
mod matrix;

use abx_core::change::{CatalogVersion, Diff, DocumentChange, compare};
use common::{compiled, noon};
use serde_json::Value;

/// Compares two sets of documents at noon.
fn diff(before: &[Value], after: &[Value]) -> Diff {
    let (old, new) = (compiled(before), compiled(after));
    let old = CatalogVersion { catalog: &old.catalog, documents: before.iter().collect() };
    let new = CatalogVersion { catalog: &new.catalog, documents: after.iter().collect() };
    compare(&old, &new, noon())
}

/// The one document that differs.
fn change(before: &Value, after: &Value) -> DocumentChange {
    let mut diff = diff(std::slice::from_ref(before), std::slice::from_ref(after));
    assert_eq!(diff.documents.len(), 1, "{diff:#?}");
    diff.documents.remove(0)
}

/// The codes and paths of what a change spoils.
fn found(change: &DocumentChange) -> Vec<(&'static str, String)> {
    change.findings.iter().map(|it| (it.code.as_str(), it.path.to_string())).collect()
}
