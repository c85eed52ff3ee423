//! Commits: counts that are written together.

use super::fold::Effect;
use super::{Amount, Counter, Folded, Part, Position, RowKey, StreamItem, Unexposed};
use std::collections::{BTreeMap, BTreeSet};

/// The limits of one commit, which the store sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows, without that of the names of unknown events.
    pub rows: usize,
    /// Counters of one row.
    pub counters: usize,
    /// Event ids, and as many conversions of units that were not exposed.
    pub ids: usize,
    /// Items.
    pub items: usize,
}

/// A write in one transaction, all or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit<'a> {
    /// The number of items that it covers, including those of earlier commits.
    pub upto: usize,
    /// The position of the first item that it counts, or counts a part of.
    pub first: Position,
    /// The position up to which the shard has been applied after this commit.
    pub head: Position,
    /// The hashes of the ids that its events took, for the commit log.
    pub ids: Vec<u64>,
    /// Its conversions whose unit was not exposed yet, for the commit log.
    pub unexposed: Vec<Unexposed>,
    /// Additions to rows, each row once.
    pub rows: Vec<Additions<'a>>,
}

/// Additions to one row of the commit's shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Additions<'a> {
    /// The row.
    pub row: RowKey<'a>,
    /// The counters with the amounts that are added to them, each counter once.
    pub counters: Vec<(Counter<'a>, Amount)>,
}

/// Rows by their number, and in each the counters by theirs.
type NumberedRows = BTreeMap<u32, BTreeMap<u32, Amount>>;

impl<'a> Folded<'a> {
    /// The next commit after `from` items of a shard that is counted up to `head`: as many of them, in their order, as fit. An item that does
    /// not fit by itself is committed in parts: the head then names the last one. `None` at the end.
    #[must_use]
    pub fn commit(
        &self,
        items: &[StreamItem<'_>],
        (from, head): (usize, Option<&Position>),
        limits: &Limits,
    ) -> Option<Commit<'a>> {
        let left = items.get(from..)?;
        let first = left.first()?;
        let begin = first.position.clone();
        let done = head.filter(|head| head.is_part_of(first.position)).and_then(|head| head.part.as_ref());
        let (mut rows, mut ids, mut upto) = (NumberedRows::new(), Vec::new(), from);
        if done.is_some() || !self.fits_alone(from, limits) {
            let (some, part) = self.some_parts(from, done, limits);
            rows = some;
            if part.is_some() {
                let head = Position { part, ..first.position.clone() };
                let rows = self.additions(rows);
                return Some(Commit { upto, first: begin, head, ids, unexposed: Vec::new(), rows });
            }
            ids.extend(self.id_taken(from, first));
            upto += 1;
        }
        for item in left.iter().skip(upto - from) {
            let effects = self.effects_of(upto);
            let is_full = upto > from
                && (ids.len() >= limits.ids
                    || self.unexposed_of(from, upto).len() >= limits.ids
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
        let unexposed = self.unexposed_of(from, upto).to_vec();
        Some(Commit { upto, first: begin, head, ids, unexposed, rows: self.additions(rows) })
    }

    fn fits_alone(&self, item: usize, limits: &Limits) -> bool {
        let effects = self.effects_of(item);
        effects.len() <= limits.rows.min(limits.counters)
            || fits(&gather(NumberedRows::new(), effects), limits)
    }

    /// As many parts of an item as fit, after those that are done, and the name of the last one; without a name where it was the rest.
    fn some_parts(&self, item: usize, done: Option<&Part>, limits: &Limits) -> (NumberedRows, Option<Part>) {
        let (parts, rest) = self.parts_of(item);
        let (mut rows, mut last) = (NumberedRows::new(), None);
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

    fn additions(&self, rows: NumberedRows) -> Vec<Additions<'a>> {
        let counter = |number: u32| self.counters.values.get(number as usize).cloned();
        let additions = |(row, counters): (u32, BTreeMap<u32, Amount>)| {
            let counters = counters.into_iter().filter_map(|(number, sum)| Some((counter(number)?, sum)));
            Some(Additions { row: self.rows.values.get(row as usize)?.clone(), counters: counters.collect() })
        };
        rows.into_iter().filter_map(additions).collect()
    }
}

fn gather(mut rows: NumberedRows, effects: &[Effect]) -> NumberedRows {
    for effect in effects {
        *rows.entry(effect.row).or_default().entry(effect.counter).or_default() += effect.amount;
    }
    rows
}

fn fits(rows: &NumberedRows, limits: &Limits) -> bool {
    rows.len() <= limits.rows && rows.values().all(|counters| counters.len() <= limits.counters)
}

/// True if these effects could go beyond the limits: cheap, and nearly always false.
fn might_overflow(rows: &NumberedRows, effects: &[Effect], limits: &Limits) -> bool {
    let touched: BTreeSet<u32> = effects.iter().map(|effect| effect.row).collect();
    let longest = touched.iter().filter_map(|row| rows.get(row)).map(BTreeMap::len).max().unwrap_or(0);
    rows.len() + touched.len() > limits.rows || longest + effects.len() > limits.counters
}
