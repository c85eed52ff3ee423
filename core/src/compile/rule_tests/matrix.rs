//! The combinations of a matrix, and the exceptions among them.

use super::super::names::unknown;
use super::CaseChecks;
use crate::decide::{AttributePath, Subject};
use crate::document::{CaseConfig, ExceptionConfig};
use crate::finding::{Code, Finding, Findings, Path};
use crate::rehearsal::Exception;
use serde_json::{Map, Value};

/// Combinations of the matrices of one document: enough for five attributes with six values each, and few enough to be
/// read.
const MAX_COMBINATIONS: usize = 10_000;

/// The exceptions of a case, where it and they are about something. Combinations are not made here: a small file can
/// stand for many.
pub(super) fn exceptions(written: &CaseConfig, path: &Path, checks: &mut CaseChecks<'_>) -> Vec<Exception> {
    let compile = |(index, it): (usize, &ExceptionConfig)| Exception {
        when: it
            .when
            .iter()
            .map(|(attribute, values)| (attribute.clone(), listed(values).to_vec()))
            .collect(),
        expect: checks.expect(&it.expect, &path.field("except").index(index).field("expect")),
    };
    let exceptions: Vec<Exception> = written.except.iter().enumerate().map(compile).collect();
    if is_sound(written, path, checks.findings) {
        for (index, exception) in exceptions.iter().enumerate() {
            if exceptions.iter().take(index).any(|earlier| earlier.covers(exception)) {
                let path = path.field("except").index(index);
                invalid(checks.findings, path, "no combination is left for this exception")
                    .help("an earlier one fits them all; drop one of the two");
            }
        }
    }
    exceptions
}

/// Checks how many combinations the cases of a document have together.
pub(super) fn check_count(cases: &[CaseConfig], findings: &mut Findings) {
    let of_case = |case: &CaseConfig| {
        case.matrix.values().try_fold(1_usize, |count, values| count.checked_mul(values.len()))
    };
    let count = cases.iter().try_fold(0_usize, |count, case| count.checked_add(of_case(case)?));
    if count.is_none_or(|count| count > MAX_COMBINATIONS) {
        let message = format!("the matrices have more than {MAX_COMBINATIONS} combinations");
        invalid(findings, Path::of("cases"), message).help("drop values, or split the document");
    }
}

fn invalid(findings: &mut Findings, path: Path, message: impl Into<String>) -> &mut Finding {
    findings.add(Code::MatrixInvalid, path, message)
}

/// Returns true if there are combinations, and each exception matches some.
fn is_sound(written: &CaseConfig, path: &Path, findings: &mut Findings) -> bool {
    let mut is_sound = true;
    for (attribute, values) in &written.matrix {
        let path = path.field("matrix").field(attribute.clone());
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
    if written.matrix.is_empty() && !written.except.is_empty() {
        is_sound = false;
        invalid(findings, path.field("except"), "there is no matrix to which exceptions can apply")
            .help("add `matrix:`, or write a case of its own");
        return is_sound;
    }
    for (index, exception) in written.except.iter().enumerate() {
        let path = path.field("except").index(index).field("when");
        is_sound &= is_about_some(exception, written, &path, findings);
    }
    is_sound
}

/// Returns true if a context has an attribute, by the rules of a decision.
fn has(context: &Map<String, Value>, attribute: &str) -> bool {
    let found = Subject::new("", context).attribute(&AttributePath::new(attribute)).is_some();
    found || context.contains_key(attribute)
}

fn is_about_some(
    exception: &ExceptionConfig,
    written: &CaseConfig,
    path: &Path,
    findings: &mut Findings,
) -> bool {
    if exception.when.is_empty() {
        if !findings.is_broken(path) {
            invalid(findings, path.to_owned(), "the exception applies to every combination")
                .help("name an attribute of the matrix, and a value of it");
        }
        return false;
    }
    let mut is_sound = true;
    for (attribute, wanted) in &exception.when {
        let path = path.field(attribute.clone());
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
            invalid(findings, path, format!("{value} is not a value of `{attribute}` in the matrix"))
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
