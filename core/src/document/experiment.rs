//! An experiment, as written.

use super::read::{record, written_words};
use super::rule::Condition;
use super::scalar::{DateTime, HashScheme, Key, Window};
use super::share::Share;
use crate::hash::Range;
use serde_json::Value;
use std::collections::BTreeMap;

record! {
    /// An experiment: who takes part, and which share sees which variant.
    #[schemars(transform = super::schema::experiment)]
    pub struct ExperimentConfig {
        /// The experiment's key, unique among experiments.
        pub experiment: Key,
        /// A description of the experiment.
        pub description: Option<String>,
        /// The person or team that is responsible.
        pub owner: Option<String>,
        /// The stage of the experiment's life cycle.
        pub status: Status,
        /// The attribute that is randomised; `user_id` by default.
        pub unit: Option<String>,
        /// The hash scheme; `abx-1` by default.
        pub hash: Option<HashScheme>,
        /// The text that is hashed with the unit; the key by default. Units keep their variants as long as
        /// the salt stays the same.
        pub salt: Option<String>,
        /// Counts deliberate re-randomisations, from 1.
        pub epoch: Option<u32>,
        /// The share of units that take part, from 0 to 1 or as `10%`; 1 by default. Raising it never moves a unit.
        pub traffic_allocation: Option<Share>,
        /// The variants, in the order of their ranges.
        #[serde(default)]
        pub variants: Vec<VariantConfig>,
        /// The conditions that a unit must match to take part; all of them must hold.
        #[serde(default)]
        pub targeting_rules: Vec<Condition>,
        /// The layer of mutually exclusive experiments that this one belongs to.
        pub layer: Option<String>,
        /// Units that get a variant whatever the rules say: unit -> variant.
        #[serde(default)]
        pub overrides: BTreeMap<String, String>,
        /// A CSV or JSON file with further overrides, in the folder of this document or below. `abx` reads it; what is
        /// published holds its units as `overrides`.
        pub overrides_file: Option<String>,
        /// The variant that everybody gets once the experiment is completed.
        pub winner: Option<String>,
        /// The start: no unit takes part before it.
        pub starts_at: Option<DateTime>,
        /// The end: no unit takes part from then on.
        pub ends_at: Option<DateTime>,
        /// The metrics that are measured.
        #[serde(default)]
        pub metrics: Vec<MetricConfig>,
    }
}

written_words! {
    /// The stage of an experiment's life cycle.
    pub enum Status: "snake_case" {
        /// Being written; nobody takes part.
        #[default]
        Draft,
        /// Units are assigned.
        Active,
        /// No new units; assigned ones keep their variant.
        Paused,
        /// Over; everybody gets the winner, if one is named.
        Completed,
    }
}

record! {
    /// One of the things that are compared.
    #[schemars(transform = super::schema::shared_out)]
    pub struct VariantConfig {
        /// The variant's key, unique in the experiment.
        pub key: Key,
        /// The share of the traffic, from 0 to 1 or as `10%`; equal shares if no variant has one.
        pub allocation: Option<Share>,
        /// The buckets themselves, instead of an allocation: `[[0, 250000], [500000, 750000]]`.
        pub ranges: Option<Vec<Range>>,
        /// A value that is returned with the variant to the calling program, for example its configuration.
        pub payload: Option<Value>,
        /// A description of the variant.
        pub description: Option<String>,
    }
}

record! {
    /// A number that the experiment is judged by.
    #[schemars(transform = super::schema::metric)]
    pub struct MetricConfig {
        /// The metric's key, unique in the experiment.
        pub key: Key,
        /// The name of the events that it counts.
        pub event: String,
        /// The aggregation of the metric's events.
        pub kind: MetricKind,
        /// The event property that is summed or averaged.
        pub property: Option<String>,
        /// The direction of an improvement; `increase` by default.
        pub direction: Option<Direction>,
        /// `primary` by default; `secondary` where another metric of the experiment is named `primary`.
        pub role: Option<MetricRole>,
        /// The time after a unit's first exposure in which its events count; unlimited by default.
        pub window: Option<Window>,
    }
}

written_words! {
    /// The aggregation of a metric's events.
    pub enum MetricKind: "snake_case" {
        /// The share of units with at least one event.
        #[default]
        Conversion,
        /// The number of events.
        Count,
        /// The sum of a property.
        Sum,
        /// The mean of a property over events.
        Mean,
    }
}

impl MetricKind {
    /// Returns true if its metrics have to name a property of the event.
    #[must_use]
    pub const fn needs_property(self) -> bool {
        match self {
            Self::Conversion | Self::Count => false,
            Self::Sum | Self::Mean => true,
        }
    }

    /// Returns true if its value is a share of units, which is shown in percent.
    #[must_use]
    pub const fn is_rate(self) -> bool {
        match self {
            Self::Conversion => true,
            Self::Count | Self::Sum | Self::Mean => false,
        }
    }
}

written_words! {
    /// The direction of an improvement.
    pub enum Direction: "snake_case" {
        /// More is better.
        #[default]
        Increase,
        /// Less is better.
        Decrease,
    }
}

written_words! {
    /// The role of a metric in a decision.
    pub enum MetricRole: "snake_case" {
        /// Decides the experiment.
        #[default]
        Primary,
        /// Explains the decision, and does not make it.
        Secondary,
        /// Must not get worse.
        Guardrail,
    }
}
