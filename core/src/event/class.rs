//! One word for what became of a record.

use crate::words;
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::BTreeMap;

words! {
    /// The one class that a record falls into: the classes of all records read sum to their number.
    pub enum RecordClass: "snake_case" {
        /// An exposure, an evaluation, or a conversion that is credited to a metric.
        Counted,
        /// An event whose id was taken before, in this batch or an earlier one.
        Duplicate,
        /// A record that is not after the head of its shard: an earlier delivery of it was counted.
        AlreadyCounted,
        /// An event with an impossible time.
        Late,
        /// A conversion that a metric asks for, and that no experiment is credited with: its unit was not exposed before it, or too
        /// long before.
        Unattributed,
        /// A conversion that no metric of any experiment asks for.
        UnknownEvent,
        /// A record that can never be processed, and is quarantined.
        Rejected,
    }
}

/// The number of records in each class. Serialized as an object of the classes that have any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Classes([u64; RecordClass::ALL.len()]);

impl Classes {
    /// Adds records of one class.
    pub fn add(&mut self, class: RecordClass, records: u64) {
        if let Some(count) = self.0.get_mut(class as usize) {
            *count += records;
        }
    }

    /// Adds the records of another count.
    pub fn merge(&mut self, other: &Self) {
        for (class, count) in other.iter() {
            self.add(class, count);
        }
    }

    /// The number of records of a class.
    #[must_use]
    pub fn count(&self, class: RecordClass) -> u64 {
        self.0.get(class as usize).copied().unwrap_or_default()
    }

    /// The number of records.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    /// True if there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sum() == 0
    }

    /// Every class with its number, in the order of reports.
    pub fn iter(&self) -> impl Iterator<Item = (RecordClass, u64)> {
        RecordClass::ALL.into_iter().zip(self.0)
    }
}

impl Serialize for Classes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (class, count) in self.iter().filter(|(_, count)| *count > 0) {
            map.serialize_entry(class.as_str(), &count)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Classes {
    /// Classes that are not known here, because another version wrote them, are left out.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = BTreeMap::<String, u64>::deserialize(deserializer)?;
        let mut classes = Self::default();
        for class in RecordClass::ALL {
            classes.add(class, written.get(class.as_str()).copied().unwrap_or_default());
        }
        Ok(classes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn classes_are_written_under_their_words_and_read_again() {
        let mut classes = Classes::default();
        assert_eq!(serde_json::to_value(classes).unwrap(), json!({}));
        for (count, class) in (1..).zip(RecordClass::ALL) {
            classes.add(class, count);
        }
        let written = serde_json::to_value(classes).unwrap();
        let expected = json!({"counted": 1, "duplicate": 2, "already_counted": 3, "late": 4, "unattributed": 5,
            "unknown_event": 6, "rejected": 7});
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_value::<Classes>(written).unwrap(), classes);
        assert_eq!(classes.sum(), 28);
        let mut twice = classes;
        twice.merge(&classes);
        assert_eq!((twice.sum(), twice.count(RecordClass::Rejected)), (56, 14));
        let newer = json!({"counted": 1, "postponed": 2});
        assert_eq!(serde_json::from_value::<Classes>(newer).unwrap().sum(), 1);
    }
}
