//! Names of the source of a document.

use super::mark::SourceMark;
use serde_json::Value;
use std::collections::HashMap;
use std::ops::Range;

/// A document and where it comes from.
#[derive(Debug)]
pub(super) struct DocumentOrigin {
    pub(super) file: usize,
    pub(super) mark: SourceMark,
    pub(super) value: Value,
    /// The overrides that stand in another file.
    pub(super) listed: Option<ListedPlaces>,
    /// True if there is a fault that says why they could not be taken.
    pub(super) is_said: bool,
}

/// A file of overrides, and where in it each unit stands.
#[derive(Debug)]
pub(super) struct ListedPlaces {
    pub(super) file: usize,
    pub(super) units: HashMap<String, Range<usize>>,
}
