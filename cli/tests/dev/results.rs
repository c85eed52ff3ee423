//! `abx results`: of whatever was ever published or counted, with verdicts that hold at every look, and units that are not users.

use crate::program::{Place, until};
use serde_json::{Value, json};
use std::fs;
use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

pub(crate) const SHOP: &str = "experiment: shop\nstatus: active\nvariants: [{key: a}, {key: b}]\n\
    metrics:\n  - {key: buyers, event: bought, kind: conversion}\n\
    \x20 - {key: orders, event: bought, kind: count, role: guardrail, direction: decrease}\n";
const FLAG: &str = "flag: on\nenabled: true\n";

fn exposure(experiment: &str, variant: &str, unit: &str) -> Value {
    json!({"type": "exposure", "experiment": experiment, "variant": variant, "unit": unit})
}

fn order(unit: &str, number: usize) -> Value {
    json!({"type": "conversion", "event": "bought", "unit": unit, "event_id": format!("{unit}-{number}")})
}

/// As many units in each variant; every fifth of `a` orders once, and of `b` nearly each one, and often.
pub(crate) fn traffic(each: usize) -> Vec<Value> {
    let mut events = Vec::new();
    for unit in 0..each {
        let (a, b) = (format!("a{unit}"), format!("b{unit}"));
        events.extend([exposure("shop", "a", &a), exposure("shop", "b", &b)]);
        if unit % 5 == 0 {
            events.push(order(&a, 0));
        }
        if unit % 10 > 0 {
            events.extend((0..unit % 7).map(|number| order(&b, number)));
        }
    }
    events
}

fn replay(place: &Place, events: &[Value]) {
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    fs::write(place.path().join("events.jsonl"), lines.join("\n")).unwrap();
    let replayed = place.run(&["replay", "events.jsonl", "--from", "docs", "--shards", "1"]);
    assert_eq!(replayed.status.code(), Some(0), "{replayed:?}");
}

/// The report of a command that ends so, checked against its schema.
pub(crate) fn told(place: &Place, args: &[&str], exit: i32) -> Value {
    let report = match args {
        ["results"] => "results-list",
        ["status", ..] => "status",
        _ => "results",
    };
    crate::operating::told(place, report, args, exit)
}

pub(crate) fn said(place: &Place, args: &[&str]) -> String {
    let output = place.run(args);
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{args:?} is wider than 80 columns: {line:?}");
    }
    text
}

fn said_wide(place: &Place, args: &[&str]) -> String {
    let output = place.run(args);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn publish(place: &Place) {
    place.report(&["publish", "docs", "--yes"]);
}

/// A place that published this experiment and counted these events.
pub(crate) fn counted(shop: &str, events: &[Value]) -> Place {
    let place = Place::with(&[("shop.yaml", shop)]);
    publish(&place);
    replay(&place, events);
    place
}

#[test]
fn counts_outlive_their_document() {
    let place = Place::with(&[("shop.yaml", SHOP), ("on.yaml", FLAG)]);
    publish(&place);
    replay(&place, &traffic(60));
    let published = told(&place, &["results", "shop"], 0);
    assert_eq!((&published["standing"], &published["revision"]), (&json!("published"), &json!(1)));

    fs::remove_file(place.document("shop.yaml")).unwrap();
    publish(&place);
    let deleted = told(&place, &["results", "shop"], 0);
    assert_eq!((&deleted["standing"], &deleted["revision"]), (&json!("deleted"), &json!(1)));
    for field in ["units", "variants", "sample_ratio", "metrics", "status"] {
        assert_eq!(deleted[field], published[field], "{field}");
    }
    let human = said(&place, &["results", "shop"]);
    assert!(human.contains("deleted") && human.contains("judged by revision 1"), "{human}");
    let refused = said(&place, &["results", "shop", "--at", "@2"]);
    assert!(refused.contains("abx results shop --at @1"), "{refused}");

    // Published again in another form, and rolled back.
    place.write("shop.yaml", &SHOP.replace("status: active", "status: paused"));
    publish(&place);
    assert_eq!(told(&place, &["results", "shop"], 0)["status"], "paused");
    assert_eq!(told(&place, &["results", "shop", "--at", "@1"], 0)["status"], "active");
    place.report(&["rollback", "--yes"]);
    let rolled_back = told(&place, &["results", "shop"], 0);
    assert_eq!((&rolled_back["standing"], &rolled_back["revision"]), (&json!("rolled_back"), &json!(3)));
    assert!(said(&place, &["results", "shop"]).contains("rolled back"));
    place.report(&["rollback", "--yes"]);
    assert_eq!(told(&place, &["results", "shop", "--at", "@head"], 0)["standing"], "published");
}

#[test]
fn an_epoch_is_judged_by_its_own_document() {
    let place = counted(SHOP, &traffic(30));
    place.write(
        "shop.yaml",
        &(SHOP
            .replace("{key: a}", "{key: a, allocation: 0.9}")
            .replace("{key: b}", "{key: b, allocation: 0.1}")
            + "epoch: 2\n"),
    );
    publish(&place);
    let first = told(&place, &["results", "shop", "--epoch", "1"], 0);
    assert_eq!((&first["revision"], &first["sample_ratio"]["verdict"]), (&json!(1), &json!("fits")));
    let second = told(&place, &["results", "shop"], 1);
    assert_eq!((&second["epoch"], &second["units"]), (&json!(2), &json!(0)), "nothing was counted of it");
}

#[test]
fn all_that_was_counted_is_listed() {
    let place = Place::with(&[("shop.yaml", SHOP), ("on.yaml", FLAG)]);
    publish(&place);
    assert_eq!(told(&place, &["results"], 1)["experiments"], json!([]));
    let ghosts = (0..3).map(|unit| exposure("ghost", "x", &format!("g{unit}")));
    let traffic: Vec<Value> = traffic(30).into_iter().chain(ghosts).collect();
    replay(&place, &traffic);
    fs::remove_file(place.document("shop.yaml")).unwrap();
    publish(&place);
    let list = told(&place, &["results"], 0);
    let rows: Vec<_> = list["experiments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let ratio = it["sample_ratio"]["verdict"].as_str().unwrap_or("none");
            let text = |field: &str| it[field].as_str().unwrap().to_owned();
            (
                text("experiment"),
                text("standing"),
                it["revision"].as_u64(),
                it["units"].as_u64().unwrap(),
                ratio.to_owned(),
            )
        })
        .collect();
    let row = |key: &str, standing: &str, revision, units, ratio: &str| {
        (key.to_owned(), standing.to_owned(), revision, units, ratio.to_owned())
    };
    assert_eq!(
        rows,
        [row("ghost", "unpublished", None, 3, "none"), row("shop", "deleted", Some(1), 60, "fits")]
    );
    said(&place, &["results"]);

    let ghost = told(&place, &["results", "ghost"], 0);
    assert_eq!(
        (&ghost["standing"], &ghost["status"], &ghost["control"]),
        (&json!("unpublished"), &Value::Null, &Value::Null)
    );
    assert_eq!(ghost["variants"][0]["units"], 3);
    assert!(said(&place, &["results", "ghost"]).contains("never published"));
    assert!(said(&place, &["results", "sho"]).contains("did you mean `shop`?"));
    assert!(said(&place, &["results", "ghost", "--control", "x"]).contains("nothing is compared"));
}

/// One standard judges all metrics: at every look, or with `--final` at the one that was planned.
#[test]
fn a_verdict_is_valid_at_every_look() {
    let of = |report: &Value, metric: usize| report["metrics"][metric]["variants"][1]["verdict"].clone();
    // A conversion may be judged where a count has too few events yet, as its guardrail here.
    let place = counted(SHOP, &traffic(300));
    let report = told(&place, &["results", "shop"], 0);
    assert_eq!(report["standard"], "anytime");
    assert_eq!((of(&report, 0), of(&report, 1)), (json!("better"), json!("too_early")));
    let guardrail = &report["metrics"][1];
    assert_eq!((&guardrail["broken"], &guardrail["unjudged"]), (&json!(false), &json!(true)));
    let human = said(&place, &["results", "shop"]);
    for text in ["too early", "not judged", "better", "95 % intervals of differences, valid at every look"] {
        assert!(human.contains(text), "{text}: {human}");
    }
    let report = told(&place, &["results", "shop", "--final"], 1);
    assert_eq!((&report["standard"], of(&report, 1)), (&json!("final"), json!("worse")), "far more orders");
    assert!(said(&place, &["results", "shop", "--final"]).contains("valid for this one look"));

    let place = counted(SHOP, &traffic(900));
    let report = told(&place, &["results", "shop"], 1);
    assert_eq!((of(&report, 1), &report["metrics"][1]["broken"]), (json!("worse"), &json!(true)));

    // So with conversions.
    let as_conversion = SHOP.replace("kind: count", "kind: conversion");
    let place = counted(&as_conversion, &traffic(50));
    let report = told(&place, &["results", "shop"], 0);
    assert_eq!((of(&report, 1), &report["metrics"][1]["unjudged"]), (json!("too_early"), &json!(true)));
    let place = counted(&as_conversion, &traffic(300));
    let report = told(&place, &["results", "shop"], 1);
    assert_eq!(report["metrics"][1]["broken"], true);
    assert!(said(&place, &["results", "shop"]).contains("broken"));
}

/// The plan of the document decides by which standard results are judged, and says what is missing.
#[test]
fn a_plan_is_obeyed() {
    let planned = |plan: &str| format!("{SHOP}plan: {plan}\n");
    let place = counted(&planned("{goal: buyers, units: 2000, days: 14}"), &traffic(300));
    let report = told(&place, &["results", "shop"], 0);
    assert_eq!((&report["standard"], &report["planned_units"]), (&json!("planned"), &json!(2000)));
    assert_eq!(
        (&report["headline"]["state"], &report["headline"]["variant"]),
        (&json!("better"), &json!("b"))
    );
    assert_eq!(report["next"], "abx conclude shop --winner b");
    let human = said(&place, &["results", "shop"]);
    for text in
        ["b is better: buyers +", "day 1 of 14 · 600 of 2,000 units", "next: abx conclude shop --winner b"]
    {
        assert!(human.replace('\n', " ").replace("  ", " ").contains(text), "{text}: {human}");
    }
    assert_eq!(told(&place, &["results", "shop", "--tuned-for", "500"], 0)["standard"], "anytime");

    // One look, and it is not yet: no verdict, whatever the counts are.
    let place = counted(&planned("{goal: buyers, units: 2000, looks: final}"), &traffic(300));
    let report = told(&place, &["results", "shop"], 0);
    let state = (&report["standard"], &report["headline"]["state"], &report["headline"]["units_missing"]);
    assert_eq!(state, (&json!("final"), &json!("not_decided"), &json!(1400)));
    assert_eq!(report["metrics"][0]["variants"][1]["verdict"], "too_early");
    assert!(said(&place, &["results", "shop"]).contains("1,400 units are missing"));
    let list = told(&place, &["results"], 0);
    assert_eq!(list["experiments"][0]["headline"]["state"], "not_decided");

    let power = crate::operating::told(&place, "power", &["power", "shop", "--mde", "20%"], 0);
    assert_eq!((&power["metric"], &power["standard"]), (&json!("buyers"), &json!("final")));
    assert!(said(&place, &["power", "shop", "--mde", "20%"]).contains("goal: buyers"));
}

/// Counts of a time with one split and of another are not one experiment: counters cannot tell which of them a unit belongs to.
#[test]
fn a_changed_split_is_not_judged_as_one() {
    let place = counted(SHOP, &traffic(300));
    assert_eq!(told(&place, &["results", "shop"], 0)["phases"].as_array().map(Vec::len), Some(1));
    let uneven = SHOP
        .replace("{key: a}", "{key: a, allocation: 0.9}")
        .replace("{key: b}", "{key: b, allocation: 0.1}");
    place.write("shop.yaml", &uneven);
    publish(&place);
    let report = told(&place, &["results", "shop"], 0);
    assert_eq!(report["phases"].as_array().map(Vec::len), Some(2));
    assert_ne!(report["sample_ratio"]["verdict"], "mismatch");
    assert_eq!(report["metrics"][0]["variants"][1]["verdict"], "too_early");
    assert!(said(&place, &["results", "shop"]).contains("allocations changed: @2"));
    // By one document alone the split is that of this document.
    assert_eq!(told(&place, &["results", "shop", "--at", "@2"], 1)["sample_ratio"]["verdict"], "mismatch");
}

#[test]
fn results_go_into_tables_spreadsheets_and_pages() {
    let place = counted(SHOP, &traffic(300));
    let markdown = said_wide(&place, &["results", "shop", "--format", "markdown"]);
    assert!(markdown.contains("| buyers | primary | b | 300 |"), "{markdown}");
    let csv = said_wide(&place, &["results", "shop", "--format", "csv"]);
    let columns: Vec<usize> = csv.lines().map(|line| line.split(',').count()).collect();
    assert_eq!(columns, [26; 5], "{csv}");
    let html = said_wide(&place, &["results", "shop", "--format", "html"]);
    for text in ["<!DOCTYPE html>", "b is better", "<svg", "abx conclude shop"] {
        assert!(html.contains(text), "{text}: {html}");
    }
    assert!(!html.contains("<script") && !html.contains("http://") || html.contains("www.w3.org"), "{html}");
    let refused = said(&place, &["results", "--format", "csv"]);
    assert!(refused.contains("name an experiment"), "{refused}");
}

#[test]
fn units_of_a_variant_that_the_document_does_not_have_are_a_mismatch() {
    let place = Place::with(&[("shop.yaml", SHOP)]);
    publish(&place);
    let mut events = traffic(60);
    events.push(exposure("shop", "c", "stray"));
    replay(&place, &events);
    let report = told(&place, &["results", "shop"], 1);
    assert_eq!(report["sample_ratio"]["verdict"], "mismatch");
    assert_eq!(report["variants"][2]["is_known"], false);
    let human = said(&place, &["results", "shop"]);
    assert!(human.contains("1 unit in `~unknown`"), "{human}");
}

#[test]
fn a_mismatch_leaves_no_verdict_that_looks_valid() {
    let place = counted(&SHOP.replace("kind: count", "kind: conversion"), &traffic(300));
    let human = said(&place, &["results", "shop"]);
    assert!(human.contains("worse") && !human.contains("not valid"), "{human}");
    assert_eq!(told(&place, &["results", "shop"], 1)["verdicts_valid"], true);

    replay(&place, &[exposure("shop", "c", "stray")]);
    let report = told(&place, &["results", "shop"], 1);
    assert_eq!(
        (&report["verdicts_valid"], &report["sample_ratio"]["verdict"]),
        (&json!(false), &json!("mismatch"))
    );
    let human = said(&place, &["results", "shop"]);
    for word in ["better", "worse", "unclear"] {
        assert!(!human.contains(word), "{word}: {human}");
    }
    assert!(human.contains("`not valid`: the sample ratio is wrong"), "{human}");
}

#[test]
fn metrics_that_the_document_lost_are_named() {
    let place = counted(SHOP, &traffic(30));
    place.write("shop.yaml", &SHOP.replace("key: orders", "key: sales"));
    publish(&place);
    assert_eq!(told(&place, &["results", "shop"], 0)["other_metrics"], json!(["orders"]));
    assert!(said(&place, &["results", "shop"]).contains("not in this document: orders"));
}

#[test]
fn units_that_are_not_users_are_named() {
    let place = counted(SHOP, &traffic(60));
    let clean = told(&place, &["results", "shop"], 0);
    assert_eq!(clean["suspects"]["placeholders"], json!({"state": "known", "told": []}));
    assert_eq!(clean["suspects"]["busy"]["told"]["busiest"], json!([]));
    told(&place, &["status", "--from", "docs"], 0);

    let place = Place::with(&[("shop.yaml", SHOP)]);
    publish(&place);
    let ids = ["undefined", "null", "NaN", "[object Object]", "0", "00000000-0000-0000-0000-000000000000"];
    let mut events = traffic(60);
    events.extend(ids.iter().map(|unit| exposure("shop", "b", unit)));
    events.push(exposure("shop", "a", "robot"));
    events.extend((0..90).map(|number| order("robot", number)));
    replay(&place, &events);
    let report = told(&place, &["results", "shop"], 0);
    let named = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|it| it["unit"].as_str().unwrap().to_owned()).collect()
    };
    let mut placeholders = named(&report["suspects"]["placeholders"]["told"]);
    placeholders.sort_unstable();
    let mut right = ids.to_vec();
    right.sort_unstable();
    assert_eq!(placeholders, right);
    assert_eq!(named(&report["suspects"]["busy"]["told"]["busiest"]), ["robot"]);
    let human = said(&place, &["results", "shop"]);
    assert!(
        human.contains("not a user: \"undefined\"") && human.contains("not one user: \"robot\" has"),
        "{human}"
    );
    let status = told(&place, &["status", "--from", "docs"], 1);
    assert_eq!(named(&status["suspects"]["busy"]["told"]["busiest"]), ["robot"]);
    assert_eq!(named(&status["suspects"]["placeholders"]["told"]).len(), ids.len());
}

/// The reader of `--watch` is gone, as with `| head -1`: nothing changes any more, and the command ends all the same.
#[test]
fn watching_ends_with_its_reader() {
    let place = counted(SHOP, &traffic(30));
    let mut command = place.command(&["results", "shop", "--watch"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 4]).unwrap();
    drop(stdout);
    let start = Instant::now();
    let ended = until("it ends", || child.try_wait().unwrap());
    assert!(start.elapsed() < Duration::from_secs(20));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((ended.code(), said.as_str()), (Some(0), ""));
}
