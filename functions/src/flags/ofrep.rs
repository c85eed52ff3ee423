//! The OpenFeature Remote Evaluation Protocol 0.3.
//!
//! Specification: `open-feature/protocol`, `service/openapi.yaml`. A refusal has `errorCode` and `errorDetails` instead of
//! our own error body; what comes before a handler (a body over the limit, an unknown path) has ours, with a status
//! that providers understand without reading it.

use super::etag::{etag, matches};
use super::{FlagResponse, FlagService};
use crate::http::{
    ApiError, Call, Reply, check_context, deserialize_context, is_object, ofrep_context_schema,
};
use crate::ports::{CatalogStore, EventSink};
use abx_core::Subject;
use abx_core::decide::{FlagReason, OpenFeatureReason, unit_of};
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::{Map, Value, error::Category, json};

/// The one attribute that OpenFeature gives a name.
const TARGETING_KEY: &str = "targetingKey";

/// Asks for one flag or all. Other fields are ignored: another revision of the protocol may add some.
#[derive(serde::Deserialize, JsonSchema)]
#[schemars(rename = "OfrepRequest", transform = with_context)]
pub(crate) struct Request {
    /// Attributes. `targetingKey` is the unit: a string or a whole number.
    #[serde(default, deserialize_with = "deserialize_context")]
    #[schemars(schema_with = "ofrep_context_schema")]
    context: Option<Map<String, Value>>,
}

/// Requires the context: for the reader it is optional, so that it says what is missing.
fn with_context(schema: &mut Schema) {
    schema.insert("required".to_owned(), json!(["context"]));
    if let Some(context) = schema.pointer_mut("/properties/context").and_then(Value::as_object_mut) {
        context.remove("default");
    }
}

/// A context that was read.
struct OfrepContext {
    attributes: Map<String, Value>,
    /// Empty for none.
    targeting_key: String,
}

/// A refusal, by the protocol's word for it.
struct OfrepError {
    status: StatusCode,
    code: &'static str,
    details: String,
}

/// A flag that has no value.
#[derive(Serialize, JsonSchema)]
pub(crate) struct OfrepFailure<'a> {
    /// The flag, if the request is for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    /// `FLAG_NOT_FOUND`, `TARGETING_KEY_MISSING`, `INVALID_CONTEXT` or `PARSE_ERROR`.
    #[serde(rename = "errorCode")]
    code: &'a str,
    /// The message for people.
    #[serde(rename = "errorDetails")]
    details: &'a str,
}

/// The value of a flag.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OfrepSuccess")]
pub(crate) struct Success<'a> {
    /// The flag.
    key: &'a str,
    /// The reason in the terms of OpenFeature.
    reason: OpenFeatureReason,
    /// The variant's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
    /// The variant's value.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a Value>,
    /// More about the decision.
    metadata: Metadata<'a>,
}

// The protocol allows strings, numbers and booleans here.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct Metadata<'a> {
    /// The catalog's revision.
    revision: u64,
    /// The reason in our own terms.
    #[serde(rename = "abxReason")]
    reason: FlagReason,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    /// The experiment that the rule served.
    #[serde(skip_serializing_if = "Option::is_none")]
    experiment: Option<&'a str>,
    /// The unit's variant in that experiment.
    #[serde(rename = "experimentVariant", skip_serializing_if = "Option::is_none")]
    experiment_variant: Option<&'a str>,
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
enum OfrepResult<'a> {
    Success(Success<'a>),
    Failure(OfrepFailure<'a>),
}

/// The values of all flags.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OfrepBulk")]
pub(crate) struct Bulk<'a> {
    /// One for each flag.
    flags: Vec<OfrepResult<'a>>,
    /// More about the decisions.
    metadata: BulkMetadata,
}

#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct BulkMetadata {
    /// The catalog's revision.
    revision: u64,
}

impl<C: CatalogStore + 'static, E: EventSink> FlagService<C, E> {
    /// `POST /ofrep/v1/evaluate/flags/{key}`
    pub(super) async fn ofrep_single(&self, call: &Call, key: &str) -> Result<Reply, ApiError> {
        let context = match read(&call.body) {
            Ok(context) => context,
            Err(refusal) => return Ok(refusal.reply(Some(key))),
        };
        let snapshot = self.base.snapshot().await?;
        let subject = context.subject();
        let reply = match self.evaluate(&snapshot, key, &subject, Timestamp::now()) {
            Err(error) => {
                let refusal = OfrepError {
                    status: error.status,
                    code: "FLAG_NOT_FOUND",
                    details: error.message.into_owned(),
                };
                refusal.reply(Some(key))
            }
            Ok(response) => match item(&response) {
                OfrepResult::Success(success) => Reply::ok(&success),
                OfrepResult::Failure(failure) => Reply::json(StatusCode::BAD_REQUEST, &failure),
            },
        };
        Ok(self.base.settle(reply).await)
    }

    /// `POST /ofrep/v1/evaluate/flags`
    pub(super) async fn ofrep_bulk(&self, call: &Call) -> Result<Reply, ApiError> {
        let context = match read(&call.body) {
            Ok(context) => context,
            Err(refusal) => return Ok(refusal.reply(None)),
        };
        let snapshot = self.base.snapshot().await?;
        let subject = context.subject();
        let revision = snapshot.revision;
        let evaluated = self.evaluate_all(&snapshot, &subject, Timestamp::now());
        let flags = evaluated.iter().map(item).collect();
        let reply = self.base.reply(&Bulk { flags, metadata: BulkMetadata { revision } }).await;
        let etag = etag(revision, &context.attributes, &reply.body);
        let known = call.headers.get_all(IF_NONE_MATCH).iter().filter_map(|header| header.to_str().ok());
        let is_known = { known }.any(|header| matches(header, &etag));
        let reply = if is_known { Reply::empty(StatusCode::NOT_MODIFIED) } else { reply };
        Ok(match HeaderValue::try_from(etag) {
            Ok(etag) => reply.with(ETAG, etag),
            Err(_) => reply,
        })
    }
}

fn read(body: &[u8]) -> Result<OfrepContext, OfrepError> {
    let refuse = |code, details: String| OfrepError { status: StatusCode::BAD_REQUEST, code, details };
    let invalid = |details: String| refuse("INVALID_CONTEXT", details);
    if !is_object(body) {
        return Err(refuse("PARSE_ERROR", "the body is not a JSON object".to_owned()));
    }
    let request: Request = serde_json::from_slice(body).map_err(|error| {
        let code = if error.classify() == Category::Data { "INVALID_CONTEXT" } else { "PARSE_ERROR" };
        refuse(code, error.to_string())
    })?;
    let attributes =
        request.context.ok_or_else(|| invalid("`context` is missing from the body".to_owned()))?;
    check_context(&attributes, []).map_err(|error| invalid(error.message.into_owned()))?;
    let targeting_key = match attributes.get(TARGETING_KEY) {
        None | Some(Value::Null) => String::new(),
        // One that is blank is as none.
        Some(Value::String(text)) => text.clone(),
        Some(other) => unit_of(other)
            .ok_or_else(|| invalid("`targetingKey` is neither a string nor a whole number".to_owned()))?
            .into_owned(),
    };
    Ok(OfrepContext { attributes, targeting_key })
}

impl OfrepContext {
    fn subject(&self) -> Subject<'_> {
        Subject::new(&self.targeting_key, &self.attributes)
    }
}

fn item<'a>(response: &FlagResponse<'a>) -> OfrepResult<'a> {
    let key = response.flag_key;
    if response.reason == FlagReason::UnitMissing {
        let (code, details) = (
            "TARGETING_KEY_MISSING",
            "the answer depends on the unit, and the context has none; send `targetingKey`",
        );
        return OfrepResult::Failure(OfrepFailure { key: Some(key), code, details });
    }
    let experiment = response.experiment;
    OfrepResult::Success(Success {
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

impl OfrepError {
    fn reply(&self, key: Option<&str>) -> Reply {
        Reply::json(self.status, &OfrepFailure { key, code: self.code, details: &self.details })
    }
}
