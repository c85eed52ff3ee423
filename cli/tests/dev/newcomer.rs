//! The first hour: ask, edit, see it live, break a file, stop, start again.

use crate::program::{Dev, Place, until};
use serde_json::{Value, json};
use std::fs;
use std::time::Instant;

const GREETING: &str = "flag: greeting\nenabled: true\nvariants:
  - {key: short, value: Hi}\n  - {key: long, value: Good morning}\ndefault_variant: short
rules:\n  - {name: german, when: [{attribute: country, operator: equals, value: DE}], serve: long}\n";
const TEST: &str = "experiment: test\nstatus: active\nvariants:
  - {key: control, allocation: 0.5}\n  - {key: treatment, allocation: 0.5}\n";

fn place() -> Place {
    Place::with(&[("greeting.yaml", GREETING), ("test.yaml", TEST)])
}

#[test]
fn the_documents_of_the_repository_are_served() {
    let place = Place::of_the_repository();
    let dev = place.serve();
    let by_get = dev.get("/assign?user_id=user_123&experiment_key=checkout_redesign").ok();
    assert_eq!((&by_get["variant"], &by_get["persisted"]), (&json!("redesign"), &json!(true)));
    assert_eq!(by_get["payload"]["layout"], "single_page");
    let question =
        json!({"user_id": "user_123", "experiment_key": "checkout_redesign", "context": {"country": "DE"}});
    let by_post = dev.post("/assign", &question).ok();
    assert_eq!((&by_post["reason"], &by_post["variant"]), (&json!("pinned"), &json!("redesign")));
    assert_eq!(by_post["assignment_id"], by_get["assignment_id"]);
    let flag = dev.post("/flags/instant_search", &json!({"user_id": "user_123", "context": {}})).ok();
    assert_eq!((&flag["value"], &flag["revision"]), (&json!(true), &json!(1)));
    let all = dev.post("/flags", &json!({"user_id": "user_123"})).ok();
    assert_eq!(all["flags"].as_array().unwrap().len(), 15);
}

/// Does what the printed commands do; the answers of the functions, and the report of the last one.
fn paste(place: &Place, dev: &Dev) -> (Vec<Value>, Value) {
    let printed = until("the commands", || {
        let said = dev.said();
        let (_, commands) = said.split_once("to try it, in another terminal:\n")?;
        let commands = commands.lines().take_while(|line| line.starts_with("  "));
        let commands: Vec<String> = commands.map(|line| line.trim().to_owned()).collect();
        (commands.len() == 4).then_some(commands)
    });
    let host = format!("localhost:{}", dev.address.port());
    let mut answers = Vec::new();
    let mut results = Value::Null;
    for command in printed {
        let parts: Vec<&str> = command.split('\'').collect();
        match parts[..] {
            ["curl ", url, ""] => answers.push(dev.get(url.strip_prefix(&*host).unwrap()).ok()),
            ["curl -d ", body, url] => {
                assert_eq!(url.trim(), format!("{host}/events"));
                let answer = dev.post_raw("/events", body);
                assert_eq!(answer.status, 202, "{answer:?}");
                answers.push(answer.json);
            }
            [command] => {
                let args: Vec<&str> = command.split(' ').skip(1).collect();
                assert_eq!(args[2..], ["--store", "store.sqlite"], "{command}");
                results = place.report(&args[..2]);
            }
            _ => panic!("{command}"),
        }
    }
    (answers, results)
}

#[test]
fn the_printed_commands_count_something() {
    let new = Place::with(&[
        ("catalog.yaml", include_str!("../../templates/init/experiments/catalog.yaml")),
        ("new_dashboard.yaml", include_str!("../../templates/init/experiments/new_dashboard.yaml")),
        ("signup_button.yaml", include_str!("../../templates/init/experiments/signup_button.yaml")),
    ]);
    for place in [new, Place::of_the_repository()] {
        let dev = place.serve();
        let (answers, results) = paste(&place, &dev);
        assert_eq!((&answers[0]["reason"], &answers[0]["persisted"]), (&json!("assigned"), &json!(true)));
        assert_eq!((&answers[1]["accepted"], &answers[1]["counted"]), (&json!(1), &json!({"counted": 1})));
        assert!(answers[2]["value"] != Value::Null, "{answers:?}");
        let sum = |rows: &Value, name: &str| -> u64 {
            rows.as_array().unwrap().iter().filter_map(|row| row[name].as_u64()).sum()
        };
        assert_eq!(sum(&results["variants"], "units"), 1, "{results}");
        let metrics = results["metrics"].as_array().unwrap();
        let events: u64 = metrics.iter().map(|metric| sum(&metric["variants"], "events")).sum();
        assert_eq!(events, 1, "{results}");
        // What is counted as a conversion is shown as one.
        let metric = metrics.iter().find(|it| sum(&it["variants"], "events") == 1).unwrap();
        let converted = u64::from(metric["kind"] == "conversion");
        assert_eq!(sum(&metric["variants"], "converted"), converted, "{results}");
    }
}

#[test]
fn each_request_is_a_line_unless_it_is_to_be_quiet() {
    let place = place();
    let mut dev = place.serve();
    dev.get("/assign?user_id=u&experiment_key=test").ok();
    dev.get("/flags/greeting?user_id=u&context.country=DE").ok();
    dev.get("/flags/nothing?user_id=u").refused(404, "flag_not_found");
    let head = dev.get("/health");
    assert_eq!(head.header("content-length").unwrap(), head.json.to_string().len().to_string());
    assert_eq!(dev.end("INT"), Some(130));
    let lines = until("the lines", || {
        let said = dev.said();
        let lines: Vec<String> =
            said.lines().filter(|line| line.contains(" GET /")).map(str::to_owned).collect();
        (lines.len() == 4).then_some(lines)
    });
    assert!(lines[0].contains("Z GET /assign 200 ") && lines[0].ends_with("(assigned)"), "{lines:?}");
    assert!(lines[0].contains(" ms  test: u -> "), "{lines:?}");
    assert!(
        lines[1].contains("Z GET /flags/greeting 200 ") && lines[1].ends_with("greeting: u -> long (rule)"),
        "{lines:?}"
    );
    assert!(
        lines[2].contains("Z GET /flags/nothing 404 ") && lines[2].ends_with("  flag_not_found"),
        "{lines:?}"
    );
    assert!(lines[3].contains("Z GET /health 200 "), "{lines:?}");

    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port().to_string()
    };
    let mut command = place.command(&["dev", "docs", "--quiet", "--port", &port]);
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let address = format!("127.0.0.1:{port}");
    until("it serves", || std::net::TcpStream::connect(&address).ok().map(drop));
    crate::http::send(address.parse().unwrap(), "GET /health", &[], b"").ok();
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn a_saved_document_is_live_in_a_moment() {
    let place = place();
    let dev = place.serve();
    let greeting = || dev.get("/flags/greeting?user_id=u").ok()["value"].clone();
    assert_eq!(greeting(), "Hi");
    let mut latencies = Vec::new();
    for text in ["Hello", "Hey", "Hullo", "Servus", "Moin"] {
        place.write("greeting.yaml", &GREETING.replace("value: Hi", &format!("value: {text}")));
        let saved = Instant::now();
        until("the edit is live", || (greeting() == text).then_some(()));
        latencies.push(saved.elapsed());
    }
    eprintln!("saved documents were live after {latencies:?}");
    // A busy machine may take its time, but not each time.
    let best = latencies.iter().min().unwrap();
    assert!(best.as_secs() < 1, "never within a second: {latencies:?}");
    // New and deleted files count as well.
    place.write("more.yaml", "flag: more\nenabled: true\n");
    until("the new file", || (dev.get("/flags/more").status == 200).then_some(()));
    fs::remove_file(place.document("more.yaml")).unwrap();
    until("the deleted file", || (dev.get("/flags/more").status == 404).then_some(()));
    assert_eq!(greeting(), "Moin");
}

#[test]
fn a_broken_file_keeps_its_last_good_form_and_is_told() {
    let place = place();
    let dev = place.serve();
    place.write("greeting.yaml", &GREETING.replace("default_variant: short", "default_variant: shrt"));
    place.write("test.yaml", &TEST.replace("status: active", "status: paused"));
    until("the good file is taken", || {
        let answer = dev.get("/assign?user_id=u&experiment_key=test&peek=true").ok();
        (answer["reason"] == "not_active").then_some(())
    });
    assert_eq!(dev.get("/flags/greeting").ok()["value"], "Hi", "the last good form");
    let finding =
        until("the finding", || Some(dev.said()).filter(|said| said.contains("docs/greeting.yaml:6:18")));
    assert!(finding.contains("default_variant: shrt") && finding.contains("error["), "{finding}");
    place.write("greeting.yaml", "flag: \"greeting\nenabled: tr");
    until("that it is no YAML", || dev.said().contains("error[yaml-syntax]").then_some(()));
    assert_eq!(dev.get("/flags/greeting").ok()["value"], "Hi");
    place.write("greeting.yaml", &GREETING.replace("value: Hi", "value: Mended"));
    until("the mended file", || (dev.get("/flags/greeting").ok()["value"] == "Mended").then_some(()));
}

#[test]
fn a_file_that_is_broken_at_the_start_is_as_it_was_published() {
    let place = place();
    drop(place.serve());
    place.write("greeting.yaml", "flag: \"greeting\n");
    place.write("test.yaml", &TEST.replace("status: active", "status: paused"));
    let dev = place.serve();
    assert_eq!(dev.get("/flags/greeting").ok()["value"], "Hi");
    assert_eq!(dev.get("/assign?user_id=u&experiment_key=test").ok()["reason"], "not_active");
    assert_eq!(dev.revision(), 2);
    place.write("greeting.yaml", GREETING);
    place.write("more.yaml", "flag: more\nenabled: true\n");
    until("all files", || (dev.get("/flags/more").status == 200).then_some(()));
    assert_eq!(dev.get("/flags/greeting").ok()["value"], "Hi");
}

#[test]
fn a_folder_that_is_away_for_a_while_takes_nothing_down() {
    let place = place();
    let dev = place.serve();
    let (docs, away) = (place.path().join("docs"), place.path().join("away"));
    fs::rename(&docs, &away).unwrap();
    until("that the folder is away", || dev.said().contains("abx: docs: no such file").then_some(()));
    assert_eq!(dev.get("/flags/greeting").ok()["value"], "Hi");
    fs::rename(&away, &docs).unwrap();
    place.write("greeting.yaml", &GREETING.replace("value: Hi", "value: Back"));
    until("the edit", || (dev.get("/flags/greeting").ok()["value"] == "Back").then_some(()));
    assert_eq!(dev.said().matches("no such file").count(), 1, "said once");
}

#[test]
fn a_restart_loses_nothing() {
    let place = place();
    let ask = |unit: usize| format!("/assign?user_id=u{unit}&experiment_key=test");
    let mut dev = place.serve();
    let before: Vec<Value> = (0..20).map(|unit| dev.get(&ask(unit)).ok()).collect();
    // With everybody in one variant, only what is stored keeps anybody in the other.
    place.write("test.yaml", &TEST.replacen("0.5", "0", 1).replacen("0.5", "1", 1));
    dev.until_revision(2);
    assert_eq!(dev.end("TERM"), Some(130));
    let events = events(&place);
    assert_eq!(events.len(), 20, "one exposure each");
    let dev = place.serve();
    assert_eq!(dev.revision(), 2, "the documents are as they were published");
    for (unit, before) in before.iter().enumerate() {
        let after = dev.get(&ask(unit)).ok();
        assert_eq!(after["reason"], "pinned");
        for field in ["variant", "assignment_id", "assigned_at"] {
            assert_eq!(after[field], before[field]);
        }
    }
    assert!(before.iter().any(|answer| answer["variant"] == "control"));
    assert_eq!(dev.get(&ask(20)).ok()["variant"], "treatment", "who is new gets what is written now");
    assert!(events_of(&place, 21).starts_with(&events), "and the events are there");
}

/// The units of the exposures in the store.
fn events(place: &Place) -> Vec<String> {
    let store = abx_functions::adapters::embedded::EmbeddedStore::open(place.store()).unwrap();
    let events = store.events_after(0, u32::MAX).unwrap();
    let unit =
        |event: &[u8]| serde_json::from_slice::<Value>(event).unwrap()["unit"].as_str().unwrap().to_owned();
    events.iter().map(|stored| unit(&stored.event.data)).collect()
}

fn events_of(place: &Place, least: usize) -> Vec<String> {
    until("the events", || Some(events(place)).filter(|events| events.len() >= least))
}
