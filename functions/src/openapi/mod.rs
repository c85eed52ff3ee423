//! The OpenAPI document of the routes.
//!
//! | file | what it is |
//! |---|---|
//! | `document.json` | the document, as it is served: `UPDATE=1 cargo test --workspace --test service` writes it |
//! | `paths` | the routes in words; their fields come from the types |
//!
//! The document is a file, so that a change of the interface is seen in review and no function makes it while a caller waits. The tests
//! compare it with the routes and the types, record its examples, and check every response that they get against it.

mod paths;

use crate::assignment::{AssignBatchRequest, AssignBatchResponse, AssignRequest, AssignmentResponse};
use crate::flags::{
    Bulk, FlagRequest, FlagResponse, FlagsRequest, FlagsResponse, OfrepFailure, OfrepRequest, OfrepSuccess,
};
use crate::http::{ErrorEnvelope, Health, MAX_BODY_BYTES};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

/// The document, with examples.
pub const DOCUMENT: &str = include_str!("document.json");

/// Makes the document from the types, without the responses of its examples.
#[must_use]
pub fn document() -> Value {
    let mut requests = requests();
    requests.subschema_for::<AssignRequest>();
    requests.subschema_for::<AssignBatchRequest>();
    requests.subschema_for::<FlagRequest>();
    requests.subschema_for::<FlagsRequest>();
    requests.subschema_for::<OfrepRequest>();
    let mut responses = responses();
    responses.subschema_for::<AssignmentResponse<'_>>();
    responses.subschema_for::<AssignBatchResponse<'_>>();
    responses.subschema_for::<FlagResponse<'_>>();
    responses.subschema_for::<FlagsResponse<'_>>();
    responses.subschema_for::<OfrepSuccess<'_>>();
    responses.subschema_for::<Bulk<'_>>();
    responses.subschema_for::<OfrepFailure<'_>>();
    responses.subschema_for::<ErrorEnvelope<'_>>();
    responses.subschema_for::<Health<'_>>();
    let mut schemas = requests.take_definitions(true);
    schemas.append(&mut responses.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "abx",
            "version": env!("CARGO_PKG_VERSION"),
            "description": introduction(),
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "tags": [
            {"name": "Assignments", "description": "The assignment function: which variant of an experiment a unit gets."},
            {"name": "Flags", "description": "The flag function: which value a flag has for a unit."},
            {"name": "OFREP", "description": "The flag function, by version 0.3 of the OpenFeature Remote Evaluation Protocol."},
            {"name": "Service", "description": "What each function has."},
        ],
        "paths": paths::paths(),
        "components": {
            "schemas": schemas,
            "responses": COMMON.iter().map(|(_, code)| ((*code).to_owned(), error(&[code]))).collect::<Map<_, _>>(),
            "headers": {"RequestId": {"description": "The id of the request.", "schema": {"type": "string"}}},
        },
    })
}

fn introduction() -> String {
    format!(
        "Every error but those of OFREP has the body `Error`.\n\n\
         - A body has up to {MAX_BODY_BYTES} bytes and is a JSON object, whatever its `Content-Type` says; `/events` takes other forms, too. A field or parameter that is not known is \
         refused by name, except by OFREP, which ignores it.\n\
         - A request may have an `x-request-id` of 1 to 128 printable ASCII characters, which the response and the log repeat. Without one, \
         or with another, it gets a new one.\n\
         - GET is answered for HEAD too, without a body and without effect. Any other method is 405 `method_not_allowed`, with `Allow`, and any \
         other path 404 `not_found`.\n\
         - A slash at the end of a path is ignored, and so is the base path of a custom domain.\n\
         - A request of a page whose origin is not allowed is 403 `origin_not_allowed` where it needs a preflight."
    )
}

/// Collects the schemas of requests.
#[must_use]
pub fn requests() -> SchemaGenerator {
    settings().for_deserialize().into_generator()
}

/// Collects the schemas of responses, in which every field is required that is always written.
#[must_use]
pub fn responses() -> SchemaGenerator {
    settings().for_serialize().into_generator()
}

fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = "/components/schemas".into())
}

/// A reference to a schema of the document.
#[must_use]
pub fn schema(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// A request body, with examples by name.
#[must_use]
pub fn body(schema: &Value, examples: &Value) -> Value {
    json!({"required": true, "content": {"application/json": {"schema": schema, "examples": examples}}})
}

/// A response with a body.
#[must_use]
pub fn response(description: &str, schema: &Value) -> Value {
    json!({
        "description": description,
        "headers": {"x-request-id": {"$ref": "#/components/headers/RequestId"}},
        "content": {"application/json": {"schema": schema}},
    })
}

/// The refusals that any request may get, by status and code.
const COMMON: [(u16, &str); 4] =
    [(408, "request_timeout"), (413, "body_too_large"), (500, "internal"), (503, "catalog_unavailable")];

/// The responses of a route: that of its success, its own errors, and those that any request may get.
#[must_use]
pub fn responses_of(success: (u16, Value), errors: &[(u16, &[&str])]) -> Value {
    let common = COMMON.iter().map(|(status, code)| {
        (status.to_string(), json!({"$ref": format!("#/components/responses/{code}")}))
    });
    let own = errors.iter().map(|(status, codes)| (status.to_string(), error(codes)));
    let success = [(success.0.to_string(), success.1)];
    // The last of two with one status counts.
    common.chain(own).chain(success).collect::<Map<_, _>>().into()
}

/// A refusal with one of these codes.
#[must_use]
pub fn error(codes: &[&str]) -> Value {
    let listed: Vec<String> = codes.iter().map(|code| format!("`{code}`: {}", meaning(code))).collect();
    let code = json!({"properties": {"error": {"properties": {"code": {"enum": codes}}}}});
    response(&listed.join("; "), &json!({"allOf": [schema("Error"), code]}))
}

/// The meaning of a code.
fn meaning(code: &str) -> &'static str {
    match code {
        "body_too_large" => "the body is larger than the limit",
        "catalog_unavailable" => "no catalog could be loaded yet, retry in a moment",
        "context_too_large" => "the context or a text is over a limit",
        "experiment_not_found" => "no published experiment has this key",
        "flag_not_found" => "no published flag has this key",
        "host_not_allowed" => "the `Host` is not this machine",
        "internal" => "a bug, the log has the request id",
        "invalid_request" => "the request is not what is documented, the message says where",
        "origin_not_allowed" => "a page of another origin may not send this request",
        "request_timeout" => {
            "the request did not come, or was not answered, in 30 s (only where abx is the server, not on Lambda)"
        }
        "unavailable" => "the events were not stored, retry",
        "unit_missing" => "the unit that the experiment randomizes is missing or blank",
        _ => "",
    }
}
