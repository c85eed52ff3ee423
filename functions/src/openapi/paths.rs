//! The routes, in words.

use super::{body, response, responses_of, schema};
use crate::http::MAX_TEXT;
use serde_json::{Value, json};

/// The errors of a request that cannot be read or is over a limit.
const INVALID: [&str; 2] = ["invalid_request", "context_too_large"];
/// The same, where the unit may be missing.
const INVALID_OR_WITHOUT_UNIT: [&str; 3] = ["invalid_request", "context_too_large", "unit_missing"];

pub(super) fn paths() -> Value {
    json!({
        "/assign": {"get": assign_by_url(), "post": assign()},
        "/assign/batch": {"post": assign_batch()},
        "/flags/{key}": {"get": flag_by_url(), "post": flag()},
        "/flags": {"post": flags()},
        "/ofrep/v1/evaluate/flags/{key}": {"post": ofrep_single()},
        "/ofrep/v1/evaluate/flags": {"post": ofrep_bulk()},
        "/health": {"get": health()},
        "/openapi.json": {"get": openapi()},
    })
}

fn assign_by_url() -> Value {
    let yes_or_no = |name: &str, description: &str| {
        let schema = json!({"enum": ["true", "1", "", "false", "0"]});
        json!({"name": name, "in": "query", "description": description, "schema": schema})
    };
    json!({
        "operationId": "assignByUrl",
        "tags": ["Assignments"],
        "summary": "Assign one experiment by URL",
        "description": "Stores the assignment and records an exposure, as POST does, so that a page needs no preflight.",
        "parameters": [
            {
                "name": "experiment_key", "in": "query", "required": true, "description": "The experiment.",
                "schema": {"type": "string", "maxLength": MAX_TEXT}, "example": "buy_button",
            },
            user_id("The user. It may be left out if the context has the unit of the experiment."),
            context(),
            yes_or_no("peek", "True to be told what would be answered: nothing is stored, and no exposure is recorded."),
            yes_or_no("expose", "False to record no exposure, for a caller that asks ahead of time and sends exposures itself."),
        ],
        "responses": responses_of((200, response("The variant, and the reason.", &schema("AssignmentResponse"))),
            &[(400, &INVALID_OR_WITHOUT_UNIT), (404, &["experiment_not_found"])],
        ),
    })
}

fn assign() -> Value {
    let request = json!({"anyOf": [schema("AssignRequest"), schema("AssignBatchRequest")]});
    let answer = json!({"anyOf": [schema("AssignmentResponse"), schema("AssignBatchResponse")]});
    let examples = json!({
        "one": {"summary": "One experiment", "value": {"user_id": "user_1", "experiment_key": "buy_button", "context": {"country": "DE"}}},
        "all": {"summary": "All experiments", "value": {"user_id": "user_1", "context": {"country": "DE"}}},
        "unknown": {"summary": "An unknown experiment", "value": {"user_id": "user_1", "experiment_key": "by_button"}},
        "without_unit": {"summary": "No unit", "value": {"experiment_key": "buy_button"}},
    });
    json!({
        "operationId": "assign",
        "tags": ["Assignments"],
        "summary": "Assign one experiment, or all",
        "description": "With `experiment_key`, answers for that experiment, stores the assignment and records an exposure. Without it, answers \
            as `POST /assign/batch` does: for all experiments in one call, which stores the assignments and records no exposure unless \
            `expose` is true. Send an exposure when the unit sees a variant.",
        "requestBody": body(&request, &examples),
        "responses": responses_of((200, response("The variant, and the reason; or those of all experiments.", &answer)),
            &[(400, &INVALID_OR_WITHOUT_UNIT), (404, &["experiment_not_found"])],
        ),
    })
}

fn assign_batch() -> Value {
    let examples = json!({
        "some": {
            "summary": "Some experiments, one of which is unknown",
            "value": {"user_id": "user_1", "experiment_keys": ["buy_button", "by_button"]},
        },
        "all": {"summary": "All experiments", "value": {"user_id": "user_1"}},
        "mistyped": {"summary": "A field that is not known", "value": {"user_id": "user_1", "contxt": {"country": "DE"}}},
    });
    json!({
        "operationId": "assignBatch",
        "tags": ["Assignments"],
        "summary": "Assign some or all experiments",
        "description": "An experiment without an answer is in `errors`, with the code of the single request: `experiment_not_found`, or \
            `unit_missing` if the request has not the unit that the experiment randomizes. It costs the others nothing.",
        "requestBody": body(&schema("AssignBatchRequest"), &examples),
        "responses": responses_of((200, response("The variants, and the reasons.", &schema("AssignBatchResponse"))),
            &[(400, &INVALID)],
        ),
    })
}

fn flag_by_url() -> Value {
    json!({
        "operationId": "evaluateFlagByUrl",
        "tags": ["Flags"],
        "summary": "Evaluate one flag by URL",
        "description": "Records an evaluation, and an exposure if the flag serves an experiment to a unit that takes part.",
        "parameters": [key(), user_id("The user. A flag whose answer depends on no unit needs none."), context()],
        "responses": responses_of((200, response("The value, and the reason.", &schema("FlagResponse"))),
            &[(400, &INVALID), (404, &["flag_not_found"])],
        ),
    })
}

fn flag() -> Value {
    let examples = json!({
        "one": {"summary": "A user", "value": {"user_id": "user_1", "context": {"country": "DE"}}},
        "without_unit": {"summary": "No unit: the default", "value": {}},
        "no_object": {"summary": "A body that is no object", "value": ["user_1"]},
    });
    json!({
        "operationId": "evaluateFlag",
        "tags": ["Flags"],
        "summary": "Evaluate one flag",
        "description": "Records an evaluation, and an exposure if the flag serves an experiment to a unit that takes part.",
        "parameters": [key()],
        "requestBody": body(&schema("FlagRequest"), &examples),
        "responses": responses_of((200, response("The value, and the reason.", &schema("FlagResponse"))),
            &[(400, &INVALID), (404, &["flag_not_found"])],
        ),
    })
}

fn flags() -> Value {
    let examples = json!({
        "some": {
            "summary": "Some flags, one of which is unknown",
            "value": {"user_id": "user_1", "flag_keys": ["buy_button_color", "by_button_color"]},
        },
        "all": {"summary": "All flags", "value": {"user_id": "user_1"}},
    });
    json!({
        "operationId": "evaluateFlags",
        "tags": ["Flags"],
        "summary": "Evaluate some or all flags",
        "description": "Records an evaluation of each flag, and an exposure for each experiment that a flag serves to a unit that takes part.",
        "requestBody": body(&schema("FlagsRequest"), &examples),
        "responses": responses_of((200, response("The values, and the reasons.", &schema("FlagsResponse"))),
            &[(400, &INVALID)],
        ),
    })
}

fn ofrep_single() -> Value {
    let mut responses =
        responses_of((200, response("The value, and the reason.", &schema("OfrepSuccess"))), &[]);
    let invalid = "`PARSE_ERROR`, `INVALID_CONTEXT` or `TARGETING_KEY_MISSING`; `invalid_request`, as `Error`, if the body ends early or the path cannot be read";
    add(&mut responses, "400", response(invalid, &either_error()));
    add(&mut responses, "404", response("`FLAG_NOT_FOUND`", &schema("OfrepFailure")));
    json!({
        "operationId": "ofrepEvaluateFlag",
        "tags": ["OFREP"],
        "summary": "Evaluate one flag, for OpenFeature",
        "parameters": [key()],
        "requestBody": body(&schema("OfrepRequest"), &ofrep_examples()),
        "responses": responses,
    })
}

fn ofrep_bulk() -> Value {
    let etag = json!({"description": "Names the answer.", "schema": {"type": "string"}});
    let mut success = response(
        "The values, and the reasons. A flag without a value has an error in its place.",
        &schema("OfrepBulk"),
    );
    if let Some(headers) = success.get_mut("headers") {
        add(headers, "etag", etag.clone());
    }
    let mut responses = responses_of((200, success), &[]);
    let invalid = "`PARSE_ERROR` or `INVALID_CONTEXT`; `invalid_request`, as `Error`, if the body ends early";
    add(
        &mut responses,
        "304",
        json!({"description": "`If-None-Match` names the answer.", "headers": {"etag": etag}}),
    );
    add(&mut responses, "400", response(invalid, &either_error()));
    json!({
        "operationId": "ofrepEvaluateFlags",
        "tags": ["OFREP"],
        "summary": "Evaluate all flags, for OpenFeature",
        "parameters": [{
            "name": "If-None-Match", "in": "header", "description": "The `etag` of an earlier answer, or several.", "schema": {"type": "string"},
        }],
        "requestBody": body(&schema("OfrepRequest"), &ofrep_examples()),
        "responses": responses,
    })
}

fn ofrep_examples() -> Value {
    json!({
        "one": {"summary": "A user", "value": {"context": {"targetingKey": "user_1", "country": "DE"}}},
        "without_unit": {"summary": "No unit", "value": {"context": {}}},
        "without_context": {"summary": "No context", "value": {}},
    })
}

fn health() -> Value {
    let mut responses = responses_of((200, response("Requests are answered.", &schema("Health"))), &[]);
    add(&mut responses, "503", response("Requests are not answered.", &schema("Health")));
    json!({
        "operationId": "health",
        "tags": ["Service"],
        "summary": "Ask if requests are answered",
        "responses": responses,
    })
}

fn openapi() -> Value {
    json!({
        "operationId": "openapi",
        "tags": ["Service"],
        "summary": "Get this document",
        "responses": responses_of((200, response("The OpenAPI document.", &json!({"type": "object", "required": ["openapi", "paths"]}))), &[]),
    })
}

fn key() -> Value {
    json!({
        "name": "key", "in": "path", "required": true, "description": "The flag.",
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}, "example": "buy_button_color",
    })
}

fn user_id(description: &str) -> Value {
    json!({
        "name": "user_id", "in": "query", "description": description,
        "schema": {"type": "string", "maxLength": MAX_TEXT}, "example": "user_1",
    })
}

/// Parameters of any name behind a prefix, which OpenAPI writes as an object of them.
fn context() -> Value {
    let schema = json!({
        "type": "object",
        "propertyNames": {"pattern": "^context\\..+$"},
        "additionalProperties": {"type": "string", "maxLength": MAX_TEXT},
    });
    json!({
        "name": "context.NAME", "in": "query", "style": "form", "explode": true,
        "description": "Attributes, for targeting and for units other than `user_id`: `context.country=DE`. Each has the type that the documents \
            compare it with.",
        "schema": schema, "example": {"context.country": "DE"},
    })
}

fn either_error() -> Value {
    json!({"anyOf": [schema("OfrepFailure"), schema("Error")]})
}

fn add(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}
