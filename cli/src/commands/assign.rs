//! `abx assign`: the variants of a unit.

use super::earlier::EarlierArgs;
use super::inputs::{self, AtArg, ContextArgs, FromArg};
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::render::style::{DIM, TITLE};
use crate::render::{printable, table};
use crate::report::{FormatArg, Report};
use crate::source::Checked;
use abx_core::decide::{FlagReason, OpenFeatureReason};
use abx_core::{Decision, Evaluation, Experiment, Flag, Reason, Subject};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;

/// Show what a unit gets from every experiment and flag, or from one
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx assign user_123
  abx assign user_123 checkout_redesign --context country=DE --context app.version=2.1.0
  abx assign user_123 --context-json '{\"plan\": \"pro\"}' --at 2026-03-01 --format json")]
pub struct Args {
    /// The unit: a user id, hashed as it is. With --store, --table or --from @REVISION its earlier assignments hold
    unit: String,
    /// The key of an experiment or flag; all by default
    key: Option<String>,
    // Before the store: what is taken of the arguments cannot be asked for again.
    #[command(flatten)]
    earlier: EarlierArgs,
    #[command(flatten)]
    from: FromArg,
    #[command(flatten)]
    context: ContextArgs,
    #[command(flatten)]
    at: AtArg,
    #[command(flatten)]
    pub(super) format: FormatArg,
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

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct ExperimentRow {
    experiment: String,
    /// `null` for a unit that does not take part.
    variant: Option<String>,
    reason: Reason,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Value>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct FlagRow {
    flag: String,
    variant: Option<String>,
    value: Value,
    reason: FlagReason,
    open_feature_reason: OpenFeatureReason,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
}

impl ExperimentRow {
    pub(super) fn new(decision: &Decision<'_>) -> Self {
        Self {
            experiment: decision.experiment.key().to_owned(),
            variant: decision.variant.map(|it| it.key.to_string()),
            reason: decision.reason,
            payload: decision.variant.and_then(|it| it.payload.clone()),
        }
    }

    pub(super) fn key(&self) -> &str {
        &self.experiment
    }

    pub(super) fn outcome(&self) -> String {
        format!("{} ({})", self.variant.as_deref().unwrap_or("no variant"), self.reason)
    }
}

impl FlagRow {
    pub(super) fn new(flag: &Flag, evaluation: &Evaluation<'_>) -> Self {
        Self {
            flag: flag.key().to_owned(),
            variant: evaluation.variant.map(|it| it.key.to_string()),
            value: evaluation.variant.map_or(Value::Null, |it| it.value.clone()),
            reason: evaluation.reason,
            open_feature_reason: evaluation.open_feature,
            rule: evaluation.rule.map(str::to_owned),
        }
    }

    pub(super) fn key(&self) -> &str {
        &self.flag
    }

    pub(super) fn outcome(&self) -> String {
        format!("{} = {} ({})", self.variant.as_deref().unwrap_or("no variant"), self.value, self.reason)
    }
}

/// Decides everything that was asked for.
pub fn run(args: &Args) -> Result<AssignReport, Error> {
    let checked = args.from.load()?;
    let context = args.context.read(Some(checked.catalog.attributes()))?;
    let subject = subject(&args.unit, &context.attributes)?;
    let now = args.at.time();
    let wanted = |key: &str| args.key.as_deref().is_none_or(|it| it == key);
    let experiments = checked.catalog.experiments().iter().filter(|it| wanted(it.key()));
    let earlier = args.earlier.read(&args.from, &subject, experiments.clone())?;
    let decide =
        |it: &Experiment| ExperimentRow::new(&it.decide(&subject, now, earlier.pin(it, &subject, now)));
    let flags = checked.catalog.flags().iter().filter(|it| wanted(it.key()));
    let report = AssignReport {
        unit: args.unit.clone(),
        at: now,
        experiments: experiments.map(decide).collect(),
        flags: flags.map(|it| FlagRow::new(it, &checked.catalog.evaluate_flag(it, &subject, now))).collect(),
        hints: [context.hints, earlier.hints].concat(),
        earlier_assignments: earlier.store,
        errors: checked.errors().count(),
    };
    match &args.key {
        Some(key) if report.experiments.is_empty() && report.flags.is_empty() => Err(missing(key, &checked)),
        _ => Ok(report),
    }
}

/// A subject with a user id.
pub(super) fn subject<'a>(
    unit: &'a str,
    attributes: &'a serde_json::Map<String, Value>,
) -> Result<Subject<'a>, Error> {
    let subject = Subject::new(unit, attributes);
    if subject.user_id().is_none() {
        return Err(
            Error::caller("the unit is empty or blank").help("an empty unit would be the same for everybody")
        );
    }
    Ok(subject)
}

/// The error for a key that is neither an experiment's nor a flag's.
pub(super) fn missing(key: &str, checked: &Checked) -> Error {
    let experiments = checked.catalog.experiments().iter().map(Experiment::key);
    let known = experiments.chain(checked.catalog.flags().iter().map(Flag::key));
    inputs::unknown_key("experiment or flag", key, known, checked)
}

impl Report for AssignReport {
    fn human(&self) -> String {
        let mut text = format!("{TITLE}{}{TITLE:#} {DIM}at {}{DIM:#}\n", self.unit.escape_debug(), self.at);
        text.push_str(&earlier_from(self.earlier_assignments.as_deref()));
        if !self.experiments.is_empty() {
            let rows = self.experiments.iter().map(|it| {
                let variant = it.variant.as_deref().unwrap_or("-");
                vec![it.experiment.clone(), variant.to_owned(), it.reason.to_string()]
            });
            let _ = writeln!(text, "\n{}", table::plain(&["experiment", "variant", "reason"], &[], rows));
        }
        if !self.flags.is_empty() {
            let rows = self.flags.iter().map(|it| {
                let variant = it.variant.as_deref().unwrap_or("-");
                let reason = match &it.rule {
                    Some(rule) => format!("{} {rule}", it.reason),
                    None => it.reason.to_string(),
                };
                vec![it.flag.clone(), variant.to_owned(), it.value.to_string(), reason]
            });
            let _ = writeln!(text, "\n{}", table::plain(&["flag", "variant", "value", "reason"], &[], rows));
        }
        text + &hinted(&self.hints) + &left_out(self.errors)
    }

    fn exit(&self) -> Exit {
        exit_with_errors(self.errors)
    }
}

/// The line about earlier assignments; empty where no store is asked.
pub(super) fn earlier_from(store: Option<&str>) -> String {
    store.map_or(String::new(), |store| format!("{DIM}earlier assignments from {store}{DIM:#}\n"))
}

/// The lines about what should be known of the input; empty for none.
pub(super) fn hinted(hints: &[String]) -> String {
    let lines = hints.iter().map(|hint| format!("hint: {}\n", printable(hint)));
    let lines: String = lines.collect();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

/// The line about documents that are left out; empty where none is.
pub(super) fn left_out(errors: usize) -> String {
    match errors {
        0 => String::new(),
        1 => "\n1 error keeps documents out: see `abx validate`\n".to_owned(),
        count => format!("\n{count} errors keep documents out: see `abx validate`\n"),
    }
}

/// An answer from a part of the documents is one with findings.
pub(super) fn exit_with_errors(errors: usize) -> Exit {
    if errors == 0 { exit::DONE } else { exit::FINDINGS }
}
