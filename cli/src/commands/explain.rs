//! Why does a unit get what it gets?

use super::assign::{ExperimentRow, FlagRow, exit_with_errors, left_out, missing, subject};
use super::inputs::{self, AtArg, ContextArgs, FromArg};
use crate::error::Error;
use crate::exit::Exit;
use crate::render::steps;
use crate::render::style::{DIM, TITLE};
use crate::report::{FormatArg, Report};
use abx_core::Pin;
use abx_core::decide::Step;
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Write as _;

/// Explain what a unit gets: every question, condition, hash and bucket on the way
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx explain user_123 checkout_redesign
  abx explain user_123 pricing_page --context country=DE
  abx explain user_123 checkout_redesign --pin control")]
pub struct Args {
    /// The unit: a user id, hashed as it is
    unit: String,
    /// The key of an experiment or flag
    key: String,
    /// A variant that was assigned earlier (in the present epoch, unless --pin-epoch says otherwise)
    #[arg(long, value_name = "VARIANT")]
    pin: Option<String>,
    /// The epoch of the earlier assignment
    #[arg(long, value_name = "N", requires = "pin")]
    pin_epoch: Option<u32>,
    #[command(flatten)]
    from: FromArg,
    #[command(flatten)]
    context: ContextArgs,
    #[command(flatten)]
    at: AtArg,
    #[command(flatten)]
    pub(super) format: FormatArg,
}

/// Why a unit gets what it gets.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ExplainReport {
    unit: String,
    /// The time of the decision (RFC 3339).
    #[schemars(with = "String")]
    at: Timestamp,
    /// The experiment of the key, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    experiment: Option<Explained<ExperimentRow>>,
    /// The flag of the key, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    flag: Option<Explained<FlagRow>>,
    /// Errors that keep documents out; see `abx validate`.
    errors: usize,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Explained<T> {
    outcome: T,
    /// In the order in which they happened.
    steps: Vec<Step>,
}

/// Decides, and keeps every step.
pub fn run(args: &Args) -> Result<ExplainReport, Error> {
    let attributes = args.context.attributes()?;
    let subject = subject(&args.unit, &attributes)?;
    let checked = args.from.load()?;
    let now = args.at.time();
    let experiment = checked.catalog.experiment(&args.key).map(|experiment| {
        let epoch = args.pin_epoch.unwrap_or(experiment.epoch());
        let pin = args.pin.as_deref().map(|variant| Pin { variant, epoch });
        let (decision, steps) = experiment.explain(&subject, now, pin);
        Explained { outcome: ExperimentRow::new(&decision), steps }
    });
    let flag = checked.catalog.flag(&args.key).map(|flag| {
        let (evaluation, steps) = checked.catalog.explain_flag(flag, &subject, now);
        Explained { outcome: FlagRow::new(flag, &evaluation), steps }
    });
    if experiment.is_none() && flag.is_none() {
        return Err(missing(&args.key, &checked));
    }
    if args.pin.is_some() && experiment.is_none() {
        return Err(
            Error::caller(format!("{:?} is a flag, and flags have no pins", args.key)).help("drop --pin")
        );
    }
    Ok(ExplainReport { unit: args.unit.clone(), at: now, experiment, flag, errors: checked.errors().count() })
}

impl Report for ExplainReport {
    fn human(&self) -> String {
        let mut text = format!("{TITLE}{}{TITLE:#} {DIM}at {}{DIM:#}\n", self.unit.escape_debug(), self.at);
        if let Some(it) = &self.experiment {
            let title = format!("experiment {}: {}", it.outcome.key(), it.outcome.outcome());
            let _ = write!(text, "\n{TITLE}{title}{TITLE:#}\n{}", steps::steps(&it.steps));
        }
        if let Some(it) = &self.flag {
            let title = format!("flag {}: {}", it.outcome.key(), it.outcome.outcome());
            let _ = write!(text, "\n{TITLE}{title}{TITLE:#}\n{}", steps::steps(&it.steps));
        }
        text + &left_out(self.errors)
    }

    fn exit(&self) -> Exit {
        exit_with_errors(self.errors)
    }
}
