//! What a change does to units that are known: both catalogs decide every one, so that targeting, overrides,
//! prerequisites and experiments behind flags count as they are.

use super::flow::{keys, outcomes};
use super::outcome::Outcome;
use super::{Change, Diff};
use crate::decide::{Catalog, Experiment, Flag, Subject};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Known units, by what they got and what they get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counted {
    /// How many units there are.
    pub units: u64,
    /// How many get something else.
    pub moved: u64,
    /// Every outcome, in the order in which a table shows them.
    pub outcomes: Vec<Outcome>,
    /// Each outcome before with each outcome after; pairs that nobody has are left out.
    pub cells: Vec<UnitCell>,
}

/// Units that go from one outcome to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UnitCell {
    /// What they got.
    pub before: Outcome,
    /// What they get.
    pub after: Outcome,
    /// How many.
    pub units: u64,
}

/// Decides units twice, and counts.
#[derive(Debug)]
pub struct Counter<'c> {
    before: &'c Catalog,
    after: &'c Catalog,
    now: Timestamp,
    tables: Vec<Table<'c>>,
    units: u64,
}

#[derive(Debug)]
struct Table<'c> {
    /// The index in the diff.
    document: usize,
    of: Both<'c>,
    cells: BTreeMap<(Outcome<&'c str>, Outcome<&'c str>), u64>,
}

#[derive(Debug, Clone, Copy)]
enum Both<'c> {
    Experiments(&'c Experiment, &'c Experiment),
    Flags(&'c Flag, &'c Flag),
}

impl<'c> Both<'c> {
    /// The keys of the variants, in order.
    fn keys(self) -> Vec<&'c str> {
        match self {
            Self::Experiments(old, new) => {
                let [old, new] = [old, new].map(|it| it.variants().iter().map(|it| &*it.key));
                keys(old, new)
            }
            Self::Flags(old, new) => {
                let [old, new] = [old, new].map(|it| it.variants().iter().map(|it| &*it.key));
                keys(old, new)
            }
        }
    }
}

impl<'c> Counter<'c> {
    /// Counts for the documents of a diff that are in both catalogs.
    #[must_use]
    pub fn new(before: &'c Catalog, after: &'c Catalog, diff: &Diff, now: Timestamp) -> Self {
        let both = |name: &str, was: &str| -> Option<Both<'c>> {
            let ((kind, key), (_, old)) = (name.split_once(' ')?, was.split_once(' ')?);
            Some(match kind {
                "experiment" => Both::Experiments(before.experiment(old)?, after.experiment(key)?),
                _ => Both::Flags(before.flag(old)?, after.flag(key)?),
            })
        };
        let mut tables = Vec::new();
        for (document, change) in diff.documents.iter().enumerate() {
            let was = match &change.change {
                Change::Renamed(was) => was,
                _ => &change.document,
            };
            if let Some(of) = both(&change.document, was) {
                tables.push(Table { document, of, cells: BTreeMap::new() });
            }
        }
        Self { before, after, now, tables, units: 0 }
    }

    /// Decides a unit.
    pub fn count(&mut self, subject: &Subject<'_>) {
        self.units += 1;
        for table in &mut self.tables {
            let outcomes = match table.of {
                Both::Experiments(old, new) => (drawn(old, subject, self.now), drawn(new, subject, self.now)),
                Both::Flags(old, new) => {
                    (served(self.before, old, subject, self.now), served(self.after, new, subject, self.now))
                }
            };
            *table.cells.entry(outcomes).or_default() += 1;
        }
    }

    /// How many units were decided.
    #[must_use]
    pub const fn units(&self) -> u64 {
        self.units
    }

    /// Writes what was counted into the diff that it was made for.
    pub fn write(self, diff: &mut Diff) {
        for table in self.tables {
            let moved =
                table.cells.iter().filter(|((old, new), _)| old.differs(new)).map(|(_, units)| units).sum();
            let cell = |((old, new), units): (&(Outcome<&str>, Outcome<&str>), &u64)| UnitCell {
                before: old.owned(),
                after: new.owned(),
                units: *units,
            };
            let cells = table.cells.iter().map(cell).collect();
            let outcomes = outcomes(&table.of.keys(), table.cells.keys().copied());
            if let Some(document) = diff.documents.get_mut(table.document) {
                document.counted = Some(Counted { units: self.units, moved, outcomes, cells });
            }
        }
    }
}

fn drawn<'c>(experiment: &'c Experiment, subject: &Subject<'_>, now: Timestamp) -> Outcome<&'c str> {
    let decision = experiment.decide(subject, now, None);
    decision.variant.map_or(Outcome::None(decision.reason), |variant| Outcome::Variant(&variant.key))
}

fn served<'c>(
    catalog: &'c Catalog,
    flag: &'c Flag,
    subject: &Subject<'_>,
    now: Timestamp,
) -> Outcome<&'c str> {
    let evaluation = catalog.evaluate_flag(flag, subject, now);
    Outcome::Variant(evaluation.variant.map_or("", |variant| &variant.key))
}
