//! The JSON form of every command's report, as a schema.

use schemars::{JsonSchema, Schema};

/// Makes a schema.
type SchemaOf = fn() -> Schema;

/// The commands that have a report, and its schema.
pub const REPORTS: &[(&str, SchemaOf)] = &[
    ("assign", of::<super::assign::AssignReport>),
    ("bench", of::<super::bench::BenchReport>),
    ("capture", of::<super::capture::CaptureReport>),
    ("completions", of::<super::completions::CompletionsReport>),
    ("diff", of::<super::diff::DiffReport>),
    ("explain", of::<super::explain::ExplainReport>),
    ("explain-code", of::<super::explain_code::ExplainCodeReport>),
    ("forget", of::<super::forget::ForgetReport>),
    ("invoke", of::<super::invoke::InvokeReport>),
    ("power", of::<super::power::PowerReport>),
    ("publish", of::<super::publish::PublishReport>),
    ("pull", of::<super::pull::PullReport>),
    ("quarantine-list", of::<super::quarantine::list::QuarantineListReport>),
    ("quarantine-show", of::<super::quarantine::show::QuarantineShowReport>),
    ("rebalance", of::<super::rebalance::RebalanceReport>),
    ("redrive", of::<super::redrive::RedriveReport>),
    ("replay", of::<super::replay::ReplayReport>),
    ("results", of::<super::results::ResultsReport>),
    ("results-list", of::<super::results::ResultsListReport>),
    ("revisions", of::<super::revisions::RevisionsReport>),
    ("rollback", of::<super::rollback::RollbackReport>),
    ("simulate", of::<super::simulate::SimulateReport>),
    ("srm", of::<super::srm::SrmReport>),
    ("status", of::<super::status::StatusReport>),
    ("test", of::<super::test::TestReport>),
    ("validate", of::<super::validate::ValidateReport>),
];

/// The schema of what a type is written as.
fn of<T: JsonSchema>() -> Schema {
    schemars::generate::SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<T>()
}
