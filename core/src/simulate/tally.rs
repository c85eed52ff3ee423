//! Counts of decisions. The memory depends on the experiments, not on the number of units.

use super::Units;
use crate::decide::{Decision, Experiment, Reason, Subject};
use crate::hash::BUCKETS;
use crate::statistics::{ChiSquare, goodness_of_fit, independence};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::ops::Range;

/// Counts what some experiments decide.
#[derive(Debug, Clone)]
pub struct Tally<'c> {
    experiments: Vec<ExperimentTally<'c>>,
    pairs: Vec<Pair>,
    units: u64,
    /// The variant that the present unit drew in each experiment; kept to spare an allocation a unit.
    drawn: Vec<Option<usize>>,
}

/// What one experiment decided.
#[derive(Debug, Clone)]
pub struct ExperimentTally<'c> {
    /// The experiment.
    pub experiment: &'c Experiment,
    /// Units by reason, in the order of [`Reason::ALL`].
    pub reasons: [u64; Reason::ALL.len()],
    /// Units by variant, whatever the reason.
    pub variants: Vec<u64>,
    /// Units by variant that drew it by bucket; only these follow the allocations.
    pub drawn: Vec<u64>,
}

/// Units that drew a variant in both of two experiments.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The index of the one.
    pub first: usize,
    /// The index of the other, greater than `first`.
    pub second: usize,
    /// `table[variant of the first][variant of the second]`.
    pub table: Vec<Vec<u64>>,
}

impl Pair {
    /// Are the two drawn independently of one another? `None` with too few units.
    #[must_use]
    pub fn independence(&self) -> Option<ChiSquare> {
        independence(&self.table)
    }
}

impl ExperimentTally<'_> {
    /// Units with a reason.
    #[must_use]
    pub fn count(&self, reason: Reason) -> u64 {
        self.reasons.get(reason as usize).copied().unwrap_or(0)
    }

    /// Do the drawn variants follow the allocations? `None` with too few units.
    #[must_use]
    pub fn variants_fit(&self) -> Option<ChiSquare> {
        let shares: Vec<f64> = self.experiment.variant_buckets().into_iter().map(f64::from).collect();
        goodness_of_fit(&self.drawn, &shares)
    }

    /// Does the traffic follow its allocation? `None` with too few units, or where all or none are in.
    #[must_use]
    pub fn traffic_fits(&self) -> Option<ChiSquare> {
        let inside = self.experiment.traffic_buckets();
        let shares = [f64::from(inside), f64::from(BUCKETS - inside)];
        goodness_of_fit(&[self.count(Reason::Assigned), self.count(Reason::Traffic)], &shares)
    }
}

impl<'c> Tally<'c> {
    /// An empty tally of some experiments and every pair of them.
    #[must_use]
    pub fn new(experiments: &[&'c Experiment]) -> Self {
        let mut pairs = Vec::new();
        for (second, b) in experiments.iter().enumerate() {
            for (first, a) in experiments.iter().enumerate().take(second) {
                // Experiments of one layer exclude each other; no unit is ever in both.
                if a.layer().is_none() || a.layer() != b.layer() {
                    let table = vec![vec![0; b.variants().len()]; a.variants().len()];
                    pairs.push(Pair { first, second, table });
                }
            }
        }
        let empty = |experiment: &&'c Experiment| ExperimentTally {
            experiment,
            reasons: [0; Reason::ALL.len()],
            variants: vec![0; experiment.variants().len()],
            drawn: vec![0; experiment.variants().len()],
        };
        Self {
            experiments: experiments.iter().map(empty).collect(),
            pairs,
            units: 0,
            drawn: vec![None; experiments.len()],
        }
    }

    /// Counts the decisions for generated units, all with the same attributes.
    pub fn count_generated(
        &mut self,
        units: Units,
        indices: Range<u64>,
        attributes: &Map<String, Value>,
        now: Timestamp,
    ) {
        let mut buffer = String::with_capacity(64);
        for index in indices {
            units.write(index, &mut buffer);
            self.count(&Subject::any_unit(&buffer, attributes), now);
        }
    }

    /// Counts the decisions for one subject.
    #[inline]
    pub fn count(&mut self, subject: &Subject<'_>, now: Timestamp) {
        self.units += 1;
        for (tally, drawn) in self.experiments.iter_mut().zip(&mut self.drawn) {
            *drawn = tally.count_decision(&tally.experiment.decide(subject, now, None));
        }
        for pair in &mut self.pairs {
            let of = |index: usize| self.drawn.get(index).copied().flatten();
            if let (Some(a), Some(b)) = (of(pair.first), of(pair.second))
                && let Some(cell) = pair.table.get_mut(a).and_then(|row| row.get_mut(b))
            {
                *cell += 1;
            }
        }
    }

    /// Adds the counts of another tally of the same experiments.
    pub fn merge(&mut self, other: &Self) {
        self.units += other.units;
        for (mine, theirs) in self.experiments.iter_mut().zip(&other.experiments) {
            add(&mut mine.reasons, &theirs.reasons);
            add(&mut mine.variants, &theirs.variants);
            add(&mut mine.drawn, &theirs.drawn);
        }
        for (mine, theirs) in self.pairs.iter_mut().zip(&other.pairs) {
            for (mine, theirs) in mine.table.iter_mut().zip(&theirs.table) {
                add(mine, theirs);
            }
        }
    }

    /// How many units were counted.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.units
    }

    /// The counts of each experiment.
    #[must_use]
    pub fn experiments(&self) -> &[ExperimentTally<'c>] {
        &self.experiments
    }

    /// The counts of each pair, those of one layer left out.
    #[must_use]
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }
}

impl ExperimentTally<'_> {
    /// Counts a decision; returns the variant if it was drawn by bucket.
    #[inline]
    fn count_decision(&mut self, decision: &Decision<'_>) -> Option<usize> {
        if let Some(count) = self.reasons.get_mut(decision.reason as usize) {
            *count += 1;
        }
        let variant = decision.variant?;
        let index = self.experiment.variants().iter().position(|it| std::ptr::eq(it, variant))?;
        *self.variants.get_mut(index)? += 1;
        if decision.reason != Reason::Assigned {
            return None;
        }
        *self.drawn.get_mut(index)? += 1;
        Some(index)
    }
}

fn add(mine: &mut [u64], theirs: &[u64]) {
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        *mine += theirs;
    }
}
