//! Names of the source of a document.

use super::mark::Mark;
use serde_json::Value;

/// A document and where it comes from.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) file: usize,
    pub(super) mark: Mark,
    pub(super) value: Value,
}
