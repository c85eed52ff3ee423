//! Findings as JUnit XML, which most CI servers show as test results.
//!
//! A file is a test. It has at most one failure, with all of its findings as text, because many readers of the
//! format drop every failure of a test but the first.

use super::in_words;
use crate::render::xml::{escape, escape_text};
use crate::source::{Located, SourceFile};
use abx_core::finding::Severity;
use std::fmt::Write as _;

/// One test suite with one test a file; warnings fail a file only where they are denied.
#[must_use]
pub fn junit(findings: &[Located], files: &[SourceFile], deny_warnings: bool) -> String {
    let mut cases = String::new();
    let mut failures = 0;
    for (index, file) in files.iter().enumerate() {
        let of_file = || findings.iter().filter(|it| it.place.index == index);
        let fails = |it: &Located| deny_warnings || it.severity == Severity::Error;
        let name = escape(&file.name);
        let _ = write!(cases, "    <testcase classname=\"abx.validate\" name=\"{name}\" file=\"{name}\"");
        if of_file().next().is_none() {
            cases.push_str("/>\n");
            continue;
        }
        cases.push_str(">\n");
        if let Some(first) = of_file().find(|it| fails(it)) {
            failures += 1;
            let message = escape(&format!("line {}: {}", first.place.line, first.message));
            let text = list(of_file().filter(|it| fails(it)));
            let code = first.code;
            let _ = writeln!(cases, "      <failure type=\"{code}\" message=\"{message}\">{text}</failure>");
        }
        if of_file().any(|it| !fails(it)) {
            let text = list(of_file().filter(|it| !fails(it)));
            let _ = writeln!(cases, "      <system-out>{text}</system-out>");
        }
        cases.push_str("    </testcase>\n");
    }
    let counts = format!("tests=\"{}\" failures=\"{failures}\" errors=\"0\"", files.len());
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n  \
         <testsuite name=\"abx validate\" {counts} skipped=\"0\">\n{cases}  </testsuite>\n</testsuites>\n"
    )
}

fn list<'f>(findings: impl Iterator<Item = &'f Located>) -> String {
    let one = |it: &Located| {
        let place = &it.place;
        let (line, column) = (place.line, place.column);
        format!("{}:{line}:{column}: {}[{}]: {}\n", place.file, it.severity, it.code, in_words(it))
    };
    escape_text(&findings.map(one).collect::<String>())
}
