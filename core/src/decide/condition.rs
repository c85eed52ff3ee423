//! Compiled conditions and their evaluation.

use super::subject::USER_ID;
use super::{ConditionTest, DecisionInput, Draw, Step, Trace};
use crate::document;
use crate::hash::Range;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// A compiled condition.
#[derive(Debug, Clone)]
pub(crate) enum CompiledCondition {
    All(Box<[CompiledCondition]>),
    Any(Box<[CompiledCondition]>),
    /// True unless all of these are.
    Not(Box<[CompiledCondition]>),
    Segment(Arc<CompiledSegment>),
    Leaf(Box<Leaf>),
}

/// Named conditions.
#[derive(Debug)]
pub(crate) struct CompiledSegment {
    pub key: Box<str>,
    pub when: Box<[CompiledCondition]>,
}

/// One value of the subject against one test.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    pub source: ConditionInput,
    pub test: ConditionTest,
    /// The leaf as written, for explanations.
    pub written: document::LeafConfig,
}

/// The source of a leaf's value.
#[derive(Debug, Clone)]
pub(crate) enum ConditionInput {
    Attribute(AttributePath),
    /// The present time.
    Now,
    /// The unit of the experiment or flag.
    Unit,
}

/// A dotted path into the attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AttributePath {
    text: Box<str>,
    is_user_id: bool,
}

impl AttributePath {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.into(), is_user_id: text == USER_ID }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    #[inline]
    pub(crate) fn is_user_id(&self) -> bool {
        self.is_user_id
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.text.split('.')
    }
}

/// Returns true if all conditions hold. Without a trace, evaluation stops at the first condition that does
/// not hold; an explanation evaluates all of them to show them.
#[inline]
pub(crate) fn all_hold<T: Trace>(
    conditions: &[CompiledCondition],
    input: DecisionInput<'_>,
    trace: &mut T,
) -> bool {
    let mut holds = true;
    for condition in conditions {
        holds &= condition.holds(input, trace);
        if !holds && !T::EVERY {
            return false;
        }
    }
    holds
}

impl CompiledCondition {
    fn holds<T: Trace>(&self, input: DecisionInput<'_>, trace: &mut T) -> bool {
        let holds = match self {
            Self::Leaf(leaf) => leaf.holds(input, trace),
            Self::All(conditions) => nested(trace, "all", |trace| all_hold(conditions, input, trace)),
            Self::Any(conditions) => nested(trace, "any", |trace| any_holds(conditions, input, trace)),
            Self::Not(conditions) => nested(trace, "not", |trace| !all_hold(conditions, input, trace)),
            Self::Segment(segment) => {
                nested(trace, &segment.key, |trace| all_hold(&segment.when, input, trace))
            }
        };
        trace.asked(self, holds);
        holds
    }
}

fn any_holds<T: Trace>(conditions: &[CompiledCondition], input: DecisionInput<'_>, trace: &mut T) -> bool {
    let mut holds = false;
    for condition in conditions {
        holds |= condition.holds(input, trace);
        if holds && !T::EVERY {
            return true;
        }
    }
    holds
}

/// Evaluates inside a nesting that the trace shows.
fn nested<T: Trace>(trace: &mut T, name: &str, evaluate: impl FnOnce(&mut T) -> bool) -> bool {
    trace.record(|| Step::Open { name: name.to_owned() });
    let holds = evaluate(trace);
    trace.record(|| Step::Close { holds });
    holds
}

impl Leaf {
    fn holds<T: Trace>(&self, input: DecisionInput<'_>, trace: &mut T) -> bool {
        let holds = match &self.source {
            ConditionInput::Now => matches!(&self.test, ConditionTest::Time(test) if test.holds(input.now)),
            ConditionInput::Unit => input.unit.is_some_and(|unit| self.holds_for_unit(unit, trace)),
            ConditionInput::Attribute(path) => self.holds_for_attribute(path, input),
        };
        trace.record(|| self.step(input, holds));
        holds
    }

    /// A unit is never blank, and `percentage` is the only test that asks it.
    fn holds_for_unit<T: Trace>(&self, unit: &str, trace: &mut T) -> bool {
        let ConditionTest::Percentage(bucketer, below) = &self.test else { return false };
        trace.bucket(Draw::Percentage, bucketer, unit, || Range { start: 0, end: *below }) < *below
    }

    fn holds_for_attribute(&self, path: &AttributePath, input: DecisionInput<'_>) -> bool {
        // However it was sent, it is a text.
        if path.is_user_id()
            && let Some(id) = input.subject.user_id()
        {
            return self.test.holds_for_text(&id);
        }
        match input.subject.attribute(path) {
            Some(value) => self.test.holds_for(value),
            None => matches!(self.test, ConditionTest::NotExists),
        }
    }

    fn step(&self, input: DecisionInput<'_>, holds: bool) -> Step {
        let (attribute, actual) = match &self.source {
            ConditionInput::Now => ("now", Some(Value::String(input.now.to_string()))),
            ConditionInput::Unit => ("unit", input.unit.map(|unit| Value::String(unit.to_owned()))),
            ConditionInput::Attribute(path) => {
                let id = input.subject.user_id().filter(|_| path.is_user_id());
                let actual = match id {
                    Some(id) => Some(Cow::Owned(Value::String(id.into_owned()))),
                    None => input.subject.attribute(path).map(Cow::Borrowed),
                };
                (path.as_str(), actual.map(Cow::into_owned))
            }
        };
        Step::Condition {
            attribute: attribute.to_owned(),
            operator: self.written.operator,
            expected: self.written.value.clone(),
            actual,
            holds,
        }
    }
}
