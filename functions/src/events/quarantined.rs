//! Records out of quarantine, as records of a shard.

use super::archived::identity;
use crate::ports::Quarantined;
use crate::sources;
use crate::telemetry::hashed;
use abx_core::event::{Batch, EventData, Payload, Record, RejectionReason, ShardBatch, ShardName};
use bytes::Bytes;
use jiff::Timestamp;
use std::sync::Arc;

/// The stream of quarantined records that have no place of their own. Each has a shard to itself there, or shares one with those
/// of the same event, and is its only record.
pub const REPLAYED_STREAM: &str = "quarantine";

/// A record out of quarantine, as records of a shard: where it stood, or in a shard of its own if it has no place.
#[must_use]
pub fn quarantined(record: &Quarantined) -> Option<ShardBatch> {
    let is_whole = record.reason == RejectionReason::NoPosition.as_str();
    let Some((shard, position)) = identity(&record.id).filter(|_| !is_whole) else {
        let data = data(record, is_whole);
        let own = shard(record, &data);
        let shard = ShardName { stream: REPLAYED_STREAM, shard: &own }.to_string();
        return read(&shard, "1", record.arrived, data);
    };
    let mut batch = read(shard, position.sequence.as_str(), record.arrived, record.data.clone())?;
    match &mut batch.payloads[..] {
        [payload] => payload.position = position,
        _ if position.sub == 0 => {}
        // Its neighbours have the places that its events would take.
        _ => {
            let (data, arrived) = (record.data.clone().into(), record.arrived);
            batch.payloads = vec![Payload { position, arrived, partition_key: None, data, rejection: None }];
        }
    }
    Some(batch)
}

fn read(shard: &str, sequence: &str, arrived: Timestamp, data: Vec<u8>) -> Option<ShardBatch> {
    let (data, sequence) = (Bytes::from(data), sequence.parse().ok()?);
    let content = sources::content(&data);
    let record = Record { shard: Arc::from(shard), sequence, arrived, partition_key: None, data, content };
    Batch::from_records([record]).shards.into_iter().next()
}

/// True for the shard of a quarantined record that has no place of its own: it is not a shard of any stream.
#[must_use]
pub fn has_no_place(shard: &str) -> bool {
    ShardName::read(shard).is_some_and(|it| it.stream == REPLAYED_STREAM)
}

/// The bytes of a record that has no place: it was kept whole, as JSON.
fn data(record: &Quarantined, is_whole: bool) -> Vec<u8> {
    let data = if is_whole { sources::data_of(&record.data) } else { None };
    data.unwrap_or_else(|| record.data.clone())
}

/// The shard of a record that has no place; the same whenever it is redriven.
fn shard(record: &Quarantined, data: &[u8]) -> String {
    let event = EventData::read(data).ok();
    match event.and_then(|event| event.identity()) {
        Some(id) => format!("event-{}", hashed(&id)),
        None => format!("record-{}", hashed(&record.id)),
    }
}
