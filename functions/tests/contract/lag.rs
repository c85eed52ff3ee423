//! What waits in a stream, asked of a small stream in this process.

use crate::http::{Answer, serve};
use abx_functions::adapters::aws::{Budget, KinesisLag, emulator, kinesis};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// What one answer to `GetRecords` holds.
enum Page {
    /// A record that came so many seconds ago.
    Record(i64),
    /// Nothing, although so many milliseconds lie before the end.
    Empty(i64),
    /// Nothing, and no more of this shard.
    Closed,
}

/// A stream whose shard has these pages, after the position "7".
async fn stream(pages: &'static [Page]) -> KinesisLag {
    let endpoint = serve(|body| {
        let body: Value = serde_json::from_slice(body).unwrap();
        Answer::Json(200, answer(&body, pages).to_string())
    });
    KinesisLag::new(kinesis(&emulator(&endpoint.await), Budget::PATIENT), "events")
}

fn answer(body: &Value, pages: &[Page]) -> Value {
    if let Some(at) = body["ShardIterator"].as_str() {
        let at: usize = at.parse().unwrap();
        let next = (at + 1).to_string();
        return match pages[at] {
            Page::Record(ago) => {
                let came = (Timestamp::now().as_second() - ago).to_string().parse::<f64>().unwrap();
                let record = json!({"SequenceNumber": "8", "Data": "e30=", "PartitionKey": "u",
                    "ApproximateArrivalTimestamp": came});
                json!({"Records": [record], "NextShardIterator": next, "MillisBehindLatest": 0})
            }
            Page::Empty(behind) => {
                json!({"Records": [], "NextShardIterator": next, "MillisBehindLatest": behind})
            }
            Page::Closed => json!({"Records": [], "MillisBehindLatest": 1000}),
        };
    }
    if body["ShardIteratorType"] == "AFTER_SEQUENCE_NUMBER" {
        assert_eq!(body["StartingSequenceNumber"], "7");
        return json!({"ShardIterator": "0"});
    }
    if body["ShardIteratorType"] == "TRIM_HORIZON" {
        return json!({"ShardIterator": "0"});
    }
    let shard = |id: &str| {
        let (hashes, numbers) =
            (json!({"StartingHashKey": "0", "EndingHashKey": "1"}), json!({"StartingSequenceNumber": "1"}));
        json!({"ShardId": id, "HashKeyRange": hashes, "SequenceNumberRange": numbers})
    };
    match body["NextToken"].as_str() {
        None => json!({"Shards": [shard("a")], "NextToken": "more"}),
        Some(_) => {
            assert!(body["StreamName"].is_null(), "the token names the stream");
            json!({"Shards": [shard("b")]})
        }
    }
}

#[tokio::test]
async fn all_shards_are_named() {
    assert_eq!(stream(&[]).await.shards().await.unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn the_first_record_after_the_place_tells_how_long_it_waits() {
    let after = "7:3".parse().unwrap();
    for (pages, least, most) in [
        (&[Page::Record(90)][..], 89, 100),
        (&[Page::Empty(5000), Page::Empty(4000), Page::Record(90)], 89, 100),
        // The clock of the stream may be before ours.
        (&[Page::Record(-90)], 0, 0),
        (&[Page::Empty(0)], 0, 0),
        (&[Page::Empty(5000), Page::Closed], 0, 0),
        (&[const { Page::Empty(9000) }; 5], 9, 9),
    ] {
        for after in [Some(&after), None] {
            let behind = stream(pages).await.behind("a", after).await.unwrap();
            let (least, most) = (SignedDuration::from_secs(least), SignedDuration::from_secs(most));
            assert!((least..=most).contains(&behind), "{behind:?}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_not_there_is_an_error() {
    let endpoint = serve(|_| Answer::Json(400, json!({"__type": "ResourceNotFoundException"}).to_string()));
    let lag = KinesisLag::new(kinesis(&emulator(&endpoint.await), Budget::PATIENT), "events");
    assert!(lag.shards().await.unwrap_err().to_string().starts_with("ListShards: ResourceNotFoundException"));
    let error = lag.behind("a", None).await.unwrap_err();
    assert!(error.to_string().starts_with("GetShardIterator: ResourceNotFoundException"), "{error}");
}
