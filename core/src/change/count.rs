//! Counts of the units that a change moves, for a list of known units: both catalogs decide each of them, so
//! that targeting, overrides, prerequisites and experiments behind flags are taken into account.

use super::flow::{keys, outcomes};
use super::outcome::Outcome;
use super::{Change, Diff};
use crate::decide::{Catalog, Experiment, Flag, Subject};
use crate::simulate::DistinctUnits;
use foldhash::quality::FixedState;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::hash::BuildHasher;

/// Known units, by what they got and what they get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UnitChanges {
    /// The number of units.
    pub units: u64,
    /// The number of units whose outcome changes.
    pub moved: u64,
    /// Every outcome, in the order in which a table shows them.
    pub outcomes: Vec<Outcome>,
    /// Each outcome before with each outcome after; pairs that nobody has are left out.
    pub cells: Vec<UnitCell>,
}

/// Units that go from one outcome to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UnitCell {
    /// The outcome before the change.
    pub before: Outcome,
    /// The outcome after the change.
    pub after: Outcome,
    /// The number of units with this pair of outcomes.
    pub units: u64,
}

/// Decides units twice, and counts.
#[derive(Debug)]
pub struct FlowCounter<'c> {
    before: &'c Catalog,
    after: &'c Catalog,
    now: Timestamp,
    tables: Vec<Table<'c>>,
    seen: DistinctUnits,
    /// The answers of the present row, and which of them are of units that are new.
    answers: Vec<u64>,
    is_new: Vec<bool>,
}

#[derive(Debug)]
struct Table<'c> {
    /// The index in the diff.
    document: usize,
    of: DocumentPair<'c>,
    cells: BTreeMap<(Outcome<&'c str>, Outcome<&'c str>), u64>,
}

#[derive(Debug, Clone, Copy)]
enum DocumentPair<'c> {
    Experiments(&'c Experiment, &'c Experiment),
    Flags(&'c Flag, &'c Flag),
}

impl<'c> DocumentPair<'c> {
    /// The attribute of the units, as they are drawn after the change.
    fn unit_attribute(self) -> &'c str {
        match self {
            Self::Experiments(_, new) => new.unit_attribute(),
            Self::Flags(_, new) => new.unit_attribute(),
        }
    }

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

impl<'c> FlowCounter<'c> {
    /// Counts for the documents of a diff that are in both catalogs.
    #[must_use]
    pub fn new(before: &'c Catalog, after: &'c Catalog, diff: &Diff, now: Timestamp) -> Self {
        let both = |name: &str, was: &str| -> Option<DocumentPair<'c>> {
            let ((kind, key), (_, old)) = (name.split_once(' ')?, was.split_once(' ')?);
            Some(match kind {
                "experiment" => DocumentPair::Experiments(before.experiment(old)?, after.experiment(key)?),
                _ => DocumentPair::Flags(before.flag(old)?, after.flag(key)?),
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
        let seen = DistinctUnits::new(tables.iter().map(|table| table.of.unit_attribute()));
        Self { before, after, now, tables, seen, answers: Vec::new(), is_new: Vec::new() }
    }

    /// Decides a row of a file. A unit counts once, as its first row says.
    pub fn count(&mut self, subject: &Subject<'_>) {
        let outcomes: Vec<_> = self.tables.iter().map(|table| self.outcomes(table.of, subject)).collect();
        self.answers.clear();
        self.answers.extend(outcomes.iter().map(|outcomes| FixedState::default().hash_one(outcomes)));
        self.seen.note(subject, &self.answers, &mut self.is_new);
        for ((table, outcomes), is_new) in self.tables.iter_mut().zip(outcomes).zip(&self.is_new) {
            if *is_new {
                *table.cells.entry(outcomes).or_default() += 1;
            }
        }
    }

    fn outcomes(&self, of: DocumentPair<'c>, subject: &Subject<'_>) -> (Outcome<&'c str>, Outcome<&'c str>) {
        match of {
            DocumentPair::Experiments(old, new) => {
                (drawn(old, subject, self.now), drawn(new, subject, self.now))
            }
            DocumentPair::Flags(old, new) => {
                (served(self.before, old, subject, self.now), served(self.after, new, subject, self.now))
            }
        }
    }

    /// The units that were counted.
    #[must_use]
    pub const fn seen(&self) -> &DistinctUnits {
        &self.seen
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
            let units = table.cells.values().sum();
            if let Some(document) = diff.documents.get_mut(table.document) {
                document.counted = Some(UnitChanges { units, moved, outcomes, cells });
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
