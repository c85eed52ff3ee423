//! Rules that can be evaluated, and do not do what was meant.

use crate::decide::{Number, USER_ID, same};
use crate::document::{Condition, Leaf, Operator};
use crate::finding::{Code, Findings};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Notes what looks wrong in a list of conditions, all of which must hold. `unit` is the attribute that whoever
/// is asked has.
pub(super) fn conditions(written: &[Condition], path: &str, unit: &str, findings: &mut Findings) {
    let mut lint = Lint { present: vec![USER_ID, unit], findings };
    lint.conjunction(placed(written, path));
}

/// A condition and its path.
type Placed<'d> = (&'d Condition, String);

fn placed<'d>(written: &'d [Condition], path: &str) -> Vec<Placed<'d>> {
    written.iter().enumerate().map(|(at, condition)| (condition, format!("{path}[{at}]"))).collect()
}

struct Lint<'d, 'f> {
    /// The attributes that are there wherever the conditions that are looked at matter. A stack: what a list
    /// adds is taken away at its end.
    present: Vec<&'d str>,
    findings: &'f mut Findings,
}

impl<'d> Lint<'d, '_> {
    /// Conditions that must all hold.
    fn conjunction(&mut self, written: Vec<Placed<'d>>) {
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
    fn collect_leaves(&self, written: &[Placed<'d>], into: &mut Vec<(&'d Leaf, String)>) {
        for (condition, path) in written {
            match condition {
                Condition::Leaf(leaf) if !self.findings.is_broken(path) => into.push((leaf, path.clone())),
                Condition::All { all } => self.collect_leaves(&placed(all, &format!("{path}.all")), into),
                _ => {}
            }
        }
    }

    fn inside(&mut self, condition: &'d Condition, path: &str) {
        match condition {
            // The leaves of a nested `all` were looked at with those around it.
            Condition::All { all } => {
                for (condition, path) in placed(all, &format!("{path}.all")) {
                    self.inside(condition, &path);
                }
            }
            Condition::Any { any } => {
                self.note_empty("any", any.is_empty(), path);
                for one in placed(any, &format!("{path}.any")) {
                    self.conjunction(vec![one]);
                }
            }
            Condition::Not { not } => {
                self.note_empty("not", not.conditions().is_empty(), path);
                self.negated(not.conditions(), &format!("{path}.not"));
            }
            Condition::Segment { .. } => {}
            Condition::Leaf(leaf) => {
                let empty = leaf.value.as_ref().and_then(Value::as_array).is_some_and(Vec::is_empty);
                if empty && leaf.operator == Operator::In && !self.findings.is_broken(path) {
                    self.findings
                        .add(Code::NeverMatches, format!("{path}.value"), "nothing is in an empty list")
                        .help("name at least one value, or drop the condition");
                }
            }
        }
    }

    fn note_empty(&mut self, nesting: &str, empty: bool, path: &str) {
        let path = format!("{path}.{nesting}");
        if empty && !self.findings.is_lost(&path) {
            self.findings
                .add(Code::NeverMatches, path, format!("`{nesting}` of nothing is never true"))
                .help("name at least one condition");
        }
    }

    fn negated(&mut self, written: &'d [Condition], path: &str) {
        if self.findings.is_broken(path) {
            return;
        }
        let mut leaves = Vec::new();
        negated_leaves(written, &mut leaves);
        let mut noted = HashSet::new();
        for leaf in leaves {
            let Some(attribute) = leaf.attribute.as_deref() else { continue };
            let asks = !matches!(leaf.operator, Operator::Exists | Operator::NotExists);
            if asks && !self.present.contains(&attribute) && noted.insert(attribute) {
                self.findings
                    .add(
                        Code::NegativeMissing,
                        path,
                        format!("this matches everybody who has no `{attribute}`"),
                    )
                    .help(format!(
                        "put {{attribute: {attribute}, operator: exists}} beside it, or use the operator's own \
                         negative"
                    ));
            }
        }
    }
}

/// The attributes without which a condition does not hold.
fn asked(condition: &Condition) -> Vec<&str> {
    match condition {
        Condition::Leaf(leaf) if leaf.operator != Operator::NotExists => {
            leaf.attribute.as_deref().into_iter().collect()
        }
        Condition::All { all } => all.iter().flat_map(asked).collect(),
        Condition::Any { any } => {
            let mut each = any.iter().map(asked);
            let first = each.next().unwrap_or_default();
            each.fold(first, |common, one| common.into_iter().filter(|it| one.contains(it)).collect())
        }
        Condition::Not { not } => match not.conditions() {
            [Condition::Leaf(leaf)] if leaf.operator == Operator::NotExists => {
                leaf.attribute.as_deref().into_iter().collect()
            }
            _ => Vec::new(),
        },
        Condition::Leaf(_) | Condition::Segment { .. } => Vec::new(),
    }
}

fn negated_leaves<'d>(written: &'d [Condition], into: &mut Vec<&'d Leaf>) {
    for condition in written {
        match condition {
            Condition::Leaf(leaf) => into.push(leaf),
            Condition::All { all } => negated_leaves(all, into),
            Condition::Any { any } => negated_leaves(any, into),
            Condition::Not { .. } | Condition::Segment { .. } => {}
        }
    }
}

/// What is left of an attribute's values after some conditions.
struct Left<'d> {
    /// Only these; `None` for any.
    values: Option<Vec<&'d Value>>,
    low: f64,
    high: f64,
    exists: Option<bool>,
}

impl Default for Left<'_> {
    fn default() -> Self {
        Self { values: None, low: f64::NEG_INFINITY, high: f64::INFINITY, exists: None }
    }
}

fn contradictions(leaves: &[(&Leaf, String)], findings: &mut Findings) {
    let mut by_attribute: HashMap<&str, Left<'_>> = HashMap::new();
    for (leaf, path) in leaves {
        let Some(attribute) = leaf.attribute.as_deref() else { continue };
        let left = by_attribute.entry(attribute).or_default();
        let before = left.is_possible();
        left.narrow(leaf);
        if before && !left.is_possible() {
            findings
                .add(
                    Code::NeverMatches,
                    path.as_str(),
                    format!("no `{attribute}` satisfies this and the conditions before it"),
                )
                .help("all of a list must hold; use `any:` for alternatives");
        }
    }
}

impl<'d> Left<'d> {
    fn narrow(&mut self, leaf: &'d Leaf) {
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

/// Whether whoever matches `later` matches `earlier` as well.
pub(super) fn implies(later: &[Condition], earlier: &[Condition]) -> bool {
    earlier.iter().all(|condition| later.contains(condition))
}
