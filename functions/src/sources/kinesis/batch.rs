//! The payload of an invocation becomes a batch of records: each is read by itself, whatever its neighbours are.

use super::content;
use crate::sources::NotABatch;
use abx_core::event::{
    Batch, NotAPosition, Record, RecordContent, Rejection, RejectionReason as Reason, Sequence, ShardName,
    Unplaced,
};
use base64::engine::Simd;
use base64::engine::general_purpose::PAD;
use base64::{Engine, decoded_len_estimate};
use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

/// Standard base64, by the instructions that the processor has.
static BASE64: LazyLock<Simd> = LazyLock::new(|| Simd::standard(PAD));

#[derive(Deserialize)]
struct LambdaBatch<'a> {
    #[serde(borrow, rename = "Records")]
    records: Vec<LambdaRecord<'a>>,
}

#[derive(Deserialize)]
struct RawBatch<'a> {
    #[serde(borrow, rename = "Records")]
    records: Vec<&'a RawValue>,
}

/// A record whose fields all have the type that they should have. Only those that are needed: an unknown `encryptionType` is nobody's reason to refuse a batch.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LambdaRecord<'a> {
    #[serde(borrow)]
    kinesis: LambdaKinesis<'a>,
    #[serde(borrow, rename = "eventID")]
    event_id: Cow<'a, str>,
    #[serde(borrow, rename = "eventSourceARN")]
    event_source_arn: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LambdaKinesis<'a> {
    #[serde(borrow)]
    sequence_number: Cow<'a, str>,
    #[serde(borrow, default)]
    partition_key: Cow<'a, str>,
    #[serde(borrow)]
    data: Cow<'a, str>,
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

/// Reads what Lambda hands over. `now` stands in for records that do not tell when they came.
pub fn read(payload: &[u8], now: Timestamp) -> Result<Batch, NotABatch> {
    // Reading all at once is twice as fast, and what nearly every batch allows.
    let text = std::str::from_utf8(payload).ok();
    if let Some(Ok(written)) = text.map(serde_json::from_str::<LambdaBatch<'_>>) {
        let mut reader = BatchReader::new(now);
        // One buffer for all: to allocate one for each takes longer than to decode it.
        let lengths = written.records.iter().map(|record| record.kinesis.data.len());
        reader.buffer.reserve(lengths.map(decoded_len_estimate).sum());
        reader.records.reserve(written.records.len());
        for record in &written.records {
            reader.take(&record.fields(), String::new);
        }
        if !reader.records.is_empty() && reader.unplaced.is_empty() {
            return Ok(reader.batch());
        }
    }
    let raw: RawBatch<'_> = serde_json::from_slice(payload).map_err(not_of_this_form)?;
    let mut reader = BatchReader::new(now);
    for record in raw.records {
        let value: Value = serde_json::from_str(record.get()).unwrap_or_default();
        reader.take_value(&value, || record.get().to_owned())?;
    }
    Ok(reader.batch())
}

/// Reads the records of a batch that were read as JSON before.
pub fn read_values(records: &[Value], now: Timestamp) -> Result<Batch, NotABatch> {
    let mut reader = BatchReader::new(now);
    for record in records {
        reader.take_value(record, || record.to_string())?;
    }
    Ok(reader.batch())
}

/// The bytes of a record that was kept whole, as JSON.
#[must_use]
pub fn data_of(record: &[u8]) -> Option<Vec<u8>> {
    let record: Value = serde_json::from_slice(record).ok()?;
    BASE64.decode(fields(&record).data?).ok()
}

/// The shard of a record that was read as JSON before, as `stream/shard`, and its number there: what records are sorted by. `None` for
/// one that has no usable place.
#[must_use]
pub fn place_of(record: &Value) -> Option<(String, Sequence)> {
    let fields = fields(record);
    let (stream, shard) = fields.shard()?;
    Some((ShardName { stream, shard }.to_string(), fields.sequence().ok()?))
}

/// Records, as they are read.
struct BatchReader {
    now: Timestamp,
    buffer: BytesMut,
    /// The shard of the record before: nearly always that of the next one.
    shard: Option<Arc<str>>,
    records: Vec<Record>,
    unplaced: Vec<Unplaced>,
}

impl BatchReader {
    fn new(now: Timestamp) -> Self {
        Self { now, buffer: BytesMut::new(), shard: None, records: Vec::new(), unplaced: Vec::new() }
    }

    fn batch(self) -> Batch {
        Batch { unplaced: self.unplaced, ..Batch::from_records(self.records) }
    }

    fn take_value(&mut self, record: &Value, raw: impl FnOnce() -> String) -> Result<(), NotABatch> {
        if let Some(source) = foreign_source(record) {
            return Err(of_another_trigger(&source));
        }
        self.take(&fields(record), raw);
        Ok(())
    }

    fn take(&mut self, fields: &Fields<'_>, raw: impl FnOnce() -> String) {
        let (shard, sequence) = match (fields.shard(), fields.sequence()) {
            (Some(shard), Ok(sequence)) => (self.shard(shard), sequence),
            (shard, sequence) => {
                let what = if shard.is_none() { "shard" } else { "sequence number" };
                let detail = sequence.err().filter(|_| shard.is_some()).map(|error| format!(": {error}"));
                let detail = format!("the record has no usable {what}{}", detail.unwrap_or_default());
                let rejection = Rejection::new(Reason::NoPosition, detail);
                return self.unplaced.push(Unplaced { raw: raw(), rejection });
            }
        };
        let arrived = fields.arrived.and_then(arrival).unwrap_or(self.now);
        let partition_key = fields.partition_key.filter(|key| !key.is_empty()).map(Into::into);
        let (data, content) = match fields.decode(&mut self.buffer) {
            Ok(data) => {
                let content = content(&data);
                (data, content)
            }
            Err(rejection) => {
                let undecoded = fields.data.unwrap_or_default().as_bytes();
                (Bytes::copy_from_slice(undecoded), RecordContent::Unreadable(rejection))
            }
        };
        self.records.push(Record { shard, sequence, arrived, partition_key, data, content });
    }

    fn shard(&mut self, (stream, shard): (&str, &str)) -> Arc<str> {
        let is_it =
            |it: &Arc<str>| it.strip_prefix(stream).and_then(|rest| rest.strip_prefix('/')) == Some(shard);
        let known = self.shard.take().filter(is_it);
        let shard = known.unwrap_or_else(|| ShardName { stream, shard }.to_string().into());
        self.shard = Some(Arc::clone(&shard));
        shard
    }
}

impl LambdaRecord<'_> {
    fn fields(&self) -> Fields<'_> {
        Fields {
            sequence: Some(&self.kinesis.sequence_number),
            partition_key: Some(&self.kinesis.partition_key),
            event_id: Some(&self.event_id),
            arn: Some(&self.event_source_arn),
            data: Some(&self.kinesis.data),
            arrived: Some(self.kinesis.approximate_arrival_timestamp),
        }
    }
}

fn not_of_this_form(error: serde_json::Error) -> NotABatch {
    NotABatch::because("this is not a batch of Kinesis, which is {\"Records\": [...]}", error)
}

/// A batch of another trigger, which would delete its messages if this were answered.
fn of_another_trigger(source: &str) -> NotABatch {
    NotABatch::new(format!(
        "this is a batch of {source:?}, not of Kinesis: connect the function to the stream of events"
    ))
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

#[cfg(test)]
mod tests {
    use super::super::aggregate;
    use super::*;
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

    fn read_all(records: &[Value]) -> Batch {
        read(json!({ "Records": records }).to_string().as_bytes(), NOW).unwrap()
    }

    fn reasons(batch: &Batch) -> Vec<Option<Reason>> {
        let payloads = batch.shards.iter().flat_map(|shard| &shard.payloads);
        payloads.map(|payload| payload.event().err().map(|rejection| rejection.reason)).collect()
    }

    const GOOD: &[u8] = br#"{"event_id":"e","type":"conversion","event":"purchase","user_id":"u"}"#;

    #[test]
    fn records_are_placed_and_in_order() {
        let batch = read_all(&[record("10", GOOD), record("9", GOOD), record("10", GOOD)]);
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
        let batch =
            read_all(&[record("1", GOOD), record("2", &aggregated), unknown, empty, record("5", b"{")]);
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
        let batch = read_all(&[record("1", GOOD), no_base64, no_data, odd_time, record("5", b"{}")]);
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
        let batch = read_all(&records);
        assert_eq!(batch.unplaced.len(), 5);
        assert!(batch.unplaced.iter().all(|it| it.rejection.reason == Reason::NoPosition));
        assert_eq!(batch.unplaced[3].raw, "\"record\"");
        assert_eq!(reasons(&batch), [None]);
    }

    #[test]
    fn what_is_no_batch_is_said_to_be_none() {
        for other in ["", "{}", "[]", r#"{"Records": 7}"#] {
            assert!(read(other.as_bytes(), NOW).is_err(), "{other}");
        }
        for (name, source) in
            [("eventSource", "aws:sqs"), ("EventSource", "aws:sns"), ("eventSource", "aws:s3")]
        {
            let other = json!({"Records": [{name: source, "body": "x"}]}).to_string();
            let error = read(other.as_bytes(), NOW).unwrap_err().to_string();
            assert!(error.contains(source), "{error}");
        }
        assert!(read(br#"{"Records": []}"#, NOW).unwrap().shards.is_empty());
    }

    #[test]
    fn aggregated_records_are_taken_apart() {
        let events = [GOOD.to_vec(), b"{}".to_vec(), GOOD.to_vec()];
        let whole = aggregate("u", &events);
        let mut broken = whole.clone();
        *broken.last_mut().unwrap() ^= 1;
        let batch = read_all(&[record("7", &whole), record("8", &broken), record("9", &aggregate("u", &[]))]);
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
    fn a_record_by_itself_has_the_place_that_it_has_in_a_batch() {
        let records = [record("10", GOOD), record("9", GOOD)];
        let mut places: Vec<_> = records.iter().map(|it| place_of(it).unwrap()).collect();
        places.sort();
        let batch = read_all(&records);
        let counted = batch.shards[0].payloads.iter().map(|it| it.position.sequence.clone());
        let shard = batch.shards[0].shard.clone();
        assert_eq!(places, counted.map(|sequence| (shard.clone(), sequence)).collect::<Vec<_>>());
        for unplaced in [record("x", GOOD), json!("record"), json!({"eventID": "s:1"})] {
            assert_eq!(place_of(&unplaced), None);
        }
    }

    proptest! {
        #[test]
        fn anything_is_a_batch_or_not(data in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&data, NOW);
            let batch = read_all(&[record("1", &data), record("2", GOOD)]);
            prop_assert_eq!(*reasons(&batch).last().unwrap(), None, "the neighbour is well");
        }
    }
}
