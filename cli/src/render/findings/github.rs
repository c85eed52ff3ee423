//! Findings as workflow commands, which GitHub Actions shows beside the changed lines.
//!
//! <https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands>

use super::{RepositoryNames, in_words};
use crate::render::escape::{WORKFLOW_DATA, WORKFLOW_PROPERTY, escaped};
use crate::source::{FilePlace, LocatedFinding};
use std::fmt::Write as _;

/// One `::error` or `::warning` a finding.
#[must_use]
pub fn github(findings: &[LocatedFinding]) -> String {
    let mut text = String::new();
    let names = RepositoryNames::of(findings);
    for finding in findings {
        let FilePlace { file, line, column, end_line, end_column, .. } = &finding.place;
        // Columns are only understood within one line.
        let end = if line == end_line {
            format!("col={column},endColumn={end_column}")
        } else {
            format!("endLine={end_line}")
        };
        let _ = writeln!(
            text,
            "::{} file={},line={line},{end},title={}::{}",
            finding.severity,
            escaped(names.get(file), WORKFLOW_PROPERTY),
            escaped(finding.code.as_str(), WORKFLOW_PROPERTY),
            escaped(&in_words(finding), WORKFLOW_DATA),
        );
    }
    text
}
