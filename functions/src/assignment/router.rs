//! Paths and direct payloads.

use super::AssignmentService;
use crate::http::{ApiError, Call, FunctionBase, HttpFunction, Reply, Routes, has_field, parse};
use crate::ports::{AssignmentStore, CatalogStore, EventSink};
use axum::extract::Request;
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

    fn routes(self: Arc<Self>) -> Routes {
        let (by_url, by_body, batch) = (Arc::clone(&self), Arc::clone(&self), self);
        Routes::default()
            .get("/assign", async move |request: Request| {
                let handler = async |call: Call| by_url.answer_url(&call).await;
                by_url.base.middleware().serve(request, handler).await
            })
            .post("/assign", async move |request: Request| {
                let handler = async |call: Call| by_body.answer_json(call.body_only()?).await;
                by_body.base.middleware().serve(request, handler).await
            })
            .post("/assign/batch", async move |request: Request| {
                let handler = async |call: Call| batch.answer_batch(&parse(call.body_only()?)?).await;
                batch.base.middleware().serve(request, handler).await
            })
    }

    /// Answers the JSON of `POST /assign`: that of `POST /assign/batch` unless it names one experiment.
    async fn answer_json(&self, json: &[u8]) -> Result<Reply, ApiError> {
        if has_field(json, "experiment_key")? {
            self.answer(&parse(json)?).await
        } else {
            self.answer_batch(&parse(json)?).await
        }
    }
}
