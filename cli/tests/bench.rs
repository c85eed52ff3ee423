//! `abx bench` against small servers that stall, refuse, hang up or stay silent, and against `abx dev`.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A server in this process that ends with it. `answer` gets the number of the request, and the text to send or nothing.
fn serve(answer: impl Fn(u64) -> Option<&'static str> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (answer, number) = (Arc::new(answer), Arc::new(AtomicU64::new(0)));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (answer, number) = (Arc::clone(&answer), Arc::clone(&number));
            thread::spawn(move || connection(&stream.unwrap(), |it| answer(it), &number));
        }
    });
    address
}

/// Answers the requests of a connection, none of which has a body.
fn connection(mut stream: &TcpStream, answer: impl Fn(u64) -> Option<&'static str>, number: &AtomicU64) {
    let mut lines = BufReader::new(stream).lines();
    while lines.by_ref().map_while(Result::ok).any(|line| line.is_empty()) {
        match answer(number.fetch_add(1, Relaxed)) {
            Some(text) if stream.write_all(text.as_bytes()).is_ok() && !text.contains("close") => {}
            Some(_) => return,
            None => thread::sleep(Duration::from_secs(20)),
        }
    }
}

fn bench(target: &str, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_abx"))
        .args(["bench", target, "--format", "json"])
        .args(arguments)
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!("{}", String::from_utf8_lossy(&output.stderr));
    });
    (output.status.code(), report)
}

#[test]
fn a_server_that_stalls_once_is_measured_as_its_users_see_it() {
    let stall = Mutex::new(());
    let address = serve(move |number| {
        let _one = stall.lock().unwrap();
        if number == 200 {
            thread::sleep(Duration::from_secs(1));
        }
        Some(OK)
    });
    let url = format!("http://{address}/");
    let arguments = ["--rate", "200", "--duration", "3s", "--connections", "4", "--p99", "50ms"];
    let (exit, report) = bench(&url, &arguments);
    // 200 of 600 requests were due while the server stood still, and waited for half a second on average. A caller that
    // waits for answers would have sent four of them.
    assert_eq!((&report["requests"], &report["answered"]), (&600.into(), &600.into()));
    let latency = |name: &str| report["latency"][name].as_f64().unwrap();
    assert!(latency("p50") < 100.0, "{report}");
    assert!(latency("p90") > 400.0, "{report}");
    assert!(latency("p99") > 800.0, "{report}");
    assert!(report["late"].as_u64().unwrap() > 100, "{report}");
    assert_eq!((exit, &report["gates"][0]["met"]), (Some(1), &false.into()));
}

#[test]
fn what_cannot_be_sent_is_told_and_misses_the_limit() {
    let address = serve(|number| (number < 10).then_some(OK));
    let url = format!("http://{address}/");
    let arguments =
        ["--rate", "100", "--duration", "1s", "--connections", "2", "--timeout", "3s", "--errors", "1%"];
    let (exit, report) = bench(&url, &arguments);
    // Two wait for an answer that never comes; for all others no connection is left.
    assert_eq!((&report["answered"], &report["failures"]["time_out"]), (&10.into(), &2.into()));
    assert_eq!(report["not_sent"], 88);
    assert_eq!((exit, &report["gates"][0]["measured"]), (Some(1), &0.9.into()));
    // Those who waited count with their time.
    assert!(report["latency"]["p50"].as_f64().unwrap() > 1000.0, "{report}");
}

#[test]
fn failures_are_told_by_kind() {
    let address = serve(|number| {
        Some(match number % 4 {
            0 => "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
            1 => "HTTP/1.1 200 OK\r\ncontent-length: 50\r\nconnection: close\r\n\r\ncut",
            2 => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            _ => OK,
        })
    });
    let (exit, report) = bench(&format!("http://{address}/"), &["--rate", "200", "--duration", "1s"]);
    let failures = serde_json::json!({"broken": 50, "status_404": 50, "status_503": 50});
    assert_eq!((&report["failures"], &report["answered"]), (&failures, &50.into()));
    assert_eq!(exit, Some(0), "without a limit there is nothing to miss");
}

/// Nothing that succeeds is no success, whatever limits there are.
#[test]
fn a_target_that_never_succeeds_is_a_finding() {
    for (answer, failure) in [
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "status_404"),
        ("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", "status_503"),
        ("no HTTP at all\r\nconnection: close\r\n\r\n", "broken"),
    ] {
        let address = serve(move |_| Some(answer));
        for rate in ["50", "max"] {
            let arguments = ["--rate", rate, "--duration", "300ms", "--connections", "2"];
            let (exit, report) = bench(&format!("http://{address}/"), &arguments);
            assert_eq!((exit, &report["answered"]), (Some(1), &0.into()), "{answer:?} {rate}: {report}");
            assert!(report["failures"][failure].as_u64().unwrap() > 0, "{report}");
        }
    }
    // Connections are taken and never answered.
    let address = serve(|_| None);
    let arguments = ["--rate", "20", "--duration", "300ms", "--timeout", "500ms", "--connections", "4"];
    let (exit, report) = bench(&format!("http://{address}/"), &arguments);
    assert_eq!((exit, &report["answered"]), (Some(1), &0.into()), "{report}");
}

/// A server that closes connections which are idle for so long, as stock Node does after five seconds. `answer` gets the number of
/// the request on its connection, and the text to send; none closes the connection.
fn serve_impatiently(patience: Duration, answer: fn(u64) -> Option<&'static str>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                stream.set_read_timeout(Some(patience)).unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                for number in 0.. {
                    // Also a line that does not come in time is none.
                    let is_there = lines.by_ref().map_while(Result::ok).any(|line| line.is_empty());
                    let text = answer(number).filter(|_| is_there);
                    if text.is_none_or(|text| stream.write_all(text.as_bytes()).is_err()) {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn a_connection_that_the_server_closed_while_idle_is_no_failure() {
    let address = serve_impatiently(Duration::from_millis(150), |_| Some(OK));
    // Each of four connections is idle for 400 ms between its requests.
    let arguments =
        ["--rate", "10", "--duration", "3s", "--connections", "4", "--timeout", "2s", "--errors", "0"];
    let (exit, report) = bench(&format!("http://{address}/"), &arguments);
    assert_eq!(
        (exit, &report["answered"], &report["failures"]),
        (Some(0), &30.into(), &serde_json::json!({})),
        "{report}"
    );
    assert!(report["reopened"].as_u64().unwrap() >= 15, "{report}");
    assert!(report["latency"]["max"].as_f64().unwrap() < 1_000.0, "nobody waits for the time-out: {report}");
}

#[test]
fn a_request_is_sent_again_once_and_only_if_no_byte_of_an_answer_came() {
    // The second request of each connection meets a server that closes just then.
    let closes = serve_impatiently(Duration::from_secs(20), |number| (number < 1).then_some(OK));
    let arguments = ["--rate", "50", "--duration", "1s", "--connections", "1", "--errors", "0"];
    let (exit, report) = bench(&format!("http://{closes}/"), &arguments);
    assert_eq!(
        (exit, &report["answered"], &report["reopened"]),
        (Some(0), &50.into(), &49.into()),
        "{report}"
    );

    // It closes in the middle of an answer: that may have been processed.
    let cuts = serve_impatiently(Duration::from_secs(20), |number| match number {
        0 => Some(OK),
        1 => Some("HTTP/1.1 200 O"),
        _ => None,
    });
    let arguments = ["--rate", "50", "--duration", "1s", "--connections", "1", "--timeout", "300ms"];
    let (_, report) = bench(&format!("http://{cuts}/"), &arguments);
    assert_eq!(report["reopened"], 0, "{report}");
    assert!(report["failures"].as_object().unwrap().values().any(|it| it.as_u64() > Some(0)), "{report}");

    // It never answers anything: one more connection for each request, and then it is broken.
    let never = serve_impatiently(Duration::from_secs(20), |_| None);
    let arguments = ["--rate", "20", "--duration", "500ms", "--connections", "1"];
    let (exit, report) = bench(&format!("http://{never}/"), &arguments);
    assert_eq!((exit, &report["failures"]), (Some(1), &serde_json::json!({"broken": 10})), "{report}");
}

#[test]
fn a_server_that_hangs_up_after_each_answer_costs_no_failure() {
    let address = serve(|_| Some("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"));
    let arguments = ["--rate", "100", "--duration", "1s", "--ramp", "1s", "--errors", "0"];
    let (exit, report) = bench(&format!("http://{address}/"), &arguments);
    assert_eq!(
        (exit, &report["answered"], &report["failures"]),
        (Some(0), &100.into(), &serde_json::json!({}))
    );
}

/// `abx dev` on a free port over a store of its own.
struct Dev {
    child: Child,
    address: String,
    folder: tempfile::TempDir,
}

impl Dev {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store.sqlite");
        let mut child = Command::new(env!("CARGO_BIN_EXE_abx"))
            .args(["dev", "tests/sessions/documents", "--port", "0", "--store"])
            .arg(&store)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            let start = line.find("http://")?;
            line[start..].split_whitespace().next().map(str::to_owned)
        });
        // Somebody has to read on, or the program waits for room in the pipe.
        thread::spawn(move || lines.for_each(drop));
        Self { child, address: address.unwrap(), folder }
    }
}

impl Dev {
    /// The number of units of an experiment; 0 if nothing was counted.
    fn units(&self) -> u64 {
        let store = self.folder.path().join("store.sqlite");
        let output = Command::new(env!("CARGO_BIN_EXE_abx"))
            .args(["results", "checkout_redesign", "--format", "json", "--store"])
            .arg(store)
            .output()
            .unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report.get("units").and_then(Value::as_u64).unwrap()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_functions_here_are_measured_over_http_and_by_invoke() {
    let dev = Dev::start();
    let url = format!("{}/assign?user_id={{user}}&experiment_key=checkout_redesign", dev.address);
    let common = ["--rate", "100", "--duration", "1s", "--errors", "0", "--p50", "2s", "--p99", "4s"];
    let (exit, report) = bench(&url, &common);
    assert_eq!((exit, &report["answered"], &report["product"]), (Some(0), &100.into(), &"assignment".into()));

    let payload = r#"{"user_id": "{user}", "experiment_key": "checkout_redesign"}"#;
    let invoke = ["--endpoint", &dev.address, "--tail-log", "--payload", payload];
    let (exit, report) = bench("abx-assignment", &[&common[..], &invoke[..]].concat());
    assert_eq!((exit, &report["answered"], &report["product"]), (Some(0), &100.into(), &"assignment".into()));

    // An envelope with a status is an answer of that status.
    let unknown =
        ["--endpoint", &dev.address, "--payload", r#"{"user_id": "u", "experiment_key": "unknown"}"#];
    let (exit, report) = bench("assignment", &[&common[..], &unknown[..]].concat());
    assert_eq!((exit, &report["failures"]["status_404"]), (Some(1), &100.into()));
}

/// The users of a benchmark do not exist: they count in no experiment, unless that is said.
#[test]
fn users_are_enrolled_only_if_that_is_said() {
    let dev = Dev::start();
    let by_url = format!("{}/assign?user_id={{user}}&experiment_key=checkout_redesign", dev.address);
    let by_body = format!("{}/assign", dev.address);
    let batch = format!("{}/assign/batch", dev.address);
    let one = r#"{"user_id": "{user}", "experiment_key": "checkout_redesign"}"#;
    let several = r#"{"user_id": "{user}", "experiment_keys": ["checkout_redesign"]}"#;
    let event = r#"{"rawPath": "/assign", "rawQueryString": "user_id={user}&experiment_key=checkout_redesign", "requestContext": {"http": {"method": "GET"}}}"#;
    let common = ["--rate", "100", "--duration", "300ms", "--p50", "4s", "--p99", "4s"];
    let targets: [(&str, &[&str]); 6] = [
        (&by_url, &[]),
        (&by_body, &["--body", one]),
        (&batch, &["--body", several]),
        ("assignment", &["--endpoint", &dev.address, "--payload", one]),
        ("assignment", &["--endpoint", &dev.address, "--payload", several]),
        ("assignment", &["--endpoint", &dev.address, "--payload", event]),
    ];
    for (target, arguments) in targets {
        let (exit, report) = bench(target, &[&common[..], arguments].concat());
        assert_eq!((exit, &report["answered"]), (Some(0), &30.into()), "{target} {arguments:?}: {report}");
        assert_eq!(report["enrollment"], "peeked", "{target} {arguments:?}");
    }
    let flag = format!("{}/flags/new_search?user_id={{user}}", dev.address);
    assert_eq!(bench(&flag, &common).1["enrollment"], "recorded");
    assert_eq!(bench(&format!("{}/health", dev.address), &common).1["enrollment"], Value::Null);
    let (exit, report) = bench(&by_url, &[&common[..], &["--enroll"]].concat());
    assert_eq!((exit, &report["enrollment"]), (Some(0), &"enrolled".into()));
    // What was counted before came before, so that these alone are there in the end.
    let users = report["requests"].as_u64().unwrap();
    let start = std::time::Instant::now();
    let mut units = 0;
    while units == 0 || start.elapsed() < Duration::from_secs(3) {
        units = dev.units();
        assert!(units <= users && start.elapsed() < Duration::from_mins(1), "{units} units of {users}");
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn an_earlier_report_is_compared_and_fits_its_schema() {
    let address = serve(|_| Some(OK));
    let url = format!("http://{address}/");
    let (_, earlier) = bench(&url, &["--rate", "max", "--duration", "500ms", "--connections", "2"]);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(earlier.to_string().as_bytes()).unwrap();
    let name = file.path().to_str().unwrap();
    let arguments = ["--rate", "50", "--duration", "500ms", "--compare", name, "--p99", "4s"];
    let (exit, report) = bench(&url, &arguments);
    assert_eq!((exit, &report["requests"]), (Some(0), &25.into()));
    let ratio = report["comparison"]["throughput_ratio"].as_f64().unwrap();
    let right = report["throughput"].as_f64().unwrap() / earlier["throughput"].as_f64().unwrap();
    assert!((ratio / right - 1.0).abs() < 1e-9);
    assert_eq!(report["comparison"]["earlier"]["latency"], earlier["latency"]);

    let schema =
        Command::new(env!("CARGO_BIN_EXE_abx")).args(["schema", "--report", "bench"]).output().unwrap();
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("bench.json", serde_json::from_slice(&schema.stdout).unwrap()).unwrap();
    let index = compiler.compile("bench.json", &mut schemas).unwrap();
    for report in [&earlier, &report] {
        assert!(schemas.validate(report, index).is_ok(), "{report}");
    }
}
