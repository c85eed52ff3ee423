//! The middleware that every request passes before its handler.

use super::{ApiError, Cors, MAX_BODY_BYTES, Query, Reply, Routes};
use crate::telemetry::{Level, Telemetry, TelemetryCounter, TraceContext, within};
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request};
use axum::http::header::{CONTENT_LENGTH, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use futures_util::FutureExt;
use serde_json::json;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;
use tower::ServiceExt;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of an invocation, which the runtime adds to a request's extensions.
#[derive(Debug, Clone)]
pub(crate) struct InvocationId(pub String);

/// The parts of a request that a handler sees.
#[derive(Debug)]
pub struct Call {
    /// True if the request must have no effect except its answer: a HEAD, which browsers, crawlers and
    /// monitors send without being asked.
    pub is_safe: bool,
    /// The URL's query, as it came.
    pub query: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body, of at most [`MAX_BODY_BYTES`].
    pub body: Bytes,
}

impl Call {
    /// The URL's parameters.
    pub fn query(&self) -> Result<Query, ApiError> {
        Query::parse(self.query.as_deref())
    }

    /// The body, of a request that has no parameters in its URL.
    pub fn body_only(&self) -> Result<&Bytes, ApiError> {
        self.query()?.refuse_all()?;
        Ok(&self.body)
    }
}

/// Stands before the handlers of a function: request ids, limits, CORS, metrics; and a panic ends in an answer.
pub struct Middleware {
    telemetry: Arc<Telemetry>,
    cors: Cors,
    base_path: Box<str>,
    health: Box<dyn Fn() -> Reply + Send + Sync>,
}

impl std::fmt::Debug for Middleware {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front").field("cors", &self.cors).finish_non_exhaustive()
    }
}

impl Middleware {
    /// Answers `/health` by a function that must not wait.
    pub fn new(
        telemetry: Arc<Telemetry>,
        cors: Cors,
        health: impl Fn() -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self { telemetry, cors, base_path: Box::default(), health: Box::new(health) }
    }

    /// Takes a path, as `/experiments`, off the start of every request's: the base path of a custom domain.
    #[must_use]
    pub fn with_base_path(mut self, base_path: &str) -> Self {
        self.base_path = base_path.into();
        self
    }

    /// The reply of `/health`.
    pub(super) fn health(&self) -> Reply {
        (self.health)()
    }

    /// Answers an HTTP request by a handler.
    pub async fn serve<F>(&self, request: Request, handler: impl FnOnce(Call) -> F) -> Response<Body>
    where
        F: Future<Output = Result<Reply, ApiError>>,
    {
        let start = Instant::now();
        let origin = self.cors.allowed(request.headers());
        let route = request.extensions().get::<MatchedPath>().cloned();
        let (parts, body) = request.into_parts();
        let invocation = parts.extensions.get().map(|InvocationId(id)| &**id);
        let request_id = request_id(invocation, &parts.headers);
        let id_header = HeaderValue::from_str(&request_id);
        let is_preflight = Cors::is_preflight(&parts.method, &parts.headers);
        let reply = if is_preflight {
            self.preflight(origin.is_some()).unwrap_or_else(|refusal| self.refuse(&refusal, &request_id))
        } else {
            let trace = TraceContext::of(&parts.headers);
            within(trace, async {
                let reply = self.read(&request_id, parts, body, handler).await;
                self.log_answer(&request_id, route.as_ref(), reply.status, start);
                reply
            })
            .await
        };
        self.telemetry.answered(reply.status.as_u16(), start);
        let mut response = reply.into_response();
        if let Ok(id) = id_header {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        self.cors.mark(origin, response.headers_mut());
        response
    }

    /// Answers a direct call by a handler, with the request's id.
    pub async fn serve_direct<F>(&self, request_id: &str, handler: F) -> Reply
    where
        F: Future<Output = Result<Reply, ApiError>>,
    {
        let start = Instant::now();
        let reply = self.guard(request_id, handler).await;
        self.telemetry.answered(reply.status.as_u16(), start);
        reply
    }

    async fn read<F>(
        &self,
        request_id: &str,
        parts: Parts,
        body: Body,
        handler: impl FnOnce(Call) -> F,
    ) -> Reply
    where
        F: Future<Output = Result<Reply, ApiError>>,
    {
        let body = match read_body(&parts.headers, body).await {
            Ok(body) => body,
            Err(refusal) => return self.refuse(&refusal, request_id),
        };
        let call = Call {
            is_safe: parts.method == Method::HEAD,
            query: parts.uri.query().map(str::to_owned),
            headers: parts.headers,
            body,
        };
        self.guard(request_id, async move { handler(call).await }).await
    }

    /// A line for each request, for one who looks for a fault. Its path and its query may name a person, its route does not.
    fn log_answer(&self, id: &str, route: Option<&MatchedPath>, status: StatusCode, start: Instant) {
        if self.telemetry.writes(Level::Debug) {
            let route = route.map(MatchedPath::as_str);
            let took = start.elapsed().as_secs_f64() * 1000.0;
            let fields = json!({"route": route, "status": status.as_u16(), "took_ms": took});
            self.telemetry.log(Level::Debug, "request_answered", Some(id), &fields);
        }
    }

    fn preflight(&self, is_allowed: bool) -> Result<Reply, ApiError> {
        if !is_allowed {
            return Err(ApiError::origin_not_allowed());
        }
        let mut headers = HeaderMap::new();
        self.cors.answer_preflight(&mut headers);
        let mut reply = Reply::empty(StatusCode::NO_CONTENT);
        reply.headers = headers.into_iter().filter_map(|(name, value)| Some((name?, value))).collect();
        Ok(reply)
    }

    /// Runs a handler; a refusal becomes its answer, and so does a panic, so that the process lives.
    async fn guard<F>(&self, request_id: &str, handler: F) -> Reply
    where
        F: Future<Output = Result<Reply, ApiError>>,
    {
        match AssertUnwindSafe(handler).catch_unwind().await {
            Ok(Ok(reply)) => reply,
            Ok(Err(refusal)) => self.refuse(&refusal, request_id),
            Err(panic) => {
                self.telemetry.count(TelemetryCounter::Panics, 1);
                let fields = json!({"message": panic_message(&*panic)});
                self.telemetry.log(Level::Error, "panic", Some(request_id), &fields);
                ApiError::internal().reply(request_id)
            }
        }
    }

    fn refuse(&self, refusal: &ApiError, request_id: &str) -> Reply {
        self.telemetry.reason(refusal.code);
        if self.telemetry.writes(Level::Debug) {
            let fields = json!({"code": refusal.code, "status": refusal.status.as_u16()});
            self.telemetry.log(Level::Debug, "request_refused", Some(request_id), &fields);
        }
        let reply = refusal.reply(request_id);
        match refusal.status {
            StatusCode::SERVICE_UNAVAILABLE => reply.with(RETRY_AFTER, HeaderValue::from_static("1")),
            _ => reply,
        }
    }
}

/// Makes a router of some routes, with refusals in our form for everything else. The base path and a slash at the end are taken
/// off every path before.
pub fn finish(routes: Routes, middleware: &Arc<Middleware>) -> Router {
    let (missing, other) = (Arc::clone(middleware), Arc::clone(middleware));
    let base_path = middleware.base_path.clone();
    let routes = routes
        .into_router()
        .fallback(async move |request: Request| {
            let path = request.uri().path().to_owned();
            missing.serve(request, async move |_| Err(ApiError::not_found(&path))).await
        })
        .method_not_allowed_fallback(async move |request: Request| {
            let refusal = ApiError::method_not_allowed(request.method().as_str(), request.uri().path());
            other.serve(request, async move |_| Err(refusal)).await
        });
    // A layer of the router itself would come after it has chosen a route.
    let plain = routes.map_request(move |mut request: Request| {
        if let Some(uri) = plain_uri(request.uri(), &base_path) {
            *request.uri_mut() = uri;
        }
        request
    });
    Router::new().fallback_service(plain)
}

/// A URL without the base path and without slashes at its end; `None` if it has neither.
fn plain_uri(uri: &Uri, base_path: &str) -> Option<Uri> {
    let path = uri.path();
    let is_whole = |rest: &&str| rest.is_empty() || rest.starts_with('/');
    let plain = path.strip_prefix(base_path).filter(is_whole).unwrap_or(path).trim_end_matches('/');
    let plain = if plain.is_empty() { "/" } else { plain };
    if plain == path {
        return None;
    }
    match uri.query() {
        Some(query) => format!("{plain}?{query}").parse().ok(),
        None => plain.parse().ok(),
    }
}

/// The id of a request: that of the invocation, else the caller's if it is fit for a header and a log, else a new one.
#[must_use]
pub fn request_id(invocation: Option<&str>, headers: &HeaderMap) -> String {
    let fit = |id: &&str| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    let theirs = || headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(fit);
    match invocation.or_else(theirs) {
        Some(id) => id.to_owned(),
        None => format!("{:032x}", fastrand::u128(..)),
    }
}

/// A body that says how long it is is refused unread; any other is read up to the limit. One that comes in one piece, as nearly
/// all do, is not copied.
async fn read_body(headers: &HeaderMap, mut body: Body) -> Result<Bytes, ApiError> {
    let told = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|length| length > MAX_BODY_BYTES as u64) {
        return Err(ApiError::body_too_large());
    }
    let mut whole = Bytes::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|_| ApiError::invalid("the body ended early"))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > MAX_BODY_BYTES {
            return Err(ApiError::body_too_large());
        }
        whole = if whole.is_empty() { data } else { [whole, data].concat().into() };
    }
    Ok(whole)
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_and_a_slash_at_the_end_are_taken_off() {
        let without_base = [
            ("/assign/?user_id=u", "/assign?user_id=u"),
            ("/assign//", "/assign"),
            ("/", "/"),
            ("//", "/"),
            ("/assign?user_id=u/", "/assign?user_id=u/"),
            ("/flags/a%2Fb", "/flags/a%2Fb"),
        ];
        let under_shop = [
            ("/shop/assign?a=1", "/assign?a=1"),
            ("/shop", "/"),
            ("/shopping/assign", "/shopping/assign"),
            ("/assign", "/assign"),
            ("/shop/shop/assign", "/shop/assign"),
        ];
        let deeper = [("/shop/v1/flags/x/", "/flags/x")];
        for (base_path, uris) in [("", &without_base[..]), ("/shop", &under_shop), ("/shop/v1", &deeper)] {
            for (uri, expected) in uris {
                let uri: Uri = uri.parse().unwrap();
                let plain = plain_uri(&uri, base_path).unwrap_or_else(|| uri.clone());
                assert_eq!(plain.to_string(), *expected, "{uri}");
            }
        }
    }
}
