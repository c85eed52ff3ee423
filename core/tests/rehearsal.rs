//! Proves that rule tests put units where they say, by the code that decides, and that coverage tells what they reach.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    reason = "documents are written in place, and are in the catalog"
)]

mod common;

use abx_core::decide::Step;
use abx_core::hash::Range;
use abx_core::rehearsal::{Case, CoverageTarget, Difference, Suite};
use abx_core::{Compilation, Subject};
use common::{compiled, experiment, flag, noon};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Documents, and tests of the first of them with these cases.
fn with_tests(mut documents: Vec<Value>, cases: Value) -> Compilation {
    let key = documents[0].get("flag").or(documents[0].get("experiment")).cloned();
    documents.push(json!({"tests": key, "at": "2026-03-04T12:00:00Z", "cases": cases}));
    let compilation = compiled(&documents);
    assert!(compilation.findings.is_empty(), "{:#?}", compilation.findings);
    compilation
}

/// Runs each case and returns the variant, the reason and the differences.
fn outcomes(compilation: &Compilation) -> Vec<(Option<String>, &'static str, Vec<Difference>)> {
    let suite = &compilation.tests[0];
    let tested = suite.tested(&compilation.catalog).expect("it is in the catalog");
    let run = |case: &Case, combination: Map<String, Value>| {
        let outcome = case.run(&combination, tested, noon());
        let differences = case.expected(&combination).0.differences(&outcome);
        (outcome.variant.map(str::to_owned), outcome.reason, differences)
    };
    let all = suite.cases.iter().flat_map(|case| case.combinations().map(move |it| (case, it)));
    all.map(|(case, combination)| run(case, combination)).collect()
}

/// The reasons that came, in order.
fn reasons(documents: Vec<Value>, cases: Value) -> Vec<&'static str> {
    outcomes(&with_tests(documents, cases)).into_iter().map(|(_, reason, _)| reason).collect()
}

/// An experiment in a layer and a holdout, on half of the traffic.
fn everything() -> Vec<Value> {
    let fields = json!({"layer": "l", "traffic_allocation": 0.5});
    let layers = json!([{"key": "l", "slots": [{"experiment": "e", "ranges": [[100, 200], [300, 400]]}]}]);
    let holdouts = json!([{"key": "h", "allocation": 0.1}]);
    vec![experiment(fields), json!({"catalog": {"layers": layers, "holdouts": holdouts}})]
}

#[test]
fn a_unit_is_where_the_test_says() {
    let cases = json!([
        {"expect": {"variant": "control"}},
        {"buckets": {"holdout": 99_999}, "expect": {"variant": null}},
        {"buckets": {"holdout": 100_000}, "expect": {"variant": "control"}},
        {"buckets": {"layer": 200}, "expect": {"variant": null}},
        {"buckets": {"layer": 399}, "expect": {"variant": "control"}},
        {"buckets": {"traffic": 500_000}, "expect": {"variant": null}},
        {"buckets": {"traffic": 499_999, "variant": 500_000}, "expect": {"variant": "treatment"}},
    ]);
    let compilation = with_tests(everything(), cases);
    let came = outcomes(&compilation);
    let reasons: Vec<_> = came.iter().map(|(_, reason, _)| *reason).collect();
    let (assigned, layer) = ("assigned", "other_in_layer");
    assert_eq!(reasons, [assigned, "holdout", assigned, layer, assigned, "traffic", assigned]);
    assert!(came.iter().all(|(.., differences)| differences.is_empty()), "{came:#?}");
}

#[test]
fn a_flag_draws_its_rollout_its_percentages_and_its_experiment_from_the_test() {
    let share = json!([{"operator": "percentage", "value": 10, "salt": "s"}]);
    let drawn = flag(json!({"targeting_rules": share, "rollout_percentage": 20}));
    let cases = json!([
        {"expect": {"value": true}},
        {"buckets": {"percentage": 100_000}, "expect": {"value": false}},
        {"buckets": {"rollout": 200_000}, "expect": {"value": false}},
        {"buckets": {"rollout": 199_999, "percentage": 99_999}, "expect": {"value": true}},
    ]);
    let came = ["enabled", "targeting_rules_not_met", "not_in_rollout", "enabled"];
    assert_eq!(reasons(vec![drawn], cases), came);

    let served = json!([{"experiment": "e"}]);
    let variants = json!([{"key": "control", "value": 1}, {"key": "treatment", "value": 2}]);
    let fields = json!({"rules": served, "variants": variants, "default_variant": "control"});
    let mut documents = vec![flag(fields)];
    documents.extend(everything());
    let cases = json!([
        {"buckets": {"variant": 999_999}, "expect": {"value": 2}},
        {"buckets": {"layer": 0}, "expect": {"reason": "default"}},
    ]);
    assert_eq!(reasons(documents, cases), ["rule", "default"]);
}

#[test]
fn a_step_says_that_the_bucket_was_given() {
    let compilation =
        with_tests(everything(), json!([{"buckets": {"variant": 7}, "expect": {"variant": "control"}}]));
    let suite = &compilation.tests[0];
    let outcome = suite.cases[0].run(&Map::new(), suite.tested(&compilation.catalog).unwrap(), noon());
    let given = |step: &Step| match step {
        Step::GivenBucket { purpose, bucket, range } => Some((purpose.as_str(), *bucket, *range)),
        Step::Bucket { .. } => panic!("nothing is hashed: {step:?}"),
        _ => None,
    };
    let steps: Vec<_> = outcome.rehearsal.steps.iter().filter_map(given).collect();
    let range = |start, end| Range { start, end };
    let expected = [
        ("holdout", 100_000, range(0, 100_000)),
        ("layer", 100, range(100, 200)),
        ("traffic", 0, range(0, 500_000)),
        ("variant", 7, range(0, 500_000)),
    ];
    assert_eq!(steps, expected);
}

#[test]
fn a_matrix_is_every_combination_and_the_first_exception_counts() {
    let rules = json!([
        {"attribute": "country", "operator": "equals", "value": "DE"},
        {"attribute": "account.plan", "operator": "not_exists"},
    ]);
    let cases = json!([{
        "matrix": {"country": ["DE", "US", null], "account.plan": ["pro", null]},
        "expect": {"reason": "targeting"},
        "except": [
            {"when": {"country": ["DE", "US"], "account.plan": null}, "expect": {"reason": "assigned"}},
            {"when": {"country": "US"}, "expect": {"variant": null}},
        ],
    }]);
    let compilation = with_tests(vec![experiment(json!({"targeting_rules": rules}))], cases);
    let suite = &compilation.tests[0];
    let cell = |it: Map<String, Value>| {
        let path = suite.cases[0].expected(&it).1.to_string();
        (Value::from(it), path)
    };
    let cells: Vec<_> = suite.cases[0].combinations().map(cell).collect();
    let whole = |country: Value, plan: Value, path: &str| {
        (json!({"country": country, "account.plan": plan}), path.to_owned())
    };
    let expected = [
        whole(json!("DE"), json!("pro"), "cases[0]"),
        whole(json!("US"), json!("pro"), "cases[0].except[1]"),
        whole(json!(null), json!("pro"), "cases[0]"),
        whole(json!("DE"), json!(null), "cases[0].except[0]"),
        whole(json!("US"), json!(null), "cases[0].except[0]"),
        whole(json!(null), json!(null), "cases[0]"),
    ];
    assert_eq!(cells, expected);
    // Of the United States the exception is wrong, and says so.
    let failed = outcomes(&compilation).into_iter().enumerate().filter(|(_, (.., it))| !it.is_empty());
    let failed: Vec<_> = failed.map(|(index, (.., differences))| (index, differences)).collect();
    let wrong = Difference { field: "reason", expected: json!("assigned"), actual: json!("targeting") };
    assert_eq!(failed, [(4, vec![wrong])]);
}

#[test]
fn time_pin_unit_and_overrides_are_the_cases_own() {
    let fields = json!({"ends_at": "2026-03-05", "overrides": {"vip": "treatment"}});
    let cases = json!([
        {"expect": {"reason": "assigned"}},
        {"at": "2026-03-05", "expect": {"reason": "not_active"}},
        {"pin": "treatment", "expect": {"variant": "treatment"}},
        {"unit": "vip", "expect": {"reason": "override"}},
        {"context": {"user_id": "vip"}, "expect": {"reason": "override"}},
        {"unit": " ", "expect": {"reason": "unit_missing"}},
    ]);
    let came = ["assigned", "not_active", "pinned", "override", "override", "unit_missing"];
    assert_eq!(reasons(vec![experiment(fields)], cases), came);
}

#[test]
fn tests_of_a_document_with_an_error_are_left_out_with_it() {
    let broken = experiment(json!({"status": "activ"}));
    let tests = json!({"tests": "e", "cases": [{"expect": {"variant": "control"}}]});
    let compilation = compiled(&[broken, tests.clone()]);
    assert_eq!(compilation.findings.len(), 1, "only the experiment's: {:#?}", compilation.findings);
    assert!(compilation.tests.iter().all(|suite| suite.tested(&compilation.catalog).is_none()));
    // And a bad document of tests costs nobody anything.
    let bad = json!({"tests": "e", "cases": [{"expect": {"variant": "nobody"}}]});
    let compilation = compiled(&[experiment(json!({})), bad, tests]);
    assert_eq!(compilation.tests.iter().map(|it| it.document).collect::<Vec<_>>(), [2]);
}

/// Returns the uncovered parts, as `path what`.
fn unreached(compilation: &Compilation) -> Vec<String> {
    let suite: &Suite = &compilation.tests[0];
    let tested = suite.tested(&compilation.catalog).unwrap();
    let mut coverage = tested.coverage();
    for case in &suite.cases {
        let outcome = case.run(&Map::new(), tested, noon());
        coverage.add(&outcome.rehearsal, outcome.variant, outcome.reason);
    }
    let missing = coverage.parts().iter().filter(|(_, is_reached)| !is_reached);
    missing
        .map(|(part, _)| match part.target {
            CoverageTarget::Condition(holds) => format!("{} {holds}", part.path),
            CoverageTarget::Rule(name) => format!("{} {name}", part.path),
            CoverageTarget::Variant(key) => format!("{} {key}", part.path),
            CoverageTarget::Reason(word) => word.to_owned(),
        })
        .collect()
}

#[test]
fn coverage_is_every_outcome_of_every_condition_and_each_variant_and_reason() {
    let leaf = |attribute: &str| json!({"attribute": attribute, "operator": "exists"});
    let rules = json!([leaf("a"), {"any": [leaf("b"), {"not": [leaf("c")]}]}, {"not": leaf("d")}]);
    let mut documents = everything();
    documents[0]["targeting_rules"] = rules;
    let one = json!([{"context": {"a": 1, "c": 1}, "expect": {"reason": "targeting"}}]);
    let missing = unreached(&with_tests(documents.clone(), one));
    let conditions = [
        "targeting_rules[0] false",
        "targeting_rules[1].any[0] true",
        "targeting_rules[1].any[1].not false",
        "targeting_rules[2].not true",
    ];
    let others =
        ["variants[0] control", "variants[1] treatment", "holdout", "other_in_layer", "traffic", "assigned"];
    assert_eq!(missing, conditions.into_iter().chain(others).collect::<Vec<_>>());

    let all = json!([
        {"context": {"c": 1}, "expect": {"reason": "targeting"}},
        {"context": {"a": 1, "b": 1, "d": 1}, "expect": {"reason": "targeting"}},
        {"context": {"a": 1}, "expect": {"variant": "control"}},
        {"context": {"a": 1}, "buckets": {"variant": 500_000}, "expect": {"variant": "treatment"}},
        {"buckets": {"holdout": 0}, "expect": {"reason": "holdout"}},
        {"buckets": {"layer": 0}, "expect": {"reason": "other_in_layer"}},
        {"context": {"a": 1}, "buckets": {"traffic": 500_000}, "expect": {"reason": "traffic"}},
    ]);
    assert_eq!(unreached(&with_tests(documents, all)), Vec::<String>::new());
}

#[test]
fn what_nobody_can_reach_is_no_part_of_the_coverage() {
    let draft = experiment(json!({"status": "draft", "targeting_rules": [
        {"attribute": "a", "operator": "exists"},
    ]}));
    let none = json!([{"expect": {"variant": null}}]);
    assert_eq!(unreached(&with_tests(vec![draft], none)), Vec::<String>::new());
    let on = json!([{"expect": {"value": true}}]);
    assert_eq!(unreached(&with_tests(vec![flag(json!({}))], on)), Vec::<String>::new());
    // A rule for everybody ends the evaluation, and `off` is for nobody.
    let rules = json!([
        {"name": "one", "when": [{"attribute": "a", "operator": "exists"}], "serve": "off"},
        {"name": "all", "serve": "on"},
    ]);
    let on = json!([{"expect": {"value": true}}]);
    let missing = unreached(&with_tests(vec![flag(json!({"rules": rules}))], on));
    assert_eq!(missing, ["rules[0].when[0] true", "rules[0] one", "variants[1] off"]);
}

proptest! {
    /// A test that gives a unit and no bucket is the decision itself.
    #[test]
    fn a_unit_is_hashed_as_ever(unit in "[a-z0-9]{1,12}") {
        let mut documents = everything();
        documents[1]["catalog"]["layers"][0]["slots"][0]["ranges"] = json!([[0, 700_000]]);
        let compilation = with_tests(documents, json!([{"unit": unit, "expect": {"variant": null}}]));
        let nothing = Map::new();
        let experiment = compilation.catalog.experiment("e").unwrap();
        let (decision, steps) = experiment.explain(&Subject::new(&unit, &nothing), noon(), None);
        let suite = &compilation.tests[0];
        let outcome = suite.cases[0].run(&Map::new(), suite.tested(&compilation.catalog).unwrap(), noon());
        prop_assert_eq!(outcome.variant, decision.variant.map(|it| &*it.key));
        prop_assert_eq!(outcome.reason, decision.reason.as_str());
        prop_assert_eq!(outcome.rehearsal.steps, steps);
    }
}
