//! The class that each record falls into.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

macro_rules! classes {
    ($($(#[doc = $doc:literal])* $name:ident = $word:literal,)*) => {
        /// The one class of a record: of any records that were read, the classes sum to their number.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum RecordClass { $($(#[doc = $doc])* $name,)* }

        impl RecordClass {
            /// Every class, in the order in which reports show them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word for it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

classes! {
    /// An exposure, an evaluation, or a conversion that counted for at least one metric.
    Counted = "counted",
    /// Another record with the same event id counted before, in the same batch or an earlier one.
    Duplicate = "duplicate",
    /// This very record was processed before: it was delivered again.
    AlreadyCounted = "already_counted",
    /// Its time is impossible: more than 7 days before its arrival or more than 5 minutes after. It counts by its arrival.
    Late = "late",
    /// A conversion that a metric asks for, of a unit that was not exposed before, or too long ago.
    Unattributed = "unattributed",
    /// A conversion whose name no metric asks for: often a misspelt name.
    UnknownEvent = "unknown_event",
    /// It can never be processed, and is quarantined.
    Rejected = "rejected",
}

impl fmt::Display for RecordClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Numbers of records by class.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Classes(BTreeMap<RecordClass, u64>);

impl Classes {
    /// Adds records of a class.
    pub fn add(&mut self, class: RecordClass, records: u64) {
        if records > 0 {
            *self.0.entry(class).or_default() += records;
        }
    }

    /// Adds all records of another.
    pub fn merge(&mut self, other: &Self) {
        for (class, records) in &other.0 {
            self.add(*class, *records);
        }
    }

    /// The records of a class.
    #[must_use]
    pub fn count(&self, class: RecordClass) -> u64 {
        self.0.get(&class).copied().unwrap_or_default()
    }

    /// All records.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.values().sum()
    }

    /// The classes that have records, in the order of [`RecordClass::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (RecordClass, u64)> + '_ {
        self.0.iter().map(|(class, records)| (*class, *records))
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
