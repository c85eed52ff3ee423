//! The steps of an explanation.

use super::{CompiledCondition, Rule};
use crate::document::Operator;
use crate::hash::{Bucketer, Purpose, Range, bucket_of};
use crate::words;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// Watches an evaluation. Steps are made only where somebody watches: with `()` nothing of this is left in
/// the machine code.
pub(crate) trait Trace {
    /// True if conditions are still evaluated after the outcome is known, so that all of them can be shown.
    const EVERY: bool;

    fn record(&mut self, step: impl FnOnce() -> Step);

    /// Returns the bucket of a unit, by default that of its hash. A rehearsal may replace it; `lets_on` are
    /// the buckets with which the evaluation continues.
    #[inline]
    fn bucket(
        &mut self,
        _draw: Draw,
        bucketer: &Bucketer,
        unit: &str,
        _lets_on: impl FnOnce() -> Range,
    ) -> u32 {
        bucketer.bucket(unit)
    }

    /// A condition was asked.
    #[inline]
    fn asked(&mut self, _condition: &CompiledCondition, _holds: bool) {}

    /// A flag's rule served.
    #[inline]
    fn served(&mut self, _rule: &Rule) {}
}

/// The use of a bucket, in the terms of documents. It is finer than the hash's purpose: a `percentage`
/// condition hashes as a rollout does, but is a separate question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Draw {
    Holdout,
    Layer,
    Traffic,
    Variant,
    Rollout,
    Percentage,
}

impl Trace for () {
    const EVERY: bool = false;

    #[inline(always)]
    // Always: tracing nothing must cost nothing, in debug builds too.
    fn record(&mut self, _: impl FnOnce() -> Step) {}
}

impl Trace for Vec<Step> {
    const EVERY: bool = true;

    fn record(&mut self, step: impl FnOnce() -> Step) {
        self.push(step());
    }
}

/// One step of an evaluation, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// A question of the order of evaluation was asked.
    Stage {
        /// The stage.
        stage: Stage,
        /// True if this stage decided, so that no later stage was evaluated.
        decides: bool,
        /// The result of the stage, in words.
        detail: String,
    },
    /// A nesting of conditions, a segment, a rule or another flag begins.
    Open {
        /// `all`, `any`, `not`, or the name of what begins.
        name: String,
    },
    /// A nesting ends.
    Close {
        /// Its outcome.
        holds: bool,
    },
    /// A condition was evaluated.
    Condition {
        /// The attribute; `now` for the present time, `unit` for the unit.
        attribute: String,
        /// The operator of the comparison.
        operator: Operator,
        /// The value that it was compared with.
        expected: Option<Value>,
        /// The subject's value; null if the attribute is missing.
        actual: Option<Value>,
        /// The outcome.
        holds: bool,
    },
    /// A unit was hashed.
    Bucket {
        /// The purpose of the hash.
        purpose: Purpose,
        /// The text whose bytes were hashed.
        text: String,
        /// Its murmur3.
        hash: u32,
        /// The bucket, of 1,000,000.
        bucket: u32,
        /// The range that it was compared with, or fell into.
        range: Range,
    },
    /// A unit was put into a bucket by a rule test, and not hashed.
    GivenBucket {
        /// The purpose of the bucket.
        purpose: Purpose,
        /// The bucket, of 1,000,000.
        bucket: u32,
        /// The range that it was compared with, or fell into.
        range: Range,
    },
}

impl Step {
    pub(crate) fn bucket(bucketer: &Bucketer, unit: &str, range: Range) -> Self {
        let hash = bucketer.hash(unit);
        Self::Bucket {
            purpose: bucketer.purpose(),
            text: bucketer.text(unit),
            hash,
            bucket: bucket_of(hash),
            range,
        }
    }

    pub(crate) fn stage(stage: Stage, decides: bool, detail: impl Into<String>) -> Self {
        Self::Stage { stage, decides, detail: detail.into() }
    }
}

words! {
    /// The questions of the two orders of evaluation.
    #[derive(JsonSchema)]
    #[expect(missing_docs, reason = "the words are those of the order of evaluation, told there")]
    pub enum Stage: "snake_case" {
        Unit,
        Status,
        Override,
        Holdout,
        Pin,
        Layer,
        Targeting,
        Traffic,
        Variant,
        Enabled,
        Prerequisite,
        Rule,
        Rollout,
        Default,
    }
}
