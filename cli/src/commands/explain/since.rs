//! The differences since a revision, in the terms of the steps of a decision.

use super::answer::UnitDecisions;
use crate::inputs::DocumentSource;
use crate::render::style::{BAD, DIM, GOOD, TITLE};
use crate::render::{change, steps};
use crate::source::Checked;
use abx_core::change::{Diff, compare};
use abx_core::decide::Step;
use abx_functions::catalog::name;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;

/// The decision of an earlier revision, and the differences.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct SinceRevision {
    /// The revision.
    source: String,
    /// The source of the present documents.
    now: String,
    #[serde(flatten)]
    then: UnitDecisions,
    /// The steps that differ, in their order.
    steps: Vec<StepsChange>,
    /// The differences of the documents that the decision is made from.
    changes: Diff,
}

/// Steps of then that others have taken the place of; both are empty for none.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct StepsChange {
    then: Vec<Step>,
    now: Vec<Step>,
}

impl SinceRevision {
    pub(super) fn new(
        source: String,
        now_from: String,
        then: UnitDecisions,
        now: &UnitDecisions,
        changes: Diff,
    ) -> Self {
        let of_experiment = pair(then.of_experiment(), now.of_experiment());
        let of_flag = pair(then.of_flag(), now.of_flag());
        let differing = |(_, then, _, now): &(_, &[Step], _, &[Step])| {
            let ops = difference(then, now).into_iter().filter(|op| !matches!(op, DiffOp::Equal { .. }));
            let part = |steps: &[Step], range: Range<usize>| steps.get(range).unwrap_or_default().to_vec();
            ops.map(|op| StepsChange { then: part(then, op.old_range()), now: part(now, op.new_range()) })
                .collect::<Vec<_>>()
        };
        let steps = of_experiment.iter().chain(&of_flag).flat_map(differing).collect();
        Self { source, now: now_from, steps, changes, then }
    }

    pub(super) fn human(&self, now: &UnitDecisions) -> String {
        let mut text = format!("  then  {:.0}  {DIM}{}{DIM:#}\n", self.then.at, self.source);
        let _ = writeln!(text, "  now   {:.0}  {DIM}{}{DIM:#}", now.at, self.now);
        let both =
            [pair(self.then.of_experiment(), now.of_experiment()), pair(self.then.of_flag(), now.of_flag())];
        let nothing = || "no experiment or flag has this key".to_owned();
        for (then_title, then_steps, now_title, now_steps) in both.into_iter().flatten() {
            let _ = writeln!(text, "\n{BAD}-{BAD:#} {}", then_title.unwrap_or_else(nothing));
            let _ = writeln!(text, "{GOOD}+{GOOD:#} {}", now_title.unwrap_or_else(nothing));
            text.push_str(&lines(then_steps, now_steps));
        }
        if self.steps.is_empty() {
            text.push_str("\nevery step is the same\n");
        }
        if !self.changes.documents.is_empty() {
            let documents = change::human(&self.changes);
            let _ = write!(text, "\n{TITLE}the documents since{TITLE:#}\n{documents}");
        }
        if self.then.errors > 0 {
            let _ = writeln!(text, "\nerrors kept documents out of {} ({})", self.source, self.then.errors);
        }
        text
    }
}

/// The titles and steps of then and now; `None` where there is nothing at either time.
type TitledSteps<'a> = (Option<String>, &'a [Step], Option<String>, &'a [Step]);

fn pair<'a>(
    then: Option<(String, &'a [Step])>,
    now: Option<(String, &'a [Step])>,
) -> Option<TitledSteps<'a>> {
    if then.is_none() && now.is_none() {
        return None;
    }
    let (then_title, then_steps) = then.unzip();
    let (now_title, now_steps) = now.unzip();
    Some((then_title, then_steps.unwrap_or_default(), now_title, now_steps.unwrap_or_default()))
}

/// Compared as a person reads them: two steps with the same words are the same.
fn difference(then: &[Step], now: &[Step]) -> Vec<DiffOp> {
    let (then, now) = (steps::lines(then), steps::lines(now));
    capture_diff_slices(Algorithm::Myers, &then, &now)
}

/// All steps, those of then with `-` and those of now with `+` where they differ.
fn lines(then: &[Step], now: &[Step]) -> String {
    let ops = difference(then, now);
    let (then, now) = (steps::lines(then), steps::lines(now));
    let (gone, new) = (format!("{BAD}-{BAD:#}"), format!("{GOOD}+{GOOD:#}"));
    let mut text = String::new();
    let mut add = |mark: &str, lines: Option<&[String]>| {
        for line in lines.unwrap_or_default() {
            let _ = writeln!(text, "{mark} {line}");
        }
    };
    for op in ops {
        if matches!(op, DiffOp::Equal { .. }) {
            add(" ", now.get(op.new_range()));
        } else {
            add(&gone, then.get(op.old_range()));
            add(&new, now.get(op.new_range()));
        }
    }
    text
}

/// Places as a person wrote them.
pub(super) fn list(sources: &[DocumentSource]) -> String {
    sources.iter().map(DocumentSource::to_string).collect::<Vec<_>>().join(", ")
}

/// Compares the documents that an experiment or flag is decided from (its own, those that it names, and the
/// shared one), and the units that the differences move at a time.
pub(super) fn documents(key: &str, then: &Checked, now: &Checked, at: Timestamp) -> Diff {
    let values = || then.values.iter().chain(&now.values).map(|(_, value)| value);
    let mut names: BTreeSet<String> =
        ["catalog".to_owned(), format!("experiment {key}"), format!("flag {key}")].into();
    // A flag may need another that needs another; chains are short.
    let mut before = 0;
    while before < names.len() {
        before = names.len();
        let named = values().filter(|it| name(it).is_some_and(|it| names.contains(&it)));
        let named: Vec<String> = named.flat_map(named_by).collect();
        names.extend(named);
    }
    // All are compared, and then those are kept: alone, they would lack what they use.
    let mut diff = compare(&then.version(), &now.version(), at);
    diff.documents.retain(|it| names.contains(&it.document));
    let changed = |name: &String| diff.documents.iter().any(|it| it.document == *name);
    let present = now.values.iter().filter_map(|(_, value)| name(value));
    diff.unchanged = present.filter(|name| names.contains(name) && !changed(name)).count();
    diff
}

/// The documents that a flag asks.
fn named_by(flag: &Value) -> Vec<String> {
    let list = |field: &str| flag.get(field).and_then(Value::as_array).into_iter().flatten();
    let named = |value: &Value, kind: &str| value.get(kind)?.as_str().map(|key| format!("{kind} {key}"));
    let prerequisites = list("prerequisites").filter_map(|it| named(it, "flag"));
    prerequisites.chain(list("rules").filter_map(|it| named(it, "experiment"))).collect()
}
