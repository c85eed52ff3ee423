//! Every kind of payload reaches the same handlers.

use crate::aws::{Aws, documents};
use crate::events::{gets, post, v2};
use crate::lambda::Process;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub(crate) const ASSIGNMENT: &str = env!("CARGO_BIN_EXE_assignment");
pub(crate) const FLAGS: &str = env!("CARGO_BIN_EXE_flags");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_events_of_every_kind_and_direct_payloads_are_answered() {
    let aws = Aws::start().await;
    aws.publish(1, &documents()).await;
    let process = Process::start(ASSIGNMENT, &aws.vars()).await;
    for (kind, event) in gets("/assign", "u", "e") {
        let envelope = process.envelope(&event).await;
        assert_eq!(envelope["statusCode"], 200, "{kind}: {envelope}");
        assert_eq!(envelope["headers"]["content-type"], "application/json");
        assert!(envelope["headers"]["x-request-id"].as_str().unwrap().starts_with("request-"));
        let body: Value = serde_json::from_str(envelope["body"].as_str().unwrap()).unwrap();
        assert_eq!((&body["user_id"], &body["persisted"]), (&json!("u"), &json!(true)), "{kind}");
        let lists = envelope.get("multiValueHeaders").is_some();
        assert_eq!(lists, kind == "load balancer, lists", "{kind}");
    }
    let (status, body) = process.invoke(&json!({"user_id": "u", "experiment_key": "e"})).await;
    assert_eq!((status, &body["reason"]), (200, &json!("pinned")));
    let (_, batch) = process.invoke(&post("/assign/batch", &json!({"user_id": "u"}))).await;
    assert_eq!(batch["assignments"].as_array().unwrap().len(), 1);
    let (_, health) = process.invoke(&v2("GET", "$default", "/health", "", &Value::Null)).await;
    assert_eq!((&health["status"], &health["revision"]), (&json!("ok"), &json!(1)));
    assert_eq!(process.extensions(), ["abx-flush"]);
    assert!(
        process.events("not_json").is_empty() && process.log().iter().all(|it| it.get("not_json").is_none())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flags_are_evaluated_over_every_way_too() {
    let aws = Aws::start().await;
    aws.publish(1, &documents()).await;
    let mut process = Process::start(FLAGS, &aws.vars()).await;
    let (status, body) = process.invoke(&json!({"user_id": "u", "flag_key": "f", "context": {}})).await;
    assert_eq!((status, &body["value"]), (200, &json!(true)));
    let (_, body) = process.invoke(&post("/flags/f", &json!({"user_id": "u"}))).await;
    assert_eq!(body["value"], true);
    let bulk = post("/ofrep/v1/evaluate/flags", &json!({"context": {"targetingKey": "u"}}));
    let answer = process.envelope(&bulk).await;
    let mut again = bulk;
    again["headers"]["if-none-match"] = answer["headers"]["etag"].clone();
    let answer = process.envelope(&again).await;
    assert_eq!((&answer["statusCode"], &answer["body"]), (&json!(304), &json!("")));
    process.freeze().await;
    assert!(aws.sent().is_empty(), "counts wait for ten seconds");
    assert_eq!(process.terminate().await, Some(0));
    let sent = aws.sent();
    assert!(sent.iter().all(|event| event["type"] == "evaluations"), "{sent:?}");
    // Two events where the clock went on to the next minute.
    let entries = sent.iter().flat_map(|event| event["counts"].as_array().unwrap());
    assert_eq!(entries.map(|entry| entry["count"].as_u64().unwrap()).sum::<u64>(), 4);
}

/// A trigger deletes its messages unless the invocation ends in an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_another_trigger_ends_in_an_error() {
    let aws = Aws::start().await;
    aws.publish(1, &documents()).await;
    let mut process = Process::start(ASSIGNMENT, &aws.vars()).await;
    for batch in [
        json!({"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": "{\"user_id\": \"u\"}"}]}),
        json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "x"}}]}),
        json!({"Records": [{"eventSource": "aws:s3", "s3": {"object": {"key": "k"}}}]}),
    ] {
        let error = process.invoke_raw(&batch.to_string()).await.expect_err("an error");
        assert!(error.to_string().contains("the function answers requests"), "{error:?}");
    }
    assert!(process.is_alive());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_refused_and_the_process_lives() {
    let aws = Aws::start().await;
    aws.publish(1, &documents()).await;
    let mut process = Process::start(ASSIGNMENT, &aws.vars()).await;
    let mut base64 = v2("POST", "$default", "/assign", "", &json!("***"));
    base64["isBase64Encoded"] = true.into();
    for (payload, status, code) in [
        (json!({}), 400, "invalid_request"),
        (json!([]), 400, "invalid_request"),
        (json!("text"), 400, "invalid_request"),
        (json!({"requestContext": {}}), 400, "invalid_request"),
        (json!({"requestContext": "x", "httpMethod": 5}), 400, "invalid_request"),
        (base64, 400, "invalid_request"),
        (v2("GET", "$default", "/\u{0}\u{202e}", "", &Value::Null), 404, "not_found"),
        (
            v2("GET", "$default", "/assign", "user_id=%ff&experiment_key=e", &Value::Null),
            400,
            "invalid_request",
        ),
        (json!({"user_id": "x".repeat(1_000_000), "experiment_key": "e"}), 413, "body_too_large"),
        (post("/assign", &json!({"user_id": "x".repeat(1_000_000)})), 413, "body_too_large"),
    ] {
        let (answered, body) = process.invoke(&payload).await;
        assert_eq!((answered, &body["error"]["code"]), (status, &json!(code)), "{body}");
    }
    let json = json!({"user_id": "a\0\u{202e}", "experiment_key": "e"}).to_string();
    let mut event = v2("POST", "$default", "/assign", "", &json!(STANDARD.encode(json)));
    event["isBase64Encoded"] = true.into();
    let (status, body) = process.invoke(&event).await;
    assert_eq!((status, &body["user_id"]), (200, &json!("a\0\u{202e}")));
    assert!(process.is_alive());
}
