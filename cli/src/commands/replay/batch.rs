//! Records that are delivered together.

use crate::error::Error;
use abx_core::event::{self, ShardName};
use abx_functions::sources::kinesis::{self, KinesisRecord};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::ops::Range;
use std::sync::Arc;

/// The stream that events without a place are put on.
pub(super) const STREAM: &str = "replay";

/// Records of one shard, as one invocation.
#[derive(Debug, Clone)]
pub(super) enum ReplayBatch {
    /// With a place that they were given here.
    Made {
        /// Their shard.
        shard: String,
        /// In their order.
        records: Vec<KinesisRecord>,
    },
    /// As Lambda wrote them.
    Recorded(Vec<Value>),
}

impl ReplayBatch {
    /// The number of records.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Made { records, .. } => records.len(),
            Self::Recorded(records) => records.len(),
        }
    }

    /// Some of them.
    pub(super) fn part(&self, range: Range<usize>) -> Self {
        match self {
            Self::Made { shard, records } => {
                Self::Made { shard: shard.clone(), records: records.get(range).unwrap_or_default().to_vec() }
            }
            Self::Recorded(records) => Self::Recorded(records.get(range).unwrap_or_default().to_vec()),
        }
    }

    /// Them, to be counted here.
    pub(super) fn records(&self) -> Result<event::Batch, Error> {
        match self {
            Self::Made { shard, records } => {
                let shard: Arc<str> = ShardName { stream: STREAM, shard }.to_string().into();
                let records = records.iter().map(|record| record.clone().into_record(&shard));
                let records: Result<Vec<_>, _> = records.collect();
                Ok(event::Batch::from_records(
                    records.map_err(|error| Error::caller("a batch cannot be read").because(error))?,
                ))
            }
            Self::Recorded(records) => kinesis::read_values(records, Timestamp::now())
                .map_err(|error| Error::caller("a batch cannot be read").because(error)),
        }
    }

    /// Them, as Lambda hands them to a function.
    pub(super) fn payload(&self) -> Vec<u8> {
        match self {
            Self::Made { shard, records } => kinesis::write(STREAM, shard, records),
            // What was read as JSON can be written as such.
            Self::Recorded(records) => serde_json::to_vec(&json!({ "Records": records })).unwrap_or_default(),
        }
    }
}
