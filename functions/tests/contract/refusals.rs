//! Calls that DynamoDB and Firehose refuse for their content, as distinct from other refusals; and what the event function
//! makes of a record that is refused.

use crate::catalog::meta;
use crate::dynamodb::{MARKS, METRICS, endpoint};
use crate::http::{Answer, serve};
use crate::marks::{key, mark};
use crate::metrics::{SHARD, commit, row};
use abx_core::event::{Batch, MarkKey, MarkSubject, Position, StreamCounter};
use abx_functions::adapters::aws::{
    Budget, DynamoMetrics, DynamoQuarantine, FirehoseArchive, dynamodb, emulator, firehose,
};
use abx_functions::adapters::embedded::EmbeddedStore;
use abx_functions::adapters::keys;
use abx_functions::catalog::{CatalogHolder, Snapshot, encode};
use abx_functions::events::{Options, Processor};
use abx_functions::ports::{
    Archive, ArchiveLine, CatalogStore, MetricStore, PortResult, Quarantine, RowsOf, ShardState,
};
use abx_functions::sources::kinesis::KinesisRecord;
use abx_functions::telemetry::Telemetry;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

async fn client() -> Client {
    dynamodb(&emulator(&endpoint().await), Budget::PATIENT)
}

fn of_experiment(experiment: &str) -> MarkKey<'static> {
    let subject = MarkSubject::Exposure { experiment: experiment.to_owned().into(), epoch: 1 };
    MarkKey { unit: "u".into(), subject }
}

/// An archive that takes whatever comes.
#[derive(Debug)]
struct Nowhere;

impl Archive for Nowhere {
    async fn append(&self, _: &[ArchiveLine]) -> PortResult<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_a_call_holds_is_told_from_all_else_that_is_refused() {
    let client = client().await;
    let store = DynamoMetrics::new(client.clone(), METRICS, MARKS);
    let other_keys = DynamoMetrics::new(client.clone(), MARKS, METRICS);
    let nowhere = DynamoMetrics::new(client.clone(), "none", "none");
    let (long, wide) = (key(&"u".repeat(2049), None), of_experiment(&"e".repeat(1024)));
    let heavy = mark(&"v".repeat(410_000), "1");
    let state = ShardState::default();
    let add = |experiment: &str, variant: &str| {
        let counter = format!("u#{variant}");
        commit("1", [], vec![row(RowsOf::Experiment { experiment, epoch: 1 }, "late", &[(&counter, "1")])])
    };
    let archive = FirehoseArchive::new(firehose(&emulator("http://localhost:1"), Budget::PATIENT), "a");
    let line = ArchiveLine { arrived: Timestamp::UNIX_EPOCH, json: "x".repeat(1_000_000) };
    let good = key("u", None);
    for (what, is_content, error) in [
        ("marks of a long unit", true, store.marks(&[good.clone(), long.clone()]).await.err()),
        ("marks of a long experiment", true, store.marks(std::slice::from_ref(&wide)).await.err()),
        ("a mark of a long unit", true, store.put_marks(&[(long, mark("a", "1"))]).await.err()),
        ("a mark of a long experiment", true, store.put_marks(&[(wide, mark("a", "1"))]).await.err()),
        ("a mark that is too large", true, store.put_marks(&[(good.clone(), heavy)]).await.err()),
        (
            "a row of a long partition",
            true,
            store.commit(SHARD, &state, &add(&"p".repeat(2049), "c")).await.err(),
        ),
        (
            "a row that is too large",
            true,
            store.commit(SHARD, &state, &add("p", &"c".repeat(410_000))).await.err(),
        ),
        ("a line that is too long", true, archive.append(&[line]).await.err()),
        ("marks of another table", false, other_keys.marks(std::slice::from_ref(&good)).await.err()),
        (
            "a mark in another table",
            false,
            other_keys.put_marks(&[(good.clone(), mark("a", "1"))]).await.err(),
        ),
        ("a commit to another table", false, other_keys.commit(SHARD, &state, &add("p", "c")).await.err()),
        ("marks of no table", false, nowhere.marks(&[good]).await.err()),
        ("a commit to no table", false, nowhere.commit(SHARD, &state, &add("p", "c")).await.err()),
    ] {
        let error = error.expect(what);
        assert!(!error.is_transient(), "{what}: {error}");
        assert_eq!(error.is_unprocessable(), is_content, "{what}: {error}");
    }
    assert_eq!(store.shard(SHARD).await.unwrap(), ShardState::default(), "nothing is written by half");
}

/// Reasons of a canceled transaction have codes of their own.
#[tokio::test]
async fn a_canceled_transaction_tells_content_from_all_else() {
    for (code, message, is_content) in [
        ("ValidationError", "Item size to update has exceeded the maximum allowed size", true),
        ("ItemCollectionSizeLimitExceeded", "Collection size exceeded.", true),
        ("ValidationError", "The provided key element does not match the schema", false),
        ("DuplicateItem", "an item has the key already", false),
    ] {
        let refusal = json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "Message": "canceled",
            "CancellationReasons": [{"Code": "None"}, {"Code": code, "Message": message}],
        });
        let endpoint = serve(move |_| Answer::Json(400, refusal.to_string())).await;
        let store = DynamoMetrics::new(dynamodb(&emulator(&endpoint), Budget::PATIENT), METRICS, MARKS);
        let error = store.commit(SHARD, &ShardState::default(), &commit("1", [], vec![])).await.unwrap_err();
        assert_eq!((error.is_transient(), error.is_unprocessable()), (false, is_content), "{error}");
    }
}

/// Makes an item so long that another counter of one digit does not fit any more.
async fn fill(client: &Client, pk: &str, sk: &str) {
    let put = async |length: usize| {
        let text = |value: &str| AttributeValue::S(value.to_owned());
        let put = client.put_item().table_name(METRICS).item("pk", text(pk)).item("sk", text(sk));
        let counter = || AttributeValue::N("1".to_owned());
        put.item("u#a", counter())
            .item("x#a", counter())
            .item("pad", text(&"p".repeat(length)))
            .send()
            .await
            .is_ok()
    };
    let (mut taken, mut refused) = (0, 400 * 1024);
    while refused - taken > 1 {
        let middle = usize::midpoint(taken, refused);
        if put(middle).await {
            taken = middle;
        } else {
            refused = middle;
        }
    }
    assert!(put(taken).await && taken > 400_000);
}

/// A row of 400 KB refuses each event that adds a counter to it. Those are quarantined, and all others counted.
#[tokio::test]
async fn a_full_row_costs_only_the_events_that_it_has_no_room_for() {
    let client = client().await;
    let store = DynamoMetrics::new(client.clone(), METRICS, MARKS);
    let catalog = Arc::new(EmbeddedStore::in_memory().unwrap());
    let experiment = |key: &str| {
        json!({"experiment": key, "status": "active", "variants": [{"key": "a"}, {"key": "b"}],
            "metrics": [{"key": "paid", "event": "paid", "kind": "conversion"}]})
    };
    let documents = encode(&[experiment("full"), experiment("other")]).unwrap();
    catalog.put_revision(1, &documents, &meta("")).await.unwrap();
    catalog.flip_head(None, 1, &meta("")).await.unwrap();
    let arrived: Timestamp = "2026-11-24T10:11:12Z".parse().unwrap();
    fill(&client, "exp#full", &format!("2026-11-24T10#{SHARD}")).await;
    // Of 60 exposures, those with these numbers are to the variant that the row has no counters of.
    let is_bad = |number: usize| [0, 17, 18, 59].contains(&number);
    let exposure = |number: usize| {
        let (experiment, variant) = if is_bad(number) {
            ("full", "b")
        } else if number.is_multiple_of(2) {
            ("full", "a")
        } else {
            ("other", "b")
        };
        let data = json!({"type": "exposure", "experiment": experiment, "variant": variant, "unit": format!("u{number}")});
        let sequence = (1000 + number).to_string();
        KinesisRecord {
            sequence,
            partition_key: "u".to_owned(),
            arrived,
            data: data.to_string().into_bytes(),
        }
    };
    let records: Vec<_> = (0..60).map(exposure).collect();
    let quarantine = DynamoQuarantine::new(client.clone(), METRICS);
    let function = Processor::new(
        Arc::new(CatalogHolder::new(catalog, Snapshot::default())),
        store.clone(),
        (Nowhere, quarantine.clone()),
        Arc::new(Telemetry::silent("events")),
        Options::default(),
    );
    let deadline = tokio::time::Instant::now() + Duration::from_mins(2);
    let shard = Arc::from(SHARD);
    let batch = records.iter().map(|record| record.clone().into_record(&shard).unwrap());
    let outcome = function.count(Batch::from_records(batch), deadline).await.unwrap();
    assert_eq!(outcome.response.batch_item_failures, [], "nothing is given back");
    assert_eq!(outcome.counted.count(StreamCounter::Accepted), 56);
    assert_eq!(
        outcome.counted.rejected.iter().map(|(why, count)| (why.as_str(), *count)).collect::<Vec<_>>(),
        [("refused_by_store", 4)]
    );
    assert_eq!(store.shard(SHARD).await.unwrap().head, Some("1059".parse::<Position>().unwrap()));
    let sums = async |experiment: &str| -> Vec<String> {
        let rows = store.rows(RowsOf::Experiment { experiment, epoch: 1 }).await.unwrap();
        let counters = rows.iter().flat_map(|row| &row.counters);
        let mut sums: Vec<_> = counters.map(|(it, sum)| format!("{}={sum}", keys::counter(it))).collect();
        sums.sort_unstable();
        sums
    };
    assert_eq!(sums("full").await, ["u#a=29", "x#a=29"], "28 more than there were");
    assert_eq!(sums("other").await, ["u#b=28", "x#b=28"]);
    let mut kept = quarantine.list(arrived, 100).await.unwrap();
    kept.sort_by(|a, b| a.id.cmp(&b.id));
    let ids: Vec<_> = kept.iter().map(|record| record.id.clone()).collect();
    assert_eq!(ids, [1000, 1017, 1018, 1059].map(|sequence| format!("{SHARD}:{sequence}")));
    assert!(kept[0].detail.contains("exceeded the maximum allowed size"), "{}", kept[0].detail);
    assert_eq!(kept[0].data, records[0].data);
}
