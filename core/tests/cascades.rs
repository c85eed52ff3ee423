//! Proves that one mistake is one finding, that all are found at once, and that none costs another document.
#![expect(clippy::indexing_slicing, reason = "documents are written in place")]

mod common;

use abx_core::Compilation;
use abx_core::finding::Code;
use common::{colours, compiled, experiment, flag};
use serde_json::{Value, json};

/// `code path` of each finding.
fn told(compilation: &Compilation) -> Vec<String> {
    compilation.findings.iter().map(|it| format!("{} {}", it.code, it.place.path)).collect()
}

fn one(document: Value, expected: &str) {
    assert_eq!(told(&compiled(&[document])), [expected]);
}

#[test]
fn five_mistakes_are_five_findings() {
    let document = json!({
        "experiment": "e", "status": "activ", "trafic_allocation": 0.5, "unit": 7, "epoch": 0,
        "variants": [{"key": "A B", "allocation": 0.5}, {"key": "b", "allocation": 0.4}],
    });
    let expected = [
        "unknown-field trafic_allocation",
        "unknown-word status",
        "wrong-type unit",
        "invalid-key variants[0].key",
        "invalid-value epoch",
        "allocation-sum variants",
    ];
    assert_eq!(told(&compiled(&[document])), expected);
}

#[test]
fn what_could_not_be_read_leads_to_nothing_more() {
    let named = json!({"overrides": {"u": "a"}, "status": "completed", "winner": "a"});
    let with = |variants: Value| {
        let mut fields = named.clone();
        fields["variants"] = variants;
        experiment(fields)
    };
    one(with(json!("a, b")), "wrong-type variants");
    one(with(json!([{"key": "A"}, {"key": "b"}])), "invalid-key variants[0].key");
    one(with(json!([{"ky": "a"}, {"key": "b"}])), "unknown-field variants[0].ky");
    one(
        with(json!([{"key": "a", "alocation": 0.5}, {"key": "b", "allocation": 0.5}])),
        "unknown-field variants[0].alocation",
    );
    one(
        with(json!([{"key": "a", "allocation": "half"}, {"key": "b", "allocation": 0.5}])),
        "wrong-type variants[0].allocation",
    );
    one(
        with(json!([{"key": "a", "ranges": [[0]]}, {"key": "b", "ranges": []}])),
        "wrong-type variants[0].ranges[0]",
    );
    let mut misspelt = with(json!([]));
    let variants = misspelt.as_object_mut().unwrap().remove("variants").unwrap();
    misspelt["varients"] = variants;
    one(misspelt, "unknown-field varients");
    one(experiment(json!({"status": "complete", "winner": "control"})), "unknown-word status");
    one(experiment(json!({"starts_at": "soon", "ends_at": "2026-01-01"})), "invalid-date starts_at");
    one(experiment(json!({"traffic_allocation": "all"})), "wrong-type traffic_allocation");
    one(
        experiment(json!({"metrics": [{"key": "m", "event": "e", "kind": "summ"}]})),
        "unknown-word metrics[0].kind",
    );
}

#[test]
fn conditions_that_could_not_be_read_lead_to_nothing_more() {
    let rules = |conditions: Value| experiment(json!({"targeting_rules": conditions}));
    let equals = |value: &str| json!({"attribute": "a", "operator": "equals", "value": value});
    let broken = json!({"attribute": "a", "operator": "equls", "value": "x"});
    let word = "unknown-word targeting_rules[0].operator";
    one(rules(json!([broken, equals("y")])), word);
    one(rules(json!([{"not": broken}])), "unknown-word targeting_rules[0].not.operator");
    one(
        rules(json!([{"attribute": "a", "opertor": "equals", "value": 1}])),
        "unknown-field targeting_rules[0].opertor",
    );
    one(rules(json!([{"any": "x"}])), "wrong-type targeting_rules[0].any");
    one(rules(json!([{"al": [equals("x")]}])), "unknown-field targeting_rules[0].al");
    one(rules(json!(equals("x"))), "wrong-type targeting_rules");
    one(rules(json!(["a == x"])), "wrong-type targeting_rules[0]");
}

#[test]
fn flags_are_no_noisier() {
    one(colours(json!({"ruls": [{"serve": "red"}]})), "unknown-field ruls");
    one(colours(json!({"rules": [{"serv": "red"}, {"serve": "green"}]})), "unknown-field rules[0].serv");
    one(
        flag(json!({"rules": [{"wen": [], "serve": "on"}], "rollout_percentage": 5})),
        "unknown-field rules[0].wen",
    );
    one(flag(json!({"rules": [{}, {"serve": "on"}]})), "missing-field rules[0]");
    one(flag(json!({"rules": [{"split": 1}]})), "wrong-type rules[0].split");
    let misspelt = json!({
        "flag": "f", "enabled": true, "varients": [], "default_variant": "red", "overrides": {"u": "red"},
        "rules": [{"serve": "red"}],
    });
    one(misspelt, "unknown-field varients");
    let both = json!([{"variant": "read"}, {"variant": "grean"}]);
    let split = compiled(&[colours(json!({"rules": [{"split": both}]}))]);
    assert_eq!(
        told(&split),
        ["unknown-variant rules[0].split[0].variant", "unknown-variant rules[0].split[1].variant"]
    );
}

#[test]
fn negatives_that_need_an_attribute_are_not_warned_of() {
    let not = json!({"not": {"attribute": "a", "operator": "equals", "value": 1}});
    let leaf = |operator: &str, value: Value| json!({"attribute": "a", "operator": operator, "value": value});
    for beside in [
        leaf("exists", Value::Null),
        leaf("in", json!([1, 2])),
        json!({"not": leaf("not_exists", Value::Null)}),
        json!({"any": [leaf("equals", json!(2)), leaf("equals", json!(3))]}),
        json!({"all": [{"all": [leaf("greater_than", json!(0))]}]}),
    ] {
        let fields = json!({"targeting_rules": [beside, {"any": [{"all": [not]}]}]});
        assert!(told(&compiled(&[experiment(fields)])).is_empty(), "{beside}");
    }
    let unit = json!({"unit": "a", "targeting_rules": [not]});
    assert!(told(&compiled(&[experiment(unit)])).is_empty(), "a unit is never missing");
}

#[test]
fn a_bad_document_takes_no_other_down() {
    let documents = [
        json!("no document at all"),
        experiment(json!({"status": "activ", "variants": "none"})),
        json!({"flag": "g", "enabled": true, "varients": [{"key": "a", "value": 1}]}),
        json!({"experiment": "good", "status": "active", "variants": [{"key": "red"}, {"key": "green"}]}),
        colours(json!({
            "prerequisites": [{"flag": "g", "variant": "a"}, {"flag": "unread", "variant": "on"}],
            "rules": [{"experiment": "e"}, {"experiment": "unread"}, {"experiment": "good"}],
        })),
    ];
    let compilation = compiled(&documents);
    let expected = ["unknown-kind ", "unknown-word status", "wrong-type variants", "unknown-field varients"];
    assert_eq!(told(&compilation), expected);
    assert!(compilation.catalog.experiment("good").is_some());
    assert!(compilation.catalog.flag("f").is_some());
    assert!(compilation.catalog.experiment("e").is_none() && compilation.catalog.flag("g").is_none());
}

#[test]
fn the_second_of_two_equal_keys_is_left_out() {
    let second = experiment(json!({"epoch": 9}));
    let compilation = compiled(&[experiment(json!({})), second, flag(json!({})), flag(json!({}))]);
    let places: Vec<(Code, usize)> =
        compilation.findings.iter().map(|it| (it.code, it.place.document)).collect();
    assert_eq!(places, [(Code::DuplicateKey, 1), (Code::DuplicateKey, 3)]);
    assert_eq!(compilation.catalog.experiment("e").unwrap().epoch(), 1);
    assert_eq!(compilation.catalog.experiments().len(), 1);
}

/// An experiment in a layer, one with a segment, one with neither, and a flag with a segment.
fn using(shared: Value) -> Compilation {
    let named = |key: &str, mut fields: Value| {
        fields["experiment"] = json!(key);
        experiment(fields)
    };
    compiled(&[
        shared,
        named("layered", json!({"layer": "l"})),
        named("segmented", json!({"targeting_rules": [{"segment": "s"}]})),
        named("plain", json!({})),
        flag(json!({"targeting_rules": [{"segment": "s"}]})),
    ])
}

fn kept(compilation: &Compilation) -> Vec<&str> {
    let experiments = compilation.catalog.experiments().iter().map(abx_core::Experiment::key);
    experiments.chain(compilation.catalog.flags().iter().map(abx_core::Flag::key)).collect()
}

#[test]
fn what_uses_a_broken_catalog_is_left_out_in_silence() {
    let slots = json!([{"experiment": "layered", "ranges": [[0, 1_000_000]]}]);
    let whole = |fields: Value| {
        let mut catalog = json!({"segments": [{"key": "s"}], "layers": [{"key": "l", "slots": slots}]});
        catalog.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({"catalog": catalog})
    };
    let good = using(whole(json!({})));
    assert_eq!(kept(&good), ["layered", "segmented", "plain", "f"]);
    assert!(good.findings.is_empty(), "{:#?}", good.findings);
    for (fields, finding) in [
        (json!({"segments": [{"key": "S"}]}), "invalid-key catalog.segments[0].key"),
        (json!({"segments": 1}), "wrong-type catalog.segments"),
        (
            json!({"segments": [{"key": "s", "when": [{"segment": "s"}]}]}),
            "segment-cycle catalog.segments[0].when",
        ),
        (json!({"layers": [{"kye": "l", "slots": slots}]}), "unknown-field catalog.layers[0].kye"),
        (json!({"layers": [{"key": "l", "slot": slots}]}), "unknown-field catalog.layers[0].slot"),
        (json!({"layers": [{"key": "l", "slots": slots, "unit": 7}]}), "wrong-type catalog.layers[0].unit"),
        (json!({"description": 7}), "wrong-type catalog.description"),
    ] {
        let compilation = using(whole(fields));
        assert_eq!(told(&compilation), [finding]);
        assert_eq!(kept(&compilation), ["plain"], "{finding}");
    }
}

#[test]
fn a_holdout_that_cannot_be_read_lets_nobody_in() {
    let plain = json!({"experiment": "plain", "status": "active", "variants": [{"key": "a"}, {"key": "b"}]});
    let holdout = |fields: Value| json!({"catalog": {"holdouts": [fields]}});
    for shared in [
        json!({"catalog": {"holdots": []}}),
        json!({"catalog": 1}),
        holdout(json!({"key": "h", "allocation": 20})),
        holdout(json!({"key": "h", "allocation": 0.5, "experiments": "other"})),
    ] {
        let compilation = compiled(&[plain.clone(), shared.clone()]);
        assert_eq!(compilation.findings.len(), 1, "{shared}");
        assert!(kept(&compilation).is_empty(), "{shared}");
    }
    let two = json!({"catalog": {"holdouts": [{"key": "h", "allocation": 0.5}]}});
    let compilation = compiled(&[json!({"catalog": {}}), two, plain]);
    assert_eq!(told(&compilation), ["duplicate-key catalog"]);
    assert!(kept(&compilation).is_empty(), "the second catalog may hold it out");
}
