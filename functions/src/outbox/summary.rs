//! Evaluations of flags, counted until they are sent.

use super::written::Evaluated;
use crate::ports::Event;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;
use tokio::time::Instant;

/// The longest time that counts wait while requests come. A process that is killed without a signal loses as much.
const AGE: Duration = Duration::from_secs(10);
/// The most entries of one event: some 50 KB, a fifth of what the event function reads.
const ENTRIES: usize = 500;

/// An event, and how many evaluations it stands for.
pub(super) type CountedEvaluation = (Event, u64);

/// The evaluations of one minute.
#[derive(Debug)]
pub(super) struct EvaluationSummary {
    /// In minutes since 1970.
    minute: i64,
    /// The time at which the first of them was counted.
    since: Option<Instant>,
    /// By the hash of all but the count, so that counting allocates nothing.
    entries: HashMap<u64, SummaryEntry>,
    hasher: RandomState,
    /// Names the process; with the number of an event it is the event's id.
    process: String,
    sequence: u64,
}

#[derive(Debug, Serialize)]
struct SummaryEntry {
    flag: Box<str>,
    variant: Box<str>,
    reason: Box<str>,
    revision: u64,
    count: u64,
}

#[derive(Serialize)]
struct SummaryEvent<'a> {
    event_id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: Timestamp,
    counts: &'a [SummaryEntry],
}

impl EvaluationSummary {
    pub(super) fn new() -> Self {
        // Its keys are the system's randomness, so that no two processes have one name.
        let hasher = RandomState::new();
        let process = format!("{:016x}{:016x}", hasher.hash_one(0), hasher.hash_one(1));
        Self { minute: 0, since: None, entries: HashMap::new(), hasher, process, sequence: 0 }
    }

    /// Counts an evaluation. Returns those of an earlier minute, which then are to be sent.
    pub(super) fn count(&mut self, evaluated: &Evaluated<'_>) -> Vec<CountedEvaluation> {
        let Evaluated { flag, variant, reason, revision, timestamp, .. } = *evaluated;
        let minute = timestamp.as_second().div_euclid(60);
        let earlier = if minute == self.minute { Vec::new() } else { self.take() };
        self.minute = minute;
        self.since.get_or_insert_with(Instant::now);
        let key = self.hasher.hash_one((flag, variant, reason, revision));
        let entry = self.entries.entry(key).or_insert_with(|| {
            let (flag, variant, reason) = (flag.into(), variant.into(), reason.into());
            SummaryEntry { flag, variant, reason, revision, count: 0 }
        });
        entry.count += 1;
        earlier
    }

    /// Takes what was counted, if it has waited long enough.
    pub(super) fn take_due(&mut self) -> Vec<CountedEvaluation> {
        if self.since.is_some_and(|since| since.elapsed() >= AGE) { self.take() } else { Vec::new() }
    }

    /// Takes what was counted.
    pub(super) fn take(&mut self) -> Vec<CountedEvaluation> {
        self.since = None;
        let entries: Vec<SummaryEntry> = self.entries.drain().map(|(_, entry)| entry).collect();
        entries.chunks(ENTRIES).map(|counts| self.event(counts)).collect()
    }

    fn event(&mut self, counts: &[SummaryEntry]) -> CountedEvaluation {
        self.sequence += 1;
        let event_id = format!("{}-{}", self.process, self.sequence);
        let timestamp = Timestamp::from_second(self.minute * 60).unwrap_or_default();
        let written = SummaryEvent { event_id: &event_id, kind: "evaluations", timestamp, counts };
        // Strings and numbers can always be written.
        let data = serde_json::to_vec(&written).unwrap_or_default();
        // Sent again it goes to the same shard, which knows the id.
        (Event { partition_key: event_id, data }, counts.iter().map(|it| it.count).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abx_core::event::{EventData, EventKind};
    use std::collections::HashSet;

    fn evaluated<'a>(flag: &'a str, variant: &'a str, unit: &'a str, second: i64) -> Evaluated<'a> {
        let timestamp = Timestamp::from_second(second).unwrap();
        Evaluated { flag, variant, unit, reason: "RULE", revision: 7, timestamp }
    }

    /// The timestamp, and what was counted by flag and variant, as the event function reads it.
    fn read((event, weight): &CountedEvaluation) -> (i64, Vec<(String, String, u64)>) {
        let event = EventData::read(&event.data).unwrap();
        let EventKind::Evaluations { counts } = &event.kind else { panic!("{event:?}") };
        assert_eq!(counts.iter().map(|it| it.count).sum::<u64>(), *weight);
        assert!(counts.iter().all(|it| it.revision == Some(7)));
        let mut read: Vec<_> =
            counts.iter().map(|it| (it.flag.to_string(), it.variant.to_string(), it.count)).collect();
        read.sort_unstable();
        (event.timestamp.unwrap().as_second(), read)
    }

    #[tokio::test(start_paused = true)]
    async fn a_minute_is_an_event() {
        let mut summary = EvaluationSummary::new();
        for (variant, unit, second) in [("on", "u", 120), ("on", "v", 150), ("off", "w", 179)] {
            assert!(summary.count(&evaluated("f", variant, unit, second)).is_empty());
        }
        let earlier = summary.count(&evaluated("f", "on", "u", 180));
        let of = |variant: &str, count| ("f".to_owned(), variant.to_owned(), count);
        assert_eq!(earlier.iter().map(read).collect::<Vec<_>>(), [(120, vec![of("off", 1), of("on", 2)])]);
        assert!(summary.take_due().is_empty(), "it has not waited for long");
        tokio::time::advance(AGE).await;
        assert_eq!(summary.take_due().iter().map(read).collect::<Vec<_>>(), [(180, vec![of("on", 1)])]);
        assert!(summary.take().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn many_flags_are_several_events_with_ids_of_their_own() {
        let (mut summary, mut other) = (EvaluationSummary::new(), EvaluationSummary::new());
        let flags: Vec<String> = (0..1_200).map(|number| format!("f{number}")).collect();
        for flag in &flags {
            summary.count(&evaluated(flag, "on", "u", 0));
        }
        other.count(&evaluated("f", "on", "u", 0));
        let mut events = summary.take();
        assert_eq!(events.iter().map(|(_, weight)| *weight).collect::<Vec<_>>(), [500, 500, 200]);
        events.extend(other.take());
        let id =
            |(event, _): &CountedEvaluation| EventData::read(&event.data).unwrap().fingerprint().unwrap();
        assert_eq!(events.iter().map(id).collect::<HashSet<_>>().len(), 4);
    }
}
