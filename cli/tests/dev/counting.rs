//! The whole loop on a laptop: assign, convert, see the results; capture what came, and count it again.

use crate::program::{Dev, Place, until};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

const USERS: usize = 40;

/// Assigns users, and lets every third of them order; how many of each variant were assigned and ordered.
fn shop(dev: &Dev) -> [(u64, u64); 2] {
    let mut truth = [(0, 0); 2];
    for number in 0..USERS {
        let user = format!("private-{number}");
        let path = format!("/assign?experiment_key=checkout_redesign&user_id={user}");
        let answer = dev.get(&path).ok();
        // A holdout keeps some of them out.
        let Some(variant) = answer["variant"].as_str() else { continue };
        let (units, orders) = &mut truth[usize::from(variant == "redesign")];
        *units += 1;
        if number % 3 == 0 {
            let order = json!({"type": "conversion", "event": "order_placed", "user_id": user,
                "properties": {"total_eur": 12.5, "street": "private-street"}});
            // Twice, as somebody who orders again: one unit has converted.
            assert_eq!(dev.post("/events", &json!([order, order])).status, 202);
            *orders += 1;
        }
    }
    truth
}

/// Units and units that ordered, of `control` and `redesign`.
fn counted(report: &Value) -> [(u64, u64); 2] {
    let orders = report["metrics"].as_array().unwrap().iter().find(|it| it["metric"] == "order_placed");
    ["control", "redesign"].map(|variant| {
        let is_it = |it: &&Value| it["variant"] == variant;
        let rows = orders.unwrap()["variants"].as_array().unwrap();
        let row = rows.iter().find(is_it).unwrap();
        // The window of all of them is open.
        let both =
            |counted: &str, pending: &str| row[counted].as_u64().unwrap() + row[pending].as_u64().unwrap();
        (both("units", "pending"), both("converted", "pending_converted"))
    })
}

/// A command that has no store of its own.
fn replay(place: &Place, args: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_abx"));
    command.current_dir(place.path()).args(["replay", "--from", "docs", "--format", "json"]).args(args);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_replay_to_a_function_counts_exactly_and_once() {
    let test = "experiment: e\nstatus: active\nvariants: [{key: a}, {key: b}]\n\
                metrics: [{key: bought, event: buy, kind: conversion}]\n";
    let place = Place::with(&[("e.yaml", test)]);
    let dev = place.serve();
    let now = jiff::Timestamp::now().as_millisecond();
    let mut lines = Vec::new();
    for unit in 0..700 {
        let variant = if unit % 2 == 0 { "a" } else { "b" };
        lines.push(json!({"type": "exposure", "experiment": "e", "variant": variant, "unit": format!("u{unit}"), "timestamp": now - 2000}));
        if unit % 5 == 0 {
            lines.push(json!({"type": "conversion", "event": "buy", "user_id": format!("u{unit}"), "timestamp": now - 1000}));
        }
    }
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    std::fs::write(place.path().join("events.jsonl"), lines.join("\n")).unwrap();
    let replay = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_abx"));
        command.args(["replay", "events.jsonl", "--to", "abx-prod-events", "--yes", "--format", "json"]);
        command.current_dir(place.path()).env("AWS_ENDPOINT_URL", format!("http://{}", dev.address));
        command
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", "x")
            .env("AWS_SECRET_ACCESS_KEY", "y");
        let output = command.output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        (report, output.status.code())
    };
    let counts = || {
        let results = place.report(&["results", "e"]);
        let of = |index: usize, pointer: &str| results[pointer][index].clone();
        let bought = &results["metrics"][0]["variants"];
        (
            [of(0, "variants")["units"].clone(), of(1, "variants")["units"].clone()],
            [bought[0]["converted"].clone(), bought[1]["converted"].clone()],
        )
    };
    let (report, code) = replay();
    assert_eq!((&report["classes"]["counted"], code), (&json!(840), Some(0)), "{report}");
    let expected = ([json!(350), json!(350)], [json!(70), json!(70)]);
    assert_eq!(counts(), expected);
    let (report, code) = replay();
    assert_eq!((&report["classes"]["already_counted"], code), (&json!(840), Some(1)), "{report}");
    assert_eq!(counts(), expected, "twice is once");
}

#[test]
fn who_orders_is_seen_in_the_results_and_a_capture_of_it_counts_the_same() {
    let place = Place::of_the_repository();
    let dev = place.serve();
    let truth = shop(&dev);
    assert!(truth.iter().all(|(units, orders)| *units > 0 && *orders > 0), "{truth:?}");
    for user in ["private-1", "private-1", "private-2"] {
        dev.get(&format!("/flags/instant_search?user_id={user}")).ok();
    }
    until("all is counted", || {
        let output = place.run(&["results", "checkout_redesign", "--format", "json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        eprintln!("{:?} {truth:?} {}", counted(&report), report["stream"]);
        (counted(&report) == truth && report["stream"]["evaluations"] == 3).then_some(())
    });

    let captured = place.report(&["capture", "day.json"]);
    assert_eq!((&captured["left_out"], &captured["redacted"]), (&json!(0), &json!(true)), "{captured}");
    assert!(!fs::read_to_string(place.path().join("day.json")).unwrap().contains("private"));
    let as_it_came = place.report(&["capture", "plain.json", "--unredacted"]);
    assert_eq!(as_it_came["records"], captured["records"]);
    let [redacted, plain] = ["day.json", "plain.json"].map(|file| replay(&place, &[file]));
    assert_eq!(redacted["experiments"], plain["experiments"], "pseudonyms count as units do");
    let units: u64 = plain["experiments"][0]["variants"].as_array().unwrap().iter().map(units).sum();
    assert_eq!(units, truth.iter().map(|(units, _)| units).sum::<u64>());
    let faulty = replay(&place, &["day.json", "--faults", "reorder,bisect", "--seed", "5", "--compare"]);
    assert_eq!(faulty["equal"], true, "{faulty}");

    let again = place.run(&["capture", "day.json"]);
    assert_eq!(again.status.code(), Some(3), "a capture is never written over");
    let wrong = place.run(&["capture", "day.jsonl"]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
}

#[test]
fn who_sees_an_experiment_through_a_flag_converts_as_well_however_soon() {
    let documents = "experiment: prices\nstatus: active\nvariants: [{key: a}, {key: b}]\n\
        metrics: [{key: bought, event: purchase, kind: conversion}]\n---\n\
        flag: price\nenabled: true\nvariants: [{key: a, value: 1}, {key: b, value: 2}]\ndefault_variant: a\n\
        rules: [{name: test, experiment: prices}]\n";
    let place = Place::with(&[("prices.yaml", documents)]);
    let dev = place.serve();
    for number in 0..5 {
        let user = format!("u{number}");
        assert!(dev.post("/flags/price", &json!({"user_id": user})).ok()["experiment"].is_object());
        let bought = json!({"type": "conversion", "event": "purchase", "user_id": user});
        assert_eq!(dev.post("/events", &bought).status, 202);
    }
    let stream = until("all is counted", || {
        let output = place.run(&["results", "prices", "--format", "json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        (report["units"] == 5).then(|| report["stream"].clone())
    });
    assert!(stream.get("unattributed").is_none_or(|it| *it == 0), "{stream}");
}

/// A typo in a name is not silent: the answer says it, and so does `abx status`.
#[test]
fn unknown_events_are_named_by_the_answer_and_by_status() {
    let place = Place::of_the_repository();
    let dev = place.serve();
    let event = |name: &str, user: &str| json!({"type": "conversion", "event": name, "user_id": user});
    let variant = |user: &str| dev.get(&format!("/assign?experiment_key=checkout_redesign&user_id={user}"));
    let user =
        (0..1_000).map(|number| format!("u{number}")).find(|user| !variant(user).ok()["variant"].is_null());
    let (placed, typo) = (event("order_placed", &user.unwrap()), event("order_plcaed", "7"));
    let long = event(&"scroll\u{1b}[31m ".repeat(9), "7");
    let answer = dev.post("/events", &json!([placed, typo, typo, long, {"type": "click"}]));
    assert_eq!(answer.status, 202);
    let told = answer.json;
    assert_eq!(told["accepted"], 4);
    assert_eq!(told["counted"], json!({"counted": 1, "unknown_event": 3}));
    assert_eq!(told["rejected"][0]["index"], 4);
    let unknown = told["unknown_events"].as_array().unwrap();
    assert_eq!((&unknown[0]["event"], &unknown[0]["count"]), (&json!("order_plcaed"), &json!(2)));
    assert!(unknown[0]["detail"].as_str().unwrap().contains("did you mean \"order_placed\"?"), "{told}");
    assert!(unknown[1]["detail"].as_str().unwrap().contains("metrics ask for"), "{told}");

    let exposure =
        json!({"type": "exposure", "experiment": "chekout_redesign", "variant": "control", "user_id": "7"});
    let told = dev.post("/events", &exposure).json;
    let unknown = &told["unknown_experiments"][0];
    assert_eq!(
        (&unknown["experiment"], &unknown["count"]),
        (&json!("chekout_redesign"), &json!(1)),
        "{told}"
    );
    assert!(unknown["detail"].as_str().unwrap().contains("did you mean \"checkout_redesign\"?"), "{told}");

    let output = place.run(&["status", "--from", "docs", "--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let events = report["unknown_events"]["told"]["events"].as_array().unwrap().clone();
    assert_eq!(events[0], json!({"event": "order_plcaed", "count": 2, "did_you_mean": "order_placed"}));
    assert_eq!((events.len(), events[1]["event"].as_str().unwrap().len()), (2, 64));
    let human = String::from_utf8(place.run(&["status", "--from", "docs"]).stdout).unwrap();
    assert!(human.contains("\"order_plcaed\": 2; did you mean \"order_placed\"?"), "{human}");
    assert!(!human.contains("\u{1b}[31m s"), "{human:?}");
}

/// The content of any one record of the stream can be posted as well.
#[test]
fn several_events_are_posted_as_lines_or_as_a_list() {
    let place = Place::of_the_repository();
    let dev = place.serve();
    let event = json!({"type": "evaluation", "flag": "instant_search", "variant": "on", "unit": 7});
    let lines = format!("{event}\n{event}\nbroken\n");
    let told = dev.post_raw("/events", &lines).json;
    assert_eq!((&told["accepted"], &told["rejected"][0]["index"]), (&json!(2), &json!(2)), "{told}");
    assert_eq!(told["counted"], json!({"counted": 2}));
    assert_eq!(dev.post("/events", &json!([event, event, event])).json["accepted"], 3);
    assert_eq!(dev.post("/events", &json!([])).json["accepted"], 0);
    for broken in ["", "{", "[1 true]", "[{}"] {
        assert_eq!(dev.post_raw("/events", broken).status, 400, "{broken}");
    }
}

fn units(variant: &Value) -> u64 {
    variant["units"].as_u64().unwrap()
}
