//! Batches: some or all experiments for one unit.

use super::pending::{PendingAssignment, RequestContext};
use super::service::NextStep;
use super::{
    AssignBatchError, AssignBatchRequest, AssignBatchResponse, AssignmentResponse, AssignmentService,
    RequestClock,
};
use crate::catalog::Snapshot;
use crate::http::{ApiError, Reply};
use crate::ports::{AssignmentStore, CatalogStore, EventSink};
use crate::telemetry::TelemetryCounter;
use abx_core::Experiment;
use abx_core::document::Status;
use futures_util::future::join_all;

/// Assignments, each with the step that it waits for.
type Pending<'a> = [(PendingAssignment<'a>, NextStep)];

impl<C: CatalogStore + 'static, S: AssignmentStore, E: EventSink> AssignmentService<C, S, E> {
    /// Answers a batch that was read.
    pub(super) async fn answer_batch(&self, request: &AssignBatchRequest) -> Result<Reply, ApiError> {
        request.check()?;
        let clock = RequestClock::now();
        let snapshot = self.base.snapshot().await?;
        Ok(self.base.reply(&self.assign_batch(&snapshot, request, clock).await).await)
    }

    /// Answers several experiments: one read for all that the process does not know, then one write for each new one, all
    /// at the same time.
    pub async fn assign_batch<'s>(
        &self,
        snapshot: &'s Snapshot,
        request: &'s AssignBatchRequest,
        clock: RequestClock,
    ) -> AssignBatchResponse<'s> {
        let context =
            RequestContext::new(&request.user_id, request.context.as_ref(), clock, snapshot.revision)
                .peeking(request.peek);
        let mut errors = Vec::new();
        let mut pending = Vec::new();
        for (experiment_key, experiment) in asked_for(snapshot, request) {
            let found = experiment.ok_or_else(|| ApiError::experiment_not_found(experiment_key));
            match found.and_then(|experiment| self.begin(experiment, context)) {
                Ok(begun) => pending.push(begun),
                Err(ApiError { code, message, .. }) => {
                    errors.push(AssignBatchError { experiment_key, code, message });
                }
            }
        }
        self.read_all(&mut pending, context).await;
        self.store_all(&mut pending).await;
        let reasons = pending.iter().map(|(it, _)| it.decision.reason.as_str());
        self.base.telemetry().reasons(reasons);
        if request.exposes() {
            for (it, _) in &pending {
                self.expose(it);
            }
        }
        let assignments: Vec<AssignmentResponse<'s>> = pending.iter().map(|(it, _)| it.response()).collect();
        let user_id = context.subject.user_id();
        AssignBatchResponse { user_id, revision: snapshot.revision, assignments, errors }
    }

    /// Reads what the store holds, by one call for each unit; mostly there is one.
    async fn read_all(&self, pending: &mut Pending<'_>, context: RequestContext<'_>) {
        let to_read = |(_, next): &&(PendingAssignment<'_>, NextStep)| *next == NextStep::Read;
        let mut units: Vec<String> =
            pending.iter().filter(to_read).map(|(it, _)| it.unit.to_string()).collect();
        units.sort_unstable();
        units.dedup();
        let reads = units.iter().map(|unit| {
            let of_unit = pending.iter().filter(to_read).filter(|(it, _)| *it.unit == **unit);
            let keys: Vec<&str> = of_unit.map(|(it, _)| it.decision.experiment.key()).collect();
            self.base.telemetry().count(TelemetryCounter::StoreReads, 1);
            async move { self.in_time(context.clock, self.store.get_many(unit, &keys)).await }
        });
        let found = join_all(reads).await;
        for (unit, found) in units.iter().zip(found) {
            let mut found = found.map(Vec::into_iter);
            let of_unit =
                pending.iter_mut().filter(|(it, next)| *next == NextStep::Read && *it.unit == **unit);
            for (it, next) in of_unit {
                // If the store failed, asking it for each of them again would not make it faster.
                let is_new = match &mut found {
                    Some(found) => !self.take_found(it, found.next().flatten()),
                    None => false,
                };
                let stores = is_new && it.is_to_be_stored();
                *next = if stores { NextStep::Store } else { NextStep::Respond };
            }
        }
    }

    async fn store_all(&self, pending: &mut Pending<'_>) {
        let to_store = pending.iter_mut().filter(|(_, next)| *next == NextStep::Store);
        join_all(to_store.map(|(it, _)| self.store(it))).await;
    }
}

/// The experiments that are asked for. Drafts are left out of "all": their names are nobody's business yet.
fn asked_for<'s>(
    snapshot: &'s Snapshot,
    request: &'s AssignBatchRequest,
) -> Vec<(&'s str, Option<&'s Experiment>)> {
    let catalog = &snapshot.catalog;
    match &request.experiment_keys {
        Some(keys) => {
            let mut seen = std::collections::HashSet::new();
            let once = keys.iter().filter(|key| seen.insert(key.as_str()));
            once.map(|key| (&**key, catalog.experiment(key))).collect()
        }
        None => {
            let begun = catalog.experiments().iter().filter(|it| it.status() != Status::Draft);
            begun.map(|experiment| (experiment.key(), Some(experiment))).collect()
        }
    }
}
