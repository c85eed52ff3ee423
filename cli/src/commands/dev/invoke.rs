//! The Lambda `Invoke` call, so that AWS tools call the functions here as they call deployed ones.
//!
//! Source: the Lambda API reference, `POST /2015-03-31/functions/{FunctionName}/invocations`.

use super::{LocalAssignments, LocalFlags};
use abx_functions::events::{BatchResponse, LocalProcessor, NotHandled};
use abx_functions::http::{ApiError, LambdaResponse, Query, Routes, request_id};
use abx_functions::runtime::{ForeignTrigger, Invoker};
use abx_functions::settings::Function;
use abx_functions::sources::kinesis;
use axum::Json;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The largest payload of a synchronous invocation, in bytes.
pub(super) const MAX_PAYLOAD: usize = 6 << 20;
/// The only version that there is here.
const LATEST: &str = "$LATEST";
const EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");
const LOG_TYPE: HeaderName = HeaderName::from_static("x-amz-log-type");
const LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");

const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
/// The time limit of a batch, as in the deployed function.
const TIMEOUT: Duration = Duration::from_mins(1);

pub(super) fn routes(
    assignment: Arc<LocalAssignments>,
    flags: Arc<LocalFlags>,
    events: Arc<LocalProcessor>,
) -> Routes {
    let (assignment, flags) = (Invoker::new(assignment), Invoker::new(flags));
    let functions = Functions { assignment, flags, events };
    let handler =
        async move |Path(name): Path<String>, request: Request| functions.invoke(&name, request).await;
    Routes::default().post("/2015-03-31/functions/{name}/invocations", handler)
}

#[derive(Clone)]
struct Functions {
    assignment: Invoker<LocalAssignments>,
    flags: Invoker<LocalFlags>,
    events: Arc<LocalProcessor>,
}

/// The function of a name, a partial ARN or a whole one, with or without a qualifier, and that qualifier. Names are those of
/// the CDK app, `abx-STAGE-events`, with or without what stands before the last word.
fn function_of(text: &str) -> Option<(Function, Option<&str>)> {
    let name = text.rsplit_once("function:").map_or(text, |(_, name)| name);
    let (name, qualifier) = name.split_once(':').map_or((name, None), |(name, it)| (name, Some(it)));
    if qualifier.is_some_and(|it| it.is_empty() || it.contains(':')) {
        return None;
    }
    let word = match name.strip_prefix("abx-") {
        Some(rest) => rest.rsplit('-').next().unwrap_or(rest),
        None => name,
    };
    Function::of_word(word).map(|function| (function, qualifier))
}

/// The outcome of a function call.
enum InvocationResult {
    Answer(Value),
    /// The type of an error, and its message.
    Failed(&'static str, String),
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

    async fn answer(&self, name: &str, request: Request, id: &str) -> Result<Response, InvokeError> {
        let (function, own) = function_of(name).ok_or_else(|| InvokeError::unknown(name))?;
        let mut query =
            Query::parse(request.uri().query()).map_err(|error| InvokeError::parameter(&error))?;
        let qualifier = query.take("Qualifier").map_err(|error| InvokeError::parameter(&error))?;
        if own.zip(qualifier.as_deref()).is_some_and(|(own, other)| own != other) {
            return Err(InvokeError::two_qualifiers());
        }
        let (parts, body) = request.into_parts();
        let kind = InvocationType::of(&parts.headers)?;
        let with_log = match parts.headers.get(LOG_TYPE).map_or(&b"None"[..], HeaderValue::as_bytes) {
            b"None" => false,
            b"Tail" => true,
            _ => return Err(InvokeError::unknown_log_type()),
        };
        let payload = to_bytes(body, MAX_PAYLOAD).await.map_err(|_| InvokeError::too_large())?;
        let payload = if payload.is_empty() { Bytes::from_static(b"{}") } else { payload };
        serde_json::from_slice::<IgnoredAny>(&payload).map_err(|error| InvokeError::no_json(&error))?;
        if kind == InvocationType::DryRun {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        let start = Instant::now();
        let outcome = self.call(function, &payload, id).await;
        if kind == InvocationType::Event {
            return Ok(StatusCode::ACCEPTED.into_response());
        }
        let mut answer = ([(EXECUTED_VERSION, LATEST)], outcome).into_response();
        if with_log {
            let tail = HeaderValue::try_from(log_tail(id, start.elapsed()));
            answer.headers_mut().extend(tail.ok().map(|tail| (LOG_RESULT, tail)));
        }
        Ok(answer)
    }

    async fn count(&self, payload: &[u8]) -> Result<BatchResponse, NotHandled> {
        let batch = kinesis::read(payload, Timestamp::now())?;
        self.events.count_batch(batch, TIMEOUT).await
    }

    async fn call(&self, function: Function, payload: &[u8], request_id: &str) -> InvocationResult {
        match function {
            Function::Assignment => self.assignment.invoke(payload, request_id).await.into(),
            Function::Flags => self.flags.invoke(payload, request_id).await.into(),
            Function::Events => match self.count(payload).await {
                Ok(response) => InvocationResult::Answer(json!(response)),
                Err(error) => InvocationResult::Failed(error.kind(), error.to_string()),
            },
        }
    }
}

impl From<Result<LambdaResponse, ForeignTrigger>> for InvocationResult {
    fn from(answer: Result<LambdaResponse, ForeignTrigger>) -> Self {
        match answer {
            Ok(answer) => Self::Answer(json!(answer)),
            Err(trigger) => Self::Failed(ForeignTrigger::KIND, trigger.to_string()),
        }
    }
}

impl IntoResponse for InvocationResult {
    fn into_response(self) -> Response {
        match self {
            Self::Answer(answer) => Json(answer).into_response(),
            Self::Failed(kind, message) => {
                let failed = json!({"errorType": kind, "errorMessage": message});
                ([(FUNCTION_ERROR, "Unhandled")], Json(failed)).into_response()
            }
        }
    }
}

/// The question.
#[derive(Clone, Copy, PartialEq, Eq)]
enum InvocationType {
    /// The answer.
    RequestResponse,
    /// The work alone. It is done before the answer here, so that it is not lost when the program ends.
    Event,
    /// True if it could be called.
    DryRun,
}

impl InvocationType {
    fn of(headers: &HeaderMap) -> Result<Self, InvokeError> {
        match headers.get("x-amz-invocation-type").map_or(&b"RequestResponse"[..], HeaderValue::as_bytes) {
            b"RequestResponse" => Ok(Self::RequestResponse),
            b"Event" => Ok(Self::Event),
            b"DryRun" => Ok(Self::DryRun),
            _ => Err(InvokeError::unknown_kind()),
        }
    }
}

/// The lines of the platform around an invocation, in base64. The function's own lines go to stderr here (`--verbose`).
fn log_tail(id: &str, took: Duration) -> String {
    let took = took.as_secs_f64() * 1000.0;
    STANDARD.encode(format!(
        "START RequestId: {id} Version: {LATEST}\nEND RequestId: {id}\nREPORT RequestId: {id}\tDuration: {took:.2} ms\n"
    ))
}

/// Why the function was not called. What a function behind HTTP refuses is an answer of its own, and no error of the function:
/// deployed ones give none either, not even when a handler panics. That of events fails where it cannot answer record by record.
struct InvokeError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl InvokeError {
    fn unknown(name: &str) -> Self {
        let message = format!("Function not found: {name}; here are assignment, flags and events");
        Self { status: StatusCode::NOT_FOUND, code: "ResourceNotFoundException", message }
    }

    fn parameter(error: &ApiError) -> Self {
        let message = error.message.to_string();
        Self { status: StatusCode::BAD_REQUEST, code: "InvalidParameterValueException", message }
    }

    fn two_qualifiers() -> Self {
        let message =
            "The derived qualifier from the function name does not match the specified qualifier.".to_owned();
        Self { status: StatusCode::BAD_REQUEST, code: "InvalidParameterValueException", message }
    }

    fn unknown_kind() -> Self {
        let message = "the invocation type is one of RequestResponse, Event and DryRun".to_owned();
        Self { status: StatusCode::BAD_REQUEST, code: "InvalidParameterValueException", message }
    }

    fn unknown_log_type() -> Self {
        let message = "the log type is None or Tail".to_owned();
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

impl IntoResponse for InvokeError {
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
        for called in Function::ALL {
            let word = called.as_str();
            for (text, qualifier) in [
                ("NAME", None),
                ("abx-NAME", None),
                ("abx-dev-NAME", None),
                ("abx-eu-prod-NAME", None),
                ("NAME:live", Some("live")),
                ("abx-prod-NAME:$LATEST", Some("$LATEST")),
                ("arn:aws:lambda:eu-central-1:123456789012:function:abx-NAME", None),
                ("arn:aws:lambda:eu-central-1:123456789012:function:abx-prod-NAME:7", Some("7")),
                ("arn:aws-cn:lambda:cn-north-1:123456789012:function:NAME:live", Some("live")),
                ("123456789012:function:NAME", None),
                ("function:NAME:live", Some("live")),
            ] {
                let text = text.replace("NAME", word);
                assert_eq!(function_of(&text), Some((called, qualifier)), "{text}");
            }
        }
        for bad in [
            "",
            "other",
            "reassignment",
            "my-events",
            "abx-",
            "abx-events-other",
            "events:",
            "events:a:b",
            "EVENTS",
        ] {
            assert_eq!(function_of(bad), None, "{bad}");
        }
    }
}
