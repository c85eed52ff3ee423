//! An experiment before and after: whom the change moves, and whether it spoils what was counted so far.

use super::Pair;
use super::flow::{self, Flow};
use super::outcome::Outcome;
use super::space::{DecisionPath, Hash, Question};
use crate::decide::{Experiment, ExperimentParts, Reason};
use crate::document::Status;
use crate::finding::{Code, Findings, Path};
use crate::hash::{BUCKETS, Range};
use crate::metric::Metric;
use jiff::Timestamp;
use serde_json::Value;

/// The units that the flow of an experiment is about.
pub(super) const ABOUT: &str = "units that match the targeting";
pub(super) const ABOUT_ALL: &str = "all units";

/// Returns the outcome of units by hash. Overrides cover only a few units, assignments that are pinned are
/// stored, and targeting is not a hash, so all three are left out. A holdout of another attribute is treated
/// as if every subject had that attribute.
pub(super) fn path(experiment: &Experiment, now: Timestamp) -> DecisionPath<'_> {
    let parts = experiment.parts();
    let outcome = |index: usize| match parts.variants.get(index) {
        Some(variant) => Outcome::Variant(&*variant.key),
        None => Outcome::None(Reason::NotActive),
    };
    if let Some(decision) = experiment.by_status(now, &mut ()) {
        let key = decision.variant.map(|variant| Outcome::Variant(&*variant.key));
        return DecisionPath::always(key.unwrap_or(Outcome::None(decision.reason)));
    }
    let mut questions = Vec::new();
    for holdout in &parts.holdouts {
        let hash = Hash::new(holdout.unit.as_str(), &holdout.bucketer);
        questions.push(Question::below(hash, holdout.below, Outcome::None(Reason::Holdout)));
    }
    if parts.status == Status::Paused {
        return DecisionPath { questions, otherwise: Outcome::None(Reason::NotActive) };
    }
    let unit = parts.unit.as_str();
    if let Some(slot) = &parts.slot {
        let hash = Hash::new(unit, &slot.layer.bucketer);
        questions.push(Question::outside(hash, &slot.ranges, Outcome::None(Reason::OtherInLayer)));
    }
    if parts.below < BUCKETS {
        let hash = Hash::new(unit, &parts.traffic);
        questions.push(Question::from(hash, parts.below, Outcome::None(Reason::Traffic)));
    }
    let slices = parts.split.slices().iter().map(|(end, variant)| (*end, outcome(*variant as usize)));
    questions.push(Question::split(Hash::new(unit, parts.split.bucketer()), slices));
    // Every bucket has a variant, so that the last question always decides.
    DecisionPath { questions, otherwise: Outcome::None(Reason::NotActive) }
}

/// The flow of an experiment.
pub(super) fn flow(pair: &Pair<'_, &Experiment>, now: Timestamp) -> Flow {
    let everybody = [pair.before, pair.after].iter().all(|it| it.parts().targeting.is_empty());
    let about = if everybody { ABOUT_ALL } else { ABOUT };
    let [old, new] = [pair.before, pair.after].map(|it| it.variants().iter().map(|it| &*it.key));
    let keys = flow::keys(old, new);
    Flow::between(about, &keys, &path(pair.before, now), &path(pair.after, now))
}

/// Reports damage that a change does to the results of an experiment that runs before and after it. A stopped
/// experiment already has its results, and one that has not started has none.
pub(super) fn judge(pair: &Pair<'_, &Experiment>, flow: &Flow, now: Timestamp, findings: &mut Findings) {
    let runs = |it: &Experiment| it.by_status(now, &mut ()).is_none();
    if !runs(pair.before) || !runs(pair.after) {
        return;
    }
    if !is_drawn_anew(pair, findings) {
        judge_switches(pair, flow, findings);
        judge_leaving(pair, flow, findings);
    }
    judge_variants(pair, findings);
    judge_metrics(pair, findings);
}

/// Returns true if every unit falls into another bucket than before, deliberately or not.
fn is_drawn_anew(pair: &Pair<'_, &Experiment>, findings: &mut Findings) -> bool {
    let (old, new) = (pair.before.parts(), pair.after.parts());
    if old.unit != new.unit {
        let message = format!("it randomises `{}` instead of `{}`", new.unit.as_str(), old.unit.as_str());
        findings
            .add(Code::UnitsReshuffled, "unit", message + ": every unit is assigned again")
            .help("keep the unit, or start another experiment");
    } else if old.epoch != new.epoch {
        let message = format!("epoch {} after {}: every unit is assigned again", new.epoch, old.epoch);
        findings.add(Code::EpochChanged, "epoch", message + ", and earlier assignments no longer hold").help(
            "counting restarts with the epoch, so results do not mix; in effect, it is a new experiment",
        );
    } else if old.salt != new.salt {
        let (old, new) = (&old.salt, &new.salt);
        let message = format!("the salt is `{new}` instead of `{old}`: every unit is assigned again");
        findings.add(Code::UnitsReshuffled, "salt", message).help(format!(
            "write `salt: {old}` to keep the variant of every unit; raise `epoch` to start again"
        ));
    } else {
        return false;
    }
    true
}

fn judge_switches(pair: &Pair<'_, &Experiment>, flow: &Flow, findings: &mut Findings) {
    if flow.switched.is_none() {
        return;
    }
    let switched = flow.switched.percent();
    if flow.avoidable_switches.is_none() {
        findings
            .add(Code::UnitsSwitch, "variants", format!("{switched} of the units get another variant"))
            .help("no change to these shares moves fewer units; assigned units keep their variant");
    } else {
        let avoidable = flow.avoidable_switches.percent();
        findings
            .add(
                Code::AvoidableMoves,
                "variants",
                format!("{switched} of the units get another variant; {avoidable} could keep theirs"),
            )
            .help(format!("abx rebalance {} --to {}", pair.after.key(), shares(pair.after)));
    }
}

/// The shares of an experiment as an argument.
fn shares(experiment: &Experiment) -> String {
    let sizes = experiment.variant_buckets();
    let share = |(variant, size): (&crate::decide::Variant, u32)| {
        format!("{}={}", variant.key, f64::from(size) / f64::from(BUCKETS))
    };
    experiment.variants().iter().zip(sizes).map(share).collect::<Vec<_>>().join(",")
}

fn judge_leaving(pair: &Pair<'_, &Experiment>, flow: &Flow, findings: &mut Findings) {
    if flow.left.is_none() {
        return;
    }
    let (old, new) = (pair.before.parts(), pair.after.parts());
    let ranges = |parts: &ExperimentParts| -> Option<Vec<Range>> {
        parts.slot.as_ref().map(|slot| slot.ranges.to_vec())
    };
    let salt = |parts: &ExperimentParts| -> Option<String> {
        parts.slot.as_ref().map(|slot| slot.layer.bucketer.salt().to_owned())
    };
    let (path, why) = if new.status == Status::Paused {
        ("status", "it is paused")
    } else if new.below < old.below {
        ("traffic_allocation", "the traffic is lower")
    } else if salt(old) != salt(new) {
        ("layer", "its layer has another salt, so other units take part")
    } else if ranges(old) != ranges(new) {
        ("layer", "its slot in the layer has other buckets")
    } else {
        ("", "a layer or a holdout now excludes them")
    };
    let left = flow.left.percent();
    findings
        .add(Code::UnitsLeave, path, format!("{left} of the units no longer get a variant: {why}"))
        .help("assigned units keep their variant unless a holdout now covers them; new units differ from earlier ones");
}

fn judge_variants(pair: &Pair<'_, &Experiment>, findings: &mut Findings) {
    for (at, variant) in pair.before.variants().iter().enumerate() {
        let found = pair.after.variants().iter().enumerate().find(|(_, it)| it.key == variant.key);
        match found {
            None => {
                findings
                    .add(
                        Code::VariantRemoved,
                        Path::of("variants").index(at),
                        format!("the variant `{}` is removed, and its units get another one", variant.key),
                    )
                    .help("compare the other variants only from now on, or raise `epoch`");
            }
            Some((at, kept)) if kept.payload != variant.payload => {
                findings
                    .add(
                        Code::PayloadChanged,
                        Path::of("variants").index(at).field("payload"),
                        format!("the variant `{}` has another payload from now on", variant.key),
                    )
                    .help("raise `epoch`, or add a new variant with the new payload");
            }
            Some(_) => {}
        }
    }
}

fn judge_metrics(pair: &Pair<'_, &Experiment>, findings: &mut Findings) {
    let (old, new) = (pair.before.metrics(), pair.after.metrics());
    for (at, metric) in old.iter().enumerate() {
        let counts_alike = |it: &Metric| {
            (&it.event, &it.measure, it.window) == (&metric.event, &metric.measure, metric.window)
        };
        let (path, what) = match new.iter().enumerate().find(|(_, it)| it.key == metric.key) {
            Some((_, it)) if counts_alike(it) => continue,
            Some((at, _)) => (Path::of("metrics").index(at), "is counted differently from now on"),
            None => (Path::of("metrics").index(at), "is no longer counted"),
        };
        findings
            .add(Code::MetricChanged, path, format!("the metric `{}` {what}", &*metric.key))
            .help("give it a new key, so that earlier counts are not mixed with new ones");
    }
}

/// Reports a change of the targeting of a running experiment, in its own conditions or in a segment of them. `segment`
/// is the changed segment that it uses.
pub(super) fn judge_targeting(
    pair: &Pair<'_, &Experiment>,
    now: Timestamp,
    segment: Option<&str>,
    findings: &mut Findings,
) {
    let runs = |it: &Experiment| it.by_status(now, &mut ()).is_none();
    if !runs(pair.before) || !runs(pair.after) {
        return;
    }
    let rules = |document: &Value| document.get("targeting_rules").cloned();
    let why = if rules(pair.before_document) != rules(pair.after_document) {
        "the targeting changes while it runs".to_owned()
    } else if let Some(segment) = segment {
        format!("its segment `{segment}` changes while it runs")
    } else {
        return;
    };
    findings
        .add(Code::TargetingChanged, "targeting_rules", why + ": earlier and later units are not comparable")
        .help("count the units that it moves with --units-file; raise `epoch` to count only later units");
}

/// Returns remarks that belong to the numbers.
pub(super) fn notes(pair: &Pair<'_, &Experiment>) -> Vec<String> {
    let (old, new) = (pair.before, pair.after);
    let keys = |it: &Experiment| -> Vec<Box<str>> { it.variants().iter().map(|it| it.key.clone()).collect() };
    let (old_keys, new_keys) = (keys(old), keys(new));
    let mut notes = Vec::new();
    let kept = |keys: &[Box<str>], others: &[Box<str>]| -> Vec<Box<str>> {
        keys.iter().filter(|key| others.contains(key)).cloned().collect()
    };
    if kept(&old_keys, &new_keys) != kept(&new_keys, &old_keys) {
        notes
            .push("the variants are in another order; without `ranges`, this moves their buckets".to_owned());
    }
    if old.parts().overrides != new.parts().overrides {
        notes.push("overrides change; the flows do not include the units that they name".to_owned());
    }
    notes
}
