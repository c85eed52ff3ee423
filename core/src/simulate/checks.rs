//! The tests of a simulation together: whether its decisions are balanced and independent of one another.

use super::{ExperimentTally, PairTally, Tally};
use crate::statistics::ChiSquare;

/// Every test of a tally, judged at one probability of a false positive over all of them.
#[derive(Debug, Clone)]
pub struct SimulationChecks<'t> {
    /// A test fails below this p-value: alpha over the number of tests (Bonferroni).
    pub threshold: f64,
    /// The number of tests; with 0, the assignment was not checked.
    pub tests: usize,
    /// Pairs of experiments with enough units in both.
    pub tested_pairs: Vec<(&'t PairTally, ChiSquare)>,
    /// The number of pairs with too few units, and therefore not tested.
    pub untested_pairs: usize,
    /// True if at least one test ran and all tests passed.
    pub balanced: bool,
}

impl<'t> SimulationChecks<'t> {
    /// Runs every test; `alpha` is the probability of a false positive over all of them together.
    #[must_use]
    pub fn new(tally: &'t Tally<'_>, alpha: f64) -> Self {
        let tested_pairs: Vec<(&PairTally, ChiSquare)> =
            tally.pairs().iter().filter_map(|pair| Some((pair, pair.independence()?))).collect();
        let own_tests = |it: &ExperimentTally<'_>| [it.traffic_fits(), it.variants_fit()];
        let own: Vec<ChiSquare> = tally.experiments().iter().flat_map(own_tests).flatten().collect();
        let tests = own.len() + tested_pairs.len();
        #[expect(clippy::cast_precision_loss, reason = "the number of tests is small")]
        let threshold = alpha / tests.max(1) as f64;
        let mut all = own.iter().chain(tested_pairs.iter().map(|(_, test)| test));
        Self {
            threshold,
            tests,
            balanced: tests > 0 && all.all(|test| !test.fails(threshold)),
            untested_pairs: tally.pairs().len() - tested_pairs.len(),
            tested_pairs,
        }
    }

    /// The pairs that depend on one another.
    pub fn dependent_pairs(&self) -> impl Iterator<Item = &(&'t PairTally, ChiSquare)> {
        self.tested_pairs.iter().filter(|(_, test)| test.fails(self.threshold))
    }

    /// The least p-value of all tested pairs.
    #[must_use]
    pub fn least_p_value(&self) -> Option<f64> {
        self.tested_pairs.iter().map(|(_, test)| test.p_value).min_by(f64::total_cmp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::{Experiment, Subject};
    use crate::read_and_compile;
    use jiff::Timestamp;
    use serde_json::{Map, json};

    /// The checks of two experiments with these salts, over some units.
    fn checks<T>(salts: [&str; 2], units: u32, read: impl FnOnce(SimulationChecks<'_>) -> T) -> T {
        let documents = salts.iter().enumerate().map(|(index, salt)| {
            let variants = [json!({"key": "a"}), json!({"key": "b"})];
            json!({"experiment": format!("e{index}"), "status": "active", "salt": salt, "variants": variants})
        });
        let compilation = read_and_compile(&documents.collect::<Vec<_>>());
        let experiments: Vec<&Experiment> = compilation.catalog.experiments().iter().collect();
        assert_eq!(experiments.len(), 2, "{:?}", compilation.findings);
        let mut tally = Tally::new(&experiments);
        for unit in 0..units {
            tally.count(&Subject::new(&format!("user_{unit}"), &Map::new()), Timestamp::UNIX_EPOCH);
        }
        read(SimulationChecks::new(&tally, 0.003))
    }

    #[test]
    fn experiments_with_one_salt_depend_on_one_another() {
        checks(["one", "two"], 10_000, |checks| {
            assert_eq!((checks.tests, checks.untested_pairs, checks.balanced), (3, 0, true));
            assert!((checks.threshold - 0.001).abs() < 1e-12, "alpha over the number of tests");
            assert_eq!(checks.dependent_pairs().count(), 0);
        });
        checks(["one", "one"], 10_000, |checks| {
            assert!(!checks.balanced);
            let dependent: Vec<_> =
                checks.dependent_pairs().map(|(pair, _)| (pair.first, pair.second)).collect();
            assert_eq!(dependent, [(0, 1)]);
            assert!(checks.least_p_value().is_some_and(|it| it < checks.threshold));
        });
    }

    #[test]
    fn without_a_test_nothing_is_balanced() {
        checks(["one", "two"], 3, |checks| {
            assert_eq!((checks.tests, checks.untested_pairs, checks.balanced), (0, 1, false));
            assert_eq!(checks.least_p_value(), None);
        });
    }
}
