//! Counts between two lines of metrics.

use abx_core::words;
use std::time::{Duration, Instant};

/// The most values that one metric may have in a line.
const MAX_VALUES: usize = 100;

words! {
    /// The counters, apart from requests and reasons.
    pub enum TelemetryCounter: "PascalCase" {
        /// Assignments that the process knew.
        CacheHits,
        /// Assignments that had to be asked for.
        CacheMisses,
        /// Reads of assignments from the store.
        StoreReads,
        /// Conditional writes of assignments, refused ones as well.
        StoreWrites,
        /// Answers without the store, because it was slow or away.
        StoreFallbacks,
        /// Events that were given to the stream.
        EventsSent,
        /// Events that were lost on their way; a summary counts as the evaluations that it stands for.
        EventsLost,
        /// Lookups of documents in the held catalog that found one.
        CatalogHits,
        /// Lookups in a catalog that was never loaded.
        CatalogMisses,
        /// Handlers that panicked.
        Panics,
        /// Events that were counted.
        EventsAccepted,
        /// Events that had been counted before.
        EventsDuplicate,
        /// Events with an impossible time.
        EventsLate,
        /// Conversions of units that no experiment may credit.
        EventsUnattributed,
        /// Exposures and conversions whose record has another partition key than their unit.
        EventsMisrouted,
        /// Events that came so long after they happened that an earlier one with their id may be forgotten.
        EventsOutsideIdWindow,
        /// Conversions that no metric asks for: the name of the event may be wrong.
        EventsUnknown,
        /// Records that can never be processed.
        EventsQuarantined,
        /// Commits that came too late, because somebody else moved the head.
        CommitRetries,
        /// Batches that were given back, to be delivered again from a record on.
        BatchesReturned,
    }
}

/// The counts since the last line.
#[derive(Debug)]
pub(super) struct Metrics {
    pub requests: u64,
    pub client_errors: u64,
    pub server_errors: u64,
    /// Of a process's first request.
    pub cold_starts: u64,
    /// In milliseconds.
    pub latencies: Vec<f64>,
    /// In seconds.
    pub catalog_age: Option<f64>,
    /// The age of the newest record of the latest batch, in seconds.
    pub iterator_age: Option<f64>,
    /// A dozen at most: looking through them is faster than hashing.
    pub reasons: Vec<(&'static str, u64)>,
    counters: [u64; TelemetryCounter::ALL.len()],
    /// Up to the last line.
    earlier: Totals,
    /// The time of the last line.
    since: Option<Instant>,
}

/// The counts since the process began.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    counters: [u64; TelemetryCounter::ALL.len()],
    reasons: Vec<(&'static str, u64)>,
}

impl Totals {
    /// The count of a counter.
    #[must_use]
    pub fn counter(&self, counter: TelemetryCounter) -> u64 {
        self.counters.get(counter as usize).copied().unwrap_or_default()
    }

    /// Decisions, evaluations and refusals by their reason.
    pub fn reasons(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.reasons.iter().copied()
    }
}

impl Metrics {
    pub(super) fn new() -> Self {
        Self {
            requests: 0,
            client_errors: 0,
            server_errors: 0,
            cold_starts: 1,
            latencies: Vec::with_capacity(MAX_VALUES),
            catalog_age: None,
            iterator_age: None,
            reasons: Vec::with_capacity(16),
            counters: [0; TelemetryCounter::ALL.len()],
            earlier: Totals::default(),
            since: None,
        }
    }

    /// Counts; what was counted before.
    pub(super) fn count(&mut self, counter: TelemetryCounter, amount: u64) -> u64 {
        match self.counters.get_mut(counter as usize) {
            Some(count) => std::mem::replace(count, *count + amount),
            None => 0,
        }
    }

    pub(super) fn counter(&self, counter: TelemetryCounter) -> u64 {
        self.counters.get(counter as usize).copied().unwrap_or_default()
    }

    pub(super) fn reason(&mut self, reason: &'static str) {
        add(&mut self.reasons, reason, 1);
    }

    pub(super) fn totals(&self) -> Totals {
        let mut totals = self.earlier.clone();
        totals.counters.iter_mut().zip(self.counters).for_each(|(total, count)| *total += count);
        self.reasons.iter().for_each(|(reason, count)| add(&mut totals.reasons, reason, *count));
        totals
    }

    pub(super) fn answered(&mut self, status: u16, took: Duration) {
        self.requests += 1;
        match status {
            400..500 => self.client_errors += 1,
            500.. => self.server_errors += 1,
            _ => {}
        }
        self.latencies.push(took.as_secs_f64() * 1000.0);
    }

    pub(super) fn is_full(&self) -> bool {
        self.latencies.len() >= MAX_VALUES
    }

    /// True if nothing was counted. A cold start is not counted by itself: it has a first request.
    pub(super) fn is_empty(&self) -> bool {
        self.requests == 0 && self.reasons.is_empty() && self.counters.iter().all(|count| *count == 0)
    }

    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        self.since.map(|since| now.duration_since(since))
    }

    /// Begins again.
    pub(super) fn clear(&mut self, now: Instant) {
        self.earlier = self.totals();
        self.requests = 0;
        self.client_errors = 0;
        self.server_errors = 0;
        self.cold_starts = 0;
        self.latencies.clear();
        self.catalog_age = None;
        self.iterator_age = None;
        self.reasons.clear();
        self.counters = [0; TelemetryCounter::ALL.len()];
        self.since = Some(now);
    }
}

fn add(reasons: &mut Vec<(&'static str, u64)>, reason: &'static str, amount: u64) {
    match reasons.iter_mut().find(|(word, _)| *word == reason) {
        Some((_, count)) => *count += amount,
        None => reasons.push((reason, amount)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Alarms and dashboards read the metrics by these names.
    #[test]
    fn the_names_of_the_counters_stay() {
        let names = "CacheHits CacheMisses StoreReads StoreWrites StoreFallbacks EventsSent EventsLost \
            CatalogHits CatalogMisses Panics EventsAccepted EventsDuplicate EventsLate \
            EventsUnattributed EventsMisrouted EventsOutsideIdWindow EventsUnknown EventsQuarantined \
            CommitRetries BatchesReturned";
        assert_eq!(TelemetryCounter::ALL.map(TelemetryCounter::as_str).join(" "), names);
    }

    /// Environment variables, logs and dimensions of metrics have these words.
    #[test]
    fn the_words_of_settings_and_logs_stay() {
        use crate::settings::{Evaluations, Exposures, Function};
        use crate::telemetry::Level;
        for (words, frozen) in [
            (Exposures::ALL.map(Exposures::as_str).join(" "), "off after sync"),
            (Evaluations::ALL.map(Evaluations::as_str).join(" "), "off summary each"),
            (Function::ALL.map(Function::as_str).join(" "), "assignment flags events"),
            (Level::ALL.map(Level::as_str).join(" "), "DEBUG INFO WARN ERROR"),
        ] {
            assert_eq!(words, frozen);
        }
    }
}
