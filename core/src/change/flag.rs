//! A flag before and after. Which rule a unit matches depends on its attributes, so that each rule has a flow of
//! its own: of the units that it serves on both sides.

use super::Pair;
use super::flow::{self, Flow, Shape};
use super::outcome::Outcome;
use super::share::UnitShare;
use super::space::{DecisionPath, Hash, Question};
use crate::decide::{Flag, Rollout, Serve, Split};
use crate::finding::{Code, Findings};
use crate::hash::BUCKETS;

/// A way on which units get what they get.
struct Serving<'a> {
    path: DecisionPath<'a>,
    shape: Shape<'a>,
    /// The unit attribute and salt that draw the variant; `None` if all units get the same one.
    drawn_by: Option<(&'a str, &'a str)>,
}

/// The flows of a flag, without those in which everybody keeps what they have.
pub(super) fn flows(pair: &Pair<'_, &Flag>, findings: &mut Findings) -> Vec<Flow> {
    let (old, new) = (pair.before, pair.after);
    let keys = flow::keys(old.variants.iter().map(|it| &*it.key), new.variants.iter().map(|it| &*it.key));
    let mut flows = Vec::new();
    let mut add = |about: &str, before: &Serving<'_>, after: &Serving<'_>| {
        let flow = Flow::shaped(about, &keys, (&before.path, &before.shape), (&after.path, &after.shape));
        if !flow.is_still() {
            judge(before, after, &flow, findings);
            flows.push(flow);
        }
    };
    // A flag that is not enabled has no rules; those of the other side tell whom it serves otherwise.
    let rules = if new.enabled { &new.rules } else { &old.rules };
    for rule in rules {
        if let (Some(before), Some(after)) = (of_rule(old, &rule.name), of_rule(new, &rule.name)) {
            add(&format!("units of rule {}", rule.name), &before, &after);
        }
    }
    let is_targeted = |flag: &Flag| flag.rollout.as_ref().is_some_and(|it| !it.targeting.is_empty());
    let about = match (is_targeted(old) || is_targeted(new), rules.is_empty()) {
        (true, true) => super::experiment::ABOUT,
        (true, false) => "units that no rule serves and that match the targeting",
        (false, true) => super::experiment::ABOUT_ALL,
        (false, false) => "units that no rule serves",
    };
    add(about, &of_others(old), &of_others(new));
    flows
}

/// The way of the units of a rule; `None` where the flag does not have it, or leaves it to an experiment.
fn of_rule<'a>(flag: &'a Flag, name: &str) -> Option<Serving<'a>> {
    if !flag.enabled {
        return Some(Serving::always(key(flag, flag.default)));
    }
    let rule = flag.rules.iter().find(|rule| *rule.name == *name)?;
    match &rule.serve {
        Serve::Variant(variant) => Some(Serving::always(key(flag, *variant))),
        Serve::Split(split) => Some(Serving::split(flag, split)),
        Serve::Experiment { .. } => None,
    }
}

/// The way of the units that no rule serves.
fn of_others(flag: &Flag) -> Serving<'_> {
    match &flag.rollout {
        Some(rollout) if flag.enabled => Serving::rollout(flag, rollout),
        _ => Serving::always(key(flag, flag.default)),
    }
}

fn key(flag: &Flag, variant: usize) -> &str {
    flag.variants.get(variant).map_or("", |variant| &variant.key)
}

impl<'a> Serving<'a> {
    fn always(key: &'a str) -> Self {
        let shape =
            Shape { inside: UnitShare::all(), split: [(key, UnitShare::all())].into(), outside: None };
        Self { path: DecisionPath::always(Outcome::Variant(key)), shape, drawn_by: None }
    }

    fn split(flag: &'a Flag, split: &'a Split) -> Self {
        let hash = Hash::new(flag.unit.as_str(), split.bucketer());
        let slices = split.slices().iter();
        let slices = slices.map(|(end, at)| (*end, Outcome::Variant(key(flag, *at as usize))));
        let question = Question::split(hash, slices);
        let mut way = Self::always(key(flag, flag.default));
        way.path.questions.push(question);
        let sizes = split.sizes(flag.variants.len());
        let shares = flag.variants.iter().zip(sizes).filter(|(_, size)| *size > 0);
        way.shape.split = shares.map(|(it, size)| (&*it.key, UnitShare::of_buckets(size))).collect();
        way.drawn_by = split.is_several().then(|| (flag.unit.as_str(), split.bucketer().salt()));
        way
    }

    fn rollout(flag: &'a Flag, rollout: &'a Rollout) -> Self {
        let mut way = Self::split(flag, &rollout.serve);
        if rollout.below < BUCKETS {
            let default = key(flag, flag.default);
            let hash = Hash::new(flag.unit.as_str(), &rollout.bucketer);
            way.path.questions.insert(0, Question::from(hash, rollout.below, Outcome::Variant(default)));
            way.shape.inside = UnitShare::of_buckets(rollout.below);
            way.shape.outside = Some(default);
            way.drawn_by = Some((flag.unit.as_str(), rollout.bucketer.salt()));
        }
        way
    }
}

fn judge(before: &Serving<'_>, after: &Serving<'_>, flow: &Flow, findings: &mut Findings) {
    if flow.avoidable.is_none() {
        return;
    }
    match (before.drawn_by, after.drawn_by) {
        (Some(old), Some(new)) if old.0 != new.0 => {
            let message =
                format!("it randomises `{}` instead of `{}`: every unit is assigned again", new.0, old.0);
            findings
                .add(Code::UnitsReshuffled, "unit", message)
                .help("keep the unit, or create another flag");
        }
        (Some(old), Some(new)) if old.1 != new.1 => {
            let message =
                format!("the salt is `{}` instead of `{}`: every unit is assigned again", new.1, old.1);
            findings
                .add(Code::UnitsReshuffled, "salt", message)
                .help(format!("write `salt: {}` to keep the variant of every unit", old.1));
        }
        _ => {
            let (moved, avoidable) = (flow.moved.percent(), flow.avoidable.percent());
            let message =
                format!("{moved} of the {} get another variant; {avoidable} could keep theirs", flow.about);
            findings.add(Code::AvoidableMoves, "", message).help(
                "give `ranges` instead of `allocation`, so that every variant keeps the buckets it has",
            );
        }
    }
}

/// Returns remarks that belong to the numbers.
pub(super) fn notes(pair: &Pair<'_, &Flag>) -> Vec<String> {
    let mut notes = Vec::new();
    for variant in &pair.before.variants {
        let same = pair.after.variants.iter().find(|it| it.key == variant.key);
        if let Some(other) = same.filter(|it| it.value != variant.value) {
            let (old, new) = (&variant.value, &other.value);
            notes.push(format!("units that get `{}` get the value `{new}` instead of `{old}`", variant.key));
        }
    }
    if pair.before.overrides != pair.after.overrides {
        notes.push("overrides change; the flows do not include the units that they name".to_owned());
    }
    notes
}
