//! The `Invoke` call, by the client of AWS as it is: `aws-sdk-lambda` parses what a user's program parses.

use crate::program::{Dev, Place};
use abx_functions::adapters::aws::emulator;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::operation::RequestId;
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

fn place() -> Place {
    let test = "experiment: test\nstatus: active\nvariants: [{key: a}, {key: b}]\n";
    Place::with(&[("on.yaml", "flag: on\nenabled: true\n"), ("test.yaml", test)])
}

fn client(dev: &Dev) -> Client {
    Client::new(&emulator(&format!("http://{}", dev.address)))
}

async fn invoke(client: &Client, name: &str, payload: &str) -> Result<InvokeOutput, InvokeError> {
    let request = client.invoke().function_name(name).payload(Blob::new(payload));
    request.send().await.map_err(aws_sdk_lambda::error::SdkError::into_service_error)
}

/// The status and the body in the envelope.
fn opened(output: &InvokeOutput) -> (Value, Value) {
    let envelope: Value = serde_json::from_slice(output.payload().unwrap().as_ref()).unwrap();
    let body = serde_json::from_str(envelope["body"].as_str().unwrap()).unwrap();
    (envelope["statusCode"].clone(), body)
}

#[tokio::test]
async fn both_functions_answer_direct_payloads_and_http_events() {
    let place = place();
    let dev = place.serve();
    let client = client(&dev);
    let direct = json!({"user_id": "u", "experiment_key": "test", "context": {"country": "DE"}}).to_string();
    let output = invoke(&client, "assignment", &direct).await.unwrap();
    assert_eq!((output.status_code(), output.function_error()), (200, None));
    assert_eq!(output.executed_version(), Some("$LATEST"));
    let (status, first) = opened(&output);
    assert_eq!(
        (&status, &first["reason"], &first["persisted"]),
        (&json!(200), &json!("assigned"), &json!(true))
    );

    let arn = "arn:aws:lambda:us-east-1:123456789012:function:abx-flags:live";
    let output = invoke(&client, arn, r#"{"user_id": "u", "flag_key": "on"}"#).await.unwrap();
    assert_eq!(opened(&output).1["value"], true);

    let event = json!({"version": "2.0", "rawPath": "/assign", "rawQueryString": "user_id=u&experiment_key=test",
        "headers": {}, "requestContext": {"stage": "$default", "http": {"method": "GET"}}, "isBase64Encoded": false});
    let output = invoke(&client, "assignment", &event.to_string()).await.unwrap();
    let (status, again) = opened(&output);
    assert_eq!((&status, &again["reason"]), (&json!(200), &json!("pinned")));
    assert_eq!(again["assignment_id"], first["assignment_id"]);
    let by_url = dev.get("/assign?user_id=u&experiment_key=test").ok();
    assert_eq!(by_url["assignment_id"], first["assignment_id"], "one store behind all ways");
}

#[tokio::test]
async fn what_cannot_be_called_is_an_error_that_the_client_knows() {
    let place = place();
    let dev = place.serve();
    let client = client(&dev);
    let unknown = invoke(&client, "no-such-function", "{}").await.unwrap_err();
    let InvokeError::ResourceNotFoundException(unknown) = unknown else { panic!("{unknown:?}") };
    assert!(unknown.message().unwrap().contains("no-such-function"), "{unknown:?}");
    assert!(unknown.request_id().is_some());
    let garbage = invoke(&client, "assignment", "\0 garbage").await.unwrap_err();
    assert!(matches!(garbage, InvokeError::InvalidRequestContentException(_)), "{garbage:?}");
    let large = format!("\"{}\"", "x".repeat(6 << 20));
    let large = invoke(&client, "assignment", &large).await.unwrap_err();
    assert_eq!(large.code(), Some("RequestTooLargeException"), "{large:?}");
    let kind = client.invoke().function_name("flags").invocation_type("Whatever".into());
    let kind = kind.send().await.unwrap_err().into_service_error();
    assert!(matches!(kind, InvokeError::InvalidParameterValueException(_)), "{kind:?}");
}

#[tokio::test]
async fn what_a_function_refuses_is_its_answer_and_no_function_error() {
    let place = place();
    let dev = place.serve();
    let client = client(&dev);
    for payload in ["[]", "7", "\"text\"", "{}", r#"{"requestContext": 7}"#] {
        let output = invoke(&client, "assignment", payload).await.unwrap();
        // As the deployed function does (`functions/tests/runtime_api/serving.rs`): a caller's mistake is not ours.
        assert_eq!((output.status_code(), output.function_error()), (200, None), "{payload}");
        let (status, body) = opened(&output);
        assert_eq!((&status, &body["error"]["code"]), (&json!(400), &json!("invalid_request")), "{payload}");
        assert_eq!(body["error"]["request_id"].as_str(), output.request_id(), "{payload}");
    }
    let (_, body) = opened(&client.invoke().function_name("flags").send().await.unwrap());
    assert_eq!(body["error"]["code"], "invalid_request", "no payload counts as an empty one");
}

#[tokio::test]
async fn events_dry_runs_and_log_tails() {
    let place = place();
    let dev = place.serve();
    let client = client(&dev);
    let ask = |unit: &str| {
        let payload = json!({"user_id": unit, "experiment_key": "test"}).to_string();
        client.invoke().function_name("assignment").payload(Blob::new(payload))
    };
    let dry = ask("dry").invocation_type(InvocationType::DryRun).send().await.unwrap();
    assert_eq!((dry.status_code(), dry.payload().map_or(0, |it| it.as_ref().len())), (204, 0));
    let event = ask("event").invocation_type(InvocationType::Event).send().await.unwrap();
    assert_eq!((event.status_code(), event.payload().map_or(0, |it| it.as_ref().len())), (202, 0));
    for (unit, reason) in [("dry", "assigned"), ("event", "pinned")] {
        let path = format!("/assign?user_id={unit}&experiment_key=test&peek=true");
        assert_eq!(dev.get(&path).ok()["reason"], reason, "{unit}");
    }
    let told = ask("event").log_type(LogType::Tail).send().await.unwrap();
    let log = String::from_utf8(STANDARD.decode(told.log_result().unwrap()).unwrap()).unwrap();
    assert!(log.contains(told.request_id().unwrap()) && log.contains("REPORT"), "{log}");
    assert_eq!(ask("event").send().await.unwrap().log_result(), None);
}
