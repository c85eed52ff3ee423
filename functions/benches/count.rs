//! A batch of 500 events of 300 bytes, decoded, validated and folded, beside the least that reading such a batch can take.
//!
//! | row | what it does | target |
//! |---|---|---|
//! | `baseline: bare parsing` | borrowed texts, base64, borrowed texts again | - |
//! | `decode, validate, fold` | units whose marks are known, as those of most events are | 0.8 ms |
//! | `decode, validate, fold: new units` | each unit is seen for the first time: its marks are made, too | - |
//! | `all of core: new units` | besides, which marks to ask for, and the commit | - |

#![expect(clippy::unwrap_used, reason = "a bench")]

use abx_core::event::{ItemContent, Marks, RecentUnexposed, ShardBatch, fold, wanted};
use abx_core::{Catalog, read_and_compile};
use abx_functions::adapters::TRANSACTION_LIMITS;
use abx_functions::sources::kinesis;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::hint::black_box;

const EVENTS: usize = 500;
const EVENT_BYTES: usize = 300;
/// Of five events of a unit, the first is its exposure and the others are purchases.
const OF_A_UNIT: usize = 5;
/// 2026-11-24, in milliseconds.
const NOW: i64 = 1_795_500_000_000;

fn catalog() -> Catalog {
    let compiled = read_and_compile(&[json!({
        "experiment": "checkout", "status": "active",
        "variants": [{"key": "control", "allocation": 0.5}, {"key": "treatment", "allocation": 0.5}],
        "metrics": [{"key": "bought", "event": "purchase", "kind": "conversion", "role": "primary"},
            {"key": "revenue", "event": "purchase", "kind": "sum", "property": "amount"}],
    })]);
    assert!(compiled.findings.is_empty(), "{:#?}", compiled.findings);
    compiled.catalog
}

/// The next 500 records of a shard, all of the same 100 units.
fn batch(first_sequence: usize) -> Vec<u8> {
    let records: Vec<Value> =
        (0..EVENTS).map(|n| record(first_sequence + n, &event(first_sequence, n))).collect();
    serde_json::to_vec(&json!({ "Records": records })).unwrap()
}

fn event(first_sequence: usize, n: usize) -> Vec<u8> {
    let unit = n / OF_A_UNIT;
    let mut event = json!({"event_id": format!("{:032}", first_sequence + n), "unit": format!("user_{unit:08}"), "timestamp": NOW});
    let more = if n.is_multiple_of(OF_A_UNIT) {
        let variant = if unit.is_multiple_of(2) { "control" } else { "treatment" };
        json!({"type": "exposure", "experiment": "checkout", "variant": variant})
    } else {
        json!({"type": "conversion", "event": "purchase", "properties": {"amount": 12.5, "currency": "EUR"}})
    };
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let filling = EVENT_BYTES - event.to_string().len() - r#","page":"""#.len();
    event.as_object_mut().unwrap().insert("page".into(), "x".repeat(filling).into());
    let data = event.to_string().into_bytes();
    assert_eq!(data.len(), EVENT_BYTES);
    data
}

fn record(sequence: usize, data: &[u8]) -> Value {
    let sequence = format!("4961{sequence:052}");
    json!({
        "kinesis": {
            "kinesisSchemaVersion": "1.0", "partitionKey": "u", "sequenceNumber": sequence,
            "data": STANDARD.encode(data), "approximateArrivalTimestamp": 1_795_500_000.123,
        },
        "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventName": "aws:kinesis:record",
        "eventID": format!("shardId-000000000001:{sequence}"), "awsRegion": "us-east-1",
        "invokeIdentityArn": "arn:aws:iam::000000000000:role/events",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/events",
    })
}

/// No place, no validation, no panic is caught, nothing is added up.
fn bare_parsing(payload: &[u8]) -> usize {
    #[derive(Deserialize)]
    struct Invocation<'a> {
        #[serde(borrow, rename = "Records")]
        records: Vec<Record<'a>>,
    }
    #[derive(Deserialize)]
    struct Record<'a> {
        #[serde(borrow)]
        kinesis: Kinesis<'a>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Kinesis<'a> {
        sequence_number: &'a str,
        data: &'a str,
    }
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(rename = "event_id")]
        id: &'a str,
        #[serde(rename = "type")]
        kind: &'a str,
        unit: &'a str,
    }
    let invocation: Invocation<'_> = serde_json::from_slice(payload).unwrap();
    let mut length = 0;
    for record in &invocation.records {
        let data = STANDARD.decode(record.kinesis.data).unwrap();
        let event: Event<'_> = serde_json::from_slice(&data).unwrap();
        length += event.id.len() + event.kind.len() + event.unit.len();
        length += record.kinesis.sequence_number.len();
    }
    length
}

fn only_shard(payload: &[u8]) -> ShardBatch {
    let mut batch = kinesis::read(payload, Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!((batch.shards.len(), batch.unplaced.len()), (1, 0));
    batch.shards.pop().unwrap()
}

/// Decodes, validates and folds. The number of new marks.
fn fold_all(catalog: &Catalog, payload: &[u8], known: &Marks<'_>) -> usize {
    let shard = only_shard(payload);
    let items = shard.items(None, |_| false);
    assert!(items.iter().all(|item| matches!(item.what, ItemContent::Event(..))));
    black_box(fold(catalog, &shard.shard, &items, known, Some(&RecentUnexposed::default()))).new_marks.len()
}

/// Everything but the ports. The marks that have to be put.
fn all_of_core(catalog: &Catalog, payload: &[u8]) -> Marks<'static> {
    let shard = only_shard(payload);
    let items = shard.items(None, |_| false);
    black_box(wanted(catalog, &items));
    let known = Marks::default();
    let folded = fold(catalog, &shard.shard, &items, &known, Some(&RecentUnexposed::default()));
    black_box(folded.commit(&items, (0, None), &TRANSACTION_LIMITS.commit).unwrap());
    folded.new_marks.into_iter().map(|(key, mark)| (key.into_owned(), mark)).collect()
}

fn count(criterion: &mut Criterion) {
    let (catalog, first, second) = (catalog(), batch(0), batch(EVENTS));
    let (none, known) = (Marks::default(), all_of_core(&catalog, &first));
    // Of each unit its exposure and its conversion, and of each purchase its id.
    let (of_units, of_ids) = (2 * EVENTS / OF_A_UNIT, EVENTS - EVENTS / OF_A_UNIT);
    let all = of_units + of_ids;
    assert_eq!(
        (known.len(), fold_all(&catalog, &first, &none), fold_all(&catalog, &second, &known)),
        (all, all, of_ids)
    );

    let mut group = criterion.benchmark_group("count_500");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group
        .bench_function("baseline: bare parsing", |bencher| bencher.iter(|| bare_parsing(black_box(&first))));
    group.bench_function("decode, validate, fold", |bencher| {
        bencher.iter(|| fold_all(&catalog, black_box(&second), &known));
    });
    group.bench_function("decode, validate, fold: new units", |bencher| {
        bencher.iter(|| fold_all(&catalog, black_box(&first), &none));
    });
    group.bench_function("all of core: new units", |bencher| {
        bencher.iter(|| all_of_core(&catalog, black_box(&first)));
    });
    group.finish();
}

criterion_group!(benches, count);
criterion_main!(benches);
