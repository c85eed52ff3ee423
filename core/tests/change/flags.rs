//! Flags: a flow for each rule, and one for those whom no rule serves.

use super::{change, diff, found};
use crate::common::{colours, experiment, flag};
use abx_core::change::Change;
use serde_json::{Value, json};

fn moved(before: &Value, after: &Value) -> Vec<(String, String, String)> {
    let change = change(before, after);
    let flow =
        |it: &abx_core::change::Flow| (it.about.clone(), it.moved.to_string(), it.avoidable.to_string());
    change.flows.iter().map(flow).collect()
}

fn row(about: &str, moved: &str, avoidable: &str) -> (String, String, String) {
    (about.to_owned(), moved.to_owned(), avoidable.to_owned())
}

#[test]
fn a_rollout_moves_who_it_takes_in() {
    let rollout = |percentage: u32| flag(json!({"rollout_percentage": percentage}));
    assert_eq!(moved(&rollout(20), &rollout(50)), [row("all units", "3/10", "0")]);
    let off = flag(json!({"enabled": false, "rollout_percentage": 20}));
    assert_eq!(moved(&rollout(20), &off), [row("all units", "1/5", "0")]);
    let anew = flag(json!({"rollout_percentage": 50, "salt": "other"}));
    let change = change(&rollout(50), &anew);
    assert_eq!(found(&change), [("units-reshuffled", "salt".to_owned())]);
    assert_eq!(change.flows[0].moved.to_string(), "1/2");
}

#[test]
fn each_rule_has_a_flow_of_its_own() {
    let rules = |red: f64, serve: &str| {
        let split =
            json!([{"variant": "red", "allocation": red}, {"variant": "green", "allocation": 1.0 - red}]);
        let when = json!([{"attribute": "plan", "operator": "equals", "value": "free"}]);
        colours(
            json!({"rules": [{"name": "free", "when": when, "split": split}, {"name": "rest", "serve": serve}]}),
        )
    };
    assert_eq!(
        moved(&rules(0.5, "red"), &rules(0.25, "green")),
        [row("units of rule free", "1/4", "0"), row("units of rule rest", "1", "0")]
    );
}

#[test]
fn shares_of_a_rollout_may_move_without_need() {
    let with = |red: f64, green: f64, blue: f64| {
        let share = |key: &str, share: f64| json!({"key": key, "value": key, "allocation": share});
        colours(json!({
            "variants": [share("red", red), share("green", green), share("blue", blue)], "rollout_percentage": 50,
        }))
    };
    let change = change(&with(0.2, 0.3, 0.5), &with(0.3, 0.3, 0.4));
    assert_eq!(found(&change), [("avoidable-moves", String::new())]);
    assert_eq!(
        (change.flows[0].moved.to_string(), change.flows[0].minimum.to_string()),
        ("1/10".into(), "1/20".into())
    );
}

#[test]
fn values_are_told_and_what_a_flag_asks_reaches_it() {
    let on = |value: &str| {
        let variants = json!([{"key": "on", "value": value}, {"key": "off", "value": ""}]);
        flag(json!({"variants": variants, "default_variant": "off"}))
    };
    let told = change(&on("a"), &on("b"));
    assert_eq!(told.notes, ["units that get `on` get the value `\"b\"` instead of `\"a\"`"]);
    let served = flag(json!({
        "variants": [{"key": "control", "value": 1}, {"key": "treatment", "value": 2}], "default_variant": "control",
        "rules": [{"experiment": "e"}],
    }));
    let before = [experiment(json!({})), served.clone()];
    let after = [experiment(json!({"traffic_allocation": 0.5})), served];
    let documents = diff(&before, &after).documents;
    assert_eq!(documents[1].change, Change::Affected);
    assert_eq!(documents[1].notes, ["it serves experiment e, which moves units"]);
}
