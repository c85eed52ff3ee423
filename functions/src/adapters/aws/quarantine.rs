//! Records that can never be processed, in the table of counts.
//!
//! | pk | sk | what |
//! |---|---|---|
//! | `quarantine#{day}` | `{arrival, ms}#{id}#{chunk, 5 digits}` | `data`: a chunk of the record; the first also says what the record is |
//!
//! The arrival in the key lets the newest be read without all others of the day.

use super::dynamo::{DynamoItem, bytes, item, misread, n, number, s, table, text, unreadable};
use super::error::port_error;
use crate::ports::{CHUNK_BYTES, PortError, PortResult, Quarantine, Quarantined};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The number of records that are put at once.
const PUTS: usize = 8;
/// The most items that a page is asked for.
const PAGE: usize = 1000;
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The [`Quarantine`] of a table.
#[derive(Debug, Clone)]
pub struct DynamoQuarantine {
    client: Client,
    table: String,
}

impl DynamoQuarantine {
    /// Uses the table of counts through a client.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    fn at(&self, error: PortError) -> PortError {
        error.at(table(&self.client, &self.table))
    }

    /// Puts a record, its first chunk last: a record that has one is whole.
    async fn put_one(&self, record: &Quarantined) -> PortResult<()> {
        let first = record.data.get(..CHUNK_BYTES).unwrap_or(&record.data);
        let others = record.data.get(CHUNK_BYTES..).unwrap_or_default().chunks(CHUNK_BYTES);
        let others: Vec<_> = (1_usize..).zip(others).collect();
        for (index, chunk) in others.iter().rev() {
            self.put_item(chunk_item(record, *index, chunk)).await?;
        }
        let mut item = chunk_item(record, 0, first);
        item.extend([
            ("id".to_owned(), s(&record.id)),
            ("reason".to_owned(), s(&record.reason)),
            ("detail".to_owned(), s(&record.detail)),
            ("arrived".to_owned(), n(record.arrived.as_millisecond())),
            ("chunks".to_owned(), n(others.len() + 1)),
        ]);
        self.put_item(item).await
    }

    async fn put_item(&self, item: DynamoItem) -> PortResult<()> {
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        Box::pin(request.send()).await.map(|_| ()).map_err(|error| port_error("PutItem", error))
    }

    /// The items of a day, the newest first.
    fn of_day(&self, day: Timestamp) -> QueryFluentBuilder {
        let request = self.client.query().table_name(&self.table).consistent_read(true);
        request
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", s(day_key(day)))
            .scan_index_forward(false)
    }

    /// Adds the records of a day to those that are found, the newest first, until there are enough.
    async fn read_day(&self, day: Timestamp, limit: usize, found: &mut QuarantinePage) -> PortResult<()> {
        let page = i32::try_from(limit.clamp(1, PAGE)).map_err(PortError::permanent)?;
        let mut items = self.of_day(day).limit(page).into_paginator().items().send();
        let mut chunks = Vec::new();
        while found.records.len() < limit {
            let Some(item) = items.next().await else { break };
            let item = item.map_err(|error| port_error("Query", error))?;
            chunks.push(bytes(&item, "data")?.to_vec());
            if item.contains_key("id") {
                found.add(read(&item, std::mem::take(&mut chunks))?);
            }
        }
        Ok(())
    }

    /// The ids and reasons of a day's records, each as it came at the latest.
    async fn count_day(
        &self,
        day: Timestamp,
        since: Timestamp,
        counted: &mut HashMap<String, String>,
    ) -> PortResult<()> {
        let request = self.of_day(day).filter_expression("arrived >= :since");
        let request = request
            .expression_attribute_values(":since", n(since.as_millisecond()))
            .projection_expression("id, reason");
        let mut items = request.into_paginator().items().send();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| port_error("Query", error))?;
            counted.entry(text(&item, "id")?).or_insert(text(&item, "reason")?);
        }
        Ok(())
    }
}

impl Quarantine for DynamoQuarantine {
    async fn put(&self, records: &[Quarantined]) -> PortResult<()> {
        let puts: Vec<_> = records.iter().map(|record| self.put_one(record)).collect();
        stream::iter(puts).buffer_unordered(PUTS).try_collect().await.map_err(|error| self.at(error))
    }

    async fn list(&self, since: Timestamp, limit: usize) -> PortResult<Vec<Quarantined>> {
        let mut found = QuarantinePage::default();
        for day in days(since) {
            if found.records.len() >= limit {
                break;
            }
            self.read_day(day, limit, &mut found).await.map_err(|error| self.at(error))?;
        }
        found.records.retain(|record| record.arrived >= since);
        Ok(found.records)
    }

    async fn count(&self, since: Timestamp) -> PortResult<BTreeMap<String, u64>> {
        let mut counted = HashMap::new();
        for day in days(since) {
            self.count_day(day, since, &mut counted).await.map_err(|error| self.at(error))?;
        }
        let mut reasons = BTreeMap::new();
        for reason in counted.into_values() {
            *reasons.entry(reason).or_default() += 1;
        }
        Ok(reasons)
    }

    async fn remove(&self, record: &Quarantined) -> PortResult<()> {
        // The first chunk first: what is left if this ends half-way is no record, and hides none.
        for index in 0..record.data.len().div_ceil(CHUNK_BYTES).max(1) {
            let key = chunk_item(record, index, &[]);
            let request = self.client.delete_item().table_name(&self.table);
            let request = request.set_key(Some(key.into_iter().filter(|(name, _)| name != "data").collect()));
            let deleted = Box::pin(request.send()).await;
            deleted.map_err(|error| self.at(port_error("DeleteItem", error)))?;
        }
        Ok(())
    }
}

/// The days since a time, the newest first: from tomorrow on, since the clock of the stream may be before ours.
fn days(since: Timestamp) -> impl Iterator<Item = Timestamp> {
    let newest = Timestamp::now() + DAY;
    let ago = move |days: i32| newest.checked_sub(DAY * days).ok();
    (0..).map_while(ago).take_while(move |day| day_of(*day) >= day_of(since))
}

#[derive(Default)]
struct QuarantinePage {
    records: Vec<Quarantined>,
    ids: HashSet<String>,
}

impl QuarantinePage {
    /// A record that came again at another time counts once, at the latest.
    fn add(&mut self, record: Quarantined) {
        if self.ids.insert(record.id.clone()) {
            self.records.push(record);
        }
    }
}

fn day_of(time: Timestamp) -> Date {
    Offset::UTC.to_datetime(time).date()
}

fn day_key(time: Timestamp) -> String {
    format!("quarantine#{}", day_of(time))
}

fn chunk_item(record: &Quarantined, index: usize, chunk: &[u8]) -> DynamoItem {
    let arrived = record.arrived.as_millisecond();
    item([
        ("pk", s(day_key(record.arrived))),
        ("sk", s(format!("{arrived:015}#{}#{index:05}", record.id))),
        ("data", AttributeValue::B(Blob::new(chunk))),
    ])
}

/// Reads a record from the item of its first chunk and the chunks that came up to it, the last one first.
fn read(item: &DynamoItem, mut chunks: Vec<Vec<u8>>) -> PortResult<Quarantined> {
    // What lies before them was left by one who did not come to the first chunk.
    let start = chunks.len().checked_sub(number(item, "chunks")?);
    let mut chunks = chunks.split_off(start.ok_or_else(|| unreadable("chunks", "as many as there are"))?);
    chunks.reverse();
    let arrived = Timestamp::from_millisecond(number(item, "arrived")?);
    Ok(Quarantined {
        id: text(item, "id")?,
        reason: text(item, "reason")?,
        detail: text(item, "detail")?,
        arrived: arrived.map_err(|error| misread("arrived", "a time", error))?,
        data: chunks.concat(),
    })
}
