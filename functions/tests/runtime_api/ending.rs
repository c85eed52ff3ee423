//! Flushing after a response and at the end, panics, and settings that cannot be used.

use crate::aws::{Aws, documents};
use crate::lambda::{Process, wait_for};
use crate::serving::{ASSIGNMENT, FLAGS};
use abx_functions::adapters::embedded::EmbeddedStore;
use abx_functions::catalog::{CatalogHolder, Snapshot};
use abx_functions::http::{ApiError, FunctionBase, HttpFunction, HttpOptions, LambdaResponse, Reply, Routes};
use abx_functions::runtime::{Host, run};
use abx_functions::telemetry::{Level, Telemetry};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::Arc;

fn ask(user: &str) -> Value {
    json!({"user_id": user, "experiment_key": "e"})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exposures_are_flushed_after_each_response() {
    let aws = Aws::start().await;
    aws.publish(1, &documents()).await;
    let process = Process::start(ASSIGNMENT, &aws.vars()).await;
    for count in 1..=5 {
        process.invoke(&ask(&format!("u{count}"))).await;
        process.freeze().await;
        assert_eq!(aws.sent().len(), count);
    }
    assert_eq!(aws.sent()[0]["type"], "exposure");
    assert_eq!(aws.sent()[0]["unit"], "u1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_extensions_and_in_sync_they_are_there_before_the_response() {
    let aws = Aws::start().await;
    aws.publish(1, &documents()).await;
    let without = Process::start_alone(ASSIGNMENT, &aws.vars()).await;
    without.invoke(&ask("u1")).await;
    assert_eq!(aws.sent().len(), 1);
    let mut vars = aws.vars();
    vars.push(("ABX_EXPOSURES", "sync".into()));
    let sync = Process::start(ASSIGNMENT, &vars).await;
    sync.invoke(&ask("u2")).await;
    assert_eq!(aws.sent().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_requests_at_once_are_flushed_by_an_interval_and_at_the_end() {
    let aws = Aws::start().await;
    aws.publish(1, &documents()).await;
    let mut vars = aws.vars();
    vars.push(("AWS_LAMBDA_MAX_CONCURRENCY", "4".into()));
    let mut process = Process::start(ASSIGNMENT, &vars).await;
    let (first, second) = (ask("u1"), ask("u2"));
    tokio::join!(process.invoke(&first), process.invoke(&second));
    assert!(process.extensions().is_empty());
    wait_for("the interval", || aws.sent().len() == 2).await;
    process.invoke(&ask("u3")).await;
    assert_eq!(process.terminate().await, Some(0));
    assert_eq!(aws.sent().len(), 3, "SIGTERM flushes");
    let requests: u64 = process.log().iter().filter_map(|line| line["Requests"].as_u64()).sum();
    assert_eq!(requests, 3, "and the metrics too");
    let log = process.log();
    let mut metrics = log.iter().filter(|line| line["_aws"].is_object());
    assert!(metrics.all(|line| line["FunctionName"] == "tested"), "under the deployed name");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_is_told_to_end_ends() {
    let aws = Aws::start().await;
    aws.publish(1, &documents()).await;
    let mut process = Process::start(FLAGS, &aws.vars()).await;
    process.invoke(&json!({"user_id": "u", "flag_key": "f"})).await;
    assert_eq!(process.terminate().await, Some(0));
    assert_eq!(aws.sent().len(), 1);
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_all_said_at_once() {
    let vars = [("ABX_EXPOSURES", "later".to_owned()), ("ABX_CATALOG_TABEL", "c".to_owned())];
    let mut process = Process::start(ASSIGNMENT, &vars).await;
    assert_eq!(process.ended().await, Some(2));
    wait_for("the log", || !process.events("wrong_settings").is_empty()).await;
    let problems = &process.events("wrong_settings")[0]["problems"];
    let names: Vec<&str> =
        problems.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    let expected = [
        "ABX_EXPOSURES",
        "ABX_CATALOG_TABLE",
        "ABX_ASSIGNMENTS_TABLE",
        "ABX_EVENT_STREAM",
        "ABX_CATALOG_TABEL",
    ];
    assert_eq!(names, expected);
}

/// A function that panics outside the guard of its middleware.
struct Panicking(FunctionBase<Arc<EmbeddedStore>, Arc<EmbeddedStore>>);

impl Panicking {
    fn new() -> Self {
        let store = Arc::new(EmbeddedStore::in_memory().unwrap());
        let holder = Arc::new(CatalogHolder::new(Arc::clone(&store), Snapshot::default()));
        let telemetry = Arc::new(Telemetry::stdout("panicking", Level::Info));
        Self(FunctionBase::new(holder, store, telemetry, HttpOptions::default()))
    }
}

impl HttpFunction for Panicking {
    type Catalog = Arc<EmbeddedStore>;
    type Sink = Arc<EmbeddedStore>;

    fn base(&self) -> &FunctionBase<Self::Catalog, Self::Sink> {
        &self.0
    }
    fn routes(self: Arc<Self>) -> Routes {
        Routes::default().get("/", async || -> String { panic!("a handler of the router") })
    }
    async fn answer_json(&self, _: &[u8]) -> Result<Reply, ApiError> {
        Err(ApiError::internal())
    }
    async fn handle_direct(&self, payload: &[u8], _: &str) -> LambdaResponse {
        assert!(payload.is_empty(), "a direct handler");
        LambdaResponse::default()
    }
}

/// Not a test: what the next one starts this program again for, as a function under the Runtime API.
#[tokio::test]
async fn panicking_function() {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
        // The test runner has begun a line.
        std::io::stdout().write_all(b"\n").unwrap();
        run(Arc::new(Panicking::new()), Host::Lambda).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_answered_and_does_not_end_the_process() {
    let program = std::env::current_exe().unwrap();
    let vars = [("RUST_TEST_THREADS", "1".to_owned()), ("RUST_BACKTRACE", "0".to_owned())];
    let args = ["--exact", "ending::panicking_function", "--nocapture"];
    let mut process = Process::start_with(program.to_str().unwrap(), &args, &vars, true).await;
    for _ in 0..3 {
        let (status, body) = process.invoke(&json!({})).await;
        assert_eq!((status, &body["error"]["code"]), (500, &json!("internal")));
        assert!(body["error"]["request_id"].as_str().unwrap().starts_with("request-"));
        let event = crate::events::v2("GET", "$default", "/", "", &Value::Null);
        assert_eq!(process.invoke(&event).await.0, 500);
    }
    assert!(process.is_alive());
    assert_eq!(process.events("panic").len(), 6);
    assert_eq!(process.terminate().await, Some(0));
}
