//! Running the cases.

use super::coverage::DocumentCoverage;
use crate::source::{Checked, FilePlace};
use abx_core::decide::Step;
use abx_core::finding::Path;
use abx_core::rehearsal::{Case, CaseOutcome, Coverage, Difference, Suite};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A case, or one combination of its matrix, and what came of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CaseRow {
    /// The document under test, as `experiment KEY` or `flag KEY`.
    pub tested: String,
    /// The name of the case; what it asks, where it has none.
    pub name: String,
    /// The values of the matrix; empty where there is none.
    pub combination: Map<String, Value>,
    /// True if the result is as expected.
    pub passed: bool,
    /// The place of the case.
    #[serde(flatten)]
    pub place: FilePlace,
    /// The variant that came; `null` for none.
    pub variant: Option<String>,
    /// The value that came, of a flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The reason that came.
    pub reason: String,
    /// The differences from the expected result.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// The way to the decision, in the order in which it happened; only of a case that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

/// Runs the cases, and tells what they have reached. Everything in the catalog counts, tested or not, unless only
/// some keys were asked for.
pub(super) fn run(
    checked: &Checked,
    suites: &[&Suite],
    only: &[String],
    now: Timestamp,
) -> (Vec<CaseRow>, Vec<DocumentCoverage>) {
    let places = checked.places();
    let is_wanted = |key: &str| only.is_empty() || only.iter().any(|it| it == key);
    let experiments = checked.catalog.experiments().iter().filter(|it| is_wanted(it.key()));
    let flags = checked.catalog.flags().iter().filter(|it| is_wanted(it.key()));
    let mut reached: BTreeMap<String, (usize, Coverage<'_>)> = experiments
        .map(|it| (format!("experiment {}", it.key()), (0, Coverage::of_experiment(it))))
        .chain(flags.map(|it| (format!("flag {}", it.key()), (0, Coverage::of_flag(it)))))
        .collect();
    let mut rows = Vec::new();
    for suite in suites {
        let kind = if suite.is_experiment { "experiment" } else { "flag" };
        let tested = format!("{kind} {}", suite.key);
        // Where it has an error, that is told, and nothing can be tested.
        let (Some(of), Some((count, coverage))) = (suite.tested(&checked.catalog), reached.get_mut(&tested))
        else {
            continue;
        };
        for case in &suite.cases {
            for combination in case.combinations() {
                let outcome = case.run(&combination, of, now);
                coverage.add(&outcome.rehearsal, outcome.variant, outcome.reason);
                *count += 1;
                let place = |path: &Path| places.of(suite.document, path);
                rows.extend(row(&tested, case, combination, outcome, place));
            }
        }
    }
    let reached = reached.into_iter();
    let coverage =
        reached.map(|(name, (cases, coverage))| DocumentCoverage::new(name, cases, &coverage, &places));
    (rows, coverage.collect())
}

fn row(
    tested: &str,
    case: &Case,
    combination: Map<String, Value>,
    outcome: CaseOutcome<'_>,
    place: impl Fn(&Path) -> Option<FilePlace>,
) -> Option<CaseRow> {
    let (expect, path) = case.expected(&combination);
    let differences = expect.differences(&outcome);
    let passed = differences.is_empty();
    Some(CaseRow {
        tested: tested.to_owned(),
        name: case.name.clone().unwrap_or_else(|| case.path.to_string()),
        combination,
        passed,
        place: place(&path)?,
        variant: outcome.variant.map(str::to_owned),
        value: outcome.value.cloned(),
        reason: outcome.reason.to_owned(),
        differences,
        steps: if passed { Vec::new() } else { outcome.rehearsal.steps },
    })
}
