//! Refusals.

use super::Reply;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;

/// The reason why a request failed. It becomes `{"error": {"code", "message", "request_id"}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The code that programs act on; it is part of the API.
    pub code: &'static str,
    /// The message for people.
    pub message: Cow<'static, str>,
}

/// A request that failed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub(crate) struct ErrorEnvelope<'a> {
    /// The reason.
    error: ErrorBody<'a>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct ErrorBody<'a> {
    /// The code that programs act on. More may be added.
    code: &'a str,
    /// The message for people. It may change.
    message: &'a str,
    /// The id of the request, which the log has too.
    request_id: &'a str,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// 400 `invalid_request`: what was sent is not what is documented.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    /// 400 `context_too_large`: too many attributes, too long a string, or nested too deeply.
    pub fn context_too_large(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "context_too_large", message)
    }

    /// 400 `unit_missing`: the attribute that is randomised is missing or blank.
    #[must_use]
    pub fn unit_missing(attribute: &str) -> Self {
        let message = format!("`{attribute}` is missing or blank, but this experiment randomises it");
        Self::new(StatusCode::BAD_REQUEST, "unit_missing", message)
    }

    /// 404 `experiment_not_found`.
    #[must_use]
    pub fn experiment_not_found(key: &str) -> Self {
        let message = format!("no experiment has the key `{}`", shown(key));
        Self::new(StatusCode::NOT_FOUND, "experiment_not_found", message)
    }

    /// 404 `flag_not_found`.
    #[must_use]
    pub fn flag_not_found(key: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "flag_not_found", format!("no flag has the key `{}`", shown(key)))
    }

    /// 404 `not_found`: no such path.
    #[must_use]
    pub fn not_found(path: &str) -> Self {
        let near = near_path(path).map(|near| format!("; did you mean {}?", shown(&near)));
        let message = format!("there is nothing at {}{}", shown(path), near.unwrap_or_default());
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 405 `method_not_allowed`.
    #[must_use]
    pub fn method_not_allowed(method: &str, path: &str) -> Self {
        let message = format!("{} does not take {}", shown(path), shown(method));
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
    }

    /// 413 `body_too_large`.
    #[must_use]
    pub fn body_too_large() -> Self {
        let message = format!("the body has more than {} bytes", super::MAX_BODY_BYTES);
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    }

    /// 503 `unavailable`: what was asked could not be done now.
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    /// Returns the error as a reply.
    #[must_use]
    pub fn reply(&self, request_id: &str) -> Reply {
        let inner = ErrorBody { code: self.code, message: &self.message, request_id };
        Reply::json(self.status, &ErrorEnvelope { error: inner })
    }

    /// Returns the error as an HTTP response, for a request that reaches no [`Middleware`](super::Middleware).
    #[must_use]
    pub fn respond(&self, request_id: &str) -> Response<Body> {
        let mut response = self.reply(request_id).into_response();
        if let Ok(id) = HeaderValue::from_str(request_id) {
            response.headers_mut().insert(super::middleware::REQUEST_ID, id);
        }
        response
    }
}

/// Errors that always have the same message; the code is the name of the function.
macro_rules! constant_errors {
    ($($(#[$attribute:meta])* $code:ident = $status:ident, $message:literal;)*) => {
        impl ApiError {$(
            $(#[$attribute])*
            #[must_use]
            pub fn $code() -> Self {
                Self::new(StatusCode::$status, stringify!($code), $message)
            }
        )*}
    };
}

constant_errors! {
    /// 401 `unauthorized`: the request has no bearer token, or a wrong one.
    unauthorized = UNAUTHORIZED, "this server asks for a token: send `authorization: Bearer TOKEN`";
    /// 403 `origin_not_allowed`: a browser asks for a page whose origin is not in the list.
    origin_not_allowed = FORBIDDEN, "this origin is not in ABX_CORS_ORIGINS";
    /// 408 `request_timeout`: the request did not come, or was not answered, in time.
    request_timeout = REQUEST_TIMEOUT, "the request took too long: its body has to come sooner";
    /// 500 `internal`: a bug.
    internal = INTERNAL_SERVER_ERROR, "the function failed; its log has the request id";
    /// 503 `catalog_unavailable`: nothing was ever loaded, and nothing is bundled.
    catalog_unavailable = SERVICE_UNAVAILABLE, "no catalog could be loaded yet; retry in a moment";
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ApiError {}

/// The start of what a caller sent, without what a terminal would act on.
pub(crate) fn shown(text: &str) -> String {
    shown_up_to(80, text)
}

/// The same of another length.
pub(crate) fn shown_up_to(length: usize, text: &str) -> String {
    text.chars().take(length).flat_map(char::escape_debug).collect()
}

/// The path that somebody means who left a base path in front, or mistyped the first part.
fn near_path(path: &str) -> Option<String> {
    const FIRST: [&str; 5] = ["assign", "flags", "ofrep", "health", "openapi.json"];
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    if let Some(at) = parts.iter().position(|part| FIRST.contains(part)).filter(|at| *at > 0) {
        return Some(format!("/{}", parts.get(at..)?.join("/")));
    }
    let (first, rest) = parts.split_first()?;
    let near = abx_core::finding::did_you_mean(first, FIRST).filter(|near| near != first)?;
    Some([&[near], rest].concat().iter().fold(String::new(), |path, part| format!("{path}/{part}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_near_one_of_ours_is_named() {
        for (path, near) in [
            ("/v1/assign", Some("/assign")),
            ("/prod/api/ofrep/v1/evaluate/flags/x", Some("/ofrep/v1/evaluate/flags/x")),
            ("/flag/x", Some("/flags/x")),
            ("/asign", Some("/assign")),
            ("/assign/x/y", None),
            ("/", None),
            ("/favicon.ico", None),
        ] {
            assert_eq!(near_path(path).as_deref(), near, "{path}");
        }
        assert_eq!(
            ApiError::not_found("/v1/assign").message,
            "there is nothing at /v1/assign; did you mean /assign?"
        );
    }
}
