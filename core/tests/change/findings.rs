//! Findings about changes: each problem has exactly its finding, at exactly its path.

use super::{change, diff, found};
use crate::common::{experiment, flag};
use abx_core::change::Change;
use abx_core::finding::Severity;
use serde_json::{Value, json};

fn shares(shares: &[(&str, f64)]) -> Value {
    shares.iter().map(|(key, share)| json!({"key": key, "allocation": share})).collect()
}

fn of(before: Value, after: Value) -> Vec<(String, String)> {
    let change = change(&experiment(before), &experiment(after));
    found(&change).into_iter().map(|(code, path)| (code.to_owned(), path)).collect()
}

#[test]
fn each_is_found_where_it_stands() {
    let metric = |event: &str| json!([{"key": "m", "event": event, "kind": "conversion"}]);
    let rule = |country: &str| json!([{"attribute": "country", "operator": "equals", "value": country}]);
    let thirds = shares(&[("a", 0.2), ("b", 0.3), ("c", 0.5)]);
    for (before, after, code, path) in [
        (json!({}), json!({"salt": "other"}), "units-reshuffled", "salt"),
        (json!({}), json!({"unit": "device_id"}), "units-reshuffled", "unit"),
        (json!({}), json!({"epoch": 2}), "epoch-changed", "epoch"),
        (json!({"epoch": 2}), json!({"epoch": 2, "salt": "other"}), "units-reshuffled", "salt"),
        (
            json!({"variants": thirds}),
            json!({"variants": shares(&[("a", 0.3), ("b", 0.3), ("c", 0.4)])}),
            "avoidable-moves",
            "variants",
        ),
        (
            json!({}),
            json!({"variants": shares(&[("control", 0.3), ("treatment", 0.7)])}),
            "units-switch",
            "variants",
        ),
        (json!({}), json!({"traffic_allocation": 0.5}), "units-leave", "traffic_allocation"),
        (json!({}), json!({"status": "paused"}), "units-leave", "status"),
        (
            json!({"targeting_rules": rule("DE")}),
            json!({"targeting_rules": rule("AT")}),
            "targeting-changed",
            "targeting_rules",
        ),
        (json!({"metrics": metric("a")}), json!({"metrics": metric("b")}), "metric-changed", "metrics[0]"),
        (json!({"metrics": metric("a")}), json!({}), "metric-changed", "metrics[0]"),
        (
            json!({}),
            json!({"variants": [{"key": "control"}, {"key": "treatment", "payload": 1}]}),
            "payload-changed",
            "variants[1].payload",
        ),
    ] {
        let found = of(before.clone(), after.clone());
        assert_eq!(found, [(code.to_owned(), path.to_owned())], "{before} {after}");
    }
    let found = of(json!({"variants": thirds}), json!({"variants": shares(&[("a", 0.2), ("b", 0.8)])}));
    let codes: Vec<&str> = found.iter().map(|(code, _)| &**code).collect();
    assert_eq!(codes, ["units-switch", "variant-removed"]);
}

#[test]
fn a_salt_is_quoted_as_it_is_written() {
    for (before, written) in [
        (json!({"salt": "a#b"}), "a#b"),
        (json!({"salt": "a#b", "epoch": 2}), "a#b"),
        (json!({"epoch": 2}), "e"),
    ] {
        let mut after = before.clone();
        after["salt"] = json!("a");
        let change = change(&experiment(before.clone()), &experiment(after));
        let finding = &change.findings[0];
        assert_eq!(finding.code.as_str(), "units-reshuffled", "{before}");
        assert!(finding.message.contains(&format!("the salt is `a` instead of `{written}`:")), "{finding:?}");
        let help = finding.help.as_deref().unwrap();
        assert!(help.contains(&format!("write `salt: {written}` to keep")), "{help}");
    }
}

#[test]
fn what_spoils_nothing_is_not_found() {
    for (before, after) in [
        // Raising the traffic moves nobody who is in, and what a document says beside that is no decision.
        (json!({"traffic_allocation": 0.2}), json!({"traffic_allocation": 0.8})),
        (json!({}), json!({"owner": "somebody else"})),
        (json!({}), json!({"status": "completed", "winner": "control"})),
        (json!({"status": "draft"}), json!({"salt": "other"})),
        (json!({"starts_at": "2027-01-01"}), json!({"starts_at": "2027-01-01", "salt": "other"})),
        (json!({}), json!({"salt": "e"})),
    ] {
        assert_eq!(of(before.clone(), after.clone()), [], "{before} {after}");
    }
}

#[test]
fn a_new_key_is_found_unless_the_salt_is_kept() {
    let with_key = |key: &str, salt: Option<&str>| {
        let mut document = experiment(json!({"owner": "a", "traffic_allocation": 0.5}));
        document["experiment"] = json!(key);
        if let Some(salt) = salt {
            document["salt"] = json!(salt);
        }
        document
    };
    let renamed = change(&with_key("old", None), &with_key("new", None));
    assert_eq!(renamed.change, Change::Renamed("experiment old".to_owned()));
    assert_eq!(found(&renamed), [("key-renamed", "salt".to_owned())]);
    assert_eq!(renamed.findings[0].severity, Severity::Error);
    assert!(renamed.findings[0].help.as_deref().unwrap().contains("salt: old"));
    let kept = change(&with_key("old", None), &with_key("new", Some("old")));
    assert_eq!(found(&kept), []);
    assert!(kept.flows.is_empty(), "nobody moves");
}

#[test]
fn what_does_not_compile_on_one_side_costs_no_other() {
    let broken = experiment(json!({"variants": "none"}));
    let good = experiment(json!({}));
    let other = |on: bool| flag(json!({"enabled": on}));
    let documents = diff(&[good.clone(), other(true)], &[broken.clone(), other(false)]).documents;
    assert_eq!(found(&documents[0]), [("not-comparable", String::new())]);
    assert_eq!(documents[1].flows[0].moved.to_string(), "1");
    let mended = diff(&[broken], &[good]).documents;
    assert_eq!(found(&mended[0]), [("not-compiled-before", String::new())]);
}

#[test]
fn what_is_shared_reaches_those_that_use_it() {
    let shared = |value: &str, slot: u32| {
        json!({"catalog": {
            "segments": [{"key": "s", "when": [{"attribute": "a", "operator": "equals", "value": value}]}],
            "layers": [{"key": "l", "slots": [{"experiment": "e", "ranges": [[0, slot]]}]}],
        }})
    };
    let user = experiment(json!({"targeting_rules": [{"segment": "s"}], "layer": "l"}));
    let of_user = |value: &str, slot: u32| {
        let documents =
            diff(&[user.clone(), shared("x", 500_000)], &[user.clone(), shared(value, slot)]).documents;
        documents.into_iter().find(|it| it.document == "experiment e").unwrap()
    };
    let segment = of_user("y", 500_000);
    assert_eq!(segment.change, Change::Affected);
    assert_eq!(found(&segment), [("targeting-changed", "targeting_rules".to_owned())]);
    let slot = of_user("x", 400_000);
    assert_eq!(found(&slot), [("units-leave", "layer".to_owned())]);
    assert_eq!(slot.flows[0].left.to_string(), "1/10");
}

#[test]
fn what_is_gone_while_it_runs_is_found() {
    let documents = diff(&[experiment(json!({}))], &[]).documents;
    assert_eq!(
        (&documents[0].change, found(&documents[0])),
        (&Change::Removed, vec![("experiment-removed", String::new())])
    );
    let documents = diff(&[experiment(json!({"status": "draft"}))], &[]).documents;
    assert_eq!(found(&documents[0]), []);
}
