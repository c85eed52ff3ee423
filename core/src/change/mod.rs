//! What a change of documents does to the units: whom it moves, exactly, and how few it could move.
//!
//! | file | what |
//! |---|---|
//! | `compare` | which documents belong together, and what differs in each |
//! | `words` | which values change |
//! | `outcome`, `share`, `space` | what a unit gets; exact shares; the joint distribution of two decisions |
//! | `flow` | a matrix of shares, what of it moved, and what had to |
//! | `experiment`, `flag` | the questions of each kind, and what a change spoils |
//! | `shared`, `renamed` | changes that reach a document from elsewhere, or take its key |
//! | `count` | the same matrix, counted over known units |
//! | `plan` | ranges for new shares that move the fewest |
//!
//! A matrix is about the hash. Units that are assigned already keep their variant, as long as it exists and the
//! epoch lasts; the hash tells what everybody else gets, and what those get where nothing is stored.

mod compare;
mod count;
mod experiment;
mod flag;
mod flow;
mod outcome;
mod plan;
mod renamed;
mod share;
mod shared;
mod space;
mod words;

use crate::decide::Catalog;
use crate::finding::{Code, Severity};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

pub use compare::compare;
pub use count::{Counted, Counter, UnitCell};
pub use flow::{Cell, Flow};
pub use outcome::Outcome;
pub use plan::rebalance;
pub use share::Share;
pub use words::{FieldChange, field_changes};

/// Documents as written, and what they were compiled to.
#[derive(Debug, Clone)]
pub struct Side<'a> {
    /// The documents without errors.
    pub catalog: &'a Catalog,
    /// All documents, those with errors too.
    pub documents: Vec<&'a Value>,
}

/// What differs between two sets of documents.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Diff {
    /// Each document that is not the same, or does not do the same, by name.
    pub documents: Vec<DocumentChange>,
    /// How many documents are the same and do the same.
    pub unchanged: usize,
}

/// What became of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It has other values.
    Changed,
    /// It is as it was, and what it uses is not.
    Affected,
    /// It was this document before, by its name.
    Renamed(String),
}

/// What differs in a document, and whom that moves.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DocumentChange {
    /// Its kind and key, as `experiment checkout`; the shared catalog is `catalog`.
    pub document: String,
    /// What became of it.
    pub change: Change,
    /// The values that differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// Where units go by hash: one flow of an experiment, one for each rule of a flag. A document in which all keep
    /// what they have has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<Flow>,
    /// What is to be known beside the numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What the change spoils.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<ChangeFinding>,
    /// The same, counted over known units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted: Option<Counted>,
}

/// What a change spoils.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChangeFinding {
    /// The stable code.
    pub code: Code,
    /// How bad it is. An error: the same can be had without it.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// Where, in the new document, or in the old one for what is gone.
    pub path: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// A document on both sides.
#[derive(Debug, Clone, Copy)]
struct Pair<'a, T> {
    before: T,
    after: T,
    before_document: &'a Value,
    after_document: &'a Value,
}
