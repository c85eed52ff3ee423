//! The OpenFeature Remote Evaluation Protocol 0.3.
//!
//! Specification: `open-feature/protocol`, `service/openapi.yaml`. A refusal has `errorCode` and `errorDetails` instead of
//! our own error body; what comes before a handler (a body over the limit, an unknown path) has ours, with a status
//! that providers understand without reading it.

use super::etag::{etag, matches};
use super::{FlagResponse, Service};
use crate::http::{ApiError, Call, Reply, check_context, is_object, no_attributes};
use crate::ports::{CatalogStore, EventSink};
use abx_core::Subject;
use abx_core::decide::{FlagReason, OpenFeatureReason};
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, error::Category};

/// The one attribute that OpenFeature gives a name.
const TARGETING_KEY: &str = "targetingKey";

#[derive(serde::Deserialize)]
struct Request {
    #[serde(default)]
    context: Option<Map<String, Value>>,
}

/// A refusal, by the protocol's word for it.
struct Refusal {
    status: StatusCode,
    code: &'static str,
    details: String,
}

#[derive(Serialize)]
struct Failure<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(rename = "errorCode")]
    code: &'a str,
    #[serde(rename = "errorDetails")]
    details: &'a str,
}

#[derive(Serialize)]
struct Success<'a> {
    key: &'a str,
    reason: OpenFeatureReason,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a Value>,
    metadata: Metadata<'a>,
}

/// The protocol allows strings, numbers and booleans here.
#[derive(Serialize)]
struct Metadata<'a> {
    revision: u64,
    #[serde(rename = "abxReason")]
    reason: FlagReason,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    experiment: Option<&'a str>,
    #[serde(rename = "experimentVariant", skip_serializing_if = "Option::is_none")]
    experiment_variant: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Item<'a> {
    Success(Success<'a>),
    Failure(Failure<'a>),
}

#[derive(Serialize)]
struct Bulk<'a> {
    flags: Vec<Item<'a>>,
    metadata: BulkMetadata,
}

#[derive(Serialize)]
struct BulkMetadata {
    revision: u64,
}

impl<C: CatalogStore + 'static, E: EventSink> Service<C, E> {
    /// `POST /ofrep/v1/evaluate/flags/{key}`
    pub(super) async fn ofrep_single(&self, call: &Call, key: &str) -> Result<Reply, ApiError> {
        let context = match read(&call.body) {
            Ok(context) => context,
            Err(refusal) => return Ok(refusal.reply(Some(key))),
        };
        let snapshot = self.snapshot().await?;
        let attributes = context.as_ref().unwrap_or(no_attributes());
        let subject = subject(attributes);
        let reply = match self.evaluate(&snapshot, key, &subject, Timestamp::now()) {
            Err(error) => {
                let refusal = Refusal {
                    status: error.status,
                    code: "FLAG_NOT_FOUND",
                    details: error.message.into_owned(),
                };
                refusal.reply(Some(key))
            }
            Ok(response) => match item(&response) {
                Item::Success(success) => Reply::ok(&success),
                Item::Failure(failure) => Reply::json(StatusCode::BAD_REQUEST, &failure),
            },
        };
        self.outbox().settle().await;
        Ok(reply)
    }

    /// `POST /ofrep/v1/evaluate/flags`
    pub(super) async fn ofrep_bulk(&self, call: &Call) -> Result<Reply, ApiError> {
        let context = match read(&call.body) {
            Ok(context) => context,
            Err(refusal) => return Ok(refusal.reply(None)),
        };
        let snapshot = self.snapshot().await?;
        let attributes = context.as_ref().unwrap_or(no_attributes());
        let subject = subject(attributes);
        let revision = snapshot.revision;
        let evaluated = self.evaluate_all(&snapshot, &subject, Timestamp::now());
        let flags = evaluated.iter().map(item).collect();
        let reply = Reply::ok(&Bulk { flags, metadata: BulkMetadata { revision } });
        self.outbox().settle().await;
        let etag = etag(revision, attributes, &reply.body);
        let known = call.headers.get_all(IF_NONE_MATCH).iter().filter_map(|header| header.to_str().ok());
        let is_known = { known }.any(|header| matches(header, &etag));
        let reply = if is_known { Reply::empty(StatusCode::NOT_MODIFIED) } else { reply };
        Ok(match HeaderValue::try_from(etag) {
            Ok(etag) => reply.with(ETAG, etag),
            Err(_) => reply,
        })
    }
}

fn read(body: &[u8]) -> Result<Option<Map<String, Value>>, Refusal> {
    let refuse = |code, details: String| Refusal { status: StatusCode::BAD_REQUEST, code, details };
    if !is_object(body) {
        return Err(refuse("PARSE_ERROR", "the body is not a JSON object".to_owned()));
    }
    let request: Request = serde_json::from_slice(body).map_err(|error| {
        let code = if error.classify() == Category::Data { "INVALID_CONTEXT" } else { "PARSE_ERROR" };
        refuse(code, error.to_string())
    })?;
    let context = request.context.as_ref().unwrap_or(no_attributes());
    check_context(context, []).map_err(|error| refuse("INVALID_CONTEXT", error.message.into_owned()))?;
    if context.get(TARGETING_KEY).is_some_and(|key| !key.is_string() && !key.is_null()) {
        return Err(refuse("INVALID_CONTEXT", "`targetingKey` is not a string".to_owned()));
    }
    Ok(request.context)
}

fn subject(attributes: &Map<String, Value>) -> Subject<'_> {
    let key = attributes.get(TARGETING_KEY).and_then(Value::as_str).unwrap_or_default();
    Subject::new(key, attributes)
}

fn item<'a>(response: &FlagResponse<'a>) -> Item<'a> {
    let key = response.flag_key;
    if response.reason == FlagReason::UnitMissing {
        let (code, details) =
            ("TARGETING_KEY_MISSING", "a share has to be drawn, and the context has no unit");
        return Item::Failure(Failure { key: Some(key), code, details });
    }
    let experiment = response.experiment;
    Item::Success(Success {
        key,
        reason: response.open_feature_reason,
        variant: response.variant,
        value: response.value,
        metadata: Metadata {
            revision: response.revision,
            reason: response.reason,
            rule: response.rule,
            experiment: experiment.map(|it| it.experiment_key),
            experiment_variant: experiment.and_then(|it| it.variant),
        },
    })
}

impl Refusal {
    fn reply(&self, key: Option<&str>) -> Reply {
        Reply::json(self.status, &Failure { key, code: self.code, details: &self.details })
    }
}
