//! The cost of a commit, by DynamoDB's own arithmetic: a write unit for each started KB of an item, twice that in a transaction.

use crate::catalog::meta;
use crate::dynamodb::{MARKS, METRICS, UNHURRIED, endpoint};
use crate::marks::{key, mark};
use crate::metrics::{commit, row, small};
use crate::proxy::{Way, before};
use abx_core::document::Document;
use abx_core::event::{Additions, Batch, StreamCounter, largest_row};
use abx_core::finding::Findings;
use abx_functions::adapters::aws::{Budget, DynamoMetrics, dynamodb, emulator};
use abx_functions::adapters::embedded::{EmbeddedStore, JsonlArchive};
use abx_functions::catalog::{CatalogHolder, Snapshot, encode};
use abx_functions::events::{Options, Processor};
use abx_functions::ports::{CatalogStore, Committed, MarkPut, MetricStore, RowsOf};
use abx_functions::sources::kinesis::KinesisRecord;
use abx_functions::telemetry::Telemetry;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

const SHARD: &str = "production-events/shardId-000000000123";
const HOUR: &str = "2026-11-24T13";

type Item = HashMap<String, AttributeValue>;

/// Bytes of an item, as the service counts them ("DynamoDB item sizes and formats").
fn size(item: &Item) -> usize {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        // One byte for two significant digits, one more, and one for a sign.
        AttributeValue::N(digits) => {
            let significant = digits.replace(['.', '-'], "");
            significant.trim_matches('0').len().div_ceil(2) + 1 + usize::from(digits.starts_with('-'))
        }
        other => panic!("not ours: {other:?}"),
    };
    item.iter().map(|(name, it)| name.len() + value(it)).sum()
}

fn write_units(item: &Item) -> usize {
    size(item).div_ceil(1024)
}

/// Five experiments of two variants and two metrics in one hour, with the groups of a variant each for four of them, and
/// the stream's own row.
fn ten_rows() -> Vec<Additions<'static>> {
    let mut rows =
        vec![row(RowsOf::Stream, HOUR, &[("accepted", "500"), ("late", "3"), ("unattributed", "120")])];
    for experiment in ["checkout_redesign", "search_ranking_model", "pricing_page", "carousel", "reminders"] {
        let mut counters = Vec::new();
        for variant in ["control", "treatment"] {
            counters.extend([("u", "41"), ("x", "44")].map(|(it, n)| (format!("{it}#{variant}"), n)));
            for metric in ["purchase", "revenue"] {
                let of = |it| format!("{it}#{variant}#{metric}");
                counters.extend([(of("mu"), "12"), (of("me"), "14"), (of("ms"), "-1234567.891234")]);
            }
        }
        rows.push(named(experiment, HOUR, &counters));
        if experiment != "reminders" {
            let groups = (0..16).flat_map(|group| {
                [(group.to_string(), "12345"), (format!("{group}#revenue"), "987654321.123456")]
            });
            rows.push(named(experiment, "groups#control", &groups.collect::<Vec<_>>()));
        }
    }
    assert_eq!(rows.len(), 10);
    rows
}

fn named(experiment: &str, place: &str, counters: &[(String, &str)]) -> Additions<'static> {
    let counters: Vec<_> = counters.iter().map(|(name, sum)| (&**name, *sum)).collect();
    row(RowsOf::Experiment { experiment, epoch: 1 }, place, &counters)
}

/// The place that an action writes to.
fn place(action: &Value) -> Option<(String, String)> {
    let key = action["Put"].get("Item").or_else(|| action["Update"].get("Key"))?;
    Some((key["pk"]["S"].as_str()?.to_owned(), key["sk"]["S"].as_str()?.to_owned()))
}

async fn item(client: &Client, (pk, sk): (String, String)) -> Item {
    let request = client.get_item().table_name(METRICS).consistent_read(true);
    let request = request.key("pk", AttributeValue::S(pk)).key("sk", AttributeValue::S(sk));
    request.send().await.unwrap().item.unwrap()
}

#[tokio::test]
async fn a_batch_of_500_events_in_ten_rows_costs_at_most_36_units() {
    let (behind, calls) = (endpoint().await, Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&calls);
    let proxy = before(&behind, move |call| {
        seen.lock().unwrap().push((call.operation.clone(), call.body.clone()));
        Way::Through
    });
    let store = DynamoMetrics::new(dynamodb(&emulator(&proxy.await), Budget::BATCH), METRICS, MARKS);
    store.commit(SHARD, &store.shard(SHARD).await.unwrap(), &small(&"4".repeat(56), 1)).await.unwrap();
    let state = store.shard(SHARD).await.unwrap();
    calls.lock().unwrap().clear();

    // 120 of them are conversions of units that two experiments had not exposed.
    let mut batch = commit(&format!("{}:7", "5".repeat(56)), 0..380, ten_rows());
    batch.unexposed.truncate(240);
    assert_eq!(batch.unexposed.len(), 240);
    assert_eq!(store.commit(SHARD, &state, &batch).await.unwrap(), Committed::Done);

    let calls = std::mem::take(&mut *calls.lock().unwrap());
    assert_eq!(calls.len(), 1, "one request");
    let (operation, body) = &calls[0];
    assert_eq!(operation, "transactwriteitems");
    let actions = body["TransactItems"].as_array().unwrap();
    assert_eq!(actions.len(), 12, "head, ledger and ten rows");
    let client = dynamodb(&emulator(&behind), Budget::PATIENT);
    let mut units = Vec::new();
    for action in actions {
        units.push(2 * write_units(&item(&client, place(action).unwrap()).await));
    }
    eprintln!("write units of head, ledger and rows: {units:?}");
    assert_eq!(units[0], 2);
    assert!(units[1] <= 14);
    assert_eq!(units[2..], [2; 10]);
    assert!(units.iter().sum::<usize>() <= 36);
}

/// As many metrics and variants with the longest keys, sums of any size, and all that can go wrong with an event.
fn wide(metrics: usize) -> Value {
    let key = |name: &str, number: usize| format!("{name:x<61}{number:03}");
    let kinds = ["sum", "conversion", "count", "mean"];
    let metric = |number: usize| json!({"key": key("metric", number), "event": "e", "kind": kinds[number % 4], "property": "amount"});
    json!({
        "experiment": key("experiment", 0), "status": "active", "epoch": 4_000_000_000_u32,
        "variants": [{"key": key("variant", 0)}, {"key": key("variant", 1)}],
        "metrics": (0..metrics).map(metric).collect::<Vec<_>>(),
    })
}

#[tokio::test]
async fn no_row_is_larger_than_the_estimate_that_validate_makes() {
    let document = wide(24);
    let mut findings = Findings::default();
    let read = Document::read(&document, &mut findings);
    let Some(Document::Experiment(written)) = read else { panic!("{findings:?}") };
    let endpoint = endpoint().await;
    let catalog = Arc::new(EmbeddedStore::in_memory().unwrap());
    catalog.put_revision(1, &encode(std::slice::from_ref(&document)).unwrap(), &meta("")).await.unwrap();
    catalog.flip_head(None, 1, &meta("")).await.unwrap();
    let holder = Arc::new(CatalogHolder::new(Arc::clone(&catalog), Snapshot::default()));
    holder.load().await.unwrap();
    let client = || dynamodb(&emulator(&endpoint), UNHURRIED);
    let store = DynamoMetrics::new(client(), METRICS, MARKS);
    let folder = tempfile::tempdir().unwrap();
    let kept = (JsonlArchive::new(folder.path()), catalog);
    let function =
        Processor::new(holder, store, kept, Arc::new(Telemetry::silent("events")), Options::default());

    let (mut records, now) = (Vec::new(), Timestamp::now());
    let variants =
        [document["variants"][0]["key"].clone(), document["variants"][1]["key"].clone(), json!("none")];
    for unit in 0..60 {
        let of_unit = |more: Value| {
            let mut event = json!({"unit": format!("user_{unit}"), "timestamp": now.as_millisecond()});
            event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            event
        };
        let exposure = |variant: &Value| {
            of_unit(
                json!({"type": "exposure", "experiment": document["experiment"], "epoch": document["epoch"], "variant": variant}),
            )
        };
        let bought = |amount: Value| {
            of_unit(json!({"type": "conversion", "event": "e", "properties": {"amount": amount}}))
        };
        records.extend([
            exposure(&variants[unit % 3]),
            exposure(&variants[(unit + 1) % 3]),
            bought(json!(-999_999_999_999_999_i64)),
            bought(json!(-0.123_457)),
            bought(json!("none")),
        ]);
    }
    let records: Vec<_> = (0..)
        .zip(records)
        .map(|(number, event)| KinesisRecord {
            sequence: format!("4961{number:0>52}"),
            partition_key: "u".into(),
            arrived: now,
            data: event.to_string().into_bytes(),
        })
        .collect();
    let shard = Arc::from(format!("{}/shardId-{:0>120}", "s".repeat(128), 1));
    let records = records.into_iter().map(|record| record.into_record(&shard).unwrap());
    let batch = Batch::from_records(records);
    let outcome = function.count(batch, Instant::now() + Duration::from_secs(100)).await.unwrap();
    assert!(outcome.response.batch_item_failures.is_empty(), "{outcome:?}");
    assert_eq!(outcome.counted.count(StreamCounter::Accepted), 300, "{outcome:?}");

    let items = client().scan().table_name(METRICS).into_paginator().items().send();
    let items: Vec<Item> = items.collect::<Result<_, _>>().await.unwrap();
    let is_counted = |item: &&Item| item["pk"].as_s().unwrap().starts_with("exp#");
    let largest = items.iter().filter(is_counted).map(size).max().unwrap();
    let estimate = largest_row(&written);
    // The counts here have a digit or two, of the twenty that the estimate allows for.
    assert!(largest <= estimate && estimate < largest * 3 / 2, "{largest} of {estimate}");
}

#[tokio::test]
async fn a_mark_costs_one_unit() {
    let (behind, calls) = (endpoint().await, Arc::new(Mutex::new(0)));
    let seen = Arc::clone(&calls);
    let proxy = before(&behind, move |call| {
        assert_eq!(call.operation, "putitem");
        *seen.lock().unwrap() += 1;
        Way::Through
    });
    let store = DynamoMetrics::new(dynamodb(&emulator(&proxy.await), Budget::BATCH), METRICS, MARKS);
    let mut mine = mark(&"v".repeat(64), &"5".repeat(129));
    mine.owner.shard = SHARD.into();
    let puts: Vec<_> =
        (0..50).map(|number| (key(&format!("{number:036}"), Some(&"m".repeat(64))), mine.clone())).collect();
    assert_eq!(store.put_marks(&puts).await.unwrap(), vec![MarkPut::First; 50]);
    assert_eq!(*calls.lock().unwrap(), 50);
    let client = dynamodb(&emulator(&behind), Budget::PATIENT);
    let items = client.scan().table_name(MARKS).send().await.unwrap().items.unwrap();
    assert_eq!(items.len(), 50);
    assert!(items.iter().all(|item| write_units(item) == 1));
}
