//! Decide, remember, store, expose.

use super::cache::{Cache, CacheKey, CachedAssignment};
use super::known_share::KnownShare;
use super::pending::{PendingAssignment, RequestContext};
use super::{AssignRequest, AssignmentResponse};
use crate::catalog::{CatalogHolder, Snapshot};
use crate::http::{ApiError, Call, FunctionBase, HttpOptions, Reply};
use crate::ports::{AssignmentStore, CatalogStore, EventSink, PortResult, Put, StoredAssignment};
use crate::telemetry::{Level, Telemetry, TelemetryCounter};
use abx_core::Experiment;
use jiff::Timestamp;
use serde_json::json;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// The total time that the stores may take for a request. An adapter that retries gives up 3 ms earlier, so
/// that its breaker records the failure.
const BUDGET: Duration = Duration::from_millis(48);

/// The time limit of a read that is to save a write: the write has the rest.
const FIRST_READ: Duration = Duration::from_millis(20);

/// The options of the service, besides its ports.
#[derive(Debug, Clone)]
pub struct AssignmentOptions {
    /// The lifetime of an assignment, in days.
    pub ttl_days: u32,
    /// The number of assignments that the cache holds.
    pub cache: NonZeroUsize,
    /// The settings that both functions have.
    pub http: HttpOptions,
}

impl Default for AssignmentOptions {
    fn default() -> Self {
        Self {
            ttl_days: 90,
            cache: const { NonZeroUsize::new(10_000).unwrap() },
            http: HttpOptions::default(),
        }
    }
}

/// The time of a request's decisions, and the deadline of its calls to stores.
#[derive(Debug, Clone, Copy)]
pub struct RequestClock {
    /// The time of all decisions.
    pub now: Timestamp,
    deadline: Instant,
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

/// The step that a decision waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextStep {
    /// Nothing: it is the answer.
    Respond,
    /// The store may hold another assignment.
    Read,
    /// The store held nothing a moment ago, and is to hold this.
    Store,
}

/// The assignment function, over its ports.
#[derive(Debug)]
pub struct AssignmentService<C, S, E> {
    pub(super) base: FunctionBase<C, E>,
    pub(super) store: S,
    cache: Cache,
    known_share: KnownShare,
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
        Self {
            base: FunctionBase::new(catalog, sink, telemetry, options.http),
            store,
            cache: Cache::new(options.cache),
            known_share: KnownShare::default(),
            ttl_days: options.ttl_days,
        }
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
        let context =
            RequestContext::new(&request.user_id, request.context.as_ref(), clock, snapshot.revision)
                .peeking(request.peek);
        let (mut pending, next) = self.begin(experiment, context)?;
        self.resolve(&mut pending, next).await;
        self.base.telemetry().reason(pending.decision.reason.as_str());
        if request.expose {
            self.expose(&pending);
        }
        Ok(pending.response())
    }

    /// Answers a request that was read.
    pub(super) async fn answer(&self, request: &AssignRequest) -> Result<Reply, ApiError> {
        request.check()?;
        let clock = RequestClock::now();
        let snapshot = self.base.snapshot().await?;
        Ok(self.base.reply(&self.assign(&snapshot, request, clock).await?).await)
    }

    /// Answers a request in a URL. A GET enrolls and exposes as a POST does; a HEAD only says what would be answered.
    pub(super) async fn answer_url(&self, call: &Call) -> Result<Reply, ApiError> {
        let query = call.query()?;
        let clock = RequestClock::now();
        let snapshot = self.base.snapshot().await?;
        let mut request = AssignRequest::from_query(query, snapshot.catalog.attributes())?;
        request.check()?;
        request.peek |= call.is_safe;
        Ok(self.base.reply(&self.assign(&snapshot, &request, clock).await?).await)
    }

    /// Decides by what the process knows: the assignment in the cache, else the hash. A decision that no assignment would
    /// change needs no store.
    pub(super) fn begin<'s>(
        &self,
        experiment: &'s Experiment,
        request: RequestContext<'s>,
    ) -> Result<(PendingAssignment<'s>, NextStep), ApiError> {
        let unit = experiment
            .unit(&request.subject)
            .ok_or_else(|| ApiError::unit_missing(experiment.unit_attribute()))?;
        let (key, now) = (CacheKey::new(experiment, &unit), request.seconds());
        let known = self.cache.get(key, now);
        let (is_known, is_absent) = (known.is_some(), known.is_none() && self.cache.is_absent(key, now));
        let pending = PendingAssignment::decide(experiment, unit, request, known);
        let next = match (is_known, pending.depends_on_store()) {
            // No assignment would change it: neither a hit nor a miss.
            (false, false) => return Ok((pending, NextStep::Respond)),
            (false, true) if !is_absent => NextStep::Read,
            // What is to be stored has to be, although the store had nothing a moment ago.
            (false, true) if pending.is_to_be_stored() => NextStep::Store,
            (true, _) | (false, true) => NextStep::Respond,
        };
        let is_hit = next == NextStep::Respond;
        let counter = if is_hit { TelemetryCounter::CacheHits } else { TelemetryCounter::CacheMisses };
        self.base.telemetry().count(counter, 1);
        Ok((pending, next))
    }

    /// Asks the store what it has, and stores what it has not.
    async fn resolve(&self, pending: &mut PendingAssignment<'_>, next: NextStep) {
        // In boxes, as the rest of what is rare here: the future of every request would carry them.
        match next {
            NextStep::Respond => {}
            NextStep::Store => Box::pin(self.store(pending)).await,
            NextStep::Read if pending.is_to_be_stored() => Box::pin(self.enroll(pending)).await,
            NextStep::Read => {
                let read = self.in_time(pending.request.clock, self.get(pending));
                if let Some(found) = Box::pin(read).await {
                    self.take_found(pending, found);
                }
            }
        }
    }

    /// Stores an assignment, after a read where most units are known: a read costs a tenth of a refused write.
    async fn enroll(&self, pending: &mut PendingAssignment<'_>) {
        if self.known_share.favors_reading() {
            // A read that fails or is late saves nothing, and the write still decides.
            let read = timeout(FIRST_READ, self.get(pending)).await;
            if let Ok(Ok(found)) = read
                && self.take_found(pending, found)
            {
                return;
            }
        }
        self.store(pending).await;
    }

    async fn get(&self, pending: &PendingAssignment<'_>) -> PortResult<Option<StoredAssignment>> {
        self.base.telemetry().count(TelemetryCounter::StoreReads, 1);
        self.store.get(&pending.unit, pending.decision.experiment.key()).await
    }

    /// Remembers what was read from the store, and applies it. Returns false if the store holds nothing that counts.
    pub(super) fn take_found(
        &self,
        pending: &mut PendingAssignment<'_>,
        found: Option<StoredAssignment>,
    ) -> bool {
        let (key, now) = (pending.key(), pending.request.seconds());
        let valid = found.filter(|found| found.epoch == key.epoch && !found.is_expired(now));
        let Some(valid) = valid else {
            self.cache.put_absent(key, now);
            return false;
        };
        if pending.request.enrolls {
            self.known_share.add(true);
        }
        pending.pin(self.remember(key, valid));
        true
    }

    /// Stores what the hash decided, unless another assignment is there, which then is the answer.
    pub(super) async fn store(&self, pending: &mut PendingAssignment<'_>) {
        self.base.telemetry().count(TelemetryCounter::StoreWrites, 1);
        let assignment = pending.to_stored(self.ttl_days);
        let put = self.store.put_if_absent(&assignment, pending.request.seconds());
        match self.in_time(pending.request.clock, put).await {
            Some(Put::Stored) => {
                self.known_share.add(false);
                pending.cached = Some(self.remember(pending.key(), assignment));
            }
            Some(Put::Existing(there)) if there.epoch == assignment.epoch => {
                self.known_share.add(true);
                pending.pin(self.remember(pending.key(), there));
            }
            // No answer; or a later epoch than this catalog's, which will be here in some seconds.
            None | Some(Put::Existing(_)) => {}
        }
    }

    fn remember(&self, key: CacheKey<'_>, stored: StoredAssignment) -> Arc<CachedAssignment> {
        let cached = Arc::new(CachedAssignment::from(stored));
        self.cache.put(key, Arc::clone(&cached));
        cached
    }

    /// Waits for a store, until the deadline; `None` if it failed or was late, which costs the caller nothing but `persisted`.
    pub(super) async fn in_time<T>(
        &self,
        clock: RequestClock,
        asked: impl Future<Output = PortResult<T>>,
    ) -> Option<T> {
        let why = match timeout_at(clock.deadline, asked).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it did not answer in time".to_owned(),
        };
        let telemetry = self.base.telemetry();
        if telemetry.count(TelemetryCounter::StoreFallbacks, 1) == 0 {
            telemetry.log(Level::Warn, "store_fallback", None, &json!({"why": why}));
        }
        None
    }

    /// Records that the unit sees its variant, unless the caller only peeks.
    pub(super) fn expose(&self, pending: &PendingAssignment<'_>) {
        if let Some(exposure) = pending.exposure().filter(|_| pending.request.enrolls) {
            self.base.outbox().exposed(&exposure);
        }
    }
}
