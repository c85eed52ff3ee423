//! Batches: some or all experiments for one unit.

use super::question::{Answer, Question};
use super::service::QuestionState;
use super::{AssignmentResponse, AssignmentService, BatchError, BatchRequest, BatchResponse, RequestClock};
use crate::catalog::Snapshot;
use crate::http::{ApiError, Reply};
use crate::ports::{AssignmentStore, CatalogStore, EventSink, StoredAssignment};
use crate::telemetry::Counter;
use abx_core::document::Status;
use abx_core::{Experiment, Subject};
use futures_util::future::join_all;

/// A question on its way to its answer.
struct PendingQuestion<'a> {
    question: Question<'a>,
    answer: Answer<'a>,
    next: NextStep,
}

/// The step that an open question waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NextStep {
    Nothing,
    Read,
    Store,
}

impl<C: CatalogStore + 'static, S: AssignmentStore, E: EventSink> AssignmentService<C, S, E> {
    /// Answers a batch that was read.
    pub(super) async fn answer_batch(&self, request: &BatchRequest) -> Result<Reply, ApiError> {
        request.check()?;
        let clock = RequestClock::now();
        let snapshot = self.snapshot().await?;
        let reply = Reply::ok(&self.assign_batch(&snapshot, request, clock).await);
        self.outbox.settle().await;
        Ok(reply)
    }

    /// Answers several experiments: one read for all that the process does not know, then one write for each new one, all
    /// at the same time.
    pub async fn assign_batch<'s>(
        &self,
        snapshot: &'s Snapshot,
        request: &'s BatchRequest,
        clock: RequestClock,
    ) -> BatchResponse<'s> {
        let (mut open, errors) = self.open(snapshot, request, clock);
        self.read_all(&mut open, clock).await;
        self.store_all(&mut open, request, clock).await;
        self.telemetry.reasons(open.iter().map(|it| it.answer.decision.reason.as_str()));
        if request.expose && !request.peek {
            for it in &open {
                self.expose(&it.question, &it.answer);
            }
        }
        let assignments: Vec<AssignmentResponse<'s>> =
            open.iter().map(|it| it.question.response(&it.answer)).collect();
        let user_id = subject(request).user_id();
        BatchResponse { user_id, revision: snapshot.revision, assignments, errors }
    }

    /// Decides by hash and by what the process knows.
    fn open<'s>(
        &self,
        snapshot: &'s Snapshot,
        request: &'s BatchRequest,
        clock: RequestClock,
    ) -> (Vec<PendingQuestion<'s>>, Vec<BatchError<'s>>) {
        let subject = subject(request);
        let mut errors = Vec::new();
        let mut open = Vec::new();
        for (key, experiment) in asked_for(snapshot, request) {
            let Some(experiment) = experiment else {
                errors.push(batch_error(key, ApiError::experiment_not_found(key)));
                continue;
            };
            let Some(unit) = experiment.unit(&subject) else {
                errors.push(batch_error(key, ApiError::unit_missing(experiment.unit_attribute())));
                continue;
            };
            let (now, revision) = (clock.now, snapshot.revision);
            let question = Question { experiment, subject, unit, now, revision, enrolls: !request.peek };
            open.push(self.open_one(question));
        }
        (open, errors)
    }

    fn open_one<'s>(&self, question: Question<'s>) -> PendingQuestion<'s> {
        match self.begin(&question) {
            QuestionState::Answered(answer) => PendingQuestion { question, answer, next: NextStep::Nothing },
            QuestionState::Open { by_hash, .. } => {
                PendingQuestion { question, answer: by_hash, next: NextStep::Read }
            }
        }
    }

    /// Reads what the store holds, by one call for each unit; mostly there is one.
    async fn read_all(&self, open: &mut [PendingQuestion<'_>], clock: RequestClock) {
        let mut units: Vec<String> = open
            .iter()
            .filter(|it| it.next == NextStep::Read)
            .map(|it| it.question.unit.to_string())
            .collect();
        units.sort_unstable();
        units.dedup();
        let reads = units.iter().map(|unit| {
            let of_unit =
                |it: &&PendingQuestion<'_>| it.next == NextStep::Read && *it.question.unit == **unit;
            let keys: Vec<&str> =
                open.iter().filter(of_unit).map(|it| it.question.experiment.key()).collect();
            self.telemetry.count(Counter::StoreReads, 1);
            async move { self.in_time(clock.deadline, self.store.get_many(unit, &keys)).await }
        });
        let found = join_all(reads).await;
        for (unit, found) in units.iter().zip(found) {
            let mut found = found.map(Vec::into_iter);
            let of_unit =
                |it: &&mut PendingQuestion<'_>| it.next == NextStep::Read && *it.question.unit == **unit;
            for it in open.iter_mut().filter(of_unit) {
                match &mut found {
                    Some(found) => self.take_found(it, found.next().flatten()),
                    // The store failed: asking it for each of them again would not make it faster.
                    None => it.next = NextStep::Nothing,
                }
            }
        }
    }

    fn take_found(&self, it: &mut PendingQuestion<'_>, found: Option<StoredAssignment>) {
        it.next = NextStep::Nothing;
        match self.found(&it.question, found) {
            Some(cached) => it.answer = it.question.with(cached),
            None if it.question.is_to_be_stored(&it.answer.decision) => it.next = NextStep::Store,
            None => {}
        }
    }

    async fn store_all(&self, open: &mut [PendingQuestion<'_>], request: &BatchRequest, clock: RequestClock) {
        let writes = open.iter_mut().filter(|it| it.next == NextStep::Store).map(|it| async move {
            let context = request.context.as_ref();
            let assignment = it.question.assignment(&it.answer.decision, context, self.ttl_days());
            it.answer = self.store(&it.question, it.answer.clone(), assignment, clock.deadline).await;
        });
        join_all(writes).await;
    }
}

fn subject(request: &BatchRequest) -> Subject<'_> {
    Subject::new(&request.user_id, request.context.as_ref().unwrap_or(crate::http::no_attributes()))
}

/// The experiments that are asked for. Drafts are left out of "all": their names are nobody's business yet.
fn asked_for<'s>(
    snapshot: &'s Snapshot,
    request: &'s BatchRequest,
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

fn batch_error(experiment_key: &str, error: ApiError) -> BatchError<'_> {
    BatchError { experiment_key, code: error.code, message: error.message }
}
