//! A compiled case, and what came of it.

use super::{Buckets, Coverage, Rehearsal};
use crate::decide::{Catalog, Experiment, Flag, Pin, Subject, USER_ID, equal, unit_of};
use crate::document::ExpectedVariant;
use crate::finding::Path;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The cases of one document of tests.
#[derive(Debug, Clone)]
pub struct Suite {
    /// The document's index among those that were compiled together.
    pub document: usize,
    /// True if the tests are about an experiment; false for a flag.
    pub is_experiment: bool,
    /// The key of what they are about.
    pub key: String,
    /// The cases.
    pub cases: Vec<Case>,
}

/// Somebody who asks, and what they must get.
#[derive(Debug, Clone)]
pub struct Case {
    /// A description of the case, in words.
    pub name: Option<String>,
    /// The path of the case in its document, for example `cases[2]`.
    pub path: Path,
    /// The values of attributes that it is tried with; empty for none.
    pub matrix: BTreeMap<String, Vec<Value>>,
    /// The unit, as written.
    pub unit: Option<String>,
    /// The buckets of the unit.
    pub buckets: Buckets,
    /// The attributes, without those of the matrix.
    pub context: Map<String, Value>,
    /// The time of the decision, if it is written.
    pub at: Option<Timestamp>,
    /// The variant of an earlier assignment.
    pub pin: Option<String>,
    /// The expected result.
    pub expect: Expect,
    /// The expected results of some combinations; the first exception that matches a combination replaces
    /// `expect`.
    pub exceptions: Vec<Exception>,
}

/// Combinations of a matrix, and what must come of them.
#[derive(Debug, Clone)]
pub struct Exception {
    /// Attributes, each with the values that are meant.
    pub when: BTreeMap<String, Vec<Value>>,
    /// The expected result of the matching combinations.
    pub expect: Expect,
}

/// The expected result of a decision.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expect {
    /// The variant.
    pub variant: ExpectedVariant,
    /// The value of a flag.
    pub value: Option<Value>,
    /// The reason's word.
    pub reason: Option<String>,
}

/// The experiment or flag under test, in a catalog.
#[derive(Debug, Clone, Copy)]
pub enum TestSubject<'c> {
    /// An experiment.
    Experiment(&'c Experiment),
    /// A flag, and the catalog that it may ask for others.
    Flag(&'c Catalog, &'c Flag),
}

/// The result of running a case.
#[derive(Debug)]
pub struct CaseOutcome<'c> {
    /// The variant's key; `None` for none.
    pub variant: Option<&'c str>,
    /// The value of a flag's variant.
    pub value: Option<&'c Value>,
    /// The reason's word.
    pub reason: &'static str,
    /// The steps, and what was asked.
    pub rehearsal: Rehearsal,
}

/// A difference between the expected and the actual result.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Difference {
    /// `variant`, `value` or `reason`.
    pub field: &'static str,
    /// The expected value.
    pub expected: Value,
    /// The actual value; `null` if there is none.
    pub actual: Value,
}

/// The unit id of a case that names no unit.
const ANY_UNIT: &str = "any_unit";

impl Suite {
    /// Returns the experiment or flag that the tests are about; `None` if it has an error and is therefore
    /// not in the catalog.
    #[must_use]
    pub fn tested<'c>(&self, catalog: &'c Catalog) -> Option<TestSubject<'c>> {
        if self.is_experiment {
            catalog.experiment(&self.key).map(TestSubject::Experiment)
        } else {
            catalog.flag(&self.key).map(|flag| TestSubject::Flag(catalog, flag))
        }
    }
}

impl<'c> TestSubject<'c> {
    /// Returns the coverage before any test has run.
    #[must_use]
    pub fn coverage(self) -> Coverage<'c> {
        match self {
            Self::Experiment(experiment) => Coverage::of_experiment(experiment),
            Self::Flag(_, flag) => Coverage::of_flag(flag),
        }
    }
}

impl Case {
    /// Every combination of the matrix, the last attribute's values changing fastest; an empty one where there is none.
    pub fn combinations(&self) -> impl Iterator<Item = Map<String, Value>> {
        let count: usize = self.matrix.values().map(Vec::len).product();
        (0..count).map(|mut rest| {
            let value = |(attribute, values): (&String, &Vec<Value>)| {
                let value = values.get(rest % values.len().max(1)).cloned().unwrap_or_default();
                rest /= values.len().max(1);
                (attribute.clone(), value)
            };
            self.matrix.iter().rev().map(value).collect()
        })
    }

    /// Returns the expected result of a combination, and its path in the document.
    #[must_use]
    pub fn expected(&self, combination: &Map<String, Value>) -> (&Expect, Path) {
        let exceptions = self.exceptions.iter().enumerate();
        match exceptions.into_iter().find(|(_, it)| it.fits(combination)) {
            Some((index, it)) => (&it.expect, self.path.field("except").index(index)),
            None => (&self.expect, self.path.clone()),
        }
    }

    /// Decides for a combination; `now` is the time for a case that has none.
    #[must_use]
    pub fn run<'c>(
        &self,
        combination: &Map<String, Value>,
        tested: TestSubject<'c>,
        now: Timestamp,
    ) -> CaseOutcome<'c> {
        let mut attributes = self.context.clone();
        attributes.extend(combination.clone());
        let given = self.unit.as_deref().map(Cow::Borrowed).or_else(|| unit_of(attributes.get(USER_ID)?));
        let given = given.unwrap_or(Cow::Borrowed(ANY_UNIT));
        let subject = Subject::any_unit(&given, &attributes);
        let now = self.at.unwrap_or(now);
        let mut rehearsal = Rehearsal::new(self.buckets);
        match tested {
            TestSubject::Experiment(experiment) => {
                let epoch = experiment.epoch();
                let pin = self.pin.as_deref().map(|variant| Pin { variant, epoch });
                let decision = rehearsal.decide(experiment, &subject, now, pin);
                let variant = decision.variant.map(|it| &*it.key);
                CaseOutcome { variant, value: None, reason: decision.reason.as_str(), rehearsal }
            }
            TestSubject::Flag(catalog, flag) => {
                let evaluation = rehearsal.evaluate(catalog, flag, &subject, now);
                let variant = evaluation.variant.map(|it| &*it.key);
                let value = evaluation.variant.map(|it| &it.value);
                CaseOutcome { variant, value, reason: evaluation.reason.as_str(), rehearsal }
            }
        }
    }
}

impl Exception {
    fn fits(&self, combination: &Map<String, Value>) -> bool {
        let is_meant = |(attribute, values): (&String, &Vec<Value>)| {
            combination.get(attribute).is_some_and(|value| values.contains(value))
        };
        self.when.iter().all(is_meant)
    }

    /// Returns true if every combination that matches `other` also matches this exception.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.when.iter().all(|(attribute, values)| {
            other.when.get(attribute).is_some_and(|others| others.iter().all(|it| values.contains(it)))
        })
    }
}

impl Expect {
    /// Returns the differences from the expected result; empty if the case passes.
    #[must_use]
    pub fn differences(&self, outcome: &CaseOutcome<'_>) -> Vec<Difference> {
        let mut differences = Vec::new();
        let mut compare = |field, expected: Value, actual: Value| {
            if !equal(&expected, &actual) {
                differences.push(Difference { field, expected, actual });
            }
        };
        match &self.variant {
            ExpectedVariant::Any => {}
            ExpectedVariant::Nothing => compare("variant", Value::Null, outcome.variant.into()),
            ExpectedVariant::Key(key) => compare("variant", key.as_str().into(), outcome.variant.into()),
        }
        if let Some(value) = &self.value {
            compare("value", value.clone(), outcome.value.cloned().unwrap_or_default());
        }
        if let Some(reason) = &self.reason {
            compare("reason", reason.as_str().into(), outcome.reason.into());
        }
        differences
    }
}
