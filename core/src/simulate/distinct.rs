//! Units that were counted already: a file may have many rows of one.

use crate::decide::{AttributePath, Subject, USER_ID};
use foldhash::fast::RandomState;
use foldhash::quality::FixedState;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasher;

/// The units that were counted, apart for each attribute that randomises some of what is counted: several users may have one account.
///
/// It takes 12 bytes for a unit, and room to grow: 64 bits of its hash, and 32 bits of what it got. Of ten million units
/// two have the same hash with a chance of 1 in 370,000.
#[derive(Debug, Clone)]
pub struct DistinctUnits {
    groups: Vec<Group>,
    rows: u64,
    /// Units without an id, which cannot be told apart.
    nameless: u64,
    conflicting: u64,
}

#[derive(Debug, Clone)]
struct Group {
    unit: AttributePath,
    /// The indices of what is randomised by this attribute.
    items: Vec<usize>,
    /// The first answer of each unit; [`CONFLICT`] once another row of it had another.
    answers: HashMap<[u32; 2], u32, RandomState>,
}

const CONFLICT: u32 = 0;

impl DistinctUnits {
    /// Creates an empty set of units for items that are randomised by these attributes.
    pub(crate) fn new<'a>(units: impl IntoIterator<Item = &'a str>) -> Self {
        let group = |unit: &str| Group {
            unit: AttributePath::new(unit),
            items: Vec::new(),
            answers: HashMap::default(),
        };
        let mut groups = vec![group(USER_ID)];
        for (item, unit) in units.into_iter().enumerate() {
            match groups.iter_mut().find(|it| it.unit.as_str() == unit) {
                Some(there) => there.items.push(item),
                None => groups.push(Group { items: vec![item], ..group(unit) }),
            }
        }
        Self { groups, rows: 0, nameless: 0, conflicting: 0 }
    }

    /// Notes a row, and the answers for each item; `is_new` then says of each item whether its unit is a new one.
    pub(crate) fn note(&mut self, subject: &Subject<'_>, answers: &[u64], is_new: &mut Vec<bool>) {
        self.rows += 1;
        is_new.clear();
        is_new.resize(answers.len(), true);
        for group in &mut self.groups {
            // Without a unit nobody knows whether it came before.
            let Some(unit) = subject.unit(&group.unit) else {
                self.nameless += u64::from(group.unit.is_user_id());
                continue;
            };
            let of_group = group.items.iter().filter_map(|item| answers.get(*item));
            let answer = answer_of(of_group);
            match group.answers.entry(key_of(&unit)) {
                Entry::Vacant(entry) => {
                    entry.insert(answer);
                }
                Entry::Occupied(mut entry) => {
                    for item in &group.items {
                        if let Some(it) = is_new.get_mut(*item) {
                            *it = false;
                        }
                    }
                    if *entry.get() != answer && *entry.get() != CONFLICT {
                        entry.insert(CONFLICT);
                        self.conflicting += 1;
                    }
                }
            }
        }
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the number of distinct users; a row without an id counts as one.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.nameless + self.groups.first().map_or(0, |group| group.answers.len() as u64)
    }

    /// Returns the number of units held in memory.
    #[must_use]
    pub fn held(&self) -> usize {
        self.groups.iter().map(|group| group.answers.len()).sum()
    }

    /// Returns the number of units whose rows give different answers.
    #[must_use]
    pub fn conflicting(&self) -> u64 {
        self.conflicting
    }
}

fn key_of(unit: &str) -> [u32; 2] {
    let hash = FixedState::default().hash_one(unit);
    [low(hash >> 32), low(hash)]
}

/// 31 bits of some answers; never [`CONFLICT`].
fn answer_of<'a>(answers: impl Iterator<Item = &'a u64>) -> u32 {
    let state = FixedState::default();
    low(answers.fold(0, |hash: u64, answer| state.hash_one((hash, *answer)))) | 1
}

fn low(hash: u64) -> u32 {
    u32::try_from(hash & u64::from(u32::MAX)).unwrap_or_default()
}
