//! Paths and direct payloads.

use super::AssignmentService;
use crate::http::{ApiError, Call, FunctionBase, HttpFunction, Reply, has_field, parse};
use crate::ports::{AssignmentStore, CatalogStore, EventSink};
use axum::Router;
use axum::extract::Request;
use axum::routing::{get, post};
use std::sync::Arc;

impl<C, S, E> HttpFunction for AssignmentService<C, S, E>
where
    C: CatalogStore + 'static,
    S: AssignmentStore + 'static,
    E: EventSink + 'static,
{
    type Catalog = C;
    type Sink = E;

    fn base(&self) -> &FunctionBase<C, E> {
        &self.base
    }

    fn routes(self: Arc<Self>) -> Router {
        let (by_url, by_body, batch) = (Arc::clone(&self), Arc::clone(&self), self);
        let by_url = get(async move |request: Request| {
            let handler = async |call: Call| by_url.answer_url(&call).await;
            by_url.base.middleware().serve(request, handler).await
        });
        let by_body = by_url.post(async move |request: Request| {
            let handler = async |call: Call| by_body.answer(&parse(call.body_only()?)?).await;
            by_body.base.middleware().serve(request, handler).await
        });
        let batch = post(async move |request: Request| {
            let handler = async |call: Call| batch.answer_batch(&parse(call.body_only()?)?).await;
            batch.base.middleware().serve(request, handler).await
        });
        Router::new().route("/assign", by_body).route("/assign/batch", batch)
    }

    /// Answers the JSON of `POST /assign`, or of `POST /assign/batch` if it has `experiment_keys` (null for all).
    async fn answer_json(&self, json: &[u8]) -> Result<Reply, ApiError> {
        if has_field(json, "experiment_keys")? {
            self.answer_batch(&parse(json)?).await
        } else {
            self.answer(&parse(json)?).await
        }
    }
}
