//! Deciding an experiment.

use super::condition::all_hold;
use super::{
    AttributePath, CompiledCondition, DecisionInput, Draw, Reason, Split, Stage, Step, Subject, Trace,
};
use crate::document::Status;
use crate::hash::{BUCKETS, Bucketer, Range};
use crate::metric::Metric;
use crate::plan::Plan;
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most bytes of a dimension's value: they are sent with every exposure.
const MAX_DIMENSION_BYTES: usize = 128;

/// A compiled experiment.
#[derive(Debug)]
pub struct Experiment(ExperimentParts);

/// The compiled parts of an experiment, as the compiler passes them on.
#[derive(Debug)]
pub(crate) struct ExperimentParts {
    pub key: Box<str>,
    pub unit: AttributePath,
    pub status: Status,
    pub epoch: u32,
    /// As the document says, without the epoch; its key by default.
    pub salt: Box<str>,
    pub starts_at: Option<Timestamp>,
    pub ends_at: Option<Timestamp>,
    pub winner: Option<usize>,
    /// Units are long and alike, and overrides few: comparing some is faster than hashing one.
    pub overrides: BTreeMap<Box<str>, usize>,
    pub holdouts: Box<[Arc<Holdout>]>,
    pub slot: Option<Slot>,
    pub targeting: Box<[CompiledCondition]>,
    pub traffic: Bucketer,
    /// The end of the traffic: a unit with a lower bucket is in it.
    pub below: u32,
    pub split: Split,
    pub variants: Box<[Variant]>,
    pub metrics: Box<[Metric]>,
    pub plan: Option<Plan>,
    pub dimensions: Box<[AttributePath]>,
}

/// A variant of a compiled experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// Its key.
    pub key: Box<str>,
    /// The value that is returned with the variant to the calling program.
    pub payload: Option<Value>,
}

/// Units that are held out.
#[derive(Debug)]
pub(crate) struct Holdout {
    pub key: Box<str>,
    pub unit: AttributePath,
    pub bucketer: Bucketer,
    /// Held out when the bucket is below.
    pub below: u32,
}

/// A layer of mutually exclusive experiments.
#[derive(Debug)]
pub(crate) struct Layer {
    pub key: Box<str>,
    pub bucketer: Bucketer,
}

/// The part of a layer that an experiment owns.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub layer: Arc<Layer>,
    pub ranges: Box<[Range]>,
}

/// An earlier assignment, which wins over the hash while its epoch lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin<'a> {
    /// The assigned variant's key.
    pub variant: &'a str,
    /// The experiment's epoch at the assignment.
    pub epoch: u32,
}

/// A variant, if there is one, and the reason for the decision.
#[derive(Debug, Clone, Copy)]
pub struct Decision<'a> {
    /// The experiment.
    pub experiment: &'a Experiment,
    /// The variant; `None` for a unit that does not take part.
    pub variant: Option<&'a Variant>,
    /// The reason.
    pub reason: Reason,
    /// The effect that an earlier assignment would have.
    pub finality: Finality,
}

/// The effect of an earlier assignment on a decision, so that a caller asks its store only where the answer matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finality {
    /// No earlier assignment changes the decision.
    Final,
    /// An earlier assignment of the experiment's epoch, to a variant that still exists, would decide: see
    /// [`Decision::with_pin`].
    UnlessPinned,
}

impl Decision<'_> {
    /// Returns the decision with an earlier assignment that was found after it was made. It is the one that
    /// [`Experiment::decide`] makes with this pin, without evaluating the experiment again.
    #[must_use]
    pub fn with_pin(self, pin: Pin<'_>) -> Self {
        match self.finality {
            Finality::Final => self,
            Finality::UnlessPinned => self.experiment.by_pin(Some(pin), &mut ()).unwrap_or(self),
        }
    }

    fn unless_pinned(self) -> Self {
        Self { finality: Finality::UnlessPinned, ..self }
    }
}

impl Experiment {
    pub(crate) fn new(parts: ExperimentParts) -> Self {
        Self(parts)
    }

    /// Returns the compiled parts, for code that counts over buckets instead of units.
    pub(crate) fn parts(&self) -> &ExperimentParts {
        &self.0
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// The attribute that is randomised.
    #[must_use]
    pub fn unit_attribute(&self) -> &str {
        self.0.unit.as_str()
    }

    /// Returns true if the experiment randomises by `user_id`.
    pub(crate) fn has_user_unit(&self) -> bool {
        self.0.unit.is_user_id()
    }

    /// The unit of a subject: what is hashed, and what an assignment is stored under.
    #[must_use]
    pub fn unit<'a>(&self, subject: &Subject<'a>) -> Option<Cow<'a, str>> {
        subject.unit(&self.0.unit)
    }

    /// The epoch, from 1.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.0.epoch
    }

    /// Returns the stage of the experiment's life cycle.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.status
    }

    /// Returns the time from which no unit takes part; `None` if the document gives none.
    #[must_use]
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.0.ends_at
    }

    /// Returns the variant that every unit gets once the experiment is completed; `None` if the document
    /// names none.
    #[must_use]
    pub fn winner(&self) -> Option<&Variant> {
        self.0.variants.get(self.0.winner?)
    }

    /// The variants in the order of the document.
    #[must_use]
    pub fn variants(&self) -> &[Variant] {
        &self.0.variants
    }

    /// The share of each variant, in buckets of 1,000,000.
    #[must_use]
    pub fn variant_buckets(&self) -> Vec<u32> {
        self.0.split.sizes(self.0.variants.len())
    }

    /// The ranges of each variant, in ascending order.
    #[must_use]
    pub fn variant_ranges(&self) -> Vec<Vec<Range>> {
        let mut ranges = vec![Vec::new(); self.0.variants.len()];
        let mut start = 0;
        for (end, variant) in self.0.split.slices() {
            if let Some(list) = ranges.get_mut(*variant as usize) {
                list.push(Range { start, end: *end });
            }
            start = *end;
        }
        ranges
    }

    /// The traffic, in buckets of 1,000,000.
    #[must_use]
    pub fn traffic_buckets(&self) -> u32 {
        self.0.below
    }

    /// The layer's key, if it is in one.
    #[must_use]
    pub fn layer(&self) -> Option<&str> {
        self.0.slot.as_ref().map(|slot| &*slot.layer.key)
    }

    /// Returns the metrics that are measured.
    #[must_use]
    pub fn metrics(&self) -> &[Metric] {
        &self.0.metrics
    }

    /// Returns the plan of the analysis.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        self.0.plan.as_ref()
    }

    /// Returns the attributes that are copied into exposures, as dotted paths.
    pub fn dimensions(&self) -> impl Iterator<Item = &str> {
        self.0.dimensions.iter().map(AttributePath::as_str)
    }

    /// A subject's values of the attributes that are copied into exposures, by their paths: texts, numbers and booleans as text, at most
    /// 128 bytes of it. What a subject does not have, and lists and objects, are left out.
    #[must_use]
    pub fn dimension_values<'a>(&'a self, subject: &Subject<'_>) -> BTreeMap<&'a str, String> {
        let value = |path: &'a AttributePath| {
            let text = match subject.attribute(path)? {
                Value::String(text) => text.clone(),
                other @ (Value::Bool(_) | Value::Number(_)) => other.to_string(),
                _ => return None,
            };
            let end = text.floor_char_boundary(MAX_DIMENSION_BYTES);
            Some((path.as_str(), text.get(..end)?.to_owned()))
        };
        self.0.dimensions.iter().filter_map(value).collect()
    }

    /// Decides for a subject at a time, with an earlier assignment if there is one.
    #[must_use]
    pub fn decide(&self, subject: &Subject<'_>, now: Timestamp, pin: Option<Pin<'_>>) -> Decision<'_> {
        self.evaluate(subject, now, pin, &mut ())
    }

    /// Decides, and returns every step of the evaluation too.
    #[must_use]
    pub fn explain(
        &self,
        subject: &Subject<'_>,
        now: Timestamp,
        pin: Option<Pin<'_>>,
    ) -> (Decision<'_>, Vec<Step>) {
        let mut steps = Vec::new();
        (self.evaluate(subject, now, pin, &mut steps), steps)
    }

    /// The order of evaluation: the first question that decides ends it.
    #[inline]
    pub(crate) fn evaluate<T: Trace>(
        &self,
        subject: &Subject<'_>,
        now: Timestamp,
        pin: Option<Pin<'_>>,
        trace: &mut T,
    ) -> Decision<'_> {
        let unit = subject.unit(&self.0.unit);
        let Some(unit) = unit.as_deref() else {
            trace.record(|| {
                let detail = format!("the subject has no `{}`, or a blank one", self.0.unit.as_str());
                Step::stage(Stage::Unit, true, detail)
            });
            return self.out(Reason::UnitMissing);
        };
        trace.record(|| Step::stage(Stage::Unit, false, format!("`{}` is {unit:?}", self.0.unit.as_str())));
        let input = DecisionInput { subject, now, unit: Some(unit) };
        if let Some(decision) = self.by_status(now, trace) {
            return decision;
        }
        if let Some(decision) = self.by_override(unit, trace) {
            return decision;
        }
        if self.is_held_out(subject, trace) {
            return self.out(Reason::Holdout);
        }
        if let Some(decision) = self.by_pin(pin, trace) {
            return decision;
        }
        if self.is_paused(trace) {
            return self.out(Reason::NotActive).unless_pinned();
        }
        if !self.owns_slot(unit, trace) {
            return self.out(Reason::OtherInLayer).unless_pinned();
        }
        if !self.is_targeted(input, trace) {
            return self.out(Reason::Targeting).unless_pinned();
        }
        if !self.is_in_traffic(unit, trace) {
            return self.out(Reason::Traffic).unless_pinned();
        }
        let decision = self.with(self.0.split.choose(unit, trace), Reason::Assigned).unless_pinned();
        trace.record(|| {
            let key = decision.variant.map_or("none", |variant| &variant.key);
            Step::stage(Stage::Variant, true, format!("the bucket is in the range of `{key}`"))
        });
        decision
    }

    /// Decides for a subject without a unit where the unit would not change the decision: the experiment is
    /// over or has not begun, or the subject does not match its targeting. `None` if the unit is needed.
    pub(crate) fn decide_without_unit<T: Trace>(
        &self,
        input: DecisionInput<'_>,
        trace: &mut T,
    ) -> Option<Decision<'_>> {
        if let Some(decision) = self.by_status(input.now, trace) {
            return Some(decision);
        }
        if self.is_paused(trace) {
            return Some(self.out(Reason::NotActive));
        }
        let targeted = self.is_targeted(DecisionInput { unit: None, ..input }, trace);
        (!targeted).then(|| self.out(Reason::Targeting))
    }

    fn out(&self, reason: Reason) -> Decision<'_> {
        Decision { experiment: self, variant: None, reason, finality: Finality::Final }
    }

    fn with(&self, variant: usize, reason: Reason) -> Decision<'_> {
        Decision {
            experiment: self,
            variant: self.0.variants.get(variant),
            reason,
            finality: Finality::Final,
        }
    }

    /// Returns the decision that the status and dates make for every unit; `None` while the experiment runs.
    pub(crate) fn by_status<T: Trace>(&self, now: Timestamp, trace: &mut T) -> Option<Decision<'_>> {
        let (decision, detail) = match self.0.status {
            Status::Draft => (Some(self.out(Reason::NotActive)), "draft"),
            Status::Completed => match self.0.winner {
                Some(winner) => (Some(self.with(winner, Reason::Winner)), "completed, with a winner"),
                None => (Some(self.out(Reason::NotActive)), "completed, without a winner"),
            },
            _ if self.0.starts_at.is_some_and(|start| now < start) => {
                (Some(self.out(Reason::NotActive)), "not started yet")
            }
            _ if self.0.ends_at.is_some_and(|end| now >= end) => (Some(self.out(Reason::NotActive)), "ended"),
            Status::Active => (None, "active"),
            Status::Paused => (None, "paused; earlier assignments stay valid"),
        };
        trace.record(|| Step::stage(Stage::Status, decision.is_some(), detail));
        decision
    }

    fn by_override<T: Trace>(&self, unit: &str, trace: &mut T) -> Option<Decision<'_>> {
        let found = self.0.overrides.get(unit);
        trace.record(|| {
            let detail = match found {
                Some(_) => "the document names a variant for this unit",
                None if self.0.overrides.is_empty() => "no overrides",
                None => "no override names this unit",
            };
            Step::stage(Stage::Override, found.is_some(), detail)
        });
        found.map(|variant| self.with(*variant, Reason::Override))
    }

    fn is_held_out<T: Trace>(&self, subject: &Subject<'_>, trace: &mut T) -> bool {
        for holdout in &self.0.holdouts {
            let Some(unit) = subject.unit(&holdout.unit) else { continue };
            let outside = || Range { start: holdout.below, end: BUCKETS };
            let held = trace.bucket(Draw::Holdout, &holdout.bucketer, &unit, outside) < holdout.below;
            let range = Range { start: 0, end: holdout.below };
            trace.record(|| Step::bucket(&holdout.bucketer, &unit, range));
            if held {
                let detail = || format!("held out by `{}`", holdout.key);
                trace.record(|| Step::stage(Stage::Holdout, true, detail()));
                return true;
            }
        }
        let detail = if self.0.holdouts.is_empty() { "no holdouts" } else { "not held out" };
        trace.record(|| Step::stage(Stage::Holdout, false, detail));
        false
    }

    fn by_pin<T: Trace>(&self, pin: Option<Pin<'_>>, trace: &mut T) -> Option<Decision<'_>> {
        let pinned = pin.filter(|pin| pin.epoch == self.0.epoch).and_then(|pin| {
            let is_it = |variant: &Variant| *variant.key == *pin.variant;
            self.0.variants.iter().position(is_it)
        });
        trace.record(|| {
            let detail = match (pin, pinned) {
                (None, _) => "no earlier assignment".to_owned(),
                (Some(pin), Some(_)) => format!("assigned to `{}` earlier", pin.variant),
                (Some(pin), None) if pin.epoch != self.0.epoch => {
                    format!(
                        "the earlier assignment is from epoch {}, but the epoch is now {}",
                        pin.epoch, self.0.epoch
                    )
                }
                (Some(pin), None) => format!("the assigned variant `{}` no longer exists", pin.variant),
            };
            Step::stage(Stage::Pin, pinned.is_some(), detail)
        });
        pinned.map(|variant| self.with(variant, Reason::Pinned))
    }

    fn is_paused<T: Trace>(&self, trace: &mut T) -> bool {
        let paused = self.0.status == Status::Paused;
        if paused {
            trace.record(|| Step::stage(Stage::Status, true, "paused: no new units"));
        }
        paused
    }

    fn owns_slot<T: Trace>(&self, unit: &str, trace: &mut T) -> bool {
        let Some(slot) = &self.0.slot else {
            trace.record(|| Step::stage(Stage::Layer, false, "not in a layer"));
            return true;
        };
        let own = || slot.ranges.first().copied().unwrap_or_default();
        let bucket = trace.bucket(Draw::Layer, &slot.layer.bucketer, unit, own);
        let owned = slot.ranges.iter().find(|range| range.contains(bucket));
        trace.record(|| {
            let range = owned.or(slot.ranges.first()).copied().unwrap_or_default();
            Step::bucket(&slot.layer.bucketer, unit, range)
        });
        trace.record(|| {
            let whose = if owned.is_some() { "this experiment" } else { "another experiment or to none" };
            let detail = format!("the bucket of layer `{}` belongs to {whose}", slot.layer.key);
            Step::stage(Stage::Layer, owned.is_none(), detail)
        });
        owned.is_some()
    }

    fn is_targeted<T: Trace>(&self, input: DecisionInput<'_>, trace: &mut T) -> bool {
        let targeted = all_hold(&self.0.targeting, input, trace);
        trace.record(|| {
            let detail = match (self.0.targeting.len(), targeted) {
                (0, _) => "no rules: everybody",
                (_, true) => "all rules match",
                (_, false) => "not all rules match",
            };
            Step::stage(Stage::Targeting, !targeted, detail)
        });
        targeted
    }

    fn is_in_traffic<T: Trace>(&self, unit: &str, trace: &mut T) -> bool {
        // Nobody's bucket can be above, so the hash is not needed.
        let everybody = self.0.below >= BUCKETS;
        let range = Range { start: 0, end: self.0.below };
        let inside = everybody || trace.bucket(Draw::Traffic, &self.0.traffic, unit, || range) < self.0.below;
        trace.record(|| Step::bucket(&self.0.traffic, unit, range));
        trace.record(|| {
            let detail = if inside { "in the traffic" } else { "not in the traffic" };
            Step::stage(Stage::Traffic, !inside, detail)
        });
        inside
    }
}
