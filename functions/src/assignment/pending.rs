//! One experiment for one unit, from the decision to the response.

use super::RequestClock;
use super::cache::{CacheKey, CachedAssignment};
use super::response::AssignmentResponse;
use crate::http::no_attributes;
use crate::outbox::{Exposure, event_id};
use crate::ports::StoredAssignment;
use abx_core::decide::Finality;
use abx_core::{Decision, Experiment, Reason, Subject};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::Arc;

const SECONDS_A_DAY: i64 = 86_400;

/// The part of a request that holds for each experiment that it asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestContext<'a> {
    pub subject: Subject<'a>,
    /// The attributes as the caller sent them, which are stored with an assignment.
    attributes: Option<&'a Map<String, Value>>,
    pub clock: RequestClock,
    pub revision: u64,
    /// True if the unit is to be enrolled when it is eligible.
    pub enrolls: bool,
}

impl<'a> RequestContext<'a> {
    pub(super) fn new(
        user_id: &'a str,
        attributes: Option<&'a Map<String, Value>>,
        clock: RequestClock,
        revision: u64,
    ) -> Self {
        let subject = Subject::new(user_id, attributes.unwrap_or(no_attributes()));
        Self { subject, attributes, clock, revision, enrolls: true }
    }

    /// The same, without enrolling if the caller only peeks.
    pub(super) fn peeking(self, peeks: bool) -> Self {
        Self { enrolls: !peeks, ..self }
    }

    /// The time of the decisions, in seconds since 1970.
    pub(super) fn seconds(&self) -> i64 {
        self.clock.now.as_second()
    }
}

/// The assignment of a unit in an experiment, on its way from the decision to the response. The experiment is evaluated
/// once, and an assignment that the store turns out to hold is applied to that decision.
#[derive(Debug)]
pub(super) struct PendingAssignment<'a> {
    pub request: RequestContext<'a>,
    pub unit: Cow<'a, str>,
    pub decision: Decision<'a>,
    /// The stored assignment, if it made the decision or was stored for it.
    pub cached: Option<Arc<CachedAssignment>>,
}

impl<'a> PendingAssignment<'a> {
    /// Decides by hash, or by the stored assignment if it is known.
    pub(super) fn decide(
        experiment: &'a Experiment,
        unit: Cow<'a, str>,
        request: RequestContext<'a>,
        known: Option<Arc<CachedAssignment>>,
    ) -> Self {
        let pin = known.as_ref().map(|cached| cached.pin());
        let decision = experiment.decide(&request.subject, request.clock.now, pin);
        let cached = known.filter(|_| decision.reason == Reason::Pinned);
        Self { request, unit, decision, cached }
    }

    /// Applies a stored assignment. If it no longer counts (for example because its variant was removed), the
    /// decision stays.
    pub(super) fn pin(&mut self, cached: Arc<CachedAssignment>) {
        self.decision = self.decision.with_pin(cached.pin());
        self.cached = (self.decision.reason == Reason::Pinned).then_some(cached);
    }

    pub(super) fn key(&self) -> CacheKey<'_> {
        CacheKey::new(self.decision.experiment, &self.unit)
    }

    /// Returns true if a stored assignment would change the decision, so that asking the store is worth its cost.
    pub(super) fn depends_on_store(&self) -> bool {
        self.decision.finality == Finality::UnlessPinned
    }

    /// Returns true if the decision is of the hash, and must be stored.
    pub(super) fn is_to_be_stored(&self) -> bool {
        self.request.enrolls && self.decision.reason == Reason::Assigned
    }

    /// Names the assignment: the same in every process, so that callers who race agree on it.
    fn assignment_id(&self) -> String {
        let CacheKey { unit, experiment, epoch } = self.key();
        event_id("assignment", &[unit.as_bytes(), experiment.as_bytes(), &epoch.to_be_bytes()])
    }

    /// Builds the assignment to store.
    pub(super) fn to_stored(&self, ttl_days: u32) -> StoredAssignment {
        let CacheKey { unit, experiment, epoch } = self.key();
        StoredAssignment {
            user_id: unit.to_owned(),
            experiment_key: experiment.to_owned(),
            variant: self.decision.variant.map(|variant| variant.key.to_string()).unwrap_or_default(),
            assignment_id: self.assignment_id(),
            epoch,
            revision: self.request.revision,
            assigned_at: self.request.clock.now,
            context: self.request.attributes.filter(|attributes| !attributes.is_empty()).cloned(),
            ttl: self.request.seconds().saturating_add(i64::from(ttl_days) * SECONDS_A_DAY),
        }
    }

    /// The exposure of the unit to its variant; `None` for a unit that does not take part.
    pub(super) fn exposure(&self) -> Option<Exposure<'_>> {
        let variant = self.decision.variant.filter(|_| self.takes_part())?;
        let CacheKey { unit, experiment, epoch } = self.key();
        let RequestContext { revision, clock, subject, .. } = &self.request;
        let dimensions = self.decision.experiment.dimension_values(subject);
        let (revision, timestamp) = (*revision, clock.now);
        Some(Exposure { experiment, variant: &variant.key, unit, revision, epoch, timestamp, dimensions })
    }

    /// The answer, as it is sent.
    pub(super) fn response(&self) -> AssignmentResponse<'a> {
        let Self { request, unit, decision, cached } = self;
        let takes_part = self.takes_part();
        let known_id = cached.as_ref().map(|cached| cached.assignment_id.to_string());
        AssignmentResponse {
            experiment_key: decision.experiment.key(),
            user_id: request.subject.user_id(),
            unit: unit.clone(),
            variant: decision.variant.map(|variant| &*variant.key),
            payload: decision.variant.and_then(|variant| variant.payload.as_ref()),
            reason: decision.reason,
            in_experiment: takes_part,
            epoch: decision.experiment.epoch(),
            revision: request.revision,
            assignment_id: takes_part.then(|| Cow::Owned(known_id.unwrap_or_else(|| self.assignment_id()))),
            persisted: cached.is_some(),
            assigned_at: takes_part
                .then(|| cached.as_ref().map_or(request.clock.now, |cached| cached.assigned_at)),
        }
    }

    fn takes_part(&self) -> bool {
        matches!(self.decision.reason, Reason::Assigned | Reason::Pinned)
    }
}
