//! Records that can never be processed, in the table of counts.
//!
//! | pk | sk | what |
//! |---|---|---|
//! | `quarantine#{day}` | `{arrival, ms}#{id}#{chunk, 5 digits}` | `data`: a chunk of the record; the first also says what the record is |
//!
//! The arrival in the key lets the newest be read without all others of the day.

use super::dynamo::{Item, bytes, item, n, number, s, text, unreadable};
use super::error::port_error;
use crate::ports::{CHUNK_BYTES, PortError, Quarantine, Quarantined};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;

/// How many records are put at once.
const PUTS: usize = 8;
/// How many days are looked through, today included; older records stay where they are.
const DAYS: i64 = 31;
/// The most items that a page is asked for.
const PAGE: usize = 1000;

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

    /// Puts a record, its first chunk last: a record that has one is whole.
    async fn put_one(&self, record: &Quarantined) -> Result<(), PortError> {
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

    async fn put_item(&self, item: Item) -> Result<(), PortError> {
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        Box::pin(request.send()).await.map(|_| ()).map_err(|error| port_error("PutItem", error))
    }

    /// Adds the records of a day to those that are found, the newest first, until there are enough.
    async fn read_day(&self, day: Timestamp, limit: usize, found: &mut Found) -> Result<(), PortError> {
        let request = self.client.query().table_name(&self.table).consistent_read(true);
        let request = request
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", s(day_key(day)))
            .scan_index_forward(false)
            .limit(i32::try_from(limit.clamp(1, PAGE)).map_err(PortError::permanent)?);
        let mut items = request.into_paginator().items().send();
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
}

impl Quarantine for DynamoQuarantine {
    async fn put(&self, records: &[Quarantined]) -> Result<(), PortError> {
        let puts: Vec<_> = records.iter().map(|record| self.put_one(record)).collect();
        stream::iter(puts).buffer_unordered(PUTS).try_collect().await
    }

    async fn list(&self, limit: usize) -> Result<Vec<Quarantined>, PortError> {
        let mut found = Found::default();
        // From tomorrow on, since the clock of the stream may be before ours.
        for ago in -1..DAYS {
            let day = Timestamp::now().checked_sub(SignedDuration::from_hours(24 * ago));
            self.read_day(day.map_err(PortError::permanent)?, limit, &mut found).await?;
        }
        Ok(found.records)
    }
}

#[derive(Default)]
struct Found {
    records: Vec<Quarantined>,
    ids: HashSet<String>,
}

impl Found {
    /// A record that came again at another time counts once, at the latest.
    fn add(&mut self, record: Quarantined) {
        if self.ids.insert(record.id.clone()) {
            self.records.push(record);
        }
    }
}

fn day_key(time: Timestamp) -> String {
    format!("quarantine#{}", Offset::UTC.to_datetime(time).date())
}

fn chunk_item(record: &Quarantined, index: usize, chunk: &[u8]) -> Item {
    let arrived = record.arrived.as_millisecond();
    item([
        ("pk", s(day_key(record.arrived))),
        ("sk", s(format!("{arrived:015}#{}#{index:05}", record.id))),
        ("data", AttributeValue::B(Blob::new(chunk))),
    ])
}

/// Reads a record from the item of its first chunk and the chunks that came up to it, the last one first.
fn read(item: &Item, mut chunks: Vec<Vec<u8>>) -> Result<Quarantined, PortError> {
    // What lies before them was left by one who did not come to the first chunk.
    let start = chunks.len().checked_sub(number(item, "chunks")?);
    let mut chunks = chunks.split_off(start.ok_or_else(|| unreadable("chunks", "as many as there are"))?);
    chunks.reverse();
    let arrived = Timestamp::from_millisecond(number(item, "arrived")?);
    Ok(Quarantined {
        id: text(item, "id")?,
        reason: text(item, "reason")?,
        detail: text(item, "detail")?,
        arrived: arrived.map_err(|_| unreadable("arrived", "a time"))?,
        data: chunks.concat(),
    })
}
