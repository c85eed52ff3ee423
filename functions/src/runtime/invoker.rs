//! One invocation, whatever its payload is.

use super::event::{HttpEvent, envelope, foreign_trigger, is_http};
use crate::http::{ApiError, LambdaResponse};
use crate::ports::{AssignmentStore, CatalogStore, EventSink};
use crate::telemetry::Telemetry;
use crate::{assignment, flags};
use axum::Router;
use axum::extract::Request;
use std::fmt;
use std::sync::Arc;
use tower::ServiceExt;

/// A function that can be deployed.
pub trait DeployedFunction: Send + Sync + Sized + 'static {
    /// Its router.
    fn router(self: &Arc<Self>) -> Router;
    /// Answers a payload that is no HTTP event.
    fn direct(&self, payload: &[u8], request_id: &str) -> impl Future<Output = LambdaResponse> + Send;
    /// Sends what waits, after a response.
    fn flush(&self) -> impl Future<Output = ()> + Send;
    /// Sends what waits, before the process ends.
    fn close(&self) -> impl Future<Output = ()> + Send;
    /// Its log and metrics.
    fn telemetry(&self) -> &Telemetry;
}

/// A batch of a trigger that the function does not work for. It ends in an error, so that no message of it is deleted.
#[derive(Debug)]
pub struct ForeignTrigger {
    source: String,
}

impl ForeignTrigger {
    /// The type of the error, as Lambda and whoever reads its log see it.
    pub const KIND: &'static str = "NotARequest";
}

impl fmt::Display for ForeignTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "this is a batch of {}, and the function answers requests: remove the trigger, or connect it to another function",
            self.source
        )
    }
}

impl std::error::Error for ForeignTrigger {}

/// Answers invocations as the deployed function does: `abx dev` calls it for its own `Invoke` path.
#[derive(Debug)]
pub struct Invoker<F> {
    function: Arc<F>,
    router: Router,
}

impl<F> Clone for Invoker<F> {
    fn clone(&self) -> Self {
        Self { function: Arc::clone(&self.function), router: self.router.clone() }
    }
}

impl<F: DeployedFunction> Invoker<F> {
    /// Answers by a function.
    #[must_use]
    pub fn new(function: Arc<F>) -> Self {
        Self { router: function.router(), function }
    }

    /// The function.
    #[must_use]
    pub fn function(&self) -> &Arc<F> {
        &self.function
    }

    /// Answers a payload: an HTTP event goes through the router, everything else is a direct call.
    pub async fn invoke(&self, payload: &[u8], request_id: &str) -> Result<LambdaResponse, ForeignTrigger> {
        if let Some(source) = foreign_trigger(payload) {
            return Err(ForeignTrigger { source });
        }
        if !is_http(payload) {
            return Ok(self.function.direct(payload, request_id).await);
        }
        let event = HttpEvent::read(payload);
        let with_lists = event.as_ref().is_ok_and(HttpEvent::has_lists_only);
        let answer = match event.and_then(|event| event.into_request(request_id)) {
            Ok(request) => self.route(request).await,
            Err(refusal) => refuse(&refusal, request_id),
        };
        Ok(if with_lists { answer.with_multi_value_headers() } else { answer })
    }

    async fn route(&self, request: Request) -> LambdaResponse {
        match self.router.clone().oneshot(request).await {
            Ok(response) => envelope(response).await,
            Err(never) => match never {},
        }
    }
}

fn refuse(refusal: &ApiError, request_id: &str) -> LambdaResponse {
    refusal.reply(request_id).into_envelope()
}

impl<C, S, E> DeployedFunction for assignment::AssignmentService<C, S, E>
where
    C: CatalogStore + 'static,
    S: AssignmentStore + 'static,
    E: EventSink + 'static,
{
    fn router(self: &Arc<Self>) -> Router {
        assignment::router(Arc::clone(self))
    }
    async fn direct(&self, payload: &[u8], request_id: &str) -> LambdaResponse {
        self.handle_direct(payload, request_id).await
    }
    async fn flush(&self) {
        self.outbox().flush().await;
    }
    async fn close(&self) {
        self.outbox().close().await;
        self.telemetry().flush();
    }
    fn telemetry(&self) -> &Telemetry {
        self.telemetry()
    }
}

impl<C, E> DeployedFunction for flags::FlagService<C, E>
where
    C: CatalogStore + 'static,
    E: EventSink + 'static,
{
    fn router(self: &Arc<Self>) -> Router {
        flags::router(Arc::clone(self))
    }
    async fn direct(&self, payload: &[u8], request_id: &str) -> LambdaResponse {
        self.handle_direct(payload, request_id).await
    }
    async fn flush(&self) {
        self.outbox().flush().await;
    }
    async fn close(&self) {
        self.outbox().close().await;
        self.telemetry().flush();
    }
    fn telemetry(&self) -> &Telemetry {
        self.telemetry()
    }
}
