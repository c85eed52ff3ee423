//! What is known of an experiment, from whatever source: all that a report is made from.

use super::report::{ArchiveReport, HourReport, VariantReport, hour_text};
use abx_core::Experiment;
use abx_core::event::{Hour, Totals, VariantTotals};
use abx_core::results::{self, EarlyEvents, Look, Lopsided, MeasuredMetric, Phase};
use abx_core::statistics::SampleRatio;
use jiff::{SignedDuration, Timestamp};
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
    /// What the last look would have measured with the units that saw several variants, which it leaves out; `None` where it leaves out
    /// none, or few.
    pub(super) with_mixed: Option<Vec<MeasuredMetric>>,
    pub(super) lopsided: Vec<Lopsided>,
    /// Events that live counters miss; an archive counts them.
    pub(super) early: Vec<EarlyEvents>,
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
        let starts = || totals.hours.keys().filter_map(|hour| hour.start());
        let last = starts().max().and_then(|it| it.checked_add(SignedDuration::from_hours(1)).ok());
        // Clocks differ, and recorded events may be of any time.
        let now = last.map_or(now, |last| now.max(last));
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
            days: days(starts().min(), last),
            variants: keys.iter().enumerate().map(report).collect(),
            looks: results::looks_of_counters(metrics, written, totals, phases, now),
            sample_ratio: experiment.and_then(|_| results::ratio(&keys, phases, totals)),
            mismatch_since: experiment
                .and_then(|_| results::mismatch_since(&keys, phases, totals))
                .map(hour_text),
            conflict_share: results::notable_conflicts(totals),
            with_mixed: None,
            lopsided: results::lopsided(totals),
            early: results::early_events(totals),
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

/// The days from the first exposure to the end of the hour of the last one.
fn days(first: Option<Timestamp>, last: Option<Timestamp>) -> f64 {
    first.zip(last).map_or(0.0, |(first, last)| last.duration_since(first).as_secs_f64() / 86_400.0)
}

/// The start of the hour of a time: looks are as fine as the counters.
pub(super) fn start_of_hour(time: Timestamp) -> Timestamp {
    Hour::of(time).start().unwrap_or(time)
}
