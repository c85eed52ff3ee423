//! Marks in DynamoDB: one item each, under the unit and what the mark is about.

use super::backoff::{ROUNDS, pause};
use super::dynamo::{Conditional, DynamoItem, item, misread, n, number, parsed, put_if, s, table, text};
use super::error::port_error;
use crate::adapters::keys;
use crate::ports::{LOG_KEPT, MarkPut, PortError, PortResult};
use abx_core::event::{ID_WINDOW, Mark, MarkKey, Owner};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap};

/// The largest number of keys in a batch get.
const CALL_KEYS: usize = 100;
/// The number of batch gets that run at once: those of a batch of 500 events that three experiments measure.
const GETS: usize = 20;
/// The number of marks that are put at once: each is a call, because a batch write takes no conditions.
const PUTS: usize = 128;
/// The lifetime of a mark after its first time, in seconds: no experiment runs for 400 days.
const KEPT: i64 = 400 * 86_400;
/// The lifetime of the mark of an id: as far back as a redrive reaches, whose records came within a day of their repetitions.
const ID_KEPT: i64 = LOG_KEPT.as_secs();

/// The unit, and what the mark is about.
type MarkAddress = (String, String);

/// The table of marks.
#[derive(Debug, Clone)]
pub(super) struct DynamoMarks {
    pub client: Client,
    pub table: String,
}

impl DynamoMarks {
    fn at(&self, error: PortError) -> PortError {
        error.at(table(&self.client, &self.table))
    }

    /// The marks under these keys, in their order.
    pub(super) async fn get(&self, keys: &[MarkKey<'_>]) -> PortResult<Vec<Option<Mark>>> {
        let places: Vec<MarkAddress> = keys.iter().map(place).collect();
        // A batch get refuses a key that it is given twice.
        let unique: Vec<&MarkAddress> = places.iter().collect::<BTreeSet<_>>().into_iter().collect();
        let gets: Vec<_> = unique.chunks(CALL_KEYS).map(|places| self.get_some(places)).collect();
        let found: Vec<_> =
            stream::iter(gets).buffer_unordered(GETS).try_collect().await.map_err(|error| self.at(error))?;
        let found: HashMap<MarkAddress, Mark> = found.into_iter().flatten().collect();
        Ok(places.iter().map(|place| found.get(place).cloned()).collect())
    }

    /// The marks at places, as many as one call takes. The service may answer for any part of them, and is asked for the
    /// rest until there is none, or until it did nothing several times in a row.
    async fn get_some(&self, places: &[&MarkAddress]) -> PortResult<Vec<(MarkAddress, Mark)>> {
        let (mut pending, mut in_vain, mut found) = (all_of(places)?, 0, Vec::new());
        loop {
            let asked = pending.keys().len();
            let (items, rest) = self.call(pending).await?;
            for item in &items {
                found.push(((text(item, "unit")?, text(item, "sk")?), read(item)?));
            }
            let Some(rest) = rest else { return Ok(found) };
            in_vain = if rest.keys().len() < asked { 0 } else { in_vain + 1 };
            if in_vain == ROUNDS {
                return Err(PortError::transient("BatchGetItem: keys stay unprocessed"));
            }
            pause(in_vain).await;
            pending = rest;
        }
    }

    /// One call: what was found, and what was not looked for.
    async fn call(
        &self,
        keys: KeysAndAttributes,
    ) -> PortResult<(Vec<DynamoItem>, Option<KeysAndAttributes>)> {
        let request = self.client.batch_get_item().request_items(&self.table, keys);
        let answer = Box::pin(request.send()).await.map_err(|error| port_error("BatchGetItem", error))?;
        let BatchGetItemOutput { responses, unprocessed_keys, .. } = answer;
        let rest = unprocessed_keys.and_then(|mut tables| tables.remove(&self.table));
        let rest = rest.filter(|rest| !rest.keys().is_empty());
        match responses.map(|mut tables| tables.remove(&self.table).unwrap_or_default()) {
            // Nothing at all must not read as "no such mark".
            None if rest.is_none() => Err(PortError::transient("BatchGetItem: the answer cannot be read")),
            items => Ok((items.unwrap_or_default(), rest)),
        }
    }

    /// Puts marks; one answer for each, in their order.
    pub(super) async fn put(&self, marks: &[(MarkKey<'_>, Mark)]) -> PortResult<Vec<MarkPut>> {
        let puts = marks.iter().zip(0..).map(|((key, mark), number)| {
            let put = self.put_one(key, mark);
            async move { put.await.map(|put: MarkPut| (number, put)) }
        });
        let puts: Vec<_> = puts.collect();
        // Not in their order: a slow one would hold up those that could begin after the ones behind it.
        let puts = stream::iter(puts).buffer_unordered(PUTS).try_collect().await;
        let mut done: Vec<(usize, _)> = puts.map_err(|error| self.at(error))?;
        done.sort_unstable_by_key(|(number, _)| *number);
        Ok(done.into_iter().map(|(_, put)| put).collect())
    }

    async fn put_one(&self, key: &MarkKey<'_>, mark: &Mark) -> PortResult<MarkPut> {
        let request = self.client.put_item().table_name(&self.table);
        let request = request.set_item(Some(write(key, mark)));
        let request = if key.is_of_id() {
            let ended = mark.at.as_millisecond() - ID_WINDOW.as_secs() * 1000;
            request
                .condition_expression("attribute_not_exists(#unit) OR #at <= :ended")
                .expression_attribute_names("#at", "at")
                .expression_attribute_values(":ended", n(ended))
        } else {
            request.condition_expression("attribute_not_exists(#unit)")
        };
        match put_if(request.expression_attribute_names("#unit", "unit")).await? {
            Conditional::Done => Ok(MarkPut::First),
            Conditional::Refused(None) => {
                Err(PortError::permanent("PutItem was refused without the item that is there"))
            }
            // The same owner: an earlier delivery of the record, or an attempt whose answer was lost.
            Conditional::Refused(Some(there)) => match read(&there)? {
                there if there.owner == mark.owner => Ok(MarkPut::First),
                there => Ok(MarkPut::Existing(there)),
            },
        }
    }
}

fn place(key: &MarkKey<'_>) -> MarkAddress {
    (key.unit.to_string(), keys::mark(&key.subject))
}

fn all_of(places: &[&MarkAddress]) -> PortResult<KeysAndAttributes> {
    let keys = places.iter().map(|(unit, about)| item([("unit", s(unit)), ("sk", s(about))])).collect();
    let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
    keys.build().map_err(PortError::permanent)
}

fn write(key: &MarkKey<'_>, mark: &Mark) -> DynamoItem {
    let (unit, about) = place(key);
    let kept = if key.is_of_id() { ID_KEPT } else { KEPT };
    item([
        ("unit", s(unit)),
        ("sk", s(about)),
        ("variant", s(&*mark.variant)),
        ("at", n(mark.at.as_millisecond())),
        ("shard", s(&*mark.owner.shard)),
        ("position", s(mark.owner.position.to_string())),
        ("ttl", n(mark.at.as_second().saturating_add(kept))),
    ])
}

fn read(item: &DynamoItem) -> PortResult<Mark> {
    let at = Timestamp::from_millisecond(number(item, "at")?);
    Ok(Mark {
        variant: text(item, "variant")?.into(),
        at: at.map_err(|error| misread("at", "a time", error))?,
        owner: Owner {
            shard: text(item, "shard")?.into(),
            position: parsed(item, "position", "a place in a shard")?,
        },
    })
}
