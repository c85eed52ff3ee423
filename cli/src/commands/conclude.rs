//! `abx conclude`: the end of an experiment, from which every unit gets the winner.

use crate::command::Execute;
use crate::edits::{DocumentEdit, EditArgs, ExperimentSource};
use crate::error::Error;
use crate::report::Report;
use crate::source::TargetField;
use abx_core::Experiment;
use abx_core::document::Status;
use abx_core::finding::did_you_mean;
use serde::Serialize;

/// Complete an experiment, so that every unit gets the winner; without --yes only show the change
///
/// Writes `status: completed` and `winner` into the document and touches nothing else of the file. Counts and results stay.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx conclude pricing_page --winner b
  abx conclude pricing_page --winner control experiments/pricing.yaml --yes")]
pub struct Args {
    /// The experiment
    #[arg(value_name = "KEY", add = crate::complete::experiments())]
    key: String,
    /// The variant that every unit gets from now on
    #[arg(long, value_name = "VARIANT")]
    winner: String,
    #[command(flatten)]
    edit: EditArgs,
}

/// The end of an experiment, and the units that get another variant by it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ConcludeReport {
    #[serde(flatten)]
    edit: DocumentEdit,
    /// The variant that every unit gets.
    winner: String,
}

impl Execute for Args {
    type Report = ConcludeReport;

    fn execute(&self) -> Result<ConcludeReport, Error> {
        let checked = self.edit.check()?;
        let source = ExperimentSource::find(&checked, &self.key)?;
        check_variant(source.experiment, &self.winner)?;
        if source.experiment.status() == Status::Draft {
            let message = format!("`{}` is a draft: no unit has taken part, so it has no winner", self.key);
            return Err(Error::caller(message).help(format!(
                "to start it, write `status: active` into {}; to give it up, remove its document",
                source.file.name
            )));
        }
        let plan = source.plan_fields(&[
            TargetField { name: "status", value: "completed".into(), behind: &[] },
            TargetField { name: "winner", value: self.winner.clone().into(), behind: &["status"] },
        ])?;
        Ok(ConcludeReport { edit: self.edit.finish(plan)?, winner: self.winner.clone() })
    }

    fn print(&self, report: &ConcludeReport) -> String {
        self.edit.format.print(report)
    }
}

fn check_variant(experiment: &Experiment, key: &str) -> Result<(), Error> {
    let known = || experiment.variants().iter().map(|it| &*it.key);
    if known().any(|it| it == key) {
        return Ok(());
    }
    let error = Error::caller(format!("`{}` has no variant {key:?}", experiment.key()));
    Err(match did_you_mean(key, known()) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help(format!("known: {}", known().collect::<Vec<_>>().join(", "))),
    })
}

impl Report for ConcludeReport {
    const KIND: &'static str = "conclude";

    fn human(&self) -> String {
        let winner = &self.winner;
        let remarks = [
            format!("every unit gets `{winner}`; targeting, traffic, holdouts, overrides"),
            "and earlier assignments no longer count".to_owned(),
        ];
        self.edit.human(&remarks, &format!("it is completed, and the winner is `{winner}`"))
    }
}
