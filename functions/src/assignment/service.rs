//! Decide, remember, store, expose.

use super::cache::{Cache, CachedAssignment, CachedLookup};
use super::known_share::KnownShare;
use super::question::{Answer, Question};
use super::{AssignRequest, AssignmentResponse};
use crate::catalog::{CatalogHolder, Snapshot};
use crate::http::{ApiError, Call, Cors, Middleware, Reply};
use crate::outbox::{Exposure, Outbox};
use crate::ports::{AssignmentStore, CatalogStore, EventSink, PortError, Put, StoredAssignment};
use crate::settings::Exposures;
use crate::telemetry::{Counter, Level, Telemetry};
use abx_core::{Reason, Subject};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// The total time that the stores may take for a request. An adapter that retries gives up 3 ms earlier, so
/// that its breaker records the failure.
const BUDGET: Duration = Duration::from_millis(48);

/// How long a read may take that is to save a write: the write has the rest.
const FIRST_READ: Duration = Duration::from_millis(20);

/// What the service is told beside its ports.
#[derive(Debug, Clone)]
pub struct AssignmentOptions {
    /// The lifetime of an assignment, in days.
    pub ttl_days: u32,
    /// The number of assignments that the cache holds.
    pub cache: NonZeroUsize,
    /// The time at which exposures are sent.
    pub exposures: Exposures,
    /// The origins whose pages may ask.
    pub cors: Cors,
    /// The prefix that is removed from every path; empty for none.
    pub base_path: String,
}

impl Default for AssignmentOptions {
    fn default() -> Self {
        Self {
            ttl_days: 90,
            cache: const { NonZeroUsize::new(10_000).unwrap() },
            exposures: Exposures::After,
            cors: Cors::default(),
            base_path: String::new(),
        }
    }
}

/// The time of a request's decisions, and the deadline of its calls to stores.
#[derive(Debug, Clone, Copy)]
pub struct RequestClock {
    /// The time of all decisions.
    pub now: Timestamp,
    pub(super) deadline: Instant,
}

impl RequestClock {
    /// Starts the clock of a request that has just arrived, and that is decided as of `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { now, deadline: Instant::now() + BUDGET }
    }

    /// Starts the clock of a request that has just arrived.
    #[must_use]
    pub fn now() -> Self {
        Self::at(Timestamp::now())
    }
}

/// The state of a question before the store is read.
pub(super) enum QuestionState<'a> {
    /// Its answer.
    Answered(Answer<'a>),
    /// What the hash says, whether that is to be stored if the store has nothing else, and whether the store had nothing a moment ago.
    Open { by_hash: Answer<'a>, stores: bool, is_absent: bool },
}

/// The assignment function, over its ports.
#[derive(Debug)]
pub struct AssignmentService<C, S, E> {
    pub(super) catalog: Arc<CatalogHolder<C>>,
    pub(super) store: S,
    pub(super) outbox: Outbox<E>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) cache: Cache,
    known_share: KnownShare,
    pub(super) middleware: Arc<Middleware>,
    ttl_days: u32,
}

impl<C: CatalogStore + 'static, S: AssignmentStore, E: EventSink> AssignmentService<C, S, E> {
    /// Assigns by a catalog, keeps assignments in a store and sends exposures to a sink.
    pub fn new(
        catalog: Arc<CatalogHolder<C>>,
        store: S,
        sink: E,
        telemetry: Arc<Telemetry>,
        options: AssignmentOptions,
    ) -> Self {
        let held = Arc::clone(&catalog);
        let middleware = Middleware::new(Arc::clone(&telemetry), options.cors, move || held.health())
            .with_base_path(&options.base_path);
        Self {
            catalog,
            store,
            outbox: Outbox::new(sink, options.exposures, Arc::clone(&telemetry)),
            telemetry,
            cache: Cache::new(options.cache),
            known_share: KnownShare::default(),
            middleware: Arc::new(middleware),
            ttl_days: options.ttl_days,
        }
    }

    /// The queue of exposures; whoever runs the service flushes it.
    pub fn outbox(&self) -> &Outbox<E> {
        &self.outbox
    }

    /// The log and the metrics.
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// Returns the middleware.
    pub fn middleware(&self) -> &Arc<Middleware> {
        &self.middleware
    }

    /// The snapshot of a request.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, ApiError> {
        self.catalog.serving(&self.telemetry).await
    }

    /// Answers one experiment for one unit.
    pub async fn assign<'s>(
        &self,
        snapshot: &'s Snapshot,
        request: &'s AssignRequest,
        clock: RequestClock,
    ) -> Result<AssignmentResponse<'s>, ApiError> {
        let key = &*request.experiment_key;
        let experiment =
            snapshot.catalog.experiment(key).ok_or_else(|| ApiError::experiment_not_found(key))?;
        let context = request.context.as_ref();
        let subject = Subject::new(&request.user_id, context.unwrap_or(crate::http::no_attributes()));
        let unit =
            experiment.unit(&subject).ok_or_else(|| ApiError::unit_missing(experiment.unit_attribute()))?;
        let revision = snapshot.revision;
        let question =
            Question { experiment, subject, unit, now: clock.now, revision, enrolls: !request.peek };
        let answer = self.resolve(&question, context, clock.deadline).await;
        self.telemetry.reason(answer.decision.reason.as_str());
        if request.expose && !request.peek {
            self.expose(&question, &answer);
        }
        Ok(question.response(&answer))
    }

    /// Answers a request that was read.
    pub(super) async fn answer(&self, request: &AssignRequest) -> Result<Reply, ApiError> {
        request.check()?;
        let clock = RequestClock::now();
        let snapshot = self.snapshot().await?;
        self.answer_by(&snapshot, request, clock).await
    }

    /// Answers a request in a URL. A GET enrolls and exposes as a POST does; a HEAD only says what would be answered.
    pub(super) async fn answer_url(&self, call: &Call) -> Result<Reply, ApiError> {
        let query = call.query()?;
        let clock = RequestClock::now();
        let snapshot = self.snapshot().await?;
        let mut request = AssignRequest::from_query(query, snapshot.catalog.attributes())?;
        request.check()?;
        request.peek |= call.is_safe;
        self.answer_by(&snapshot, &request, clock).await
    }

    async fn answer_by(
        &self,
        snapshot: &Snapshot,
        request: &AssignRequest,
        clock: RequestClock,
    ) -> Result<Reply, ApiError> {
        let reply = Reply::ok(&self.assign(snapshot, request, clock).await?);
        self.outbox.settle().await;
        Ok(reply)
    }

    async fn resolve<'s>(
        &self,
        question: &Question<'s>,
        context: Option<&Map<String, Value>>,
        deadline: Instant,
    ) -> Answer<'s> {
        let (by_hash, stores, is_absent) = match self.begin(question) {
            QuestionState::Answered(answer) => return answer,
            QuestionState::Open { by_hash, stores, is_absent } => (by_hash, stores, is_absent),
        };
        // In boxes, as the rest of what is rare here: the future of every request would carry them.
        if !stores {
            return match Box::pin(self.in_time(deadline, self.get(question))).await {
                Some(found) => self.found(question, found).map_or(by_hash, |kept| question.with(kept)),
                None => by_hash,
            };
        }
        if !is_absent && self.known_share.favors_reading() {
            // A read that fails or is late saves nothing, and the write still decides.
            let read = timeout(FIRST_READ, self.get(question));
            if let Ok(Ok(found)) = Box::pin(read).await
                && let Some(cached) = self.found(question, found)
            {
                return question.with(cached);
            }
        }
        let assignment = question.assignment(&by_hash.decision, context, self.ttl_days);
        Box::pin(self.store(question, by_hash, assignment, deadline)).await
    }

    async fn get(&self, question: &Question<'_>) -> Result<Option<StoredAssignment>, PortError> {
        self.telemetry.count(Counter::StoreReads, 1);
        self.store.get(&question.unit, question.experiment.key()).await
    }

    /// Answers without the store, where that is possible. A known assignment comes first: with it, one decision is enough.
    pub(super) fn begin<'s>(&self, question: &Question<'s>) -> QuestionState<'s> {
        let known = self.cache.get(question.key(), question.now.as_second());
        if let Some(CachedLookup::Stored(cached)) = known {
            self.telemetry.count(Counter::CacheHits, 1);
            return QuestionState::Answered(question.with(cached));
        }
        let by_hash = Answer { decision: question.decide(), cached: None };
        if !question.hangs_on_a_pin() {
            return QuestionState::Answered(by_hash);
        }
        let stores = question.is_to_be_stored(&by_hash.decision);
        // What is to be stored has to be, although the store had nothing a moment ago.
        if known.is_some() && !stores {
            self.telemetry.count(Counter::CacheHits, 1);
            return QuestionState::Answered(by_hash);
        }
        self.telemetry.count(Counter::CacheMisses, 1);
        QuestionState::Open { by_hash, stores, is_absent: known.is_some() }
    }

    /// Remembers what was read from the store; `None` if that is nothing, or does not count.
    pub(super) fn found(
        &self,
        question: &Question<'_>,
        found: Option<StoredAssignment>,
    ) -> Option<Arc<CachedAssignment>> {
        let (key, now) = (question.key(), question.now.as_second());
        let valid = found.filter(|found| found.epoch == key.epoch && !found.is_expired(now));
        let Some(valid) = valid else {
            self.cache.put_absent(key, now);
            return None;
        };
        if question.enrolls {
            self.known_share.add(true);
        }
        let cached = Arc::new(CachedAssignment::from(valid));
        self.cache.put(key, Arc::clone(&cached));
        Some(cached)
    }

    /// Stores what the hash decided, unless another assignment is there, which then is the answer.
    pub(super) async fn store<'s>(
        &self,
        question: &Question<'s>,
        by_hash: Answer<'s>,
        assignment: StoredAssignment,
        deadline: Instant,
    ) -> Answer<'s> {
        self.telemetry.count(Counter::StoreWrites, 1);
        let put = self.store.put_if_absent(&assignment, question.now.as_second());
        match self.in_time(deadline, put).await {
            Some(Put::Stored) => {
                self.known_share.add(false);
                let cached = Arc::new(CachedAssignment::from(assignment));
                self.cache.put(question.key(), Arc::clone(&cached));
                Answer { cached: Some(cached), ..by_hash }
            }
            Some(Put::Existing(there)) if there.epoch == question.experiment.epoch() => {
                self.known_share.add(true);
                let cached = Arc::new(CachedAssignment::from(there));
                self.cache.put(question.key(), Arc::clone(&cached));
                question.with(cached)
            }
            // No answer; or a later epoch than this catalog's, which will be here in some seconds.
            None | Some(Put::Existing(_)) => by_hash,
        }
    }

    pub(super) fn ttl_days(&self) -> u32 {
        self.ttl_days
    }

    /// Waits for a store, until the deadline; `None` if it failed or was late, which costs the caller nothing but `persisted`.
    pub(super) async fn in_time<T>(
        &self,
        deadline: Instant,
        asked: impl Future<Output = Result<T, PortError>>,
    ) -> Option<T> {
        let why = match timeout_at(deadline, asked).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it did not answer in time".to_owned(),
        };
        if self.telemetry.count(Counter::StoreFallbacks, 1) == 0 {
            self.telemetry.log(Level::Warn, "store_fallback", None, &json!({"why": why}));
        }
        None
    }

    /// Records that the unit sees its variant, if that counts.
    pub(super) fn expose(&self, question: &Question<'_>, answer: &Answer<'_>) {
        let decision = &answer.decision;
        let (Reason::Assigned | Reason::Pinned, Some(variant)) = (decision.reason, decision.variant) else {
            return;
        };
        let key = question.key();
        self.outbox.record((key, &*variant.key), || {
            let exposure = Exposure {
                experiment: key.experiment,
                variant: &variant.key,
                unit: key.unit,
                revision: question.revision,
                epoch: key.epoch,
                timestamp: question.now,
            };
            exposure.event()
        });
    }
}
