//! The OpenAPI document of `abx serve`: that of the functions, with the routes that only `abx serve` has.

use super::readiness::Ready;
use super::token::OPEN;
use abx_functions::openapi::{DOCUMENT, error, merge, response, responses, schema};
use serde_json::{Map, Value, json};

/// The document, with or without tokens.
pub(super) fn document(has_tokens: bool) -> Value {
    // A test holds that it is JSON.
    let mut document: Value = serde_json::from_str(DOCUMENT).unwrap_or_default();
    let mut schemas = responses();
    schemas.subschema_for::<Ready>();
    let own = json!({
        "paths": {"/ready": {"get": ready()}, "/metrics": {"get": metrics()}},
        "components": {"schemas": schemas.take_definitions(true)},
    });
    merge(&mut document, own);
    if has_tokens {
        ask_for_tokens(&mut document);
    }
    document
}

fn ready() -> Value {
    let described = |description: &str| response(description, &schema("Ready"));
    json!({
        "operationId": "ready",
        "tags": ["Service"],
        "summary": "Is it to get requests?",
        "responses": {
            "200": described("The store was read, and a revision is published."),
            "503": described("It drains, or has nothing to answer by."),
        },
    })
}

fn metrics() -> Value {
    json!({
        "operationId": "metrics",
        "tags": ["Service"],
        "summary": "Metrics for Prometheus",
        "responses": {"200": {
            "description": "The text format 0.0.4; docs/serving.md lists the metrics.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }},
    })
}

fn ask_for_tokens(document: &mut Value) {
    merge(
        document,
        json!({
            "security": [{"token": []}],
            "components": {
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
                "responses": {"unauthorized": error(&["unauthorized"])},
            },
        }),
    );
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (path, operations) in paths.into_iter().flatten() {
        let own = if OPEN.contains(&path.as_str()) {
            json!({"security": []})
        } else {
            json!({"responses": {"401": {"$ref": "#/components/responses/unauthorized"}}})
        };
        for operation in operations.as_object_mut().into_iter().flat_map(Map::values_mut) {
            merge(operation, own.clone());
        }
    }
}

/// True if the document has these routes and no others.
pub(super) fn has(routes: &[(&str, &str)]) -> bool {
    let document = document(false);
    let methods = |path: &str| document.pointer("/paths")?.get(path)?.as_object();
    let paths = document.get("paths").and_then(Value::as_object);
    let documented: usize =
        paths.into_iter().flat_map(Map::values).filter_map(Value::as_object).map(Map::len).sum();
    documented == routes.len()
        && routes.iter().all(|(path, method)| methods(path).is_some_and(|it| it.contains_key(*method)))
}
