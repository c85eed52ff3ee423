//! JUnit XML, which most CI servers show as test results.

use super::xml::{escape, escape_text};
use std::fmt::Write as _;

/// Tests that belong together.
#[derive(Debug)]
pub struct Suite {
    /// What they are about.
    pub name: String,
    /// The tests.
    pub cases: Vec<Case>,
}

/// One test.
#[derive(Debug)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// What it is about.
    pub class: String,
    /// Where it is written; empty where nowhere.
    pub file: String,
    /// The line in the file.
    pub line: usize,
    /// What went wrong: in a line, and in full.
    pub failure: Option<(String, String)>,
}

/// All suites of a run.
#[must_use]
pub fn suites(name: &str, suites: &[Suite]) -> String {
    let failed = |suite: &Suite| suite.cases.iter().filter(|case| case.failure.is_some()).count();
    let counts =
        |tests: usize, failures: usize| format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"0\"");
    let all = counts(suites.iter().map(|it| it.cases.len()).sum(), suites.iter().map(failed).sum());
    let mut text =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{}\" {all}>\n", escape(name));
    for suite in suites {
        let counts = counts(suite.cases.len(), failed(suite));
        let _ = writeln!(text, "  <testsuite name=\"{}\" {counts} skipped=\"0\">", escape(&suite.name));
        suite.cases.iter().for_each(|it| case(&mut text, it));
        text.push_str("  </testsuite>\n");
    }
    text + "</testsuites>\n"
}

fn case(text: &mut String, case: &Case) {
    let (name, class, file) = (escape(&case.name), escape(&case.class), escape(&case.file));
    let _ = write!(text, "    <testcase classname=\"abx.{class}\" name=\"{name}\"");
    if !case.file.is_empty() {
        let _ = write!(text, " file=\"{file}\" line=\"{}\"", case.line);
    }
    let Some((message, full)) = &case.failure else {
        text.push_str("/>\n");
        return;
    };
    let (message, full) = (escape(message), escape_text(full));
    let _ = writeln!(text, ">\n      <failure message=\"{message}\">{full}</failure>\n    </testcase>");
}
