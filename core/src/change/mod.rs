//! The effect of a change of documents on the units: exactly which share moves, and the least that any such
//! change has to move.
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
use crate::finding::{Code, Path, Severity};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

pub use compare::compare;
pub use count::{FlowCounter, UnitCell, UnitChanges};
pub use flow::{Cell, Flow};
pub use outcome::Outcome;
pub use plan::rebalance;
pub use share::UnitShare;
pub use words::{FieldChange, field_changes};

/// Documents as written, and what they were compiled to.
#[derive(Debug, Clone)]
pub struct CatalogVersion<'a> {
    /// The documents without errors.
    pub catalog: &'a Catalog,
    /// All documents, those with errors too.
    pub documents: Vec<&'a Value>,
}

/// The differences between two sets of documents.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Diff {
    /// Each document that is not the same, or does not do the same, by name.
    pub documents: Vec<DocumentChange>,
    /// The number of documents that are the same and decide the same.
    pub unchanged: usize,
}

/// The kind of change of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The document is new.
    Added,
    /// The document was removed.
    Removed,
    /// The document has other values.
    Changed,
    /// The document is unchanged, but something that it uses has changed.
    Affected,
    /// The document had this name before.
    Renamed(String),
}

/// The differences of a document, and the units that they move.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DocumentChange {
    /// Its kind and key, as `experiment checkout`; the shared catalog is `catalog`.
    pub document: String,
    /// The kind of change.
    pub change: Change,
    /// The values that differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// The flows of units by hash: one for an experiment, one for each rule of a flag. Empty if all units
    /// keep their outcome.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<Flow>,
    /// Remarks that belong to the numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The problems that the change causes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<ChangeFinding>,
    /// The flow, counted over known units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted: Option<UnitChanges>,
}

/// A problem that a change causes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChangeFinding {
    /// The stable code.
    pub code: Code,
    /// The severity. An error means that the same result can be reached without the problem.
    pub severity: Severity,
    /// The problem, in a sentence.
    pub message: String,
    /// The path of the value: in the new document, or in the old one if it was removed.
    pub path: Path,
    /// The way to fix it.
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
