//! Events as JSON.

use crate::ports::Event;
use crate::telemetry::{TraceContext, hex};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The number of hexadecimal digits of an id: 128 bits.
const ID_DIGITS: usize = 32;

/// The id of what is told by its parts, the same in every process: SHA-256 over each part's length and bytes.
#[must_use]
pub fn event_id(kind: &str, parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    // The lengths keep ("ab", "c") and ("a", "bc") apart.
    for part in std::iter::once(kind.as_bytes()).chain(parts.iter().copied()) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex(&hash.finalize(), ID_DIGITS)
}

/// Says that a unit saw a variant.
#[derive(Debug, Clone, Serialize)]
pub struct Exposure<'a> {
    /// The experiment.
    pub experiment: &'a str,
    /// The variant.
    pub variant: &'a str,
    /// The unit.
    pub unit: &'a str,
    /// The catalog's revision.
    pub revision: u64,
    /// The experiment's epoch.
    pub epoch: u32,
    /// The time.
    pub timestamp: Timestamp,
    /// The unit's values of the experiment's dimensions, by their paths; see [`abx_core::Experiment::dimension_values`].
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub dimensions: BTreeMap<&'a str, String>,
}

/// Says what a flag gave a unit.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Evaluated<'a> {
    /// The flag.
    pub flag: &'a str,
    /// The variant.
    pub variant: &'a str,
    /// The unit; empty for none, and then the evaluation has no event of its own.
    pub unit: &'a str,
    /// Why.
    pub reason: &'a str,
    /// The catalog's revision.
    pub revision: u64,
    /// The time.
    pub timestamp: Timestamp,
}

/// An event, as it is written: its id and type, and then its fields.
#[derive(Serialize)]
struct WrittenEvent<'a, T> {
    event_id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    fields: &'a T,
    /// The trace of the request that it is of, by the names of CloudEvents' extension for that.
    #[serde(flatten)]
    trace: Option<&'a TraceContext>,
}

impl Exposure<'_> {
    /// As an event. The same unit, experiment, epoch and variant have the same id wherever they are met.
    #[must_use]
    pub fn event(&self) -> Event {
        let Self { experiment, variant, unit, epoch, .. } = *self;
        let parts = [unit.as_bytes(), experiment.as_bytes(), &epoch.to_be_bytes(), variant.as_bytes()];
        event("exposure", &parts, unit, self)
    }
}

impl Evaluated<'_> {
    /// As an event. The same flag, variant, unit and revision have the same id wherever they are met.
    #[must_use]
    pub fn event(&self) -> Event {
        let Self { flag, variant, unit, revision, .. } = *self;
        let parts = [flag.as_bytes(), variant.as_bytes(), unit.as_bytes(), &revision.to_be_bytes()];
        event("evaluation", &parts, unit, self)
    }
}

fn event(kind: &'static str, parts: &[&[u8]], unit: &str, fields: &impl Serialize) -> Event {
    let trace = TraceContext::current();
    let written = WrittenEvent { event_id: event_id(kind, parts), kind, fields, trace: trace.as_deref() };
    // Strings and numbers can always be written.
    Event { partition_key: unit.to_owned(), data: serde_json::to_vec(&written).unwrap_or_default() }
}
