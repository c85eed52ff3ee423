//! A metric, compiled: which events it takes, what each of them adds to its counters, and what the counters are per unit.
//!
//! Whatever depends on the kind of a metric matches [`Measure`] without a wildcard, so that a new kind does not compile before each
//! of these places has been decided.

use crate::document::{
    Direction, Key, MetricConfig, MetricKind, MetricRole, NumberOrPercent, QuantilePer, Window,
};
use crate::event::{Amount, property};
use jiff::SignedDuration;
use serde_json::value::RawValue;

/// A number that an experiment is judged by.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Its key, unique in the experiment.
    pub key: Box<str>,
    /// The name of the events that it takes; empty for a ratio, which takes those of its parts.
    pub event: Box<str>,
    /// The aggregation of the events.
    pub measure: Measure,
    /// The direction of an improvement.
    pub direction: Direction,
    /// The role of the metric in a decision.
    pub role: MetricRole,
    /// The time after a unit's first exposure in which its events count.
    pub window: CountingWindow,
    /// The greatest total of a unit.
    pub cap: Option<Cap>,
    /// The least change that matters.
    pub minimum_effect: Option<Effect>,
    /// The loss that is acceptable, of a guardrail.
    pub margin: Option<Effect>,
    /// The time before a unit's first exposure whose events reduce the variance.
    pub covariate: Option<SignedDuration>,
}

/// The time after a unit's first exposure in which its events count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CountingWindow {
    /// The beginning.
    pub from: SignedDuration,
    /// The end, which belongs to it; `None` means without limit.
    pub to: Option<SignedDuration>,
}

/// The greatest total of a unit: what is above it counts as this (winsorizing).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cap {
    /// A number.
    Value(Amount),
    /// The percentile of all units' totals, from 0 to 1.
    Percentile(f64),
}

/// The size of a change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Effect {
    /// In the metric's own unit.
    Absolute(f64),
    /// As a part of the control's value.
    Relative(f64),
}

impl Effect {
    /// What is written; a percentage is one of the control's value.
    pub(crate) fn of(written: NumberOrPercent) -> Self {
        let NumberOrPercent { number, is_percent } = written;
        if is_percent { Self::Relative(number / 100.0) } else { Self::Absolute(number) }
    }

    /// The size in the metric's own unit, where the control has this value.
    #[must_use]
    pub fn absolute(self, control: f64) -> f64 {
        match self {
            Self::Absolute(size) => size,
            Self::Relative(part) => part * control.abs(),
        }
    }
}

/// The aggregation of a metric's events.
#[derive(Debug, Clone, PartialEq)]
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
    /// The total of one metric divided by that of another, over the same units.
    Ratio {
        /// The key of the metric above the line.
        numerator: Box<str>,
        /// The key of the metric below it.
        denominator: Box<str>,
    },
    /// A quantile of a property.
    Quantile {
        /// The property's name.
        property: Box<str>,
        /// The quantile, above 0 and below 1.
        q: f64,
        /// The values.
        per: QuantilePer,
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
    /// Events are counted, and nothing else: the metric is computed from other metrics, or from the archive.
    Events,
}

impl Aggregation {
    /// Returns true if the first event of each unit leaves a mark.
    #[must_use]
    pub const fn marks_units(self) -> bool {
        match self {
            Self::Units => true,
            Self::Sum | Self::Mean | Self::Events => false,
        }
    }

    /// Returns true if the values of all events are added to a sum, and to that of a group of units.
    #[must_use]
    pub const fn adds_values(self) -> bool {
        match self {
            Self::Units | Self::Events => false,
            Self::Sum | Self::Mean => true,
        }
    }

    /// Returns true if the values of each group of units are counted beside their sum.
    #[must_use]
    pub const fn counts_values(self) -> bool {
        match self {
            Self::Units | Self::Sum | Self::Events => false,
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
    /// Nothing else.
    Nothing,
}

impl Metric {
    /// Compiles what is written. A metric that cannot be computed is left out, which is a finding of its own.
    pub(crate) fn compile(written: &[MetricConfig], goal: Option<&str>) -> Vec<Self> {
        let is_primary_named =
            goal.is_some() || written.iter().any(|it| it.role == Some(MetricRole::Primary));
        let others = if is_primary_named { MetricRole::Secondary } else { MetricRole::Primary };
        let role = |it: &MetricConfig| {
            let by_goal = if goal == Some(&*it.key) { MetricRole::Primary } else { others };
            it.role.unwrap_or(by_goal)
        };
        written.iter().filter_map(|it| Self::new(it, role(it), written)).collect()
    }

    fn new(written: &MetricConfig, role: MetricRole, all: &[MetricConfig]) -> Option<Self> {
        let property = || written.property.as_deref().map(Into::into);
        let part = |key: &Option<Key>| all.iter().find(|it| Some(&it.key) == key.as_ref());
        let duration = |window: Window| SignedDuration::from_secs(window.seconds);
        // A ratio is over the units of its parts, at the same time.
        let timed = if written.kind == MetricKind::Ratio { part(&written.numerator)? } else { written };
        let window = timed.window.map_or_else(CountingWindow::default, |it| CountingWindow {
            from: it.from.map_or(SignedDuration::ZERO, duration),
            to: it.to.map(duration),
        });
        let measure = match written.kind {
            MetricKind::Conversion => Measure::Conversion,
            MetricKind::Count => Measure::Count,
            MetricKind::Sum => Measure::Sum { property: property()? },
            MetricKind::Mean => Measure::Mean { property: property()? },
            MetricKind::Ratio => {
                let key = |written| part(written).map(|it| (*it.key).into());
                Measure::Ratio {
                    numerator: key(&written.numerator)?,
                    denominator: key(&written.denominator)?,
                }
            }
            MetricKind::Quantile => {
                let (q, per) = (written.q?.0, written.per.unwrap_or_default());
                Measure::Quantile { property: property()?, q, per }
            }
        };
        let cap = |it: NumberOrPercent| {
            if it.is_percent {
                Some(Cap::Percentile(it.number / 100.0))
            } else {
                Amount::from_f64(it.number).map(Cap::Value)
            }
        };
        Some(Self {
            key: (*written.key).into(),
            event: written.event.as_deref().unwrap_or_default().into(),
            measure,
            direction: written.direction.unwrap_or_default(),
            role,
            window,
            cap: written.cap.and_then(cap),
            minimum_effect: written.minimum_effect.map(Effect::of),
            margin: written.margin.map(Effect::of),
            covariate: written.covariate.as_ref().map(|it| duration(it.before)),
        })
    }

    /// Returns true if an event at this time after the unit's first exposure counts.
    #[must_use]
    pub fn is_within_window(&self, after_exposure: SignedDuration) -> bool {
        !after_exposure.is_negative()
            && after_exposure >= self.window.from
            && self.window.to.is_none_or(|end| after_exposure <= end)
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
            Self::Ratio { .. } => MetricKind::Ratio,
            Self::Quantile { .. } => MetricKind::Quantile,
        }
    }

    /// The counters that its events are added to.
    #[must_use]
    pub const fn aggregation(&self) -> Aggregation {
        match self {
            Self::Conversion => Aggregation::Units,
            Self::Count | Self::Sum { .. } => Aggregation::Sum,
            Self::Mean { .. } => Aggregation::Mean,
            Self::Ratio { .. } | Self::Quantile { .. } => Aggregation::Events,
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
            Self::Ratio { .. } | Self::Quantile { .. } => Contribution::Nothing,
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
            let part = |key| json!({"key": key, "event": "e", "kind": "count", "role": "secondary"});
            let mut metric = json!({"key": "m", "kind": kind.to_string()});
            if kind.needs_event() {
                metric["event"] = json!("paid");
            }
            if kind.needs_property() {
                metric["property"] = json!("amount");
            }
            match kind {
                MetricKind::Ratio => (metric["numerator"], metric["denominator"]) = (json!("n"), json!("d")),
                MetricKind::Quantile => metric["q"] = json!(0.5),
                _ => {}
            }
            let written = json!({"experiment": "e", "status": "active", "variants": [{"key": "a"}, {"key": "b"}],
                "metrics": [part("n"), metric, part("d")]});
            let compiled = crate::read_and_compile([&written]);
            assert!(compiled.findings.is_empty(), "{:?}", compiled.findings);
            assert_eq!(compiled.catalog.experiment("e").unwrap().metrics()[1].measure.kind(), kind);
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
