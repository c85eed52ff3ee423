//! The event function and the assignment function over the AWS adapters, and how long they take.

use crate::aws::Aws;
use abx_core::ConsistentHasher;
use abx_core::event::{Batch, StreamCounter};
use abx_functions::adapters::aws::{
    Budget, DynamoAssignments, DynamoMetrics, DynamoQuarantine, FirehoseArchive, SdkConfig, dynamodb,
    firehose,
};
use abx_functions::adapters::embedded::EmbeddedStore;
use abx_functions::assignment::{self, AssignmentService};
use abx_functions::catalog::{CatalogHolder, Snapshot, encode};
use abx_functions::events::{Options, Processor};
use abx_functions::http::HttpFunction;
use abx_functions::ports::{Archive, CatalogStore, MetricStore, RevisionMeta};
use abx_functions::sources::kinesis::KinesisRecord;
use abx_functions::telemetry::Telemetry;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const EXPERIMENT: &str = "checkout";
const SHARES: [(&str, f64); 2] = [("control", 0.5), ("treatment", 0.5)];
const ASSIGNMENTS: &str = "assignments";
/// The time that an environment waits for its next request.
const PAUSE: Duration = Duration::from_millis(20);

type Embedded = EmbeddedStore;

/// A catalog with one experiment and two metrics.
async fn catalog() -> (Embedded, Arc<CatalogHolder<Embedded>>) {
    let store = EmbeddedStore::in_memory().unwrap();
    let variants = SHARES.map(|(key, allocation)| json!({"key": key, "allocation": allocation}));
    let documents = [json!({"experiment": EXPERIMENT, "status": "active", "variants": variants,
        "metrics": [{"key": "bought", "event": "purchase", "kind": "conversion", "role": "primary"},
            {"key": "revenue", "event": "purchase", "kind": "sum", "property": "amount"}]})];
    let meta = RevisionMeta { created_at: Timestamp::UNIX_EPOCH, author: "l".into(), message: "l".into() };
    store.put_revision(1, &encode(&documents).unwrap(), &meta).await.unwrap();
    store.flip_head(None, 1, &meta).await.unwrap();
    let holder = Arc::new(CatalogHolder::new(store.clone(), Snapshot::default()));
    holder.load().await.unwrap();
    (store, holder)
}

/// The ports of the event function.
pub(crate) fn ports(config: &SdkConfig) -> (DynamoMetrics, FirehoseArchive) {
    let store = DynamoMetrics::new(dynamodb(config, Budget::BATCH), "metrics", "marks");
    (store, FirehoseArchive::new(firehose(config, Budget::BATCH), "archive"))
}

/// The content of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// The number of records.
    pub(crate) records: usize,
    /// The number of them that belong to one unit: an exposure first, and purchases.
    pub(crate) of_a_unit: usize,
    /// True if every batch has the same units, which are unknown only to the first.
    pub(crate) known: bool,
}

/// The duration of each of so many batches in the whole handler; the first, which opens connections and reads the head, is separate.
pub(crate) async fn batches(
    config: &SdkConfig,
    ports: (impl MetricStore, impl Archive),
    shape: Shape,
    times: usize,
) -> Vec<Duration> {
    let (_, holder) = catalog().await;
    let quarantine = DynamoQuarantine::new(dynamodb(config, Budget::BATCH), "metrics");
    let telemetry = Arc::new(Telemetry::silent("events"));
    let kept = (ports.1, quarantine);
    let function = Processor::new(holder, ports.0, kept, telemetry, Options::default());
    let mut taken = Vec::new();
    for number in 0..=times {
        let batch = batch(number, shape);
        let start = Instant::now();
        let outcome = function.count(batch, start + Duration::from_mins(1)).await.unwrap();
        taken.push(start.elapsed());
        assert!(outcome.response.batch_item_failures.is_empty(), "{outcome:?}");
        let counted = outcome.counted.count(StreamCounter::Accepted);
        assert_eq!(counted, shape.records as u64);
    }
    taken.split_off(1)
}

fn batch(number: usize, shape: Shape) -> Batch {
    let now = Timestamp::now();
    let records = (0..shape.records).map(|n| {
        let sequence = format!("4961{:032}", number * shape.records + n);
        let first = if shape.known { 0 } else { number * shape.records };
        let unit = format!("user_{:08}", first + n / shape.of_a_unit);
        let mut event = json!({"event_id": sequence, "unit": unit, "timestamp": now.as_millisecond()});
        let more = if n.is_multiple_of(shape.of_a_unit) {
            json!({"type": "exposure", "experiment": EXPERIMENT, "variant": "control"})
        } else {
            json!({"type": "conversion", "event": "purchase", "properties": {"amount": 12.5}})
        };
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        KinesisRecord { sequence, partition_key: unit, arrived: now, data: event.to_string().into_bytes() }
    });
    let shard = Arc::from("events/shardId-000000000001");
    Batch::from_records(records.map(|record| record.into_record(&shard).unwrap()))
}

/// The outcome of requests for assignments.
#[derive(Debug, Default)]
pub(crate) struct Assigned {
    /// The number of answers that reported a stored assignment.
    pub(crate) persisted: usize,
    /// The number of stored assignments, answered or not.
    pub(crate) stored: usize,
    /// The time that each answer took.
    pub(crate) taken: Vec<Duration>,
}

/// Assigns users in a new environment, one after another, as Lambda does, with pauses between requests. Every answer has to be right.
pub(crate) async fn assign(
    config: &SdkConfig,
    aws: &Aws,
    users: impl IntoIterator<Item = usize>,
) -> Assigned {
    let (sink, holder) = catalog().await;
    let store = DynamoAssignments::new(dynamodb(config, Budget::REQUEST), ASSIGNMENTS);
    let telemetry = Arc::new(Telemetry::silent("assignment"));
    let function =
        AssignmentService::new(holder, store, sink, telemetry, assignment::AssignmentOptions::default());
    let mut assigned = Assigned::default();
    for number in users {
        tokio::time::sleep(PAUSE).await;
        let user = format!("user_{number}");
        let request = json!({"user_id": user, "experiment_key": EXPERIMENT}).to_string();
        let start = Instant::now();
        let answer = function.handle_direct(request.as_bytes(), "id").await;
        assigned.taken.push(start.elapsed());
        assert_eq!(answer.status_code, 200, "{}", answer.body);
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        let computed = ConsistentHasher.assign_variant(&user, EXPERIMENT, &SHARES, 1.0).unwrap().unwrap();
        assert_eq!(answer["variant"], computed);
        let item = aws.item(ASSIGNMENTS, &user, EXPERIMENT);
        if let Some(item) = &item {
            assigned.stored += 1;
            assert_eq!(item["variant"]["S"], computed);
        }
        if answer["persisted"] == true {
            assigned.persisted += 1;
            assert_eq!(
                item.unwrap()["assignment_id"]["S"],
                answer["assignment_id"],
                "what is said to be stored is"
            );
        }
    }
    assigned
}

/// Users of whom every other one was assigned by another environment before: the share at which reading first pays and half of the
/// reads find nothing.
pub(crate) async fn assign_half_known(config: &SdkConfig, aws: &Aws, users: usize) -> Assigned {
    assign(config, aws, (0..users).step_by(2)).await;
    assign(config, aws, 0..users).await
}

/// A percentile, in milliseconds.
pub(crate) fn percentile(times: &[Duration], percent: f64) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "small and positive"
    )]
    let rank = (percent / 100.0 * times.len() as f64).ceil() as usize;
    times[rank.max(1) - 1].as_secs_f64() * 1000.0
}
