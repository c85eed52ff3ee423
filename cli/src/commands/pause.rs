//! `abx pause`: an experiment that takes no new units, and one that takes them again.

use crate::command::Execute;
use crate::edits::{DocumentEdit, EditArgs, ExperimentSource};
use crate::error::Error;
use crate::report::Report;
use crate::source::TargetField;
use abx_core::document::Status;
use serde::Serialize;

/// Pause an experiment, so that it takes no new units, or resume it; without --yes only show the change
///
/// Writes `status` into the document and touches nothing else of the file. While an experiment is paused, assigned units keep
/// their variant.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx pause pricing_page
  abx pause pricing_page --resume experiments/pricing.yaml --yes")]
pub struct Args {
    /// The experiment
    #[arg(value_name = "KEY", add = crate::complete::experiments())]
    key: String,
    /// Take new units again: write `status: active`
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    edit: EditArgs,
}

/// A pause or its end, and the units that lose or get a variant by it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct PauseReport {
    #[serde(flatten)]
    edit: DocumentEdit,
    /// The status that the experiment has with the change.
    status: Status,
}

impl Execute for Args {
    type Report = PauseReport;

    fn execute(&self) -> Result<PauseReport, Error> {
        let checked = self.edit.check()?;
        let source = ExperimentSource::find(&checked, &self.key)?;
        let status = if self.resume { Status::Active } else { Status::Paused };
        let (key, file) = (&self.key, &source.file.name);
        match source.experiment.status() {
            Status::Draft => {
                return Err(Error::caller(format!("`{key}` is a draft: no unit takes part yet"))
                    .help(format!("to start it, write `status: active` into {file}")));
            }
            Status::Completed => {
                return Err(Error::caller(format!("`{key}` is completed: it takes no new units")).help(
                    format!("to run it again, write `status: active` into {file}, and raise `epoch`"),
                ));
            }
            Status::Active | Status::Paused => {}
        }
        let value = status.to_string().into();
        let plan = source.plan_fields(&[TargetField { name: "status", value, behind: &[] }])?;
        Ok(PauseReport { edit: self.edit.finish(plan)?, status })
    }

    fn print(&self, report: &PauseReport) -> String {
        self.edit.format.print(report)
    }
}

impl Report for PauseReport {
    const KIND: &'static str = "pause";

    fn human(&self) -> String {
        let is_paused = self.status == Status::Paused;
        let resume = is_paused.then(|| format!("to resume: abx pause {} --resume", self.edit.experiment()));
        self.edit.human(resume.as_slice(), &format!("it is {}", self.status))
    }
}
