//! Reasons of decisions. Their names are part of the API.

use crate::words;
use schemars::JsonSchema;

words! {
    /// The reason why an experiment gave a variant, or none. The first one that applies, in this order, decides.
    #[derive(JsonSchema)]
    pub enum Reason: "snake_case" {
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
}

words! {
    /// The reason why a flag gave its variant.
    #[derive(JsonSchema)]
    pub enum FlagReason: "snake_case" {
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
}

words! {
    /// The reasons of the OpenFeature specification.
    #[derive(JsonSchema)]
    pub enum OpenFeatureReason: "SCREAMING_SNAKE_CASE" {
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
}
