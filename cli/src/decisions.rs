//! Decisions of one unit, as reports show them.

use crate::error::Error;
use crate::exit::{self, Exit};
use crate::inputs;
use crate::source::Checked;
use abx_core::decide::{FlagReason, OpenFeatureReason};
use abx_core::{Decision, Evaluation, Experiment, Flag, Reason, Subject};
use serde::Serialize;
use serde_json::Value;

/// A decision of an experiment.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ExperimentRow {
    experiment: String,
    /// `null` for a unit that does not take part.
    variant: Option<String>,
    reason: Reason,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Value>,
}

/// An evaluation of a flag.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct FlagRow {
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
    /// The row of a decision.
    #[must_use]
    pub fn new(decision: &Decision<'_>) -> Self {
        Self {
            experiment: decision.experiment.key().to_owned(),
            variant: decision.variant.map(|it| it.key.to_string()),
            reason: decision.reason,
            payload: decision.variant.and_then(|it| it.payload.clone()),
        }
    }

    /// The key of the experiment or flag.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.experiment
    }

    /// Its cells in a table: experiment, variant, reason.
    #[must_use]
    pub fn cells(&self) -> Vec<String> {
        let variant = self.variant.as_deref().unwrap_or("-");
        vec![self.experiment.clone(), variant.to_owned(), self.reason.to_string()]
    }

    /// The outcome in one line.
    #[must_use]
    pub fn outcome(&self) -> String {
        format!("{} ({})", self.variant.as_deref().unwrap_or("no variant"), self.reason)
    }
}

impl FlagRow {
    /// The row of a decision.
    #[must_use]
    pub fn new(flag: &Flag, evaluation: &Evaluation<'_>) -> Self {
        Self {
            flag: flag.key().to_owned(),
            variant: evaluation.variant.map(|it| it.key.to_string()),
            value: evaluation.variant.map_or(Value::Null, |it| it.value.clone()),
            reason: evaluation.reason,
            open_feature_reason: evaluation.open_feature,
            rule: evaluation.rule.map(str::to_owned),
        }
    }

    /// The key of the experiment or flag.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.flag
    }

    /// Its cells in a table: flag, variant, value, reason.
    #[must_use]
    pub fn cells(&self) -> Vec<String> {
        let variant = self.variant.as_deref().unwrap_or("-");
        let reason = match &self.rule {
            Some(rule) => format!("{} {rule}", self.reason),
            None => self.reason.to_string(),
        };
        vec![self.flag.clone(), variant.to_owned(), self.value.to_string(), reason]
    }

    /// The outcome in one line.
    #[must_use]
    pub fn outcome(&self) -> String {
        format!("{} = {} ({})", self.variant.as_deref().unwrap_or("no variant"), self.value, self.reason)
    }
}

/// A subject with a user id.
pub fn subject<'a>(
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
pub fn missing(key: &str, checked: &Checked) -> Error {
    let experiments = checked.catalog.experiments().iter().map(Experiment::key);
    let known = experiments.chain(checked.catalog.flags().iter().map(Flag::key));
    inputs::unknown_key("experiment or flag", key, known, checked)
}

/// An answer from a part of the documents is one with findings.
#[must_use]
pub fn exit_with_errors(errors: usize) -> Exit {
    if errors == 0 { exit::DONE } else { exit::FINDINGS }
}
