//! Reasons of decisions. Their names are part of the API.

use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;

/// The reason why an experiment gave a variant, or none. The first one that applies, in this order, decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The subject has no unit, or a blank one.
    UnitMissing,
    /// Draft, not started, ended, completed without a winner, or paused.
    NotActive,
    /// Completed: everybody gets the winner.
    Winner,
    /// The document names a variant for this unit.
    Override,
    /// Held out of all, or of this experiment.
    Holdout,
    /// An earlier assignment of the same epoch holds.
    Pinned,
    /// The unit's layer slot belongs to another experiment, or to none.
    OtherInLayer,
    /// The targeting rules do not match.
    Targeting,
    /// Not in the traffic.
    Traffic,
    /// Assigned by bucket.
    Assigned,
}

impl Reason {
    /// Every reason, in the order of evaluation.
    pub const ALL: [Self; 10] = [
        Self::UnitMissing,
        Self::NotActive,
        Self::Winner,
        Self::Override,
        Self::Holdout,
        Self::Pinned,
        Self::OtherInLayer,
        Self::Targeting,
        Self::Traffic,
        Self::Assigned,
    ];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnitMissing => "unit_missing",
            Self::NotActive => "not_active",
            Self::Winner => "winner",
            Self::Override => "override",
            Self::Holdout => "holdout",
            Self::Pinned => "pinned",
            Self::OtherInLayer => "other_in_layer",
            Self::Targeting => "targeting",
            Self::Traffic => "traffic",
            Self::Assigned => "assigned",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The reason why a flag gave its variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlagReason {
    /// No flag has this key.
    FlagNotFound,
    /// The flag is not enabled.
    FlagDisabled,
    /// A prerequisite gave another variant.
    Prerequisite,
    /// The document names a variant for this unit.
    Override,
    /// A rule's conditions match.
    Rule,
    /// The flat form's targeting refuses the unit.
    TargetingRulesNotMet,
    /// The answer depends on the unit, and the subject has none.
    UnitMissing,
    /// The unit is in the rollout.
    Enabled,
    /// Not in the rollout.
    NotInRollout,
    /// No other reason applies.
    Default,
}

impl FlagReason {
    /// Every reason, in the order of evaluation.
    pub const ALL: [Self; 10] = [
        Self::FlagNotFound,
        Self::FlagDisabled,
        Self::Prerequisite,
        Self::Override,
        Self::Rule,
        Self::TargetingRulesNotMet,
        Self::UnitMissing,
        Self::Enabled,
        Self::NotInRollout,
        Self::Default,
    ];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FlagNotFound => "flag_not_found",
            Self::FlagDisabled => "flag_disabled",
            Self::Prerequisite => "prerequisite",
            Self::Override => "override",
            Self::Rule => "rule",
            Self::TargetingRulesNotMet => "targeting_rules_not_met",
            Self::UnitMissing => "unit_missing",
            Self::Enabled => "enabled",
            Self::NotInRollout => "not_in_rollout",
            Self::Default => "default",
        }
    }
}

impl fmt::Display for FlagReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The reasons of the OpenFeature specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OpenFeatureReason {
    /// All units get the same variant.
    Static,
    /// Conditions or an override decided.
    TargetingMatch,
    /// A share of the units decided.
    Split,
    /// The flag is off.
    Disabled,
    /// The default variant.
    Default,
    /// The flag could not be evaluated.
    Error,
}

impl fmt::Display for OpenFeatureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Static => "STATIC",
            Self::TargetingMatch => "TARGETING_MATCH",
            Self::Split => "SPLIT",
            Self::Disabled => "DISABLED",
            Self::Default => "DEFAULT",
            Self::Error => "ERROR",
        })
    }
}
