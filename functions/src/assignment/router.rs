//! Paths and direct payloads.

use super::AssignmentService;
use crate::http::{ApiError, Call, LambdaResponse, Reply, finish, parse};
use crate::ports::{AssignmentStore, CatalogStore, EventSink};
use axum::Router;
use axum::extract::Request;
use axum::routing::{get, post};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use std::sync::Arc;

/// The router of the deployed function.
pub fn router<C, S, E>(service: Arc<AssignmentService<C, S, E>>) -> Router
where
    C: CatalogStore + 'static,
    S: AssignmentStore + 'static,
    E: EventSink + 'static,
{
    let middleware = Arc::clone(service.middleware());
    finish(routes(service), &middleware)
}

/// Its own paths, for a router that has others too; [`finish`] makes it whole.
pub fn routes<C, S, E>(service: Arc<AssignmentService<C, S, E>>) -> Router
where
    C: CatalogStore + 'static,
    S: AssignmentStore + 'static,
    E: EventSink + 'static,
{
    let (by_url, by_body, batch) = (Arc::clone(&service), Arc::clone(&service), service);
    let by_url = get(async move |request: Request| {
        let handler = async |call: Call| by_url.answer_url(&call).await;
        by_url.middleware.serve(request, handler).await
    });
    let by_body = by_url.post(async move |request: Request| {
        let handler = async |call: Call| by_body.answer(&parse(call.body_only()?)?).await;
        by_body.middleware.serve(request, handler).await
    });
    let batch = post(async move |request: Request| {
        let handler = async |call: Call| batch.answer_batch(&parse(call.body_only()?)?).await;
        batch.middleware.serve(request, handler).await
    });
    Router::new().route("/assign", by_body).route("/assign/batch", batch)
}

impl<C: CatalogStore + 'static, S: AssignmentStore, E: EventSink> AssignmentService<C, S, E> {
    /// Answers the JSON of `POST /assign`, or of `POST /assign/batch` if it has `experiment_keys` (null for all), sent as the
    /// payload of an invocation.
    pub async fn handle_direct(&self, payload: &[u8], request_id: &str) -> LambdaResponse {
        self.middleware.serve_direct(request_id, self.direct(payload)).await.into_envelope()
    }

    async fn direct(&self, payload: &[u8]) -> Result<Reply, ApiError> {
        let Kind { is_batch } = parse(payload)?;
        if is_batch { self.answer_batch(&parse(payload)?).await } else { self.answer(&parse(payload)?).await }
    }
}

/// A field that distinguishes a batch from a single request.
#[derive(Deserialize)]
struct Kind {
    #[serde(default, rename = "experiment_keys", deserialize_with = "is_there")]
    is_batch: bool,
}

fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}
