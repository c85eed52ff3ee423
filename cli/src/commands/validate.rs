//! Are these documents right?

use crate::command::Execute;
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::inputs::SourcesArgs;
use crate::render::findings;
use crate::render::numbers::plural;
use crate::report::{self, FindingCounts, Report};
use crate::source::{LocatedFinding, SourceFile};
use clap::ValueEnum;
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Write as _;

/// Check documents, and report every error and warning
///
/// All files are checked together, so references to keys, segments and layers work across files. Files that are named alone are checked
/// with the others of their folder `experiments`, or of their own folder if it has a `catalog.yaml`; findings are about the named ones.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx validate experiments/
  abx validate checkout.yaml shared.yaml --deny-warnings
  cat checkout.yaml | abx validate - --format json
  abx validate experiments/ --format sarif > findings.sarif

Exit codes: 0 nothing wrong, 1 errors (or warnings, with --deny-warnings), 2 arguments, 3 files.")]
pub struct Args {
    #[command(flatten)]
    documents: SourcesArgs,
    /// Output format
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT")]
    format: ValidateFormat,
    /// Exit with 1 for warnings, too
    #[arg(long)]
    deny_warnings: bool,
}

/// The output format of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ValidateFormat {
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

/// The findings in the documents.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ValidateReport {
    /// The number of files.
    files: usize,
    /// The number of documents in the files.
    documents: usize,
    #[serde(flatten)]
    counts: FindingCounts,
    /// Everything found, by file and place.
    findings: Vec<LocatedFinding>,
    #[serde(skip)]
    sources: Vec<SourceFile>,
    #[serde(skip)]
    deny_warnings: bool,
}

impl Execute for Args {
    type Report = ValidateReport;

    /// Reads and compiles the documents together.
    fn execute(&self) -> Result<ValidateReport, Error> {
        let checked = self.documents.check_within_folder()?;
        Ok(ValidateReport {
            files: checked.files.iter().take(checked.asked).filter(|file| file.named_by.is_none()).count(),
            documents: checked.documents,
            counts: FindingCounts::of(&checked.findings),
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
    pub fn print(&self, format: ValidateFormat) -> String {
        match format {
            ValidateFormat::Human => self.human(),
            ValidateFormat::Json => report::headed_json(self),
            ValidateFormat::Sarif => report::json(&findings::sarif(&self.findings)),
            // Lines that are no commands go to the log.
            ValidateFormat::Github => findings::github(&self.findings) + &self.summary(),
            ValidateFormat::Junit => {
                findings::junit(&self.findings, &self.sources, self.deny_warnings, Timestamp::now())
            }
        }
    }

    fn summary(&self) -> String {
        let found = match (self.counts.errors, self.counts.warnings) {
            (0, 0) => "nothing wrong".to_owned(),
            (errors, 0) => plural(errors, "error"),
            (0, warnings) => plural(warnings, "warning"),
            (errors, warnings) => format!("{}, {}", plural(errors, "error"), plural(warnings, "warning")),
        };
        format!("{} in {}: {found}\n", plural(self.documents, "document"), plural(self.files, "file"))
    }
}

impl Report for ValidateReport {
    const KIND: &'static str = "validate";

    fn human(&self) -> String {
        let mut text = findings::human(&self.findings, &self.sources);
        text.push_str(&self.summary());
        if let Some(first) = self.findings.first() {
            let _ = writeln!(text, "More about a code: abx explain-code {}", first.code);
        }
        text
    }

    fn exit(&self) -> Exit {
        let is_bad = self.counts.errors > 0 || (self.deny_warnings && self.counts.warnings > 0);
        if is_bad { exit::FINDINGS } else { exit::DONE }
    }
}
