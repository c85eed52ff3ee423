//! Response bodies of the flags function.

use abx_core::decide::{FlagReason, OpenFeatureReason};
use abx_core::{Evaluation, Flag, Reason};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;

/// The variant that a flag served, and the reason.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FlagResponse<'a> {
    /// The flag.
    pub flag_key: &'a str,
    /// The user id, as a text.
    pub user_id: Option<Cow<'a, str>>,
    /// The variant's key.
    pub variant: Option<&'a str>,
    /// The variant's value.
    pub value: Option<&'a Value>,
    /// The reason.
    pub reason: FlagReason,
    /// The reason in the terms of OpenFeature.
    pub open_feature_reason: OpenFeatureReason,
    /// The rule that decided.
    pub rule: Option<&'a str>,
    /// The experiment that the rule served.
    pub experiment: Option<ServedExperiment<'a>>,
    /// The catalog's revision.
    pub revision: u64,
}

/// The decision of an experiment that a flag served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ServedExperiment<'a> {
    /// The experiment.
    pub experiment_key: &'a str,
    /// Its variant.
    pub variant: Option<&'a str>,
    /// The reason.
    pub reason: Reason,
}

/// The evaluations of several flags.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FlagsResponse<'a> {
    /// The user id, as a text.
    pub user_id: Option<Cow<'a, str>>,
    /// The catalog's revision that decided all of them.
    pub revision: u64,
    /// One for each flag, in the order of the request or of the catalog.
    pub flags: Vec<FlagResponse<'a>>,
    /// The flags that were named and that do not exist.
    pub not_found: Vec<&'a str>,
}

impl<'a> FlagResponse<'a> {
    pub(super) fn of(
        flag: &'a Flag,
        evaluation: &Evaluation<'a>,
        user_id: Option<Cow<'a, str>>,
        revision: u64,
    ) -> Self {
        Self {
            flag_key: flag.key(),
            user_id,
            variant: evaluation.variant.map(|variant| &*variant.key),
            value: evaluation.variant.map(|variant| &variant.value),
            reason: evaluation.reason,
            open_feature_reason: evaluation.open_feature,
            rule: evaluation.rule,
            experiment: evaluation.decision.map(|decision| ServedExperiment {
                experiment_key: decision.experiment.key(),
                variant: decision.variant.map(|variant| &*variant.key),
                reason: decision.reason,
            }),
            revision,
        }
    }
}
