//! The Lambda `Invoke` call, so that AWS tools call the functions here as they call deployed ones.
//!
//! Source: the Lambda API reference, `POST /2015-03-31/functions/{FunctionName}/invocations`.

use super::{AssignmentService, FlagService};
use abx_functions::http::{LambdaResponse, request_id};
use abx_functions::runtime::Invoker;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The largest payload of a synchronous invocation, in bytes.
const MAX_PAYLOAD: usize = 6 << 20;
/// The only version that there is here.
const LATEST: &str = "$LATEST";
const EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");
const LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");

pub(super) fn routes(assignment: Arc<AssignmentService>, flags: Arc<FlagService>) -> Router {
    let functions = Functions { assignment: Invoker::new(assignment), flags: Invoker::new(flags) };
    let handler =
        async move |Path(name): Path<String>, request: Request| functions.invoke(&name, request).await;
    Router::new().route("/2015-03-31/functions/{name}/invocations", post(handler))
}

#[derive(Clone)]
struct Functions {
    assignment: Invoker<AssignmentService>,
    flags: Invoker<FlagService>,
}

/// A function that can be called.
#[derive(Clone, Copy)]
enum Name {
    Assignment,
    Flags,
}

impl Name {
    /// The function of a name, a partial ARN or a whole one, with or without a qualifier.
    fn parse(text: &str) -> Option<Self> {
        let name = text.split_once("function:").map_or(text, |(_, name)| name);
        let name = name.split(':').next()?;
        match name.strip_prefix("abx-").unwrap_or(name) {
            "assignment" => Some(Self::Assignment),
            "flags" => Some(Self::Flags),
            _ => None,
        }
    }
}

impl Functions {
    async fn invoke(&self, name: &str, request: Request) -> Response {
        let id = request_id(None, request.headers());
        let mut response = match self.answer(name, request, &id).await {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(),
        };
        // Made of printable ASCII, so it is a header's value.
        if let Ok(id) = HeaderValue::try_from(id) {
            response.headers_mut().insert("x-amzn-requestid", id);
        }
        response
    }

    async fn answer(&self, name: &str, request: Request, id: &str) -> Result<Response, Refusal> {
        let function = Name::parse(name).ok_or_else(|| Refusal::unknown(name))?;
        let (parts, body) = request.into_parts();
        let kind = Kind::of(&parts.headers)?;
        let payload = to_bytes(body, MAX_PAYLOAD).await.map_err(|_| Refusal::too_large())?;
        let payload = if payload.is_empty() { Bytes::from_static(b"{}") } else { payload };
        serde_json::from_slice::<IgnoredAny>(&payload).map_err(|error| Refusal::no_json(&error))?;
        if kind == Kind::DryRun {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        let start = Instant::now();
        let response = self.call(function, &payload, id).await;
        if kind == Kind::Event {
            return Ok(StatusCode::ACCEPTED.into_response());
        }
        let mut answer = ([(EXECUTED_VERSION, LATEST)], Json(response)).into_response();
        if parts.headers.get("x-amz-log-type").is_some_and(|kind| kind == "Tail") {
            let tail = HeaderValue::try_from(log_tail(id, start.elapsed()));
            answer.headers_mut().extend(tail.ok().map(|tail| (LOG_RESULT, tail)));
        }
        Ok(answer)
    }

    async fn call(&self, function: Name, payload: &[u8], request_id: &str) -> LambdaResponse {
        match function {
            Name::Assignment => self.assignment.invoke(payload, request_id).await,
            Name::Flags => self.flags.invoke(payload, request_id).await,
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The answer.
    RequestResponse,
    /// The work alone. It is done before the answer here, so that it is not lost when the program ends.
    Event,
    /// Whether it could be called.
    DryRun,
}

impl Kind {
    fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        match headers.get("x-amz-invocation-type").map_or(&b"RequestResponse"[..], HeaderValue::as_bytes) {
            b"RequestResponse" => Ok(Self::RequestResponse),
            b"Event" => Ok(Self::Event),
            b"DryRun" => Ok(Self::DryRun),
            _ => Err(Refusal::unknown_kind()),
        }
    }
}

/// What the platform writes around an invocation, in base64. The function's own lines go to stderr here (`--verbose`).
fn log_tail(id: &str, took: Duration) -> String {
    let took = took.as_secs_f64() * 1000.0;
    STANDARD.encode(format!(
        "START RequestId: {id} Version: {LATEST}\nEND RequestId: {id}\nREPORT RequestId: {id}\tDuration: {took:.2} ms\n"
    ))
}

/// Why the function was not called. What a function itself refuses is an answer of its own; it has no errors beside that, and so
/// there is no `X-Amz-Function-Error` here: deployed ones give none either, not even when a handler panics.
struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refusal {
    fn unknown(name: &str) -> Self {
        let message = format!("Function not found: {name}; here are assignment and flags");
        Self { status: StatusCode::NOT_FOUND, code: "ResourceNotFoundException", message }
    }

    fn unknown_kind() -> Self {
        let message = "the invocation type is one of RequestResponse, Event and DryRun".to_owned();
        Self { status: StatusCode::BAD_REQUEST, code: "InvalidParameterValueException", message }
    }

    fn too_large() -> Self {
        let message = "the payload has more than 6 MB".to_owned();
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, code: "RequestTooLargeException", message }
    }

    fn no_json(error: &serde_json::Error) -> Self {
        let message = format!("Could not parse request body into json: {error}");
        Self { status: StatusCode::BAD_REQUEST, code: "InvalidRequestContentException", message }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"Type": "User", "Message": self.message});
        (self.status, [("x-amzn-errortype", self.code)], Json(body)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_known_by_name_and_arn() {
        for good in [
            "assignment",
            "abx-assignment",
            "assignment:live",
            "arn:aws:lambda:eu-central-1:123456789012:function:abx-assignment:7",
            "123456789012:function:assignment",
        ] {
            assert!(matches!(Name::parse(good), Some(Name::Assignment)), "{good}");
        }
        assert!(matches!(Name::parse("flags"), Some(Name::Flags)));
        assert!(Name::parse("other").is_none());
    }
}
