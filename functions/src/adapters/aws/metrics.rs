//! Counts in DynamoDB.
//!
//! | pk | sk | what |
//! |---|---|---|
//! | `shard#{shard}` | `head` | `position`: how far the shard has been applied; `commits`: how many there were; `at`: when the latest was |
//! | `shard#{shard}` | `log#{last position}` | a commit. `first` and `last`: the positions that it covers; `n`: how many were before it; `ids`: those of its events, 8 bytes each; `ttl`: its end |
//! | `shard#{shard}` | `redriven#{position}` | the guard of a record that was redriven. `position`: how far; `id`: that of its event |
//! | a row's partition | a row's place | one number for each counter, under its name |
//!
//! Marks have a table of their own (`marks`), because all of them end.
//!
//! The cost of a commit: 2 WCU for the head, 2 for each started KB of its entry in the log (10 for 500 ids) and 2 for each started KB of a row.

use super::backoff::{ROUNDS, pause};
use super::dynamo::{DynamoItem, bytes, item, n, number, parsed, s, table, text};
use super::error::port_error;
use super::marks::DynamoMarks;
use super::transaction::{TransactionOutcome, transact};
use crate::adapters::{TRANSACTION_LIMITS, keys};
use crate::ports::{
    Committed, Guard, LEDGER_COMMITS, LOG_KEPT, LogEntry, MarkPut, MetricStore, PortError, PortResult,
    REDRIVEN_AROUND, RedrivenRecord, RowsOf, ShardState, StoredRow, TransactionLimits, ids_from_bytes,
    ids_to_bytes, unexposed_from_bytes, unexposed_to_bytes,
};
use abx_core::event::{Additions, Commit, Mark, MarkKey, Position};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use jiff::Timestamp;

const HEAD: &str = "head";
const LOG: &str = "log#";
const REDRIVEN: &str = "redriven#";
/// Sorts after every position.
const END: &str = "~";

/// The [`MetricStore`] of two tables.
#[derive(Debug, Clone)]
pub struct DynamoMetrics {
    client: Client,
    table: String,
    marks: DynamoMarks,
}

/// A commit of a shard whose state was read, and the time at which it is written.
#[derive(Clone, Copy)]
struct ShardCommit<'a> {
    shard: &'a str,
    state: &'a ShardState,
    commit: &'a Commit<'a>,
    now: Timestamp,
}

impl DynamoMetrics {
    /// Uses the table of counts and that of marks through a client.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>, marks: impl Into<String>) -> Self {
        let marks = DynamoMarks { client: client.clone(), table: marks.into() };
        Self { client, table: table.into(), marks }
    }

    fn at(&self, error: PortError) -> PortError {
        error.at(table(&self.client, &self.table))
    }

    /// A query of a partition, of its items as they are now.
    fn query(&self, pk: &str) -> QueryFluentBuilder {
        let request = self.client.query().table_name(&self.table).consistent_read(true);
        request.key_condition_expression("pk = :pk").expression_attribute_values(":pk", s(pk))
    }

    /// A query of a shard's items between two places, both included.
    fn range(&self, shard: &str, from: String, to: String) -> QueryFluentBuilder {
        let request = self.query(&shard_key(shard));
        let request = request.key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to");
        request.expression_attribute_values(":from", s(from)).expression_attribute_values(":to", s(to))
    }

    /// At most so many items of a query.
    async fn some(&self, request: QueryFluentBuilder, most: usize) -> PortResult<Vec<DynamoItem>> {
        // A page ends after 1 MB, which may be before its limit.
        let limit = i32::try_from(most).map_err(PortError::permanent)?;
        let mut pages = request.limit(limit).into_paginator().items().send();
        let mut items = Vec::new();
        while items.len() < most {
            let Some(item) = pages.next().await else { break };
            items.push(item.map_err(|error| self.at(port_error("Query", error)))?);
        }
        Ok(items)
    }

    /// All items of a query.
    async fn all(&self, request: QueryFluentBuilder) -> PortResult<Vec<DynamoItem>> {
        let items: Result<_, _> = request.into_paginator().items().send().collect().await;
        items.map_err(|error| self.at(port_error("Query", error)))
    }

    async fn state(&self, shard: &str) -> PortResult<Option<ShardState>> {
        let head = self.range(shard, HEAD.to_owned(), HEAD.to_owned());
        let log = self.range(shard, LOG.to_owned(), format!("{LOG}{END}")).scan_index_forward(false);
        let (head, log) = tokio::try_join!(
            self.some(head, 1),
            self.some(log, usize::try_from(LEDGER_COMMITS).unwrap_or(usize::MAX))
        )?;
        read_state(head.first(), &log)
    }

    fn actions(
        &self,
        shard: &str,
        state: &ShardState,
        commit: &Commit<'_>,
    ) -> Result<Vec<TransactWriteItem>, BuildError> {
        let write = ShardCommit { shard, state, commit, now: Timestamp::now() };
        let mut actions = vec![
            TransactWriteItem::builder().update(self.move_head(write)?).build(),
            TransactWriteItem::builder().put(self.write_log(write)?).build(),
        ];
        self.add_rows(shard, &commit.rows, &mut actions)?;
        Ok(actions)
    }

    /// This condition alone makes a repetition harmless, at any time: the token that the SDK gives a transaction ends after
    /// ten minutes, and another process does not know it.
    fn move_head(&self, write: ShardCommit<'_>) -> Result<Update, BuildError> {
        let ShardCommit { shard, state, commit, now } = write;
        let update = Update::builder().table_name(&self.table);
        let update = update
            .key("pk", s(shard_key(shard)))
            .key("sk", s(HEAD))
            .update_expression("SET #position = :position, #commits = :commits, #at = :at")
            .expression_attribute_names("#position", "position")
            .expression_attribute_names("#commits", "commits")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":position", s(commit.head.to_string()))
            .expression_attribute_values(":commits", n(state.commits + 1))
            .expression_attribute_values(":at", n(now.as_second()));
        expect(update, state.head.as_ref()).build()
    }

    fn write_log(&self, write: ShardCommit<'_>) -> Result<Put, BuildError> {
        let ShardCommit { shard, state, commit, now } = write;
        let mut item = item([
            ("pk", s(shard_key(shard))),
            ("sk", s(log_key(&commit.head))),
            ("n", n(state.commits)),
            ("first", s(commit.first.to_string())),
            ("last", s(commit.head.to_string())),
            ("ids", AttributeValue::B(Blob::new(ids_to_bytes(&commit.ids)))),
            ("ttl", n(now.as_second() + LOG_KEPT.as_secs())),
        ]);
        // Nothing is written of none: an item is billed by its length.
        if !commit.unexposed.is_empty() {
            let bytes = unexposed_to_bytes(&commit.unexposed);
            item.insert("unexposed".to_owned(), AttributeValue::B(Blob::new(bytes)));
        }
        Put::builder().table_name(&self.table).set_item(Some(item)).build()
    }

    /// Moves the guard of a record, under the condition that it is where it was read: as the head of a shard, but of one record.
    fn move_guard(&self, shard: &str, guard: &Guard) -> Result<Update, BuildError> {
        let update = Update::builder().table_name(&self.table);
        let update = update
            .key("pk", s(shard_key(shard)))
            .key("sk", s(guard_key(&guard.after.whole())))
            .expression_attribute_names("#position", "position")
            .expression_attribute_values(":position", s(guard.after.to_string()));
        let update = match guard.id {
            None => update.update_expression("SET #position = :position"),
            Some(id) => update
                .update_expression("SET #position = :position, #id = :id")
                .expression_attribute_names("#id", "id")
                .expression_attribute_values(":id", n(id)),
        };
        expect(update, guard.before.as_ref()).build()
    }

    fn add_rows(
        &self,
        shard: &str,
        rows: &[Additions<'_>],
        actions: &mut Vec<TransactWriteItem>,
    ) -> Result<(), BuildError> {
        for row in rows.iter().filter(|row| !row.counters.is_empty()) {
            actions.push(TransactWriteItem::builder().update(self.add(shard, row)?).build());
        }
        Ok(())
    }

    /// Names and values of an expression are placeholders, since a counter's name may hold anything.
    fn add(&self, shard: &str, row: &Additions<'_>) -> Result<Update, BuildError> {
        let (partition, sort) = keys::row(&row.row, shard);
        let places: Vec<String> = (0..row.counters.len()).map(|place| format!("#{place} :{place}")).collect();
        let mut update = Update::builder()
            .table_name(&self.table)
            .key("pk", s(partition))
            .key("sk", s(sort))
            .update_expression(format!("ADD {}", places.join(",")));
        for (place, (counter, amount)) in row.counters.iter().enumerate() {
            update = update
                .expression_attribute_names(format!("#{place}"), keys::counter(counter))
                .expression_attribute_values(format!(":{place}"), n(*amount));
        }
        update.build()
    }

    async fn write(&self, actions: Result<Vec<TransactWriteItem>, BuildError>) -> PortResult<Committed> {
        let actions = actions.map_err(PortError::permanent)?;
        Ok(match transact(&self.client, actions).await.map_err(|error| self.at(error))? {
            TransactionOutcome::Done => Committed::Done,
            TransactionOutcome::Refused => Committed::Moved,
        })
    }
}

impl MetricStore for DynamoMetrics {
    fn limits(&self) -> TransactionLimits {
        TRANSACTION_LIMITS
    }

    async fn shard(&self, shard: &str) -> PortResult<ShardState> {
        for round in 1..=ROUNDS {
            if let Some(state) = self.state(shard).await? {
                return Ok(state);
            }
            pause(round).await;
        }
        Err(self.at(PortError::transient("Query: the commit log lacks the latest commit")))
    }

    async fn marks(&self, keys: &[MarkKey<'_>]) -> PortResult<Vec<Option<Mark>>> {
        self.marks.get(keys).await
    }

    async fn put_marks(&self, marks: &[(MarkKey<'_>, Mark)]) -> PortResult<Vec<MarkPut>> {
        self.marks.put(marks).await
    }

    async fn commit(&self, shard: &str, state: &ShardState, commit: &Commit<'_>) -> PortResult<Committed> {
        self.write(self.actions(shard, state, commit)).await
    }

    async fn log(&self, shard: &str, from: &Position, to: &Position) -> PortResult<Vec<LogEntry>> {
        let before = self.range(shard, LOG.to_owned(), log_key(from)).scan_index_forward(false);
        let during = self.range(shard, log_key(from), log_key(to));
        let after = self.range(shard, log_key(to), format!("{LOG}{END}"));
        let (before, during, after) =
            tokio::try_join!(self.some(before, 2), self.all(during), self.some(after, 1))?;
        let mut entries: Vec<LogEntry> =
            before.iter().chain(&during).chain(&after).map(read_entry).collect::<Result<_, _>>()?;
        // The queries meet at their ends.
        entries.sort_unstable_by_key(|entry| entry.number);
        entries.dedup();
        let before = entries.partition_point(|entry| entry.last < *from);
        entries.drain(..before.saturating_sub(1));
        Ok(entries)
    }

    async fn redriven(&self, shard: &str, from: &Position, to: &Position) -> PortResult<Vec<RedrivenRecord>> {
        let before = self.range(shard, REDRIVEN.to_owned(), guard_key(from)).scan_index_forward(false);
        let during = self.range(shard, guard_key(from), guard_key(to));
        let after = self.range(shard, guard_key(to), format!("{REDRIVEN}{END}"));
        // Both may have one that is between as well.
        let around = REDRIVEN_AROUND + 1;
        let (before, during, after) =
            tokio::try_join!(self.some(before, around), self.all(during), self.some(after, around))?;
        before.iter().chain(&during).chain(&after).map(read_redriven).collect()
    }

    async fn redrive(&self, shard: &str, guards: &[Guard], rows: &[Additions<'_>]) -> PortResult<Committed> {
        let actions = || {
            let guards = guards.iter().map(|guard| self.move_guard(shard, guard));
            let guards = guards.map(|update| Ok(TransactWriteItem::builder().update(update?).build()));
            let mut actions = guards.collect::<Result<Vec<_>, BuildError>>()?;
            self.add_rows(shard, rows, &mut actions)?;
            Ok(actions)
        };
        self.write(actions()).await
    }

    async fn rows(&self, of: RowsOf<'_>) -> PortResult<Vec<StoredRow>> {
        let mut rows = Vec::new();
        for item in self.all(self.query(&keys::partition(of))).await? {
            let sort = text(&item, "sk")?;
            let Some((row, shard)) = keys::read_row(of, &sort) else { continue };
            let counters = item.keys().filter_map(|name| Some((name, keys::read_counter(name)?)));
            let counters = counters.map(|(name, counter)| Ok((counter, number(&item, name)?)));
            let counters = counters.collect::<PortResult<_>>()?;
            rows.push(StoredRow { row, shard: shard.to_owned(), counters });
        }
        Ok(rows)
    }
}

/// The state by the head and the latest entries of the log. Two queries are not a snapshot: they may see the head of a transaction and
/// not yet its entry, and who counted by that could count an event twice; then it is `None`.
fn read_state(head: Option<&DynamoItem>, log: &[DynamoItem]) -> PortResult<Option<ShardState>> {
    let Some(head) = head else { return Ok(log.is_empty().then(ShardState::default)) };
    let commits = number(head, "commits")?;
    let (mut ledger, mut unexposed) = (Vec::new(), Vec::new());
    for entry in log {
        ledger.extend(ids_from_bytes(bytes(entry, "ids")?));
        if entry.contains_key("unexposed") {
            unexposed.extend(unexposed_from_bytes(bytes(entry, "unexposed")?));
        }
    }
    let latest = log.first().map(|entry| number::<u64>(entry, "n")).transpose()?;
    // More than the head says is well: the log is younger then, and a commit from this head will be refused.
    let is_whole = latest.map_or(0, |n| n + 1) >= commits || is_forgotten(head)?;
    Ok(is_whole.then_some(ShardState {
        head: Some(parsed(head, "position", "a place in a shard")?),
        commits,
        ledger,
        unexposed,
    }))
}

/// True if the entry of the latest commit may be deleted: it is as old as entries become, or was written before there was a log.
fn is_forgotten(head: &DynamoItem) -> PortResult<bool> {
    if !head.contains_key("at") {
        return Ok(true);
    }
    let age = Timestamp::now().as_second() - number::<i64>(head, "at")?;
    // With a day for clocks.
    Ok(age > LOG_KEPT.as_secs() - 86_400)
}

fn read_entry(item: &DynamoItem) -> PortResult<LogEntry> {
    let position = |name| parsed(item, name, "a place in a shard");
    Ok(LogEntry { number: number(item, "n")?, first: position("first")?, last: position("last")? })
}

fn read_redriven(item: &DynamoItem) -> PortResult<RedrivenRecord> {
    let id = item.contains_key("id").then(|| number(item, "id")).transpose()?;
    Ok(RedrivenRecord { reached: parsed(item, "position", "a place in a shard")?, id })
}

/// The condition that a position is where it was read.
fn expect(update: UpdateBuilder, position: Option<&Position>) -> UpdateBuilder {
    match position {
        None => update.condition_expression("attribute_not_exists(#position)"),
        Some(position) => update
            .condition_expression("#position = :expected")
            .expression_attribute_values(":expected", s(position.to_string())),
    }
}

fn shard_key(shard: &str) -> String {
    format!("shard#{shard}")
}

fn log_key(last: &Position) -> String {
    format!("{LOG}{}", keys::position(last))
}

fn guard_key(position: &Position) -> String {
    format!("{REDRIVEN}{}", keys::position(position))
}
