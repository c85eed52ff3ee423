//! A store that fails while the functions go on answering: what it did not take, told to whoever runs the program.

use crate::error::Error;
use abx_functions::adapters::embedded::EmbeddedStore;
use abx_functions::events::LocalProcessor;
use abx_functions::ports::{
    AssignmentStore, Event, EventSink, MAX_EVENT_BYTES, PortError, Put, SendReport, StoredAssignment,
};
use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Mutex as AsyncMutex;

/// The largest number of events that wait for a store that does not take them: some 30 MB.
const CAPACITY: usize = 100_000;
/// The number of events that are sent at once.
const BATCH: usize = 500;
/// The pause after a failure of the store: a locked one would keep every request waiting.
const PAUSE: Duration = Duration::from_secs(1);

/// The store as the functions use it.
#[derive(Debug)]
pub(super) struct WatchedStore {
    store: EmbeddedStore,
    failing: Mutex<Option<Failing>>,
    /// Events that the store has not taken yet, in their order.
    waiting: AsyncMutex<VecDeque<Event>>,
}

/// A store that fails.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct Failing {
    /// The last error.
    error: String,
    /// The time of the first error.
    #[schemars(with = "String", extend("format" = "date-time"))]
    since: Timestamp,
    /// Answers whose assignment is not stored: `"persisted": false`.
    assignments_not_stored: u64,
    /// Events that wait for the store.
    events_waiting: u64,
    /// Events for which there was no room.
    events_lost: u64,
    #[serde(skip)]
    tried: Instant,
    #[serde(skip)]
    is_told: bool,
}

/// The changes since the last report.
#[derive(Debug)]
pub(super) enum News {
    Failed(Failing),
    Recovered(Failing),
}

impl WatchedStore {
    pub(super) fn new(store: EmbeddedStore) -> Self {
        Self { store, failing: Mutex::default(), waiting: AsyncMutex::default() }
    }

    /// Stores events now, behind those that wait, or not at all.
    pub(super) async fn store_now(&self, events: &[Event]) -> SendReport {
        let mut waiting = self.waiting.lock().await;
        if let Err(cause) = self.drain(&mut waiting).await {
            return SendReport { failed: (0..events.len()).collect(), cause: Some(cause) };
        }
        let report = self.store.send(events).await;
        if let Some(cause) = &report.cause {
            self.note(cause);
        }
        report
    }

    /// Tries what waits, and whether the store can be written; what is new of it.
    pub(super) async fn look(&self) -> Option<News> {
        if let Err(error) = self.store.is_in_place() {
            self.note(&error);
        }
        if self.state().is_some_and(|failing| failing.tried.elapsed() >= PAUSE)
            && let Some(news) = self.probe().await
        {
            return Some(news);
        }
        let mut failing = self.failing();
        let failing = failing.as_mut().filter(|failing| !failing.is_told)?;
        failing.is_told = true;
        Some(News::Failed(failing.clone()))
    }

    /// True if the store can be written now. One that can again has recovered.
    pub(super) async fn probe(&self) -> Option<News> {
        let tried = self.store.try_to_write().inspect_err(|error| self.note(error));
        let drained = tried.is_ok() && self.drain(&mut *self.waiting.lock().await).await.is_ok();
        if drained { self.failing().take().map(News::Recovered) } else { None }
    }

    /// The data that a failing store did not take.
    pub(super) fn state(&self) -> Option<Failing> {
        self.failing().clone()
    }

    /// Notes that the store failed.
    pub(super) fn note(&self, error: &PortError) {
        let mut failing = self.failing();
        let new = || Failing {
            error: error.to_string(),
            since: Timestamp::now(),
            assignments_not_stored: 0,
            events_waiting: 0,
            events_lost: 0,
            tried: Instant::now(),
            is_told: false,
        };
        failing.get_or_insert_with(new).tried = Instant::now();
    }

    fn failing(&self) -> MutexGuard<'_, Option<Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error at once, where the store failed a moment ago.
    fn is_left_alone(&self) -> Option<PortError> {
        let failing = self.failing();
        let failing = failing.as_ref().filter(|failing| failing.tried.elapsed() < PAUSE)?;
        Some(PortError::transient(failing.error.clone()))
    }

    async fn ask<T>(&self, call: impl Future<Output = Result<T, PortError>>) -> Result<T, PortError> {
        if let Some(error) = self.is_left_alone() {
            return Err(error);
        }
        call.await.inspect_err(|error| self.note(error))
    }

    /// Sends what waits, in its order, until nothing waits or the store fails.
    async fn drain(&self, waiting: &mut VecDeque<Event>) -> Result<(), PortError> {
        while !waiting.is_empty() {
            let batch: Vec<Event> = waiting.iter().take(BATCH).cloned().collect();
            if let Some(error) = self.store.send(&batch).await.cause {
                self.note(&error);
                return Err(error);
            }
            waiting.drain(..batch.len());
        }
        Ok(())
    }
}

impl AssignmentStore for WatchedStore {
    async fn get(&self, unit: &str, experiment_key: &str) -> Result<Option<StoredAssignment>, PortError> {
        self.ask(self.store.get(unit, experiment_key)).await
    }

    async fn get_many(
        &self,
        unit: &str,
        experiment_keys: &[&str],
    ) -> Result<Vec<Option<StoredAssignment>>, PortError> {
        self.ask(self.store.get_many(unit, experiment_keys)).await
    }

    async fn put_if_absent(&self, assignment: &StoredAssignment, now: i64) -> Result<Put, PortError> {
        let put = self.ask(self.store.put_if_absent(assignment, now)).await;
        if let (Err(_), Some(failing)) = (&put, &mut *self.failing()) {
            failing.assignments_not_stored += 1;
        }
        put
    }
}

impl EventSink for WatchedStore {
    /// Takes all events: those that the store does not take now wait for it here. What cannot wait is counted.
    async fn send(&self, events: &[Event]) -> SendReport {
        let mut waiting = self.waiting.lock().await;
        let fits = events.iter().filter(|event| event.data.len() <= MAX_EVENT_BYTES);
        let taken: Vec<&Event> = fits.take(CAPACITY.saturating_sub(waiting.len())).collect();
        let lost = (events.len() - taken.len()) as u64;
        waiting.extend(taken.into_iter().cloned());
        if self.is_left_alone().is_none() {
            // What fails is noted.
            let _ = self.drain(&mut waiting).await;
        }
        if let Some(failing) = &mut *self.failing() {
            failing.events_waiting = waiting.len() as u64;
            failing.events_lost += lost;
        }
        SendReport::default()
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(it) => write!(
                f,
                "{}: answers go on and are not stored, {} so far\n  help: mend it while this runs; `/health` is 503 until \
                 then",
                it.error,
                it.counts("wait")
            ),
            Self::Recovered(it) => write!(
                f,
                "the store is written again after {} s: {}",
                it.seconds(),
                it.counts("waited and are stored now")
            ),
        }
    }
}

impl Failing {
    /// The outcome, for a program that ends now.
    pub(super) fn at_the_end(&self) -> Error {
        let counts = self.counts("are lost with this program");
        Error::world(format!("the store could not be written for {} s, {counts}", self.seconds()))
            .because(PortError::transient(self.error.clone()))
    }

    fn counts(&self, waiting: &str) -> String {
        let plural =
            |number: u64, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        let mut counts = vec![plural(self.assignments_not_stored, "assignment") + " not stored"];
        let events =
            |number: u64, became: &str| (number > 0).then(|| format!("{} {became}", plural(number, "event")));
        counts.extend(events(self.events_waiting, waiting));
        counts.extend(events(self.events_lost, "lost"));
        counts.join(", ")
    }

    fn seconds(&self) -> i64 {
        Timestamp::now().duration_since(self.since).as_secs()
    }
}

/// Lets `/health` say that the store fails: 503, so that whoever asks without reading the body notices as well.
pub(super) async fn health(
    State((store, events)): State<(Arc<WatchedStore>, Arc<LocalProcessor>)>,
    request: Request,
    next: Next,
) -> Response {
    if request.uri().path() != "/health" {
        return next.run(request).await;
    }
    let news = store.probe().await;
    if let Some(news) = &news {
        super::complain(&news.to_string());
    }
    let response = next.run(request).await;
    // What is asked now counts, not what was a moment ago.
    let uncounted = events.catch_up().await.err().map(|error| error.to_string());
    let failing = store.state();
    if failing.is_none() && uncounted.is_none() {
        return response;
    }
    let (parts, body) = response.into_parts();
    // Our own bodies are in memory already, and reading them does not fail.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let mut told: Value = serde_json::from_slice(&body).unwrap_or_default();
    if let Some(fields) = told.as_object_mut() {
        fields.insert("status".to_owned(), json!("degraded"));
        if let Some(failing) = failing {
            fields.insert("store".to_owned(), json!(failing));
        }
        if let Some(error) = uncounted {
            fields.insert("events".to_owned(), json!({"error": error}));
        }
    }
    let mut degraded = (StatusCode::SERVICE_UNAVAILABLE, Json(told)).into_response();
    let kept = parts.headers.iter().filter(|(name, _)| *name == "x-request-id" || *name == "vary");
    degraded.headers_mut().extend(kept.map(|(name, value)| (name.clone(), value.clone())));
    degraded
}
