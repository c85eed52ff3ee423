//! A batch as Lambda writes it, made here.

use super::KinesisRecord;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Serialize;

#[derive(Serialize)]
struct WrittenBatch<'a> {
    #[serde(rename = "Records")]
    records: Vec<WrittenRecord<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenRecord<'a> {
    kinesis: WrittenKinesis<'a>,
    event_source: &'a str,
    event_version: &'a str,
    #[serde(rename = "eventID")]
    event_id: String,
    event_name: &'a str,
    aws_region: &'a str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenKinesis<'a> {
    kinesis_schema_version: &'a str,
    partition_key: &'a str,
    sequence_number: &'a str,
    data: String,
    approximate_arrival_timestamp: f64,
}

/// The payload of an invocation with these records of one shard.
#[must_use]
pub fn write(stream: &str, shard: &str, records: &[KinesisRecord]) -> Vec<u8> {
    let arn = format!("arn:aws:kinesis:us-east-1:000000000000:stream/{stream}");
    let records = records.iter().map(|record| WrittenRecord {
        kinesis: WrittenKinesis {
            kinesis_schema_version: "1.0",
            partition_key: &record.partition_key,
            sequence_number: &record.sequence,
            data: STANDARD.encode(&record.data),
            approximate_arrival_timestamp: seconds(record.arrived),
        },
        event_source: "aws:kinesis",
        event_version: "1.0",
        event_id: format!("{shard}:{}", record.sequence),
        event_name: "aws:kinesis:record",
        aws_region: "us-east-1",
        event_source_arn: &arn,
    });
    // Strings and finite numbers can always be written.
    serde_json::to_vec(&WrittenBatch { records: records.collect() }).unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are below 2^53")]
fn seconds(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1000.0
}
