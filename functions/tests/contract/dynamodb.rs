//! The DynamoDB adapters keep every promise, over the wire to an emulator in this process.

use crate::assignments::assignment;
use crate::catalog::{Breakable, meta};
use crate::marks::{key, mark};
use crate::metrics::{SHARD, position, small};
use crate::personal_data::Place;
use abx_core::event::{Counter, StreamCounter};
use abx_functions::adapters::aws::{
    Budget, DynamoAssignments, DynamoCatalog, DynamoMetrics, DynamoPersonalData, DynamoQuarantine,
    TableNames, create_tables, dynamodb, emulator,
};
use abx_functions::ports::{AssignmentStore, CatalogStore, Committed, Flip, MetricStore, RowsOf, ShardState};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use std::collections::HashMap;
use std::time::Duration;
use tokio::net::TcpListener;

const CATALOG: &str = "catalog";
const ASSIGNMENTS: &str = "assignments";
pub(crate) const METRICS: &str = "metrics";
pub(crate) const MARKS: &str = "marks";
const NAMES: TableNames<'_> =
    TableNames { catalog: CATALOG, assignments: ASSIGNMENTS, metrics: METRICS, marks: MARKS };

/// As long as the emulator takes on a busy machine, where the largest commit was seen to take more than 15 s.
pub(crate) const UNHURRIED: Budget =
    Budget { attempt: Duration::from_mins(2), operation: Duration::from_mins(2), ..Budget::PATIENT };

/// An empty DynamoDB with our tables.
async fn tables() -> Client {
    dynamodb(&emulator(&endpoint().await), UNHURRIED)
}

/// The endpoint of an empty DynamoDB with our tables.
pub(crate) async fn endpoint() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let database = dynoxide::Database::memory().unwrap();
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    let client = dynamodb(&emulator(&endpoint), UNHURRIED);
    create_tables(&client, NAMES).await.unwrap();
    endpoint
}

struct Catalog {
    store: DynamoCatalog,
    client: Client,
}

async fn catalog() -> Catalog {
    let client = tables().await;
    Catalog { store: DynamoCatalog::new(client.clone(), CATALOG), client }
}

async fn assignments() -> DynamoAssignments {
    DynamoAssignments::new(tables().await, ASSIGNMENTS)
}

async fn metrics() -> DynamoMetrics {
    DynamoMetrics::new(tables().await, METRICS, MARKS)
}

async fn quarantine() -> DynamoQuarantine {
    DynamoQuarantine::new(tables().await, METRICS)
}

async fn personal_data() -> Place<DynamoAssignments, DynamoMetrics, DynamoPersonalData> {
    let client = tables().await;
    Place {
        assignments: DynamoAssignments::new(client.clone(), ASSIGNMENTS),
        marks: DynamoMetrics::new(client.clone(), METRICS, MARKS),
        personal_data: DynamoPersonalData::new(client, ASSIGNMENTS, MARKS),
    }
}

crate::deref_to_adapter!(Catalog: store, DynamoCatalog);

type Item = HashMap<String, AttributeValue>;

impl Catalog {
    async fn items(&self, pk: String) -> Vec<Item> {
        let query = self.client.query().table_name(CATALOG).key_condition_expression("pk = :pk");
        let pages = query.expression_attribute_values(":pk", AttributeValue::S(pk)).into_paginator().items();
        pages.send().collect::<Result<_, _>>().await.unwrap()
    }

    async fn delete(&self, item: &Item) {
        let request = self.client.delete_item().table_name(CATALOG);
        request.key("pk", item["pk"].clone()).key("sk", item["sk"].clone()).send().await.unwrap();
    }
}

impl Breakable for Catalog {
    async fn lose_chunk(&self, revision: u64) {
        self.delete(self.items(format!("rev#{revision}")).await.last().unwrap()).await;
    }

    async fn change_byte(&self, revision: u64) {
        let mut item = self.items(format!("rev#{revision}")).await.remove(0);
        let mut bytes = item["data"].as_b().unwrap().as_ref().to_vec();
        bytes[0] ^= 1;
        item.insert("data".to_owned(), AttributeValue::B(Blob::new(bytes)));
        self.client.put_item().table_name(CATALOG).set_item(Some(item)).send().await.unwrap();
    }

    async fn lose_manifest(&self, revision: u64) -> bool {
        let number = AttributeValue::N(revision.to_string());
        let manifests = self.items("revisions".to_owned()).await;
        self.delete(manifests.iter().find(|item| item["revision"] == number).unwrap()).await;
        true
    }
}

crate::assignment_store!(assignments);
crate::catalog_store!(catalog);
crate::metric_store!(metrics);
crate::quarantine_port!(quarantine);
crate::personal_data_port!(personal_data);

#[tokio::test]
async fn tables_are_made_once() {
    create_tables(&tables().await, NAMES).await.unwrap();
}

#[tokio::test]
async fn an_item_of_another_shape_is_a_permanent_error() {
    let client = tables().await;
    let store = DynamoAssignments::new(client.clone(), ASSIGNMENTS);
    store.put_if_absent(&assignment("u", "e", "a"), 0).await.unwrap();
    let key = |value: &str| AttributeValue::S(value.to_owned());
    let update =
        client.update_item().table_name(ASSIGNMENTS).key("user_id", key("u")).key("experiment_key", key("e"));
    update.update_expression("REMOVE variant").send().await.unwrap();
    let errors = [
        store.get("u", "e").await.unwrap_err(),
        store.get_many("u", &["e", "f"]).await.unwrap_err(),
        store.put_if_absent(&assignment("u", "e", "b"), 0).await.unwrap_err(),
    ];
    for error in errors {
        assert!(!error.is_transient());
        assert!(error.to_string().contains("`variant` is missing"), "{error}");
    }
}

#[tokio::test]
async fn a_missing_table_is_a_permanent_error() {
    let error = DynamoAssignments::new(tables().await, "no_such_table").get("u", "e").await.unwrap_err();
    assert!(!error.is_transient());
    assert!(
        error.to_string().starts_with(
            "table no_such_table in us-east-1: GetItem: it does not exist there: ResourceNotFoundException"
        ),
        "{error}"
    );
}

async fn set(client: &Client, table: &str, key: [(&str, &str); 2], expression: &str) {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let [(hash, pk), (range, sk)] = key;
    let update = client.update_item().table_name(table).key(hash, text(pk)).key(range, text(sk));
    update.update_expression(expression).send().await.unwrap();
}

#[tokio::test]
async fn a_row_shows_only_its_counters() {
    let client = tables().await;
    let store = DynamoMetrics::new(client.clone(), METRICS, MARKS);
    store.commit(SHARD, &ShardState::default(), &small("1", 1)).await.unwrap();
    set(
        &client,
        METRICS,
        [("pk", "stream"), ("sk", &*format!("2026-11-24T13#{SHARD}"))],
        "SET note = sk, x = sk",
    )
    .await;
    let counters: Vec<_> = store
        .rows(RowsOf::Stream)
        .await
        .unwrap()
        .into_iter()
        .flat_map(|row| row.counters)
        .map(|it| it.0)
        .collect();
    assert_eq!(counters, [Counter::Stream(StreamCounter::Accepted)]);
}

#[tokio::test]
async fn a_mark_ends_after_400_days() {
    let client = tables().await;
    let store = DynamoMetrics::new(client.clone(), METRICS, MARKS);
    store.put_marks(&[(key("u", Some("purchase")), mark("control", "5:3"))]).await.unwrap();
    let items = client.scan().table_name(MARKS).send().await.unwrap().items.unwrap();
    let text = |name: &str| items[0][name].as_s().unwrap().as_str();
    assert_eq!((text("unit"), text("sk")), ("u", "checkout#1#purchase"));
    assert_eq!((text("variant"), text("shard"), text("position")), ("control", SHARD, "5:3"));
    assert_eq!(items[0]["at"].as_n().unwrap(), "1795515072123");
    assert_eq!(items[0]["ttl"].as_n().unwrap(), &(1_795_515_072 + 400 * 86_400).to_string());
}

async fn add(client: &Client, [(_, pk), (_, sk)]: [(&str, &str); 2], commits: &str) {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let update = client.update_item().table_name(METRICS).key("pk", text(pk)).key("sk", text(sk));
    let update = update.expression_attribute_values(":more", AttributeValue::N(commits.to_owned()));
    update.update_expression("ADD commits :more").send().await.unwrap();
}

/// A query may see the head of a transaction and not yet its entry in the log; and entries end.
#[tokio::test]
async fn a_head_without_its_log_is_no_state_unless_the_log_ended() {
    let client = tables().await;
    let store = DynamoMetrics::new(client.clone(), METRICS, MARKS);
    let mut state = ShardState::default();
    for number in 1..=2 {
        let put = store.commit(SHARD, &state, &small(&number.to_string(), number)).await.unwrap();
        assert_eq!(put, Committed::Done);
        state = store.shard(SHARD).await.unwrap();
    }
    let head = [("pk", "shard#events/shardId-000000000001"), ("sk", "head")];
    add(&client, head, "1").await;
    let error = store.shard(SHARD).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("log"), "{error}");
    add(&client, head, "-2").await;
    assert_eq!(store.shard(SHARD).await.unwrap().commits, 1, "a younger log is well");
    add(&client, head, "2").await;
    assert!(store.shard(SHARD).await.is_err());
    let ago = 30 * 86_400 + 3600;
    let update = client.update_item().table_name(METRICS);
    let update =
        head.iter().fold(update, |it, (key, value)| it.key(*key, AttributeValue::S((*value).to_owned())));
    let update = update.expression_attribute_names("#at", "at");
    let update = update.expression_attribute_values(":ago", AttributeValue::N(ago.to_string()));
    update.update_expression("SET #at = #at - :ago").send().await.unwrap();
    let state = store.shard(SHARD).await.unwrap();
    assert_eq!((state.commits, state.head), (3, Some(position("2"))), "nobody wrote for a month");
}

#[tokio::test]
async fn an_entry_of_the_log_ends_after_31_days() {
    let client = tables().await;
    let store = DynamoMetrics::new(client.clone(), METRICS, MARKS);
    let before = Timestamp::now().as_second();
    store.commit(SHARD, &ShardState::default(), &small("12", 1)).await.unwrap();
    let items = client.scan().table_name(METRICS).send().await.unwrap().items.unwrap();
    let with_end: Vec<_> = items.iter().filter(|item| item.contains_key("ttl")).collect();
    let [entry] = &with_end[..] else { panic!("only the log ends: {items:?}") };
    assert_eq!(entry["sk"].as_s().unwrap(), "log#00212:0000000000~");
    let end: i64 = entry["ttl"].as_n().unwrap().parse().unwrap();
    assert!((0..60).contains(&(end - before - 31 * 86_400)));
}

/// Versions before the record of moves wrote the head alone, and may do so between two moves that are recorded.
#[tokio::test]
async fn a_head_that_an_earlier_version_moved_can_be_moved_on() {
    let catalog = catalog().await;
    for revision in 1..=4 {
        catalog.put_revision(revision, b"x", &meta("")).await.unwrap();
    }
    let moved_by_an_earlier_version = async |to: &str| {
        let text = |value: &str| AttributeValue::S(value.to_owned());
        let put =
            catalog.client.put_item().table_name(CATALOG).item("pk", text("head")).item("sk", text("head"));
        put.item("revision", AttributeValue::N(to.to_owned())).send().await.unwrap();
    };
    moved_by_an_earlier_version("1").await;
    assert_eq!(catalog.head_moves().await.unwrap(), []);
    assert_eq!(catalog.flip_head(Some(1), 2, &meta("")).await.unwrap(), Flip::Done);
    moved_by_an_earlier_version("3").await;
    assert_eq!(catalog.flip_head(Some(3), 4, &meta("")).await.unwrap(), Flip::Done);
    let moves = catalog.head_moves().await.unwrap();
    assert_eq!(moves.iter().map(|it| (it.from, it.to)).collect::<Vec<_>>(), [(Some(3), 4), (Some(1), 2)]);
}
