//! Deciding for a unit that a rule test puts into a bucket, by the code that decides.

use crate::decide::{
    Catalog, CompiledCondition, Decision, Draw, Evaluation, Experiment, Flag, Pin, Rule, Step, Subject, Trace,
};
use crate::document::BucketsConfig;
use crate::hash::{BUCKETS, Bucketer, Purpose, Range};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The buckets of a unit, in place of those that its hash gives. A bucket counts wherever the decision draws
/// one of its name, in prerequisites and in experiments that a flag serves, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Buckets {
    /// The buckets that the test gives.
    pub given: BucketsConfig,
    /// True if the unit is hashed for the buckets that are not given. Otherwise it passes: it is in the
    /// traffic, the rollout and the experiment's slot, in no holdout, and in the first bucket among the
    /// variants.
    pub hashed: bool,
}

impl Buckets {
    /// The bucket that is not the hash's; `None` where the unit is hashed.
    fn place(&self, draw: Draw, lets_on: Range) -> Option<u32> {
        // Where nobody is let on, the last bucket is as good as any.
        let first = || (!self.hashed).then(|| lets_on.start.min(BUCKETS - 1));
        let given = match draw {
            Draw::Holdout => self.given.holdout,
            Draw::Layer => self.given.layer,
            Draw::Traffic => self.given.traffic,
            Draw::Variant => self.given.variant,
            Draw::Rollout => self.given.rollout,
            Draw::Percentage => self.given.percentage,
        };
        given.or_else(first)
    }
}

/// Watches a decision of a rule test: its steps, and which parts of the documents it asked.
#[derive(Debug, Default)]
pub struct Rehearsal {
    /// The steps, in the order in which they happened.
    pub steps: Vec<Step>,
    buckets: Buckets,
    /// The last drawn bucket, until its step is recorded.
    drawn: Option<(Draw, u32)>,
    /// For the address of each condition in the catalog, `[seen false, seen true]`.
    asked: BTreeMap<usize, [bool; 2]>,
    /// The addresses of the rules that served.
    served: BTreeSet<usize>,
}

impl Rehearsal {
    /// A rehearsal with these buckets.
    #[must_use]
    pub fn new(buckets: Buckets) -> Self {
        Self { buckets, ..Self::default() }
    }

    /// Decides an experiment.
    #[must_use]
    pub fn decide<'c>(
        &mut self,
        experiment: &'c Experiment,
        subject: &Subject<'_>,
        now: Timestamp,
        pin: Option<Pin<'_>>,
    ) -> Decision<'c> {
        experiment.evaluate(subject, now, pin, self)
    }

    /// Evaluates a flag of a catalog.
    #[must_use]
    pub fn evaluate<'c>(
        &mut self,
        catalog: &'c Catalog,
        flag: &'c Flag,
        subject: &Subject<'_>,
        now: Timestamp,
    ) -> Evaluation<'c> {
        catalog.trace_flag(flag, subject, now, self)
    }

    /// Returns true if a condition was evaluated with this outcome.
    pub(crate) fn has_asked(&self, condition: &CompiledCondition, holds: bool) -> bool {
        self.asked.get(&address(condition)).is_some_and(|[not, yes]| if holds { *yes } else { *not })
    }

    /// Returns true if a rule served a variant.
    pub(crate) fn has_served(&self, rule: &Rule) -> bool {
        self.served.contains(&address(rule))
    }

    /// The bucket that a step shows, where it is not the hash's.
    fn shown(&mut self, purpose: Purpose, range: Range) -> Option<u32> {
        let draw = match purpose {
            Purpose::Traffic => Draw::Traffic,
            Purpose::Variant => Draw::Variant,
            Purpose::Rollout => Draw::Rollout,
            Purpose::Layer => Draw::Layer,
            Purpose::Holdout => Draw::Holdout,
        };
        // Where everybody is in, nothing is drawn, and the step shows the bucket all the same.
        match self.drawn.take() {
            Some((drawn, bucket)) if drawn == draw => Some(bucket),
            _ => self.buckets.place(draw, range),
        }
    }
}

/// A catalog does not move while its tests run, so that an address tells its parts apart.
fn address<T>(part: &T) -> usize {
    std::ptr::from_ref(part).addr()
}

impl Trace for Rehearsal {
    const EVERY: bool = true;

    fn record(&mut self, step: impl FnOnce() -> Step) {
        let mut step = step();
        if let Step::Bucket { purpose, range, .. } = step
            && let Some(bucket) = self.shown(purpose, range)
        {
            step = Step::GivenBucket { purpose, bucket, range };
        }
        self.steps.push(step);
    }

    fn bucket(
        &mut self,
        draw: Draw,
        bucketer: &Bucketer,
        unit: &str,
        lets_on: impl FnOnce() -> Range,
    ) -> u32 {
        let placed = self.buckets.place(draw, lets_on());
        self.drawn = placed.map(|bucket| (draw, bucket));
        placed.unwrap_or_else(|| bucketer.bucket(unit))
    }

    fn asked(&mut self, condition: &CompiledCondition, holds: bool) {
        let [not, yes] = self.asked.entry(address(condition)).or_default();
        *(if holds { yes } else { not }) = true;
    }

    fn served(&mut self, rule: &Rule) {
        self.served.insert(address(rule));
    }
}
