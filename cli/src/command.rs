//! The traits of a command. [`commands`](crate::commands) has one implementation for each.

use crate::error::Error;
use crate::exit::Exit;
use crate::report::{self, Report};
use schemars::{JsonSchema, Schema};

/// The arguments of a command that ends with one report.
pub trait Execute {
    /// The report. Its JSON form is the output for programs, so it has a schema.
    type Report: Report + JsonSchema;
    /// The name of the report for `abx schema --report`.
    const REPORT: &'static str;

    /// Does the work, and prints nothing.
    fn execute(&self) -> Result<Self::Report, Error>;

    /// Writes the report as text, in the format that was asked for.
    fn print(&self, report: &Self::Report) -> String;
}

/// The arguments of any command. Implemented by itself only for a command that has several reports, or none, or that prints while it
/// runs: all others are [`Execute`].
pub trait Run {
    /// Does the work, and prints its result.
    fn run(&self) -> Exit;

    /// The reports that it may print.
    fn reports() -> Vec<ReportSchema>;
}

impl<C: Execute> Run for C {
    fn run(&self) -> Exit {
        match self.execute() {
            Ok(report) => report::write_text(&self.print(&report), report.exit()),
            Err(error) => error.print(),
        }
    }

    fn reports() -> Vec<ReportSchema> {
        vec![ReportSchema::of::<C::Report>(C::REPORT)]
    }
}

/// The JSON form of a report.
#[derive(Debug, Clone, Copy)]
pub struct ReportSchema {
    /// The name of the report.
    pub name: &'static str,
    /// Makes the schema.
    pub schema: fn() -> Schema,
}

impl ReportSchema {
    fn of<R: JsonSchema>(name: &'static str) -> Self {
        let schema = || {
            schemars::generate::SchemaSettings::draft2020_12()
                .for_serialize()
                .into_generator()
                .into_root_schema_for::<R>()
        };
        Self { name, schema }
    }
}

/// Runs the asynchronous part of a command.
pub fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Error::world("there are no threads").because(error))?.block_on(work)
}
