//! The Firehose adapter keeps every promise, over the wire to a small stream in this process that has the limits of the real one.

use crate::archive::{Kept, line, texts};
use crate::http::{Answer, serve};
use abx_functions::adapters::aws::{Budget, FirehoseArchive, emulator, firehose};
use abx_functions::ports::{Archive, ArchiveLine};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// True if the stream takes a record, by the number of the call and that of the record in it.
type Takes = dyn Fn(usize, usize) -> bool + Send + Sync;

/// The length of each record of a call, and the records that were taken so far.
#[derive(Default)]
struct Seen {
    calls: Vec<Vec<usize>>,
    taken: Vec<u8>,
}

struct Stream {
    archive: FirehoseArchive,
    seen: Arc<Mutex<Seen>>,
}

async fn stream(takes: impl Fn(usize, usize) -> bool + Send + Sync + 'static) -> Stream {
    let seen = Arc::default();
    let show = Arc::clone(&seen);
    let endpoint = serve(move |body| put_record_batch(body, &show, &takes)).await;
    Stream { archive: FirehoseArchive::new(firehose(&emulator(&endpoint), Budget::PATIENT), "archive"), seen }
}

async fn willing() -> Stream {
    stream(|_, _| true).await
}

fn put_record_batch(body: &[u8], seen: &Mutex<Seen>, takes: &Takes) -> Answer {
    let body: Value = serde_json::from_slice(body).unwrap();
    let read = |record: &Value| BASE64_STANDARD.decode(record["Data"].as_str().unwrap()).unwrap();
    let records: Vec<_> = body["Records"].as_array().unwrap().iter().map(read).collect();
    let sizes: Vec<_> = records.iter().map(Vec::len).collect();
    let refused = body["DeliveryStreamName"] != "archive"
        || !(1..=500).contains(&records.len())
        || sizes.iter().sum::<usize>() > 4_000_000
        || sizes.iter().any(|size| *size > 1_000_000);
    if refused {
        let refusal = json!({"__type": "InvalidArgumentException", "message": "too much"});
        return Answer::Json(400, refusal.to_string());
    }
    let mut seen = seen.lock().unwrap();
    let call = seen.calls.len();
    seen.calls.push(sizes);
    let mut answers = Vec::new();
    for (place, record) in records.iter().enumerate() {
        if takes(call, place) {
            seen.taken.extend(record);
            answers.push(json!({"RecordId": "r"}));
        } else {
            let why = "Slow down.";
            answers.push(json!({"ErrorCode": "ServiceUnavailableException", "ErrorMessage": why}));
        }
    }
    let failed = answers.iter().filter(|answer| answer["RecordId"].is_null()).count();
    Answer::Json(200, json!({"FailedPutCount": failed, "RequestResponses": answers}).to_string())
}

crate::deref_to_adapter!(Stream: archive, FirehoseArchive);

impl Kept for Stream {
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.seen.lock().unwrap().taken.clone()).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "each line has its end");
        text.lines().map(str::to_owned).collect()
    }
}

impl Stream {
    /// The number of records in each call.
    fn calls(&self) -> Vec<usize> {
        self.seen.lock().unwrap().calls.iter().map(Vec::len).collect()
    }
}

crate::archive_port!(willing);

#[tokio::test]
async fn a_batch_is_one_call_and_hardly_billed_for_more_than_it_is() {
    let stream = willing().await;
    let lines: Vec<_> = (0..500).map(|number| line(number, 600)).collect();
    stream.append(&lines).await.unwrap();
    let calls = stream.seen.lock().unwrap().calls.clone();
    assert_eq!(calls.len(), 1);
    let billed: usize = calls[0].iter().map(|size| size.div_ceil(5_000) * 5_000).sum();
    let sent: usize = lines.iter().map(|line| line.json.len() + 1).sum();
    assert!(billed <= sent + sent / 25, "{sent} bytes are billed as {billed}");
}

/// 40 lines of 200 KB, of which no two share a record; 19 records are 4 MB.
fn large() -> Vec<ArchiveLine> {
    (0..40).map(|number| line(number, 200_000)).collect()
}

#[tokio::test]
async fn only_what_failed_is_sent_again() {
    let stream = stream(|call, place| !matches!((call, place), (0, 3 | 7 | 18) | (1, 1))).await;
    stream.append(&large()).await.unwrap();
    assert_eq!(stream.calls(), [19, 3, 1, 19, 2]);
    let mut kept = stream.lines();
    kept.sort_unstable();
    assert!(kept == texts(&large()), "each once");
}

#[tokio::test]
async fn all_but_one_that_fail_are_sent_until_all_are_there() {
    let stream = stream(|_, place| place == 0).await;
    stream.append(&large()[..6]).await.unwrap();
    assert_eq!(stream.calls(), [6, 5, 4, 3, 2, 1]);
    assert!(stream.lines() == texts(&large()[..6]));
}

#[tokio::test]
async fn what_always_fails_is_a_transient_error() {
    let stream = stream(|_, place| place != 0).await;
    let error = stream.append(&large()[..3]).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("ServiceUnavailable"), "{error}");
    assert_eq!(stream.calls(), [3, 1, 1, 1, 1, 1]);
}

#[tokio::test]
async fn a_line_that_is_too_long_is_refused_before_anything_is_sent() {
    let stream = willing().await;
    let lines = [line(0, 100), line(1, 1_000_000)];
    assert!(!stream.append(&lines).await.unwrap_err().is_transient());
    assert_eq!(stream.calls(), [0; 0]);
}
