//! Services that do a part of what they are asked, or all of it and do not say so: what the event function does then is exact.

use crate::dynamodb::{MARKS, METRICS, endpoint};
use crate::http::{Answer, serve};
use crate::marks::{key, mark};
use crate::metrics::{SHARD, small};
use crate::proxy::{Call, Way, before};
use abx_core::event::MarkKey;
use abx_functions::adapters::aws::{Budget, DynamoMetrics, dynamodb, emulator};
use abx_functions::ports::{Committed, MarkPut, MetricStore, PortResult, RowsOf, ShardState};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryPartition;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// One attempt a call, so that nothing is repeated but by us.
const ONCE: Budget = Budget { attempts: 1, ..Budget::PATIENT };

/// A store whose client has leave of its own to repeat calls: all clients of a process share it, and other tests use it up.
fn store(endpoint: &str, budget: Budget) -> DynamoMetrics {
    let config = dynamodb(&emulator(endpoint), budget).config().to_builder();
    let config = config.retry_partition(RetryPartition::new(endpoint.to_owned()));
    DynamoMetrics::new(Client::from_conf(config.build()), METRICS, MARKS)
}

fn keys(count: usize) -> Vec<MarkKey<'static>> {
    (0..count).map(|number| key(&format!("user_{number}"), None)).collect()
}

/// A table where every unit has a mark with its own name as the variant, and where a call looks only for some of its keys:
/// for `takes` of those that it gets, by the number of the call.
async fn reluctant(
    takes: impl Fn(usize, usize) -> usize + Send + Sync + 'static,
) -> (String, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let endpoint = serve(move |body| {
        let call = count.fetch_add(1, Ordering::SeqCst);
        let body: Value = serde_json::from_slice(body).unwrap();
        let asked = &body["RequestItems"][MARKS];
        assert_eq!(asked["ConsistentRead"], true);
        let keys = asked["Keys"].as_array().unwrap();
        let (looked_for, rest) = keys.split_at(takes(call, keys.len()));
        let items: Vec<_> = looked_for.iter().map(stored).collect();
        let mut answer = json!({"Responses": {MARKS: items}, "UnprocessedKeys": {}});
        if !rest.is_empty() {
            answer["UnprocessedKeys"][MARKS] = json!({"Keys": rest, "ConsistentRead": true});
        }
        Answer::Json(200, answer.to_string())
    });
    (endpoint.await, calls)
}

fn stored(key: &Value) -> Value {
    let mut item = key.clone();
    item["variant"] = key["unit"].clone();
    item["at"] = json!({"N": "1795515072123"});
    item["shard"] = json!({"S": SHARD});
    item["position"] = json!({"S": "5"});
    item
}

async fn assert_all_found(endpoint: &str, count: usize) {
    let found = store(endpoint, ONCE).marks(&keys(count)).await.unwrap();
    assert_eq!(found.len(), count);
    for (number, found) in found.into_iter().enumerate() {
        assert_eq!(found, Some(mark(&format!("user_{number}"), "5")));
    }
}

#[tokio::test]
async fn one_unprocessed_key_is_asked_for_again() {
    let (endpoint, calls) = reluctant(|call, keys| if call == 0 { keys - 1 } else { keys }).await;
    assert_all_found(&endpoint, 100).await;
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn all_but_one_unprocessed_keys_are_asked_for_until_none_is_left() {
    let (endpoint, calls) = reluctant(|_, _| 1).await;
    assert_all_found(&endpoint, 20).await;
    assert_eq!(calls.load(Ordering::SeqCst), 20);
}

#[tokio::test]
async fn a_table_that_rests_for_a_moment_is_waited_for() {
    let (endpoint, _) = reluctant(|call, keys| if call < 4 { 0 } else { keys }).await;
    assert_all_found(&endpoint, 30).await;
}

#[tokio::test]
async fn keys_that_stay_unprocessed_are_a_transient_error() {
    for takes in [0, 7] {
        let (endpoint, calls) = reluctant(move |call, _| if call == 0 { takes } else { 0 }).await;
        let error = store(&endpoint, ONCE).marks(&keys(50)).await.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("unprocessed"), "{error}");
        let calls = calls.load(Ordering::SeqCst);
        assert!(calls <= 6, "{calls}");
    }
}

#[tokio::test]
async fn an_answer_about_nothing_is_no_absence() {
    let endpoint = serve(|_| Answer::Json(200, "{}".to_owned())).await;
    assert!(store(&endpoint, ONCE).marks(&keys(1)).await.unwrap_err().is_transient());
}

/// A store whose first calls of an operation meet a way of their own.
async fn hindered(
    operation: &'static str,
    calls: usize,
    way: impl Fn() -> Way + Send + Sync + 'static,
    budget: Budget,
) -> (DynamoMetrics, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let endpoint = endpoint().await;
    let proxy = before(&endpoint, move |call: &Call| {
        if call.operation == operation && count.fetch_add(1, Ordering::SeqCst) < calls {
            return way();
        }
        Way::Through
    });
    (store(&proxy.await, budget), seen)
}

async fn commit(store: &DynamoMetrics, state: &ShardState) -> PortResult<Committed> {
    store.commit(SHARD, state, &small("7", 77)).await
}

async fn assert_counted_once(store: &DynamoMetrics) {
    let state = store.shard(SHARD).await.unwrap();
    assert_eq!((state.commits, &*state.ledger), (1, &[77][..]));
    let rows = store.rows(RowsOf::Stream).await.unwrap();
    assert_eq!(
        rows.iter().flat_map(|row| &row.counters).map(|it| it.1.as_count()).collect::<Vec<_>>(),
        [Some(1)]
    );
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_counts_once() {
    let (store, _) = hindered("transactwriteitems", 1, || Way::Lost, ONCE).await;
    let before = store.shard(SHARD).await.unwrap();
    assert!(commit(&store, &before).await.unwrap_err().is_transient());
    assert_counted_once(&store).await;
    assert_eq!(commit(&store, &before).await.unwrap(), Committed::Moved, "by whoever repeats it");
    assert_counted_once(&store).await;
}

#[tokio::test]
async fn the_sdk_repeats_a_lost_commit_and_it_counts_once() {
    let (store, calls) = hindered("transactwriteitems", 2, || Way::Lost, Budget::PATIENT).await;
    assert_eq!(commit(&store, &ShardState::default()).await.unwrap(), Committed::Done, "known by its token");
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    assert_counted_once(&store).await;
}

fn canceled(codes: &[&str]) -> Way {
    let reasons: Vec<_> = codes.iter().map(|code| json!({"Code": code, "Message": "why"})).collect();
    let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    let answer = json!({"__type": kind, "message": "canceled", "CancellationReasons": reasons});
    Way::Refused(400, answer.to_string())
}

const BUSY: [[&str; 3]; 3] = [
    ["TransactionConflict", "None", "None"],
    ["None", "None", "ThrottlingError"],
    ["None", "ProvisionedThroughputExceeded", "ThrottlingError"],
];

#[tokio::test]
async fn a_busy_table_is_asked_again() {
    for codes in BUSY {
        let (store, calls) = hindered("transactwriteitems", 2, move || canceled(&codes), ONCE).await;
        assert_eq!(commit(&store, &ShardState::default()).await.unwrap(), Committed::Done, "{codes:?}");
        assert_eq!(calls.load(Ordering::SeqCst), 3);
        assert_counted_once(&store).await;
    }
}

#[tokio::test]
async fn a_table_that_stays_busy_is_a_transient_error() {
    for codes in BUSY {
        let (store, calls) =
            hindered("transactwriteitems", usize::MAX, move || canceled(&codes), Budget::PATIENT).await;
        let error = commit(&store, &ShardState::default()).await.unwrap_err();
        assert!(error.is_transient() && error.to_string().ends_with(": why"), "{error}");
        assert_eq!(calls.load(Ordering::SeqCst), 5);
        assert_eq!(store.shard(SHARD).await.unwrap(), ShardState::default());
    }
}

#[tokio::test]
async fn what_can_never_be_written_is_a_permanent_error_at_once() {
    for codes in
        [["None", "None", "ValidationError"], ["None", "ItemCollectionSizeLimitExceeded", "ThrottlingError"]]
    {
        let (store, calls) = hindered("transactwriteitems", usize::MAX, move || canceled(&codes), ONCE).await;
        assert!(!commit(&store, &ShardState::default()).await.unwrap_err().is_transient(), "{codes:?}");
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_moved_head_is_what_counts_among_the_reasons() {
    let codes = ["ConditionalCheckFailed", "None", "ThrottlingError"];
    let (store, calls) = hindered("transactwriteitems", usize::MAX, move || canceled(&codes), ONCE).await;
    assert_eq!(commit(&store, &ShardState::default()).await.unwrap(), Committed::Moved);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn marks_whose_answers_are_lost_are_first() {
    let (behind, lost) = (endpoint().await, Mutex::new(HashSet::new()));
    let proxy = before(&behind, move |call: &Call| {
        let unit = call.body["Item"]["unit"]["S"].to_string();
        if lost.lock().unwrap().insert(unit) { Way::Lost } else { Way::Through }
    });
    let store = store(&proxy.await, Budget::PATIENT);
    let marks: Vec<_> = keys(40).into_iter().map(|key| (key, mark("control", "5"))).collect();
    assert_eq!(store.put_marks(&marks).await.unwrap(), vec![MarkPut::First; 40], "each put twice");
    let other = [(marks[0].0.clone(), mark("treatment", "6"))];
    assert_eq!(store.put_marks(&other).await.unwrap(), [MarkPut::Existing(mark("control", "5"))]);
}
