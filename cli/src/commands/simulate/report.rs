//! The result of a simulation.

use crate::exit::{self, Exit};
use crate::people::Census;
use crate::render::notes::{hinted, left_out};
use crate::render::numbers::{bar, count, p_value, percent, plural, share};
use crate::render::style::{BAD, DIM, GOOD, TITLE};
use crate::render::table;
use crate::report::{FindingCounts, Report};
use abx_core::Reason;
use abx_core::hash::BUCKETS;
use abx_core::simulate::{ExperimentTally, SimulationChecks, Tally};
use abx_core::statistics::ChiSquare;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The decisions of a simulation, and tests of them against the documents.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct SimulateReport {
    /// The number of units.
    units: u64,
    /// The source of the units.
    source: String,
    experiments: Vec<ExperimentReport>,
    independence: IndependenceReport,
    /// A test fails below this p-value: alpha over the number of tests (Bonferroni).
    threshold: f64,
    /// The number of tests; with 0, the assignment was not checked.
    tests: usize,
    /// True if at least one test ran and all tests passed.
    balanced: bool,
    /// The rows of the file and the units in them; absent where units are generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<Census>,
    /// Warnings about the attributes and the file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hints: Vec<String>,
    /// Errors that keep documents out; see `abx validate`.
    #[serde(flatten)]
    counts: FindingCounts,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct ExperimentReport {
    experiment: String,
    status: abx_core::document::Status,
    /// The share that is in the traffic, of the units that reached it: as written and as observed (0 to 1).
    traffic: ObservedShare,
    /// A test of the traffic against its allocation; `null` if there is nothing to test.
    traffic_test: Option<ChiSquare>,
    variants: Vec<SimulatedVariant>,
    /// A test of the variants against their allocations; `null` if there is nothing to test.
    variants_test: Option<ChiSquare>,
    /// Units by reason.
    reasons: BTreeMap<Reason, u64>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct SimulatedVariant {
    variant: String,
    /// Units that got it, for whatever reason.
    units: u64,
    /// Units that drew it by bucket; the shares are of these.
    drawn: u64,
    share: ObservedShare,
}

#[derive(Debug, Clone, Copy, Serialize, schemars::JsonSchema)]
struct ObservedShare {
    expected: f64,
    observed: f64,
}

/// Tests of the independence of experiments from one another.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct IndependenceReport {
    /// Pairs of experiments with enough units in both.
    tested: usize,
    /// Pairs with too few, and therefore not tested.
    too_few: usize,
    /// Pairs that depend on one another.
    dependent: Vec<PairReport>,
    /// The least p-value of all pairs tested.
    least_p_value: Option<f64>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct PairReport {
    first: String,
    second: String,
    test: ChiSquare,
}

impl SimulateReport {
    pub(super) fn new(tally: &Tally<'_>, source: String, alpha: f64, counts: FindingCounts) -> Self {
        let experiments: Vec<ExperimentReport> =
            tally.experiments().iter().map(ExperimentReport::new).collect();
        let checks = SimulationChecks::new(tally, alpha);
        let key = |index: usize| experiments.get(index).map_or(String::new(), |it| it.experiment.clone());
        let dependent = checks.dependent_pairs().map(|(pair, test)| PairReport {
            first: key(pair.first),
            second: key(pair.second),
            test: *test,
        });
        Self {
            units: tally.units(),
            source,
            independence: IndependenceReport {
                tested: checks.tested_pairs.len(),
                too_few: checks.untested_pairs,
                dependent: dependent.collect(),
                least_p_value: checks.least_p_value(),
            },
            experiments,
            threshold: checks.threshold,
            tests: checks.tests,
            balanced: checks.balanced,
            rows: None,
            hints: Vec::new(),
            counts,
        }
    }

    /// Adds facts about the input to the report.
    pub(super) fn with_input(mut self, rows: Option<Census>, hints: Vec<String>) -> Self {
        (self.rows, self.hints) = (rows, hints);
        self
    }
}

impl ExperimentReport {
    fn new(tally: &ExperimentTally<'_>) -> Self {
        let experiment = tally.experiment;
        let inside = tally.count(Reason::Assigned);
        let reached = inside + tally.count(Reason::Traffic);
        let buckets = experiment.variant_buckets();
        let of_all = |buckets: u32| f64::from(buckets) / f64::from(BUCKETS);
        let counts = tally.variants.iter().zip(&tally.drawn).zip(&buckets);
        Self {
            experiment: experiment.key().to_owned(),
            status: experiment.status(),
            traffic: ObservedShare {
                expected: of_all(experiment.traffic_buckets()),
                observed: share(inside, reached),
            },
            traffic_test: tally.traffic_fits(),
            variants: experiment
                .variants()
                .iter()
                .zip(counts)
                .map(|(variant, ((units, drawn), buckets))| SimulatedVariant {
                    variant: variant.key.to_string(),
                    units: *units,
                    drawn: *drawn,
                    share: ObservedShare { expected: of_all(*buckets), observed: share(*drawn, inside) },
                })
                .collect(),
            variants_test: tally.variants_fit(),
            reasons: Reason::ALL
                .into_iter()
                .filter(|reason| tally.count(*reason) > 0)
                .map(|reason| (reason, tally.count(reason)))
                .collect(),
        }
    }

    fn human(&self, threshold: f64) -> String {
        let mut text = format!("{TITLE}{}{TITLE:#} {DIM}{}{DIM:#}\n", self.experiment, self.status);
        let widest = self.variants.iter().map(|it| it.share.observed).fold(0.0, f64::max).max(1e-9);
        let drew = self.reasons.contains_key(&Reason::Assigned);
        let observed = |share: f64| if drew { percent(share) } else { "-".to_owned() };
        let rows = self.variants.iter().map(|it| {
            vec![
                it.variant.clone(),
                percent(it.share.expected),
                observed(it.share.observed),
                count(it.units),
                bar(it.share.observed / widest, 24),
            ]
        });
        let header = ["variant", "expected", "observed", "units", ""];
        let _ = writeln!(text, "{}", table::plain(&header, &[1, 2, 3], rows));
        let traffic = format!("{} of {}", percent(self.traffic.observed), percent(self.traffic.expected));
        if drew {
            let _ = writeln!(text, "  traffic   {traffic}{}", verdict(self.traffic_test, threshold));
            let _ = writeln!(text, "  balance  {}", verdict(self.variants_test, threshold));
        }
        let _ = writeln!(text, "  reasons   {}", self.reasons_line());
        text
    }

    fn reasons_line(&self) -> String {
        let words = self.reasons.iter().map(|(reason, units)| format!("{reason} {}", count(*units)));
        words.collect::<Vec<_>>().join(" · ")
    }
}

fn verdict(test: Option<ChiSquare>, threshold: f64) -> String {
    match test {
        None => " not tested".to_owned(),
        Some(it) => {
            let numbers = format!("χ² = {:.2}, {}", it.statistic, p_value(it.p_value));
            if it.fails(threshold) {
                format!(" {BAD}does not fit: {numbers}{BAD:#}")
            } else {
                format!(" {GOOD}fits{GOOD:#} {DIM}{numbers}{DIM:#}")
            }
        }
    }
}

impl IndependenceReport {
    fn human(&self) -> String {
        if self.tested == 0 {
            return match self.too_few {
                0 => String::new(),
                few => format!(
                    "independence was not tested: {} with too few units in both experiments\n",
                    plural(few, "pair")
                ),
            };
        }
        let least = self.least_p_value.map_or(String::new(), |p| format!(", least {}", p_value(p)));
        let few = match self.too_few {
            0 => String::new(),
            few => format!("; {few} with too few units in both"),
        };
        let mut text = if self.dependent.is_empty() {
            format!("{GOOD}independent{GOOD:#}: all {} pairs tested{least}{few}\n", self.tested)
        } else {
            format!("{BAD}dependent{BAD:#}: {} of {} pairs tested{few}\n", self.dependent.len(), self.tested)
        };
        for pair in &self.dependent {
            let numbers = format!("χ² = {:.2}, {}", pair.test.statistic, p_value(pair.test.p_value));
            let _ = writeln!(text, "  {} and {}: {numbers}", pair.first, pair.second);
        }
        if !self.dependent.is_empty() {
            text.push_str("  give each experiment a salt of its own\n");
        }
        text
    }
}

impl Report for SimulateReport {
    const KIND: &'static str = "simulate";

    fn human(&self) -> String {
        let mut text = format!("{TITLE}{} units{TITLE:#} {DIM}({}){DIM:#}\n", count(self.units), self.source);
        for line in self.rows.iter().filter_map(Census::line) {
            let _ = writeln!(text, "  {line}");
        }
        text.push('\n');
        for experiment in &self.experiments {
            text.push_str(&experiment.human(self.threshold));
            text.push('\n');
        }
        text.push_str(&self.independence.human());
        let by_targeting = |it: &&ExperimentReport| it.reasons.get(&Reason::Targeting) == Some(&self.units);
        let names: Vec<&str> =
            self.experiments.iter().filter(by_targeting).map(|it| it.experiment.as_str()).collect();
        if !names.is_empty() {
            let _ = writeln!(
                text,
                "no unit matches the targeting of {}: give attributes with --context or --units-file",
                names.join(", ")
            );
        }
        if self.tests == 0 {
            let _ = writeln!(
                text,
                "{BAD}nothing was tested{BAD:#}: too few units got a variant; a test needs 5 expected units in each variant"
            );
        }
        text + &hinted(&self.hints) + &left_out(self.counts.errors)
    }

    fn exit(&self) -> Exit {
        if self.balanced && self.counts.errors == 0 { exit::DONE } else { exit::FINDINGS }
    }
}
