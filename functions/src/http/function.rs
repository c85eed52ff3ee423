//! The base of the two functions that answer HTTP requests.

use super::{ApiError, Cors, LambdaResponse, Middleware, Reply, Routes, finish};
use crate::catalog::{CatalogHolder, Snapshot};
use crate::openapi;
use crate::outbox::Outbox;
use crate::ports::{CatalogStore, EventSink};
use crate::settings::{Evaluations, Exposures};
use crate::telemetry::Telemetry;
use axum::Router;
use serde::Serialize;
use std::sync::Arc;

/// The settings that both functions have.
#[derive(Debug, Clone, Default)]
pub struct HttpOptions {
    /// The time at which exposures and evaluations are sent.
    pub exposures: Exposures,
    /// The origins whose pages may ask.
    pub cors: Cors,
    /// The prefix that is removed from every path; empty for none.
    pub base_path: String,
}

/// The parts that both functions have: the catalog that decides, the queue of their events, their log and their middleware.
#[derive(Debug)]
pub struct FunctionBase<C, E> {
    catalog: Arc<CatalogHolder<C>>,
    outbox: Outbox<E>,
    telemetry: Arc<Telemetry>,
    middleware: Arc<Middleware>,
}

impl<C: CatalogStore + 'static, E: EventSink> FunctionBase<C, E> {
    /// Decides by a catalog, and sends events to a sink.
    pub fn new(
        catalog: Arc<CatalogHolder<C>>,
        sink: E,
        telemetry: Arc<Telemetry>,
        options: HttpOptions,
    ) -> Self {
        let held = Arc::clone(&catalog);
        let middleware = Middleware::new(Arc::clone(&telemetry), options.cors, move || held.health())
            .with_base_path(&options.base_path);
        let outbox = Outbox::new(sink, options.exposures, Arc::clone(&telemetry));
        Self { catalog, outbox, telemetry, middleware: Arc::new(middleware) }
    }

    /// The same, with another way for evaluations.
    pub(crate) fn with_evaluations(self, evaluations: Evaluations) -> Self {
        Self { outbox: self.outbox.with_evaluations(evaluations), ..self }
    }

    /// The queue of events; whoever runs the function flushes it.
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

    /// Replies with a body, once the events that have to be sent before it are sent.
    pub(crate) async fn reply(&self, body: &impl Serialize) -> Reply {
        self.settle(Reply::ok(body)).await
    }

    /// Returns a reply once the events that have to be sent before it are sent.
    pub(crate) async fn settle(&self, reply: Reply) -> Reply {
        self.outbox.settle().await;
        reply
    }

    /// Sends the events that wait, before the process ends.
    pub(crate) async fn close(&self) {
        self.outbox.close().await;
        self.telemetry.flush();
    }
}

/// A function that answers HTTP requests, and the same JSON as the payload of an invocation.
pub trait HttpFunction: Send + Sync + Sized + 'static {
    /// The store of its catalog.
    type Catalog: CatalogStore + 'static;
    /// The sink of its events.
    type Sink: EventSink + 'static;

    /// The parts that every such function has.
    fn base(&self) -> &FunctionBase<Self::Catalog, Self::Sink>;

    /// Its own routes, for a router that has others too; [`finish`] makes it whole.
    fn routes(self: Arc<Self>) -> Routes;

    /// Answers the JSON of one of its requests.
    fn answer_json(&self, json: &[u8]) -> impl Future<Output = Result<Reply, ApiError>> + Send;

    /// The router of the deployed function.
    fn router(self: Arc<Self>) -> Router {
        let middleware = Arc::clone(self.base().middleware());
        finish(self.routes().with_service_routes(&middleware, openapi::DOCUMENT), &middleware)
    }

    /// Answers the payload of an invocation that is not an HTTP event.
    fn handle_direct(&self, payload: &[u8], request_id: &str) -> impl Future<Output = LambdaResponse> + Send {
        async move {
            let reply = self.base().middleware.serve_direct(request_id, self.answer_json(payload)).await;
            reply.into_envelope()
        }
    }
}
