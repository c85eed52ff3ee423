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

/// `abx dev` over a place, and a client of it.
fn served(place: &Place) -> (Dev, Client) {
    let dev = place.serve();
    let client = client(&dev);
    (dev, client)
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
    let (dev, client) = served(&place);
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
async fn a_batch_of_another_trigger_is_an_error_as_in_the_deployed_function() {
    let place = place();
    let (_dev, client) = served(&place);
    for (payload, source) in [
        (json!({"Records": [{"eventSource": "aws:sqs", "body": "x"}]}), "aws:sqs"),
        (json!({"Records": [{"EventSource": "aws:sns", "Sns": {}}]}), "aws:sns"),
        (json!({"Records": [{"eventSource": "aws:s3", "s3": {}}]}), "aws:s3"),
        (json!({"detail-type": "Scheduled Event", "source": "aws.events"}), "EventBridge"),
    ] {
        for function in ["assignment", "flags"] {
            let output = invoke(&client, function, &payload.to_string()).await.unwrap();
            assert_eq!(output.function_error(), Some("Unhandled"), "{function} {payload}");
            let error: Value = serde_json::from_slice(output.payload().unwrap().as_ref()).unwrap();
            assert_eq!(error["errorType"], "NotARequest", "{error}");
            let expected = format!("this is a batch of {source}, and the function answers requests");
            assert!(error["errorMessage"].as_str().unwrap().starts_with(&expected), "{error}");
        }
    }
}

/// A batch as Lambda hands it over: events of one shard, from a sequence number on.
fn batch(shard: &str, from: u64, events: &[Value]) -> String {
    let records = events.iter().zip(from..).map(|(event, number)| {
        json!({
            "kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": "u", "sequenceNumber": number.to_string(),
                "data": STANDARD.encode(event.to_string()), "approximateArrivalTimestamp": 1_795_515_072.0},
            "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": format!("{shard}:{number}"),
            "eventName": "aws:kinesis:record", "awsRegion": "eu-central-1",
            "eventSourceARN": "arn:aws:kinesis:eu-central-1:123456789012:stream/orders",
        })
    });
    json!({"Records": records.collect::<Vec<_>>()}).to_string()
}

fn purchase(user: &str) -> Value {
    json!({"type": "conversion", "user_id": user, "event": "paid"})
}

fn counting() -> Place {
    let test = "experiment: e\nstatus: active\nvariants: [{key: a}, {key: b}]\n\
        metrics: [{key: paid, event: paid, kind: count}]\n";
    Place::with(&[("e.yaml", test)])
}

fn paid(place: &Place) -> u64 {
    let results = place.report(&["results", "e"]);
    let variants = results["metrics"][0]["variants"].as_array().unwrap().clone();
    variants.iter().map(|it| it["events"].as_u64().unwrap_or(0)).sum()
}

#[tokio::test]
async fn batches_of_kinesis_are_counted_as_by_the_deployed_function() {
    let place = counting();
    let (dev, client) = served(&place);
    let exposure = json!({"type": "exposure", "user_id": "u", "experiment": "e", "variant": "a"});
    let first =
        batch("shardId-000000000001", 100, &[exposure, purchase("u"), purchase("u"), json!("no event")]);
    let names = [
        "events",
        "abx-dev-events",
        "arn:aws:lambda:eu-central-1:123456789012:function:abx-prod-events:live",
    ];
    for name in names {
        let output = invoke(&client, name, &first).await.unwrap();
        assert_eq!((output.status_code(), output.function_error()), (200, None), "{name}");
        let answer: Value = serde_json::from_slice(output.payload().unwrap().as_ref()).unwrap();
        assert_eq!(answer["batchItemFailures"], json!([]), "{name}: {answer}");
    }
    assert_eq!(paid(&place), 2, "what is delivered again is counted once");
    let reasons = place.report(&["quarantine", "list"])["reasons"].clone();
    assert_eq!(
        reasons.as_object().unwrap().values().map(|it| it.as_u64().unwrap()).sum::<u64>(),
        1,
        "{reasons}"
    );

    let by_event = client.invoke().function_name("events").invocation_type(InvocationType::Event);
    let second = batch("shardId-000000000001", 200, &[purchase("u")]);
    let output = by_event.payload(Blob::new(second)).send().await.unwrap();
    assert_eq!(output.status_code(), 202);
    assert_eq!(paid(&place), 3, "the work is done before the answer");
    let dry = client.invoke().function_name("events").invocation_type(InvocationType::DryRun);
    assert_eq!(
        dry.payload(Blob::new(batch("s", 1, &[purchase("u")]))).send().await.unwrap().status_code(),
        204
    );
    assert_eq!(paid(&place), 3);

    // What came by HTTP has a shard of its own, whose places are not those of the batches.
    assert_eq!(dev.post("/events", &purchase("u")).status, 202);
    crate::program::until("it is counted", || (paid(&place) == 4).then_some(()));
}

#[tokio::test]
async fn whatever_else_lambda_can_send_is_answered_as_by_the_deployed_function() {
    let place = counting();
    let (_dev, client) = served(&place);
    // No batch: Lambda has to know that nothing of it was counted.
    let sqs = json!({"Records": [{"messageId": "1", "body": "{}", "eventSource": "aws:sqs"}]}).to_string();
    for payload in ["{}", "7", "[]", r#"{"requestContext": {"http": {"method": "GET"}}}"#, &sqs] {
        let output = invoke(&client, "events", payload).await.unwrap();
        assert_eq!((output.status_code(), output.function_error()), (200, Some("Unhandled")), "{payload}");
        let error: Value = serde_json::from_slice(output.payload().unwrap().as_ref()).unwrap();
        assert_eq!(error["errorType"], "NotABatch", "{error}");
        assert!(error["errorMessage"].is_string(), "{error}");
    }
    let windowed = json!({"Records": [], "window": {"start": "a", "end": "b"}, "state": {}, "shardId": "s",
        "isFinalInvokeForWindow": false});
    for payload in [json!({"Records": []}).to_string(), windowed.to_string()] {
        let output = invoke(&client, "events", &payload).await.unwrap();
        let answer: Value = serde_json::from_slice(output.payload().unwrap().as_ref()).unwrap();
        assert_eq!(
            (output.function_error(), &answer["batchItemFailures"]),
            (None, &json!([])),
            "{payload}: {answer}"
        );
    }
    // Of two shards, each is counted by itself.
    let mut both: Value = serde_json::from_str(&batch("shardId-000000000001", 1, &[purchase("u")])).unwrap();
    let other: Value = serde_json::from_str(&batch("shardId-000000000002", 1, &[purchase("u")])).unwrap();
    both["Records"].as_array_mut().unwrap().extend(other["Records"].as_array().unwrap().clone());
    let output = invoke(&client, "events", &both.to_string()).await.unwrap();
    assert_eq!(output.function_error(), None);
    let shards = place.run(&["status", "--format", "json"]);
    let shards: Value = serde_json::from_slice(&shards.stdout).unwrap();
    let names: Vec<&str> =
        shards["shards"]["told"].as_array().unwrap().iter().map(|it| it["shard"].as_str().unwrap()).collect();
    for shard in ["orders/shardId-000000000001", "orders/shardId-000000000002"] {
        assert!(names.contains(&shard), "{names:?}");
    }
}

#[tokio::test]
async fn records_that_cannot_be_counted_now_are_given_back() {
    let place = counting();
    let (_dev, client) = served(&place);
    // Somebody else writes, and does not end.
    let other = rusqlite::Connection::open(place.store()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let payload = batch("shardId-000000000001", 100, &[purchase("u"), purchase("v")]);
    let output = invoke(&client, "events", &payload).await.unwrap();
    let answer: Value = serde_json::from_slice(output.payload().unwrap().as_ref()).unwrap();
    assert_eq!(output.function_error(), None);
    assert_eq!(answer["batchItemFailures"], json!([{"itemIdentifier": "100"}]), "from the first on");
    other.execute_batch("ROLLBACK").unwrap();
    let output = invoke(&client, "events", &payload).await.unwrap();
    let answer: Value = serde_json::from_slice(output.payload().unwrap().as_ref()).unwrap();
    assert_eq!(answer["batchItemFailures"], json!([]), "and then it is counted");
}

#[tokio::test]
async fn a_qualifier_stands_in_the_name_or_beside_it() {
    let place = place();
    let (_dev, client) = served(&place);
    let ask = |name: &str, qualifier: &str| {
        let payload = Blob::new(r#"{"user_id": "u", "flag_key": "on"}"#);
        client.invoke().function_name(name).qualifier(qualifier).payload(payload).send()
    };
    for (name, qualifier) in [("flags", "live"), ("abx-dev-flags", "$LATEST"), ("flags:7", "7")] {
        assert_eq!(opened(&ask(name, qualifier).await.unwrap()).1["value"], true, "{name} {qualifier}");
    }
    let error = ask("flags:7", "8").await.unwrap_err().into_service_error();
    assert!(matches!(error, InvokeError::InvalidParameterValueException(_)), "{error:?}");
}

#[tokio::test]
async fn what_cannot_be_called_is_an_error_that_the_client_knows() {
    let place = place();
    let (_dev, client) = served(&place);
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
    let (_dev, client) = served(&place);
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
    let (dev, client) = served(&place);
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
