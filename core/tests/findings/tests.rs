//! Rule tests with one mistake.

use super::common::{colours, experiment, flag};
use super::{Case, case};
use abx_core::finding::Code;
use serde_json::{Value, json};

/// Tests of the experiment `e` with one case, and the experiment.
fn of_experiment(case: Value) -> [Value; 2] {
    [json!({"tests": "e", "cases": [case]}), experiment(json!({}))]
}

/// Tests of the flag `f` with one case, and the flag.
fn of_flag(case: Value) -> [Value; 2] {
    [json!({"tests": "f", "cases": [case]}), colours(json!({"rules": [{"serve": "red"}]}))]
}

/// Tests with a matrix of two attributes, and exceptions.
fn with_matrix(matrix: Value, except: Value) -> [Value; 2] {
    of_experiment(json!({"matrix": matrix, "expect": {"variant": "control"}, "except": except}))
}

fn except(when: Value) -> Value {
    json!({"when": when, "expect": {"variant": "control"}})
}

fn control() -> Value {
    json!({"variant": "control"})
}

pub(crate) fn cases() -> Vec<Case> {
    what_is_tested().into_iter().chain(expectations()).chain(givens()).chain(matrices()).collect()
}

fn what_is_tested() -> Vec<Case> {
    vec![
        case(Code::MissingField, "", "add `cases:`", [json!({"tests": "e"}), experiment(json!({}))]),
        case(Code::MissingField, "cases[0]", "add `expect:`", of_experiment(json!({"name": "x"}))),
        case(
            Code::MissingField,
            "tests",
            "`kind: flag`",
            [
                json!({"tests": "e", "cases": [{"expect": {}}]}),
                experiment(json!({})),
                flag(json!({"flag": "e"})),
            ],
        ),
        case(
            Code::UnknownKey,
            "tests",
            "did you mean `e1`?",
            [json!({"tests": "e2", "cases": [{"expect": {}}]}), experiment(json!({"experiment": "e1"}))],
        ),
        case(
            Code::UnknownKey,
            "tests",
            "no flag is defined",
            [json!({"tests": "e", "kind": "flag", "cases": [{"expect": {}}]}), experiment(json!({}))],
        ),
    ]
}

fn expectations() -> Vec<Case> {
    let expect = |expect: Value| of_experiment(json!({"expect": expect}));
    vec![
        case(
            Code::UnknownField,
            "cases[0].expct",
            "did you mean `expect`?",
            of_experiment(json!({"expct": control()})),
        ),
        case(
            Code::UnknownVariant,
            "cases[0].expect.variant",
            "did you mean `control`?",
            expect(json!({"variant": "controll"})),
        ),
        case(
            Code::UnknownWord,
            "cases[0].expect.reason",
            "did you mean `targeting`?",
            expect(json!({"reason": "targetting"})),
        ),
        case(
            Code::UnknownWord,
            "cases[0].expect.reason",
            "one of: flag_not_found",
            of_flag(json!({"expect": {"reason": "holdout"}})),
        ),
        case(Code::ExpectationInvalid, "cases[0].expect", "add `variant:`", expect(json!({}))),
        case(
            Code::ExpectationInvalid,
            "cases[0].expect",
            "one of the two",
            expect(json!({"variant": "control", "reason": "targeting"})),
        ),
        case(
            Code::ExpectationInvalid,
            "cases[0].expect",
            "one of the two",
            expect(json!({"variant": null, "reason": "assigned"})),
        ),
        case(
            Code::ExpectationInvalid,
            "cases[0].expect.value",
            "only flags have values",
            expect(json!({"value": true})),
        ),
        case(
            Code::ExpectationInvalid,
            "cases[0].expect.value",
            "`red` is \"#f00\"",
            of_flag(json!({"expect": {"variant": "red", "value": "#0f0"}})),
        ),
        case(
            Code::ExpectationInvalid,
            "cases[0].expect.variant",
            "the default variant",
            of_flag(json!({"expect": {"variant": null}})),
        ),
    ]
}

fn givens() -> Vec<Case> {
    vec![
        case(
            Code::ExpectationInvalid,
            "cases[0].pin",
            "remove it",
            of_flag(json!({"pin": "red", "expect": {"variant": "red"}})),
        ),
        case(
            Code::UnknownVariant,
            "cases[0].pin",
            "known: control, treatment",
            of_experiment(json!({"pin": "gone", "expect": control()})),
        ),
        case(
            Code::ExpectationInvalid,
            "cases[0].buckets.rollout",
            "`traffic`",
            of_experiment(json!({"buckets": {"rollout": 1}, "expect": control()})),
        ),
        case(
            Code::RangeInvalid,
            "cases[0].buckets.variant",
            "0 to 999,999",
            of_experiment(json!({"buckets": {"variant": 1_000_000}, "expect": control()})),
        ),
        case(
            Code::TooLarge,
            "cases[0].context",
            "use a smaller one",
            of_experiment(json!({"context": {"a": "x".repeat(2_000)}, "expect": control()})),
        ),
        case(
            Code::TimeMissing,
            "tests",
            "add `at:`",
            [
                json!({"tests": "e", "cases": [{"expect": control()}]}),
                experiment(json!({"ends_at": "2026-03-01"})),
            ],
        ),
        case(
            Code::TimeMissing,
            "tests",
            "add `at:`",
            [
                json!({"tests": "f", "cases": [{"expect": {"value": true}}]}),
                flag(json!({"targeting_rules": [{"not": {"operator": "after", "value": "2026-03-01"}}]})),
            ],
        ),
    ]
}

fn matrices() -> Vec<Case> {
    let countries = || json!({"country": ["DE", "US"]});
    vec![
        case(
            Code::MatrixInvalid,
            "cases[0].matrix.country",
            "list its values",
            with_matrix(json!({"country": []}), json!([])),
        ),
        case(
            Code::MatrixInvalid,
            "cases",
            "split the document",
            with_matrix(json!({"a": vec![1; 101], "b": vec![1; 100]}), json!([])),
        ),
        case(
            Code::MatrixInvalid,
            "cases[0].matrix.app.version",
            "one of the two",
            of_experiment(json!({
                "context": {"app": {"version": "1"}}, "matrix": {"app.version": ["2"]}, "expect": control(),
            })),
        ),
        case(
            Code::MatrixInvalid,
            "cases[0].except",
            "add `matrix:`",
            with_matrix(json!({}), json!([except(json!({"country": "DE"}))])),
        ),
        case(
            Code::MatrixInvalid,
            "cases[0].except[0].when",
            "name an attribute",
            with_matrix(countries(), json!([except(json!({}))])),
        ),
        case(
            Code::MatrixInvalid,
            "cases[0].except[0].when.contry",
            "did you mean `country`?",
            with_matrix(countries(), json!([except(json!({"contry": "DE"}))])),
        ),
        case(
            Code::MatrixInvalid,
            "cases[0].except[0].when.country",
            "one of: \"DE\", \"US\"",
            with_matrix(countries(), json!([except(json!({"country": ["DE", "FR"]}))])),
        ),
        case(
            Code::MatrixInvalid,
            "cases[0].except[1]",
            "an earlier one",
            with_matrix(
                countries(),
                json!([except(json!({"country": "DE"})), except(json!({"country": "DE"}))]),
            ),
        ),
    ]
}
