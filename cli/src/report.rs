//! Reports: the result of a command, for people and for programs.

use crate::exit::{self, Exit};
use crate::source::LocatedFinding;
use abx_core::finding::Severity;
use abx_functions::ports::RevisionMeta;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

/// The result of a command. Its `Serialize` form *is* the JSON output.
pub trait Report: Serialize {
    /// Its name, for `kind` in the JSON output and for `abx schema --report`.
    const KIND: &'static str;

    /// For a person; may hold ANSI styles, which are taken out where nobody sees them.
    fn human(&self) -> String;

    /// The exit code of the command.
    fn exit(&self) -> Exit {
        exit::DONE
    }
}

/// The output format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For a person.
    #[default]
    Human,
    /// For a program.
    Json,
}

/// The option that every command has.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct FormatArg {
    /// Output format
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

impl FormatArg {
    /// The report in the format that was asked for.
    #[must_use]
    pub fn print(self, report: &impl Report) -> String {
        match self.format {
            Format::Human => report.human(),
            Format::Json => headed_json(report),
        }
    }
}

/// The version of the JSON reports. It rises when a field is removed, or changes its meaning.
pub const SCHEMA: u32 = 1;

/// The author of a change of what is published, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Authorship {
    /// The name that the author gave.
    pub author: String,
    /// The reason; may be empty.
    pub message: String,
}

impl From<RevisionMeta> for Authorship {
    fn from(RevisionMeta { author, message, .. }: RevisionMeta) -> Self {
        Self { author, message }
    }
}

/// The findings of documents, counted: at the top of every report about documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct FindingCounts {
    /// Findings that are errors, which keep documents out.
    pub errors: usize,
    /// Findings that are warnings.
    pub warnings: usize,
}

impl FindingCounts {
    /// Counts findings.
    #[must_use]
    pub fn of(findings: &[LocatedFinding]) -> Self {
        let count = |severity| findings.iter().filter(|it| it.severity == severity).count();
        Self { errors: count(Severity::Error), warnings: count(Severity::Warning) }
    }
}

/// A report in its JSON form: below a head that all reports share.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ReportEnvelope<'r, R> {
    /// The version of the JSON reports. It rises when a field is removed, or changes its meaning.
    schema: u32,
    /// The version of `abx` that wrote the report.
    abx: &'static str,
    /// The report, as `abx schema --report` names it.
    kind: &'static str,
    #[serde(flatten)]
    report: &'r R,
}

/// A report as JSON text, with its head.
#[must_use]
pub fn headed_json<R: Report>(report: &R) -> String {
    json(&ReportEnvelope { schema: SCHEMA, abx: env!("CARGO_PKG_VERSION"), kind: R::KIND, report })
}

/// A value as JSON text.
///
/// # Panics
///
/// If a map in it has keys that are not texts, which no report has: that would be a bug.
#[must_use]
pub fn json(value: &impl Serialize) -> String {
    #[expect(clippy::expect_used, reason = "reports hold no map with keys that are not texts")]
    let text = serde_json::to_string_pretty(value).expect("a report is JSON");
    text + "\n"
}

/// A text as the JSON that it is, or as a text.
pub(crate) fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}
