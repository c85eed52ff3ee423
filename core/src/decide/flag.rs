//! Deciding a flag.

use super::condition::all_hold;
use super::{
    AttributePath, Catalog, CompiledCondition, Decision, DecisionInput, Draw, FlagReason, OpenFeatureReason,
    Reason, Split, Stage, Step, Subject, Trace,
};
use crate::hash::{BUCKETS, Bucketer, Range};
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A compiled flag.
#[derive(Debug)]
pub struct Flag {
    pub(crate) key: Box<str>,
    pub(crate) enabled: bool,
    pub(crate) unit: AttributePath,
    pub(crate) variants: Box<[FlagVariant]>,
    pub(crate) default: usize,
    pub(crate) prerequisites: Box<[Prerequisite]>,
    pub(crate) overrides: BTreeMap<Box<str>, usize>,
    pub(crate) rules: Box<[Rule]>,
    pub(crate) rollout: Option<Rollout>,
}

/// A variant of a compiled flag.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagVariant {
    /// Its key.
    pub key: Box<str>,
    /// Its value.
    pub value: Value,
}

/// A flag, by index, that must give a variant, by index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prerequisite {
    pub flag: usize,
    pub variant: usize,
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub name: Box<str>,
    pub when: Box<[CompiledCondition]>,
    pub serve: Serve,
}

#[derive(Debug)]
pub(crate) enum Serve {
    Variant(usize),
    Split(Split),
    Experiment {
        /// The experiment's index in the catalog.
        index: usize,
        /// The flag's variant for each variant of the experiment.
        variants: Box<[usize]>,
    },
}

/// The flat form: targeting, a percentage, and what the units in it get.
#[derive(Debug)]
pub(crate) struct Rollout {
    pub targeting: Box<[CompiledCondition]>,
    pub bucketer: Bucketer,
    /// The end of the rollout: a unit with a lower bucket is in it.
    pub below: u32,
    pub serve: Split,
}

/// The variant that a flag served, and the reason.
#[derive(Debug, Clone, Copy)]
pub struct Evaluation<'a> {
    /// The flag's variant; `None` when no flag has the key.
    pub variant: Option<&'a FlagVariant>,
    /// The reason.
    pub reason: FlagReason,
    /// The reason in the terms of OpenFeature.
    pub open_feature: OpenFeatureReason,
    /// The name of the rule that decided.
    pub rule: Option<&'a str>,
    /// The experiment's decision, when a rule served one.
    pub decision: Option<Decision<'a>>,
}

impl Flag {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The attribute that rollouts and splits are drawn by.
    #[must_use]
    pub fn unit_attribute(&self) -> &str {
        self.unit.as_str()
    }

    /// The unit of a subject, where it has one.
    #[must_use]
    pub fn unit<'a>(&self, subject: &Subject<'a>) -> Option<Cow<'a, str>> {
        subject.unit(&self.unit)
    }

    /// Returns true if the flag is enabled.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// The variants in the order of the document.
    #[must_use]
    pub fn variants(&self) -> &[FlagVariant] {
        &self.variants
    }

    fn by_default(&self, reason: FlagReason, open_feature: OpenFeatureReason) -> Evaluation<'_> {
        self.with(self.default, reason, open_feature)
    }

    fn with(&self, variant: usize, reason: FlagReason, open_feature: OpenFeatureReason) -> Evaluation<'_> {
        let variant = self.variants.get(variant);
        Evaluation { variant, reason, open_feature, rule: None, decision: None }
    }
}

/// A rule with its flag, and the catalog whose experiments it may serve.
#[derive(Clone, Copy)]
struct FlagRule<'a> {
    catalog: &'a Catalog,
    flag: &'a Flag,
    rule: &'a Rule,
}

/// The order of evaluation of flags. It is the catalog's because a flag may ask other flags and experiments.
impl Catalog {
    /// Evaluates a flag for a subject at a time.
    #[must_use]
    pub fn evaluate(&self, flag: &str, subject: &Subject<'_>, now: Timestamp) -> Evaluation<'_> {
        match self.flag(flag) {
            Some(flag) => self.evaluate_flag(flag, subject, now),
            None => Evaluation {
                variant: None,
                reason: FlagReason::FlagNotFound,
                open_feature: OpenFeatureReason::Error,
                rule: None,
                decision: None,
            },
        }
    }

    /// Evaluates a flag of this catalog.
    #[must_use]
    pub fn evaluate_flag<'a>(
        &'a self,
        flag: &'a Flag,
        subject: &Subject<'_>,
        now: Timestamp,
    ) -> Evaluation<'a> {
        self.trace_flag(flag, subject, now, &mut ())
    }

    /// Evaluates a flag, and returns every step of the evaluation too.
    #[must_use]
    pub fn explain_flag<'a>(
        &'a self,
        flag: &'a Flag,
        subject: &Subject<'_>,
        now: Timestamp,
    ) -> (Evaluation<'a>, Vec<Step>) {
        let mut steps = Vec::new();
        (self.trace_flag(flag, subject, now, &mut steps), steps)
    }

    pub(crate) fn trace_flag<'a, T: Trace>(
        &'a self,
        flag: &'a Flag,
        subject: &Subject<'_>,
        now: Timestamp,
        trace: &mut T,
    ) -> Evaluation<'a> {
        trace.record(|| {
            Step::stage(Stage::Enabled, !flag.enabled, if flag.enabled { "enabled" } else { "not enabled" })
        });
        if !flag.enabled {
            return flag.by_default(FlagReason::FlagDisabled, OpenFeatureReason::Disabled);
        }
        if let Some(evaluation) = self.by_prerequisites(flag, subject, now, trace) {
            return evaluation;
        }
        let unit = subject.unit(&flag.unit);
        let input = DecisionInput { subject, now, unit: unit.as_deref() };
        if let Some(evaluation) = by_override(flag, input, trace) {
            return evaluation;
        }
        for rule in &flag.rules {
            let rule = FlagRule { catalog: self, flag, rule };
            if let Some(evaluation) = rule.evaluate(input, trace) {
                return evaluation;
            }
        }
        by_rollout(flag, input, trace)
    }

    /// Returns the evaluation that a failed prerequisite causes; `None` if all prerequisites are met.
    fn by_prerequisites<'a, T: Trace>(
        &'a self,
        flag: &'a Flag,
        subject: &Subject<'_>,
        now: Timestamp,
        trace: &mut T,
    ) -> Option<Evaluation<'a>> {
        let unmet = || flag.by_default(FlagReason::Prerequisite, OpenFeatureReason::Default);
        for prerequisite in &flag.prerequisites {
            let Some(other) = self.flags().get(prerequisite.flag) else {
                trace.record(|| Step::stage(Stage::Prerequisite, true, "a required flag is left out"));
                return Some(unmet());
            };
            trace.record(|| Step::Open { name: format!("flag {}", other.key) });
            let evaluation = self.trace_flag(other, subject, now, trace);
            let wanted = other.variants.get(prerequisite.variant);
            let holds = evaluation.variant.map(|it| &it.key) == wanted.map(|it| &it.key);
            trace.record(|| Step::Close { holds });
            if evaluation.reason == FlagReason::UnitMissing {
                let detail = || format!("`{}` depends on the unit, but the subject has none", other.key);
                trace.record(|| Step::stage(Stage::Prerequisite, true, detail()));
                return Some(flag.by_default(FlagReason::UnitMissing, OpenFeatureReason::Error));
            }
            if !holds {
                let detail = || format!("`{}` does not serve the required variant", other.key);
                trace.record(|| Step::stage(Stage::Prerequisite, true, detail()));
                return Some(unmet());
            }
        }
        trace.record(|| {
            Step::stage(Stage::Prerequisite, false, format!("all {} are met", flag.prerequisites.len()))
        });
        None
    }
}

impl<'a> FlagRule<'a> {
    fn evaluate<T: Trace>(self, input: DecisionInput<'_>, trace: &mut T) -> Option<Evaluation<'a>> {
        let rule = self.rule;
        trace.record(|| Step::Open { name: format!("rule {}", rule.name) });
        let matches = all_hold(&rule.when, input, trace);
        let evaluation = if matches { self.serve(input, trace) } else { None };
        trace.record(|| Step::Close { holds: matches });
        trace.record(|| {
            let detail = match (matches, &evaluation) {
                (false, _) => format!("`{}` does not match", rule.name),
                (true, None) => format!("`{}` matches, but its experiment gives no variant", rule.name),
                (true, Some(_)) => format!("`{}` matches", rule.name),
            };
            Step::stage(Stage::Rule, evaluation.is_some(), detail)
        });
        if evaluation.is_some() {
            trace.served(rule);
        }
        evaluation.map(|evaluation| Evaluation { rule: Some(&rule.name), ..evaluation })
    }

    fn serve<T: Trace>(self, input: DecisionInput<'_>, trace: &mut T) -> Option<Evaluation<'a>> {
        let Self { catalog, flag, rule } = self;
        match &rule.serve {
            Serve::Variant(variant) => {
                let everybody = rule.when.is_empty();
                let word =
                    if everybody { OpenFeatureReason::Static } else { OpenFeatureReason::TargetingMatch };
                Some(flag.with(*variant, FlagReason::Rule, word))
            }
            Serve::Split(split) => {
                let Some(unit) = input.unit else {
                    return Some(flag.by_default(FlagReason::UnitMissing, OpenFeatureReason::Error));
                };
                let variant = split.choose(unit, trace);
                Some(flag.with(variant, FlagReason::Rule, OpenFeatureReason::Split))
            }
            Serve::Experiment { index, variants } => {
                let experiment = catalog.experiments().get(*index)?;
                let mut decision = experiment.evaluate(input.subject, input.now, None, trace);
                if decision.reason == Reason::UnitMissing {
                    match experiment.decide_without_unit(input, trace) {
                        Some(for_all) => decision = for_all,
                        None => {
                            return Some(flag.by_default(FlagReason::UnitMissing, OpenFeatureReason::Error));
                        }
                    }
                }
                let key = &decision.variant?.key;
                let position = experiment.variants().iter().position(|it| it.key == *key)?;
                let variant = *variants.get(position)?;
                let evaluation = flag.with(variant, FlagReason::Rule, OpenFeatureReason::Split);
                Some(Evaluation { decision: Some(decision), ..evaluation })
            }
        }
    }
}

fn by_override<'a, T: Trace>(
    flag: &'a Flag,
    input: DecisionInput<'_>,
    trace: &mut T,
) -> Option<Evaluation<'a>> {
    let found = match input.unit {
        Some(unit) => flag.overrides.get(unit),
        None => None,
    };
    trace.record(|| {
        let detail = match found {
            Some(_) => "the document names a variant for this unit",
            None if flag.overrides.is_empty() => "no overrides",
            None => "no override names this unit",
        };
        Step::stage(Stage::Override, found.is_some(), detail)
    });
    found.map(|variant| flag.with(*variant, FlagReason::Override, OpenFeatureReason::TargetingMatch))
}

fn by_rollout<'a, T: Trace>(flag: &'a Flag, input: DecisionInput<'_>, trace: &mut T) -> Evaluation<'a> {
    let Some(rollout) = &flag.rollout else {
        trace.record(|| Step::stage(Stage::Default, true, "no rule or rollout applies"));
        return flag.by_default(FlagReason::Default, OpenFeatureReason::Default);
    };
    let targeted = all_hold(&rollout.targeting, input, trace);
    trace.record(|| {
        let detail = if targeted { "all targeting rules match" } else { "not all targeting rules match" };
        Step::stage(Stage::Targeting, !targeted, detail)
    });
    if !targeted {
        return flag.by_default(FlagReason::TargetingRulesNotMet, OpenFeatureReason::Default);
    }
    rollout.draw(flag, input, trace)
}

impl Rollout {
    fn draw<'a, T: Trace>(
        &'a self,
        flag: &'a Flag,
        input: DecisionInput<'_>,
        trace: &mut T,
    ) -> Evaluation<'a> {
        let everybody = self.below >= BUCKETS;
        let Some(unit) = input.unit else {
            if everybody && !self.serve.is_several() {
                // Nothing has to be drawn, so that nobody needs a unit.
                return flag.with(self.serve.choose("", &mut ()), FlagReason::Enabled, self.word());
            }
            trace.record(|| {
                Step::stage(Stage::Unit, true, "a share must be drawn, but the subject has no unit")
            });
            return flag.by_default(FlagReason::UnitMissing, OpenFeatureReason::Error);
        };
        let range = Range { start: 0, end: self.below };
        let inside = everybody || trace.bucket(Draw::Rollout, &self.bucketer, unit, || range) < self.below;
        trace.record(|| Step::bucket(&self.bucketer, unit, range));
        trace.record(|| {
            Step::stage(Stage::Rollout, true, if inside { "in the rollout" } else { "not in the rollout" })
        });
        if !inside {
            return flag.by_default(FlagReason::NotInRollout, OpenFeatureReason::Default);
        }
        flag.with(self.serve.choose(unit, trace), FlagReason::Enabled, self.word())
    }

    fn word(&self) -> OpenFeatureReason {
        if self.below < BUCKETS || self.serve.is_several() {
            OpenFeatureReason::Split
        } else if self.targeting.is_empty() {
            OpenFeatureReason::Static
        } else {
            OpenFeatureReason::TargetingMatch
        }
    }
}
