//! Coverage: the parts of the documents that the cases have reached.

use crate::source::{DocumentPlaces, FilePlace};
use abx_core::finding::Path;
use abx_core::rehearsal::{Coverage, CoveragePart, CoverageTarget};
use schemars::JsonSchema;
use serde::Serialize;

/// The parts that the cases have reached, of all that tests can reach.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CoverageReport {
    /// The percentage, rounded down.
    pub percent: usize,
    /// The least share that was asked for, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least: Option<f64>,
    /// Parts that were reached.
    pub reached: usize,
    /// Parts that can be.
    pub parts: usize,
    /// The coverage of each experiment and flag, in the order of their names.
    pub documents: Vec<DocumentCoverage>,
}

/// The coverage of an experiment or flag.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DocumentCoverage {
    /// The document, as `experiment KEY` or `flag KEY`.
    pub document: String,
    /// The number of cases about the document.
    pub cases: usize,
    /// Parts that were reached.
    pub reached: usize,
    /// Parts that can be.
    pub parts: usize,
    /// The parts that no case has reached.
    pub missing: Vec<UncoveredPart>,
}

/// A part of a document that no case has reached.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct UncoveredPart {
    /// Its path in the document; empty for a reason.
    pub path: Path,
    /// The part that no case has reached, in words.
    pub what: String,
    /// The place of the part; `null` if it is not written in the document.
    pub place: Option<FilePlace>,
}

impl CoverageReport {
    pub(super) fn new(documents: Vec<DocumentCoverage>, least: Option<f64>) -> Self {
        let reached = documents.iter().map(|it| it.reached).sum();
        let parts = documents.iter().map(|it| it.parts).sum();
        Self { percent: percent(reached, parts), least, reached, parts, documents }
    }

    /// Returns true if the coverage is at least the required one.
    pub(super) fn is_enough(&self) -> bool {
        // Not by the rounded number: 99.5 % is less than 99.6 %. The quotient is the float nearest to the share, as the
        // one that was read is.
        let share = if self.parts == 0 { 1.0 } else { count(self.reached) / count(self.parts) };
        self.least.is_none_or(|least| share >= least)
    }
}

impl DocumentCoverage {
    pub(super) fn new(
        document: String,
        cases: usize,
        coverage: &Coverage<'_>,
        places: &DocumentPlaces<'_>,
    ) -> Self {
        let parts = coverage.parts();
        let unreached: Vec<&CoveragePart<'_>> =
            parts.iter().filter(|(_, is_reached)| !is_reached).map(|(part, _)| part).collect();
        let missing = missing(&unreached)
            .map(|(part, what)| {
                let path = part.path.clone();
                let place = if path.is_root() { None } else { places.of_name(&document, &path) };
                UncoveredPart { path, what, place }
            })
            .collect();
        Self { cases, reached: parts.len() - unreached.len(), parts: parts.len(), missing, document }
    }

    pub(super) fn percent(&self) -> usize {
        percent(self.reached, self.parts)
    }
}

/// Describes the parts that were not reached. A condition that was never evaluated is reported once, not for
/// each of its outcomes.
fn missing<'p, 'c>(
    unreached: &'p [&'p CoveragePart<'c>],
) -> impl Iterator<Item = (&'p CoveragePart<'c>, String)> {
    let never_held = |path: &Path| {
        unreached.iter().any(|part| part.target == CoverageTarget::Condition(true) && part.path == *path)
    };
    let never_failed = |path: &Path| {
        unreached.iter().any(|part| part.target == CoverageTarget::Condition(false) && part.path == *path)
    };
    unreached.iter().filter_map(move |part| {
        let what = match part.target {
            CoverageTarget::Condition(true) if never_failed(&part.path) => "is never evaluated".to_owned(),
            CoverageTarget::Condition(false) if never_held(&part.path) => return None,
            CoverageTarget::Condition(true) => "never holds".to_owned(),
            CoverageTarget::Condition(false) => "always holds".to_owned(),
            CoverageTarget::Rule(name) => format!("rule `{name}` never serves"),
            CoverageTarget::Variant(key) => format!("no case gets variant `{key}`"),
            CoverageTarget::Reason(word) => format!("no case has the reason `{word}`"),
        };
        Some((*part, what))
    })
}

/// Returns the percentage, rounded down, so that 100 means all. It is 100 if there are no parts.
fn percent(reached: usize, parts: usize) -> usize {
    (reached * 100).checked_div(parts).unwrap_or(100)
}

#[expect(clippy::cast_precision_loss, reason = "documents have far fewer parts than 2^52")]
fn count(parts: usize) -> f64 {
    parts as f64
}
