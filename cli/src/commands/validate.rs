//! Are these documents right?

use crate::command::Execute;
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::render::findings;
use crate::report::{self, Report};
use crate::source::{Corpus, LocatedFinding, SourceFile};
use abx_core::finding::Severity;
use clap::ValueEnum;
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Check documents and show everything that is wrong in them
///
/// All files are checked together, so that keys, segments and layers are looked up across them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx validate experiments/
  abx validate checkout.yaml shared.yaml --deny-warnings
  cat checkout.yaml | abx validate - --format json
  abx validate experiments/ --format sarif > findings.sarif

Exit codes: 0 nothing wrong, 1 errors (or warnings, with --deny-warnings), 2 arguments, 3 files.")]
pub struct Args {
    /// Files, folders (searched for .yaml and .yml), or `-` for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How to write the findings
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// End with 1 for warnings, too
    #[arg(long)]
    deny_warnings: bool,
}

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For a person
    #[default]
    Human,
    /// For a program
    Json,
    /// SARIF 2.1.0, for GitHub code scanning and editors
    Sarif,
    /// Workflow commands, for the lines of a pull request in GitHub Actions
    Github,
    /// JUnit XML, for the test results of a CI server
    Junit,
}

/// What was found in the documents.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ValidateReport {
    /// How many files were read.
    files: usize,
    /// How many documents they hold.
    documents: usize,
    /// How many findings are errors.
    errors: usize,
    /// How many findings are warnings.
    warnings: usize,
    /// Everything found, by file and place.
    findings: Vec<LocatedFinding>,
    #[serde(skip)]
    sources: Vec<SourceFile>,
    #[serde(skip)]
    deny_warnings: bool,
}

impl Execute for Args {
    type Report = ValidateReport;
    const REPORT: &'static str = "validate";

    /// Reads and compiles the documents together.
    fn execute(&self) -> Result<ValidateReport, Error> {
        let checked = Corpus::load(&self.paths)?.compile();
        let count = |severity| checked.findings.iter().filter(|it| it.severity == severity).count();
        Ok(ValidateReport {
            files: checked.files.iter().filter(|file| file.named_by.is_none()).count(),
            documents: checked.documents,
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            findings: checked.findings,
            sources: checked.files,
            deny_warnings: self.deny_warnings,
        })
    }

    fn print(&self, report: &ValidateReport) -> String {
        report.print(self.format)
    }
}

impl ValidateReport {
    /// The report in a format.
    #[must_use]
    pub fn print(&self, format: Format) -> String {
        match format {
            Format::Human => self.human(),
            Format::Json => report::json(self),
            Format::Sarif => report::json(&findings::sarif(&self.findings)),
            // Lines that are no commands go to the log.
            Format::Github => findings::github(&self.findings) + &self.summary(),
            Format::Junit => {
                findings::junit(&self.findings, &self.sources, self.deny_warnings, Timestamp::now())
            }
        }
    }

    fn summary(&self) -> String {
        let of = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        let found = match (self.errors, self.warnings) {
            (0, 0) => "nothing wrong".to_owned(),
            (errors, 0) => of(errors, "error"),
            (0, warnings) => of(warnings, "warning"),
            (errors, warnings) => format!("{}, {}", of(errors, "error"), of(warnings, "warning")),
        };
        format!("{} in {}: {found}\n", of(self.documents, "document"), of(self.files, "file"))
    }
}

impl Report for ValidateReport {
    fn human(&self) -> String {
        let mut text = findings::human(&self.findings, &self.sources);
        text.push_str(&self.summary());
        if let Some(first) = self.findings.first() {
            let _ = writeln!(text, "More about a code: abx explain-code {}", first.code);
        }
        text
    }

    fn exit(&self) -> Exit {
        let is_bad = self.errors > 0 || (self.deny_warnings && self.warnings > 0);
        if is_bad { exit::FINDINGS } else { exit::DONE }
    }
}
