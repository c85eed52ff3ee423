//! Events to Kinesis.

use super::error::{Resource, ResourceKind, port_error};
use crate::ports::{Event, EventSink, MAX_EVENT_BYTES, PortError, PortResult, SendReport};
use abx_core::event::MAX_PARTITION_KEY;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::BuildError;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use std::time::Duration;

/// The largest number of records in a call.
const CALL_RECORDS: usize = 500;
/// The largest size of a call in bytes, partition keys included. Streams with a larger record size take 10 MiB by now; the old limit
/// holds for all of them.
const CALL_BYTES: usize = 5 * 1000 * 1000;
/// The number of attempts for an event, on top of those that the client makes for a whole call.
const ROUNDS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(20);

/// The [`EventSink`] of a Kinesis stream. At worst a send takes `ROUNDS` times its calls times the client's budget.
#[derive(Debug, Clone)]
pub struct KinesisSink {
    client: Client,
    stream: String,
}

impl KinesisSink {
    /// Sends to a stream through a client.
    #[must_use]
    pub fn new(client: Client, stream: impl Into<String>) -> Self {
        Self { client, stream: stream.into() }
    }

    /// One call; which of its events have to be sent again, and why.
    async fn put(&self, events: &[Event], batch: &[usize]) -> PortResult<(Vec<usize>, Option<PortError>)> {
        let entries: Result<_, _> = batch.iter().filter_map(|index| events.get(*index)).map(entry).collect();
        let request = self.client.put_records().stream_name(&self.stream);
        let request = request.set_records(Some(entries.map_err(PortError::permanent)?));
        let answer = Box::pin(request.send()).await.map_err(|error| port_error("PutRecords", error))?;
        let mut cause = None;
        let mut failed = Vec::new();
        for (position, index) in batch.iter().enumerate() {
            // An answer that says nothing about an event does not say that it arrived.
            let why = answer.records().get(position).map_or(Some("no answer"), |record| record.error_code());
            if let Some(why) = why {
                failed.push(*index);
                cause = Some(PortError::transient(format!("PutRecords: {why}")));
            }
        }
        Ok((failed, cause))
    }
}

impl EventSink for KinesisSink {
    async fn send(&self, events: &[Event]) -> SendReport {
        let mut report = SendReport::default();
        let mut pending = Vec::with_capacity(events.len());
        for (index, event) in events.iter().enumerate() {
            if event.data.len() <= MAX_EVENT_BYTES {
                pending.push(index);
            } else {
                report.lose([index], Some(PortError::permanent("an event is longer than a record may be")));
            }
        }
        for round in 0..ROUNDS {
            if pending.is_empty() {
                break;
            }
            if round > 0 {
                tokio::time::sleep(PAUSE * round).await;
            }
            for batch in batches(events, &std::mem::take(&mut pending)) {
                match self.put(events, &batch).await {
                    Ok((failed, cause)) => {
                        pending.extend(failed);
                        report.cause = cause.or(report.cause);
                    }
                    Err(error) if error.is_transient() => {
                        pending.extend(batch);
                        report.cause = Some(error);
                    }
                    Err(error) => report.lose(batch, Some(error)),
                }
            }
        }
        report.lose(pending, None);
        let region = self.client.config().region();
        let stream = || Resource::new(ResourceKind::Stream, &self.stream, region);
        report.cause = report.cause.map(|cause| cause.at(stream()));
        report.close()
    }
}

fn entry(event: &Event) -> Result<PutRecordsRequestEntry, BuildError> {
    PutRecordsRequestEntry::builder()
        .partition_key(partition_key(&event.partition_key))
        .data(Blob::new(&*event.data))
        .build()
}

/// A unit may be longer than a partition key, whose only use is to choose a shard: its start does, the same each time.
fn partition_key(unit: &str) -> String {
    if unit.is_empty() { "-".to_owned() } else { unit.chars().take(MAX_PARTITION_KEY).collect() }
}

/// Cuts events into calls, in their order.
fn batches(events: &[Event], pending: &[usize]) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut room = 0;
    for index in pending {
        let size = events.get(*index).map_or(0, |event| event.data.len() + event.partition_key.len());
        match batches.last_mut() {
            Some(batch) if batch.len() < CALL_RECORDS && size <= room => batch.push(*index),
            _ => {
                batches.push(vec![*index]);
                room = CALL_BYTES;
            }
        }
        room = room.saturating_sub(size);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(count: usize, bytes: usize) -> Vec<Event> {
        vec![Event { partition_key: "u".to_owned(), data: vec![0; bytes] }; count]
    }

    fn sizes(events: &[Event]) -> Vec<usize> {
        let all: Vec<usize> = (0..events.len()).collect();
        let batches = batches(events, &all);
        assert_eq!(batches.concat(), all, "each once, in order");
        batches.iter().map(Vec::len).collect()
    }

    #[test]
    fn a_call_has_at_most_500_records_and_5_megabytes() {
        assert_eq!(sizes(&events(0, 1)), [0; 0]);
        assert_eq!(sizes(&events(1201, 1)), [500, 500, 201]);
        assert_eq!(sizes(&events(7, 999_999)), [5, 2], "with their keys just 1,000,000 each");
        assert_eq!(sizes(&events(7, 1_000_000)), [4, 3]);
    }

    #[test]
    fn long_units_keep_the_start_as_their_key() {
        assert_eq!(partition_key(&"é".repeat(300)), "é".repeat(256));
        assert_eq!(partition_key(""), "-");
    }
}
