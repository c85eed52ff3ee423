//! The decisions of a set of documents for a unit, with their steps.

use super::Args;
use crate::decisions::{ExperimentRow, FlagRow};
use crate::earlier::Earlier;
use crate::error::Error;
use crate::render::steps;
use crate::render::style::TITLE;
use crate::source::Checked;
use abx_core::decide::Step;
use abx_core::{Pin, Subject};
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Write as _;

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct UnitDecisions {
    /// The time of the decision (RFC 3339).
    #[schemars(with = "String")]
    pub(super) at: Timestamp,
    /// The experiment of the key, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) experiment: Option<Explanation<ExperimentRow>>,
    /// The flag of the key, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) flag: Option<Explanation<FlagRow>>,
    /// Errors that keep documents out; see `abx validate`.
    pub(super) errors: usize,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Explanation<T> {
    pub(super) outcome: T,
    /// The steps, in the order in which they happened.
    pub(super) steps: Vec<Step>,
}

impl UnitDecisions {
    /// `None` where the documents have neither an experiment nor a flag of the key.
    pub(super) fn new(
        args: &Args,
        checked: &Checked,
        subject: &Subject<'_>,
        earlier: &Earlier,
        now: Timestamp,
    ) -> Result<Option<Self>, Error> {
        let experiment = checked.catalog.experiment(&args.key).map(|experiment| {
            let epoch = args.pin_epoch.unwrap_or(experiment.epoch());
            let given = args.pin.as_deref().map(|variant| Pin { variant, epoch });
            let pin = given.or_else(|| earlier.pin(experiment, subject, now));
            let (decision, steps) = experiment.explain(subject, now, pin);
            Explanation { outcome: ExperimentRow::new(&decision), steps }
        });
        let flag = checked.catalog.flag(&args.key).map(|flag| {
            let (evaluation, steps) = checked.catalog.explain_flag(flag, subject, now);
            Explanation { outcome: FlagRow::new(flag, &evaluation), steps }
        });
        if args.pin.is_some() && experiment.is_none() && flag.is_some() {
            return Err(
                Error::caller(format!("{:?} is a flag, and flags have no pins", args.key)).help("drop --pin")
            );
        }
        let is_there = experiment.is_some() || flag.is_some();
        Ok(is_there.then_some(Self { experiment, flag, ..Self::nothing(now, checked) }))
    }

    /// The answer of documents that do not have the key.
    pub(super) fn nothing(at: Timestamp, checked: &Checked) -> Self {
        Self { at, experiment: None, flag: None, errors: checked.errors().count() }
    }

    pub(super) fn human(&self) -> String {
        let mut text = String::new();
        for (title, steps) in [self.of_experiment(), self.of_flag()].into_iter().flatten() {
            let _ = write!(text, "\n{TITLE}{title}{TITLE:#}\n{}", steps::steps(steps));
        }
        text
    }

    /// Describes the decision of the experiment in a line, and returns its steps.
    pub(super) fn of_experiment(&self) -> Option<(String, &[Step])> {
        let it = self.experiment.as_ref()?;
        Some((format!("experiment {}: {}", it.outcome.key(), it.outcome.outcome()), &it.steps))
    }

    /// Describes the evaluation of the flag in a line, and returns its steps.
    pub(super) fn of_flag(&self) -> Option<(String, &[Step])> {
        let it = self.flag.as_ref()?;
        Some((format!("flag {}: {}", it.outcome.key(), it.outcome.outcome()), &it.steps))
    }
}
