//! A feature flag, as written.

use super::payload_schema::PayloadSchema;
use super::read::record;
use super::rule::Condition;
use super::scalar::{HashScheme, Key};
use super::share::{Percentage, Share};
use crate::hash::Range;
use serde_json::Value;
use std::collections::BTreeMap;

record! {
    /// A feature flag. Without `variants` it is a boolean one, with the variants `on` (true) and `off` (false).
    ///
    /// The flat form (`targeting_rules`, `rollout_percentage`) is one rule; `rules` are tried before it.
    #[schemars(transform = super::schema::flag)]
    pub struct FeatureFlagConfig {
        /// The flag's key, unique among flags.
        pub flag: Key,
        /// A description of the flag.
        pub description: Option<String>,
        /// The person or team that is responsible.
        pub owner: Option<String>,
        /// Off: every unit gets the default variant.
        pub enabled: bool,
        /// The attribute that rollouts and splits are drawn by; `user_id` by default.
        pub unit: Option<String>,
        /// The hash scheme; `abx-1` by default.
        pub hash: Option<HashScheme>,
        /// The text that is hashed with the unit; the key by default.
        pub salt: Option<String>,
        /// Counts deliberate re-randomisations, from 1.
        pub epoch: Option<u32>,
        /// The variants; `on` and `off` by default.
        #[serde(default)]
        pub variants: Vec<FlagVariantConfig>,
        /// A description of the values of the variants, in a part of JSON Schema.
        pub payload_schema: Option<PayloadSchema>,
        /// The variant of units that get no other one; `off` by default.
        pub default_variant: Option<String>,
        /// Flags that must give a certain variant first.
        #[serde(default)]
        pub prerequisites: Vec<PrerequisiteConfig>,
        /// Units that get a variant whatever the rules say: unit -> variant.
        #[serde(default)]
        pub overrides: BTreeMap<String, String>,
        /// A CSV or JSON file with further overrides, in the folder of this document or below. `abx` reads it; what is
        /// published holds its units as `overrides`.
        pub overrides_file: Option<String>,
        /// Tried in order; the first whose conditions match serves.
        #[serde(default)]
        pub rules: Vec<FlagRuleConfig>,
        /// The conditions that a unit must match to take part in the rollout; all of them must hold.
        #[serde(default)]
        pub targeting_rules: Vec<Condition>,
        /// The percentage of units in the rollout, from 0 to 100 or as `10%`. Raising it never moves a unit.
        pub rollout_percentage: Option<Percentage>,
    }
}

record! {
    /// One of the values that a flag can take.
    #[schemars(transform = super::schema::flag_variant)]
    pub struct FlagVariantConfig {
        /// The variant's key, unique in the flag.
        pub key: Key,
        /// A boolean, string, number or object.
        pub value: Value,
        /// The share of the rollout, from 0 to 1 or as `10%`.
        pub allocation: Option<Share>,
        /// The buckets themselves, instead of an allocation.
        pub ranges: Option<Vec<Range>>,
        /// A description of the variant.
        pub description: Option<String>,
    }
}

record! {
    /// A flag that must give a certain variant before this one is looked at.
    pub struct PrerequisiteConfig {
        /// The other flag's key.
        pub flag: String,
        /// The variant that it must give.
        pub variant: String,
    }
}

record! {
    /// The conditions of a rule, and what it serves: exactly one of `serve`, `split` and `experiment`.
    #[schemars(transform = super::schema::flag_rule)]
    pub struct FlagRuleConfig {
        /// A name that decisions carry.
        pub name: Option<String>,
        /// The conditions; a list means all, and no list means everybody.
        #[serde(default)]
        pub when: Vec<Condition>,
        /// One variant for all.
        pub serve: Option<String>,
        /// Variants by share.
        pub split: Option<Vec<SplitConfig>>,
        /// The variant of this experiment; where it gives none, the next rule is tried.
        pub experiment: Option<String>,
    }
}

record! {
    /// One share of a split.
    #[schemars(transform = super::schema::shared_out)]
    pub struct SplitConfig {
        /// The variant's key.
        pub variant: String,
        /// The share, from 0 to 1 or as `10%`; equal shares if none is written.
        pub allocation: Option<Share>,
        /// The buckets themselves, instead of an allocation.
        pub ranges: Option<Vec<Range>>,
    }
}
