//! Paths and direct payloads.

use super::FlagService;
use crate::http::{ApiError, Call, LambdaResponse, Reply, finish, parse};
use crate::ports::{CatalogStore, EventSink};
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use axum::routing::{get, post};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use std::sync::Arc;

type Key = Result<Path<String>, PathRejection>;

/// The router of the deployed function.
pub fn router<C, E>(service: Arc<FlagService<C, E>>) -> Router
where
    C: CatalogStore + 'static,
    E: EventSink + 'static,
{
    let middleware = Arc::clone(service.middleware());
    finish(routes(service), &middleware)
}

/// Its own paths, for a router that has others too; [`finish`] makes it whole.
pub fn routes<C, E>(service: Arc<FlagService<C, E>>) -> Router
where
    C: CatalogStore + 'static,
    E: EventSink + 'static,
{
    let (by_url, by_body, bulk) = (Arc::clone(&service), Arc::clone(&service), Arc::clone(&service));
    let one = get(async move |key: Key, request: Request| {
        let handler = async |call: Call| by_url.answer_url(&call, &read(key)?).await;
        by_url.middleware.serve(request, handler).await
    });
    let one = one.post(async move |key: Key, request: Request| {
        let handler = async |call: Call| by_body.answer(&parse(call.body_only()?)?, Some(&read(key)?)).await;
        by_body.middleware.serve(request, handler).await
    });
    let several = post(async move |request: Request| {
        let handler = async |call: Call| bulk.answer_bulk(&parse(call.body_only()?)?).await;
        bulk.middleware.serve(request, handler).await
    });
    Router::new().route("/flags/{key}", one).route("/flags", several).merge(ofrep(service))
}

fn ofrep<C, E>(service: Arc<FlagService<C, E>>) -> Router
where
    C: CatalogStore + 'static,
    E: EventSink + 'static,
{
    let (single, bulk) = (Arc::clone(&service), service);
    let one = post(async move |key: Key, request: Request| {
        single
            .middleware
            .serve(request, async |call: Call| single.ofrep_single(&call, &read(key)?).await)
            .await
    });
    let several = post(async move |request: Request| {
        bulk.middleware.serve(request, async |call: Call| bulk.ofrep_bulk(&call).await).await
    });
    Router::new().route("/ofrep/v1/evaluate/flags/{key}", one).route("/ofrep/v1/evaluate/flags", several)
}

fn read(key: Key) -> Result<String, ApiError> {
    key.map(|Path(key)| key).map_err(|_| ApiError::invalid("the path is not percent-encoded UTF-8"))
}

impl<C: CatalogStore + 'static, E: EventSink> FlagService<C, E> {
    /// Answers `{user_id, flag_key, context}`, or the JSON of `POST /flags` if it has `flag_keys` (null for all), sent as the payload
    /// of an invocation.
    pub async fn handle_direct(&self, payload: &[u8], request_id: &str) -> LambdaResponse {
        self.middleware.serve_direct(request_id, self.direct(payload)).await.into_envelope()
    }

    async fn direct(&self, payload: &[u8]) -> Result<Reply, ApiError> {
        let Kind { is_bulk } = parse(payload)?;
        if is_bulk {
            self.answer_bulk(&parse(payload)?).await
        } else {
            self.answer(&parse(payload)?, None).await
        }
    }
}

/// A field that distinguishes a request for several flags from one for a single flag.
#[derive(Deserialize)]
struct Kind {
    #[serde(default, rename = "flag_keys", deserialize_with = "is_there")]
    is_bulk: bool,
}

fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}
