//! The DynamoDB adapters keep every promise, over the wire to an emulator in this process.

use crate::assignments::assignment;
use crate::catalog::Breakable;
use abx_functions::adapters::aws::{
    Budget, DynamoAssignments, DynamoCatalog, create_tables, dynamodb, emulator,
};
use abx_functions::ports::AssignmentStore;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::HashMap;
use std::ops::Deref;
use tokio::net::TcpListener;

const CATALOG: &str = "catalog";
const ASSIGNMENTS: &str = "assignments";

/// An empty DynamoDB with our tables.
async fn tables() -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let database = dynoxide::Database::memory().unwrap();
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    let client = dynamodb(&emulator(&endpoint), Budget::PATIENT);
    create_tables(&client, CATALOG, ASSIGNMENTS).await.unwrap();
    client
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

impl Deref for Catalog {
    type Target = DynamoCatalog;

    fn deref(&self) -> &DynamoCatalog {
        &self.store
    }
}

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

#[tokio::test]
async fn tables_are_made_once() {
    create_tables(&tables().await, CATALOG, ASSIGNMENTS).await.unwrap();
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
    assert!(error.to_string().starts_with("GetItem: ResourceNotFoundException"), "{error}");
}
