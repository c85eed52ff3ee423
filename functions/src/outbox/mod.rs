//! Events on their way to the stream.
//!
//! | file | what it is |
//! |---|---|
//! | `written` | an exposure and an evaluation, as JSON |
//! | this one | the queue between the answer to a request and the stream |

mod written;

pub use written::{Evaluated, Exposure, event_id};

use crate::ports::{Event, EventSink, SendReport};
use crate::settings::Exposures;
use crate::telemetry::{Counter, Level, Telemetry};
use lru::LruCache;
use serde_json::json;
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

/// How many events wait at most: some 3 MB.
const CAPACITY: usize = 10_000;
/// How many events are sent at once: one call of the stream.
const BATCH: usize = 500;
/// How often an event is sent before it counts as lost; the adapter tries each time more than once.
const TRIES: u8 = 3;
/// How long a stream that did not take everything is left alone.
const PAUSE: Duration = Duration::from_secs(1);
/// How many events are known to have been recorded: some 400 KB.
const SEEN: NonZeroUsize = const { NonZeroUsize::new(10_000).unwrap() };

/// A bounded queue before the stream. What is lost, by overflow or because the stream refuses it, is counted.
#[derive(Debug)]
pub struct Outbox<E> {
    sink: E,
    mode: Exposures,
    telemetry: Arc<Telemetry>,
    queue: Mutex<VecDeque<Waiting>>,
    seen: Mutex<LruCache<u64, ()>>,
    hasher: RandomState,
    /// Held by the one who sends, so that events of one unit stay in order. It is when the stream may be asked again.
    sending: AsyncMutex<Option<Instant>>,
}

#[derive(Debug)]
struct Waiting {
    event: Event,
    tries: u8,
}

impl<E: EventSink> Outbox<E> {
    /// A queue before a sink.
    pub fn new(sink: E, mode: Exposures, telemetry: Arc<Telemetry>) -> Self {
        Self {
            sink,
            mode,
            telemetry,
            queue: Mutex::default(),
            seen: Mutex::new(LruCache::new(SEEN)),
            hasher: RandomState::new(),
            sending: AsyncMutex::default(),
        }
    }

    /// The sink.
    pub fn sink(&self) -> &E {
        &self.sink
    }

    /// When events are sent.
    pub fn mode(&self) -> Exposures {
        self.mode
    }

    /// How many events wait.
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
            self.push([Waiting { event: event(), tries: 0 }]);
        }
    }

    /// Sends what has to be sent before the response, which is all in the mode `sync`, and nothing else.
    pub async fn settle(&self) {
        if self.mode == Exposures::Sync {
            self.flush().await;
        }
    }

    /// Sends what waits. What the stream does not take now waits again, for the next flush, a few times; and a stream that is away is
    /// left alone for a second, because an environment that waits for it serves nobody.
    pub async fn flush(&self) {
        let mut resume = self.sending.lock().await;
        if resume.is_none_or(|at| at <= Instant::now()) {
            let is_well = self.send_all().await;
            *resume = (!is_well).then(|| Instant::now() + PAUSE);
        }
    }

    /// Whether all was taken.
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
        for _ in 0..TRIES {
            self.send_all().await;
        }
        let left = self.waiting();
        self.lose(left, "the process ends");
    }

    async fn send(&self, mut batch: Vec<Waiting>) -> bool {
        if batch.is_empty() {
            return true;
        }
        // The events are taken out for the call, because a port takes a slice of them.
        let tries: Vec<u8> = batch.iter().map(|waiting| waiting.tries + 1).collect();
        let events: Vec<Event> = batch.drain(..).map(|waiting| waiting.event).collect();
        let SendReport { failed, cause } = self.sink.send(&events).await;
        self.telemetry.count(Counter::EventsSent, (events.len() - failed.len().min(events.len())) as u64);
        let is_well = failed.is_empty();
        let again = cause.as_ref().is_none_or(crate::ports::PortError::is_transient);
        let mut failed = failed.into_iter().peekable();
        let mut lost = 0;
        for (index, (event, tries)) in events.into_iter().zip(tries).enumerate() {
            if failed.next_if_eq(&index).is_none() {
                continue;
            }
            if again && tries < TRIES {
                self.push([Waiting { event, tries }]);
            } else {
                lost += 1;
            }
        }
        self.lose(lost, &cause.map(|cause| cause.to_string()).unwrap_or_default());
        is_well
    }

    fn push(&self, events: impl IntoIterator<Item = Waiting>) {
        let mut dropped = 0;
        {
            let mut queue = self.queue();
            for event in events {
                if queue.len() < CAPACITY {
                    queue.push_back(event);
                } else {
                    dropped += 1;
                }
            }
        }
        self.lose(dropped, "the queue is full");
    }

    fn take(&self, count: usize) -> Vec<Waiting> {
        let mut queue = self.queue();
        let count = count.min(queue.len());
        queue.drain(..count).collect()
    }

    fn lose(&self, count: usize, why: &str) {
        if count > 0 {
            self.telemetry.count(Counter::EventsLost, count as u64);
            self.telemetry.log(Level::Error, "events_lost", None, &json!({"count": count, "why": why}));
        }
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
