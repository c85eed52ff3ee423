//! Coverage: the parts of an experiment or flag that its rule tests have reached.

use super::Rehearsal;
use crate::decide::{CompiledCondition, Experiment, Flag, FlagReason, Reason, Rule, Serve, Split};
use crate::document::Status;
use crate::finding::Path;
use crate::hash::BUCKETS;
use std::collections::BTreeSet;

/// The parts of an experiment or flag that tests can reach, and which of them they reached. Parts that the
/// document rules out are not counted: no test can reach a variant without a share, or the rules of a draft.
#[derive(Debug)]
pub struct Coverage<'c> {
    parts: Vec<(CoveragePart<'c>, bool)>,
}

/// A part of a document that a test can reach.
#[derive(Debug, Clone)]
pub struct CoveragePart<'c> {
    /// The path of the part in its document; empty for a reason.
    pub path: Path,
    /// The observation that counts the part as covered.
    pub target: CoverageTarget<'c>,
    probe: Probe<'c>,
}

/// An observation that covers a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoverageTarget<'c> {
    /// A condition with this outcome. A segment is one condition to those who use it.
    Condition(bool),
    /// A rule of this name that serves.
    Rule(&'c str),
    /// A variant of this key.
    Variant(&'c str),
    /// A reason.
    Reason(&'static str),
}

/// The way to check whether the observation was made.
#[derive(Debug, Clone, Copy)]
enum Probe<'c> {
    Condition(&'c CompiledCondition),
    Rule(&'c Rule),
    Outcome,
}

impl<'c> Coverage<'c> {
    /// Returns the coverage of an experiment before any test has run.
    #[must_use]
    pub fn of_experiment(experiment: &'c Experiment) -> Self {
        let it = experiment.parts();
        let mut list = CoverageParts::default();
        let starts_or_ends = it.starts_at.is_some() || it.ends_at.is_some();
        let is_running = matches!(it.status, Status::Active | Status::Paused);
        let is_active = it.status == Status::Active;
        if is_active {
            list.conditions(&it.targeting, &Path::of("targeting_rules"));
        }
        let mut variants = BTreeSet::new();
        if is_running {
            variants.extend(it.overrides.values().copied());
        }
        if is_active && it.below > 0 {
            variants.extend(it.split.variants());
        }
        if it.status == Status::Completed {
            variants.extend(it.winner);
        }
        for index in variants {
            list.variant(index, it.variants.get(index).map(|it| &*it.key));
        }
        let lets_all_through = |below: u32| below >= BUCKETS;
        let owned = it.slot.as_ref().map(|slot| slot.ranges.iter().map(|range| range.len()).sum());
        for (reason, is_possible) in [
            (Reason::NotActive, !is_active && it.winner.is_none() || is_running && starts_or_ends),
            (Reason::Winner, it.status == Status::Completed && it.winner.is_some()),
            (Reason::Override, is_running && !it.overrides.is_empty()),
            (Reason::Holdout, is_running && it.holdouts.iter().any(|holdout| holdout.below > 0)),
            (Reason::Pinned, it.status == Status::Paused),
            (Reason::OtherInLayer, is_active && owned.is_some_and(|buckets: u32| !lets_all_through(buckets))),
            (Reason::Targeting, is_active && !it.targeting.is_empty()),
            (Reason::Traffic, is_active && !lets_all_through(it.below)),
            (Reason::Assigned, is_active && it.below > 0),
        ] {
            list.reason(reason.as_str(), is_possible);
        }
        list.into_coverage()
    }

    /// Returns the coverage of a flag before any test has run.
    #[must_use]
    pub fn of_flag(flag: &'c Flag) -> Self {
        let mut list = CoverageParts::default();
        if !flag.enabled {
            list.variant(flag.default, flag.variants.get(flag.default).map(|it| &*it.key));
            list.reason(FlagReason::FlagDisabled.as_str(), true);
            return list.into_coverage();
        }
        let mut variants: BTreeSet<usize> = flag.overrides.values().copied().collect();
        // After a rule that serves everybody nothing is asked.
        let serves_all = flag.rules.iter().position(Rule::serves_everybody);
        let asked = serves_all.map_or(flag.rules.len(), |index| index + 1);
        for (index, rule) in flag.rules.iter().enumerate().take(asked) {
            list.rule(rule, Path::of("rules").index(index));
            rule.serve.variants(&mut variants);
        }
        let rollout = flag.rollout.as_ref().filter(|_| serves_all.is_none());
        if let Some(rollout) = rollout {
            list.conditions(&rollout.targeting, &Path::of("targeting_rules"));
            if rollout.below > 0 {
                variants.extend(rollout.serve.variants());
            }
        }
        let is_refused = rollout.is_some_and(|it| !it.targeting.is_empty());
        let is_out = rollout.is_some_and(|it| it.below < BUCKETS);
        let is_left = serves_all.is_none() && rollout.is_none();
        if !flag.prerequisites.is_empty() || is_refused || is_out || is_left {
            variants.insert(flag.default);
        }
        for index in variants {
            list.variant(index, flag.variants.get(index).map(|it| &*it.key));
        }
        for (reason, is_possible) in [
            (FlagReason::Prerequisite, !flag.prerequisites.is_empty()),
            (FlagReason::Override, !flag.overrides.is_empty()),
            (FlagReason::TargetingRulesNotMet, is_refused),
            (FlagReason::Enabled, rollout.is_some_and(|it| it.below > 0)),
            (FlagReason::NotInRollout, is_out),
            (FlagReason::Default, is_left),
        ] {
            list.reason(reason.as_str(), is_possible);
        }
        list.into_coverage()
    }

    /// Adds what a test has reached: the steps of its decision, and what came of it.
    pub fn add(&mut self, rehearsal: &Rehearsal, variant: Option<&str>, reason: &str) {
        for (part, is_reached) in &mut self.parts {
            *is_reached |= match (part.probe, part.target) {
                (Probe::Condition(condition), CoverageTarget::Condition(holds)) => {
                    rehearsal.has_asked(condition, holds)
                }
                (Probe::Rule(rule), _) => rehearsal.has_served(rule),
                (_, CoverageTarget::Variant(key)) => variant == Some(key),
                (_, CoverageTarget::Reason(word)) => reason == word,
                _ => false,
            };
        }
    }

    /// Every part, and whether a test has reached it.
    #[must_use]
    pub fn parts(&self) -> &[(CoveragePart<'c>, bool)] {
        &self.parts
    }
}

impl Serve {
    /// Adds the variants that it can give.
    fn variants(&self, variants: &mut BTreeSet<usize>) {
        match self {
            Self::Variant(variant) => {
                variants.insert(*variant);
            }
            Self::Split(split) => variants.extend(split.variants()),
            Self::Experiment { variants: of_experiment, .. } => {
                variants.extend(of_experiment.iter().copied());
            }
        }
    }
}

impl Rule {
    fn serves_everybody(&self) -> bool {
        self.when.is_empty() && !matches!(self.serve, Serve::Experiment { .. })
    }
}

impl Split {
    fn variants(&self) -> impl Iterator<Item = usize> + '_ {
        self.slices().iter().map(|(_, variant)| *variant as usize)
    }
}

#[derive(Default)]
struct CoverageParts<'c>(Vec<CoveragePart<'c>>);

impl<'c> CoverageParts<'c> {
    fn add(&mut self, path: Path, target: CoverageTarget<'c>, probe: Probe<'c>) {
        self.0.push(CoveragePart { path, target, probe });
    }

    fn variant(&mut self, index: usize, key: Option<&'c str>) {
        if let Some(key) = key {
            self.add(Path::of("variants").index(index), CoverageTarget::Variant(key), Probe::Outcome);
        }
    }

    fn reason(&mut self, word: &'static str, is_possible: bool) {
        if is_possible {
            self.add(Path::default(), CoverageTarget::Reason(word), Probe::Outcome);
        }
    }

    fn rule(&mut self, rule: &'c Rule, path: Path) {
        self.conditions(&rule.when, &path.field("when"));
        self.add(path, CoverageTarget::Rule(&rule.name), Probe::Rule(rule));
    }

    fn conditions(&mut self, conditions: &'c [CompiledCondition], path: &Path) {
        for (index, condition) in conditions.iter().enumerate() {
            self.condition(condition, &path.index(index));
        }
    }

    fn condition(&mut self, condition: &'c CompiledCondition, path: &Path) {
        match condition {
            CompiledCondition::All(inner) => self.conditions(inner, &path.field("all")),
            CompiledCondition::Any(inner) => self.conditions(inner, &path.field("any")),
            CompiledCondition::Not(inner) => match &**inner {
                // Whether it was written as a list of one is not known any more.
                [only] => self.condition(only, &path.field("not")),
                several => self.conditions(several, &path.field("not")),
            },
            CompiledCondition::Segment(_) | CompiledCondition::Leaf(_) => {
                for holds in [true, false] {
                    self.add(path.to_owned(), CoverageTarget::Condition(holds), Probe::Condition(condition));
                }
            }
        }
    }

    fn into_coverage(self) -> Coverage<'c> {
        Coverage { parts: self.0.into_iter().map(|part| (part, false)).collect() }
    }
}
