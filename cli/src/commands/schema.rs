//! What may be written in a document, and what does a report hold?

use super::reports::REPORTS;
use crate::error::Error;
use crate::report::{self, FormatArg, Report};
use abx_core::document::Document;
use schemars::Schema;
use serde::Serialize;

/// Print the JSON Schema of documents, or of a command's JSON report
///
/// Editors complete and check documents by it: put
/// `# yaml-language-server: $schema=abx.schema.json` on a document's first line.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx schema > abx.schema.json
  abx schema --report validate")]
pub struct Args {
    /// The command whose report is described, instead of documents
    #[arg(long, value_name = "COMMAND", value_parser = names())]
    report: Option<String>,
    #[command(flatten)]
    pub(super) format: FormatArg,
}

fn names() -> clap::builder::PossibleValuesParser {
    REPORTS.iter().map(|(name, _)| *name).collect::<Vec<_>>().into()
}

/// A JSON Schema, in draft 2020-12.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct SchemaReport(Schema);

/// Makes the schema.
pub fn run(args: &Args) -> Result<SchemaReport, Error> {
    let Some(name) = &args.report else {
        return Ok(SchemaReport(schemars::schema_for!(Document)));
    };
    let found = REPORTS.iter().find(|(known, _)| known == name);
    let (_, schema) = found.ok_or_else(|| Error::caller(format!("no command `{name}` has a report")))?;
    Ok(SchemaReport(schema()))
}

impl Report for SchemaReport {
    /// A schema is JSON for everybody.
    fn human(&self) -> String {
        report::json(self)
    }
}
