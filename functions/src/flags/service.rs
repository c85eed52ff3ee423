//! Evaluate, and record what was evaluated.

use super::{FlagRequest, FlagResponse, FlagsRequest, FlagsResponse};
use crate::catalog::{CatalogHolder, Snapshot};
use crate::http::{ApiError, Call, FunctionBase, HttpOptions, Reply};
use crate::outbox::{Evaluated, Exposure};
use crate::ports::{CatalogStore, EventSink};
use crate::settings::{Evaluations, Exposures};
use crate::telemetry::Telemetry;
use abx_core::{Evaluation, Flag, Reason, Subject};
use jiff::Timestamp;
use std::sync::Arc;

/// Settings of the service, apart from its ports.
#[derive(Debug, Clone, Default)]
pub struct FlagOptions {
    /// The way in which evaluations are sent: counted, or one by one.
    pub evaluations: Evaluations,
    /// The settings that both functions have.
    pub http: HttpOptions,
}

/// The flag function, over its ports.
#[derive(Debug)]
pub struct FlagService<C, E> {
    pub(super) base: FunctionBase<C, E>,
}

impl<C: CatalogStore + 'static, E: EventSink> FlagService<C, E> {
    /// Evaluates the flags of a catalog, and sends to a sink what was evaluated.
    pub fn new(
        catalog: Arc<CatalogHolder<C>>,
        sink: E,
        telemetry: Arc<Telemetry>,
        options: FlagOptions,
    ) -> Self {
        let base = FunctionBase::new(catalog, sink, telemetry, options.http);
        Self { base: base.with_evaluations(options.evaluations) }
    }

    /// Evaluates one flag, and records it.
    pub fn evaluate<'s>(
        &self,
        snapshot: &'s Snapshot,
        key: &str,
        subject: &Subject<'s>,
        now: Timestamp,
    ) -> Result<FlagResponse<'s>, ApiError> {
        let (flag, evaluation) = self.decide(snapshot, key, subject, now)?;
        self.record(snapshot, flag, &evaluation, subject, now);
        Ok(FlagResponse::of(flag, &evaluation, subject.user_id(), snapshot.revision))
    }

    fn decide<'s>(
        &self,
        snapshot: &'s Snapshot,
        key: &str,
        subject: &Subject<'s>,
        now: Timestamp,
    ) -> Result<(&'s Flag, Evaluation<'s>), ApiError> {
        let flag = snapshot.catalog.flag(key).ok_or_else(|| ApiError::flag_not_found(key))?;
        let evaluation = snapshot.catalog.evaluate_flag(flag, subject, now);
        self.base.telemetry().reason(evaluation.reason.as_str());
        Ok((flag, evaluation))
    }

    /// Evaluates all flags, and records them.
    pub fn evaluate_all<'s>(
        &self,
        snapshot: &'s Snapshot,
        subject: &Subject<'s>,
        now: Timestamp,
    ) -> Vec<FlagResponse<'s>> {
        self.evaluate_each(snapshot, snapshot.catalog.flags().iter(), subject, now)
    }

    fn evaluate_each<'s>(
        &self,
        snapshot: &'s Snapshot,
        flags: impl Iterator<Item = &'s Flag>,
        subject: &Subject<'s>,
        now: Timestamp,
    ) -> Vec<FlagResponse<'s>> {
        let user_id = subject.user_id();
        let evaluated: Vec<FlagResponse<'s>> = flags
            .map(|flag| {
                let evaluation = snapshot.catalog.evaluate_flag(flag, subject, now);
                self.record(snapshot, flag, &evaluation, subject, now);
                FlagResponse::of(flag, &evaluation, user_id.clone(), snapshot.revision)
            })
            .collect();
        self.base.telemetry().reasons(evaluated.iter().map(|response| response.reason.as_str()));
        evaluated
    }

    /// Answers a request for one flag.
    pub(super) async fn answer(&self, request: &FlagRequest, path: Option<&str>) -> Result<Reply, ApiError> {
        request.check()?;
        let key = request.key(path)?;
        let snapshot = self.base.snapshot().await?;
        let subject = Subject::new(&request.user_id, request.attributes());
        Ok(self.base.reply(&self.evaluate(&snapshot, key, &subject, Timestamp::now())?).await)
    }

    /// Answers a request in a URL. A GET is recorded as a POST is; a HEAD is not.
    pub(super) async fn answer_url(&self, call: &Call, key: &str) -> Result<Reply, ApiError> {
        let query = call.query()?;
        let snapshot = self.base.snapshot().await?;
        let request = FlagRequest::from_query(query, snapshot.catalog.attributes())?;
        request.check()?;
        let subject = Subject::new(&request.user_id, request.attributes());
        let (flag, evaluation) = self.decide(&snapshot, key, &subject, Timestamp::now())?;
        if !call.is_safe {
            self.record(&snapshot, flag, &evaluation, &subject, Timestamp::now());
        }
        Ok(self.base.reply(&FlagResponse::of(flag, &evaluation, subject.user_id(), snapshot.revision)).await)
    }

    /// Answers a request for some or all flags.
    pub(super) async fn answer_bulk(&self, request: &FlagsRequest) -> Result<Reply, ApiError> {
        request.check()?;
        let snapshot = self.base.snapshot().await?;
        let subject = Subject::new(&request.user_id, request.attributes());
        let now = Timestamp::now();
        let mut not_found = Vec::new();
        let flags = match &request.flag_keys {
            None => self.evaluate_all(&snapshot, &subject, now),
            Some(keys) => {
                let named = keys.iter().filter_map(|key| {
                    let flag = snapshot.catalog.flag(key);
                    if flag.is_none() {
                        not_found.push(&**key);
                    }
                    flag
                });
                self.evaluate_each(&snapshot, named, &subject, now)
            }
        };
        let (user_id, revision) = (subject.user_id(), snapshot.revision);
        Ok(self.base.reply(&FlagsResponse { user_id, revision, flags, not_found }).await)
    }

    /// Records what a flag gave, and that the unit saw a variant of the experiment that the flag served.
    fn record(
        &self,
        snapshot: &Snapshot,
        flag: &Flag,
        evaluation: &Evaluation<'_>,
        subject: &Subject<'_>,
        now: Timestamp,
    ) {
        if self.base.outbox().mode() == Exposures::Off {
            return;
        }
        let revision = snapshot.revision;
        let Some(variant) = evaluation.variant else { return };
        let unit = flag.unit(subject).unwrap_or_default();
        self.base.outbox().evaluated(&Evaluated {
            flag: flag.key(),
            variant: &variant.key,
            unit: &unit,
            reason: evaluation.reason.as_str(),
            revision,
            timestamp: now,
        });
        let Some(decision) = evaluation.decision.filter(|it| it.reason == Reason::Assigned) else { return };
        let experiment = decision.experiment;
        let (Some(variant), Some(unit)) = (decision.variant, experiment.unit(subject)) else { return };
        let (experiment, epoch, variant) = (experiment.key(), experiment.epoch(), &*variant.key);
        let dimensions = decision.experiment.dimension_values(subject);
        let exposure =
            Exposure { experiment, variant, unit: &unit, revision, epoch, timestamp: now, dimensions };
        self.base.outbox().exposed(&exposure);
    }
}
