//! Why a record can never be processed.

use crate::words;
use std::fmt;

/// Why a record can never be processed. It is kept apart, with its reason, and never reported as failed: the stream would
/// deliver it again and again, and its neighbours with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The problem, as a word.
    pub reason: RejectionReason,
    /// The problem, in a sentence, without the values of the event.
    pub detail: String,
}

impl Rejection {
    /// A reason, and what is wrong.
    #[must_use]
    pub fn new(reason: RejectionReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)
    }
}

words! {
    /// The reason why a record is rejected. The words are part of the API: metrics and rows are named after them.
    pub enum RejectionReason: "snake_case" {
        /// The record has no usable shard or sequence number.
        NoPosition,
        /// The record's data is missing or no base64.
        NotBase64,
        /// The event is longer than it may be.
        TooLarge,
        /// The event is not UTF-8.
        NotUtf8,
        /// The event is no JSON.
        NotJson,
        /// A field has a value of a wrong type, or stands there twice.
        WrongType,
        /// A field is missing.
        MissingField,
        /// A field has a value that it cannot have.
        InvalidValue,
        /// The event's type is not known.
        UnknownType,
        /// The time of the event is none.
        InvalidTime,
        /// The event counts for more experiments than one transaction holds.
        TooManyRows,
        /// A store refuses, for good, what counting the record writes.
        RefusedByStore,
        /// Reading the record panicked: a bug.
        Panicked,
    }
}
