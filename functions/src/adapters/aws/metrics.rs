//! Counts in DynamoDB.
//!
//! | pk | sk | what |
//! |---|---|---|
//! | `shard#{shard}` | `head` | `position`: how far the shard has been applied; `commits`: how many there were |
//! | `shard#{shard}` | `ledger#{slot, 3 digits}` | `ids`: those of one commit, 8 bytes each; `n`: which commit |
//! | a row's partition | a row's place | one number for each counter, under its name |
//!
//! Marks have a table of their own (`marks`), because they end and these do not.
//!
//! What a commit costs: 2 WCU for the head, 2 for each started KB of ids (10 for 500) and 2 for each started KB of a row.

use super::backoff::{ROUNDS, pause};
use super::dynamo::{Item, bytes, item, n, number, parsed, s, table, text};
use super::error::port_error;
use super::marks::Marks;
use super::transaction::{Written, transact};
use crate::ports::{
    Committed, MarkPut, MetricStore, PortError, RowCounter, ShardState, ids_from_bytes, ids_to_bytes,
    ledger_slot,
};
use abx_core::event::{Additions, Commit, Counter, Mark, MarkKey};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};

const HEAD: &str = "head";

/// The [`MetricStore`] of two tables.
#[derive(Debug, Clone)]
pub struct DynamoMetrics {
    client: Client,
    table: String,
    marks: Marks,
}

impl DynamoMetrics {
    /// Uses the table of counts and that of marks through a client.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>, marks: impl Into<String>) -> Self {
        let marks = Marks { client: client.clone(), table: marks.into() };
        Self { client, table: table.into(), marks }
    }

    fn at(&self, error: PortError) -> PortError {
        error.at(table(&self.client, &self.table))
    }

    /// All items of a partition, in their order and as they are now.
    async fn partition(&self, pk: &str) -> Result<Vec<Item>, PortError> {
        let request = self.client.query().table_name(&self.table).consistent_read(true);
        let request = request.key_condition_expression("pk = :pk").expression_attribute_values(":pk", s(pk));
        let items: Result<_, _> = request.into_paginator().items().send().collect().await;
        items.map_err(|error| self.at(port_error("Query", error)))
    }

    fn actions(
        &self,
        shard: &str,
        state: &ShardState,
        commit: &Commit,
    ) -> Result<Vec<TransactWriteItem>, BuildError> {
        let mut actions = vec![
            TransactWriteItem::builder().update(self.move_head(shard, state, commit)?).build(),
            TransactWriteItem::builder().put(self.write_ledger(shard, state, commit)?).build(),
        ];
        for row in commit.rows.iter().filter(|row| !row.counters.is_empty()) {
            actions.push(TransactWriteItem::builder().update(self.add(row)?).build());
        }
        Ok(actions)
    }

    /// This condition alone makes a repetition harmless, at any time: the token that the SDK gives a transaction ends after
    /// ten minutes, and another process does not know it.
    fn move_head(&self, shard: &str, state: &ShardState, commit: &Commit) -> Result<Update, BuildError> {
        let update = Update::builder().table_name(&self.table);
        let update = update
            .key("pk", s(shard_key(shard)))
            .key("sk", s(HEAD))
            .update_expression("SET #position = :position, #commits = :commits")
            .expression_attribute_names("#position", "position")
            .expression_attribute_names("#commits", "commits")
            .expression_attribute_values(":position", s(commit.head.to_string()))
            .expression_attribute_values(":commits", n(state.commits + 1));
        match &state.head {
            None => update.condition_expression("attribute_not_exists(#position)"),
            Some(head) => update
                .condition_expression("#position = :expected")
                .expression_attribute_values(":expected", s(head.to_string())),
        }
        .build()
    }

    fn write_ledger(&self, shard: &str, state: &ShardState, commit: &Commit) -> Result<Put, BuildError> {
        let ids = AttributeValue::B(Blob::new(ids_to_bytes(&commit.ids)));
        let sk = ledger_key(ledger_slot(state.commits));
        let item = item([("pk", s(shard_key(shard))), ("sk", s(sk)), ("n", n(state.commits)), ("ids", ids)]);
        Put::builder().table_name(&self.table).set_item(Some(item)).build()
    }

    /// Names and values of an expression are placeholders, since a counter's name may hold anything.
    fn add(&self, row: &Additions) -> Result<Update, BuildError> {
        let places: Vec<String> = (0..row.counters.len()).map(|place| format!("#{place} :{place}")).collect();
        let mut update = Update::builder()
            .table_name(&self.table)
            .key("pk", s(&row.partition))
            .key("sk", s(&row.sort))
            .update_expression(format!("ADD {}", places.join(",")));
        for (place, (counter, amount)) in row.counters.iter().enumerate() {
            update = update
                .expression_attribute_names(format!("#{place}"), counter)
                .expression_attribute_values(format!(":{place}"), n(*amount));
        }
        update.build()
    }
}

impl MetricStore for DynamoMetrics {
    async fn shard(&self, shard: &str) -> Result<ShardState, PortError> {
        for round in 1..=ROUNDS {
            // `head` sorts before `ledger`, so the head is never younger than a page of the ledger.
            if let Some(state) = read_state(&self.partition(&shard_key(shard)).await?)? {
                return Ok(state);
            }
            pause(round).await;
        }
        Err(self.at(PortError::transient("Query: the ledger lacks the latest commit")))
    }

    async fn marks(&self, keys: &[MarkKey<'_>]) -> Result<Vec<Option<Mark>>, PortError> {
        self.marks.get(keys).await
    }

    async fn put_marks(&self, marks: &[(MarkKey<'_>, Mark)]) -> Result<Vec<MarkPut>, PortError> {
        self.marks.put(marks).await
    }

    async fn commit(&self, shard: &str, state: &ShardState, commit: &Commit) -> Result<Committed, PortError> {
        let actions = self.actions(shard, state, commit).map_err(PortError::permanent)?;
        Ok(match transact(&self.client, actions).await.map_err(|error| self.at(error))? {
            Written::Done => Committed::Done,
            Written::Refused => Committed::Moved,
        })
    }

    async fn rows(&self, partition: &str) -> Result<Vec<RowCounter>, PortError> {
        let mut counters = Vec::new();
        for item in self.partition(partition).await? {
            let sort = text(&item, "sk")?;
            let mut names: Vec<&String> = item.keys().filter(|name| Counter::parse(name).is_some()).collect();
            names.sort_unstable();
            for name in names {
                let amount = number(&item, name)?;
                counters.push(RowCounter { sort: sort.clone(), counter: name.clone(), amount });
            }
        }
        Ok(counters)
    }
}

/// What the items of a shard say. A query is no snapshot: it may see the head of a transaction and not yet its ledger, and
/// who counted by that could count an event twice; then it is `None`.
fn read_state(items: &[Item]) -> Result<Option<ShardState>, PortError> {
    let mut state = ShardState::default();
    let mut latest = None;
    for item in items {
        if text(item, "sk")? == HEAD {
            state.head = Some(parsed(item, "position", "a place in a shard")?);
            state.commits = number(item, "commits")?;
        } else {
            state.ledger.extend(ids_from_bytes(bytes(item, "ids")?));
            latest = latest.max(Some(number::<u64>(item, "n")?));
        }
    }
    // More than the head says is well: the ledger is younger then, and a commit from this head will be refused.
    Ok((latest.map_or(0, |n| n + 1) >= state.commits).then_some(state))
}

fn shard_key(shard: &str) -> String {
    format!("shard#{shard}")
}

fn ledger_key(slot: u64) -> String {
    format!("ledger#{slot:03}")
}
