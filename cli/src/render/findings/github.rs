//! Findings as workflow commands, which GitHub Actions shows beside the changed lines.
//!
//! <https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands>

use super::{RepositoryNames, in_words};
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
            property(names.get(file)),
            property(finding.code.as_str()),
            data(&in_words(finding)),
        );
    }
    text
}

/// The text after `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A value before it, which ends at a comma or colon.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_command_is_escaped() {
        assert_eq!(property("a%,b:c\r\nd"), "a%25%2Cb%3Ac%0D%0Ad");
        assert_eq!(data("50%, so: yes\n::error::x"), "50%25, so: yes%0A::error::x");
    }
}
