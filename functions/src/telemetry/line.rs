//! One event as one line of JSON.

use super::TraceContext;
use abx_core::words;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write;

words! {
    /// The severity of an event.
    #[derive(Default)]
    pub enum Level: "SCREAMING_SNAKE_CASE" {
        /// For one who looks for a fault: each request.
        Debug,
        /// An event that happens once in a while: a start, a new revision.
        #[default]
        Info,
        /// Something was not as it should be, and the request was answered all the same.
        Warn,
        /// A request was not answered, or something was lost.
        Error,
    }
}

/// The hash that replaces a unit in a log: the first 16 hexadecimal digits of its SHA-256.
#[must_use]
pub fn hashed(unit: &str) -> String {
    hex(&Sha256::digest(unit.as_bytes()), 16)
}

/// The first digits of a hash.
pub(crate) fn hex(bytes: &[u8], digits: usize) -> String {
    let mut text = String::with_capacity(digits);
    for byte in bytes.iter().take(digits / 2) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[derive(Serialize)]
struct LogLine<'a> {
    level: Level,
    time: jiff::Timestamp,
    event: &'a str,
    function: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<&'a str>,
    #[serde(flatten)]
    fields: &'a Value,
}

pub(super) fn line(
    level: Level,
    event: &str,
    function: &str,
    request_id: Option<&str>,
    fields: &Value,
) -> String {
    let trace = TraceContext::current();
    let (trace_id, parent_id) =
        (trace.as_ref().map(|it| it.trace_id()), trace.as_ref().map(|it| it.parent_id()));
    let time = jiff::Timestamp::now();
    let line = LogLine { level, time, event, function, request_id, trace_id, parent_id, fields };
    // JSON escapes every control character, so that no field can begin a line of its own.
    let mut text = serde_json::to_string(&line).unwrap_or_default();
    text.push('\n');
    text
}
