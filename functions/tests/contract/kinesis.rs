//! The Kinesis adapter keeps every promise, over the wire to a small stream in this process that has the limits of the real one.

use crate::events::{Visible, event, numbered};
use crate::http::{Answer, serve};
use abx_functions::adapters::aws::{Budget, KinesisSink, emulator, kinesis};
use abx_functions::ports::{Event, EventSink};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// True if the stream takes an event, at the call of this number.
type Takes = dyn Fn(usize, &Event) -> bool + Send + Sync;

struct Stream {
    sink: KinesisSink,
    calls: Arc<Mutex<Vec<Vec<Event>>>>,
    takes: Arc<Takes>,
}

async fn stream(takes: impl Fn(usize, &Event) -> bool + Send + Sync + 'static) -> Stream {
    let (calls, takes) = (Arc::default(), Arc::new(takes));
    let (seen, answers) = (Arc::clone(&calls), Arc::clone(&takes));
    let endpoint = serve(move |body| put_records(body, &seen, &*answers)).await;
    Stream { sink: KinesisSink::new(kinesis(&emulator(&endpoint), Budget::PATIENT), "events"), calls, takes }
}

async fn willing() -> Stream {
    stream(|_, _| true).await
}

fn put_records(body: &[u8], calls: &Mutex<Vec<Vec<Event>>>, takes: &Takes) -> Answer {
    let body: Value = serde_json::from_slice(body).unwrap();
    let events: Vec<_> = body["Records"].as_array().unwrap().iter().map(read).collect();
    let size = |event: &Event| event.data.len() + event.partition_key.len();
    let refused = body["StreamName"] != "events"
        || events.is_empty()
        || events.len() > 500
        || events.iter().map(size).sum::<usize>() > 5_000_000
        || events.iter().any(|event| event.data.len() > 1 << 20)
        || events.iter().any(|event| !(1..=256).contains(&event.partition_key.chars().count()));
    if refused {
        return Answer::Json(
            400,
            json!({"__type": "ValidationException", "message": "too much"}).to_string(),
        );
    }
    let mut calls = calls.lock().unwrap();
    let busy =
        json!({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded"});
    let taken = json!({"SequenceNumber": "1", "ShardId": "shardId-000000000000"});
    let records: Vec<_> =
        events.iter().map(|event| if takes(calls.len(), event) { &taken } else { &busy }).collect();
    let failed = records.iter().filter(|record| **record == &busy).count();
    let answer = json!({"FailedRecordCount": failed, "Records": records}).to_string();
    calls.push(events);
    Answer::Json(200, answer)
}

fn read(record: &Value) -> Event {
    let data = BASE64_STANDARD.decode(record["Data"].as_str().unwrap()).unwrap();
    event(record["PartitionKey"].as_str().unwrap(), data)
}

crate::deref_to_adapter!(Stream: sink, KinesisSink);

impl Stream {
    /// The number of events in each call.
    fn sizes(&self) -> Vec<usize> {
        self.calls.lock().unwrap().iter().map(Vec::len).collect()
    }
}

impl Visible for Stream {
    fn received(&self) -> Vec<Event> {
        let calls = self.calls.lock().unwrap();
        let each =
            calls.iter().enumerate().flat_map(|(call, events)| events.iter().map(move |event| (call, event)));
        each.filter(|(call, event)| (self.takes)(*call, event)).map(|(_, event)| event.clone()).collect()
    }
}

crate::event_sink!(willing);

#[tokio::test]
async fn only_what_failed_is_sent_again() {
    let stream = stream(|call, event| call > 0 || !event.partition_key.ends_with('3')).await;
    let report = stream.send(&numbered(70)).await;
    assert!(report.failed.is_empty() && report.cause.is_none());
    assert_eq!(stream.sizes(), [70, 10]);
    let mut received = stream.received();
    received.sort_by(|a, b| a.data.cmp(&b.data));
    let mut sent = numbered(70);
    sent.sort_by(|a, b| a.data.cmp(&b.data));
    assert_eq!(received, sent, "each once");
}

#[tokio::test]
async fn loss_is_counted_exactly() {
    let stream =
        stream(|_, event| event.data != b"{\"number\":2}" && event.data != b"{\"number\":700}").await;
    let report = stream.send(&numbered(701)).await;
    assert_eq!(report.failed, [2, 700]);
    let cause = report.cause.unwrap();
    assert!(cause.is_transient() && cause.to_string().contains("ProvisionedThroughput"), "{cause}");
    assert_eq!(stream.sizes(), [500, 201, 2, 2]);
    assert_eq!(stream.received().len(), 699);
}

#[tokio::test]
async fn a_stream_that_is_not_there_loses_all_at_once() {
    let endpoint =
        serve(|_| Answer::Json(400, json!({"__type": "ResourceNotFoundException"}).to_string())).await;
    let sink = KinesisSink::new(kinesis(&emulator(&endpoint), Budget::PATIENT), "events");
    let report = sink.send(&numbered(3)).await;
    assert_eq!(report.failed, [0, 1, 2]);
    assert!(!report.cause.unwrap().is_transient());
}
