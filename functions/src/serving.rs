//! Both functions that answer requests, in one process: `abx serve`, and the extension beside a function of any language.

use crate::assignment::{AssignmentOptions, AssignmentService};
use crate::catalog::CatalogHolder;
use crate::flags::{FlagOptions, FlagService};
use crate::http::{FunctionBase, HttpFunction, Middleware, Routes, finish};
use crate::openapi::DOCUMENT;
use crate::ports::{AssignmentStore, CatalogStore, EventSink};
use crate::settings::Evaluations;
use crate::telemetry::{Level, Telemetry};
use axum::Router;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::interval;

/// The time between two looks at the queues of events, and at the age of the catalog.
const TICK: Duration = Duration::from_millis(500);

/// The two functions over one catalog, one sink and one log.
#[derive(Debug)]
pub struct Serving<C, S, E> {
    catalog: Arc<CatalogHolder<C>>,
    assignment: Arc<AssignmentService<C, S, Arc<E>>>,
    flags: Arc<FlagService<C, Arc<E>>>,
    telemetry: Arc<Telemetry>,
}

impl<C, S, E> Serving<C, S, E>
where
    C: CatalogStore + 'static,
    S: AssignmentStore + 'static,
    E: EventSink + 'static,
{
    /// Decides by a catalog, keeps assignments in a store and sends events to a sink.
    pub fn new(
        catalog: Arc<CatalogHolder<C>>,
        store: S,
        sink: E,
        telemetry: Arc<Telemetry>,
        options: AssignmentOptions,
        evaluations: Evaluations,
    ) -> Self {
        let sink = Arc::new(sink);
        let of_flags = FlagOptions { evaluations, http: options.http.clone() };
        let flags =
            FlagService::new(Arc::clone(&catalog), Arc::clone(&sink), Arc::clone(&telemetry), of_flags);
        let assignment =
            AssignmentService::new(Arc::clone(&catalog), store, sink, Arc::clone(&telemetry), options);
        Self { catalog, assignment: Arc::new(assignment), flags: Arc::new(flags), telemetry }
    }

    /// The catalog.
    #[must_use]
    pub fn catalog(&self) -> &Arc<CatalogHolder<C>> {
        &self.catalog
    }

    /// The log, and the counts of both functions.
    #[must_use]
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// What stands before every handler.
    #[must_use]
    pub fn middleware(&self) -> &Arc<Middleware> {
        self.assignment.base().middleware()
    }

    /// The paths of both functions; [`finish`] makes them whole.
    #[must_use]
    pub fn routes(&self) -> Routes {
        Arc::clone(&self.assignment).routes().merge(Arc::clone(&self.flags).routes())
    }

    /// The whole router.
    pub fn router(&self) -> Router {
        finish(self.routes().with_service_routes(self.middleware(), DOCUMENT), self.middleware())
    }

    /// The number of events that wait to be sent.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.base_of_assignment().outbox().waiting() + self.base_of_flags().outbox().waiting()
    }

    /// Sends the events that wait.
    pub async fn flush(&self) {
        tokio::join!(self.base_of_assignment().outbox().flush(), self.base_of_flags().outbox().flush());
    }

    /// Refreshes a catalog that is old. A failure is logged once, until another one comes or it is over.
    pub async fn refresh(&self) {
        self.catalog.current().await;
        if let Some(why) = self.catalog.take_failure() {
            let freshness = self.catalog.freshness();
            let age = freshness.age.map(|age| age.as_secs());
            let fields = json!({"why": why, "catalog_age_seconds": age, "failures": freshness.failures});
            self.telemetry.log(Level::Warn, "catalog_not_refreshed", None, &fields);
        }
    }

    /// Refreshes the catalog and sends events at an interval, for ever.
    pub async fn tend(&self) {
        let refresh = async {
            let mut tick = interval(TICK);
            loop {
                tick.tick().await;
                self.refresh().await;
            }
        };
        let flush = async {
            let mut tick = interval(TICK);
            loop {
                tick.tick().await;
                self.flush().await;
            }
        };
        tokio::join!(refresh, flush);
    }

    /// Sends all that waits, before the process ends; what cannot be sent is counted as lost.
    pub async fn close(&self) {
        tokio::join!(self.base_of_assignment().close(), self.base_of_flags().close());
    }

    fn base_of_assignment(&self) -> &FunctionBase<C, Arc<E>> {
        self.assignment.base()
    }

    fn base_of_flags(&self) -> &FunctionBase<C, Arc<E>> {
        self.flags.base()
    }
}
