//! The outcome of a decision for a unit.

use crate::decide::Reason;
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;

/// The outcome of an experiment or a flag for a unit. The key is borrowed while units are counted, and owned
/// in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Outcome")]
pub enum Outcome<K = String> {
    /// A variant, by its key.
    Variant(K),
    /// No variant, and why.
    None(Reason),
}

impl<K: AsRef<str>> Outcome<K> {
    /// The variant's key.
    #[must_use]
    pub fn variant(&self) -> Option<&str> {
        match self {
            Self::Variant(key) => Some(key.as_ref()),
            Self::None(_) => None,
        }
    }

    /// Returns true if a unit moves when one outcome replaces the other. The reason for having no variant
    /// makes no difference.
    #[must_use]
    pub fn differs(&self, other: &Self) -> bool {
        self.variant() != other.variant()
    }

    /// Copies the outcome, so that it owns its key.
    #[must_use]
    pub fn owned(&self) -> Outcome {
        match self {
            Self::Variant(key) => Outcome::Variant(key.as_ref().to_owned()),
            Self::None(reason) => Outcome::None(*reason),
        }
    }
}

/// A variant by its key; the lack of one in brackets, which no key has.
impl<K: AsRef<str>> fmt::Display for Outcome<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variant(key) => f.pad(key.as_ref()),
            Self::None(reason) => f.pad(&format!("({reason})")),
        }
    }
}
