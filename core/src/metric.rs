//! A metric, compiled: which events it takes, what each of them adds to its counters, and what the counters are per unit.
//!
//! Whatever depends on the kind of a metric matches [`Measure`] without a wildcard, so that a new kind does not compile before each
//! of these places has been decided.

use crate::document::{Direction, MetricConfig, MetricKind, MetricRole};
use crate::event::{Amount, property};
use jiff::SignedDuration;
use serde_json::value::RawValue;

/// A number that an experiment is judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// Its key, unique in the experiment.
    pub key: Box<str>,
    /// The name of the events that it takes.
    pub event: Box<str>,
    /// The aggregation of the events.
    pub measure: Measure,
    /// The direction of an improvement.
    pub direction: Direction,
    /// The role of the metric in a decision.
    pub role: MetricRole,
    /// The time after a unit's first exposure in which its events count; `None` means without limit.
    pub window: Option<SignedDuration>,
}

/// The aggregation of a metric's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// The share of units with at least one event.
    Conversion,
    /// The number of events per unit.
    Count,
    /// The sum of a property per unit.
    Sum {
        /// The property's name.
        property: Box<str>,
    },
    /// The mean of a property over events.
    Mean {
        /// The property's name.
        property: Box<str>,
    },
}

/// The counters that events are added to. Whatever depends on it matches it without a wildcard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregation {
    /// A unit counts once, however many events it has: its first event leaves a mark.
    Units,
    /// Each event adds a value, and the values are also summed by group, for the variance.
    Sum,
    /// The same, and the values are counted by group: their mean is over events.
    Mean,
}

impl Aggregation {
    /// Returns true if the first event of each unit leaves a mark.
    #[must_use]
    pub const fn marks_units(self) -> bool {
        match self {
            Self::Units => true,
            Self::Sum | Self::Mean => false,
        }
    }

    /// Returns true if the values of all events are added to a sum, and to that of a group of units.
    #[must_use]
    pub const fn adds_values(self) -> bool {
        match self {
            Self::Units => false,
            Self::Sum | Self::Mean => true,
        }
    }

    /// Returns true if the values of each group of units are counted beside their sum.
    #[must_use]
    pub const fn counts_values(self) -> bool {
        match self {
            Self::Units | Self::Sum => false,
            Self::Mean => true,
        }
    }
}

/// The value that an event adds to a metric, besides incrementing the number of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contribution {
    /// Its unit, if this is the unit's first event.
    Unit,
    /// A number, to the sum of the variant and to that of the unit's group.
    Value(Amount),
    /// No usable value, because the property is missing, not a number, or too large for a sum.
    Unusable,
}

impl Metric {
    /// Compiles what is written. A metric whose property is missing is left out, which is a finding of its own.
    pub(crate) fn compile(written: &[MetricConfig]) -> Vec<Self> {
        let is_primary_named = written.iter().any(|it| it.role == Some(MetricRole::Primary));
        let others = if is_primary_named { MetricRole::Secondary } else { MetricRole::Primary };
        written.iter().filter_map(|it| Self::new(it, it.role.unwrap_or(others))).collect()
    }

    fn new(written: &MetricConfig, role: MetricRole) -> Option<Self> {
        let property = || written.property.as_deref().map(Into::into);
        let measure = match written.kind {
            MetricKind::Conversion => Measure::Conversion,
            MetricKind::Count => Measure::Count,
            MetricKind::Sum => Measure::Sum { property: property()? },
            MetricKind::Mean => Measure::Mean { property: property()? },
        };
        Some(Self {
            key: (*written.key).into(),
            event: written.event.as_str().into(),
            measure,
            direction: written.direction.unwrap_or_default(),
            role,
            window: written.window.map(|window| SignedDuration::from_secs(window.seconds)),
        })
    }

    /// Returns true if an event at this time after the unit's first exposure counts.
    #[must_use]
    pub fn is_within_window(&self, after_exposure: SignedDuration) -> bool {
        !after_exposure.is_negative() && self.window.is_none_or(|window| after_exposure <= window)
    }
}

impl Measure {
    /// The word of documents for it.
    #[must_use]
    pub const fn kind(&self) -> MetricKind {
        match self {
            Self::Conversion => MetricKind::Conversion,
            Self::Count => MetricKind::Count,
            Self::Sum { .. } => MetricKind::Sum,
            Self::Mean { .. } => MetricKind::Mean,
        }
    }

    /// The counters that its events are added to.
    #[must_use]
    pub const fn aggregation(&self) -> Aggregation {
        match self {
            Self::Conversion => Aggregation::Units,
            Self::Count | Self::Sum { .. } => Aggregation::Sum,
            Self::Mean { .. } => Aggregation::Mean,
        }
    }

    /// Returns the value that an event with these properties adds.
    pub(crate) fn contribution(&self, properties: Option<&RawValue>) -> Contribution {
        match self {
            Self::Conversion => Contribution::Unit,
            Self::Count => Contribution::Value(Amount::ONE),
            Self::Sum { property } | Self::Mean { property } => {
                amount(properties, property).map_or(Contribution::Unusable, Contribution::Value)
            }
        }
    }
}

fn amount(properties: Option<&RawValue>, name: &str) -> Option<Amount> {
    Amount::of_text(property(properties?, name)?.get())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn metric(kind: &str) -> Option<Metric> {
        let written = json!({"experiment": "e", "status": "active", "variants": [{"key": "a"}, {"key": "b"}],
            "metrics": [{"key": "m", "event": "paid", "kind": kind, "property": "amount", "window": "2d"}]});
        let compiled = crate::read_and_compile([&written]);
        compiled.catalog.experiment("e")?.metrics().first().cloned()
    }

    #[test]
    fn each_kind_of_documents_is_compiled_to_itself() {
        for kind in MetricKind::ALL {
            let metric = metric(&kind.to_string()).unwrap();
            assert_eq!(metric.measure.kind(), kind);
        }
    }

    #[test]
    fn metrics_are_secondary_beside_a_named_primary_one() {
        use MetricRole::{Guardrail, Primary, Secondary};
        for (written, expected) in [
            ([None, None, Some("guardrail")], [Primary, Primary, Guardrail]),
            ([None, Some("primary"), Some("guardrail")], [Secondary, Primary, Guardrail]),
            ([Some("secondary"), None, None], [Secondary, Primary, Primary]),
        ] {
            let metrics = written.iter().enumerate().map(|(at, role)| {
                let mut metric = json!({"key": format!("m{at}"), "event": "e", "kind": "count"});
                if let Some(role) = role {
                    metric["role"] = json!(role);
                }
                metric
            });
            let written = json!({"experiment": "e", "status": "active", "variants": [{"key": "a"}, {"key": "b"}],
                "metrics": metrics.collect::<Vec<_>>()});
            let compiled = crate::read_and_compile([&written]);
            let compiled = compiled.catalog.experiment("e").unwrap().metrics();
            assert_eq!(compiled.iter().map(|it| it.role).collect::<Vec<_>>(), expected, "{written:?}");
        }
    }

    #[test]
    fn an_event_adds_what_the_kind_says() {
        let raw = |text: &str| serde_json::value::RawValue::from_string(text.to_owned()).unwrap();
        let two = Contribution::Value(Amount::from_f64(2.0).unwrap());
        for (kind, properties, expected) in [
            ("conversion", r#"{"amount": "x"}"#, Contribution::Unit),
            ("count", r#"{"amount": "x"}"#, Contribution::Value(Amount::ONE)),
            ("sum", r#"{"amount": 2}"#, two),
            ("mean", r#"{"amount": 1, "amount": 2}"#, two),
            ("sum", r#"{"amount": "2"}"#, Contribution::Unusable),
            ("mean", r#"{"amount": 1e400}"#, Contribution::Unusable),
            ("sum", "{}", Contribution::Unusable),
        ] {
            let found = metric(kind).unwrap().measure.contribution(Some(&raw(properties)));
            assert_eq!(found, expected, "{kind} {properties}");
        }
    }

    #[test]
    fn the_window_begins_with_the_exposure_and_includes_its_end() {
        let metric = metric("count").unwrap();
        for (hours, counts) in [(-1, false), (0, true), (48, true), (49, false)] {
            assert_eq!(metric.is_within_window(SignedDuration::from_hours(hours)), counts, "{hours}");
        }
    }
}
