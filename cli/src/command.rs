//! The traits of a command. [`commands`](crate::commands) has one implementation for each.

use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::report::{Report, ReportEnvelope};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// The arguments of a command that ends with one report.
pub trait Execute {
    /// The report. Its JSON form is the output for programs, so it has a schema.
    type Report: Report + JsonSchema;
    /// Does the work, and prints nothing.
    fn execute(&self) -> Result<Self::Report, Error>;

    /// Writes the report as text, in the format that was asked for.
    fn print(&self, report: &Self::Report) -> String;
}

/// The arguments of any command. Implemented by itself only for a command that has several reports, or none, or that prints while it
/// runs: all others are [`Execute`].
pub trait Run {
    /// Does the work, and writes its result.
    fn run(&self, output: &Output) -> Exit;

    /// The reports that it may print.
    fn reports() -> Vec<ReportSchema>;
}

impl<C: Execute> Run for C {
    fn run(&self, output: &Output) -> Exit {
        match self.execute() {
            Ok(report) => output.write(&self.print(&report), report.exit()),
            Err(error) => output.fail(&error),
        }
    }

    fn reports() -> Vec<ReportSchema> {
        vec![ReportSchema::of::<C::Report>()]
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
    /// The schema of a report, with the head that every report has.
    #[must_use]
    pub fn of<R: Report + JsonSchema>() -> Self {
        let schema = || {
            let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
            let mut schema =
                settings.clone().into_generator().into_root_schema_for::<ReportEnvelope<'_, R>>();
            let own = settings.into_generator().into_root_schema_for::<R>();
            for name in ["title", "description"] {
                own.get(name).map(|text| schema.insert(name.to_owned(), text.clone()));
            }
            let kind = schema.pointer_mut("/properties/kind").and_then(Value::as_object_mut);
            kind.map(|kind| kind.insert("const".to_owned(), R::KIND.into()));
            schema
        };
        Self { name: R::KIND, schema }
    }
}

/// Runs the asynchronous part of a command.
pub fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Error::world("there are no threads").because(error))?.block_on(work)
}
