//! `abx status`, `abx quarantine` and `abx redrive` over the embedded store.

use crate::program::{Place, until};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

const EXPERIMENT: &str = "experiment: e\nstatus: active\nvariants: [{key: a}, {key: b}]\n\
    metrics: [{key: paid, event: paid, kind: count}]\n";

/// The report of a command, checked against its published schema.
pub(crate) fn told(place: &Place, report: &str, args: &[&str], exit: i32) -> Value {
    let output = place.run(&[args, &["--format", "json"]].concat());
    assert_eq!(output.status.code(), Some(exit), "{args:?}: {output:?}");
    let told = serde_json::from_slice(&output.stdout).unwrap();
    let schema =
        Command::new(env!("CARGO_BIN_EXE_abx")).args(["schema", "--report", report]).output().unwrap();
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("report.json", serde_json::from_slice(&schema.stdout).unwrap()).unwrap();
    let index = compiler.compile("report.json", &mut schemas).unwrap();
    assert!(schemas.validate(&told, index).is_ok(), "{told}");
    told
}

fn status(place: &Place, args: &[&str], exit: i32) -> Value {
    told(place, "status", &[&["status", "--from", "docs"], args].concat(), exit)
}

#[test]
fn an_empty_store_has_nothing_published() {
    let place = Place::with(&[("on.yaml", "flag: on\nenabled: true\n")]);
    drop(abx_functions::adapters::embedded::EmbeddedStore::open(place.store()).unwrap());
    let told = status(&place, &[], 1);
    assert_eq!(told["head"], json!({"state": "known", "told": null}));
    let added = &told["drift"]["told"]["documents"][0];
    assert_eq!((&added["document"], &added["change"]), (&json!("flag on"), &json!("added")));
    assert_eq!((&told["stale"]["state"], &told["shards"]["told"]), (&json!("not_asked"), &json!([])));
    for part in ["alarms", "mappings", "given_up", "archive"] {
        assert_eq!(told[part], json!({"state": "not_asked", "told": "only with --table"}), "{part}");
    }

    // A person reads answers first, and then once why the rest was not asked.
    let output = place.run(&["status"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let asked: Vec<&str> = text.lines().skip(1).map(|line| line.get(2..14).unwrap().trim()).collect();
    assert_eq!(
        asked,
        ["head", "shards", "events", "amounts", "quarantine", "units", "not asked", "", ""],
        "{text}"
    );
    let rest = "  not asked   drift: there is no folder experiments; see --from\n              \
        stale: nothing is published\n              alarms, mapping, given up, archive: only with --table\n";
    assert!(text.ends_with(rest), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert_eq!(output.status.code(), Some(1), "nothing was ever published");
}

#[test]
fn drift_is_what_publishing_would_change() {
    let place = Place::with(&[("on.yaml", "flag: on\nenabled: true\n"), ("e.yaml", EXPERIMENT)]);
    place.report(&["publish", "docs", "--yes", "--message", "first"]);
    let told = status(&place, &[], 0);
    assert_eq!(
        (&told["head"]["told"]["revision"], &told["head"]["told"]["author"]),
        (&json!(1), &json!("ana"))
    );
    place.write("on.yaml", "flag: on\nenabled: false\n");
    let told = status(&place, &[], 1);
    assert_eq!(told["drift"]["told"]["documents"][0]["document"], "flag on");
    place.report(&["publish", "docs", "--yes"]);
    place.report(&["rollback", "--yes"]);
    let told = status(&place, &[], 1);
    assert_eq!((&told["head"]["told"]["revision"], &told["head"]["told"]["newest"]), (&json!(1), &json!(2)));

    // What cannot be asked hides nothing else.
    place.write("on.yaml", "flag: on\nenabled: maybe\n");
    let told = status(&place, &[], 3);
    assert_eq!((&told["drift"]["state"], &told["stale"]["state"]), (&json!("failed"), &json!("known")));
    let elsewhere = told_from(&place, "nowhere", 3);
    assert!(elsewhere["drift"]["told"].as_str().unwrap().contains("nowhere: no such file or folder"));
    let output = place.run(&["status", "--format", "json"]);
    let default: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &default["drift"]["state"]), (Some(0), &json!("not_asked")));
}

fn told_from(place: &Place, from: &str, exit: i32) -> Value {
    told(place, "status", &["status", "--from", from], exit)
}

#[test]
fn documents_that_are_over_are_stale() {
    let variants = "variants: [{key: a}, {key: b}]\n";
    let over = format!(
        "experiment: ended\nstatus: active\nends_at: 2020-01-01\n{variants}---\n\
        experiment: done\nstatus: completed\n{variants}---\n\
        experiment: won\nstatus: completed\nwinner: a\n{variants}---\n\
        experiment: runs\nstatus: active\nends_at: 2999-01-01\n{variants}"
    );
    let flags = "flag: on\nenabled: true\n---\nflag: off\nenabled: false\n---\nflag: half\nenabled: true\nrollout_percentage: 50\n";
    let place = Place::with(&[("over.yaml", &over), ("flags.yaml", flags)]);
    place.report(&["publish", "docs", "--yes"]);
    let stale = |args: &[&str]| -> Vec<String> {
        let told = status(&place, args, 1);
        let stale = told["stale"]["told"].as_array().unwrap();
        stale
            .iter()
            .map(|it| format!("{}: {}", it["document"].as_str().unwrap(), it["why"].as_str().unwrap()))
            .collect()
    };
    let experiments = ["experiment ended: ended", "experiment done: no_winner"];
    assert_eq!(stale(&[]), experiments);
    let settled = ["flag off: settled", "flag on: settled"];
    assert_eq!(stale(&["--stale-after", "0s"]), [experiments, settled].concat());

    // A flag that changed since is not stale, however old it is.
    let store = rusqlite::Connection::open(place.store()).unwrap();
    let old = (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(60 * 24)).to_string();
    assert_eq!(store.execute("UPDATE revisions SET created_at = ?1", [old]).unwrap(), 1);
    place.write("flags.yaml", &flags.replace("flag: on\nenabled: true", "flag: on\nenabled: false"));
    place.report(&["publish", "docs", "--yes"]);
    assert_eq!(stale(&["--stale-after", "30d"]), [&experiments[..], &["flag off: settled"]].concat());
    assert_eq!(stale(&["--stale-after", "90d"]), experiments);
}

/// Events of which three cannot be processed, and what is counted of the others.
fn with_bad_records() -> Place {
    let place = Place::with(&[("e.yaml", EXPERIMENT)]);
    let events = [
        r#"{"type": "exposure", "unit": "u", "experiment": "e", "variant": "a"}"#,
        r#"{"type": "conversion", "unit": "u", "event": "paid"}"#,
        "no JSON \u{1b}[31mat all",
        r#"{"type": "thought", "unit": "u"}"#,
    ];
    fs::write(place.path().join("events.jsonl"), events.join("\n")).unwrap();
    // One that Lambda hands over without its place.
    let unplaced = json!({"Records": [{"kinesis": {"data": "eyJ0eXBlIjogImNvbnZlcnNpb24iLCAidW5pdCI6ICJ1IiwgImV2ZW50IjogInBhaWQifQ=="}}]});
    fs::write(place.path().join("unplaced.json"), unplaced.to_string()).unwrap();
    let replayed = place.run(&["replay", "events.jsonl", "unplaced.json", "--from", "docs", "--shards", "1"]);
    assert_eq!(replayed.status.code(), Some(1), "a record without a place is a finding: {replayed:?}");
    place
}

fn payments(place: &Place) -> Value {
    let results = place.report(&["results", "e"]);
    results["metrics"][0]["variants"][0]["events"].clone()
}

#[test]
fn quarantined_records_are_listed_shown_and_redriven() {
    let place = with_bad_records();
    let listed = told(&place, "quarantine-list", &["quarantine", "list"], 0);
    assert_eq!(listed["reasons"], json!({"no_position": 1, "not_json": 1, "unknown_type": 1}));
    let of = |reason: &str| {
        let records = listed["records"].as_array().unwrap();
        records.iter().find(|it| it["reason"] == reason).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let one = told(&place, "quarantine-list", &["quarantine", "list", "--reason", "not_json"], 0);
    assert_eq!((one["records"].as_array().unwrap().len(), &one["reasons"]), (1, &json!({"not_json": 1})));
    let shown = told(&place, "quarantine-show", &["quarantine", "show", &of("not_json")], 0);
    assert_eq!(shown["text"], "no JSON \u{1b}[31mat all");
    let human = place.run(&["quarantine", "show", &of("not_json")]);
    assert!(
        !String::from_utf8(human.stdout).unwrap().contains('\u{1b}'),
        "what others wrote steers no terminal"
    );
    let unknown = place.run(&["quarantine", "show", "no/such:1"]);
    assert_eq!(unknown.status.code(), Some(2));

    let status = status(&place, &["--max-lag", "1h"], 1);
    assert_eq!(status["quarantine"]["told"]["reasons"], listed["reasons"]);
    assert!(status["shards"]["told"][0]["shard"].as_str().unwrap().starts_with("replay/"), "{status}");

    assert_eq!(payments(&place), 1);
    let redrive =
        |args: &[&str], exit| told(&place, "redrive", &[&["redrive", "--quarantine"], args].concat(), exit);
    let plan = redrive(&[], 1);
    assert_eq!((&plan["redriven"], &plan["records"], &plan["ahead"]), (&json!(false), &json!(3), &json!(1)));
    assert_eq!(payments(&place), 1, "a plan changes nothing");
    assert_eq!(redrive(&["--reason", "no_position", "--yes"], 0)["counted"], 1);
    assert_eq!(payments(&place), 2);
    for _ in 0..2 {
        let refused = &redrive(&["--yes"], 1)["refused"];
        assert_eq!(refused, &json!({"not_json": 1, "unknown_type": 1}), "what is refused again stays");
    }
    let refused = redrive(&["--id", &of("unknown_type"), "--yes"], 1);
    assert_eq!((&refused["records"], &refused["refusals"][0]["id"]), (&json!(1), &json!(of("unknown_type"))));
    assert_eq!(place.run(&["redrive", "--quarantine", "--id", "no/such:1", "--yes"]).status.code(), Some(2));
    assert_eq!(payments(&place), 2);
}

/// Batches of a stream of which one was given up, as Lambda writes it into a bucket; and the archive of a store that counted all.
#[test]
fn what_lambda_gave_up_is_redriven_once() {
    use abx_functions::sources::kinesis::{self, KinesisRecord};
    let place = Place::with(&[("e.yaml", EXPERIMENT)]);
    place.report(&["publish", "docs", "--yes"]);
    let exposure = json!({"type": "exposure", "unit": "u", "experiment": "e", "variant": "a"});
    let paid = json!({"type": "conversion", "unit": "u", "event": "paid"});
    let batch = |first: u32, events: &[&Value]| {
        let record = |(sequence, event): (u32, &&Value)| KinesisRecord {
            sequence: sequence.to_string(),
            partition_key: "u".to_owned(),
            arrived: "2026-11-24T10:11:12Z".parse().unwrap(),
            data: event.to_string().into_bytes(),
        };
        let records: Vec<_> = (first..).zip(events).map(record).collect();
        String::from_utf8(kinesis::write("events", "shardId-000000000000", &records)).unwrap()
    };
    let dev = place.serve();
    let count = |payload: &str| {
        let path = "/2015-03-31/functions/abx-events/invocations";
        let answer = dev.post(path, &serde_json::from_str(payload).unwrap());
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    count(&batch(1, &[&exposure]));
    count(&batch(10, &[&paid]));
    let bucket = place.path().join("bucket/aws/lambda/mapping/shardId-000000000000/2026/11/24");
    fs::create_dir_all(&bucket).unwrap();
    let broken = json!("broken");
    for (name, payload) in [
        ("a", batch(3, &[&paid, &broken, &paid])),
        ("b", batch(4, &[&broken])),
        ("c", batch(10, &[&paid, &paid])),
    ] {
        let object = json!({"requestContext": {"condition": "RecordAgeExceeded"}, "payload": payload});
        fs::write(bucket.join(name), object.to_string()).unwrap();
    }
    let redrive = |args: &[&str], exit| {
        let report = told(&place, "redrive", &[&["redrive"], args].concat(), exit);
        let number = |name: &str| report[name].as_u64().unwrap();
        let refused: u64 =
            report["refused"].as_object().unwrap().values().map(|it| it.as_u64().unwrap()).sum();
        let lines =
            number("counted") + number("ahead") + number("already_counted") + refused + number("left");
        assert_eq!(number("records"), lines, "each record is in one line: {report}");
        (number("records"), number("counted"), number("ahead"), number("already_counted"), refused)
    };
    // The object `b` is a part of `a`.
    assert_eq!(redrive(&["bucket"], 1), (6, 2, 1, 2, 1));
    assert_eq!(payments(&place), 1);
    assert_eq!(redrive(&["bucket", "--yes"], 1), (6, 3, 0, 2, 1));
    assert_eq!(redrive(&["bucket", "--yes"], 0), (6, 0, 0, 6, 0));
    assert_eq!(payments(&place), 4);
    // The archive has what was counted, under the same identities.
    let archive = place.path().join("store.sqlite-archive");
    assert_eq!(redrive(&["--from-archive", archive.to_str().unwrap(), "--yes"], 0), (5, 0, 0, 5, 0));
    let other = Place::with(&[("e.yaml", EXPERIMENT)]);
    other.report(&["publish", "docs", "--yes"]);
    let rebuild = |args: &[&str]| {
        let from = ["redrive", "--from-archive", archive.to_str().unwrap()];
        let report = told(&other, "redrive", &[&from, args].concat(), 0);
        ["records", "counted", "ahead", "already_counted"].map(|name| report[name].as_u64().unwrap())
    };
    assert_eq!(rebuild(&[]), [5, 0, 5, 0]);
    assert_eq!(rebuild(&["--yes"]), [5, 5, 0, 0]);
    assert_eq!(rebuild(&["--yes"]), [5, 0, 0, 5]);
    assert_eq!(payments(&other), payments(&place));
    let nothing = place.path().join("empty");
    fs::create_dir(&nothing).unwrap();
    fs::write(nothing.join("x.json"), json!({"Records": []}).to_string()).unwrap();
    assert_eq!(redrive(&["empty"], 1), (0, 0, 0, 0, 0));
}

#[test]
fn an_event_that_waits_is_a_lag() {
    let place = Place::with(&[("e.yaml", EXPERIMENT)]);
    let dev = place.serve();
    let event = json!({"type": "conversion", "user_id": "u", "event": "paid"});
    assert_eq!(dev.post("/events", &event).status, 202);
    until("it is counted", || {
        let told = status(&place, &["--max-lag", "1h"], 0);
        (told["shards"]["told"][0]["position"] == "1").then_some(())
    });
    drop(dev);
    let told = status(&place, &[], 0);
    let shard = &told["shards"]["told"][0];
    let name = shard["shard"].as_str().unwrap();
    assert!(name.starts_with("local-") && name.ends_with("/shardId-000000000000"), "{name}");
    assert_eq!(shard["behind"]["told"], 0.0);
    assert!(shard["counted_at"].is_string(), "{shard}");
    let store = rusqlite::Connection::open(place.store()).unwrap();
    let arrived = (jiff::Timestamp::now() - jiff::SignedDuration::from_mins(10)).as_millisecond();
    let sql = "INSERT INTO events (partition_key, arrived, data) VALUES ('u', ?1, '{}')";
    store.execute(sql, [arrived]).unwrap();
    let told = status(&place, &[], 1);
    assert!(told["shards"]["told"][0]["behind"]["told"].as_f64().unwrap() >= 600.0, "{told}");
    status(&place, &["--max-lag", "1h"], 0);
}
