//! Counts of decisions. The memory depends on the experiments, not on the number of units.

use super::{DistinctUnits, Units};
use crate::decide::{Decision, Experiment, Reason, Subject, Variant};
use crate::hash::BUCKETS;
use crate::statistics::{ChiSquare, goodness_of_fit, independence};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::ops::Range;

/// Counts what some experiments decide.
#[derive(Debug, Clone)]
pub struct Tally<'c> {
    experiments: Vec<ExperimentTally<'c>>,
    pairs: Vec<PairTally>,
    units: u64,
    /// The variant that the present unit drew in each experiment; kept to spare an allocation a unit.
    drawn: Vec<Option<usize>>,
    /// The answers of the present row, and which of them are of units that are new.
    answers: Vec<u64>,
    is_new: Vec<bool>,
}

/// The counts of decisions of one experiment.
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
pub struct PairTally {
    /// The index of the one.
    pub first: usize,
    /// The index of the other, greater than `first`.
    pub second: usize,
    /// `table[variant of the first][variant of the second]`.
    pub table: Vec<Vec<u64>>,
}

impl PairTally {
    /// Tests if the two are drawn independently of one another. `None` with too few units.
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

    /// Tests if the drawn variants follow the allocations. `None` with too few units.
    #[must_use]
    pub fn variants_fit(&self) -> Option<ChiSquare> {
        let shares: Vec<f64> = self.experiment.variant_buckets().into_iter().map(f64::from).collect();
        goodness_of_fit(&self.drawn, &shares)
    }

    /// Tests if the traffic follows its allocation. `None` with too few units, or if the traffic is 0 or 1.
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
                    pairs.push(PairTally { first, second, table });
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
            answers: Vec::new(),
            is_new: Vec::new(),
        }
    }

    /// Returns an empty set of units, for [`count_row`](Self::count_row).
    #[must_use]
    pub fn seen(&self) -> DistinctUnits {
        DistinctUnits::new(self.experiments.iter().map(|tally| tally.experiment.unit_attribute()))
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
        self.count_pairs();
    }

    /// Counts the decisions for one row of a file that may have several of a unit: every row is decided, and a unit counts once, as
    /// its first row says. Chance decides for a unit and not for a row, so that rows would be too many for every test.
    pub fn count_row(&mut self, subject: &Subject<'_>, now: Timestamp, seen: &mut DistinctUnits) {
        let decisions: Vec<_> =
            self.experiments.iter().map(|tally| tally.experiment.decide(subject, now, None)).collect();
        self.answers.clear();
        self.answers.extend(decisions.iter().map(|decision| {
            let variants = decision.experiment.variants();
            let is_it = |it: &Variant| decision.variant.is_some_and(|variant| std::ptr::eq(it, variant));
            let variant = variants.iter().position(is_it).map_or(0, |index| index as u64 + 1);
            variant << 8 | decision.reason as u64
        }));
        seen.note(subject, &self.answers, &mut self.is_new);
        self.units = seen.units();
        let counted =
            self.experiments.iter_mut().zip(&mut self.drawn).zip(decisions.iter().zip(&self.is_new));
        for ((tally, drawn), (decision, is_new)) in counted {
            *drawn = if *is_new { tally.count_decision(decision) } else { None };
        }
        self.count_pairs();
    }

    #[inline]
    fn count_pairs(&mut self) {
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

    /// Returns the number of counted units.
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
    pub fn pairs(&self) -> &[PairTally] {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_and_compile;
    use serde_json::json;

    #[test]
    fn a_unit_counts_once_in_however_many_rows() {
        let experiment = |key: &str, unit: &str| json!({"experiment": key, "status": "active", "unit": unit, "variants": [{"key": "a"}, {"key": "b"}]});
        let mut targeted = experiment("targeted", "user_id");
        targeted["targeting_rules"] = json!([{"attribute": "plan", "operator": "equals", "value": "pro"}]);
        let documents = [experiment("by_user", "user_id"), experiment("by_account", "account"), targeted];
        let compilation = read_and_compile(&documents);
        let experiments: Vec<&Experiment> = compilation.catalog.experiments().iter().collect();
        let mut tally = Tally::new(&experiments);
        let mut seen = tally.seen();
        let now = Timestamp::UNIX_EPOCH;
        for row in 0..20_000_u64 {
            let unit = format!("user_{}", row % 349);
            // Each account has some users, and one user in ten changes the plan.
            let plan = if row % 349 < 35 && row > 10_000 { "free" } else { "pro" };
            let attributes = json!({"account": row % 349 / 7, "plan": plan});
            tally.count_row(&Subject::new(&unit, attributes.as_object().unwrap()), now, &mut seen);
        }
        tally.count_row(&Subject::new("", &Map::new()), now, &mut seen);
        assert_eq!((seen.rows(), seen.units(), tally.units()), (20_001, 350, 350));
        assert_eq!(seen.conflicting(), 35, "counted once each");
        let counts: Vec<u64> = tally.experiments().iter().map(|it| it.variants.iter().sum()).collect();
        assert_eq!(counts, [349, 50, 349], "the first row of each unit");
        assert_eq!(tally.experiments()[0].count(Reason::UnitMissing), 1);
        let mut once = Tally::new(&experiments);
        for unit in (0..349).map(|it| format!("user_{it}")) {
            once.count(&Subject::new(&unit, &Map::new()), now);
        }
        assert_eq!(once.experiments()[0].drawn, tally.experiments()[0].drawn, "no false alarm");
        let pair: u64 = tally.pairs()[0].table.iter().flatten().sum();
        assert_eq!(pair, 50, "a pair counts where both units are new");
    }
}
