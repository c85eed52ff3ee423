//! One invocation, whatever its payload is.

use super::event::{HttpEvent, envelope, foreign_trigger, is_http};
use crate::http::{ApiError, HttpFunction, LambdaResponse};
use axum::Router;
use axum::extract::Request;
use std::fmt;
use std::sync::Arc;
use tower::ServiceExt;

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

impl<F: HttpFunction> Invoker<F> {
    /// Answers by a function.
    #[must_use]
    pub fn new(function: Arc<F>) -> Self {
        Self { router: Arc::clone(&function).router(), function }
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
            return Ok(self.function.handle_direct(payload, request_id).await);
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
