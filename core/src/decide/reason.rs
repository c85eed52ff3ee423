//! Reasons of decisions. Their names are part of the API.

use crate::words;
use schemars::JsonSchema;

words! {
    /// The reason why an experiment gave a variant, or none. The first one that applies, in this order, decides.
    #[derive(JsonSchema)]
    pub enum Reason {
        /// The subject has no unit, or a blank one.
        UnitMissing = "unit_missing",
        /// Draft, not started, ended, completed without a winner, or paused.
        NotActive = "not_active",
        /// Completed: everybody gets the winner.
        Winner = "winner",
        /// The document names a variant for this unit.
        Override = "override",
        /// Held out of all, or of this experiment.
        Holdout = "holdout",
        /// An earlier assignment of the same epoch holds.
        Pinned = "pinned",
        /// The unit's layer slot belongs to another experiment, or to none.
        OtherInLayer = "other_in_layer",
        /// The targeting rules do not match.
        Targeting = "targeting",
        /// Not in the traffic.
        Traffic = "traffic",
        /// Assigned by bucket.
        Assigned = "assigned",
    }
}

words! {
    /// The reason why a flag gave its variant.
    #[derive(JsonSchema)]
    pub enum FlagReason {
        /// No flag has this key.
        FlagNotFound = "flag_not_found",
        /// The flag is not enabled.
        FlagDisabled = "flag_disabled",
        /// A prerequisite gave another variant.
        Prerequisite = "prerequisite",
        /// The document names a variant for this unit.
        Override = "override",
        /// A rule's conditions match.
        Rule = "rule",
        /// The flat form's targeting refuses the unit.
        TargetingRulesNotMet = "targeting_rules_not_met",
        /// The answer depends on the unit, and the subject has none.
        UnitMissing = "unit_missing",
        /// The unit is in the rollout.
        Enabled = "enabled",
        /// Not in the rollout.
        NotInRollout = "not_in_rollout",
        /// No other reason applies.
        Default = "default",
    }
}

words! {
    /// The reasons of the OpenFeature specification.
    #[derive(JsonSchema)]
    pub enum OpenFeatureReason {
        /// All units get the same variant.
        Static = "STATIC",
        /// Conditions or an override decided.
        TargetingMatch = "TARGETING_MATCH",
        /// A share of the units decided.
        Split = "SPLIT",
        /// The flag is off.
        Disabled = "DISABLED",
        /// The default variant.
        Default = "DEFAULT",
        /// The flag could not be evaluated.
        Error = "ERROR",
    }
}
