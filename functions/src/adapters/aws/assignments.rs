//! Assignments in DynamoDB: one item each, under `user_id` and `experiment_key`.

use super::dynamo::{Conditional, DynamoItem, item, misread, n, number, parsed, put_if, s, table, text};
use super::error::port_error;
use super::hedge::hedged;
use super::{Breaker, Budget};
use crate::ports::{AssignmentStore, PortError, PortResult, Put, StoredAssignment, check_key, check_unit};
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::{Client, Config};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::timeout;

/// The time that a function's init waits for its first connection.
const WARM_UP: Duration = Duration::from_secs(1);

/// The items that may be replaced: none, one of an older epoch, or one that has expired and that DynamoDB has not deleted yet.
const FREE: &str = "attribute_not_exists(#user) OR #epoch < :epoch OR #ttl <= :now";

/// The [`AssignmentStore`] of a table.
#[derive(Debug)]
pub struct DynamoAssignments {
    client: Client,
    table: String,
    /// The time limit of a call with its repetition.
    budget: Duration,
    breaker: Breaker,
}

impl DynamoAssignments {
    /// Uses a table through a client, which should have the budget of a request.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        let timeouts = client.config().timeout_config();
        let budget = timeouts.and_then(TimeoutConfig::operation_timeout).unwrap_or(Budget::REQUEST.operation);
        Self { client, table: table.into(), budget, breaker: Breaker::default() }
    }

    /// The breaker before the table, for a metric.
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Opens a connection before the first request comes, for a function's init: the TLS handshake is longer than an attempt
    /// of a request may be. It reads an item that does not exist, for 0.5 RCU; the breaker hears nothing of it.
    pub async fn warm_up(&self) -> PortResult<()> {
        let usual = self.client.config().timeout_config().cloned();
        // The connect timeout stays: with another one the SDK would keep this connection apart from those of requests.
        let longer = usual.unwrap_or_else(TimeoutConfig::disabled).to_builder();
        let longer = longer.operation_attempt_timeout(WARM_UP).operation_timeout(WARM_UP).build();
        let request = self.client.get_item().table_name(&self.table);
        let request = request.key("user_id", s("-")).key("experiment_key", s("-")).customize();
        let request = request.config_override(Config::builder().timeout_config(longer));
        Box::pin(request.send()).await.map(|_| ()).map_err(|error| port_error("GetItem", error))
    }

    /// Asks the table, twice if that takes it, within the budget. An assignment that is put twice is known by its id. A write
    /// that had no answer in time may still be done: that it is not stored is then said too often, and never that it is.
    async fn ask<T, F>(&self, call: impl Fn() -> F) -> PortResult<T>
    where
        F: Future<Output = PortResult<T>>,
    {
        let asked = async {
            let answer = timeout(self.budget, hedged(call)).await;
            answer.unwrap_or_else(|_| Err(PortError::transient("no answer in time")))
        };
        self.breaker.call(asked).await.map_err(|error| error.at(table(&self.client, &self.table)))
    }

    async fn get_item(&self, unit: &str, experiment_key: &str) -> PortResult<Option<StoredAssignment>> {
        let request = self.client.get_item().table_name(&self.table);
        let request = request.key("user_id", s(unit)).key("experiment_key", s(experiment_key));
        let answer = Box::pin(request.send()).await.map_err(|error| port_error("GetItem", error))?;
        answer.item().map(read).transpose()
    }

    /// All of a unit's items. One query reads 4 KB, a dozen assignments, for what a batch get charges for each item; it
    /// also has no unprocessed keys to ask for again.
    async fn query(&self, unit: &str) -> PortResult<HashMap<String, StoredAssignment>> {
        let request = self.client.query().table_name(&self.table).key_condition_expression("#user = :user");
        let request = request.expression_attribute_names("#user", "user_id");
        let mut pages = request.expression_attribute_values(":user", s(unit)).into_paginator().send();
        let mut found = HashMap::new();
        while let Some(page) = pages.next().await {
            for item in page.map_err(|error| port_error("Query", error))?.items() {
                found.insert(text(item, "experiment_key")?, item.clone());
            }
        }
        found.into_iter().map(|(key, item)| Ok((key, read(&item)?))).collect()
    }

    async fn put(&self, assignment: &StoredAssignment, now: i64) -> PortResult<Put> {
        let request = self.client.put_item().table_name(&self.table).set_item(Some(write(assignment)?));
        let request = request
            .condition_expression(FREE)
            .expression_attribute_names("#user", "user_id")
            .expression_attribute_names("#epoch", "epoch")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":epoch", n(assignment.epoch))
            .expression_attribute_values(":now", n(now));
        match put_if(request).await? {
            Conditional::Done => Ok(Put::Stored),
            Conditional::Refused(None) => {
                Err(PortError::permanent("PutItem was refused without the item that is there"))
            }
            Conditional::Refused(Some(there)) => {
                let there = read(&there)?;
                Ok(if there.is_echo_of(assignment) { Put::Stored } else { Put::Existing(there) })
            }
        }
    }
}

impl AssignmentStore for DynamoAssignments {
    async fn get(&self, unit: &str, experiment_key: &str) -> PortResult<Option<StoredAssignment>> {
        check_key(unit, experiment_key)?;
        self.ask(|| self.get_item(unit, experiment_key)).await
    }

    async fn get_many(&self, unit: &str, experiments: &[&str]) -> PortResult<Vec<Option<StoredAssignment>>> {
        check_unit(unit)?;
        match experiments {
            [] => Ok(Vec::new()),
            [only] => Ok(vec![self.get(unit, only).await?]),
            several => {
                let found = self.ask(|| self.query(unit)).await?;
                Ok(several.iter().map(|key| found.get(*key).cloned()).collect())
            }
        }
    }

    async fn put_if_absent(&self, assignment: &StoredAssignment, now: i64) -> PortResult<Put> {
        assignment.check()?;
        self.ask(|| self.put(assignment, now)).await
    }
}

/// The context is stored as JSON text, not as a map: DynamoDB's numbers end at 1e126, and a context may hold any.
fn write(assignment: &StoredAssignment) -> PortResult<DynamoItem> {
    let mut item = item([
        ("user_id", s(&assignment.user_id)),
        ("experiment_key", s(&assignment.experiment_key)),
        ("variant", s(&assignment.variant)),
        ("assignment_id", s(&assignment.assignment_id)),
        ("epoch", n(assignment.epoch)),
        ("revision", n(assignment.revision)),
        ("assigned_at", s(assignment.assigned_at.to_string())),
        ("ttl", n(assignment.ttl)),
    ]);
    if let Some(context) = &assignment.context {
        item.insert("context".to_owned(), s(serde_json::to_string(context).map_err(PortError::permanent)?));
    }
    Ok(item)
}

fn read(item: &DynamoItem) -> PortResult<StoredAssignment> {
    Ok(StoredAssignment {
        user_id: text(item, "user_id")?,
        experiment_key: text(item, "experiment_key")?,
        variant: text(item, "variant")?,
        assignment_id: text(item, "assignment_id")?,
        epoch: number(item, "epoch")?,
        revision: number(item, "revision")?,
        assigned_at: parsed(item, "assigned_at", "a time")?,
        context: item.contains_key("context").then(|| read_context(item)).transpose()?,
        ttl: number(item, "ttl")?,
    })
}

fn read_context(item: &DynamoItem) -> PortResult<Map<String, Value>> {
    serde_json::from_str(&text(item, "context")?).map_err(|error| misread("context", "a JSON object", error))
}
