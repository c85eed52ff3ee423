//! Cross-origin resource sharing (CORS): the pages that may call the API.

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method};

/// The origins whose pages may ask: explicit ones, because an assignment is about a person.
#[derive(Debug, Clone, Default)]
pub struct Cors {
    origins: Vec<String>,
    /// Headers that pages may send, beside [`HEADERS`].
    headers: Vec<String>,
}

/// The headers that pages may send: ours, those of API Gateway's keys, and those of W3C Trace Context.
const HEADERS: &str =
    "authorization, content-type, if-none-match, x-request-id, x-api-key, traceparent, tracestate";

impl Cors {
    /// Allows these origins, such as `https://shop.example.com`.
    #[must_use]
    pub fn new(origins: Vec<String>) -> Self {
        Self { origins, headers: Vec::new() }
    }

    /// Lets pages send these headers as well.
    #[must_use]
    pub fn with_headers(mut self, headers: Vec<String>) -> Self {
        self.headers = headers;
        self
    }

    /// The request's origin, if it is allowed.
    pub(super) fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = request.get(ORIGIN)?;
        self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
    }

    /// Returns true if a request is a CORS preflight.
    #[must_use]
    pub fn is_preflight(method: &Method, request: &HeaderMap) -> bool {
        method == Method::OPTIONS
            && request.contains_key(ORIGIN)
            && request.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// Adds what an answer says to a browser.
    pub(super) fn mark(&self, allowed: Option<HeaderValue>, answer: &mut HeaderMap) {
        if self.origins.is_empty() {
            return;
        }
        // Also for an origin that is not allowed, and for none: a cache in between must not mix them up.
        answer.append(VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = allowed {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            answer.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("etag, x-request-id, retry-after"),
            );
        }
    }

    /// Adds what a preflight asks for.
    pub(super) fn answer_preflight(&self, answer: &mut HeaderMap) {
        let headers = self.headers.iter().fold(HEADERS.to_owned(), |all, header| format!("{all}, {header}"));
        // The settings hold nothing that a header may not.
        let headers = HeaderValue::try_from(headers).unwrap_or(HeaderValue::from_static(HEADERS));
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers);
        answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
}
