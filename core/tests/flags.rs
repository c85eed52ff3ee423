//! Proves the order of evaluation of flags: each reason with its word of OpenFeature, in every form of flag.
#![expect(clippy::needless_pass_by_value, clippy::unwrap_used, reason = "documents are written in place")]

mod common;

use abx_core::decide::{FlagReason, OpenFeatureReason};
use abx_core::hash::{Bucketer, Purpose};
use abx_core::{Catalog, Reason, Subject};
use common::{attributes, catalog, colours, compiled, experiment, flag, noon};
use serde_json::{Value, json};

type Outcome = (String, FlagReason, OpenFeatureReason);

fn evaluate(catalog: &Catalog, unit: &str, context: Value) -> Outcome {
    let attributes = attributes(&context);
    let subject = Subject::new(unit, &attributes);
    let evaluation = catalog.evaluate("f", &subject, noon());
    let (explained, steps) = catalog.explain_flag(catalog.flag("f").unwrap(), &subject, noon());
    assert_eq!(
        (explained.variant, explained.reason, explained.open_feature, explained.rule),
        (evaluation.variant, evaluation.reason, evaluation.open_feature, evaluation.rule)
    );
    assert!(!steps.is_empty());
    (evaluation.variant.unwrap().key.to_string(), evaluation.reason, evaluation.open_feature)
}

fn one(document: Value, unit: &str, context: Value) -> Outcome {
    evaluate(&catalog(&[document]), unit, context)
}

fn is(variant: &str, reason: FlagReason, word: OpenFeatureReason) -> Outcome {
    (variant.to_owned(), reason, word)
}

const GERMANS: fn() -> Value = || json!([{"attribute": "country", "operator": "equals", "value": "DE"}]);

#[test]
fn a_flag_that_is_not_there_gives_nothing() {
    let none = attributes(&json!({}));
    let catalog = catalog(&[flag(json!({}))]);
    let evaluation = catalog.evaluate("g", &Subject::new("u", &none), noon());
    assert!(evaluation.variant.is_none());
    assert_eq!(evaluation.reason, FlagReason::FlagNotFound);
    assert_eq!(evaluation.open_feature, OpenFeatureReason::Error);
}

#[test]
fn a_boolean_flag_is_on_off_or_drawn() {
    use {FlagReason as Why, OpenFeatureReason as Word};
    assert_eq!(one(flag(json!({})), "u", json!({})), is("on", Why::Enabled, Word::Static));
    assert_eq!(one(flag(json!({})), "", json!({})), is("on", Why::Enabled, Word::Static), "nothing is drawn");
    let off = flag(json!({"enabled": false, "overrides": {"u": "on"}}));
    assert_eq!(one(off, "u", json!({})), is("off", Why::FlagDisabled, Word::Disabled));
    let inverted = flag(json!({"default_variant": "on"}));
    assert_eq!(one(inverted, "u", json!({})), is("off", Why::Enabled, Word::Static));

    let half = catalog(&[flag(json!({"rollout_percentage": 50}))]);
    let bucketer = Bucketer::new("f", Purpose::Rollout);
    for unit in (0..200).map(|it| format!("user_{it}")) {
        let expected = if bucketer.bucket(&unit) < 500_000 {
            is("on", Why::Enabled, Word::Split)
        } else {
            is("off", Why::NotInRollout, Word::Default)
        };
        assert_eq!(evaluate(&half, &unit, json!({})), expected, "{unit}");
    }
    assert_eq!(evaluate(&half, " ", json!({})), is("off", Why::UnitMissing, Word::Error));
}

#[test]
fn the_flat_form_targets_and_draws() {
    use {FlagReason as Why, OpenFeatureReason as Word};
    let targeted = json!({"targeting_rules": GERMANS()});
    let german = json!({"country": "DE"});
    assert_eq!(
        one(flag(targeted.clone()), "u", german.clone()),
        is("on", Why::Enabled, Word::TargetingMatch)
    );
    let refused = is("off", Why::TargetingRulesNotMet, Word::Default);
    assert_eq!(one(flag(targeted), "u", json!({"country": "FR"})), refused);
    let drawn = json!({"targeting_rules": GERMANS(), "rollout_percentage": 0});
    assert_eq!(one(flag(drawn.clone()), "u", german), is("off", Why::NotInRollout, Word::Default));
    assert_eq!(one(flag(drawn), "u", json!({})), refused, "targeting comes first");
}

#[test]
fn several_variants_share_the_rollout() {
    let mut document = colours(json!({}));
    for (at, allocation) in [0.2, 0.3, 0.5].into_iter().enumerate() {
        document["variants"][at]["allocation"] = json!(allocation);
    }
    let catalog = catalog(&[document]);
    let bucketer = Bucketer::new("f", Purpose::Variant);
    for unit in (0..200).map(|it| format!("user_{it}")) {
        let expected = match bucketer.bucket(&unit) {
            ..200_000 => "red",
            200_000..500_000 => "green",
            _ => "blue",
        };
        let expected = is(expected, FlagReason::Enabled, OpenFeatureReason::Split);
        assert_eq!(evaluate(&catalog, &unit, json!({})), expected);
    }
}

#[test]
fn rules_are_tried_in_order_and_fall_through() {
    use {FlagReason as Why, OpenFeatureReason as Word};
    let staff =
        json!({"when": [{"attribute": "staff", "operator": "equals", "value": true}], "serve": "red"});
    let german = json!({"name": "germans", "when": GERMANS(), "serve": "green"});
    let rules = catalog(&[colours(json!({"rules": [staff, german]}))]);
    let both = json!({"staff": true, "country": "DE"});
    assert_eq!(evaluate(&rules, "u", both.clone()), is("red", Why::Rule, Word::TargetingMatch));
    assert_eq!(evaluate(&rules, "", json!({"country": "DE"})), is("green", Why::Rule, Word::TargetingMatch));
    assert_eq!(evaluate(&rules, "u", json!({})), is("blue", Why::Default, Word::Default));

    let named = |context: Value| {
        let attributes = attributes(&context);
        rules.evaluate("f", &Subject::new("u", &attributes), noon()).rule.map(str::to_owned)
    };
    assert_eq!(named(both).as_deref(), Some("1"), "a rule without a name has its number");
    assert_eq!(named(json!({"country": "DE"})).as_deref(), Some("germans"));
    assert_eq!(named(json!({})), None);

    let everybody = colours(json!({"rules": [{"serve": "red"}]}));
    assert_eq!(one(everybody, "u", json!({})), is("red", Why::Rule, Word::Static));
    let then_rollout = flag(json!({"rules": [{"when": GERMANS(), "serve": "on"}], "rollout_percentage": 0}));
    assert_eq!(one(then_rollout, "u", json!({})), is("off", Why::NotInRollout, Word::Default));
}

#[test]
fn shares_of_variants_are_drawn_after_the_rules() {
    let document = json!({
        "flag": "f", "enabled": true, "default_variant": "a",
        "variants": [{"key": "a", "value": 1, "allocation": 0}, {"key": "b", "value": 2, "allocation": 1}],
        "rules": [{"when": GERMANS(), "serve": "a"}],
    });
    let catalog = catalog(&[document]);
    assert_eq!(evaluate(&catalog, "u", json!({"country": "DE"})).0, "a");
    assert_eq!(evaluate(&catalog, "u", json!({})).0, "b");
}

#[test]
fn overrides_beat_rules_and_lose_to_prerequisites() {
    use {FlagReason as Why, OpenFeatureReason as Word};
    let fields = json!({"overrides": {"u": "green"}, "rules": [{"serve": "red"}]});
    let overridden = is("green", Why::Override, Word::TargetingMatch);
    assert_eq!(one(colours(fields.clone()), "u", json!({})), overridden);
    assert_eq!(one(colours(fields.clone()), "v", json!({})).0, "red");
    let mut needing = colours(fields);
    needing["prerequisites"] = json!([{"flag": "g", "variant": "on"}]);
    let unmet = json!({"flag": "g", "enabled": false});
    let blocked = evaluate(&catalog(&[needing, unmet]), "u", json!({}));
    assert_eq!(blocked, is("blue", Why::Prerequisite, Word::Default));
}

#[test]
fn a_split_draws_by_its_unit() {
    use {FlagReason as Why, OpenFeatureReason as Word};
    let split = json!([{"variant": "green", "allocation": 0.25}, {"variant": "red", "allocation": 0.75}]);
    let catalog = catalog(&[colours(json!({"rules": [{"split": split}], "unit": "account"}))]);
    let bucketer = Bucketer::new("f", Purpose::Variant);
    for account in 0..200 {
        let expected = if bucketer.bucket(&account.to_string()) < 250_000 { "green" } else { "red" };
        let outcome = evaluate(&catalog, "u", json!({"account": account}));
        assert_eq!(outcome, is(expected, Why::Rule, Word::Split));
    }
    assert_eq!(evaluate(&catalog, "u", json!({})), is("blue", Why::UnitMissing, Word::Error));
}

#[test]
fn a_rule_serves_an_experiment_or_passes_it_over() {
    use {FlagReason as Why, OpenFeatureReason as Word};
    let mut document = json!({
        "flag": "f", "enabled": true, "default_variant": "off",
        "variants": [
            {"key": "off", "value": 0}, {"key": "treatment", "value": 1}, {"key": "control", "value": 2},
        ],
        "rules": [{"experiment": "e"}, {"when": GERMANS(), "serve": "off"}],
    });
    let halves = catalog(&[document.clone(), experiment(json!({"traffic_allocation": 0.5}))]);
    let mut reasons = std::collections::HashSet::new();
    for unit in (0..100).map(|it| format!("user_{it}")) {
        let none = attributes(&json!({}));
        let decision = halves.experiment("e").unwrap().decide(&Subject::new(&unit, &none), noon(), None);
        let expected = match decision.variant {
            Some(variant) => is(&variant.key, Why::Rule, Word::Split),
            None => is("off", Why::Default, Word::Default),
        };
        assert_eq!(evaluate(&halves, &unit, json!({})), expected);
        reasons.insert(decision.reason);
    }
    assert!(reasons.contains(&Reason::Assigned) && reasons.contains(&Reason::Traffic), "{reasons:?}");
    let paused = catalog(&[document.clone(), experiment(json!({"status": "paused"}))]);
    let passed_over = is("off", Why::Rule, Word::TargetingMatch);
    assert_eq!(evaluate(&paused, "u", json!({"country": "DE"})), passed_over, "the next rule");

    let broken = compiled(&[document.clone(), experiment(json!({"traffic_allocation": 7}))]);
    assert!(broken.catalog.experiment("e").is_none(), "left out");
    assert_eq!(evaluate(&broken.catalog, "u", json!({})), is("off", Why::Default, Word::Default));
    document["rules"][0]["experiment"] = json!("g");
    assert!(compiled(&[document]).catalog.flag("f").is_none(), "a misspelt one is this document's mistake");
}

#[test]
fn without_a_unit_there_is_an_answer_only_where_the_unit_changes_nothing() {
    use {FlagReason as Why, OpenFeatureReason as Word};
    let by_experiment = || {
        json!({
            "flag": "f", "enabled": true, "default_variant": "off", "rules": [{"experiment": "e"}],
            "variants": [{"key": "off", "value": 0}, {"key": "treatment", "value": 1}, {"key": "control", "value": 2}],
        })
    };
    let needed = || is("off", Why::UnitMissing, Word::Error);
    let not_needed = || is("off", Why::Default, Word::Default);
    let german = json!({"country": "DE"});
    for (fields, context, expected) in [
        (json!({}), json!({}), needed()),
        (json!({"traffic_allocation": 0.5}), json!({}), needed()),
        (json!({"targeting_rules": GERMANS()}), german.clone(), needed()),
        (json!({"targeting_rules": GERMANS()}), json!({}), not_needed()),
        (json!({"status": "draft"}), json!({}), not_needed()),
        (json!({"status": "paused"}), json!({}), not_needed()),
        (json!({"starts_at": "2027-01-01"}), json!({}), not_needed()),
        (json!({"status": "completed"}), json!({}), not_needed()),
        (
            json!({"status": "completed", "winner": "treatment"}),
            json!({}),
            is("treatment", Why::Rule, Word::Split),
        ),
    ] {
        let catalog = catalog(&[by_experiment(), experiment(fields.clone())]);
        assert_eq!(evaluate(&catalog, "", context), expected, "{fields}");
    }
    let needing = flag(json!({"prerequisites": [{"flag": "g", "variant": "off"}]}));
    let drawn = json!({"flag": "g", "enabled": true, "rollout_percentage": 50});
    let outcome = evaluate(&catalog(&[needing, drawn]), "", json!({}));
    assert_eq!(outcome, needed(), "what another flag gives depends on the unit as well");
}

#[test]
fn a_decision_of_an_experiment_comes_along() {
    let document = json!({
        "flag": "f", "enabled": true, "default_variant": "control", "rules": [{"experiment": "e"}],
        "variants": [{"key": "control", "value": "a"}, {"key": "treatment", "value": "b"}],
    });
    let catalog = catalog(&[document, experiment(json!({}))]);
    let none = attributes(&json!({}));
    let evaluation = catalog.evaluate("f", &Subject::new("u", &none), noon());
    let decision = evaluation.decision.unwrap();
    assert_eq!(decision.experiment.key(), "e");
    assert_eq!(decision.variant.unwrap().key, evaluation.variant.unwrap().key);
}

#[test]
fn prerequisites_need_their_variant_for_the_same_subject() {
    use {FlagReason as Why, OpenFeatureReason as Word};
    let needing = flag(json!({"prerequisites": [{"flag": "g", "variant": "on"}]}));
    let other = json!({"flag": "g", "enabled": true, "targeting_rules": GERMANS()});
    let met = catalog(&[needing.clone(), other.clone()]);
    assert_eq!(evaluate(&met, "u", json!({"country": "DE"})), is("on", Why::Enabled, Word::Static));
    assert_eq!(evaluate(&met, "u", json!({})), is("off", Why::Prerequisite, Word::Default));

    let mut bad = other;
    bad["rollout_percentage"] = json!(120);
    let left_out = compiled(&[needing, bad]);
    assert!(left_out.catalog.flag("g").is_none());
    let outcome = evaluate(&left_out.catalog, "u", json!({"country": "DE"}));
    assert_eq!(outcome, is("off", Why::Prerequisite, Word::Default), "a flag left out gives nothing");
}

#[test]
fn a_circle_of_prerequisites_takes_nobody_else_down() {
    let needs = |key: &str, other: &str| json!({"flag": key, "enabled": true, "prerequisites": [{"flag": other, "variant": "on"}]});
    let compilation =
        compiled(&[needs("f", "g"), needs("g", "h"), needs("h", "g"), json!({"flag": "i", "enabled": true})]);
    assert!(compilation.catalog.flag("g").is_none() && compilation.catalog.flag("h").is_none());
    let outcome = evaluate(&compilation.catalog, "u", json!({}));
    assert_eq!(outcome, is("off", FlagReason::Prerequisite, OpenFeatureReason::Default));
    assert!(compilation.catalog.flag("i").is_some());
    assert_eq!(compilation.findings.len(), 2, "{:#?}", compilation.findings);
}
