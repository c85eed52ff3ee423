//! What is known of an experiment, from whatever source: all that a report is made from.

use super::report::{ArchiveReport, HourReport, VariantReport, hour_text};
use abx_core::Experiment;
use abx_core::document::Status;
use abx_core::event::{Hour, Totals, VariantTotals};
use abx_core::results::{self, Look, Lopsided, Phase};
use abx_core::statistics::SampleRatio;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// What is known of an experiment.
pub(super) struct Evidence {
    /// The source, for a person.
    pub(super) source: String,
    pub(super) units: u64,
    /// Days since the first exposure.
    pub(super) days: f64,
    pub(super) variants: Vec<VariantReport>,
    pub(super) looks: Vec<Look>,
    pub(super) sample_ratio: Option<SampleRatio>,
    pub(super) mismatch_since: Option<String>,
    pub(super) conflict_share: Option<f64>,
    pub(super) lopsided: Vec<Lopsided>,
    pub(super) hours: Vec<HourReport>,
    /// The metrics that have counts.
    pub(super) counted_metrics: BTreeSet<String>,
    /// What was read, where that was an archive.
    pub(super) archive: Option<ArchiveReport>,
}

impl Evidence {
    /// What counters say at a time.
    pub(super) fn of_counters(
        experiment: Option<&Experiment>,
        totals: &Totals,
        phases: &[Phase],
        now: Timestamp,
    ) -> Self {
        let none = VariantTotals::default();
        let keys = results::variants(experiment, totals);
        let known = experiment.map_or(0, |it| it.variants().len());
        let written = keys.get(..known).unwrap_or_default();
        let metrics = experiment.map(Experiment::metrics).unwrap_or_default();
        let report = |(at, key): (usize, &&str)| {
            VariantReport::new(key, totals.variants.get(*key).unwrap_or(&none), at < known)
        };
        Self {
            source: "live counters".to_owned(),
            units: totals.units(),
            days: days(experiment, totals, now),
            variants: keys.iter().enumerate().map(report).collect(),
            looks: results::looks_of_counters(metrics, written, totals, phases, now),
            sample_ratio: experiment.and_then(|_| results::ratio(&keys, phases, totals)),
            mismatch_since: experiment
                .and_then(|_| results::mismatch_since(&keys, phases, totals))
                .map(hour_text),
            conflict_share: results::notable_conflicts(totals),
            lopsided: results::lopsided(totals),
            hours: totals.hours.iter().filter_map(HourReport::new).collect(),
            counted_metrics: totals.variants.values().flat_map(|it| it.metrics.keys()).cloned().collect(),
            archive: None,
        }
    }
}

impl Evidence {
    /// The days that began.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "days since some exposure")]
    pub(super) fn whole_days(&self) -> u64 {
        self.days.max(0.0).ceil() as u64
    }
}

/// The days from the first exposure until now, or until the last one of an experiment that does not run.
fn days(experiment: Option<&Experiment>, totals: &Totals, now: Timestamp) -> f64 {
    let starts = || totals.hours.keys().filter_map(|hour| hour.start());
    let Some((first, last)) = starts().min().zip(starts().max()) else { return 0.0 };
    let runs = experiment.is_some_and(|it| it.status() == Status::Active);
    let after = |hour: Timestamp| hour.checked_add(jiff::SignedDuration::from_hours(1)).unwrap_or(hour);
    let end = if runs { now.max(after(last)) } else { after(last) };
    end.duration_since(first).as_secs_f64() / 86_400.0
}

/// The start of the hour of a time: looks are as fine as the counters.
pub(super) fn start_of_hour(time: Timestamp) -> Timestamp {
    Hour::of(time).start().unwrap_or(time)
}
