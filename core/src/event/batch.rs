//! A batch, as Lambda hands it over: each record is read by itself, whatever its neighbours are.

use super::data::Text;
use super::kpl;
use super::{EventData, NotAPosition, Position, Rejection, RejectionReason as Reason, Sequence};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A batch, by shard. Lambda's batches are of one shard; those that are replayed may be of several.
#[derive(Debug, Default)]
pub struct Batch {
    /// The records of each shard, in the order of their positions, each once.
    pub shards: Vec<ShardBatch>,
    /// Records that cannot be told a place, so that nobody can ask for them again.
    pub unplaced: Vec<Unplaced>,
}

/// Records of one shard.
#[derive(Debug)]
pub struct ShardBatch {
    /// The stream and the shard, as `events/shardId-000000000001`: ids of shards are unique in a stream only.
    pub shard: String,
    /// What was in the records.
    pub payloads: Vec<Payload>,
}

/// One event as delivered: a record, or one of the records in a record of the Kinesis Producer Library.
#[derive(Debug)]
pub struct Payload {
    /// Where it stands.
    pub position: Position,
    /// When it came to the stream.
    pub arrived: Timestamp,
    /// Its bytes, or why there are none.
    pub data: Result<Vec<u8>, Rejection>,
}

/// A record without a place.
#[derive(Debug)]
pub struct Unplaced {
    /// The record as it was handed over: JSON.
    pub raw: String,
    /// What is wrong with it.
    pub rejection: Rejection,
}

/// A payload that is no batch of Kinesis.
#[derive(Debug)]
pub struct NotABatch(serde_json::Error);

impl fmt::Display for NotABatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this is no batch of Kinesis, which is {{\"Records\": [...]}}: {}", self.0)
    }
}

impl std::error::Error for NotABatch {}

#[derive(Deserialize)]
struct WrittenBatch<'a> {
    #[serde(borrow, rename = "Records")]
    records: Vec<WrittenRecord<'a>>,
}

#[derive(Deserialize)]
struct RawBatch<'a> {
    #[serde(borrow, rename = "Records")]
    records: Vec<&'a RawValue>,
}

/// Only what is needed: an unknown `encryptionType` is nobody's reason to refuse a batch.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenRecord<'a> {
    #[serde(borrow)]
    kinesis: WrittenKinesis<'a>,
    #[serde(borrow, rename = "eventID")]
    event_id: Text<'a>,
    #[serde(borrow, rename = "eventSourceARN")]
    event_source_arn: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenKinesis<'a> {
    #[serde(borrow)]
    sequence_number: Text<'a>,
    #[serde(borrow)]
    data: Text<'a>,
    approximate_arrival_timestamp: f64,
}

/// A record's fields, each as far as it can be read.
struct Fields<'a> {
    sequence: Option<&'a str>,
    event_id: Option<&'a str>,
    arn: Option<&'a str>,
    data: Option<&'a str>,
    arrived: Option<f64>,
}

impl Batch {
    /// Reads what Lambda hands over. `now` stands in for records that do not tell when they came.
    pub fn read(event: &[u8], now: Timestamp) -> Result<Self, NotABatch> {
        let mut batch = Self::default();
        // Reading all at once is twice as fast, and what nearly every batch allows.
        if let Ok(written) = serde_json::from_slice::<WrittenBatch<'_>>(event) {
            for record in &written.records {
                batch.take(&record.fields(), now, || "{}".to_owned());
            }
        }
        let unread = batch.shards.is_empty() || !batch.unplaced.is_empty();
        if unread {
            batch = Self::default();
            let raw: RawBatch<'_> = serde_json::from_slice(event).map_err(NotABatch)?;
            for record in raw.records {
                let value: Value = serde_json::from_str(record.get()).unwrap_or_default();
                batch.take(&fields(&value), now, || record.get().to_owned());
            }
        }
        for shard in &mut batch.shards {
            shard.payloads.sort_by(|a, b| a.position.cmp(&b.position));
            shard.payloads.dedup_by(|a, b| a.position == b.position);
        }
        Ok(batch)
    }

    fn take(&mut self, fields: &Fields<'_>, now: Timestamp, raw: impl FnOnce() -> String) {
        let (shard, sequence) = match (fields.shard(), fields.sequence()) {
            (Some(shard), Ok(sequence)) => (shard, sequence),
            (shard, sequence) => {
                let what = if shard.is_none() { "shard" } else { "sequence number" };
                let detail = sequence.err().filter(|_| shard.is_some()).map(|error| format!(": {error}"));
                let detail = format!("the record has no usable {what}{}", detail.unwrap_or_default());
                let rejection = Rejection::new(Reason::NoPosition, detail);
                return self.unplaced.push(Unplaced { raw: raw(), rejection });
            }
        };
        let arrived = fields.arrived.and_then(arrival).unwrap_or(now);
        let payloads = self.payloads_of(shard);
        let mut push = |sub, data| {
            let position = Position { sequence: sequence.clone(), sub };
            payloads.push(Payload { position, arrived, data });
        };
        match fields.decode() {
            Err(rejection) => push(0, Err(rejection)),
            Ok(data) => match kpl::open(&data) {
                None => push(0, Ok(data)),
                Some(events) => {
                    for (sub, event) in (0..).zip(events) {
                        push(sub, Ok(event));
                    }
                }
            },
        }
    }

    fn payloads_of(&mut self, (stream, shard): (&str, &str)) -> &mut Vec<Payload> {
        let is_it = |it: &ShardBatch| {
            it.shard.strip_prefix(stream).and_then(|rest| rest.strip_prefix('/')) == Some(shard)
        };
        let at = self.shards.iter().position(is_it).unwrap_or(self.shards.len());
        if at == self.shards.len() {
            self.shards.push(ShardBatch { shard: format!("{stream}/{shard}"), payloads: Vec::new() });
        }
        let [.., last] = &mut self.shards[..] else { unreachable!() };
        &mut last.payloads
    }
}

impl WrittenRecord<'_> {
    fn fields(&self) -> Fields<'_> {
        Fields {
            sequence: Some(&self.kinesis.sequence_number.0),
            event_id: Some(&self.event_id.0),
            arn: Some(&self.event_source_arn.0),
            data: Some(&self.kinesis.data.0),
            arrived: Some(self.kinesis.approximate_arrival_timestamp),
        }
    }
}

fn fields(record: &Value) -> Fields<'_> {
    let kinesis = record.get("kinesis");
    let kinesis = |name: &str| kinesis.and_then(|it| it.get(name));
    Fields {
        sequence: kinesis("sequenceNumber").and_then(Value::as_str),
        event_id: record.get("eventID").and_then(Value::as_str),
        arn: record.get("eventSourceARN").and_then(Value::as_str),
        data: kinesis("data").and_then(Value::as_str),
        arrived: kinesis("approximateArrivalTimestamp").and_then(Value::as_f64),
    }
}

impl<'a> Fields<'a> {
    /// The stream and the shard: `arn:aws:kinesis:region:account:stream/NAME` and `shardId-…:SEQUENCE`.
    fn shard(&self) -> Option<(&'a str, &'a str)> {
        let stream = self.arn.and_then(|arn| arn.rsplit_once(":stream/")).map(|(_, name)| name);
        let shard = self.event_id?.rsplit_once(':')?.0;
        Some((stream?, shard)).filter(|(stream, shard)| !stream.is_empty() && !shard.is_empty())
    }

    fn sequence(&self) -> Result<Sequence, NotAPosition> {
        self.sequence.ok_or(NotAPosition)?.parse()
    }

    fn decode(&self) -> Result<Vec<u8>, Rejection> {
        let data = self.data.ok_or_else(|| Rejection::new(Reason::NotBase64, "the record has no data"))?;
        STANDARD.decode(data).map_err(|error| {
            // Its texts name one byte and a place.
            Rejection::new(Reason::NotBase64, error.to_string())
        })
    }
}

/// A time in seconds since 1970, which is how records tell it, to the millisecond.
#[expect(clippy::cast_possible_truncation, reason = "a float beyond saturates, and is then no time")]
fn arrival(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok()
}

impl Payload {
    /// The event, read and validated. A panic on the way is this record's, and nobody else's.
    pub fn event(&self) -> Result<EventData<'_>, Rejection> {
        self.event_by(EventData::read)
    }

    fn event_by<'a>(
        &'a self,
        read: impl FnOnce(&'a [u8]) -> Result<EventData<'a>, Rejection>,
    ) -> Result<EventData<'a>, Rejection> {
        let data = self.data.as_ref().map_err(Clone::clone)?;
        catch_unwind(AssertUnwindSafe(|| read(data))).unwrap_or_else(|_| {
            Err(Rejection::new(Reason::Panicked, "reading the event panicked, which is a bug of abx"))
        })
    }
}
