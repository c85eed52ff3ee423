//! The extension beside a function.

use crate::aws::{Aws, documents, silence};
use crate::lambda::{Process, wait_for};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const EXTENSION: &str = env!("CARGO_BIN_EXE_abx-extension");

/// A port that is free now.
async fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port().to_string()
}

/// The environment of a function with the extension.
async fn vars(aws: &Aws) -> (Vec<(&'static str, String)>, String) {
    let port = free_port().await;
    let mut vars = aws.vars();
    vars.push(("ABX_EXTENSION_PORT", port.clone()));
    (vars, port)
}

/// Asks as a function does; the status and the JSON.
async fn ask(port: &str, path: &str) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).await.ok()?;
    let request = Request::get(path).body(Body::empty()).unwrap();
    let head = format!("GET {} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", request.uri());
    stream.write_all(head.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, serde_json::from_str(body).ok()?))
}

/// Asks as soon as the extension listens.
async fn ask_at_once(port: &str, path: &str) -> (u16, Value) {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask(port, path).await {
            return answer;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "nothing listens");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_of_the_functions_own_init_waits_for_the_catalog() {
    let aws = Aws::start().await;
    aws.publish(1, &documents()).await;
    let (vars, port) = vars(&aws).await;
    let mut extension = Process::start(EXTENSION, &vars).await;
    let (status, answer) = ask_at_once(&port, "/assign?user_id=u1&experiment_key=e").await;
    assert_eq!((status, &answer["persisted"]), (200, &json!(true)), "{answer}");
    assert_eq!(ask(&port, "/flags/f?user_id=u1").await.unwrap().1["value"], true);
    assert_eq!(ask(&port, "/health").await.unwrap().1["revision"], 1);
    wait_for("the extension", || extension.extensions() == ["abx-extension"]).await;
    wait_for("the exposure, without any event of Lambda", || aws.sent().len() == 1).await;
    assert_eq!(extension.shut_down().await, Some(0));
    let kinds: Vec<Value> = aws.sent().iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds, ["exposure", "evaluations"], "SHUTDOWN sends what was counted and not due");
    assert_eq!(extension.events("catalog_loaded").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stream_did_not_take_is_sent_at_the_next_invocation_or_at_the_end() {
    let aws = Aws::start().await;
    aws.publish(1, &documents()).await;
    let (vars, port) = vars(&aws).await;
    let mut extension = Process::start(EXTENSION, &vars).await;
    ask_at_once(&port, "/health").await;
    for (unit, at_the_end) in [("u1", false), ("u2", true)] {
        aws.refuse(true);
        ask(&port, &format!("/assign?user_id={unit}&experiment_key=e")).await.unwrap();
        wait_for("a refusal", || aws.refused() > 0).await;
        let before = aws.sent().len();
        // The outbox leaves a stream that refuses alone for a second, and its call takes a part of one.
        tokio::time::sleep(Duration::from_secs(3)).await;
        aws.refuse(false);
        assert_eq!(aws.sent().len(), before, "nobody asked for a flush since");
        if at_the_end {
            assert_eq!(extension.shut_down().await, Some(0));
        } else {
            extension.begin_invocation("next");
            wait_for("the next invocation", || aws.sent().len() == before + 1).await;
        }
        assert_eq!(aws.sent().last().unwrap()["unit"], unit);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_on_its_way_at_the_end_arrives() {
    let aws = Aws::start().await;
    aws.publish(1, &documents()).await;
    for end in ["SHUTDOWN", "SIGTERM"] {
        let (vars, port) = vars(&aws).await;
        let mut extension = Process::start(EXTENSION, &vars).await;
        ask_at_once(&port, "/health").await;
        let (sent, begun) = (aws.sent().len(), aws.begun());
        aws.delay(150);
        ask(&port, &format!("/assign?user_id={end}&experiment_key=e")).await.unwrap();
        wait_for("the call", || aws.begun() > begun).await;
        let code = if end == "SIGTERM" { extension.terminate().await } else { extension.shut_down().await };
        assert_eq!((code, aws.sent().len()), (Some(0), sent + 1), "{end}");
        assert!(extension.events("events_lost").is_empty(), "{:?}", extension.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_is_an_answer_and_the_init_ends() {
    let aws = Aws::start().await;
    let (mut vars, port) = vars(&aws).await;
    let away = silence().await;
    vars.iter_mut()
        .filter(|(name, _)| *name == "AWS_ENDPOINT_URL_DYNAMODB")
        .for_each(|it| it.1.clone_from(&away));
    let mut extension = Process::start(EXTENSION, &vars).await;
    let start = Instant::now();
    let (status, answer) = ask_at_once(&port, "/assign?user_id=u&experiment_key=e").await;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("catalog_unavailable")));
    assert!(start.elapsed() < Duration::from_secs(9), "{:?}: an init has 10 s", start.elapsed());
    wait_for("the end of the init", || extension.asked() == 1).await;
    assert_eq!(extension.shut_down().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_keeps_it_from_serving_is_logged() {
    let aws = Aws::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut with_taken = aws.vars();
    with_taken.push(("ABX_EXTENSION_PORT", port));
    let mut with_no_port = aws.vars();
    with_no_port.push(("ABX_EXTENSION_PORT", "http".into()));
    for (vars, event, code) in [
        (with_taken, "port_unavailable", 1),
        (with_no_port, "wrong_settings", 1),
        (vec![("ABX_EXPOSURES", "later".to_owned())], "wrong_settings", 2),
    ] {
        let mut extension = Process::start(EXTENSION, &vars).await;
        assert_eq!(extension.ended().await, Some(code), "{event}");
        assert_eq!(extension.events(event).len(), 1, "{:?}", extension.log());
    }
}

/// A program of another language, which polls the Runtime API and asks the extension.
async fn a_function_in(program: &str, script: &str) {
    let aws = Aws::start().await;
    aws.publish(1, &documents()).await;
    let (mut vars, _) = vars(&aws).await;
    vars.push(("PATH", std::env::var("PATH").unwrap()));
    let mut extension = Process::start(EXTENSION, &vars).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/extension").join(script);
    let mut function = extension.beside(program, &[script.to_str().unwrap()], &vars);
    for count in 1..=20 {
        let user = format!("u{count}");
        let answer = extension.invoke_raw(&json!({"user_id": user}).to_string()).await.unwrap();
        assert_eq!(
            (&answer["user_id"], &answer["revision"], &answer["flag"]),
            (&json!(user), &json!(1), &json!(true))
        );
        assert!(["control", "treatment"].contains(&answer["variant"].as_str().unwrap()), "{answer}");
    }
    wait_for("the exposures", || aws.sent().len() == 20).await;
    let traced = aws.sent();
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert!(
        traced.iter().all(|it| it["traceparent"] == parent),
        "the trace that the function sent: {traced:?}"
    );
    assert!(function.is_alive());
    assert_eq!(extension.shut_down().await, Some(0));
    let last = aws.sent().pop().unwrap();
    assert_eq!(
        (&last["type"], &last["counts"][0]["count"]),
        (&json!("evaluations"), &json!(20)),
        "SHUTDOWN flushes"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Python: e2e/extension/run"]
async fn a_function_in_python_asks_the_extension() {
    a_function_in("python3", "function.py").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Node.js: e2e/extension/run"]
async fn a_function_in_node_asks_the_extension() {
    a_function_in("node", "function.mjs").await;
}
