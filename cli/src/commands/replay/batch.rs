//! Records that are delivered together.

use abx_functions::events::{RecordToWrite, kinesis_event};
use serde_json::{Value, json};
use std::ops::Range;

/// The stream that events without a place are put on.
pub(super) const STREAM: &str = "replay";

/// Records of one shard.
#[derive(Debug, Clone)]
pub(super) enum Batch {
    /// With a place that they were given here.
    Made {
        /// Their shard.
        shard: String,
        /// In their order.
        records: Vec<RecordToWrite>,
    },
    /// As Lambda wrote them.
    Recorded(Vec<Value>),
}

/// One invocation.
#[derive(Debug)]
pub(super) struct Delivery {
    /// The number of records.
    pub records: u64,
    /// Them, as Lambda writes them.
    pub payload: Vec<u8>,
}

impl Batch {
    /// The number of records.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Made { records, .. } => records.len(),
            Self::Recorded(records) => records.len(),
        }
    }

    /// Some of them, as an invocation.
    pub(super) fn delivery(&self, range: Range<usize>) -> Delivery {
        let records = range.len() as u64;
        Delivery { records, payload: self.payload(range) }
    }

    fn payload(&self, range: Range<usize>) -> Vec<u8> {
        match self {
            Self::Made { shard, records } => {
                kinesis_event(STREAM, shard, records.get(range).unwrap_or_default())
            }
            Self::Recorded(records) => {
                let records = records.get(range).unwrap_or_default();
                // What was read as JSON can be written as such.
                serde_json::to_vec(&json!({ "Records": records })).unwrap_or_default()
            }
        }
    }
}
