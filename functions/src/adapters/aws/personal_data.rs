//! Personal data in the tables of assignments and marks.

use super::backoff::{ROUNDS, pause};
use super::dynamo::{DynamoItem, item, s, text, unreadable};
use super::error::port_error;
use crate::adapters::keys;
use crate::ports::{Held, PersonalData, PortError, PortResult, check_unit};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{DeleteRequest, WriteRequest};

/// The number of items that one batch write deletes.
const CALL_DELETES: usize = 25;

/// The [`PersonalData`] of the tables of assignments and marks.
#[derive(Debug)]
pub struct DynamoPersonalData {
    client: Client,
    assignments: KeyedTable,
    marks: KeyedTable,
}

/// A table, and the names of its keys: that of the unit first.
#[derive(Debug)]
struct KeyedTable {
    name: String,
    unit: &'static str,
    sort: &'static str,
}

impl DynamoPersonalData {
    /// Uses the tables of assignments and marks through a client with a patient budget.
    #[must_use]
    pub fn new(client: Client, assignments: impl Into<String>, marks: impl Into<String>) -> Self {
        let assignments = KeyedTable { name: assignments.into(), unit: "user_id", sort: "experiment_key" };
        let marks = KeyedTable { name: marks.into(), unit: "unit", sort: "sk" };
        Self { client, assignments, marks }
    }

    /// The sort keys of a unit's items, in their order.
    async fn sort_keys(&self, table: &KeyedTable, unit: &str) -> PortResult<Vec<String>> {
        let request = self.client.query().table_name(&table.name).consistent_read(true);
        let request = request
            .key_condition_expression("#unit = :unit")
            .projection_expression("#sort")
            .expression_attribute_names("#unit", table.unit)
            .expression_attribute_names("#sort", table.sort)
            .expression_attribute_values(":unit", s(unit));
        let mut items = request.into_paginator().items().send();
        let mut keys = Vec::new();
        while let Some(item) = items.next().await {
            keys.push(text(&item.map_err(|error| port_error("Query", error))?, table.sort)?);
        }
        Ok(keys)
    }

    async fn delete_all(&self, table: &KeyedTable, unit: &str) -> PortResult<()> {
        let keys = self.sort_keys(table, unit).await?;
        for some in keys.chunks(CALL_DELETES) {
            let deletes = some.iter().map(|sort| {
                let key: DynamoItem = item([(table.unit, s(unit)), (table.sort, s(sort))]);
                let delete = DeleteRequest::builder().set_key(Some(key)).build();
                Ok(WriteRequest::builder().delete_request(delete.map_err(PortError::permanent)?).build())
            });
            self.delete_some(table, deletes.collect::<PortResult<_>>()?).await?;
        }
        Ok(())
    }

    /// Deletes items, as many as one call takes. The service may do any part of it, and is asked for the rest until there is
    /// none, or until it did nothing several times in a row.
    async fn delete_some(&self, table: &KeyedTable, mut pending: Vec<WriteRequest>) -> PortResult<()> {
        let mut in_vain = 0;
        while !pending.is_empty() {
            let asked = pending.len();
            let request = self.client.batch_write_item().request_items(&table.name, pending);
            let answer =
                Box::pin(request.send()).await.map_err(|error| port_error("BatchWriteItem", error))?;
            pending = answer.unprocessed_items.and_then(|mut it| it.remove(&table.name)).unwrap_or_default();
            in_vain = if pending.len() < asked { 0 } else { in_vain + 1 };
            if in_vain == ROUNDS {
                return Err(PortError::transient("BatchWriteItem: items stay unprocessed"));
            }
            if !pending.is_empty() {
                pause(in_vain).await;
            }
        }
        Ok(())
    }
}

impl PersonalData for DynamoPersonalData {
    async fn held(&self, unit: &str) -> PortResult<Held> {
        check_unit(unit)?;
        let assignments = self.sort_keys(&self.assignments, unit).await?;
        let marks = self.sort_keys(&self.marks, unit).await?;
        let read = |about: &String| {
            keys::read_mark(unit, about).ok_or_else(|| unreadable(self.marks.sort, "a mark"))
        };
        let marks = marks.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Held { assignments, marks, events: 0 })
    }

    async fn erase(&self, unit: &str) -> PortResult<()> {
        check_unit(unit)?;
        self.delete_all(&self.assignments, unit).await?;
        self.delete_all(&self.marks, unit).await
    }
}
