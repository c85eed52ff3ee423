//! What is written together.

use super::fold::Effect;
use super::{Amount, Folded, Item, Position, What};
use std::collections::{BTreeMap, BTreeSet};

/// How much one commit may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Rows: a transaction of DynamoDB has 100 actions. The head, the ledger and the names of unknown events are three of them.
    pub rows: usize,
    /// Counters of one row: an update expression has at most 300 operators.
    pub counters: usize,
    /// Event ids, at 8 bytes each in one item of the ledger.
    pub ids: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: 97, counters: 250, ids: 5_000 }
    }
}

/// What is written in one transaction, or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// How many items it covers, those of earlier commits included.
    pub upto: usize,
    /// How far the shard has been applied then.
    pub head: Position,
    /// The hashes of the ids of its events, of those that have one, for the ledger.
    pub ids: Vec<u64>,
    /// Additions to rows, each row once.
    pub rows: Vec<Additions>,
}

/// Additions to one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Additions {
    /// The partition of the row.
    pub partition: String,
    /// Its place there.
    pub sort: String,
    /// What is added to which counter, each once.
    pub counters: Vec<(String, Amount)>,
}

/// Rows by their number, and in each the counters by theirs.
type Rows = BTreeMap<u32, BTreeMap<u32, Amount>>;

impl Folded<'_> {
    /// The items that do not fit into any commit, each by itself. They can never be counted: reject them and fold again.
    #[must_use]
    pub fn oversized(&self, limits: &Limits) -> Vec<usize> {
        let is_oversized = |item: &usize| {
            let effects = self.effects_of(*item);
            effects.len() > limits.rows.min(limits.counters) && !fits(&gather(Rows::new(), effects), limits)
        };
        (0..self.items()).filter(is_oversized).collect()
    }

    /// The next commit after `from` items of a shard: as many of them, in their order, as fit. `None` at the end.
    #[must_use]
    pub fn commit(&self, shard: &str, items: &[Item<'_>], from: usize, limits: &Limits) -> Option<Commit> {
        let mut rows = Rows::new();
        let mut ids = Vec::new();
        let mut upto = from;
        for item in items.get(from..)? {
            let effects = self.effects_of(upto);
            let full = upto > from
                && (ids.len() >= limits.ids
                    || might_overflow(&rows, effects, limits) && {
                        let with = gather(rows.clone(), effects);
                        !fits(&with, limits)
                    });
            if full {
                break;
            }
            rows = gather(rows, effects);
            if let What::Event(_, Some(id)) = item.what {
                ids.push(id);
            }
            upto += 1;
        }
        let head = items.get(upto.checked_sub(1)?).filter(|_| upto > from)?.position.clone();
        let rows = rows.into_iter().filter_map(|(row, counters)| self.additions(shard, row, counters));
        Some(Commit { upto, head, ids, rows: rows.collect() })
    }

    fn additions(&self, shard: &str, row: u32, counters: BTreeMap<u32, Amount>) -> Option<Additions> {
        let key = self.rows.values.get(row as usize)?;
        let name = |number: u32| self.counters.values.get(number as usize).map(ToString::to_string);
        Some(Additions {
            partition: key.partition(),
            sort: key.sort(shard),
            counters: counters.into_iter().filter_map(|(number, sum)| Some((name(number)?, sum))).collect(),
        })
    }
}

fn gather(mut rows: Rows, effects: &[Effect]) -> Rows {
    for effect in effects {
        *rows.entry(effect.row).or_default().entry(effect.counter).or_default() += effect.amount;
    }
    rows
}

fn fits(rows: &Rows, limits: &Limits) -> bool {
    rows.len() <= limits.rows && rows.values().all(|counters| counters.len() <= limits.counters)
}

/// Whether these effects could go beyond the limits: cheap, and nearly always no.
fn might_overflow(rows: &Rows, effects: &[Effect], limits: &Limits) -> bool {
    let touched: BTreeSet<u32> = effects.iter().map(|effect| effect.row).collect();
    let longest = touched.iter().filter_map(|row| rows.get(row)).map(BTreeMap::len).max().unwrap_or(0);
    rows.len() + touched.len() > limits.rows || longest + effects.len() > limits.counters
}
