//! `not:` turns a false into a true, also the false of an attribute that is missing or of another type.

use crate::document::{Condition, LeafConfig, Operator};
use crate::finding::{Code, Findings, Path};
use serde_json::Value;
use std::collections::HashSet;

/// An attribute that a condition asks for, and the values that it takes at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequiredAttribute<'d> {
    attribute: &'d str,
    /// `None`: values of several types.
    family: Option<Family>,
}

/// Values that an operator is about; it is false for every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Number,
    Version,
    Time,
    Address,
    Place,
    /// A text or a list.
    Length,
}

impl Family {
    fn of(leaf: &LeafConfig) -> Option<Self> {
        let is_number = |value: &Value| match value {
            Value::Array(items) => !items.is_empty() && items.iter().all(Value::is_number),
            value => value.is_number(),
        };
        Some(match leaf.operator {
            Operator::GreaterThan
            | Operator::GreaterOrEqual
            | Operator::LessThan
            | Operator::LessOrEqual
            | Operator::Between => Self::Number,
            Operator::Equals | Operator::NotEquals | Operator::In | Operator::NotIn
                if leaf.value.as_ref().is_some_and(is_number) =>
            {
                Self::Number
            }
            Operator::LengthEquals
            | Operator::LengthGreaterThan
            | Operator::LengthGreaterOrEqual
            | Operator::LengthLessThan
            | Operator::LengthLessOrEqual => Self::Length,
            Operator::Before | Operator::After | Operator::TimeWindow => Self::Time,
            Operator::SemverEquals
            | Operator::SemverNotEquals
            | Operator::SemverGreaterThan
            | Operator::SemverGreaterOrEqual
            | Operator::SemverLessThan
            | Operator::SemverLessOrEqual
            | Operator::SemverRange => Self::Version,
            Operator::IpIn => Self::Address,
            Operator::GeoWithin => Self::Place,
            _ => return None,
        })
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Version => "version",
            Self::Time => "time",
            Self::Address => "IP address",
            Self::Place => "place",
            Self::Length => "text or list",
        }
    }

    /// A condition that every such value passes.
    const fn guard(self) -> &'static str {
        match self {
            Self::Number => "operator: less_than, value: 1e300",
            Self::Version => "operator: semver_greater_or_equal, value: \"0.0.0-0\"",
            Self::Time => "operator: after, value: 0001-01-01",
            Self::Address => "operator: ip_in, value: [0.0.0.0/0, \"::/0\"]",
            Self::Place => "operator: geo_within, value: {lat: 0, lon: 0, radius_km: 20100}",
            Self::Length => "operator: length_greater_or_equal, value: 0",
        }
    }
}

/// The operator that is true for exactly the other values of its family.
const fn complement(operator: Operator) -> Option<Operator> {
    Some(match operator {
        Operator::GreaterThan => Operator::LessOrEqual,
        Operator::GreaterOrEqual => Operator::LessThan,
        Operator::LessThan => Operator::GreaterOrEqual,
        Operator::LessOrEqual => Operator::GreaterThan,
        Operator::LengthGreaterThan => Operator::LengthLessOrEqual,
        Operator::LengthGreaterOrEqual => Operator::LengthLessThan,
        Operator::LengthLessThan => Operator::LengthGreaterOrEqual,
        Operator::LengthLessOrEqual => Operator::LengthGreaterThan,
        Operator::SemverEquals => Operator::SemverNotEquals,
        Operator::SemverNotEquals => Operator::SemverEquals,
        Operator::SemverGreaterThan => Operator::SemverLessOrEqual,
        Operator::SemverGreaterOrEqual => Operator::SemverLessThan,
        Operator::SemverLessThan => Operator::SemverGreaterOrEqual,
        Operator::SemverLessOrEqual => Operator::SemverGreaterThan,
        Operator::Before => Operator::After,
        Operator::After => Operator::Before,
        _ => return None,
    })
}

impl<'d> RequiredAttribute<'d> {
    /// An attribute that is there, whatever its type.
    pub(super) const fn there(attribute: &'d str) -> Self {
        Self { attribute, family: None }
    }
}

/// The attributes without which a condition does not hold.
pub(super) fn asked(condition: &Condition) -> Vec<RequiredAttribute<'_>> {
    let of_leaf = |leaf: &'_ LeafConfig| leaf.attribute.is_some();
    match condition {
        Condition::Leaf(leaf) if leaf.operator != Operator::NotExists && of_leaf(leaf) => {
            let attribute = leaf.attribute.as_deref().unwrap_or_default();
            vec![RequiredAttribute { attribute, family: Family::of(leaf) }]
        }
        Condition::All { all } => all.iter().flat_map(asked).collect(),
        Condition::Any { any } => {
            let mut each = any.iter().map(asked);
            let first = each.next().unwrap_or_default();
            each.fold(first, |common, one| common.iter().filter_map(|it| in_both(*it, &one)).collect())
        }
        Condition::Not { not } => match not.conditions() {
            [Condition::Leaf(leaf)] if leaf.operator == Operator::NotExists => {
                leaf.attribute.as_deref().map(RequiredAttribute::there).into_iter().collect()
            }
            _ => Vec::new(),
        },
        Condition::Leaf(_) | Condition::Segment { .. } => Vec::new(),
    }
}

/// Returns the values that an attribute can have where one of two conditions holds.
fn in_both<'d>(
    asked: RequiredAttribute<'d>,
    other: &[RequiredAttribute<'_>],
) -> Option<RequiredAttribute<'d>> {
    if other.contains(&asked) {
        return Some(asked);
    }
    other
        .iter()
        .any(|it| it.attribute == asked.attribute)
        .then_some(RequiredAttribute::there(asked.attribute))
}

/// Notes what negated conditions let in beside what was meant. `present` is what the conditions around them ask for.
pub(super) fn check(
    written: &[Condition],
    path: &Path,
    present: &[RequiredAttribute<'_>],
    findings: &mut Findings,
) {
    if findings.is_broken(path) {
        return;
    }
    let mut leaves = Vec::new();
    negated_leaves(written, &mut leaves);
    let is_alone = matches!(written, [Condition::Leaf(_)]);
    let mut noted = HashSet::new();
    for leaf in leaves {
        let Some(attribute) = leaf.attribute.as_deref() else { continue };
        if matches!(leaf.operator, Operator::Exists | Operator::NotExists) || noted.contains(attribute) {
            continue;
        }
        if !present.iter().any(|it| it.attribute == attribute) {
            noted.insert(attribute);
            missing(attribute, path, findings);
        } else if let Some(family) = Family::of(leaf).filter(|_| is_typed(leaf.operator))
            && !present.contains(&RequiredAttribute { attribute, family: Some(family) })
        {
            noted.insert(attribute);
            other_type(leaf, attribute, family, is_alone, path, findings);
        }
    }
}

/// Returns true if an operator gives no meaningful answer for values of another type. `equals` is not one:
/// that `5` does not equal `"x"` surprises nobody.
fn is_typed(operator: Operator) -> bool {
    !matches!(operator, Operator::Equals | Operator::NotEquals | Operator::In | Operator::NotIn)
}

fn missing(attribute: &str, path: &Path, findings: &mut Findings) {
    findings
        .add(Code::NegativeMissing, path, format!("this matches every unit that has no `{attribute}`"))
        .help(format!(
            "put {{attribute: {attribute}, operator: exists}} beside it, or use the operator's own negative"
        ));
}

fn other_type(
    leaf: &LeafConfig,
    attribute: &str,
    family: Family,
    is_alone: bool,
    path: &Path,
    findings: &mut Findings,
) {
    let kind = family.as_str();
    let example = if family == Family::Number { ", as \"20\"" } else { "" };
    let message = format!("this matches every `{attribute}` that is not a {kind}{example}");
    let help = match complement(leaf.operator).filter(|_| is_alone) {
        Some(complement) => format!("use `{complement}` without `not:`, which only a {kind} passes"),
        None => format!(
            "put {{attribute: {attribute}, {}}} beside it, which only a {kind} passes",
            family.guard()
        ),
    };
    findings.add(Code::NegativeType, path, message).help(help);
}

fn negated_leaves<'d>(written: &'d [Condition], into: &mut Vec<&'d LeafConfig>) {
    for condition in written {
        match condition {
            Condition::Leaf(leaf) => into.push(leaf),
            Condition::All { all } => negated_leaves(all, into),
            Condition::Any { any } => negated_leaves(any, into),
            Condition::Not { .. } | Condition::Segment { .. } => {}
        }
    }
}
