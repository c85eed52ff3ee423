//! What is written together.

use super::fold::Effect;
use super::{Amount, Folded, Item, Part, Position};
use std::collections::{BTreeMap, BTreeSet};

/// How much one commit may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Rows: a transaction of DynamoDB has 100 actions. The head, the commit log and the names of unknown events are three of them.
    pub rows: usize,
    /// Counters of one row: an update expression has at most 300 operators.
    pub counters: usize,
    /// Event ids, at 8 bytes each in one item of the commit log.
    pub ids: usize,
    /// Items: a redrive writes an item of the store for each.
    pub items: usize,
}

impl Limits {
    /// Those of a redrive, whose transaction holds a guard for each item in place of the head and the commit log.
    pub const REDRIVE: Self = Self { rows: 69, counters: 250, ids: 5_000, items: 30 };
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: 97, counters: 250, ids: 5_000, items: usize::MAX }
    }
}

/// What is written in one transaction, or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// How many items it covers, those of earlier commits included.
    pub upto: usize,
    /// The position of the first item that it counts, or counts a part of.
    pub first: Position,
    /// How far the shard has been applied then.
    pub head: Position,
    /// The hashes of the ids that its events took, for the commit log.
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
    /// The next commit after `from` items of a shard that is counted up to `head`: as many of them, in their order, as fit. An item that does
    /// not fit by itself is committed in parts: the head then names the last one. `None` at the end.
    #[must_use]
    pub fn commit(
        &self,
        shard: &str,
        items: &[Item<'_>],
        (from, head): (usize, Option<&Position>),
        limits: &Limits,
    ) -> Option<Commit> {
        let left = items.get(from..)?;
        let first = left.first()?;
        let begin = first.position.clone();
        let done = head.filter(|head| head.is_part_of(first.position)).and_then(|head| head.part.as_ref());
        let (mut rows, mut ids, mut upto) = (Rows::new(), Vec::new(), from);
        if done.is_some() || !self.fits_alone(from, limits) {
            let (some, part) = self.some_parts(from, done, limits);
            rows = some;
            if part.is_some() {
                let head = Position { part, ..first.position.clone() };
                return Some(Commit { upto, first: begin, head, ids, rows: self.named(shard, rows) });
            }
            ids.extend(self.id_taken(from, first));
            upto += 1;
        }
        for item in left.iter().skip(upto - from) {
            let effects = self.effects_of(upto);
            let is_full = upto > from
                && (ids.len() >= limits.ids
                    || upto - from >= limits.items
                    || might_overflow(&rows, effects, limits)
                        && !fits(&gather(rows.clone(), effects), limits));
            if is_full {
                break;
            }
            rows = gather(rows, effects);
            ids.extend(self.id_taken(upto, item));
            upto += 1;
        }
        let head = items.get(upto.checked_sub(1)?)?.position.clone();
        Some(Commit { upto, first: begin, head, ids, rows: self.named(shard, rows) })
    }

    fn fits_alone(&self, item: usize, limits: &Limits) -> bool {
        let effects = self.effects_of(item);
        effects.len() <= limits.rows.min(limits.counters) || fits(&gather(Rows::new(), effects), limits)
    }

    /// As many parts of an item as fit, after those that are done, and the name of the last one; without a name where it was the rest.
    fn some_parts(&self, item: usize, done: Option<&Part>, limits: &Limits) -> (Rows, Option<Part>) {
        let (parts, rest) = self.parts_of(item);
        let (mut rows, mut last) = (Rows::new(), None);
        for (credit, effects) in parts {
            let name = (credit.experiment, credit.metric);
            if done.is_some_and(|(experiment, metric)| name <= (&**experiment, &**metric)) {
                continue;
            }
            let with = gather(rows.clone(), effects);
            // One part always goes in, so that there is an end.
            if last.is_some() && !fits(&with, limits) {
                return (rows, last);
            }
            rows = with;
            last = Some((credit.experiment.into(), credit.metric.into()));
        }
        let with = gather(rows.clone(), &rest);
        if last.is_some() && !fits(&with, limits) { (rows, last) } else { (with, None) }
    }

    fn named(&self, shard: &str, rows: Rows) -> Vec<Additions> {
        rows.into_iter().filter_map(|(row, counters)| self.additions(shard, row, counters)).collect()
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
