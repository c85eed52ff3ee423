//! Proves the order of evaluation of experiments: each reason, and that each step beats those after it.
#![expect(
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    reason = "documents are written in place"
)]

mod common;

use abx_core::decide::{Stage, Step};
use abx_core::hash::{Bucketer, Purpose};
use abx_core::{Catalog, Pin, Reason, Subject};
use common::{at, attributes, catalog, experiment, noon};
use serde_json::{Value, json};

/// The reason and variant for a unit, at noon.
fn decide(catalog: &Catalog, unit: &str, context: Value, pin: Option<Pin<'_>>) -> (Reason, Option<String>) {
    decide_at(catalog, unit, context, pin, noon())
}

fn decide_at(
    catalog: &Catalog,
    unit: &str,
    context: Value,
    pin: Option<Pin<'_>>,
    now: jiff::Timestamp,
) -> (Reason, Option<String>) {
    let attributes = attributes(&context);
    let experiment = catalog.experiment("e").unwrap();
    let subject = Subject::new(unit, &attributes);
    let decision = experiment.decide(&subject, now, pin);
    let (explained, steps) = experiment.explain(&subject, now, pin);
    assert_eq!(explained.reason, decision.reason);
    let decides: Vec<&Step> =
        steps.iter().filter(|step| matches!(step, Step::Stage { decides: true, .. })).collect();
    assert_eq!(decides.len(), 1, "exactly one step decides: {steps:#?}");
    assert_eq!(steps.last(), decides.first().copied(), "and it is the last");
    (decision.reason, decision.variant.map(|it| it.key.to_string()))
}

fn reason(fields: Value, unit: &str, context: Value) -> Reason {
    decide(&catalog(&[experiment(fields)]), unit, context, None).0
}

const PIN: Pin<'static> = Pin { variant: "treatment", epoch: 1 };

/// Documents and a subject to which everything from a step on applies, and nothing before it.
fn from_step_on(step: usize) -> (Catalog, &'static str, Option<Pin<'static>>) {
    let applies = |at: usize| step <= at;
    let status = match () {
        () if applies(1) => "draft",
        () if applies(5) => "paused",
        () => "active",
    };
    let (mine, others) = if applies(6) { ([0, 1], [1, 1_000_000]) } else { ([1, 1_000_000], [0, 1]) };
    let mut fields = json!({
        "status": status,
        "layer": "checkout",
        "targeting_rules": [{"attribute": "user_id", "operator": if applies(7) { "ends_with" } else { "starts_with" }, "value": "user"}],
        "traffic_allocation": u8::from(!applies(8)),
    });
    if applies(2) {
        fields["overrides"] = json!({"user_17": "control"});
    }
    let shared = json!({"catalog": {
        "layers": [{"key": "checkout", "slots": [
            {"experiment": "e", "ranges": [mine]}, {"experiment": "other", "ranges": [others]},
        ]}],
        "holdouts": [{"key": "global", "allocation": u8::from(applies(3))}],
    }});
    let mut other = experiment(json!({"layer": "checkout"}));
    other["experiment"] = json!("other");
    let pin = applies(4).then_some(PIN);
    (catalog(&[experiment(fields), other, shared]), if applies(0) { " " } else { "user_17" }, pin)
}

#[test]
fn each_step_beats_all_after_it() {
    let expected = [
        Reason::UnitMissing,
        Reason::NotActive,
        Reason::Override,
        Reason::Holdout,
        Reason::Pinned,
        Reason::NotActive,
        Reason::OtherInLayer,
        Reason::Targeting,
        Reason::Traffic,
        Reason::Assigned,
    ];
    for (step, expected) in expected.into_iter().enumerate() {
        let (catalog, unit, pin) = from_step_on(step);
        let (reason, variant) = decide(&catalog, unit, json!({}), pin);
        assert_eq!(reason, expected, "step {step}");
        let gives = matches!(reason, Reason::Override | Reason::Pinned | Reason::Assigned);
        assert_eq!(variant.is_some(), gives, "step {step}");
    }
}

#[test]
fn reasons_are_counted_by_their_place() {
    for (at, reason) in Reason::ALL.into_iter().enumerate() {
        assert_eq!(reason as usize, at, "{reason}");
        assert_eq!(serde_json::to_value(reason).unwrap(), json!(reason.as_str()));
    }
}

#[test]
fn a_completed_experiment_serves_its_winner_to_everybody() {
    let winner = json!({
        "status": "completed", "winner": "treatment", "traffic_allocation": 0, "ends_at": "2026-01-01",
        "overrides": {"u": "control"},
    });
    let catalog = catalog(&[experiment(winner)]);
    let expected = (Reason::Winner, Some("treatment".to_owned()));
    assert_eq!(decide(&catalog, "u", json!({}), Some(Pin { variant: "control", epoch: 1 })), expected);
    assert_eq!(reason(json!({"status": "completed"}), "u", json!({})), Reason::NotActive);
}

#[test]
fn the_start_is_included_and_the_end_is_not() {
    let fields = json!({"starts_at": "2026-03-01T09:00:00+01:00", "ends_at": "2026-04-01"});
    let catalog = catalog(&[experiment(fields)]);
    let reason = |now: &str| decide_at(&catalog, "u", json!({}), None, at(now)).0;
    assert_eq!(reason("2026-03-01T07:59:59.999999999Z"), Reason::NotActive);
    assert_eq!(reason("2026-03-01T08:00:00Z"), Reason::Assigned);
    assert_eq!(reason("2026-03-31T23:59:59.999999999Z"), Reason::Assigned);
    assert_eq!(reason("2026-04-01T00:00:00Z"), Reason::NotActive);
}

#[test]
fn pins_hold_for_their_epoch_and_variant_only() {
    let catalog = catalog(&[experiment(json!({"epoch": 2}))]);
    let with = |variant, epoch| decide(&catalog, "u", json!({}), Some(Pin { variant, epoch }));
    for variant in ["control", "treatment"] {
        assert_eq!(with(variant, 2), (Reason::Pinned, Some(variant.to_owned())));
        assert_eq!(with(variant, 1).0, Reason::Assigned);
        assert_eq!(with(variant, 3).0, Reason::Assigned);
    }
    assert_eq!(with("gone", 2).0, Reason::Assigned, "the variant does not exist any more");
}

#[test]
fn paused_keeps_pins_and_takes_nobody_new() {
    let catalog = catalog(&[experiment(json!({"status": "paused", "overrides": {"staff": "control"}}))]);
    assert_eq!(decide(&catalog, "u", json!({}), None), (Reason::NotActive, None));
    assert_eq!(decide(&catalog, "u", json!({}), Some(PIN)).0, Reason::Pinned);
    assert_eq!(decide(&catalog, "staff", json!({}), None).0, Reason::Override);
}

#[test]
fn no_unit_is_in_two_experiments_of_a_layer() {
    let keys = ["a", "b", "c"];
    let mut documents: Vec<Value> = keys
        .iter()
        .map(|key| {
            let mut document = experiment(json!({"layer": "l"}));
            document["experiment"] = json!(key);
            document
        })
        .collect();
    let slots = json!([
        {"experiment": "a", "ranges": [[0, 200_000], [600_000, 700_000]]},
        {"experiment": "b", "ranges": [[200_000, 500_000]]},
        {"experiment": "c", "ranges": [[500_000, 600_000]]},
    ]);
    documents.push(json!({"catalog": {"layers": [{"key": "l", "slots": slots}]}}));
    let catalog = catalog(&documents);
    let none = attributes(&json!({}));
    let mut counts = [0; 4];
    for unit in 0..10_000 {
        let unit = format!("user_{unit}");
        let subject = Subject::new(&unit, &none);
        let takes = |it: &&&str| {
            let decision = catalog.experiment(it).unwrap().decide(&subject, noon(), None);
            decision.reason == Reason::Assigned
        };
        let inside: Vec<&&str> = keys.iter().filter(takes).collect();
        assert!(inside.len() <= 1, "{unit} is in {inside:?}");
        let place = inside.first().map_or(3, |key| keys.iter().position(|it| it == *key).unwrap());
        *counts.get_mut(place).unwrap() += 1;
    }
    for (count, expected) in counts.into_iter().zip([3_000_i32, 3_000, 1_000, 3_000]) {
        assert!((count - expected).abs() < 200, "{counts:?}");
    }
}

#[test]
fn a_holdout_is_of_all_or_of_those_listed() {
    let holdout = |fields: Value| {
        let mut holdout = json!({"key": "h", "allocation": 0.5});
        holdout.as_object_mut().unwrap().extend(attributes(&fields));
        let mut other = experiment(json!({}));
        other["experiment"] = json!("other");
        catalog(&[experiment(json!({})), other, json!({"catalog": {"holdouts": [holdout]}})])
    };
    let (all, listed) = (holdout(json!({})), holdout(json!({"experiments": ["e"]})));
    let unlisted = holdout(json!({"experiments": ["other"]}));
    let salted = holdout(json!({"salt": "x", "unit": "account"}));
    let drawn = |salt: &str, unit: &str| Bucketer::new(salt, Purpose::Holdout).bucket(unit) < 500_000;
    for unit in (0..100).map(|it| format!("user_{it}")) {
        let expected = if drawn("h", &unit) { Reason::Holdout } else { Reason::Assigned };
        assert_eq!(decide(&all, &unit, json!({}), None).0, expected);
        assert_eq!(decide(&listed, &unit, json!({}), None).0, expected);
        assert_eq!(decide(&unlisted, &unit, json!({}), None).0, Reason::Assigned);
        let expected = if drawn("x", "acme") { Reason::Holdout } else { Reason::Assigned };
        assert_eq!(decide(&salted, &unit, json!({"account": "acme"}), None).0, expected);
        assert_eq!(decide(&salted, &unit, json!({}), None).0, Reason::Assigned, "no account to hold out");
    }
}

#[test]
fn units_are_of_any_attribute_and_keep_their_bytes() {
    let by_account = json!({"unit": "account.id", "overrides": {"42": "treatment", " x ": "control"}});
    let catalog = catalog(&[experiment(by_account)]);
    let reason = |context: Value| decide(&catalog, "user_1", context, None).0;
    assert_eq!(reason(json!({"account": {"id": 42}})), Reason::Override, "a number is its digits");
    assert_eq!(reason(json!({"account": {"id": "42"}})), Reason::Override);
    assert_eq!(reason(json!({"account.id": "42"})), Reason::Override, "a name with dots");
    assert_eq!(reason(json!({"account": {"id": " x "}})), Reason::Override);
    assert_eq!(reason(json!({"account": {"id": "x"}})), Reason::Assigned, "never trimmed");
    for missing in [json!(""), json!(" \t\u{a0}"), json!(4.5), json!(true), json!(null), json!(["42"])] {
        assert_eq!(reason(json!({"account": {"id": missing}})), Reason::UnitMissing, "{missing}");
    }
    assert_eq!(reason(json!({})), Reason::UnitMissing, "the user id does not stand in");
}

#[test]
fn a_user_id_may_be_an_attribute_and_the_given_one_wins() {
    let catalog = catalog(&[experiment(json!({"overrides": {"a": "control", "b": "treatment"}}))]);
    let variant = |unit: &str, context: Value| decide(&catalog, unit, context, None).1;
    assert_eq!(variant("", json!({"user_id": "a"})).as_deref(), Some("control"));
    assert_eq!(variant("b", json!({"user_id": "a"})).as_deref(), Some("treatment"));
    assert_eq!(decide(&catalog, "", json!({}), None).0, Reason::UnitMissing);
}

#[test]
fn an_epoch_draws_anew_and_a_salt_keeps() {
    let draw = |fields: Value| -> Vec<Option<String>> {
        let catalog = catalog(&[experiment(fields)]);
        (0..1_000).map(|it| decide(&catalog, &format!("user_{it}"), json!({}), None).1).collect()
    };
    let first = draw(json!({}));
    assert_eq!(first, draw(json!({"epoch": 1})));
    assert_eq!(first, draw(json!({"salt": "e"})), "the key is the salt");
    for other in [draw(json!({"epoch": 2})), draw(json!({"salt": "x"}))] {
        let same = first.iter().zip(&other).filter(|(a, b)| a == b).count();
        assert!((400..600).contains(&same), "{same} of 1000 have kept their variant; half is chance");
    }
    let mut renamed = experiment(json!({"salt": "e"}));
    renamed["experiment"] = json!("renamed");
    let renamed = catalog(&[renamed]);
    let none = attributes(&json!({}));
    for (unit, variant) in first.iter().enumerate() {
        let unit = format!("user_{unit}");
        let decision =
            renamed.experiment("renamed").unwrap().decide(&Subject::new(&unit, &none), noon(), None);
        assert_eq!(decision.variant.map(|it| it.key.to_string()), *variant);
    }
}

#[test]
fn an_explanation_names_the_steps_in_order() {
    let catalog = catalog(&[experiment(json!({}))]);
    let none = attributes(&json!({}));
    let (_, steps) = catalog.experiment("e").unwrap().explain(&Subject::new("u", &none), noon(), None);
    let stages: Vec<Stage> = steps
        .iter()
        .filter_map(|step| if let Step::Stage { stage, .. } = step { Some(*stage) } else { None })
        .collect();
    let expected = [
        Stage::Unit,
        Stage::Status,
        Stage::Override,
        Stage::Holdout,
        Stage::Pin,
        Stage::Layer,
        Stage::Targeting,
        Stage::Traffic,
        Stage::Variant,
    ];
    assert_eq!(stages, expected);
}
