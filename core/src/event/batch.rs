//! A batch, as Lambda hands it over: each record is read by itself, whatever its neighbours are.

use super::data::Text;
use super::{EventData, Item, NotAPosition, Position, Rejection, RejectionReason as Reason, Sequence, What};
use super::{kpl, unpack};
use base64::engine::Simd;
use base64::engine::general_purpose::PAD;
use base64::{Engine, decoded_len_estimate};
use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

/// Standard base64, by the instructions that the processor has.
static BASE64: LazyLock<Simd> = LazyLock::new(|| Simd::standard(PAD));

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
    /// How many more there were at places that others of them have: the same record, delivered twice in one batch.
    pub repeated: usize,
}

/// One event as delivered: a record, or one of the events in it.
#[derive(Debug, Clone)]
pub struct Payload {
    /// Where it stands.
    pub position: Position,
    /// When it came to the stream.
    pub arrived: Timestamp,
    /// The key that chose its shard; `None` where that is not known, as in an archive.
    pub partition_key: Option<Box<str>>,
    /// Its bytes; those of the base64 where that is none.
    pub data: Bytes,
    /// Why it can be no event, where that is known before it is read.
    pub rejection: Option<Rejection>,
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
pub enum NotABatch {
    /// It is not of this form.
    Form(serde_json::Error),
    /// It is the batch of another trigger, which would delete its messages if this were answered.
    Trigger(String),
}

impl fmt::Display for NotABatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(error) => {
                write!(f, "this is no batch of Kinesis, which is {{\"Records\": [...]}}: {error}")
            }
            Self::Trigger(source) => write!(
                f,
                "this is a batch of {source:?}, not of Kinesis: connect the function to the stream of events"
            ),
        }
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
    #[serde(borrow, default)]
    partition_key: Option<Text<'a>>,
    #[serde(borrow)]
    data: Text<'a>,
    approximate_arrival_timestamp: f64,
}

/// A record's fields, each as far as it can be read.
struct Fields<'a> {
    sequence: Option<&'a str>,
    partition_key: Option<&'a str>,
    event_id: Option<&'a str>,
    arn: Option<&'a str>,
    data: Option<&'a str>,
    arrived: Option<f64>,
}

impl Batch {
    /// Reads what Lambda hands over. `now` stands in for records that do not tell when they came.
    pub fn read(event: &[u8], now: Timestamp) -> Result<Self, NotABatch> {
        let (mut batch, mut buffer) = (Self::default(), BytesMut::new());
        // Reading all at once is twice as fast, and what nearly every batch allows.
        let text = std::str::from_utf8(event).ok();
        if let Some(Ok(written)) = text.map(serde_json::from_str::<WrittenBatch<'_>>) {
            // One buffer for all: to allocate one for each takes longer than to decode it.
            let lengths = written.records.iter().map(|record| record.kinesis.data.0.len());
            buffer.reserve(lengths.map(decoded_len_estimate).sum());
            for record in &written.records {
                batch.take(&record.fields(), &mut buffer, now, || "{}".to_owned());
            }
        }
        let unread = batch.shards.is_empty() || !batch.unplaced.is_empty();
        if unread {
            batch = Self::default();
            let raw: RawBatch<'_> = serde_json::from_slice(event).map_err(NotABatch::Form)?;
            for record in raw.records {
                let value: Value = serde_json::from_str(record.get()).unwrap_or_default();
                if let Some(source) = foreign_source(&value) {
                    return Err(NotABatch::Trigger(source));
                }
                batch.take(&fields(&value), &mut buffer, now, || record.get().to_owned());
            }
        }
        for shard in &mut batch.shards {
            shard.payloads.sort_by(|a, b| a.position.cmp(&b.position));
            let delivered = shard.payloads.len();
            shard.payloads.dedup_by(|a, b| a.position == b.position);
            shard.repeated = delivered - shard.payloads.len();
        }
        Ok(batch)
    }

    fn take(
        &mut self,
        fields: &Fields<'_>,
        buffer: &mut BytesMut,
        now: Timestamp,
        raw: impl FnOnce() -> String,
    ) {
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
        let undecoded = || Bytes::copy_from_slice(fields.data.unwrap_or_default().as_bytes());
        let own_key = fields.partition_key.filter(|key| !key.is_empty());
        let (data, events) = match fields.decode(buffer) {
            Ok(data) => (data.clone(), events_of(&data)),
            Err(rejection) => (undecoded(), Err(rejection)),
        };
        let payloads = self.payloads_of(shard);
        match events {
            Ok(events) => payloads.extend((0..).zip(events).map(|(sub, event)| {
                let position = Position { sub, ..Position::from(sequence.clone()) };
                let Found { partition_key, data, rejection } = event;
                let partition_key = partition_key.or_else(|| own_key.map(Into::into));
                Payload { position, arrived, partition_key, data, rejection }
            })),
            Err(rejection) => {
                payloads.push(Payload {
                    position: sequence.into(),
                    arrived,
                    partition_key: own_key.map(Into::into),
                    data,
                    rejection: Some(rejection),
                });
            }
        }
    }

    fn payloads_of(&mut self, (stream, shard): (&str, &str)) -> &mut Vec<Payload> {
        let is_it = |it: &ShardBatch| {
            it.shard.strip_prefix(stream).and_then(|rest| rest.strip_prefix('/')) == Some(shard)
        };
        let at = self.shards.iter().position(is_it).unwrap_or(self.shards.len());
        if at == self.shards.len() {
            let shard = format!("{stream}/{shard}");
            self.shards.push(ShardBatch { shard, payloads: Vec::new(), repeated: 0 });
        }
        let [.., last] = &mut self.shards[..] else { unreachable!() };
        &mut last.payloads
    }
}

/// An event in a record.
struct Found {
    /// That of the record in an aggregated one; `None` where the record's own holds.
    partition_key: Option<Box<str>>,
    data: Bytes,
    /// Why the bytes can be no event, where that is known already.
    rejection: Option<Rejection>,
}

/// The events of a record, whether the Kinesis Producer Library put them together, or their producer.
fn events_of(data: &Bytes) -> Result<Vec<Found>, Rejection> {
    let Some(records) = kpl::deaggregate(data) else {
        let found = |data| Found { partition_key: None, data, rejection: None };
        return unpack::unpack(data.clone()).map(|events| events.into_iter().map(found).collect());
    };
    let (keys, records): (Vec<_>, Vec<_>) =
        records.into_iter().map(|(key, data)| (key, Bytes::from(data))).unzip();
    let records = unpack::check(records)?;
    let found = keys.into_iter().zip(records).flat_map(|(key, record)| {
        let found = |data, rejection| Found { partition_key: key.clone(), data, rejection };
        match unpack::unpack(record.clone()) {
            Ok(events) => events.into_iter().map(|event| found(event, None)).collect(),
            Err(rejection) => vec![found(record, Some(rejection))],
        }
    });
    Ok(found.collect())
}

impl WrittenRecord<'_> {
    fn fields(&self) -> Fields<'_> {
        Fields {
            sequence: Some(&self.kinesis.sequence_number.0),
            partition_key: self.kinesis.partition_key.as_ref().map(|key| &*key.0),
            event_id: Some(&self.event_id.0),
            arn: Some(&self.event_source_arn.0),
            data: Some(&self.kinesis.data.0),
            arrived: Some(self.kinesis.approximate_arrival_timestamp),
        }
    }
}

/// The source of a record that is of another trigger than Kinesis. Batches are of one source, so the others are of it too.
fn foreign_source(record: &Value) -> Option<String> {
    // SNS writes it with a capital.
    let source = ["eventSource", "EventSource"].iter().find_map(|name| record.get(name)?.as_str())?;
    (source != "aws:kinesis" && record.get("kinesis").is_none()).then(|| source.chars().take(64).collect())
}

fn fields(record: &Value) -> Fields<'_> {
    let kinesis = record.get("kinesis");
    let kinesis = |name: &str| kinesis.and_then(|it| it.get(name));
    Fields {
        sequence: kinesis("sequenceNumber").and_then(Value::as_str),
        partition_key: kinesis("partitionKey").and_then(Value::as_str),
        event_id: record.get("eventID").and_then(Value::as_str),
        arn: record.get("eventSourceARN").and_then(Value::as_str),
        data: kinesis("data").and_then(Value::as_str),
        arrived: kinesis("approximateArrivalTimestamp").and_then(Value::as_f64),
    }
}

impl<'a> Fields<'a> {
    /// The stream and the shard: `arn:aws:kinesis:region:account:stream/NAME` and `shardId-…:SEQUENCE`.
    fn shard(&self) -> Option<(&'a str, &'a str)> {
        let (kind, stream) = self.arn?.split_once('/')?;
        let shard = self.event_id?.rsplit_once(':')?.0;
        let is_stream = kind.ends_with(":stream") && !stream.is_empty() && !shard.is_empty();
        is_stream.then_some((stream, shard))
    }

    fn sequence(&self) -> Result<Sequence, NotAPosition> {
        self.sequence.ok_or(NotAPosition)?.parse()
    }

    fn decode(&self, buffer: &mut BytesMut) -> Result<Bytes, Rejection> {
        let data = self.data.ok_or_else(|| Rejection::new(Reason::NotBase64, "the record has no data"))?;
        buffer.resize(decoded_len_estimate(data.len()), 0);
        let decoded = BASE64.decode_slice(data, buffer);
        // Its texts name one byte and a place.
        let length = decoded.map_err(|error| Rejection::new(Reason::NotBase64, error.to_string()))?;
        Ok(buffer.split_to(length).freeze())
    }
}

/// A time in seconds since 1970, which is how records tell it, to the millisecond.
#[expect(clippy::cast_possible_truncation, reason = "a float beyond saturates, and is then no time")]
fn arrival(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok()
}

impl ShardBatch {
    /// The items after a place in the shard, in their order. An event whose id `is_known` from before is a duplicate; of those with one
    /// id in the same batch, [`fold`](super::fold) decides.
    pub fn items(&self, after: Option<&Position>, is_known: impl Fn(u64) -> bool) -> Vec<Item<'_>> {
        let mut items = Vec::with_capacity(self.payloads.len());
        let left = self.payloads.iter().filter(|it| after.is_none_or(|after| it.position > *after));
        items.extend(left.map(|payload| {
            let what = match payload.event() {
                Err(rejection) => What::Rejected(rejection),
                Ok(event) => {
                    // Without an id nothing but its place tells it from others, and the head knows places.
                    let id = event.fingerprint();
                    let is_new = id.is_none_or(|id| !is_known(id));
                    if is_new { What::Event(event, id) } else { What::Duplicate(event) }
                }
            };
            let Payload { position, arrived, partition_key, data, .. } = payload;
            Item { position, arrived: *arrived, partition_key: partition_key.as_deref(), data, what }
        }));
        items
    }
}

impl Payload {
    /// Notes that a store refuses what counting the event writes: from now on it is rejected.
    pub fn refuse(&mut self, detail: impl Into<String>) {
        self.rejection = Some(Rejection::new(Reason::RefusedByStore, detail));
    }

    /// The event, read and validated. A panic on the way is this record's, and nobody else's.
    pub fn event(&self) -> Result<EventData<'_>, Rejection> {
        self.event_by(EventData::read)
    }

    fn event_by<'a>(
        &'a self,
        read: impl FnOnce(&'a [u8]) -> Result<EventData<'a>, Rejection>,
    ) -> Result<EventData<'a>, Rejection> {
        if let Some(rejection) = &self.rejection {
            return Err(rejection.clone());
        }
        catch_unwind(AssertUnwindSafe(|| read(&self.data))).unwrap_or_else(|_| {
            Err(Rejection::new(Reason::Panicked, "reading the event panicked, which is a bug of abx"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::aggregate;
    use proptest::prelude::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn record(sequence: &str, data: &[u8]) -> Value {
        json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0", "partitionKey": "u", "sequenceNumber": sequence,
                "data": BASE64.encode(data), "approximateArrivalTimestamp": 1_545_084_650.987,
                "encryptionType": "SOMETHING_NEW",
            },
            "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventName": "aws:kinesis:record",
            "eventID": format!("shardId-000000000006:{sequence}"), "awsRegion": "us-east-1",
            "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/events",
        })
    }

    fn read(records: &[Value]) -> Batch {
        Batch::read(json!({ "Records": records }).to_string().as_bytes(), NOW).unwrap()
    }

    fn reasons(batch: &Batch) -> Vec<Option<Reason>> {
        let payloads = batch.shards.iter().flat_map(|shard| &shard.payloads);
        payloads.map(|payload| payload.event().err().map(|rejection| rejection.reason)).collect()
    }

    const GOOD: &[u8] = br#"{"event_id":"e","type":"conversion","event":"purchase","user_id":"u"}"#;

    #[test]
    fn records_are_placed_and_in_order() {
        let batch = read(&[record("10", GOOD), record("9", GOOD), record("10", GOOD)]);
        let [shard] = &batch.shards[..] else { panic!("one shard") };
        assert_eq!(shard.shard, "events/shardId-000000000006");
        let positions: Vec<_> = shard.payloads.iter().map(|it| it.position.to_string()).collect();
        assert_eq!(positions, ["9", "10"]);
        assert_eq!(shard.payloads[0].arrived, "2018-12-17T22:10:50.987Z".parse().unwrap());
        assert_eq!(reasons(&batch), [None, None]);
    }

    #[test]
    fn every_event_knows_the_key_that_chose_its_shard() {
        let mut unknown = record("3", GOOD);
        unknown["kinesis"].as_object_mut().unwrap().remove("partitionKey");
        let mut empty = record("4", GOOD);
        empty["kinesis"]["partitionKey"] = json!("");
        let aggregated = aggregate("v", &[GOOD.to_vec(), [GOOD, GOOD].join(&b'\n')]);
        let batch = read(&[record("1", GOOD), record("2", &aggregated), unknown, empty, record("5", b"{")]);
        let keys: Vec<_> = batch.shards[0].payloads.iter().map(|it| it.partition_key.as_deref()).collect();
        assert_eq!(keys, [Some("u"), Some("v"), Some("v"), Some("v"), None, None, Some("u")]);
    }

    #[test]
    fn a_bad_record_costs_no_other() {
        let mut no_base64 = record("2", b"");
        no_base64["kinesis"]["data"] = json!("%%%");
        let mut no_data = record("3", b"");
        no_data["kinesis"]["data"] = Value::Null;
        let mut odd_time = record("4", GOOD);
        odd_time["kinesis"]["approximateArrivalTimestamp"] = json!("yesterday");
        let batch = read(&[record("1", GOOD), no_base64, no_data, odd_time, record("5", b"{}")]);
        let base64 = Some(Reason::NotBase64);
        assert_eq!(reasons(&batch), [None, base64, base64, None, Some(Reason::MissingField)]);
        assert_eq!(batch.shards[0].payloads[3].arrived, NOW);
    }

    #[test]
    fn what_has_no_place_is_kept_apart() {
        let mut records: Vec<_> = ["", "x", "01"].map(|sequence| record(sequence, GOOD)).into();
        records.push(json!("record"));
        let mut elsewhere = record("2", GOOD);
        elsewhere["eventSourceARN"] = json!("arn:aws:sqs:us-east-1:123456789012:queue");
        records.push(elsewhere);
        records.push(record("1", GOOD));
        let batch = read(&records);
        assert_eq!(batch.unplaced.len(), 5);
        assert!(batch.unplaced.iter().all(|it| it.rejection.reason == Reason::NoPosition));
        assert_eq!(batch.unplaced[3].raw, "\"record\"");
        assert_eq!(reasons(&batch), [None]);
    }

    #[test]
    fn what_is_no_batch_is_said_to_be_none() {
        for other in ["", "{}", "[]", r#"{"Records": 7}"#] {
            assert!(Batch::read(other.as_bytes(), NOW).is_err(), "{other}");
        }
        for (name, source) in
            [("eventSource", "aws:sqs"), ("EventSource", "aws:sns"), ("eventSource", "aws:s3")]
        {
            let other = json!({"Records": [{name: source, "body": "x"}]}).to_string();
            let error = Batch::read(other.as_bytes(), NOW).unwrap_err().to_string();
            assert!(error.contains(source), "{error}");
        }
        assert!(Batch::read(br#"{"Records": []}"#, NOW).unwrap().shards.is_empty());
    }

    #[test]
    fn aggregated_records_are_taken_apart() {
        let events = [GOOD.to_vec(), b"{}".to_vec(), GOOD.to_vec()];
        let whole = aggregate("u", &events);
        let mut broken = whole.clone();
        *broken.last_mut().unwrap() ^= 1;
        let batch = read(&[record("7", &whole), record("8", &broken), record("9", &aggregate("u", &[]))]);
        let positions: Vec<_> = batch.shards[0].payloads.iter().map(|it| it.position.to_string()).collect();
        assert_eq!(
            positions,
            ["7", "7:1", "7:2", "8", "9"],
            "a bad checksum is one record, and so is an empty one"
        );
        let reasons = reasons(&batch);
        assert_eq!(reasons[..3], [None, Some(Reason::MissingField), None]);
        assert_eq!(reasons[3..], [Some(Reason::NotUtf8), Some(Reason::InvalidValue)]);
    }

    #[test]
    fn several_events_in_one_record_are_taken_apart() {
        let good = std::str::from_utf8(GOOD).unwrap();
        let lines = format!("{good}\nbroken\n{good}\n");
        let list = format!("[{good},{{}}]");
        let batch = read(&[
            record("7", lines.as_bytes()),
            record("8", list.as_bytes()),
            record("9", b"[1 true]"),
            record("10", &aggregate("u", &[lines.into_bytes(), GOOD.to_vec()])),
        ]);
        let positions: Vec<_> = batch.shards[0].payloads.iter().map(|it| it.position.to_string()).collect();
        assert_eq!(positions, ["7", "7:1", "7:2", "8", "8:1", "9", "10", "10:1", "10:2", "10:3"]);
        let (broken, empty) = (Some(Reason::NotJson), Some(Reason::MissingField));
        assert_eq!(reasons(&batch), [None, broken, None, None, empty, broken, None, broken, None, None]);
    }

    #[test]
    fn an_event_whose_id_is_known_is_a_duplicate() {
        let without = br#"{"type":"conversion","event":"purchase","user_id":"u"}"#;
        let batch = read(&[record("1", GOOD), record("2", GOOD), record("3", without), record("4", without)]);
        let known = EventData::read(GOOD).unwrap().fingerprint().unwrap();
        let taken = |after: Option<&str>, known: &[u64]| {
            let after = after.map(|it| it.parse().unwrap());
            let items = batch.shards[0].items(after.as_ref(), |id| known.contains(&id));
            items.iter().map(|item| matches!(item.what, What::Event(..))).collect::<Vec<_>>()
        };
        assert_eq!(taken(None, &[]), [true, true, true, true]);
        assert_eq!(taken(Some("1"), &[known]), [false, true, true]);
    }

    #[test]
    fn a_panic_is_one_records() {
        let batch = read(&[record("1", GOOD)]);
        let payload = &batch.shards[0].payloads[0];
        let rejection = payload.event_by(|_| panic!("a bug")).unwrap_err();
        assert_eq!(rejection.reason, Reason::Panicked);
    }

    proptest! {
        #[test]
        fn anything_is_a_batch_or_not(data in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Batch::read(&data, NOW);
            let batch = read(&[record("1", &data), record("2", GOOD)]);
            prop_assert_eq!(*reasons(&batch).last().unwrap(), None, "the neighbour is well");
        }
    }
}
