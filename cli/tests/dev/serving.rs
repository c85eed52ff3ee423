//! `abx serve`, the real program: probes, draining, tokens, metrics, traces, and callers who only hold connections.

use crate::http::{Answer, BASE_PATH, send_served};
use crate::program::{Place, until};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A running `abx serve`, which is killed if it is dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    /// Over the store of a place, unless the arguments name a table.
    fn start(place: &Place, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_abx"));
        command.current_dir(place.path()).args(["serve", "--listen", "127.0.0.1:0"]).args(args);
        if !args.contains(&"--table") {
            command.args(["--store", "store.sqlite"]);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::<Value>::new()));
        let (stdout, heard) = (BufReader::new(child.stdout.take().unwrap()), Arc::clone(&log));
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                heard.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        let address = until("`abx serve` serves", || {
            assert!(child.try_wait().unwrap().is_none(), "it ended");
            let log = log.lock().unwrap();
            let line = log.iter().find(|line| line["event"] == "serving")?;
            line["address"].as_str()?.parse().ok()
        });
        Self { child, address, log }
    }

    fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[])
    }

    fn get_with(&self, path: &str, headers: &[&str]) -> Answer {
        send_served(self.address, &format!("GET {path}"), headers, b"")
    }

    fn events(&self, name: &str) -> Vec<Value> {
        self.log.lock().unwrap().iter().filter(|line| line["event"] == name).cloned().collect()
    }

    /// The value of a metric, by its name with its labels.
    fn metric(&self, name: &str) -> Option<f64> {
        let text = self.get("/metrics").text;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    fn ended(&mut self) -> Option<i32> {
        until("it ends", || self.child.try_wait().unwrap()).code()
    }

    fn open(&self, sent: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const ASSIGN: &str = "/assign?user_id=u&experiment_key=e";

/// A place whose store has one revision.
fn published() -> Place {
    let place = Place::with(&[
        ("e.yaml", "experiment: e\nstatus: active\nvariants: [{key: a}, {key: b}]\n"),
        ("f.yaml", "flag: f\nenabled: true\n"),
    ]);
    publish(&place);
    place
}

fn publish(place: &Place) {
    assert!(place.run(&["publish", "docs", "--yes"]).status.success());
}

/// The number of files that this process may open: each connection is one.
fn open_files() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap_or(usize::MAX)
}

#[test]
fn thousands_of_connections_that_only_stand_keep_nobody_from_an_answer() {
    let place = published();
    let server = Server::start(&place, &["--max-connections", "500"]);
    let count = 9_000.min(open_files().saturating_sub(200));
    assert!(count > 500, "more than the limit");
    let mut held = Vec::with_capacity(count);
    for number in 0..count {
        let body = "POST /assign HTTP/1.1\r\nhost: h\r\ncontent-length: 99\r\n\r\n{";
        held.push(server.open(["", "GET /assign HTTP/1.1\r\nhost: h\r\n", body][number % 3]));
        if number % (count / 10) == count / 10 - 1 {
            let start = Instant::now();
            assert_eq!(server.get(ASSIGN).ok()["user_id"], "u");
            assert!(start.elapsed() < Duration::from_secs(5), "{number}: {:?}", start.elapsed());
        }
    }
    let open = server.metric("abx_connections").unwrap();
    let closed = server.metric("abx_connections_closed_for_room_total").unwrap();
    let beyond = f64::from(u32::try_from(count - 500).unwrap());
    assert!(open <= 500.0 && closed >= beyond, "{open} open, {closed} of {count} closed");
    // Closed, and not only forgotten.
    assert_eq!(held[0].read(&mut [0; 1]).unwrap_or(0), 0);
}

#[test]
fn a_connection_that_sends_no_request_is_closed_after_the_idle_timeout() {
    let place = published();
    let server = Server::start(&place, &["--idle-timeout", "300ms", "--request-timeout", "300ms"]);
    for sent in
        ["", "GET /assign HTTP/1.1\r\n", "POST /assign HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\n{"]
    {
        let mut answer = String::new();
        server.open(sent).read_to_string(&mut answer).unwrap();
        assert_eq!(answer.contains("408 Request Timeout"), sent.starts_with("POST"), "{sent:?}: {answer:?}");
    }
}

#[test]
fn sigterm_drains_and_loses_nothing() {
    let place = published();
    let mut server = Server::start(&place, &["--drain-delay", "1s"]);
    assert_eq!(server.get("/ready").ok()["status"], "ready");
    let body = r#"{"user_id": "last", "experiment_key": "e"}"#;
    let (begun, rest) = body.split_at(10);
    let mut slow = server.open(&format!(
        "POST /assign HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{begun}",
        body.len()
    ));
    for unit in 0..50 {
        server.get(&format!("/assign?user_id=u{unit}&experiment_key=e")).ok();
    }
    server.signal("TERM");
    until("it is not ready", || (server.get("/ready").status == 503).then_some(()));
    assert_eq!(server.get("/ready").json["status"], "draining");
    assert_eq!(server.get(ASSIGN).status, 200, "and answers who still comes");
    until("nothing listens", || TcpStream::connect(server.address).err());
    slow.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"persisted\":true"), "{answer}");
    assert_eq!(server.ended(), Some(0));
    let results = place.report(&["results", "e"]);
    let units: u64 =
        results["variants"].as_array().unwrap().iter().map(|it| it["units"].as_u64().unwrap()).sum();
    assert_eq!(units, 52, "{results}");
}

#[test]
fn the_grace_ends_and_a_second_signal_ends_at_once() {
    let place = published();
    let half = "POST /assign HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\n{";
    let mut server = Server::start(&place, &["--grace", "300ms"]);
    let _half = server.open(half);
    server.get(ASSIGN).ok();
    server.signal("INT");
    assert_eq!(server.ended(), Some(0), "an open request has the grace, and no more");
    for second in ["TERM", "INT"] {
        let mut server = Server::start(&place, &["--drain-delay", "1h", "--grace", "1h"]);
        server.signal("TERM");
        until("it drains", || server.events("draining").pop());
        server.signal(second);
        assert_eq!(server.ended(), Some(130));
    }
}

#[test]
fn a_token_is_asked_for_and_replaced_while_it_serves() {
    let place = published();
    let file = place.path().join("token");
    fs::write(&file, "old\n").unwrap();
    let args = ["--token-file", "token", "--cors", "https://shop.example.com", "--base-path", BASE_PATH];
    let server = Server::start(&place, &args);
    let status = |headers: &[&str]| server.get_with(ASSIGN, headers).status;
    for refused in [
        &[][..],
        &["authorization: Bearer new"],
        &["authorization: Bearer "],
        &["authorization: Bearer old2"],
        &["authorization: Basic old"],
        &["authorization: old"],
        &["authorization: Bearer old", "authorization: Bearer old"],
    ] {
        let answer = server.get_with(ASSIGN, refused);
        answer.refused(401, "unauthorized");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"), "{answer:?}");
    }
    assert_eq!(status(&["authorization: Bearer old"]), 200);
    assert_eq!(status(&["authorization: bearer   old"]), 200);
    for (path, expected) in [
        ("/health", 200),
        ("/ready", 200),
        ("/x/ready/", 200),
        ("/metrics", 401),
        ("/x/metrics", 401),
        ("/nowhere", 401),
    ] {
        assert_eq!(server.get(path).status, expected, "{path}");
    }
    let preflight = ["origin: https://shop.example.com", "access-control-request-method: POST"];
    assert_eq!(
        send_served(server.address, "OPTIONS /assign", &preflight, b"").status,
        204,
        "a browser sends no token with it"
    );
    // Both are valid for a while, and then the new one.
    fs::write(&file, "new\n\n old \n").unwrap();
    until("the new one is valid", || (status(&["authorization: Bearer new"]) == 200).then_some(()));
    assert_eq!(status(&["authorization: Bearer old"]), 200);
    fs::write(&file, "new").unwrap();
    until("the old one is not", || (status(&["authorization: Bearer old"]) == 401).then_some(()));
    fs::write(&file, "").unwrap();
    until("it is told", || server.events("tokens_unreadable").pop());
    fs::remove_file(&file).unwrap();
    until("it is told", || server.events("tokens_unreadable").get(1).cloned());
    assert_eq!(status(&["authorization: Bearer new"]), 200, "the last one that was read");
    assert_eq!(status(&[]), 401);
}

#[test]
fn metrics_are_what_happened() {
    let place = published();
    let server = Server::start(&place, &[]);
    for unit in 0..7 {
        server.get(&format!("/assign?user_id=u{unit}&experiment_key=e")).ok();
        server.get(&format!("/flags/f?user_id=u{unit}")).ok();
    }
    server.get("/assign?user_id=u&experiment_key=no").refused(404, "experiment_not_found");
    for path in ["/a", "/b/c", "/assign/nothing"] {
        assert_eq!(server.get(path).status, 404);
    }
    let answer = server.get("/metrics");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    until("the exposures are stored", || server.metric("abx_events_sent_total").filter(|sent| *sent >= 7.0));
    for (name, value) in [
        (r#"abx_requests_total{method="GET",route="/assign",status="200"}"#, 7.0),
        (r#"abx_requests_total{method="GET",route="/flags/{key}",status="200"}"#, 7.0),
        (r#"abx_requests_total{method="GET",route="/assign",status="404"}"#, 1.0),
        (r#"abx_requests_total{method="GET",route="other",status="404"}"#, 3.0),
        (r#"abx_request_duration_seconds_count{route="/assign"}"#, 8.0),
        (r#"abx_decisions_total{reason="assigned"}"#, 7.0),
        ("abx_store_writes_total", 7.0),
        ("abx_events_lost_total", 0.0),
        ("abx_events_waiting", 0.0),
        ("abx_catalog_revision", 1.0),
        ("abx_ready", 1.0),
        ("abx_requests_in_progress", 1.0),
        ("abx_connections_limit", 1000.0),
    ] {
        assert_eq!(server.metric(name), Some(value), "{name}");
    }
    // A name has one kind and one help, and each value stands below them.
    let text = server.get("/metrics").text;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let family =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let types = text.lines().filter(|it| it.starts_with(&format!("# TYPE {family} "))).count();
        assert_eq!(types, 1, "{line}");
    }
}

#[test]
fn it_is_ready_once_something_is_published_and_follows_the_head() {
    let place = Place::with(&[("f.yaml", "flag: f\nenabled: true\n")]);
    let output = place.run(&["serve", "--listen", "127.0.0.1:0"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("there is no store"), "{said}");
    // `abx dev` makes a store before it finds that its documents are wrong.
    place.write("f.yaml", "flag: f\nenabled: perhaps\n");
    assert_eq!(place.serve().end("TERM"), Some(130));
    let server = Server::start(&place, &[]);
    let ready = server.get("/ready");
    assert_eq!((ready.status, &ready.json["status"]), (503, &"nothing_published".into()), "{ready:?}");
    for revision in 1..=2 {
        place.write("f.yaml", &format!("flag: f\nenabled: true\ndescription: revision {revision}\n"));
        publish(&place);
        let so = || (server.get("/ready").json["revision"] == revision).then_some(());
        until("the revision serves, though nobody asked for a decision", so);
        assert_eq!(server.get("/ready").status, 200);
    }
}

#[test]
fn a_store_that_is_away_is_waited_for_and_said() {
    let place = Place::with(&[]);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://{closed}");
    let args = ["--table", "abx-catalog", "--exposures", "off", "--endpoint", &endpoint];
    let server = Server::start(&place, &args);
    let ready = server.get("/ready");
    assert_eq!((ready.status, &ready.json["status"]), (503, &"store_unavailable".into()));
    assert_eq!(server.get("/health").status, 503);
    server.get(ASSIGN).refused(503, "catalog_unavailable");
    let told: Vec<Value> =
        server.events("store_unavailable").iter().map(|line| line["what"].clone()).collect();
    assert_eq!(told, ["catalog", "assignments"]);
    assert_eq!(server.metric("abx_ready"), Some(0.0));
}

#[test]
fn a_trace_stands_in_the_log_and_goes_on_with_the_events() {
    let place = published();
    let mut server = Server::start(&place, &["--log-level", "debug"]);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [&format!("traceparent: {parent}")[..], "tracestate: vendor=1"];
    server.get_with("/assign?user_id=traced&experiment_key=e", &headers).ok();
    server.get_with("/assign?user_id=broken&experiment_key=e", &["traceparent: 00-0-0-0"]).ok();
    let answered = || Some(server.events("request_answered")).filter(|lines| lines.len() == 2);
    let lines = until("both requests are in the log", answered);
    let traces: Vec<Value> = lines.iter().map(|line| line["trace_id"].clone()).collect();
    assert_eq!(traces, ["4bf92f3577b34da6a3ce929d0e0e4736".into(), Value::Null]);
    server.signal("INT");
    assert_eq!(server.ended(), Some(0));
    let folder = place.path().join("store.sqlite-archive");
    let mut lines = String::new();
    for file in walk(&folder) {
        lines.push_str(&fs::read_to_string(file).unwrap());
    }
    let of = |unit: &str| lines.lines().find(|line| line.contains(&format!("\"{unit}\""))).unwrap();
    assert!(of("traced").contains(parent) && of("traced").contains("vendor=1"), "{lines}");
    assert!(!of("broken").contains("traceparent"), "{lines}");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn arguments_that_cannot_be_used_are_said() {
    let place = published();
    let run = |script: &str| {
        let abx = env!("CARGO_BIN_EXE_abx");
        let output = Command::new("sh")
            .current_dir(place.path())
            .args(["-c", &script.replace("ABX", abx)])
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (script, part) in [
        (
            "ulimit -n 256; ABX serve --store store.sqlite",
            "1000 connections need 1064 open files, and the system allows 256",
        ),
        ("ABX serve --store store.sqlite --token-file missing", "missing: no token can be read"),
        ("touch empty; ABX serve --store store.sqlite --token-file empty", "openssl rand -hex 32"),
        ("ABX serve --table abx-catalog --endpoint http://127.0.0.1:1", "--exposures off"),
        ("ABX serve --table T --endpoint http://127.0.0.1:1 --exposures off", "--assignments-table"),
        ("ABX serve --stream s", "--table"),
        ("ABX serve --base-path '/a?b'", "/experiments"),
    ] {
        let (code, said) = run(script);
        assert!(code == Some(2) && said.contains(part), "{script}: {code:?}: {said}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (code, said) = run(&format!("ABX serve --store store.sqlite --listen {address}"));
    assert!(code == Some(3) && said.contains(&address.to_string()), "{said}");
}
