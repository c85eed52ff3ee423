//! `abx schema`: JSON Schemas of documents and reports.

use super::reports;
use crate::command::{ReportSchema, Run};
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::output::Output;
use crate::report::{self, FormatArg};
use crate::scaffold::document_schema;
use schemars::Schema;

/// Print the JSON Schema of documents, or of a command's JSON report
///
/// Editors use the schema to complete and check documents: put
/// `# yaml-language-server: $schema=../abx.schema.json` on the first line of a document, with the path from there. `abx init`
/// writes both.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx schema > abx.schema.json
  abx schema --report validate")]
pub struct Args {
    /// The command whose JSON report to describe, instead of documents
    #[arg(long, value_name = "COMMAND", value_parser = names())]
    report: Option<String>,
    #[command(flatten)]
    format: FormatArg,
}

fn names() -> clap::builder::PossibleValuesParser {
    reports().iter().map(|report| report.name).collect::<Vec<_>>().into()
}

impl Args {
    fn schema(&self) -> Result<Schema, Error> {
        let Some(name) = &self.report else { return Ok(document_schema()) };
        let found = reports().into_iter().find(|report| report.name == *name);
        let report = found.ok_or_else(|| Error::caller(format!("no command `{name}` has a report")))?;
        Ok((report.schema)())
    }
}

impl Run for Args {
    /// Makes the schema, which is JSON in every format.
    fn run(&self, output: &Output) -> Exit {
        match self.schema() {
            Ok(schema) => output.write(&report::json(&schema), exit::DONE),
            Err(error) => output.fail(&error),
        }
    }

    /// A schema has no schema of ours.
    fn reports() -> Vec<ReportSchema> {
        Vec::new()
    }
}
