//! The event function: batches of Kinesis into DynamoDB and Firehose.

use super::aws::{Aws, silence};
use super::lambda::Process;
use abx_core::event::{Amount, Totals};
use abx_functions::ports::{MetricStore, RowsOf, totals as totals_of};
use abx_functions::sources::kinesis::{self, KinesisRecord};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const EVENTS: &str = env!("CARGO_BIN_EXE_events");

fn documents() -> Vec<Value> {
    vec![json!({
        "experiment": "e", "status": "active", "variants": [{"key": "a"}, {"key": "b"}],
        "metrics": [
            {"key": "bought", "event": "purchase", "kind": "conversion"},
            {"key": "revenue", "event": "purchase", "kind": "sum", "property": "amount"},
        ],
    })]
}

/// Exposures of units, a purchase of each, and one record that is no event.
fn batch(units: std::ops::Range<u64>) -> String {
    let mut records = Vec::new();
    let mut put = |data: String| {
        let sequence = format!("4959{:052}", units.start * 10 + records.len() as u64);
        records.push(KinesisRecord {
            sequence,
            partition_key: "u".into(),
            arrived: Timestamp::UNIX_EPOCH,
            data: data.into(),
        });
    };
    for unit in units.clone() {
        let variant = if unit % 2 == 0 { "a" } else { "b" };
        put(json!({"event_id": format!("x{unit}"), "type": "exposure", "experiment": "e", "variant": variant, "unit": format!("u{unit}")}).to_string());
        put(json!({"event_id": format!("p{unit}"), "type": "conversion", "event": "purchase", "user_id": format!("u{unit}"), "properties": {"amount": 0.1}}).to_string());
    }
    put("{".to_owned());
    String::from_utf8(kinesis::write("events", "shardId-000000000000", &records)).unwrap()
}

async fn totals(aws: &Aws) -> Totals {
    totals_of(&aws.metrics().rows(RowsOf::Experiment { experiment: "e", epoch: 1 }).await.unwrap())
}

fn is_right(totals: &Totals, units: u64) {
    for variant in ["a", "b"] {
        let counted = &totals.variants[variant];
        assert_eq!((counted.units, counted.exposures, counted.conflicts), (units / 2, units / 2, 0));
        assert_eq!(counted.metrics["bought"].units, units / 2);
        let tenth = Amount::from_f64(0.1).unwrap();
        let sum: Amount = (0..units / 2).map(|_| tenth).sum();
        assert_eq!(counted.metrics["revenue"].sum, sum);
    }
}

#[tokio::test]
async fn batches_are_counted_once_however_often_they_come() {
    let aws = Aws::start().await;
    aws.publish(1, &documents()).await;
    let mut function = Process::start_alone(EVENTS, &aws.vars_of_events(None)).await;
    for payload in [batch(0..100), batch(0..100), batch(100..200)] {
        assert_eq!(function.invoke_raw(&payload).await.expect("no error")["batchItemFailures"], json!([]));
    }
    assert_eq!(function.terminate().await, Some(0));
    // Another process knows nothing and finds everything.
    let function = Process::start_alone(EVENTS, &aws.vars_of_events(None)).await;
    let again = function.invoke_raw(&batch(0..100)).await.expect("no error");
    assert_eq!(again["batchItemFailures"], json!([]));
    let classes = again["counted"].as_object().unwrap();
    // What is refused is told again, whichever delivery it is.
    assert!(classes.keys().all(|class| class == "already_counted" || class == "rejected"), "{again}");
    is_right(&totals(&aws).await, 200);
    let archived: BTreeSet<String> =
        aws.archived().iter().map(|line| line["_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(archived.len(), 400);
    let metrics = function.log();
    assert!(metrics.iter().all(|line| !line.to_string().contains("amount")), "no values in the log");
}

#[tokio::test]
async fn what_cannot_be_stored_is_given_back_from_its_first_record() {
    let aws = Aws::start().await;
    aws.publish(1, &documents()).await;
    let function = Process::start_alone(EVENTS, &aws.vars_of_events(Some(silence().await))).await;
    let answer = function.invoke_raw(&batch(0..4)).await.expect("no error");
    let first = format!("4959{:052}", 0);
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": first}]}));
    assert!(totals(&aws).await.variants.is_empty(), "nothing is counted that is not archived");
    // With the archive back, the same records are counted.
    let function = Process::start_alone(EVENTS, &aws.vars_of_events(None)).await;
    let answer = function.invoke_raw(&batch(0..4)).await.expect("no error");
    assert_eq!(answer["batchItemFailures"], json!([]));
    is_right(&totals(&aws).await, 4);
}

#[tokio::test]
async fn only_what_is_no_batch_is_an_error() {
    let aws = Aws::start().await;
    aws.publish(1, &documents()).await;
    let mut function = Process::start_alone(EVENTS, &aws.vars_of_events(None)).await;
    let error = function.invoke_raw(r#"{"user_id": "u"}"#).await.expect_err("no batch");
    assert!(error.to_string().contains("not a batch of Kinesis"), "{error:?}");
    let queue = r#"{"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": "{}"}]}"#;
    let error = function.invoke_raw(queue).await.expect_err("a batch of a queue");
    assert!(error.to_string().contains("aws:sqs"), "{error:?}");
    assert_eq!(function.invoke_raw(r#"{"Records": []}"#).await, Ok(json!({"batchItemFailures": []})));
    assert!(function.is_alive());
}
