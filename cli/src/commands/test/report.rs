//! Rendering of test results.

use super::TestFormat;
use super::cases::CaseRow;
use super::coverage::{CoverageReport, DocumentCoverage};
use crate::exit::{self, Exit};
use crate::render::numbers::round_percent;
use crate::render::style::{BAD, DIM, GOOD, TITLE};
use crate::render::{findings, junit, short, steps};
use crate::report::{self, FindingCounts, Report};
use crate::source::{FilePlace, LocatedFinding, SourceFile};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The result of the tests.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TestReport {
    /// The time of the decisions whose case names none (RFC 3339).
    #[schemars(with = "String")]
    pub(super) at: Timestamp,
    /// The number of passed cases; each combination of a matrix is one.
    pub(super) passed: usize,
    /// The number of failed cases.
    pub(super) failed: usize,
    /// The cases, in the order of the documents.
    pub(super) cases: Vec<CaseRow>,
    /// The coverage of the cases.
    pub(super) coverage: CoverageReport,
    /// Errors in documents; what has one is left out, and its tests with it.
    pub(super) findings: Vec<LocatedFinding>,
    #[serde(flatten)]
    pub(super) counts: FindingCounts,
    #[serde(skip)]
    pub(super) files: Vec<SourceFile>,
}

/// Characters that are shown of a value.
const LONG: usize = 100;
/// Failing combinations of a case that are explained; the others are counted.
const COMBINATIONS: usize = 3;
/// Documents without a test that are named; the others are counted.
const NAMED: usize = 12;

impl TestReport {
    /// The report in a format.
    #[must_use]
    pub fn print(&self, format: TestFormat) -> String {
        match format {
            TestFormat::Human => self.human(),
            TestFormat::Json => report::headed_json(self),
            TestFormat::Junit => junit::suites(&self.suites(), Timestamp::now()),
        }
    }

    /// Groups the cases by the document that they test.
    fn by_tested(&self) -> BTreeMap<&str, Vec<&CaseRow>> {
        let mut by_tested: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for case in &self.cases {
            by_tested.entry(case.tested.as_str()).or_default().push(case);
        }
        by_tested
    }

    /// One line for each experiment and flag that is tested.
    fn overview(&self) -> String {
        let mut text = String::new();
        let by_tested = self.by_tested();
        let width = by_tested.keys().map(|it| it.chars().count()).max().unwrap_or_default();
        for (tested, cases) in by_tested {
            let failed = cases.iter().filter(|it| !it.passed).count();
            let mark = if failed == 0 { format!("{GOOD}✓{GOOD:#}") } else { format!("{BAD}✗{BAD:#}") };
            let covered = self.coverage.documents.iter().find(|it| it.document == tested);
            let percent = covered.map_or(100, DocumentCoverage::percent);
            let counts = counts(cases.len() - failed, failed);
            let _ = writeln!(text, "{mark} {tested:<width$}  {percent:>3} % covered  {counts}");
        }
        text
    }

    fn failures(&self) -> String {
        let mut text = String::new();
        let mut shown: BTreeMap<(&str, &str, usize), usize> = BTreeMap::new();
        for case in self.cases.iter().filter(|it| !it.passed) {
            let of_case = shown.entry((&case.tested, &case.place.file, case.place.line)).or_default();
            *of_case += 1;
            if *of_case > COMBINATIONS {
                continue;
            }
            let name = short_text(&case.name);
            let _ =
                writeln!(text, "\n{BAD}✗{BAD:#} {TITLE}{}: {name}{TITLE:#} {}", case.tested, at(&case.place));
            text.push_str(&case.explanation());
        }
        for ((tested, file, line), failed) in shown.into_iter().filter(|(_, failed)| *failed > COMBINATIONS) {
            let more = failed - COMBINATIONS;
            let fail = if more == 1 { "combination fails" } else { "combinations fail" };
            let _ = writeln!(text, "\n{tested}: {more} more {fail} {DIM}{file}:{line}{DIM:#}");
        }
        text
    }

    fn uncovered(&self) -> String {
        let mut text = String::new();
        for document in self.coverage.documents.iter().filter(|it| it.cases > 0) {
            for missing in &document.missing {
                let path = if missing.path.is_root() { String::new() } else { format!("{} ", missing.path) };
                let place = missing.place.as_ref().map_or(String::new(), |place| format!(" {}", at(place)));
                let _ = writeln!(text, "  {}: {path}{}{place}", document.document, missing.what);
            }
        }
        if !text.is_empty() {
            text.insert_str(0, &format!("\n{TITLE}not covered{TITLE:#}\n"));
        }
        let untested: Vec<_> = self.coverage.documents.iter().filter(|it| it.cases == 0).collect();
        if !untested.is_empty() {
            let named: Vec<_> = untested.iter().take(NAMED).map(|it| it.document.as_str()).collect();
            let more = untested.len() - named.len();
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let _ = writeln!(text, "\n{TITLE}not tested{TITLE:#}\n  {}{more}", named.join(", "));
        }
        text
    }

    fn suites(&self) -> Vec<junit::JunitSuite> {
        let case = |case: &&CaseRow| junit::JunitCase {
            name: case.name.clone() + &in_brackets(&case.combination),
            class: case.tested.clone(),
            failure: (!case.passed).then(|| junit::JunitFailure {
                kind: "expectation".to_owned(),
                message: case.message(),
                text: format!("{}:{}\n{}", case.place.file, case.place.line, plain(&case.explanation())),
            }),
        };
        let by_tested = self.by_tested().into_iter();
        let mut suites: Vec<_> = by_tested
            .map(|(tested, cases)| junit::JunitSuite {
                name: tested.to_owned(),
                cases: cases.iter().map(case).collect(),
                output: String::new(),
            })
            .collect();
        let errors = self.findings.iter().map(|error| junit::JunitCase {
            name: error.message.clone(),
            class: "documents".to_owned(),
            failure: Some(junit::JunitFailure {
                kind: error.code.to_string(),
                message: error.message.clone(),
                text: format!("{}:{}\n{}", error.place.file, error.place.line, findings::in_words(error)),
            }),
        });
        let message = || format!("{} % are covered", self.coverage.percent);
        let coverage = self.coverage.least.map(|least| junit::JunitCase {
            name: format!("{} are covered", round_percent(least)),
            class: "coverage".to_owned(),
            failure: (!self.coverage.is_enough()).then(|| junit::JunitFailure {
                kind: "coverage".to_owned(),
                message: message(),
                text: plain(&self.uncovered()),
            }),
        });
        let cases: Vec<_> = errors.chain(coverage).collect();
        if !cases.is_empty() {
            suites.push(junit::JunitSuite { name: "documents".to_owned(), cases, output: String::new() });
        }
        suites
    }
}

impl CaseRow {
    /// Renders the expected result, the actual one, and the steps of the decision.
    fn explanation(&self) -> String {
        let mut text = String::new();
        if !self.combination.is_empty() {
            let _ = writeln!(text, "  {DIM}with{DIM:#} {}", pairs(&self.combination));
        }
        for it in &self.differences {
            let (expected, actual) = (short(&it.expected, LONG), short(&it.actual, LONG));
            let _ =
                writeln!(text, "  {}: expected {GOOD}{expected}{GOOD:#}, got {BAD}{actual}{BAD:#}", it.field);
        }
        for line in steps::steps(&self.steps).lines() {
            let _ = writeln!(text, "  {line}");
        }
        text
    }

    fn message(&self) -> String {
        let one = |it: &abx_core::rehearsal::Difference| {
            let (expected, actual) = (short(&it.expected, LONG), short(&it.actual, LONG));
            format!("{}: expected {expected}, got {actual}", it.field)
        };
        self.differences.iter().map(one).collect::<Vec<_>>().join("; ")
    }
}

/// Without styles, for what is no terminal.
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn short_text(text: &str) -> String {
    text.chars()
        .take(LONG)
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}

fn at(place: &FilePlace) -> String {
    format!("{DIM}{}:{}:{}{DIM:#}", place.file, place.line, place.column)
}

fn pairs(values: &Map<String, Value>) -> String {
    values.iter().map(|(name, value)| format!("{name}={}", short(value, LONG))).collect::<Vec<_>>().join(" ")
}

fn in_brackets(values: &Map<String, Value>) -> String {
    if values.is_empty() { String::new() } else { format!(" [{}]", pairs(values)) }
}

fn counts(passed: usize, failed: usize) -> String {
    if failed == 0 {
        format!("{passed} passed")
    } else {
        format!("{passed} passed, {BAD}{failed} failed{BAD:#}")
    }
}

impl Report for TestReport {
    const KIND: &'static str = "test";

    fn human(&self) -> String {
        let mut text = findings::human(&self.findings, &self.files);
        text.push_str(&self.overview());
        text.push_str(&self.failures());
        text.push_str(&self.uncovered());
        let CoverageReport { percent, least, reached, parts, .. } = &self.coverage;
        let _ = write!(
            text,
            "\n{}; {percent} % covered ({reached} of {parts} parts)",
            counts(self.passed, self.failed)
        );
        if let Some(least) = least.filter(|_| !self.coverage.is_enough()) {
            let _ = write!(text, ", {BAD}less than {}{BAD:#}", round_percent(least));
        }
        match self.counts.errors {
            0 => {}
            1 => text.push_str("; 1 error keeps a document out"),
            errors => {
                let _ = write!(text, "; {errors} errors keep documents out");
            }
        }
        text.push('\n');
        text
    }

    fn exit(&self) -> Exit {
        let is_bad = self.failed > 0 || self.counts.errors > 0 || !self.coverage.is_enough();
        if is_bad { exit::FINDINGS } else { exit::DONE }
    }
}
