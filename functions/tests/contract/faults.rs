//! Calls to an AWS that is slow, busy, failing or garbled end within their budget, and the next ones cost nothing.

use crate::archive::line;
use crate::assignments::assignment;
use crate::events::numbered;
use crate::http::{Answer, respond, serve};
use crate::marks::{key, mark};
use crate::metrics::small;
use abx_functions::adapters::aws::{
    AwsFault, Budget, CallFailed, DynamoAssignments, DynamoCatalog, DynamoMetrics, DynamoQuarantine,
    FirehoseArchive, KinesisSink, dynamodb, emulator, firehose, kinesis,
};
use abx_functions::ports::{
    Archive, AssignmentStore, CatalogStore, EventSink, MetricStore, PortResult, Quarantine, Quarantined,
    RowsOf, ShardState,
};
use jiff::Timestamp;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The budget is 45 ms, and `latency` holds it to that on a clock of its own. Here are real peers, and a machine may be busy; but
/// what was tuned away hangs for more than 30 s.
const IN_TIME: Duration = Duration::from_secs(5);

pub(crate) const FAULTS: [&str; 7] = ["silence", "500", "500 in no words", "throttle", "busy", "cut", "half"];

fn fault(name: &str) -> Answer {
    let refusal =
        |code: &str| json!({"__type": format!("com.amazonaws#{code}"), "message": "no"}).to_string();
    let item = json!({"Item": {"variant": {"S": "a"}, "revision": {"N": "1"}}}).to_string();
    match name {
        "silence" => Answer::Silence,
        "500" => Answer::Json(500, refusal("InternalServerError")),
        "500 in no words" => Answer::Json(503, String::new()),
        "throttle" => Answer::Json(400, refusal("ThrottlingException")),
        "busy" => Answer::Json(400, refusal("ProvisionedThroughputExceededException")),
        "cut" => Answer::Cut(item),
        _ => Answer::Json(200, item[..item.len() / 2].to_owned()),
    }
}

/// An endpoint with one fault, and how many requests it saw.
pub(crate) async fn faulty(name: &'static str) -> (String, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let endpoint = serve(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        fault(name)
    });
    (endpoint.await, seen)
}

/// Waits for an error, which has to be transient and in time.
async fn fails<T: std::fmt::Debug>(what: &str, call: impl Future<Output = PortResult<T>>) {
    let start = Instant::now();
    let error = call.await.expect_err(what);
    let took = start.elapsed();
    eprintln!("{what}: {took:?}: {error}");
    assert!(error.is_transient(), "{what}: {error:?}");
    assert!(took < IN_TIME, "{what} took {took:?}");
}

#[tokio::test]
async fn every_call_fails_in_time() {
    for name in FAULTS {
        let (endpoint, _) = faulty(name).await;
        let client = dynamodb(&emulator(&endpoint), Budget::REQUEST);
        let (catalog, store) = (DynamoCatalog::new(client.clone(), "c"), DynamoAssignments::new(client, "a"));
        fails(&format!("{name}, head"), catalog.head()).await;
        fails(&format!("{name}, revision"), catalog.revision(1)).await;
        fails(&format!("{name}, revisions"), catalog.revisions()).await;
        fails(&format!("{name}, get"), store.get("u", "e")).await;
        fails(&format!("{name}, get_many"), store.get_many("u", &["e", "f"])).await;
        fails(&format!("{name}, put"), store.put_if_absent(&assignment("u", "e", "a"), 0)).await;
    }
}

#[tokio::test]
async fn every_call_of_the_event_function_fails_in_time() {
    for name in FAULTS {
        let (endpoint, _) = faulty(name).await;
        let client = dynamodb(&emulator(&endpoint), Budget::REQUEST);
        let archive = FirehoseArchive::new(firehose(&emulator(&endpoint), Budget::REQUEST), "archive");
        let quarantine = DynamoQuarantine::new(client.clone(), "m");
        let store = DynamoMetrics::new(client, "m", "marks");
        let marks = [(key("u", None), mark("a", "1"))];
        fails(&format!("{name}, shard"), store.shard("s")).await;
        fails(&format!("{name}, marks"), store.marks(&[key("u", None)])).await;
        fails(&format!("{name}, put_marks"), store.put_marks(&marks)).await;
        fails(&format!("{name}, commit"), store.commit("s", &ShardState::default(), &small("1", 1))).await;
        fails(&format!("{name}, rows"), store.rows(RowsOf::Stream)).await;
        fails(&format!("{name}, quarantine"), quarantine.put(&[poison()])).await;
        fails(&format!("{name}, list"), quarantine.list(Timestamp::now(), 10)).await;
        fails(&format!("{name}, archive"), archive.append(&[line(1, 100)])).await;
    }
}

fn poison() -> Quarantined {
    let arrived = "2026-11-24T10:11:12Z".parse().unwrap();
    let (reason, detail) = ("not_json".to_owned(), String::new());
    Quarantined { id: "s:1".to_owned(), reason, detail, arrived, data: vec![0] }
}

#[tokio::test]
async fn nobody_listens() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let store = DynamoAssignments::new(dynamodb(&emulator(&endpoint), Budget::REQUEST), "a");
    fails("nobody", store.get("u", "e")).await;
}

#[tokio::test]
async fn warming_up_has_more_time_than_a_request() {
    let endpoint = serve(|_| Answer::Late(150, "{}".to_owned())).await;
    let store = DynamoAssignments::new(dynamodb(&emulator(&endpoint), Budget::REQUEST), "a");
    store.warm_up().await.unwrap();
    fails("late", store.get("u", "e")).await;
}

#[tokio::test]
async fn a_refusal_is_no_failure() {
    let endpoint =
        serve(|_| Answer::Json(400, json!({"__type": "ValidationException", "message": "no"}).to_string()))
            .await;
    let store = DynamoAssignments::new(dynamodb(&emulator(&endpoint), Budget::PATIENT), "a");
    for _ in 0..20 {
        assert!(!store.get("u", "e").await.unwrap_err().is_transient());
    }
    assert!(!store.breaker().is_open(tokio::time::Instant::now()), "whoever refuses is there");
}

#[tokio::test]
async fn a_sink_gives_up_in_bounded_time() {
    for name in FAULTS {
        let (endpoint, seen) = faulty(name).await;
        let sink = KinesisSink::new(kinesis(&emulator(&endpoint), Budget::REQUEST), "events");
        let start = Instant::now();
        let report = sink.send(&numbered(3)).await;
        let took = start.elapsed();
        assert_eq!(report.failed, [0, 1, 2], "{name}");
        assert!(report.cause.unwrap().is_transient(), "{name}");
        assert!(took < IN_TIME * 2, "{name} took {took:?}");
        assert!(seen.load(Ordering::SeqCst) <= 6, "{name}: three rounds of two attempts");
    }
}

/// The fault for an endpoint, and its message.
async fn fault_of(endpoint: &str) -> (AwsFault, String) {
    let once = Budget { attempts: 1, ..Budget::PATIENT };
    let catalog = DynamoCatalog::new(dynamodb(&emulator(endpoint), once), "c");
    let error = catalog.head().await.unwrap_err();
    let said = error.to_string();
    assert!(said.starts_with("table c in us-east-1: GetItem: "), "{said}");
    for debug in ["Request {", "SdkError", "ConnectorError", "Error {", "Error(", "Some(", "kind:"] {
        assert!(!said.contains(debug), "{said}");
    }
    eprintln!("{said}");
    (error.find::<CallFailed>().unwrap().fault, said)
}

/// A server that answers whatever comes as one answers who does not know TLS.
async fn speaks_no_tls() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            respond(&mut stream, 400, 0, "").await;
        }
    });
    address
}

#[tokio::test]
async fn each_fault_is_told_from_the_others() {
    use AwsFault::*;
    for (status, code, fault) in [
        (400, "ExpiredTokenException", Expired),
        (400, "UnrecognizedClientException", Invalid),
        (403, "InvalidSignatureException", Invalid),
        (400, "AccessDeniedException", Denied),
        (400, "ResourceNotFoundException", Missing),
        (400, "ThrottlingException", Throttled),
        (429, "Whatever", Throttled),
        (400, "UnknownOperationException", Unreadable),
        (500, "InternalServerError", Failed),
        (400, "ValidationException", Unprocessable),
        (400, "Whatever", Rejected),
    ] {
        let body = json!({"__type": format!("com.amazonaws#{code}"), "message": "as the service says"});
        let endpoint = serve(move |_| Answer::Json(status, body.to_string())).await;
        let (found, said) = fault_of(&endpoint).await;
        assert_eq!(found, fault, "{said}");
        assert!(said.ends_with(&format!("{code}: as the service says")), "{said}");
    }
    for (answer, fault, words) in [
        (fault("500 in no words"), Failed, "status 503"),
        (fault("half"), Unreadable, ""),
        (fault("cut"), Unreadable, ""),
    ] {
        let answer = std::sync::Mutex::new(Some(answer));
        let endpoint = serve(move |_| answer.lock().unwrap().take().unwrap_or(Answer::Silence)).await;
        let (found, said) = fault_of(&endpoint).await;
        assert_eq!(found, fault, "{said}");
        assert!(said.contains(words), "{said}");
    }
    let plain = speaks_no_tls().await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (endpoint, fault, cause) in [
        (format!("https://{plain}"), Tls, "InvalidContentType"),
        (format!("http://{closed}"), Refused, "(os error 111)"),
        ("http://no-such-host.invalid".to_owned(), Dns, "lookup address"),
    ] {
        let (found, said) = fault_of(&endpoint).await;
        assert_eq!(found, fault, "{said}");
        assert!(said.contains(cause), "the cause is kept to the end: {said}");
    }
}
