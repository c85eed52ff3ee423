//! Rules that can be evaluated, and do not do what was meant.

use crate::decide::Number;
use crate::document::{Condition, Leaf, Operator};
use crate::finding::{Code, Findings};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Notes what looks wrong in a list of conditions, all of which must hold.
pub(super) fn conditions(written: &[Condition], path: &str, findings: &mut Findings) {
    conjunction(written, path, &HashSet::new(), findings);
}

/// `present` are the attributes that the conditions around this list already ask to be there.
fn conjunction<'d>(
    written: &'d [Condition],
    path: &str,
    present: &HashSet<&'d str>,
    findings: &mut Findings,
) {
    let mut leaves = Vec::new();
    collect_leaves(written, path, &mut leaves);
    contradictions(&leaves, findings);
    let mut present = present.clone();
    present.extend(
        leaves
            .iter()
            .filter(|(leaf, _)| leaf.operator != Operator::NotExists)
            .filter_map(|(leaf, _)| leaf.attribute.as_deref()),
    );
    for (at, condition) in written.iter().enumerate() {
        inside(condition, &format!("{path}[{at}]"), &present, findings);
    }
}

fn inside<'d>(condition: &'d Condition, path: &str, present: &HashSet<&'d str>, findings: &mut Findings) {
    match condition {
        // The leaves of a nested `all` were looked at with those around it.
        Condition::All { all } => {
            for (at, condition) in all.iter().enumerate() {
                inside(condition, &format!("{path}.all[{at}]"), present, findings);
            }
        }
        Condition::Any { any } => {
            if any.is_empty() && !findings.is_broken(path) {
                findings
                    .add(Code::NeverMatches, format!("{path}.any"), "`any` of nothing is never true")
                    .help("name at least one condition");
            }
            for (at, condition) in any.iter().enumerate() {
                let path = format!("{path}.any[{at}]");
                conjunction(std::slice::from_ref(condition), &path_of_only(&path), present, findings);
            }
        }
        Condition::Not { not } => {
            let mut leaves = Vec::new();
            negated_leaves(not.conditions(), &mut leaves);
            let mut noted = HashSet::new();
            for leaf in leaves {
                let Some(attribute) = leaf.attribute.as_deref() else { continue };
                let asks = !matches!(leaf.operator, Operator::Exists | Operator::NotExists);
                if asks && attribute != "user_id" && !present.contains(attribute) && noted.insert(attribute) {
                    findings
                        .add(
                            Code::NegativeMissing,
                            format!("{path}.not"),
                            format!("this matches everybody who has no `{attribute}`"),
                        )
                        .help(format!(
                            "put {{attribute: {attribute}, operator: exists}} beside it, or use the operator's own \
                             negative"
                        ));
                }
            }
        }
        Condition::Segment { .. } => {}
        Condition::Leaf(leaf) => {
            let empty = leaf.value.as_ref().and_then(Value::as_array).is_some_and(Vec::is_empty);
            if empty && leaf.operator == Operator::In {
                findings
                    .add(Code::NeverMatches, format!("{path}.value"), "nothing is in an empty list")
                    .help("name at least one value, or drop the condition");
            }
        }
    }
}

/// [`conjunction`] numbers the conditions of its list; the list of one inside an `any` has its number already.
fn path_of_only(path: &str) -> String {
    path.strip_suffix(']').and_then(|path| path.rsplit_once('[')).map_or(path, |(list, _)| list).to_owned()
}

/// The leaves that must all hold, those of nested `all` too.
fn collect_leaves<'d>(written: &'d [Condition], path: &str, into: &mut Vec<(&'d Leaf, String)>) {
    for (at, condition) in written.iter().enumerate() {
        match condition {
            Condition::Leaf(leaf) => into.push((leaf, format!("{path}[{at}]"))),
            Condition::All { all } => collect_leaves(all, &format!("{path}[{at}].all"), into),
            _ => {}
        }
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
        if before && !left.is_possible() && !findings.is_broken(path) {
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
            Some(kept) => kept.into_iter().filter(|it| values.contains(it)).collect(),
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
