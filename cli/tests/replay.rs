//! `abx replay` with files of one's own: another input is always counted, the same one never twice, and order does not matter.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const SHOP: &str = "experiment: shop
status: active
variants: [{key: control}, {key: treat}]
metrics:
  - {key: buyers, event: purchase, kind: conversion}
  - {key: orders, event: purchase, kind: count}
  - {key: revenue, event: purchase, kind: sum, property: amount}
  - {key: items, event: purchase, kind: sum, property: items}
";

/// A folder with the document and files to replay.
struct Place(TempDir);

/// A report, and the exit code.
struct Ran {
    report: Value,
    code: i32,
    error: String,
}

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("shop.yaml", SHOP);
        place
    }

    /// With files of events, each of users from a number on.
    fn with_events(files: &[(&str, usize, usize)]) -> Self {
        let place = Self::new();
        for (name, first, users) in files {
            place.write(name, &events(*first, *users).join("\n"));
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn run(&self, arguments: &str, input: &str) -> Ran {
        let mut child = Command::new(env!("CARGO_BIN_EXE_abx"))
            .current_dir(self.0.path())
            .arg("replay")
            .args(arguments.split_whitespace())
            .args(["--format", "json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let error =
            ["message", "help"].map(|field| report[field].as_str().unwrap_or_default()).join("\n  help: ");
        Ran { error, code: output.status.code().unwrap(), report }
    }

    /// Into the store `s`, by the document here.
    fn to_store(&self, files: &str) -> Ran {
        self.run(&format!("{files} --from shop.yaml --store s"), "")
    }

    fn csv(&self, files: &str) -> Ran {
        self.to_store(&format!("{files} {COLUMNS}"))
    }
}

const COLUMNS: &str = "--unit user --exposure shop=variant --conversion purchase=bought --value purchase.amount=amount \
    --value purchase.items=items --time at";

impl Ran {
    fn class(&self, name: &str) -> u64 {
        self.report["classes"][name].as_u64().unwrap_or_else(|| panic!("{} {}", self.report, self.error))
    }

    /// Checks the numbers of records in some classes.
    #[track_caller]
    fn assert_classes(&self, expected: &[(&str, u64)]) {
        for (name, number) in expected {
            assert_eq!(self.class(name), *number, "{name}: {} {}", self.report, self.error);
        }
    }

    /// Checks some totals of all variants.
    #[track_caller]
    fn assert_totals(&self, expected: &[(&str, f64)]) {
        let totals = expected.iter().map(|(name, _)| (*name, self.total(name)));
        assert_eq!(totals.collect::<Vec<_>>(), expected, "{} {}", self.report, self.error);
    }

    /// Checks that nothing was counted, for a reason that the caller can remove.
    #[track_caller]
    fn assert_refused(&self, reason: &str) {
        assert!(self.code == 2 && self.error.contains(reason), "{} {}", self.code, self.error);
    }

    /// The number of records, all of which are in one class.
    fn records(&self) -> u64 {
        let classes = self.report["classes"].as_object().unwrap();
        let sum: u64 = classes.values().map(|it| it.as_u64().unwrap()).sum();
        assert_eq!(self.report["records"].as_u64(), Some(sum), "{}", self.report);
        sum
    }

    /// Of all variants.
    fn total(&self, what: &str) -> f64 {
        let variants = self.report["experiments"][0]["variants"].as_array().unwrap();
        let of = |it: &Value| match it[what].as_f64() {
            Some(number) => number,
            None => it["metrics"][what].as_str().map_or(0.0, |text| text.parse().unwrap()),
        };
        variants.iter().map(of).sum()
    }
}

/// A day of users from a number on: each is exposed, and every second one buys.
fn day(first: usize, users: usize) -> String {
    let mut rows = vec!["user,variant,bought,amount,items,at".to_owned()];
    for user in first..first + users {
        let (variant, bought) = (if user % 3 == 0 { "treat" } else { "control" }, user % 2);
        rows.push(format!("u{user},{variant},{bought},{},1,2026-11-24T10:{:02}:00Z", user % 7, user % 60));
    }
    rows.join("\n") + "\n"
}

fn events(first: usize, users: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for user in first..first + users {
        let at = |second: usize| format!("2026-11-24T{:02}:{:02}:{second:02}Z", user / 60 % 24, user % 60);
        lines.push(json!({"type": "exposure", "unit": format!("u{user}"), "experiment": "shop", "variant": "treat", "timestamp": at(0)}).to_string());
        lines.push(json!({"type": "conversion", "user_id": format!("u{user}"), "event": "purchase", "properties": {"amount": 2}, "timestamp": at(30)}).to_string());
    }
    lines
}

#[test]
fn another_file_is_counted_and_the_same_one_is_not() {
    let place = Place::new();
    for (number, name) in ["d1.csv", "d2.csv", "d3.csv"].into_iter().enumerate() {
        place.write(name, &day(number * 1_000, 400));
        let ran = place.csv(name);
        assert_eq!((ran.class("counted"), ran.records(), ran.code), (600, 600, 0), "{name} {}", ran.report);
    }
    let ran = place.csv("d1.csv");
    assert_eq!((ran.class("already_counted"), ran.records(), ran.code), (600, 600, 1));
    fs::copy(place.path("d2.csv"), place.path("copy.csv")).unwrap();
    let ran = place.csv("copy.csv d3.csv d3.csv");
    assert_eq!((ran.class("already_counted"), ran.records(), ran.code), (1_800, 1_800, 1));
    ran.assert_totals(&[("units", 1_200.0), ("buyers", 600.0), ("orders", 600.0)]);
    // The same number of other users with the same everything else.
    place.write("e1.jsonl", &events(7_000, 4).join("\n"));
    place.write("e2.jsonl", &events(5_000, 4).join("\n"));
    assert_eq!(place.to_store("e1.jsonl").class("counted") + place.to_store("e2.jsonl").class("counted"), 16);
}

#[test]
fn a_file_that_grew_counts_what_is_new() {
    let place = Place::new();
    let (whole, half) = (day(0, 100), day(0, 50));
    assert!(whole.starts_with(&half));
    place.write("day.csv", &half);
    assert_eq!(place.csv("day.csv").class("counted"), 75);
    place.write("day.csv", &whole);
    let ran = place.csv("day.csv");
    assert_eq!((ran.class("counted"), ran.class("already_counted"), ran.records()), (75, 75, 150));
    ran.assert_totals(&[("units", 100.0), ("orders", 50.0)]);
    let lines = events(200, 3);
    place.write("log.jsonl", &lines[..2].join("\n"));
    assert_eq!(place.to_store("log.jsonl").class("counted"), 2, "without a line feed at the end");
    place.write("log.jsonl", &(lines.join("\n") + "\n"));
    let ran = place.to_store("log.jsonl");
    ran.assert_classes(&[("counted", 4), ("already_counted", 2)]);
    // The beginning and the whole together, in one command.
    let other = Place::new();
    other.write("a.csv", &whole);
    other.write("b.csv", &half);
    let ran = other.csv("a.csv b.csv");
    assert_eq!((ran.class("counted"), ran.class("already_counted"), ran.records()), (150, 75, 225));
}

#[test]
fn any_order_of_lines_and_files_gives_the_same_counts() {
    let lines = events(0, 250);
    let mut random = fastrand::Rng::with_seed(7);
    let mut shuffled = lines.clone();
    random.shuffle(&mut shuffled);
    let newest_first: Vec<_> = lines.iter().rev().cloned().collect();
    for (name, lines) in [("sorted", lines), ("shuffled", shuffled), ("newest first", newest_first)] {
        let place = Place::new();
        place.write("a.jsonl", &lines[..100].join("\n"));
        place.write("b.jsonl", &lines[100..].join("\n"));
        for order in ["a.jsonl b.jsonl", "b.jsonl a.jsonl"] {
            let ran = place.run(&format!("{order} --from shop.yaml"), "");
            assert_eq!((ran.class("counted"), ran.records(), ran.code), (500, 500, 0), "{name}");
            assert_eq!((ran.total("buyers"), ran.total("revenue")), (250.0, 500.0), "{name}");
        }
        if name == "newest first" {
            let ran = place.run("a.jsonl b.jsonl --from shop.yaml --as-they-come", "");
            assert_eq!((ran.class("counted"), ran.class("unattributed")), (250, 250), "a stream cannot wait");
        }
    }
}

#[test]
fn one_row_is_one_exposure_and_one_event_with_all_its_properties() {
    let place = Place::new();
    place.write(
        "orders.csv",
        "user,variant,bought,amount,items,at
u1,treat,true,5,2,2026-11-24T10:00:00Z
u1,treat,true,7,1,2026-11-24T10:00:00Z
u2,treat,0,,,2026-11-24T10:00:00Z
u2,control,0,,,2026-11-24T11:00:00Z
",
    );
    let ran = place.csv("orders.csv");
    assert_eq!((ran.class("counted"), ran.records()), (6, 6), "{}", ran.report);
    ran.assert_totals(&[("orders", 2.0), ("revenue", 12.0), ("items", 3.0)]);
    ran.assert_totals(&[("buyers", 1.0), ("conflicts", 1.0)]);
    // Without a time, every row of a user counts.
    let ran = place.run(
        "orders.csv --from shop.yaml --unit user --exposure shop=variant --value purchase.amount=amount",
        "",
    );
    ran.assert_totals(&[("orders", 2.0), ("revenue", 12.0)]);
    // What a first run left out, a second one adds, and nothing else.
    let other = Place::new();
    other.write("orders.csv", &fs::read_to_string(place.path("orders.csv")).unwrap());
    assert_eq!(
        other.to_store("orders.csv --unit user --exposure shop=variant --time at").class("counted"),
        4
    );
    let ran = other.csv("orders.csv");
    ran.assert_classes(&[("counted", 2), ("already_counted", 4)]);
    ran.assert_totals(&[("units", 2.0), ("exposures", 4.0), ("revenue", 12.0)]);
}

#[test]
fn an_event_with_an_id_counts_once_in_however_many_files() {
    let place = Place::new();
    let purchase = |id: &str, user: &str| {
        json!({"event_id": id, "type": "conversion", "user_id": user, "event": "purchase", "timestamp": "2026-11-24T12:00:00Z"}).to_string()
    };
    let mut lines = events(1, 2);
    lines.push(purchase("1001", "u1"));
    place.write("a.jsonl", &lines.join("\n"));
    let more =
        [purchase("1001", "u1"), purchase("1001", "u2"), purchase("1002", "u1"), purchase("1002", "u1")];
    place.write("b.jsonl", &more.join("\n"));
    assert_eq!(place.to_store("a.jsonl").class("counted"), 5);
    let ran = place.to_store("b.jsonl");
    ran.assert_classes(&[("counted", 2), ("already_counted", 1), ("duplicate", 1)]);
    assert_eq!((ran.total("orders"), ran.records()), (5.0, 4));
}

fn payload(stream: &str, shard: u32, first: u64, events: &[String]) -> String {
    use base64::Engine as _;
    let records = (first..).zip(events).map(|(sequence, event)| {
        json!({
            "kinesis": {"sequenceNumber": sequence.to_string(), "partitionKey": "u", "approximateArrivalTimestamp": 1_795_516_200.0,
                "data": base64::engine::general_purpose::STANDARD.encode(event)},
            "eventID": format!("shardId-{shard:012}:{sequence}"), "eventSource": "aws:kinesis",
            "eventSourceARN": format!("arn:aws:kinesis:us-east-1:1:stream/{stream}"),
        })
    });
    json!({ "Records": records.collect::<Vec<_>>() }).to_string()
}

#[test]
fn recorded_payloads_count_in_any_order_and_once() {
    let lines = events(0, 5);
    let (early, late) = lines.split_at(4);
    let place = Place::new();
    place.write("early.json", &payload("events", 1, 100, early));
    place.write("late.json", &payload("events", 1, 104, late));
    let ran = place.run("late.json early.json --from shop.yaml", "");
    ran.assert_classes(&[("counted", 10)]);
    ran.assert_totals(&[("orders", 5.0)]);
    // An object of an on-failure destination that turns up after what came later.
    assert_eq!(place.to_store("late.json").class("counted"), 6);
    place.write(
        "failed.json",
        &json!({"requestContext": {}, "payload": payload("events", 1, 100, early)}).to_string(),
    );
    let ran = place.to_store("failed.json");
    ran.assert_classes(&[("counted", 4)]);
    ran.assert_totals(&[("orders", 5.0)]);
    let ran = place.to_store("early.json late.json");
    assert_eq!((ran.class("already_counted"), ran.code), (10, 1), "the same records in another file");
    // Two stores count their events from 1.
    let other = events(50, 5);
    place.write("one.json", &payload("local", 0, 1, &lines));
    place.write("two.json", &payload("local", 0, 1, &other));
    let ran = place.run("one.json two.json --from shop.yaml", "");
    ran.assert_classes(&[("counted", 20)]);
    ran.assert_totals(&[("units", 10.0)]);
}

#[test]
fn an_interrupted_replay_goes_on_exactly() {
    let place = Place::with_events(&[("a.jsonl", 0, 150), ("b.jsonl", 150, 150)]);
    // Killed at any moment: whatever is counted then, in the end each event is counted once.
    for pause in [60, 120, 200, 300, 450] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_abx"))
            .current_dir(place.0.path())
            .args("replay a.jsonl b.jsonl --from shop.yaml --store s --batch-size 5".split_whitespace())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(pause));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let ran = place.to_store("b.jsonl a.jsonl --batch-size 50");
    assert_eq!(ran.records(), 600, "{} {}", ran.report, ran.error);
    ran.assert_totals(&[("units", 300.0), ("orders", 300.0), ("revenue", 600.0)]);
}

#[test]
fn an_interrupted_replay_wants_its_files_again() {
    let place = Place::with_events(&[("a.jsonl", 0, 10), ("b.jsonl", 10, 10)]);
    place.to_store("a.jsonl b.jsonl");
    rusqlite::Connection::open(place.path("s")).unwrap().execute("UPDATE loads SET done = 0", []).unwrap();
    let ran = place.to_store("a.jsonl");
    ran.assert_refused("a replay of a.jsonl, b.jsonl was interrupted, and b.jsonl is not given now");
    // One of them grew meanwhile.
    fs::OpenOptions::new()
        .append(true)
        .open(place.path("a.jsonl"))
        .unwrap()
        .write_all(format!("\n{}", events(90, 1).join("\n")).as_bytes())
        .unwrap();
    let ran = place.to_store("b.jsonl a.jsonl");
    ran.assert_classes(&[("already_counted", 40), ("counted", 2)]);
    ran.assert_totals(&[("units", 21.0)]);
}

/// An amount that is a text, beyond what a sum can hold, or missing counts in the number of events and not in the sum, and is said.
#[test]
fn an_amount_that_cannot_be_summed_is_said() {
    let place = Place::new();
    let mut lines = events(0, 5);
    lines[3] = lines[3].replace("\"amount\":2", "\"amount\":\"9.99\"");
    lines[5] = lines[5].replace("\"amount\":2", "\"amount\":1e400");
    lines[7] = lines[7].replace("\"amount\":2", "\"amuont\":2");
    place.write("a.jsonl", &lines.join("\n"));
    let ran = place.to_store("a.jsonl");
    ran.assert_classes(&[("counted", 10)]);
    ran.assert_totals(&[("orders", 5.0), ("revenue", 4.0)]);
    assert_eq!(ran.report["experiments"][0]["variants"][0]["unusable"]["revenue"], 3);
    for command in ["results shop --store s", "status --store s --from shop.yaml"] {
        let output = Command::new(env!("CARGO_BIN_EXE_abx"))
            .current_dir(place.0.path())
            .args(command.split_whitespace())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("3 without a usable amount"), "{command}: {text}");
    }
}

#[test]
fn a_bad_row_counts_nothing_and_is_named() {
    let place = Place::new();
    place.write("bad.csv", &(day(0, 3) + "u9,treat,perhaps,1,1,2026-11-24T10:00:00Z\n"));
    place.write("good.csv", &day(100, 3));
    let ran = place.csv("good.csv bad.csv");
    ran.assert_refused("bad.csv:5: \"perhaps\" in column \"bought\"");
    assert_eq!(place.csv("good.csv").class("counted"), 4, "nothing was counted before");
    place.write("twice.csv", "user,variant,variant,at\nu,a,b,2026-11-24\n");
    let ran = place.to_store("twice.csv --unit user --exposure shop=variant");
    ran.assert_refused("2 columns named \"variant\"");
}

#[test]
fn other_documents_than_the_stores_are_refused_and_not_ignored() {
    let place = Place::with_events(&[("a.jsonl", 0, 2), ("b.jsonl", 2, 2)]);
    place.to_store("a.jsonl");
    place.write("shop.yaml", &SHOP.replace("orders", "purchases"));
    let ran = place.to_store("b.jsonl");
    ran.assert_refused("s counts by its revision 1, and --from names other documents");
    assert_eq!(place.run("b.jsonl --store s", "").class("counted"), 4);
}

#[test]
fn gzip_standard_input_and_archives_are_read() {
    use flate2::write::GzEncoder;
    let place = Place::new();
    let text = events(0, 4).join("\n");
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    fs::write(place.path("a.jsonl.gz"), encoder.finish().unwrap()).unwrap();
    assert_eq!(place.to_store("a.jsonl.gz").class("counted"), 8);
    let ran = place.run("- --store s", &text);
    assert_eq!((ran.class("already_counted"), ran.code), (8, 1), "the same content");
    // What a store archived can be counted again, in another store, once.
    let archived: Vec<PathBuf> =
        fs::read_dir(place.path("s-archive")).unwrap().map(|it| it.unwrap().path()).collect();
    let archive = archived[0].strip_prefix(place.0.path()).unwrap().display().to_string();
    let ran = place.run(&format!("{archive} --from shop.yaml --store t"), "");
    ran.assert_classes(&[("counted", 8)]);
    ran.assert_totals(&[("revenue", 8.0)]);
    assert!(Path::new(&place.path("t-archive")).is_dir(), "each store has an archive of its own");
    let ran = place.run("- --from shop.yaml", "");
    assert_eq!((ran.records(), ran.code), (0, 1), "nothing was read");
}

/// A store that `abx dev` counted: events as it keeps them, and the head of its shard.
fn served(place: &Place, name: &str, lines: &[String]) {
    place.run(&format!("empty.jsonl --from shop.yaml --store {name}"), "");
    let store = rusqlite::Connection::open(place.path(name)).unwrap();
    for line in lines {
        let sql = "INSERT INTO events (partition_key, arrived, data) VALUES ('u', ?1, ?2)";
        store.execute(sql, (jiff::Timestamp::now().as_millisecond(), line)).unwrap();
    }
}

#[test]
fn captures_of_stores_neither_collide_nor_count_twice() {
    let place = Place::new();
    place.write("empty.jsonl", "\n");
    let at = |lines: Vec<String>| -> Vec<String> {
        let now = jiff::Timestamp::now().to_string();
        lines
            .iter()
            .map(|it| {
                it.replace(it.split("\"timestamp\":\"").nth(1).unwrap().split('"').next().unwrap(), &now)
            })
            .collect()
    };
    served(&place, "one", &at(events(0, 5)));
    served(&place, "two", &at(events(50, 5)));
    for (store, file) in [("one", "one.json"), ("two", "two.json"), ("one", "again.json")] {
        let ran = Command::new(env!("CARGO_BIN_EXE_abx"))
            .current_dir(place.0.path())
            .args(["capture", file, "--store", store])
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
    let ran = place.to_store("one.json two.json");
    assert_eq!((ran.class("counted"), ran.records(), ran.total("units")), (20, 20, 10.0), "{}", ran.report);
    // Pseudonyms are of a capture, so the content of this one is another; its records are not.
    let ran = place.to_store("again.json");
    assert_eq!((ran.class("already_counted"), ran.code), (10, 1), "{}", ran.report);
    // The archive of a store, replayed into it.
    let ran = place.to_store("s-archive/ ");
    assert_eq!((ran.class("already_counted"), ran.records(), ran.code), (20, 20, 1), "{}", ran.report);
}

/// A purchase or an exposure, and the file that it is in.
struct Sent {
    unit: usize,
    at: i64,
    is_purchase: bool,
    line: String,
}

/// Random events of 12 units within an hour; times often meet, and some purchases have an id and come again.
fn random_events(random: &mut fastrand::Rng) -> Vec<Sent> {
    let mut sent = Vec::new();
    for number in 0..random.usize(1..120) {
        let (unit, at, is_purchase) = (random.usize(..12), random.i64(0..60), random.u8(..3) > 0);
        let time = format!("2026-11-24T10:{at:02}:00Z");
        let mut event = if is_purchase {
            json!({"type": "conversion", "user_id": format!("u{unit}"), "event": "purchase", "properties": {"amount": 1}, "timestamp": time})
        } else {
            json!({"type": "exposure", "unit": format!("u{unit}"), "experiment": "shop", "variant": "treat", "timestamp": time})
        };
        let copies = if is_purchase && random.bool() {
            event["event_id"] = json!(number);
            random.usize(1..4)
        } else {
            1
        };
        sent.extend((0..copies).map(|_| Sent { unit, at, is_purchase, line: event.to_string() }));
    }
    sent
}

/// Units, orders and distinct events, as they happened.
fn model(sent: &[Sent]) -> (f64, f64, u64) {
    let mut exposed = std::collections::BTreeMap::new();
    for it in sent.iter().filter(|it| !it.is_purchase) {
        let first = exposed.entry(it.unit).or_insert(it.at);
        *first = it.at.min(*first);
    }
    let (mut ids, mut orders, mut distinct) = (std::collections::BTreeSet::new(), 0, 0);
    for it in sent {
        if it.line.contains("event_id") && !ids.insert(&it.line) {
            continue;
        }
        distinct += 1;
        orders += u32::from(it.is_purchase && exposed.get(&it.unit).is_some_and(|first| *first <= it.at));
    }
    (f64::from(u32::try_from(exposed.len()).unwrap()), f64::from(orders), distinct)
}

#[test]
fn however_events_are_split_and_shuffled_each_counts_once() {
    for seed in 0..12 {
        let mut random = fastrand::Rng::with_seed(seed);
        let place = Place::new();
        let mut sent = random_events(&mut random);
        let (units, orders, distinct) = model(&sent);
        random.shuffle(&mut sent);
        let mut files = vec![String::new(); random.usize(1..4)];
        for it in &sent {
            let file = random.usize(..files.len());
            files[file].push_str(&it.line);
            files[file].push('\n');
        }
        let mut names: Vec<String> = (0..files.len()).map(|number| format!("{number}.jsonl")).collect();
        for (name, text) in names.iter().zip(&files) {
            place.write(name, text);
        }
        random.shuffle(&mut names);
        let together =
            place.run(&format!("{} --from shop.yaml --shards 2 --batch-size 7", names.join(" ")), "");
        let found = together.report["experiments"].as_array().is_some_and(|it| !it.is_empty());
        let counts = if found { (together.total("units"), together.total("orders")) } else { (0.0, 0.0) };
        assert_eq!(counts, (units, orders), "seed {seed}: {}", together.report);
        assert_eq!(together.records(), sent.len() as u64, "seed {seed}");
        // One after another, and each of them twice: what is credited depends on what was there, how often an event counts does not.
        let (mut taken, mut read) = (0, 0);
        for name in names.iter().chain(&names) {
            let ran = place.to_store(name);
            taken += ran.class("counted") + ran.class("unattributed");
            read += ran.records();
        }
        assert_eq!((taken, read), (distinct, 2 * sent.len() as u64), "seed {seed}");
    }
}
