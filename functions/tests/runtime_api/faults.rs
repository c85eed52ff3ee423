//! Tables and streams that are away or silent.

use crate::aws::{Aws, documents, silence};
use crate::lambda::Process;
use crate::serving::{ASSIGNMENT, FLAGS};
use abx_functions::catalog::encode;
use abx_functions::ports::AssignmentStore;
use serde_json::{Value, json};
use std::io::Write;
use std::time::{Duration, Instant};

/// The budget is 50 ms; the rest is for a busy machine, a debug build and two trips through the Runtime API.
const IN_TIME: Duration = Duration::from_millis(150);

fn ask(user: &str) -> Value {
    json!({"user_id": user, "experiment_key": "e"})
}

fn set(vars: &mut Vec<(&'static str, String)>, name: &'static str, value: String) {
    vars.retain(|(there, _)| *there != name);
    vars.push((name, value));
}

/// The revision that a deployment brings along.
fn bundle() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&encode(&documents()).unwrap()).unwrap();
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_every_store_silent_the_bundled_revision_answers_in_time() {
    let (aws, bundle) = (Aws::start().await, bundle());
    let mut vars = aws.vars();
    set(&mut vars, "AWS_ENDPOINT_URL_DYNAMODB", silence().await);
    set(&mut vars, "ABX_BUNDLED_REVISION", bundle.path().display().to_string());
    let process = Process::start(ASSIGNMENT, &vars).await;
    process.invoke(&ask("first")).await;
    let mut slowest = Duration::ZERO;
    for n in 0..10 {
        let start = Instant::now();
        let (status, body) = process.invoke(&ask(&format!("u{n}"))).await;
        slowest = slowest.max(start.elapsed());
        assert_eq!((status, &body["persisted"], &body["revision"]), (200, &json!(false), &json!(0)));
        assert!(body["variant"].is_string());
    }
    assert!(slowest < IN_TIME, "{slowest:?}");
    assert_eq!(process.events("catalog_not_loaded").len(), 1);
    process.freeze().await;
    assert_eq!(aws.sent().len(), 11, "exposures go out all the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_nobody_at_the_address_the_bundled_revision_serves() {
    let (aws, bundle) = (Aws::start().await, bundle());
    let mut vars = aws.vars();
    set(&mut vars, "AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1".into());
    set(&mut vars, "ABX_BUNDLED_REVISION", bundle.path().display().to_string());
    for (program, payload) in [(ASSIGNMENT, ask("u")), (FLAGS, json!({"user_id": "u", "flag_key": "f"}))] {
        let process = Process::start(program, &vars).await;
        let (status, body) = process.invoke(&payload).await;
        assert_eq!((status, &body["revision"]), (200, &json!(0)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_bundle_a_function_says_that_it_knows_nothing() {
    let aws = Aws::start().await;
    let mut vars = aws.vars();
    set(&mut vars, "ABX_BUNDLED_REVISION", "/nowhere/revision.json.gz".into());
    let process = Process::start(ASSIGNMENT, &vars).await;
    let (status, body) = process.invoke(&ask("u")).await;
    assert_eq!((status, &body["error"]["code"]), (503, &json!("catalog_unavailable")));
    assert_eq!(process.events("bundled_revision_unreadable").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_stream_delays_no_answer() {
    let aws = Aws::start().await;
    aws.publish(1, &documents()).await;
    let mut vars = aws.vars();
    set(&mut vars, "AWS_ENDPOINT_URL_KINESIS", silence().await);
    let process = Process::start(ASSIGNMENT, &vars).await;
    process.invoke(&ask("first")).await;
    for n in 0..5 {
        let start = Instant::now();
        let (status, body) = process.invoke(&ask(&format!("u{n}"))).await;
        assert!(start.elapsed() < IN_TIME, "{:?}", start.elapsed());
        assert_eq!((status, &body["persisted"]), (200, &json!(true)));
    }
    assert!(aws.assignments().get("u1", "e").await.unwrap().is_some());
}
