//! The lag of a stream, measured on a small stream in this process.

use crate::http::{Answer, serve};
use abx_functions::adapters::aws::{Budget, KinesisLag, emulator, kinesis};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// The content of one answer to `GetRecords`.
enum Page {
    /// A record, by its number, that came so many seconds ago.
    Record(&'static str, i64),
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
            Page::Record(number, ago) => {
                let came = (Timestamp::now().as_second() - ago).to_string().parse::<f64>().unwrap();
                let record = json!({"SequenceNumber": number, "Data": "e30=", "PartitionKey": "u",
                    "ApproximateArrivalTimestamp": came});
                json!({"Records": [record], "NextShardIterator": next, "MillisBehindLatest": 1})
            }
            Page::Empty(behind) => {
                json!({"Records": [], "NextShardIterator": next, "MillisBehindLatest": behind})
            }
            Page::Closed => json!({"Records": [], "MillisBehindLatest": 1000}),
        };
    }
    if body["ShardIteratorType"] == "AT_SEQUENCE_NUMBER" {
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
async fn the_first_record_behind_the_place_tells_how_long_it_waits() {
    let place = "7:3".parse().unwrap();
    for (pages, least, most) in [
        (&[Page::Record("8", 90)][..], 89, 100),
        (&[Page::Empty(5000), Page::Empty(4000), Page::Record("8", 90)], 89, 100),
        // The clock of the stream may be before ours.
        (&[Page::Record("8", -90)], 0, 0),
        (&[Page::Empty(0)], 0, 0),
        (&[Page::Empty(5000), Page::Closed], 0, 0),
        (&[const { Page::Empty(9000) }; 5], 9, 9),
    ] {
        for place in [Some(&place), None] {
            let waiting = stream(pages).await.look("a", place).await.unwrap();
            let (least, most) = (SignedDuration::from_secs(least), SignedDuration::from_secs(most));
            assert!((least..=most).contains(&waiting.behind), "{waiting:?}");
            assert_eq!(waiting.counted, None, "the record at the place is not kept any more");
        }
    }
}

#[tokio::test]
async fn the_record_at_the_place_does_not_wait() {
    let place = "7:3".parse().unwrap();
    for (pages, behind) in [
        (&[Page::Record("7", 500), Page::Empty(0)][..], 0),
        (&[Page::Record("7", 500), Page::Record("8", 90)], 90),
    ] {
        let waiting = stream(pages).await.look("a", Some(&place)).await.unwrap();
        let ago = Timestamp::now().duration_since(waiting.counted.unwrap());
        assert!((499..520).contains(&ago.as_secs()), "{waiting:?}");
        assert!((behind..behind + 20).contains(&waiting.behind.as_secs()), "{waiting:?}");
    }
    // Before all records none is counted.
    let waiting = stream(&[Page::Record("7", 500)]).await.look("a", None).await.unwrap();
    assert!(waiting.counted.is_none() && waiting.behind.as_secs() >= 499, "{waiting:?}");
}

#[tokio::test]
async fn a_stream_that_is_not_there_is_an_error() {
    let endpoint = serve(|_| Answer::Json(400, json!({"__type": "ResourceNotFoundException"}).to_string()));
    let lag = KinesisLag::new(kinesis(&emulator(&endpoint.await), Budget::PATIENT), "events");
    assert!(
        lag.shards()
            .await
            .unwrap_err()
            .to_string()
            .contains("ListShards: it does not exist there: ResourceNotFoundException")
    );
    let error = lag.look("a", None).await.unwrap_err();
    assert!(
        error.to_string().contains("GetShardIterator: it does not exist there: ResourceNotFoundException"),
        "{error}"
    );
}
