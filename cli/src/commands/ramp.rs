//! `abx ramp`: the share of units that take part in an experiment.

use crate::command::Execute;
use crate::edits::{DocumentEdit, EditArgs, ExperimentSource};
use crate::error::Error;
use crate::inputs::share;
use crate::render::numbers::round_percent;
use crate::report::Report;
use crate::source::TargetField;
use abx_core::document::Status;
use abx_core::hash::BUCKETS;
use serde::Serialize;
use serde_json::Value;

/// Set the share of units that take part in an experiment; without --yes only show the change
///
/// Writes `traffic_allocation` into the document and touches nothing else of the file. Raising it adds units, and no unit gets
/// another variant. Lowering it takes the variant from units whose assignment is not stored.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx ramp pricing_page 50%
  abx ramp pricing_page 0.5 experiments/pricing.yaml --yes
  abx ramp pricing_page 10% --lower")]
pub struct Args {
    /// The experiment
    #[arg(value_name = "KEY", add = crate::complete::experiments())]
    key: String,
    /// The share of units that take part, for example 50% or 0.5
    #[arg(value_name = "SHARE", value_parser = traffic)]
    traffic: TrafficShare,
    /// Let the change take the variant from units that have one
    #[arg(long)]
    lower: bool,
    #[command(flatten)]
    edit: EditArgs,
}

/// A share above 0, and the value that it is in a document.
#[derive(Debug, Clone, PartialEq)]
struct TrafficShare {
    share: f64,
    value: Value,
}

fn traffic(text: &str) -> Result<TrafficShare, String> {
    let share = share(text)?;
    if share == 0.0 {
        return Err("with 0 %, no unit takes part; `abx pause` stops new units".to_owned());
    }
    // As it was given: 12.3 of 100 is another float than 12.3%.
    let value = if text.contains('%') { text.trim().into() } else { share.into() };
    Ok(TrafficShare { share, value })
}

/// The new traffic, and the units that join or leave by it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct RampReport {
    #[serde(flatten)]
    edit: DocumentEdit,
    /// The status of the experiment.
    status: Status,
    /// The share of units that take part before the change, from 0 to 1.
    before: f64,
    /// The share of units that take part after the change, from 0 to 1.
    after: f64,
}

impl Execute for Args {
    type Report = RampReport;

    fn execute(&self) -> Result<RampReport, Error> {
        let checked = self.edit.check()?;
        let source = ExperimentSource::find(&checked, &self.key)?;
        let (key, status) = (&self.key, source.experiment.status());
        if status == Status::Completed {
            let message = format!("`{key}` is completed: its traffic no longer decides anything");
            return Err(Error::caller(message).help(format!(
                "to run it again, write `status: active` into {}, and raise `epoch`",
                source.file.name
            )));
        }
        let after = self.traffic.share;
        let before = f64::from(source.experiment.traffic_buckets()) / f64::from(BUCKETS);
        let value = self.traffic.value.clone();
        let behind = &["epoch", "salt", "hash", "unit", "status"];
        let field = TargetField { name: "traffic_allocation", value, behind };
        // 50% and 0.5 are the same; the file keeps what it has.
        let is_there = (before - after).abs() < 0.5 / f64::from(BUCKETS);
        let plan = source.plan_fields(if is_there { &[] } else { std::slice::from_ref(&field) })?;
        if let Some(flow) = plan.flow().filter(|it| !it.left.is_none() && !self.lower) {
            let message = format!(
                "{} of the units would leave `{key}`: the traffic goes from {} to {}",
                flow.left.percent(),
                round_percent(before),
                round_percent(after)
            );
            let help = "add --lower to do so; units with a stored assignment keep their variant";
            return Err(Error::caller(message).help(help));
        }
        Ok(RampReport { edit: self.edit.finish(plan)?, status, before, after })
    }

    fn print(&self, report: &RampReport) -> String {
        self.edit.format.print(report)
    }
}

impl Report for RampReport {
    const KIND: &'static str = "ramp";

    fn human(&self) -> String {
        let remark = match self.status {
            Status::Draft => Some("it is a draft: no unit takes part before `status: active`".to_owned()),
            Status::Paused => Some(format!(
                "it is paused; to take new units: abx pause {} --resume",
                self.edit.experiment()
            )),
            Status::Active | Status::Completed => None,
        };
        self.edit.human(remark.as_slice(), &format!("its traffic is {}", round_percent(self.after)))
    }
}
