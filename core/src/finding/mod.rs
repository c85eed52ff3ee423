//! Findings: problems in documents, as data. Their codes are part of the API.

mod codes;
mod path;

use crate::words;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

pub use codes::Code;
pub use path::{Path, PathSegment};

words! {
    /// The severity of a finding.
    #[derive(schemars::JsonSchema)]
    pub enum Severity: "snake_case" {
        /// The document cannot be used.
        Error,
        /// The document works, and probably not as meant.
        Warning,
    }
}

/// A place in a document: which document, and the path to a value in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
pub struct DocumentLocation {
    /// The document's index among those that were compiled together.
    pub document: usize,
    /// The path to the value, as in `variants[1].allocation`; empty for the whole document.
    pub path: Path,
}

/// Another place that a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Related {
    /// The related place.
    pub place: DocumentLocation,
    /// The explanation of the related place.
    pub message: String,
}

/// A problem in a document. It points by path, so that it holds for YAML in a repository and for JSON in a
/// table alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Finding {
    /// The stable code.
    pub code: Code,
    /// The severity.
    pub severity: Severity,
    /// The problem, in a sentence.
    pub message: String,
    /// The place of the problem.
    pub place: DocumentLocation,
    /// The way to fix it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Other places that belong to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
}

impl Finding {
    /// Adds how to mend it.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// Adds another place.
    pub fn related(&mut self, place: DocumentLocation, message: impl Into<String>) -> &mut Self {
        self.related.push(Related { place, message: message.into() });
        self
    }
}

/// Collects the findings of several documents.
#[derive(Debug, Default)]
pub struct Findings {
    document: usize,
    list: Vec<Finding>,
    /// The paths whose value could not be read and was replaced by a default, by document. A second finding
    /// about such a value would be noise, because the first already explains it. The paths are sorted,
    /// because each of thousands of conditions looks one up.
    broken: BTreeMap<usize, BTreeSet<Path>>,
}

impl Findings {
    /// Turns to a document: what is added from now on is about it.
    pub fn turn_to(&mut self, document: usize) {
        self.document = document;
    }

    /// Adds a finding about a path of the current document.
    pub fn add(&mut self, code: Code, path: impl Into<Path>, message: impl Into<String>) -> &mut Finding {
        let place = self.place(path);
        let index = self.list.len();
        self.list.push(Finding {
            code,
            severity: code.severity(),
            message: message.into(),
            place,
            help: None,
            related: Vec::new(),
        });
        #[expect(clippy::indexing_slicing, reason = "pushed on the line above")]
        &mut self.list[index]
    }

    /// A place in the current document.
    pub fn place(&self, path: impl Into<Path>) -> DocumentLocation {
        DocumentLocation { document: self.document, path: path.into() }
    }

    /// Notes that a value of the current document was replaced by a default.
    pub fn mark_broken(&mut self, path: impl Into<Path>) {
        self.broken.entry(self.document).or_default().insert(path.into());
    }

    /// Returns true if the value at a path of the current document, or one inside it, was replaced by a
    /// default.
    #[must_use]
    pub fn is_broken(&self, path: impl Into<Path>) -> bool {
        self.is_broken_in(self.document, path)
    }

    /// Returns true if `is_broken` holds for a document that is not the current one.
    pub(crate) fn is_broken_in(&self, document: usize, path: impl Into<Path>) -> bool {
        let Some(broken) = self.broken.get(&document) else { return false };
        // Paths inside a path follow it in the order of paths.
        let path = path.into();
        let next =
            broken.range::<[PathSegment], _>((Bound::Included(path.segments()), Bound::Unbounded)).next();
        path.is_root() || next.is_some_and(|it| it.segments().starts_with(path.segments()))
    }

    /// Returns true if the value at a path of the current document, or one around it, was replaced by a
    /// default.
    pub(crate) fn is_lost(&self, path: impl Into<Path>) -> bool {
        let Some(broken) = self.broken.get(&self.document) else { return false };
        let path = path.into();
        let outer = |length| path.segments().get(..length);
        (0..=path.segments().len()).filter_map(outer).any(|it| broken.contains(it))
    }

    /// Returns true if a value of any document was replaced by a default.
    pub(crate) fn any_broken(&self) -> bool {
        !self.broken.is_empty()
    }

    /// Returns true if a document has a finding that keeps it out of the catalog.
    #[must_use]
    pub fn has_error(&self, document: usize) -> bool {
        self.list.iter().any(|f| f.place.document == document && f.severity == Severity::Error)
    }

    /// The findings in the order in which they were added.
    #[must_use]
    pub fn into_list(self) -> Vec<Finding> {
        self.list
    }
}

/// ` (did you mean …?)` for a word that is not among those known, when one is near.
pub fn did_you_mean<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (similarity(&word, &candidate.to_lowercase()), candidate))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Returns the similarity of two names, from 0 to 1. Jaro-Winkler rates one wrong letter in a short word
/// (`ky` for `key`) too low, so one edit counts as near if more than one letter remains.
fn similarity(a: &str, b: &str) -> f64 {
    let near = a.len().min(b.len()) > 1 && strsim::osa_distance(a, b) <= 1;
    f64::max(strsim::jaro_winkler(a, b), if near { 0.9 } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let known = ["greater_than", "less_than", "equals"];
        assert_eq!(did_you_mean("greater_then", known), Some("greater_than"));
        assert_eq!(did_you_mean("Equals", known), Some("equals"));
        assert_eq!(did_you_mean("zzz", known), None);
        assert_eq!(did_you_mean("ky", ["key", "value"]), Some("key"));
        assert_eq!(did_you_mean("europe/berln", ["Europe/Berlin"]), Some("Europe/Berlin"));
    }

    #[test]
    fn broken_values_are_known_by_their_ancestors() {
        let mut findings = Findings::default();
        let variant = Path::of("variants").index(1);
        findings.mark_broken(variant.field("allocation"));
        assert!(findings.is_broken(Path::default()));
        assert!(findings.is_broken("variants"));
        assert!(findings.is_broken(&variant));
        assert!(!findings.is_broken("variant"));
        assert!(!findings.is_broken(Path::of("variants").index(10)));
        assert!(!findings.is_broken(variant.field("allocation").field("x")));
        assert!(findings.is_lost(variant.field("allocation").field("x")));
        assert!(!findings.is_lost(&variant));
        findings.mark_broken(Path::default());
        assert!(findings.is_lost("owner"));
    }
}
