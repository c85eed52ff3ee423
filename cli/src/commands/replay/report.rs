//! What was replayed, and what it was counted as.

use super::target::Counts;
use crate::exit::{self, Exit};
use crate::render::numbers::count;
use crate::render::style::{BAD, DIM, GOOD, TITLE};
use crate::render::table;
use crate::report::Report;
use abx_core::event::{StreamCounter, Totals};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

/// What was replayed, and what it was counted as.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ReplayReport {
    target: String,
    /// Records delivered, those that came again too.
    records: u64,
    batches: u64,
    /// Batches that were given back, and delivered again.
    given_back: u64,
    seconds: f64,
    records_per_second: f64,
    /// What was counted of the stream, now: empty where a function counts.
    counted: BTreeMap<&'static str, u64>,
    /// Records that can never be processed, by reason.
    rejected: BTreeMap<&'static str, u64>,
    /// Records without a place in any shard.
    unplaced: u64,
    /// All that the store holds of each experiment.
    experiments: Vec<ExperimentCounts>,
    /// Whether the counts are those of a replay without faults; `null` where that was not asked.
    equal: Option<bool>,
    /// What differs, in words.
    differences: Vec<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct ExperimentCounts {
    experiment: String,
    epoch: u32,
    variants: Vec<VariantCounts>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct VariantCounts {
    variant: String,
    units: u64,
    exposures: u64,
    conflicts: u64,
    /// By metric: units that converted, or the sum.
    metrics: BTreeMap<String, String>,
}

impl ReplayReport {
    pub(super) fn new(target: &str, counts: &Counts, took: Duration, clean: Option<&Counts>) -> Self {
        let differences = clean.map(|clean| differences(counts, clean)).unwrap_or_default();
        let seconds = took.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate for a person")]
        let records_per_second = counts.records as f64 / seconds.max(1e-9);
        let told = StreamCounter::ALL.iter().map(|it| (it.as_str(), counts.stream.count(*it)));
        Self {
            target: target.to_owned(),
            records: counts.records,
            batches: counts.batches,
            given_back: counts.given_back,
            seconds,
            records_per_second,
            counted: if target == "local" { told.collect() } else { BTreeMap::new() },
            rejected: counts
                .stream
                .rejected
                .iter()
                .map(|(reason, count)| (reason.as_str(), *count))
                .collect(),
            unplaced: counts.unplaced,
            experiments: counts
                .experiments
                .iter()
                .map(|((key, epoch), totals)| of(key, *epoch, totals))
                .collect(),
            equal: clean.map(|_| differences.is_empty()),
            differences,
        }
    }
}

fn of(experiment: &str, epoch: u32, totals: &Totals) -> ExperimentCounts {
    let variants = totals.variants.iter().map(|(variant, it)| VariantCounts {
        variant: variant.clone(),
        units: it.units,
        exposures: it.exposures,
        conflicts: it.conflicts,
        metrics: it
            .metrics
            .iter()
            .map(|(metric, it)| {
                let is_sum = !it.groups.is_empty();
                (metric.clone(), if is_sum { it.sum.to_string() } else { it.units.to_string() })
            })
            .collect(),
    });
    ExperimentCounts { experiment: experiment.to_owned(), epoch, variants: variants.collect() }
}

/// What two replays counted differently. Duplicates and records that are no events are faults themselves, so they may differ.
fn differences(faulty: &Counts, clean: &Counts) -> Vec<String> {
    let mut told = Vec::new();
    let keys: BTreeSet<_> = faulty.experiments.keys().chain(clean.experiments.keys()).collect();
    for key in keys {
        if faulty.experiments.get(key) != clean.experiments.get(key) {
            told.push(format!("experiment {} (epoch {})", key.0, key.1));
        }
    }
    for what in StreamCounter::ALL.iter().filter(|it| **it != StreamCounter::Duplicates) {
        let (a, b) = (faulty.stream.count(*what), clean.stream.count(*what));
        if a != b {
            told.push(format!("{}: {} with faults, {} without", what.as_str(), count(a), count(b)));
        }
    }
    told
}

impl Report for ReplayReport {
    fn human(&self) -> String {
        let Self { target, records, batches, seconds, records_per_second, .. } = self;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate for a person")]
        let rate = count(*records_per_second as u64);
        let mut text = format!(
            "{TITLE}{target}{TITLE:#}: {} records in {} batches, {seconds:.1} s, {rate} a second\n",
            count(*records),
            count(*batches)
        );
        let shown = self.counted.iter().filter(|(_, number)| **number > 0);
        let counted: Vec<_> = shown.map(|(what, number)| format!("{} {what}", count(*number))).collect();
        if !counted.is_empty() {
            let _ = writeln!(text, "  {}", counted.join(" · "));
        }
        if self.given_back > 0 {
            let _ =
                writeln!(text, "  {DIM}given back and delivered again: {}{DIM:#}", count(self.given_back));
        }
        let unplaced = (self.unplaced > 0).then_some(("without a place", self.unplaced));
        let rejected = self.rejected.iter().map(|(reason, number)| (*reason, *number)).chain(unplaced);
        for (reason, number) in rejected {
            let _ = writeln!(text, "  {BAD}rejected{BAD:#} {reason}: {}", count(number));
        }
        for experiment in &self.experiments {
            text.push_str(&experiment.human());
        }
        match self.equal {
            None => {}
            Some(true) => {
                let _ = writeln!(text, "\n{GOOD}equal{GOOD:#}: the counts are those without faults");
            }
            Some(false) => {
                let _ = writeln!(text, "\n{BAD}different{BAD:#} from the counts without faults:");
                for difference in &self.differences {
                    let _ = writeln!(text, "  {difference}");
                }
            }
        }
        text
    }

    fn exit(&self) -> Exit {
        let is_rejected = !self.rejected.is_empty() || self.unplaced > 0;
        // Rejected records are what a comparison with poison is about.
        if self.equal == Some(false) || is_rejected && self.equal.is_none() {
            exit::FINDINGS
        } else {
            exit::DONE
        }
    }
}

impl ExperimentCounts {
    fn human(&self) -> String {
        let metrics: BTreeSet<&String> = self.variants.iter().flat_map(|it| it.metrics.keys()).collect();
        let mut header = vec!["variant", "units", "exposures", "conflicts"];
        header.extend(metrics.iter().map(|it| it.as_str()));
        let rows = self.variants.iter().map(|it| {
            let mut row = vec![it.variant.clone(), count(it.units), count(it.exposures), count(it.conflicts)];
            let shown = |text: &String| text.parse().map_or_else(|_| text.clone(), count);
            row.extend(
                metrics.iter().map(|name| it.metrics.get(*name).map_or_else(|| "0".to_owned(), shown)),
            );
            row
        });
        let right: Vec<usize> = (1..header.len()).collect();
        let epoch = if self.epoch > 1 { format!(" epoch {}", self.epoch) } else { String::new() };
        format!("\n{TITLE}{}{TITLE:#}{epoch}\n{}\n", self.experiment, table::plain(&header, &right, rows))
    }
}
