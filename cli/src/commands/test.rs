//! `abx test`: runs the rule tests of documents.

mod cases;
mod coverage;
mod report;

use crate::command::Execute;
use crate::error::Error;
use crate::inputs::{AtArg, SourcesArgs, percentage, share, unknown_key};
use crate::report::FindingCounts;
use crate::source::{Checked, LocatedFinding};
use abx_core::rehearsal::Suite;
use clap::ValueEnum;

use coverage::CoverageReport;
pub use report::TestReport;

/// Run the rule tests beside the documents, and report which rules, variants and reasons they reach
///
/// Tests are documents that start with `tests: KEY`; see docs/documents.md. They are validated like any other document, and
/// never published.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx test
  abx test experiments/ --coverage 90%
  abx test @head experiments/tests
  abx test experiments/ --only pricing_page_bundles
  abx test experiments/ --format junit > tests.xml

Exit codes: 0 all passed, 1 a test failed, a document has errors, or too little is covered.")]
pub struct Args {
    #[command(flatten)]
    documents: SourcesArgs,
    /// Only the tests of this experiment or flag; may be given several times
    #[arg(long, value_name = "KEY", add = crate::complete::experiments_and_flags())]
    only: Vec<String>,
    /// Exit with 1 if the tests reach less than this share of what they can reach
    #[arg(long, value_name = "SHARE", value_parser = share)]
    coverage: Option<f64>,
    /// The same as a percentage, as it was written before
    #[arg(long, hide = true, value_name = "PERCENT", value_parser = percentage, conflicts_with = "coverage")]
    min_coverage: Option<f64>,
    #[command(flatten)]
    at: AtArg,
    /// Output format
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT")]
    format: TestFormat,
}

/// The output format of test results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum TestFormat {
    /// For a person
    #[default]
    Human,
    /// For a program
    Json,
    /// JUnit XML, for the test results of a CI server
    Junit,
}

impl Execute for Args {
    type Report = TestReport;

    /// Runs every case.
    fn execute(&self) -> Result<TestReport, Error> {
        let checked = self.documents.check()?;
        let errors: Vec<LocatedFinding> = checked.errors().cloned().collect();
        let suites = wanted(self, &checked)?;
        if suites.is_empty() && errors.is_empty() {
            return Err(Error::caller("there are no tests in these documents")
                .help("write a document that starts with `tests: KEY`; see docs/documents.md"));
        }
        let counts = FindingCounts::of(&checked.findings);
        let now = self.at.time();
        let (cases, coverage) = cases::run(&checked, &suites, &self.only, now);
        let coverage = CoverageReport::new(coverage, self.coverage.or(self.min_coverage));
        let passed = cases.iter().filter(|case| case.passed).count();
        let failed = cases.len() - passed;
        Ok(TestReport {
            at: now,
            passed,
            failed,
            cases,
            coverage,
            counts,
            findings: errors,
            files: checked.files,
        })
    }

    fn print(&self, report: &TestReport) -> String {
        report.print(self.format)
    }
}

/// The tests that were asked for.
fn wanted<'c>(args: &Args, checked: &'c Checked) -> Result<Vec<&'c Suite>, Error> {
    for key in &args.only {
        if !checked.tests.iter().any(|suite| suite.key == *key) {
            let known = checked.tests.iter().map(|suite| suite.key.as_str());
            return Err(unknown_key("test of", key, known, checked));
        }
    }
    let is_wanted = |suite: &&Suite| args.only.is_empty() || args.only.contains(&suite.key);
    Ok(checked.tests.iter().filter(is_wanted).collect())
}
