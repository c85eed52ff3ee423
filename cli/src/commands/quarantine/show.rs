//! `abx quarantine show`: one record with its bytes.

use super::SelectArgs;
use super::list::RecordSummary;
use crate::command::{Execute, block_on};
use crate::error::Error;
use crate::render::printable;
use crate::render::style::{BAD, DIM, TITLE};
use crate::report::{FormatArg, Report, json_or_text};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;

/// Show a record that could not be processed, with all of its bytes
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  abx quarantine show local/shardId-000000000000:7")]
pub struct Args {
    /// The record, as `abx quarantine list` names it
    id: String,
    #[command(flatten)]
    select: SelectArgs,
    #[command(flatten)]
    format: FormatArg,
}

/// A record that could not be processed.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct QuarantineShowReport {
    #[serde(flatten)]
    summary: RecordSummary,
    /// The record, where it is text.
    text: Option<String>,
    /// The record in base64, where it is no text.
    base64: Option<String>,
}

impl Execute for Args {
    type Report = QuarantineShowReport;

    /// Finds the record.
    fn execute(&self) -> Result<QuarantineShowReport, Error> {
        block_on(async {
            let quarantine = self.select.open().await?;
            let found =
                self.select.records(&quarantine).await?.into_iter().find(|record| record.id == self.id);
            let found = found.ok_or_else(|| self.select.metrics.no_record(&self.id))?;
            let summary = RecordSummary::new(&found);
            let (text, base64) = match String::from_utf8(found.data) {
                Ok(text) => (Some(text), None),
                Err(error) => (None, Some(STANDARD.encode(error.as_bytes()))),
            };
            Ok(QuarantineShowReport { summary, text, base64 })
        })
    }

    fn print(&self, report: &QuarantineShowReport) -> String {
        self.format.print(report)
    }
}

impl Report for QuarantineShowReport {
    const KIND: &'static str = "quarantine-show";

    fn human(&self) -> String {
        let Self { summary: RecordSummary { id, arrived_at, reason, detail, bytes }, text, base64 } = self;
        let at = arrived_at.strftime("%Y-%m-%d %H:%M:%S UTC");
        let content = match (text, base64) {
            (Some(text), _) => match json_or_text(text) {
                Value::String(_) => text.lines().map(|line| printable(line) + "\n").collect(),
                json => crate::report::json(&json),
            },
            (None, base64) => format!("{DIM}base64:{DIM:#} {}\n", base64.as_deref().unwrap_or_default()),
        };
        format!(
            "{TITLE}{id}{TITLE:#} {DIM}arrived {at}, {bytes} bytes{DIM:#}\n{BAD}{reason}{BAD:#}: {detail}\n\n{content}"
        )
    }
}
