//! Answers, before they are an HTTP response or the JSON that Lambda returns.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::{HeaderValue, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The value that a function returns to Lambda: the envelope that API Gateway (both payload versions),
/// function URLs and load balancers turn into an HTTP response, and that a direct caller reads.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LambdaResponse {
    /// The HTTP status.
    pub status_code: u16,
    /// The headers, in lower case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The headers as lists of values, for a load balancer that is configured to send and expect lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    /// The body: JSON, for every answer of ours that has one.
    #[serde(default)]
    pub body: String,
    /// True if the body is base64 of its bytes, because they are not UTF-8 text.
    #[serde(default)]
    pub is_base64_encoded: bool,
}

impl LambdaResponse {
    /// The envelope of an HTTP response's parts.
    #[must_use]
    pub fn of(status: StatusCode, headers: &axum::http::HeaderMap, body: &[u8]) -> Self {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let (body, is_base64_encoded) = match std::str::from_utf8(body) {
            Ok(body) => (body.to_owned(), false),
            Err(_) => (STANDARD.encode(body), true),
        };
        let mut joined = BTreeMap::<String, String>::new();
        for (name, value) in headers {
            let value = text(value);
            joined
                .entry(name.as_str().to_owned())
                .and_modify(|there| *there = format!("{there}, {value}"))
                .or_insert(value);
        }
        Self {
            status_code: status.as_u16(),
            headers: joined,
            multi_value_headers: None,
            body,
            is_base64_encoded,
        }
    }

    /// Turns the headers into lists.
    #[must_use]
    pub fn with_multi_value_headers(mut self) -> Self {
        let lists = self.headers.iter().map(|(name, value)| (name.clone(), vec![value.clone()]));
        self.multi_value_headers = Some(lists.collect());
        self
    }
}

/// An answer of a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// Headers beside the content type.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// JSON, or nothing.
    pub body: Vec<u8>,
}

impl Reply {
    /// An answer in JSON.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Self {
        // Answers are made of strings, numbers and maps with string keys, which can always be written.
        let body = serde_json::to_vec(body).unwrap_or_default();
        Self { status, headers: Vec::new(), body }
    }

    /// An answer in JSON that says that all is well.
    pub fn ok(body: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// An answer without a body.
    #[must_use]
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Converts the reply to an HTTP response.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        let has_body = !self.body.is_empty();
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if has_body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        response
    }

    /// Converts the reply to the envelope of a direct caller.
    #[must_use]
    pub fn into_envelope(self) -> LambdaResponse {
        let mut headers = axum::http::HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        LambdaResponse::of(self.status, &headers, &self.body)
    }
}
