//! One experiment, asked for one unit.

use super::cache::{CachedAssignment, Key};
use super::response::AssignmentResponse;
use crate::outbox::event_id;
use crate::ports::StoredAssignment;
use abx_core::{Decision, Experiment, Pin, Reason, Subject};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::Arc;

const SECONDS_A_DAY: i64 = 86_400;

/// One experiment, asked for one unit at a time.
#[derive(Debug, Clone)]
pub(super) struct Question<'a> {
    pub experiment: &'a Experiment,
    pub subject: Subject<'a>,
    pub unit: Cow<'a, str>,
    pub now: Timestamp,
    pub revision: u64,
    /// True if the unit is to be enrolled when it is eligible.
    pub enrolls: bool,
}

/// The answer to a question.
#[derive(Debug, Clone)]
pub(super) struct Answer<'a> {
    pub decision: Decision<'a>,
    /// The stored assignment, if it made the decision.
    pub cached: Option<Arc<CachedAssignment>>,
}

impl<'a> Question<'a> {
    pub(super) fn key(&self) -> Key<'_> {
        Key { unit: &self.unit, experiment: self.experiment.key(), epoch: self.experiment.epoch() }
    }

    /// Decides by hash, without the store.
    pub(super) fn decide(&self) -> Decision<'a> {
        self.experiment.decide(&self.subject, self.now, None)
    }

    /// Decides with a stored assignment. If it no longer counts (for example because its variant was
    /// removed), the hash decides.
    pub(super) fn with(&self, cached: Arc<CachedAssignment>) -> Answer<'a> {
        let pin = Pin { variant: &cached.variant, epoch: cached.epoch };
        let decision = self.experiment.decide(&self.subject, self.now, Some(pin));
        Answer { decision, cached: (decision.reason == Reason::Pinned).then_some(cached) }
    }

    /// Returns true if a stored assignment would decide, so that reading the store is worth its cost. The
    /// core's order of evaluation is tried with an invented pin, instead of repeating the order here.
    pub(super) fn hangs_on_a_pin(&self) -> bool {
        let Some(variant) = self.experiment.variants().first() else { return false };
        let pin = Pin { variant: &variant.key, epoch: self.experiment.epoch() };
        self.experiment.decide(&self.subject, self.now, Some(pin)).reason == Reason::Pinned
    }

    /// Returns true if the decision of the hash must be stored.
    pub(super) fn is_to_be_stored(&self, hashed: &Decision<'_>) -> bool {
        self.enrolls && hashed.reason == Reason::Assigned
    }

    /// Names the assignment: the same in every process, so that callers who race agree on it.
    pub(super) fn assignment_id(&self) -> String {
        let key = self.key();
        event_id("assignment", &[key.unit.as_bytes(), key.experiment.as_bytes(), &key.epoch.to_be_bytes()])
    }

    /// Builds the assignment to store.
    pub(super) fn assignment(
        &self,
        hashed: &Decision<'_>,
        context: Option<&Map<String, Value>>,
        ttl_days: u32,
    ) -> StoredAssignment {
        StoredAssignment {
            user_id: self.unit.clone().into_owned(),
            experiment_key: self.experiment.key().to_owned(),
            variant: hashed.variant.map(|variant| variant.key.to_string()).unwrap_or_default(),
            assignment_id: self.assignment_id(),
            epoch: self.experiment.epoch(),
            revision: self.revision,
            assigned_at: self.now,
            context: context.filter(|context| !context.is_empty()).cloned(),
            ttl: self.now.as_second().saturating_add(i64::from(ttl_days) * SECONDS_A_DAY),
        }
    }

    /// The answer, as it is sent.
    pub(super) fn response(&self, answer: &Answer<'a>) -> AssignmentResponse<'a> {
        let Answer { decision, cached } = answer;
        let takes_part = matches!(decision.reason, Reason::Assigned | Reason::Pinned);
        let known_id = cached.as_ref().map(|cached| cached.assignment_id.to_string());
        AssignmentResponse {
            experiment_key: decision.experiment.key(),
            user_id: self.subject.user_id(),
            unit: self.unit.clone(),
            variant: decision.variant.map(|variant| &*variant.key),
            payload: decision.variant.and_then(|variant| variant.payload.as_ref()),
            reason: decision.reason,
            in_experiment: takes_part,
            epoch: decision.experiment.epoch(),
            revision: self.revision,
            assignment_id: takes_part.then(|| Cow::Owned(known_id.unwrap_or_else(|| self.assignment_id()))),
            persisted: cached.is_some(),
            assigned_at: takes_part.then(|| cached.as_ref().map_or(self.now, |cached| cached.assigned_at)),
        }
    }
}
