//! The Lambda `Invoke` call, so that AWS tools call the functions here as they call deployed ones.
//!
//! Source: the Lambda API reference, `POST /2015-03-31/functions/{FunctionName}/invocations`.

use super::{AssignmentService, FlagService};
use abx_functions::http::{LambdaResponse, request_id};
use abx_functions::runtime::Invoker;
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde_json::{Value, json};
use std::sync::Arc;

/// The largest payload of a synchronous invocation, in bytes.
const MAX_PAYLOAD: usize = 6 << 20;

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
        let Some(function) = Name::parse(name) else {
            let message = format!("Function not found: {name}; here are assignment and flags");
            return refusal(StatusCode::NOT_FOUND, "ResourceNotFoundException", &message);
        };
        let (parts, body) = request.into_parts();
        let Ok(payload) = to_bytes(body, MAX_PAYLOAD).await else {
            let message = "the payload has more than 6 MB";
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", message);
        };
        let payload = if payload.is_empty() { Bytes::from_static(b"{}") } else { payload };
        if let Err(error) = serde_json::from_slice::<Value>(&payload) {
            let message = format!("Could not parse request body into json: {error}");
            return refusal(StatusCode::BAD_REQUEST, "InvalidRequestContentException", &message);
        }
        self.answer(function, &parts.headers, &payload).await
    }

    async fn answer(&self, function: Name, headers: &HeaderMap, payload: &[u8]) -> Response {
        let kind = headers.get("x-amz-invocation-type").map_or(&b""[..], |value| value.as_bytes());
        if kind == b"DryRun" {
            return StatusCode::NO_CONTENT.into_response();
        }
        let id = request_id(None, headers);
        let response = self.call(function, payload, &id).await;
        let answer = [("x-amz-executed-version", "$LATEST"), ("x-amzn-requestid", id.as_str())];
        if kind == b"Event" {
            return (StatusCode::ACCEPTED, answer).into_response();
        }
        match serde_json::to_vec(&response) {
            Ok(json) => (answer, [(header::CONTENT_TYPE, "application/json")], json).into_response(),
            Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "ServiceException", &error.to_string()),
        }
    }

    async fn call(&self, function: Name, payload: &[u8], request_id: &str) -> LambdaResponse {
        match function {
            Name::Assignment => self.assignment.invoke(payload, request_id).await,
            Name::Flags => self.flags.invoke(payload, request_id).await,
        }
    }
}

/// An error as AWS tools read it.
fn refusal(status: StatusCode, code: &'static str, message: &str) -> Response {
    let body = json!({"Type": "User", "Message": message}).to_string();
    (status, [("x-amzn-errortype", code), ("content-type", "application/json")], body).into_response()
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
