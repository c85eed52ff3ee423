//! The archive behind Firehose, which writes it to S3.

use super::backoff::{ROUNDS, pause};
use super::error::{Resource, ResourceKind, port_error};
use crate::ports::{Archive, ArchiveLine, PortError, PortResult};
use aws_sdk_firehose::Client;
use aws_sdk_firehose::primitives::Blob;
use aws_sdk_firehose::types::{PutRecordBatchResponseEntry, Record};

/// The largest size of a record in bytes, as set by the service.
const MAX_RECORD_BYTES: usize = 1000 * 1000;
/// The bytes of lines that are packed into one record. Each record is billed as if its last 5 KB were full: 500 events would cost
/// eight times what they are, and in records of this size it is 2 %. In larger ones there would be more to send again.
const PACKED_BYTES: usize = 250 * 1000;
/// The largest size of a call in bytes. Nearly full records reach it long before they are the 500 that a call takes.
const CALL_BYTES: usize = 4 * 1000 * 1000;

/// The [`Archive`] of a delivery stream. In which day's folder a line comes is said by the time when Firehose got it, which is
/// later than the line's own by as long as its batch was tried again.
#[derive(Debug, Clone)]
pub struct FirehoseArchive {
    client: Client,
    stream: String,
}

impl FirehoseArchive {
    /// Sends to a delivery stream through a client.
    #[must_use]
    pub fn new(client: Client, stream: impl Into<String>) -> Self {
        Self { client, stream: stream.into() }
    }

    /// Sends what fits into one call, and of it again what was refused, until all is there, or until nothing was taken
    /// several times in a row.
    async fn put(&self, mut records: Vec<Record>) -> PortResult<()> {
        let mut in_vain = 0;
        loop {
            let request = self.client.put_record_batch().delivery_stream_name(&self.stream);
            let answer = Box::pin(request.set_records(Some(records.clone())).send()).await;
            let answer = answer.map_err(|error| port_error("PutRecordBatch", error))?;
            let sent = records.len();
            let Some(why) = keep_failed(&mut records, answer.request_responses()) else { return Ok(()) };
            in_vain = if records.len() < sent { 0 } else { in_vain + 1 };
            if in_vain == ROUNDS {
                return Err(PortError::transient(format!("PutRecordBatch: {why}")));
            }
            pause(in_vain).await;
        }
    }
}

impl Archive for FirehoseArchive {
    async fn append(&self, lines: &[ArchiveLine]) -> PortResult<()> {
        for call in calls(pack(lines)?) {
            let records: Result<_, _> =
                call.into_iter().map(|data| Record::builder().data(Blob::new(data)).build()).collect();
            let put = self.put(records.map_err(PortError::permanent)?).await;
            put.map_err(|error| {
                let region = self.client.config().region();
                error.at(Resource::new(ResourceKind::DeliveryStream, &self.stream, region))
            })?;
        }
        Ok(())
    }
}

/// Drops the records that arrived; why the last of the others did not, if there are any.
fn keep_failed(records: &mut Vec<Record>, answers: &[PutRecordBatchResponseEntry]) -> Option<String> {
    let mut answers = answers.iter();
    let mut last = None;
    records.retain(|_| {
        // An answer that says nothing about a record does not say that it arrived.
        let why = answers.next().map_or(Some("no answer"), |answer| answer.error_code());
        last = why.map(str::to_owned).or(last.take());
        why.is_some()
    });
    last
}

/// Packs lines into records, in their order, each line with its line feed.
fn pack(lines: &[ArchiveLine]) -> PortResult<Vec<Vec<u8>>> {
    let mut records: Vec<Vec<u8>> = Vec::new();
    for ArchiveLine { json, .. } in lines {
        let length = json.len() + 1;
        if length > MAX_RECORD_BYTES {
            return Err(PortError::unprocessable(format!(
                "a line of {length} bytes is longer than a record"
            )));
        }
        let room = |record: &&mut Vec<u8>| record.len() + length <= PACKED_BYTES;
        let line = json.bytes().chain([b'\n']);
        match records.last_mut().filter(room) {
            Some(record) => record.extend(line),
            None => records.push(line.collect()),
        }
    }
    Ok(records)
}

/// Cuts records into calls, in their order.
fn calls(records: Vec<Vec<u8>>) -> Vec<Vec<Vec<u8>>> {
    let mut calls: Vec<Vec<_>> = Vec::new();
    let mut room = 0;
    for record in records {
        let length = record.len();
        match calls.last_mut() {
            Some(call) if length <= room => call.push(record),
            _ => {
                calls.push(vec![record]);
                room = CALL_BYTES;
            }
        }
        room = room.saturating_sub(length);
    }
    calls
}
