//! Paths and direct payloads.

use super::FlagService;
use crate::http::{ApiError, Call, FunctionBase, HttpFunction, Reply, Routes, has_field, parse};
use crate::ports::{CatalogStore, EventSink};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use std::sync::Arc;

type Key = Result<Path<String>, PathRejection>;

impl<C, E> HttpFunction for FlagService<C, E>
where
    C: CatalogStore + 'static,
    E: EventSink + 'static,
{
    type Catalog = C;
    type Sink = E;

    fn base(&self) -> &FunctionBase<C, E> {
        &self.base
    }

    fn routes(self: Arc<Self>) -> Routes {
        let (by_url, by_body, bulk) = (Arc::clone(&self), Arc::clone(&self), Arc::clone(&self));
        Routes::default()
            .get("/flags/{key}", async move |key: Key, request: Request| {
                let handler = async |call: Call| by_url.answer_url(&call, &read(key)?).await;
                by_url.base.middleware().serve(request, handler).await
            })
            .post("/flags/{key}", async move |key: Key, request: Request| {
                let handler =
                    async |call: Call| by_body.answer(&parse(call.body_only()?)?, Some(&read(key)?)).await;
                by_body.base.middleware().serve(request, handler).await
            })
            .post("/flags", async move |request: Request| {
                let handler = async |call: Call| bulk.answer_bulk(&parse(call.body_only()?)?).await;
                bulk.base.middleware().serve(request, handler).await
            })
            .merge(ofrep(self))
    }

    /// Answers `{user_id, flag_key, context}`, or the JSON of `POST /flags` if it has `flag_keys` (null for all).
    async fn answer_json(&self, json: &[u8]) -> Result<Reply, ApiError> {
        if has_field(json, "flag_keys")? {
            self.answer_bulk(&parse(json)?).await
        } else {
            self.answer(&parse(json)?, None).await
        }
    }
}

fn ofrep<C, E>(service: Arc<FlagService<C, E>>) -> Routes
where
    C: CatalogStore + 'static,
    E: EventSink + 'static,
{
    let (single, bulk) = (Arc::clone(&service), service);
    Routes::default()
        .post("/ofrep/v1/evaluate/flags/{key}", async move |key: Key, request: Request| {
            let handler = async |call: Call| single.ofrep_single(&call, &read(key)?).await;
            single.base.middleware().serve(request, handler).await
        })
        .post("/ofrep/v1/evaluate/flags", async move |request: Request| {
            let handler = async |call: Call| bulk.ofrep_bulk(&call).await;
            bulk.base.middleware().serve(request, handler).await
        })
}

fn read(key: Key) -> Result<String, ApiError> {
    key.map(|Path(key)| key).map_err(|_| ApiError::invalid("the path is not percent-encoded UTF-8"))
}
