//! `abx assign`: the variants of a unit.

use crate::command::Execute;
use crate::decisions::{ExperimentRow, FlagRow, exit_with_errors, missing, subject};
use crate::earlier::SubjectArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::inputs::AtArg;
use crate::render::notes::{earlier_from, hinted, left_out};
use crate::render::style::{DIM, TITLE};
use crate::render::table;
use crate::report::{FormatArg, Report};
use abx_core::Experiment;
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Write as _;

/// Show the variants and values that a unit gets, from all experiments and flags or from one
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx assign user_123
  abx assign user_123 checkout_redesign --context country=DE --context app.version=2.1.0
  abx assign user_123 --context-json '{\"plan\": \"pro\"}' --at 2026-03-01 --format json")]
pub struct Args {
    /// The unit, for example a user id; it is hashed exactly as written. With --store, --table or --from @N assignments stored for this unit
    /// are used
    unit: String,
    /// The key of an experiment or flag; all by default
    key: Option<String>,
    #[command(flatten)]
    subject: SubjectArgs,
    #[command(flatten)]
    at: AtArg,
    #[command(flatten)]
    format: FormatArg,
}

/// The variants of a unit.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct AssignReport {
    unit: String,
    /// The time of the decisions (RFC 3339).
    #[schemars(with = "String")]
    at: Timestamp,
    experiments: Vec<ExperimentRow>,
    flags: Vec<FlagRow>,
    /// The store whose earlier assignments hold, where one is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    earlier_assignments: Option<String>,
    /// Warnings about the attributes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hints: Vec<String>,
    /// Errors that keep documents out; see `abx validate`.
    errors: usize,
}

impl Execute for Args {
    type Report = AssignReport;

    /// Decides everything that was asked for.
    fn execute(&self) -> Result<AssignReport, Error> {
        let checked = self.subject.from.load()?;
        let context = self.subject.context.read(Some(checked.catalog.attributes()))?;
        let subject = subject(&self.unit, &context.attributes)?;
        let now = self.at.time();
        let wanted = |key: &str| self.key.as_deref().is_none_or(|it| it == key);
        let experiments = checked.catalog.experiments().iter().filter(|it| wanted(it.key()));
        let earlier = self.subject.read_earlier(&subject, experiments.clone())?;
        let decide =
            |it: &Experiment| ExperimentRow::new(&it.decide(&subject, now, earlier.pin(it, &subject, now)));
        let flags = checked.catalog.flags().iter().filter(|it| wanted(it.key()));
        let report = AssignReport {
            unit: self.unit.clone(),
            at: now,
            experiments: experiments.map(decide).collect(),
            flags: flags
                .map(|it| FlagRow::new(it, &checked.catalog.evaluate_flag(it, &subject, now)))
                .collect(),
            hints: [context.hints, earlier.hints].concat(),
            earlier_assignments: earlier.store,
            errors: checked.errors().count(),
        };
        match &self.key {
            Some(key) if report.experiments.is_empty() && report.flags.is_empty() => {
                Err(missing(key, &checked))
            }
            _ => Ok(report),
        }
    }

    fn print(&self, report: &AssignReport) -> String {
        self.format.print(report)
    }
}

impl Report for AssignReport {
    const KIND: &'static str = "assign";

    fn human(&self) -> String {
        let mut text = format!("{TITLE}{}{TITLE:#} {DIM}at {}{DIM:#}\n", self.unit.escape_debug(), self.at);
        text.push_str(&earlier_from(self.earlier_assignments.as_deref()));
        if !self.experiments.is_empty() {
            let rows = self.experiments.iter().map(ExperimentRow::cells);
            let _ = writeln!(text, "\n{}", table::plain(&["experiment", "variant", "reason"], &[], rows));
        }
        if !self.flags.is_empty() {
            let rows = self.flags.iter().map(FlagRow::cells);
            let _ = writeln!(text, "\n{}", table::plain(&["flag", "variant", "value", "reason"], &[], rows));
        }
        text + &hinted(&self.hints) + &left_out(self.errors)
    }

    fn exit(&self) -> Exit {
        exit_with_errors(self.errors)
    }
}
