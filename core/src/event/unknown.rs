//! Names of events that no metric asks for: a typo in a name must not be silent.

use super::{Additions, Amount, Counter, EventKind, Hour, ItemContent, RecordClass, RowKey, StreamItem};
use jiff::civil::Date;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The number of names that a shard keeps in a day. Names come from producers, who may put an id into each; a row must not grow with them.
pub const MAX_UNKNOWN_NAMES: usize = 20;
/// The longest part of a name that is kept, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// Unknown events of a commit, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownEvents {
    /// The day that the last of them arrived on.
    pub day: Date,
    names: BTreeMap<String, u64>,
}

impl UnknownEvents {
    /// Those among items, given the class of each. `None` where every name is known.
    #[must_use]
    pub fn among(items: &[StreamItem<'_>], classes: &[RecordClass]) -> Option<Self> {
        let mut found: Option<Self> = None;
        for (item, class) in items.iter().zip(classes) {
            let (RecordClass::UnknownEvent, ItemContent::Event(event, _)) = (class, &item.what) else {
                continue;
            };
            let EventKind::Conversion { event: name, .. } = &event.kind else { continue };
            let Some(day) = Hour::of(item.arrived).day() else { continue };
            let found = found.get_or_insert_with(|| Self { day, names: BTreeMap::new() });
            found.day = day;
            *found.names.entry(kept_of(name).to_owned()).or_default() += 1;
        }
        found
    }

    /// The number of unknown events.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.names.values().sum()
    }

    /// The additions to the row of their day, where `kept` has the names of the row. Names beyond the limit are counted
    /// together, under no name. Adds the new names to `kept`, and returns them too.
    pub fn additions(&self, kept: &mut BTreeSet<String>) -> (Additions<'static>, Vec<String>) {
        let (mut rest, mut new, mut counters) = (0, Vec::new(), Vec::new());
        for (name, count) in &self.names {
            if !kept.contains(name) {
                if kept.len() >= MAX_UNKNOWN_NAMES {
                    rest += count;
                    continue;
                }
                kept.insert(name.clone());
                new.push(name.clone());
            }
            counters.push((Counter::Unknown(Cow::Owned(name.clone())), Amount::from(*count)));
        }
        if rest > 0 {
            counters.push((Counter::Unknown(Cow::Borrowed("")), Amount::from(rest)));
        }
        (Additions { row: RowKey::UnknownEvents { day: self.day }, counters }, new)
    }
}

/// The part of a name that is kept.
fn kept_of(name: &str) -> &str {
    (0..=MAX_NAME_BYTES.min(name.len())).rev().find_map(|end| name.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventData, Position};
    use jiff::Timestamp;

    #[test]
    fn names_are_bounded_and_their_sum_is_not() {
        let long = "é".repeat(100);
        let names: Vec<String> = (0..50).map(|number| format!("event {number:02}")).chain([long]).collect();
        let written: Vec<String> = names
            .iter()
            .map(|name| format!(r#"{{"type":"conversion","event":"{name}","user_id":"u"}}"#))
            .collect();
        let position: Position = "1".parse().unwrap();
        let items: Vec<_> = written
            .iter()
            .map(|json| StreamItem {
                position: &position,
                arrived: Timestamp::UNIX_EPOCH,
                partition_key: None,
                data: json.as_bytes(),
                what: ItemContent::Event(EventData::read(json.as_bytes()).unwrap(), None),
            })
            .collect();
        let mut classes = vec![RecordClass::UnknownEvent; items.len()];
        classes[0] = RecordClass::Counted;
        assert_eq!(UnknownEvents::among(&items, &[RecordClass::Counted]), None);
        let unknown = UnknownEvents::among(&items, &classes).unwrap();
        assert_eq!((unknown.count(), unknown.day), (50, jiff::civil::date(1970, 1, 1)));
        let mut kept = BTreeSet::from(["event 30".to_owned()]);
        let (row, new) = unknown.additions(&mut kept);
        assert_eq!((kept.len(), new.len()), (MAX_UNKNOWN_NAMES, MAX_UNKNOWN_NAMES - 1));
        assert_eq!(row.row, RowKey::UnknownEvents { day: unknown.day });
        assert_eq!(row.counters.len(), MAX_UNKNOWN_NAMES + 1, "and the rest under no name");
        let sum: Amount = row.counters.iter().map(|(_, amount)| *amount).sum();
        assert_eq!(sum.as_count(), Some(50));
        let again = unknown.additions(&mut kept);
        assert_eq!(
            (again.0, again.1.len()),
            (row.clone(), 0),
            "the same names, whatever was refused meanwhile"
        );
        assert!(row.counters.iter().all(|(counter, _)| matches!(counter, Counter::Unknown(_))));
        assert_eq!(kept_of(&"é".repeat(100)).len(), 64);
    }
}
