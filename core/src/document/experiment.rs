//! An experiment, as written.

use super::payload_schema::PayloadSchema;
use super::read::{record, written_words};
use super::rule::Condition;
use super::scalar::{DateTime, HashScheme, Key, MetricWindow, NumberOrPercent, Window};
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
        /// A description of the payloads of the variants, in a part of JSON Schema.
        pub payload_schema: Option<PayloadSchema>,
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
        /// The plan of the analysis, made before the start: `abx power` writes it, and `abx results` judges by it.
        pub plan: Option<PlanConfig>,
        /// Attributes of units that are copied into their exposures, for results by their values; no others are.
        #[serde(default)]
        pub dimensions: Vec<String>,
    }
}

record! {
    /// The plan of an analysis, made before the start.
    pub struct PlanConfig {
        /// The key of the metric that decides; it is the only `primary` one unless others are named so.
        pub goal: Option<Key>,
        /// The least change of the goal that is worth finding: in its own unit, or as `5%` of the control's value.
        pub minimum_effect: Option<NumberOrPercent>,
        /// The probability of finding a change of that size; 80 % by default.
        pub power: Option<Share>,
        /// The probability of any false positive among primary metrics; 5 % by default.
        pub alpha: Option<Share>,
        /// The units in all variants together that the change takes, as `abx power KEY` computes it.
        pub units: Option<u32>,
        /// The days that the experiment is to run.
        pub days: Option<u32>,
        /// When results may be judged; `any` by default.
        pub looks: Option<PlanLooks>,
    }
}

written_words! {
    /// When results may be judged.
    pub enum PlanLooks: "snake_case" {
        /// At any time.
        #[default]
        Any,
        /// Once, when the planned number of units or of days is reached. That takes fewer units.
        Final,
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
        /// The name of the events that it counts; a `ratio` has none.
        pub event: Option<String>,
        /// The aggregation of the metric's events.
        pub kind: MetricKind,
        /// The event property that is summed or averaged.
        pub property: Option<String>,
        /// The direction of an improvement; `increase` by default.
        pub direction: Option<Direction>,
        /// `primary` by default; `secondary` where another metric of the experiment is named `primary`.
        pub role: Option<MetricRole>,
        /// The time after a unit's first exposure in which its events count, as `7d` or `{from: 1d, to: 7d}`; unlimited by default.
        pub window: Option<MetricWindow>,
        /// The metric above the line of a `ratio`, by its key.
        pub numerator: Option<Key>,
        /// The metric below the line of a `ratio`, by its key.
        pub denominator: Option<Key>,
        /// The quantile, from 0 to 1 or as `90%`.
        pub q: Option<Share>,
        /// The values of a `quantile`: the total of each unit, which is the default, or those of all events.
        pub per: Option<QuantilePer>,
        /// The greatest total of a unit, above which it counts as this: a number, or a percentile as `99%`. Computed from the archive.
        pub cap: Option<NumberOrPercent>,
        /// The least change that matters: in the metric's own unit, or as `5%` of the control's value.
        pub minimum_effect: Option<NumberOrPercent>,
        /// The loss of a guardrail that is acceptable: in its own unit, or as `2%` of the control's value. A guardrail is safe once the loss is
        /// shown to be smaller.
        pub margin: Option<NumberOrPercent>,
        /// Reduces the variance by what units did before their first exposure. Computed from the archive.
        pub covariate: Option<CovariateConfig>,
    }
}

record! {
    /// The same metric before the experiment, by which its variance is reduced (CUPED).
    pub struct CovariateConfig {
        /// The time before a unit's first exposure.
        pub before: Window,
    }
}

written_words! {
    /// The values of a quantile.
    pub enum QuantilePer: "snake_case" {
        /// The total of each unit.
        #[default]
        Unit,
        /// The value of each event.
        Event,
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
        /// A metric of units divided by another.
        Ratio,
        /// A quantile of a property, from the archive.
        Quantile,
    }
}

impl MetricKind {
    /// Returns true if its metrics have to name a property of the event.
    #[must_use]
    pub const fn needs_property(self) -> bool {
        match self {
            Self::Conversion | Self::Count | Self::Ratio => false,
            Self::Sum | Self::Mean | Self::Quantile => true,
        }
    }

    /// Returns true if its metrics have to name an event.
    #[must_use]
    pub const fn needs_event(self) -> bool {
        match self {
            Self::Conversion | Self::Count | Self::Sum | Self::Mean | Self::Quantile => true,
            Self::Ratio => false,
        }
    }

    /// Returns true if its value is a share of units, which is shown in percent.
    #[must_use]
    pub const fn is_rate(self) -> bool {
        match self {
            Self::Conversion => true,
            Self::Count | Self::Sum | Self::Mean | Self::Ratio | Self::Quantile => false,
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
