//! The combinations of a matrix, and the exceptions among them.

use super::super::names::unknown;
use super::Checks;
use crate::decide::{AttributePath, Subject};
use crate::document::{CaseConfig, ExceptionConfig};
use crate::finding::{Code, Finding, Findings};
use crate::rehearsal::{Case, Expect};
use serde_json::{Map, Value};

/// Combinations of one matrix: enough for five attributes with six values each, and few enough to be read.
const MAX_COMBINATIONS: usize = 10_000;

/// A case for each combination of its matrix; the case itself where it has none.
pub(super) fn combine(written: &CaseConfig, case: &Case, checks: &mut Checks<'_>) -> Vec<Case> {
    let expected: Vec<Expect> = written
        .except
        .iter()
        .enumerate()
        .map(|(index, it)| checks.expect(&it.expect, &format!("{}.except[{index}].expect", case.path)))
        .collect();
    if !is_sound(written, &case.path, checks.findings) {
        return Vec::new();
    }
    let mut used = vec![false; written.except.len()];
    let cases = cells(written).into_iter().map(|cell| {
        let mut case = case.clone();
        // Missing is missing, whatever else the context says about it.
        case.attributes.extend(cell.clone());
        let exception = written.except.iter().position(|it| fits(it, &cell));
        case.cell = cell;
        if let Some((index, expect)) = exception.and_then(|index| Some((index, expected.get(index)?))) {
            case.expect = expect.clone();
            case.path = format!("{}.except[{index}]", case.path);
            used.iter_mut().skip(index).take(1).for_each(|used| *used = true);
        }
        case
    });
    let cases = cases.collect();
    for (index, _) in used.iter().enumerate().filter(|(_, used)| !**used) {
        let path = format!("{}.except[{index}]", case.path);
        invalid(checks.findings, path, "no combination is left for this exception")
            .help("an earlier one fits them all; drop one of the two");
    }
    cases
}

fn invalid(findings: &mut Findings, path: String, message: impl Into<String>) -> &mut Finding {
    findings.add(Code::MatrixInvalid, path, message)
}

/// Whether there are combinations, and each exception is about some.
fn is_sound(written: &CaseConfig, path: &str, findings: &mut Findings) -> bool {
    let mut is_sound = true;
    for (attribute, values) in &written.matrix {
        let path = format!("{path}.matrix.{attribute}");
        if values.is_empty() {
            is_sound = false;
            if !findings.is_broken(&path) {
                invalid(findings, path, format!("no value of `{attribute}` is given"))
                    .help("list its values, or drop it");
            }
        } else if written.context.as_ref().is_some_and(|it| has(&it.0, attribute)) {
            is_sound = false;
            invalid(findings, path, format!("`{attribute}` is in the context, too"))
                .help("write it in one of the two");
        }
    }
    let count = written.matrix.values().try_fold(1_usize, |count, values| count.checked_mul(values.len()));
    if count.is_none_or(|count| count > MAX_COMBINATIONS) {
        is_sound = false;
        let message = format!("the matrix has more than {MAX_COMBINATIONS} combinations");
        invalid(findings, format!("{path}.matrix"), message).help("split the case, or drop values");
    }
    if written.matrix.is_empty() && !written.except.is_empty() {
        is_sound = false;
        invalid(findings, format!("{path}.except"), "there is no matrix to make exceptions of")
            .help("add `matrix:`, or write a case of its own");
        return is_sound;
    }
    for (index, exception) in written.except.iter().enumerate() {
        let path = format!("{path}.except[{index}].when");
        is_sound &= is_about_some(exception, written, &path, findings);
    }
    is_sound
}

/// Whether a context has an attribute, as a decision would find it.
fn has(context: &Map<String, Value>, attribute: &str) -> bool {
    let found = Subject::new("", context).attribute(&AttributePath::new(attribute)).is_some();
    found || context.contains_key(attribute)
}

fn is_about_some(
    exception: &ExceptionConfig,
    written: &CaseConfig,
    path: &str,
    findings: &mut Findings,
) -> bool {
    if exception.when.is_empty() {
        if !findings.is_broken(path) {
            invalid(findings, path.to_owned(), "the exception is about everything")
                .help("name an attribute of the matrix, and a value of it");
        }
        return false;
    }
    let mut is_sound = true;
    for (attribute, wanted) in &exception.when {
        let path = format!("{path}.{attribute}");
        let Some(values) = written.matrix.get(attribute) else {
            is_sound = false;
            let known = written.matrix.keys().map(String::as_str);
            unknown(Code::MatrixInvalid, "attribute of the matrix", attribute, known, &path, findings);
            continue;
        };
        let strange = listed(wanted).iter().find(|value| !values.contains(value));
        if let Some(value) = strange {
            is_sound = false;
            let values: Vec<_> = values.iter().map(Value::to_string).collect();
            invalid(findings, path, format!("{value} is no value of `{attribute}` in the matrix"))
                .help(format!("one of: {}", values.join(", ")));
        }
    }
    is_sound
}

/// A list's values, or the one value.
fn listed(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        other => std::slice::from_ref(other),
    }
}

fn fits(exception: &ExceptionConfig, cell: &Map<String, Value>) -> bool {
    let is_wanted = |(attribute, wanted): (&String, &Value)| {
        cell.get(attribute).is_some_and(|value| listed(wanted).contains(value))
    };
    exception.when.iter().all(is_wanted)
}

/// Every combination, the last attribute's values changing fastest.
fn cells(written: &CaseConfig) -> Vec<Map<String, Value>> {
    written.matrix.iter().fold(vec![Map::new()], |cells, (attribute, values)| {
        let with_each = |cell: &Map<String, Value>| {
            let with = |value: &Value| {
                let mut cell = cell.clone();
                cell.insert(attribute.clone(), value.clone());
                cell
            };
            values.iter().map(with).collect::<Vec<_>>()
        };
        cells.iter().flat_map(with_each).collect()
    })
}
