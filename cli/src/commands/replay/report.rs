//! The replayed records, and their counts.

use super::target::ReplayCounts;
use crate::exit::{self, Exit};
use crate::render::numbers::count;
use crate::render::style::{BAD, DIM, GOOD, TITLE};
use crate::render::table;
use crate::report::Report;
use abx_core::event::{RecordClass, StreamCounter, Totals};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

/// The replayed records, and their counts.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ReplayReport {
    target: String,
    /// Records read: each is in one class.
    records: u64,
    /// Records delivered, those that came again included.
    delivered: u64,
    batches: u64,
    /// Batches that were given back, and delivered again.
    given_back: u64,
    seconds: f64,
    records_per_second: f64,
    /// The number of records in each class; with faults, deliveries of repeated records are counted too.
    classes: BTreeMap<&'static str, u64>,
    /// Records that can never be processed, by reason.
    rejected: BTreeMap<&'static str, u64>,
    /// Records without a place in any shard.
    unplaced: u64,
    /// All that the store holds of each experiment.
    experiments: Vec<ExperimentCounts>,
    /// True if the counts are those of a replay without faults; `null` where that was not asked.
    equal: Option<bool>,
    /// The difference in words.
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
    /// By metric: events without a usable amount, which are not in the sum.
    unusable: BTreeMap<String, u64>,
}

impl ReplayReport {
    pub(super) fn new(
        target: &str,
        counts: &ReplayCounts,
        took: Duration,
        clean: Option<&ReplayCounts>,
    ) -> Self {
        let differences = clean.map(|clean| differences(counts, clean)).unwrap_or_default();
        let seconds = took.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate for a person")]
        let records_per_second = counts.classes.sum() as f64 / seconds.max(1e-9);
        let classes = RecordClass::ALL.iter().map(|it| (it.as_str(), counts.classes.count(*it)));
        Self {
            target: target.to_owned(),
            records: counts.classes.sum(),
            delivered: counts.delivered,
            batches: counts.batches,
            given_back: counts.given_back,
            seconds,
            records_per_second,
            classes: classes.collect(),
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
        unusable: it
            .metrics
            .iter()
            .filter(|(_, it)| it.invalid > 0)
            .map(|(metric, it)| (metric.clone(), it.invalid))
            .collect(),
    });
    ExperimentCounts { experiment: experiment.to_owned(), epoch, variants: variants.collect() }
}

/// The differences between the counts of two replays. Duplicates and records that are not events are faults themselves, so they may differ.
fn differences(faulty: &ReplayCounts, clean: &ReplayCounts) -> Vec<String> {
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

impl ReplayReport {
    fn class(&self, class: RecordClass) -> u64 {
        self.classes.get(class.as_str()).copied().unwrap_or_default()
    }

    /// True if no record was counted now.
    fn is_in_vain(&self) -> bool {
        self.class(RecordClass::Counted) + self.class(RecordClass::Late) == 0
    }

    fn why_in_vain(&self) -> &'static str {
        let already = self.class(RecordClass::AlreadyCounted) + self.class(RecordClass::Duplicate);
        match already {
            _ if self.records == 0 => "there are no records in the input",
            already if already < self.records => "see docs/events.md for what each class means",
            _ if self.target == "local" => "every record was counted before",
            _ => {
                "every record was counted before, or comes before the last counted record of its shard: \
                 `abx redrive` counts records that were given up"
            }
        }
    }
}

impl Report for ReplayReport {
    const KIND: &'static str = "replay";

    fn human(&self) -> String {
        let Self { target, records, batches, seconds, records_per_second, .. } = self;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate for a person")]
        let rate = count(*records_per_second as u64);
        let mut text = format!(
            "{TITLE}{target}{TITLE:#}: {} {} in {} {}, {seconds:.1} s, {rate} a second\n",
            count(*records),
            if *records == 1 { "record" } else { "records" },
            count(*batches),
            if *batches == 1 { "batch" } else { "batches" }
        );
        let shown = RecordClass::ALL.iter().map(|it| (it.as_str(), self.class(*it)));
        let shown = shown.filter(|(_, number)| *number > 0);
        let classes: Vec<_> =
            shown.map(|(class, number)| format!("{} {}", count(number), class.replace('_', " "))).collect();
        if !classes.is_empty() {
            let _ = writeln!(text, "  {}", classes.join(" · "));
        }
        if self.is_in_vain() {
            let _ = writeln!(text, "  {BAD}nothing was counted{BAD:#}: {}", self.why_in_vain());
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
        let is_wrong = is_rejected || self.is_in_vain();
        if self.equal == Some(false) || is_wrong && self.equal.is_none() {
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
        let mut text = format!(
            "\n{TITLE}{}{TITLE:#}{epoch}\n{}\n",
            self.experiment,
            table::plain(&header, &right, rows)
        );
        let mut unusable: BTreeMap<&str, u64> = BTreeMap::new();
        for (metric, number) in self.variants.iter().flat_map(|it| &it.unusable) {
            *unusable.entry(metric).or_default() += number;
        }
        for (metric, number) in unusable {
            let _ = writeln!(text, "  {BAD}{metric}{BAD:#}: {} without a usable amount", count(number));
        }
        text
    }
}
