//! Findings as JUnit XML, which most CI servers show as test results.
//!
//! A file is a test. It has at most one failure, with all of its findings as text, because many readers of the
//! format drop every failure of a test but the first.

use super::in_words;
use crate::render::junit::{JunitCase, JunitFailure, JunitSuite, suites};
use crate::source::{LocatedFinding, SourceFile};
use abx_core::finding::Severity;
use jiff::Timestamp;

/// One test suite with one test a file; warnings fail a file only where they are denied.
#[must_use]
pub fn junit(
    findings: &[LocatedFinding],
    files: &[SourceFile],
    deny_warnings: bool,
    at: Timestamp,
) -> String {
    let fails = |it: &LocatedFinding| deny_warnings || it.severity == Severity::Error;
    let case = |(index, file): (usize, &SourceFile)| {
        let failing: Vec<&LocatedFinding> =
            findings.iter().filter(|it| it.place.index == index && fails(it)).collect();
        let failure = failing.first().map(|first| JunitFailure {
            kind: first.code.to_string(),
            message: format!("line {}: {}", first.place.line, first.message),
            text: list(&failing),
        });
        JunitCase { name: file.name.clone(), class: "validate".to_owned(), failure }
    };
    let cases = files.iter().enumerate().map(case).collect();
    let others: Vec<&LocatedFinding> = findings.iter().filter(|it| !fails(it)).collect();
    suites(&[JunitSuite { name: "abx validate".to_owned(), cases, output: list(&others) }], at)
}

fn list(findings: &[&LocatedFinding]) -> String {
    let one = |it: &&LocatedFinding| {
        let place = &it.place;
        let (line, column) = (place.line, place.column);
        format!("{}:{line}:{column}: {}[{}]: {}\n", place.file, it.severity, it.code, in_words(it))
    };
    findings.iter().map(one).collect()
}
