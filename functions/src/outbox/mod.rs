//! Events on their way to the stream.
//!
//! | file | what it is |
//! |---|---|
//! | `written` | an exposure and an evaluation, as JSON |
//! | `summary` | evaluations, counted until they are sent |
//! | this one | the queue between the answer to a request and the stream |

mod summary;
mod written;

pub use written::{Evaluated, Exposure, event_id};

use crate::ports::{Event, EventSink, SendReport};
use crate::settings::{Evaluations, Exposures};
use crate::telemetry::{Level, Telemetry, TelemetryCounter};
use lru::LruCache;
use serde_json::json;
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use summary::{CountedEvaluation, EvaluationSummary};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

/// The largest number of events that wait: some 3 MB.
const CAPACITY: usize = 10_000;
/// The number of events that are sent at once: one call of the stream.
const BATCH: usize = 500;
/// The number of times that an event is sent before it counts as lost; the adapter makes several attempts each time.
const TRIES: u8 = 3;
/// The pause after a stream did not take everything.
const PAUSE: Duration = Duration::from_secs(1);
/// The number of events that are remembered as recorded: some 400 KB.
const SEEN: NonZeroUsize = const { NonZeroUsize::new(10_000).unwrap() };

/// A bounded queue before the stream. What is lost, by overflow or because the stream refuses it, is counted, and forgotten, so
/// that the next request of its unit records it again.
#[derive(Debug)]
pub struct Outbox<E> {
    sink: E,
    mode: Exposures,
    evaluations: Evaluations,
    summary: Mutex<EvaluationSummary>,
    telemetry: Arc<Telemetry>,
    queue: Mutex<VecDeque<QueuedEvent>>,
    seen: Mutex<LruCache<u64, ()>>,
    hasher: RandomState,
    /// Held by the one who sends, so that events of one unit stay in order. It is when the stream may be asked again.
    sending: AsyncMutex<Option<Instant>>,
}

#[derive(Debug)]
struct QueuedEvent {
    event: Event,
    entry: EventLabel,
    tries: u8,
}

/// The data of an event beside the event itself.
#[derive(Debug, Clone, Copy)]
struct EventLabel {
    /// The key of the event; a summary never repeats, and has none.
    key: Option<u64>,
    /// The number of events that it stands for.
    weight: u64,
}

impl<E: EventSink> Outbox<E> {
    /// A queue before a sink.
    pub fn new(sink: E, mode: Exposures, telemetry: Arc<Telemetry>) -> Self {
        Self {
            sink,
            mode,
            evaluations: Evaluations::default(),
            summary: Mutex::new(EvaluationSummary::new()),
            telemetry,
            queue: Mutex::default(),
            seen: Mutex::new(LruCache::new(SEEN)),
            hasher: RandomState::new(),
            sending: AsyncMutex::default(),
        }
    }

    /// The same, with another way for evaluations.
    #[must_use]
    pub fn with_evaluations(self, evaluations: Evaluations) -> Self {
        Self { evaluations, ..self }
    }

    /// The sink.
    pub fn sink(&self) -> &E {
        &self.sink
    }

    /// The time at which events are sent.
    pub fn mode(&self) -> Exposures {
        self.mode
    }

    /// The number of events that wait.
    pub fn waiting(&self) -> usize {
        self.queue().len()
    }

    /// Puts an event into the queue, unless this process recorded one that is the same in `key`: repeated requests of a
    /// unit would otherwise fill the stream with what its readers drop by id.
    pub fn record(&self, key: impl Hash, event: impl FnOnce() -> Event) {
        if self.mode == Exposures::Off {
            return;
        }
        let key = self.hasher.hash_one(key);
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).put(key, ()).is_some();
        if !seen {
            let entry = EventLabel { key: Some(key), weight: 1 };
            self.push([QueuedEvent { event: event(), entry, tries: 0 }]);
        }
    }

    /// Puts an exposure into the queue, unless this process recorded it.
    pub fn exposed(&self, exposure: &Exposure<'_>) {
        let Exposure { experiment, variant, unit, epoch, .. } = *exposure;
        self.record(("exposure", experiment, variant, unit, epoch), || exposure.event());
    }

    /// Counts an evaluation, or puts it into the queue.
    pub fn evaluated(&self, evaluated: &Evaluated<'_>) {
        if self.mode == Exposures::Off {
            return;
        }
        match self.evaluations {
            Evaluations::Off => {}
            Evaluations::Summary => {
                let earlier = self.summary().count(evaluated);
                self.push_counted(earlier);
            }
            Evaluations::Each => {
                let Evaluated { flag, variant, unit, revision, .. } = *evaluated;
                if unit.is_empty() {
                    return;
                }
                self.record((flag, variant, unit, revision), || evaluated.event());
            }
        }
    }

    /// Sends what has to be sent before the response, which is all in the mode `sync`, and nothing else.
    pub async fn settle(&self) {
        if self.mode == Exposures::Sync {
            self.flush_all().await;
        }
    }

    /// Sends what waits, and evaluations that were counted a moment ago.
    pub async fn flush_all(&self) {
        let counted = self.summary().take();
        self.push_counted(counted);
        self.flush().await;
    }

    /// Sends what waits, evaluations every ten seconds. What the stream does not take now waits again, for the next flush, a few times; and a stream that is away is
    /// left alone for a second, because an environment that waits for it serves nobody.
    pub async fn flush(&self) {
        let counted = self.summary().take_due();
        self.push_counted(counted);
        let mut resume = self.sending.lock().await;
        if resume.is_none_or(|at| at <= Instant::now()) {
            let is_well = self.send_all().await;
            *resume = (!is_well).then(|| Instant::now() + PAUSE);
        }
    }

    /// True if all was taken.
    async fn send_all(&self) -> bool {
        let mut is_well = true;
        let mut left = self.waiting();
        while left > 0 {
            let batch = self.take(left.min(BATCH));
            left = if batch.is_empty() { 0 } else { left.saturating_sub(batch.len()) };
            is_well &= self.send(batch).await;
        }
        is_well
    }

    /// Sends what waits at the end of the process; what cannot be sent is counted as lost.
    pub async fn close(&self) {
        let _one = self.sending.lock().await;
        let counted = self.summary().take();
        self.push_counted(counted);
        for _ in 0..TRIES {
            self.send_all().await;
        }
        let left = self.take(self.waiting());
        self.lose(left.iter().map(|waiting| waiting.entry), "the process ends");
    }

    async fn send(&self, batch: Vec<QueuedEvent>) -> bool {
        if batch.is_empty() {
            return true;
        }
        // The events are taken out for the call, because a port takes a slice of them.
        let (known, events): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|QueuedEvent { event, entry, tries }| ((entry, tries + 1), event)).unzip();
        let mut on_its_way =
            OnItsWay { outbox: self, entries: known.iter().map(|(entry, _)| *entry).collect() };
        let SendReport { failed, cause } = self.sink.send(&events).await;
        on_its_way.entries.clear();
        self.telemetry
            .count(TelemetryCounter::EventsSent, (events.len() - failed.len().min(events.len())) as u64);
        let is_well = failed.is_empty();
        let again = cause.as_ref().is_none_or(crate::ports::PortError::is_transient);
        let mut failed = failed.into_iter().peekable();
        let mut lost = Vec::new();
        for (index, (event, (entry, tries))) in events.into_iter().zip(known).enumerate() {
            if failed.next_if_eq(&index).is_none() {
                continue;
            }
            if again && tries < TRIES {
                self.push([QueuedEvent { event, entry, tries }]);
            } else {
                lost.push(entry);
            }
        }
        self.lose(lost, &cause.map(|cause| cause.to_string()).unwrap_or_default());
        is_well
    }

    fn push_counted(&self, counted: Vec<CountedEvaluation>) {
        self.push(counted.into_iter().map(|(event, weight)| QueuedEvent {
            event,
            entry: EventLabel { key: None, weight },
            tries: 0,
        }));
    }

    fn push(&self, events: impl IntoIterator<Item = QueuedEvent>) {
        let mut dropped = Vec::new();
        {
            let mut queue = self.queue();
            for event in events {
                if queue.len() < CAPACITY {
                    queue.push_back(event);
                } else {
                    dropped.push(event.entry);
                }
            }
        }
        self.lose(dropped, "the queue is full");
    }

    fn take(&self, count: usize) -> Vec<QueuedEvent> {
        let mut queue = self.queue();
        let count = count.min(queue.len());
        queue.drain(..count).collect()
    }

    /// Counts what is lost, and forgets that it was recorded: a unit that stays known would never be exposed again by this process.
    fn lose(&self, lost: impl IntoIterator<Item = EventLabel>, why: &str) {
        let mut count = 0;
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            for EventLabel { key, weight } in lost {
                key.map(|key| seen.pop(&key));
                count += weight;
            }
        }
        if count > 0 {
            self.telemetry.count(TelemetryCounter::EventsLost, count);
            self.telemetry.log(Level::Error, "events_lost", None, &json!({"count": count, "why": why}));
        }
    }

    fn summary(&self) -> MutexGuard<'_, EvaluationSummary> {
        self.summary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<QueuedEvent>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The events that are with the sink. A request that is given up while it sends (`sync`) drops the call, and the outcome of its events is not
/// known then: they count as lost, and whoever reads the stream knows a second exposure by its id.
struct OnItsWay<'a, E: EventSink> {
    outbox: &'a Outbox<E>,
    entries: Vec<EventLabel>,
}

impl<E: EventSink> Drop for OnItsWay<'_, E> {
    fn drop(&mut self) {
        self.outbox.lose(self.entries.drain(..), "the sending was cut off");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::PortError;
    use std::collections::VecDeque as Queue;

    /// Answers as it is told, in this order; well, after that.
    #[derive(Debug, Default)]
    struct ScriptedSink {
        answers: Mutex<Queue<ScriptedReport>>,
        sent: Mutex<Vec<Event>>,
    }

    #[derive(Debug, Clone, Copy)]
    enum ScriptedReport {
        Transient,
        Permanent,
        Never,
    }

    impl EventSink for ScriptedSink {
        async fn send(&self, events: &[Event]) -> SendReport {
            let answer = self.answers.lock().unwrap().pop_front();
            let failed = (0..events.len()).collect();
            match answer {
                None => {
                    self.sent.lock().unwrap().extend_from_slice(events);
                    SendReport::default()
                }
                Some(ScriptedReport::Transient) => {
                    SendReport { failed, cause: Some(PortError::transient("away")) }
                }
                Some(ScriptedReport::Permanent) => {
                    SendReport { failed, cause: Some(PortError::permanent("refused")) }
                }
                Some(ScriptedReport::Never) => std::future::pending().await,
            }
        }
    }

    fn outbox(answers: &[ScriptedReport]) -> Outbox<ScriptedSink> {
        let sink = ScriptedSink {
            answers: Mutex::new(answers.iter().copied().collect()),
            ..ScriptedSink::default()
        };
        Outbox::new(sink, Exposures::After, Arc::new(Telemetry::silent("assignment")))
    }

    fn record(outbox: &Outbox<ScriptedSink>, unit: &str) {
        outbox.record(unit, || Event { partition_key: unit.to_owned(), data: b"{}".to_vec() });
    }

    async fn flush(outbox: &Outbox<ScriptedSink>) {
        tokio::time::advance(PAUSE).await;
        outbox.flush().await;
    }

    fn sent(outbox: &Outbox<ScriptedSink>) -> Vec<String> {
        let sent = std::mem::take(&mut *outbox.sink().sent.lock().unwrap());
        sent.into_iter().map(|event| event.partition_key).collect()
    }

    /// Every way to lose an event, and how often the stream is asked on it.
    #[tokio::test(start_paused = true)]
    async fn what_is_lost_is_recorded_again_by_the_next_request() {
        let ways: [(&str, Vec<ScriptedReport>); 3] = [
            ("the tries are used up", vec![ScriptedReport::Transient; usize::from(TRIES)]),
            ("it is refused for good", vec![ScriptedReport::Permanent]),
            ("it is refused for good at last", vec![ScriptedReport::Transient, ScriptedReport::Permanent]),
        ];
        for (way, answers) in ways {
            let outbox = outbox(&answers);
            record(&outbox, "u");
            for _ in &answers {
                record(&outbox, "u");
                assert_eq!(outbox.waiting(), 1, "{way}: known while it waits");
                flush(&outbox).await;
            }
            assert_eq!(outbox.waiting(), 0, "{way}: lost");
            record(&outbox, "u");
            flush(&outbox).await;
            assert_eq!(sent(&outbox), ["u"], "{way}");
            record(&outbox, "u");
            assert_eq!(outbox.waiting(), 0, "{way}: known once it is sent");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_overflows_is_recorded_again_by_the_next_request() {
        let outbox = outbox(&[ScriptedReport::Transient]);
        (0..CAPACITY).for_each(|number| record(&outbox, &number.to_string()));
        record(&outbox, "late");
        assert_eq!(outbox.waiting(), CAPACITY);
        // A batch comes back to a queue that was filled meanwhile.
        let batch = outbox.take(BATCH);
        (0..BATCH).for_each(|number| record(&outbox, &format!("new {number}")));
        assert!(!outbox.send(batch).await);
        assert_eq!(outbox.waiting(), CAPACITY);
        flush(&outbox).await;
        sent(&outbox);
        record(&outbox, "late");
        (0..BATCH).for_each(|number| record(&outbox, &number.to_string()));
        assert_eq!(outbox.waiting(), 1 + BATCH);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_cut_off_on_its_way_is_recorded_again_by_the_next_request() {
        let outbox = outbox(&[ScriptedReport::Never]);
        record(&outbox, "u");
        assert!(tokio::time::timeout(PAUSE, outbox.flush()).await.is_err());
        record(&outbox, "u");
        flush(&outbox).await;
        assert_eq!(sent(&outbox), ["u"]);
    }
}
