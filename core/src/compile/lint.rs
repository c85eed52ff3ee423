//! Rules that can be evaluated, and do not do what was meant.

mod negation;
mod values;

use crate::decide::{Number, USER_ID, same};
use crate::document::{Condition, LeafConfig, Negated, Operator};
use crate::finding::{Code, Findings, Path};
use negation::{RequiredAttribute, asked};
use serde_json::Value;
use std::collections::HashMap;

/// Notes what looks wrong in a list of conditions, all of which must hold. `unit` is the attribute that whoever
/// is asked has.
pub(super) fn conditions(written: &[Condition], path: &Path, unit: &str, findings: &mut Findings) {
    for (condition, path) in with_paths(written, path) {
        alone(condition, &path, findings);
    }
    let present = [USER_ID, unit].map(RequiredAttribute::there).to_vec();
    let mut lint = Lint { present, findings };
    lint.conjunction(with_paths(written, path));
}

/// Notes what can be told from a condition without those around it.
fn alone(condition: &Condition, path: &Path, findings: &mut Findings) {
    let (nesting, inner) = match condition {
        Condition::All { all } => ("all", all),
        Condition::Any { any } => ("any", any),
        Condition::Not { not: Negated::All(not) } => ("not", not),
        Condition::Not { not: Negated::One(not) } => return alone(not, &path.field("not"), findings),
        Condition::Segment { .. } => return,
        Condition::Leaf(leaf) => {
            if !findings.is_broken(path) {
                values::leaf(leaf, path, findings);
            }
            return;
        }
    };
    let path = path.field(nesting);
    if inner.is_empty() && !findings.is_lost(&path) {
        let (code, when) = match nesting {
            "all" => (Code::AlwaysMatches, "always"),
            _ => (Code::NeverMatches, "never"),
        };
        findings
            .add(code, path.clone(), format!("`{nesting}` without conditions is {when} true"))
            .help("name at least one condition");
    }
    for (condition, path) in with_paths(inner, &path) {
        alone(condition, &path, findings);
    }
}

/// A condition and its path.
type ConditionAt<'d> = (&'d Condition, Path);

fn with_paths<'d>(written: &'d [Condition], path: &Path) -> Vec<ConditionAt<'d>> {
    written.iter().enumerate().map(|(at, condition)| (condition, path.index(at))).collect()
}

struct Lint<'d, 'f> {
    /// The conditions that hold for every subject that reaches the current condition. It is a stack: the
    /// conditions of a list are removed at its end.
    present: Vec<RequiredAttribute<'d>>,
    findings: &'f mut Findings,
}

impl<'d> Lint<'d, '_> {
    /// Conditions that must all hold.
    fn conjunction(&mut self, written: Vec<ConditionAt<'d>>) {
        let mut leaves = Vec::new();
        self.collect_leaves(&written, &mut leaves);
        contradictions(&leaves, self.findings);
        let before = self.present.len();
        self.present.extend(written.iter().flat_map(|(condition, _)| asked(condition)));
        for (condition, path) in written {
            self.inside(condition, &path);
        }
        self.present.truncate(before);
    }

    /// The leaves that must all hold, those of nested `all` too. One that could not be read says nothing.
    fn collect_leaves(&self, written: &[ConditionAt<'d>], into: &mut Vec<(&'d LeafConfig, Path)>) {
        for (condition, path) in written {
            match condition {
                Condition::Leaf(leaf) if !self.findings.is_broken(path) => into.push((leaf, path.clone())),
                Condition::All { all } => self.collect_leaves(&with_paths(all, &path.field("all")), into),
                _ => {}
            }
        }
    }

    fn inside(&mut self, condition: &'d Condition, path: &Path) {
        match condition {
            // The leaves of a nested `all` were looked at with those around it.
            Condition::All { all } => {
                for (condition, path) in with_paths(all, &path.field("all")) {
                    self.inside(condition, &path);
                }
            }
            Condition::Any { any } => {
                for one in with_paths(any, &path.field("any")) {
                    self.conjunction(vec![one]);
                }
            }
            Condition::Not { not } => {
                negation::check(not.conditions(), &path.field("not"), &self.present, self.findings);
            }
            Condition::Segment { .. } | Condition::Leaf(_) => {}
        }
    }
}

/// The values that an attribute can still have after some conditions.
struct RemainingValues<'d> {
    /// Only these; `None` for any.
    values: Option<Vec<&'d Value>>,
    low: f64,
    high: f64,
    exists: Option<bool>,
}

impl Default for RemainingValues<'_> {
    fn default() -> Self {
        Self { values: None, low: f64::NEG_INFINITY, high: f64::INFINITY, exists: None }
    }
}

fn contradictions(leaves: &[(&LeafConfig, Path)], findings: &mut Findings) {
    let mut by_attribute: HashMap<&str, RemainingValues<'_>> = HashMap::new();
    for (leaf, path) in leaves {
        let Some(attribute) = leaf.attribute.as_deref() else { continue };
        let left = by_attribute.entry(attribute).or_default();
        let before = left.is_possible();
        left.narrow(leaf);
        if before && !left.is_possible() {
            findings
                .add(
                    Code::NeverMatches,
                    path.clone(),
                    format!("no `{attribute}` satisfies this and the conditions before it"),
                )
                .help("all of a list must hold; use `any:` for alternatives");
        }
    }
}

impl<'d> RemainingValues<'d> {
    fn narrow(&mut self, leaf: &'d LeafConfig) {
        let must_exist = leaf.operator != Operator::NotExists;
        if self.exists.is_some_and(|exists| exists != must_exist) {
            self.values = Some(Vec::new());
        }
        self.exists = Some(must_exist);
        let Some(value) = &leaf.value else { return };
        match (leaf.operator, value) {
            (Operator::Equals, value) => self.keep_only(std::slice::from_ref(value)),
            // An empty list has a finding of its own.
            (Operator::In, Value::Array(values)) if !values.is_empty() => self.keep_only(values),
            (Operator::GreaterThan | Operator::GreaterOrEqual, Value::Number(it)) => {
                self.low = self.low.max(Number::of(it).as_float());
            }
            (Operator::LessThan | Operator::LessOrEqual, Value::Number(it)) => {
                self.high = self.high.min(Number::of(it).as_float());
            }
            _ => {}
        }
    }

    fn keep_only(&mut self, values: &'d [Value]) {
        self.values = Some(match self.values.take() {
            None => values.iter().collect(),
            Some(kept) => kept
                .into_iter()
                .filter(|it| values.iter().any(|value| same(value, it) == Some(true)))
                .collect(),
        });
    }

    fn is_possible(&self) -> bool {
        self.low <= self.high
            && self.values.as_ref().is_none_or(|values| {
                let inside = |it: &&Value| it.as_f64().is_none_or(|it| self.low <= it && it <= self.high);
                values.iter().any(inside)
            })
    }
}

/// Returns true if every subject that matches `later` also matches `earlier`.
pub(super) fn implies(later: &[Condition], earlier: &[Condition]) -> bool {
    earlier.iter().all(|condition| later.contains(condition))
}
