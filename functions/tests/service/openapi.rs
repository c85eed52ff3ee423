//! The OpenAPI document: it has the routes that there are, its examples are what is answered, and every response that any test here gets
//! fits it.

use crate::contract::{Contract, Exchange, operations};
use crate::world::{Answer, World, at, experiment};
use abx_functions::http::HttpFunction;
use abx_functions::openapi;
use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, LazyLock};

/// The served document.
static CONTRACT: LazyLock<Contract> =
    LazyLock::new(|| Contract::new(serde_json::from_str(openapi::DOCUMENT).unwrap()));

/// Checks a response against the document.
pub(crate) fn check(method: &Method, path: &str, body: &[u8], answer: &Answer) {
    assert!(answer.headers.contains_key("x-request-id"), "{method} {path}: {answer:?}");
    CONTRACT.check(&Exchange {
        method: method.as_str(),
        path,
        body,
        status: answer.status.as_u16(),
        content_type: answer.headers.get("content-type").and_then(|value| value.to_str().ok()),
        answer: &answer.json,
    });
}

/// The documents that the examples ask for: those of `docs/integrating.md`.
async fn example_world() -> World {
    World::of([
        experiment("buy_button", &json!({"variants": [
            {"key": "control", "allocation": 0.5}, {"key": "green", "allocation": 0.5, "payload": {"color": "green"}},
        ]})),
        json!({"flag": "buy_button_color", "enabled": true, "default_variant": "control",
            "variants": [{"key": "control", "value": "blue"}, {"key": "green", "value": "green"}],
            "rules": [{"name": "test", "experiment": "buy_button"}]}),
    ])
    .await
}

/// The request of an example, without its body.
fn example_request(method: &str, path: &str, operation: &Value) -> (Method, String) {
    let (mut path, mut query) = (path.to_owned(), Vec::new());
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        match (parameter["in"].as_str().unwrap(), &parameter["example"]) {
            (_, Value::Null) => {}
            ("path", example) => path = path.replace(&format!("{{{name}}}"), example.as_str().unwrap()),
            (_, Value::Object(several)) => {
                query.extend(
                    several.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap())),
                );
            }
            (_, example) => query.push(format!("{name}={}", example.as_str().unwrap())),
        }
    }
    (method.to_uppercase().parse().unwrap(), format!("{path}?{}", query.join("&")))
}

/// Sends the examples of a document, and adds what is answered.
async fn record_examples(document: &mut Value) {
    for (path, methods) in document["paths"].as_object_mut().unwrap() {
        for (method, operation) in methods.as_object_mut().unwrap() {
            // The document would hold itself.
            if path == "/openapi.json" {
                continue;
            }
            let examples = operation["requestBody"]["content"]["application/json"]["examples"].clone();
            let examples = examples.as_object().cloned().unwrap_or_else(|| {
                Map::from_iter([("by_url".to_owned(), json!({"summary": "The parameters above"}))])
            });
            for (name, example) in examples {
                // A world for each, so that none depends on another.
                let world = example_world().await;
                let (method, uri) = example_request(method, path, operation);
                let uri = uri.trim_end_matches('?');
                let body = example.get("value").map(Value::to_string).unwrap_or_default();
                let request = Request::builder().method(method).uri(uri).header("x-request-id", "req-1");
                let answer = world.send_unchecked(request.body(Body::from(body)).unwrap()).await;
                let status = answer.status.as_str().to_owned();
                let described = &mut operation["responses"][&status];
                assert!(described.is_object(), "no {status} of {uri}: {answer:?}");
                described["content"]["application/json"]["examples"][&name] =
                    json!({"summary": example["summary"], "value": without_time(answer.json)});
            }
        }
    }
}

/// The same with a fixed time.
fn without_time(mut json: Value) -> Value {
    match &mut json {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), &value) {
                    ("assigned_at", Value::String(_)) => *value = json!(at(1_795_860_000).to_string()),
                    ("catalog_age_seconds", _) => *value = json!(0),
                    _ => *value = without_time(value.take()),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without_time(item.take())),
        _ => {}
    }
    json
}

#[tokio::test]
async fn the_document_is_up_to_date() {
    let mut document = openapi::document();
    record_examples(&mut document).await;
    let text = format!("{document:#}\n");
    if std::env::var_os("UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/openapi/document.json");
        fs::write(path, text).unwrap();
        return;
    }
    let up_to_date = openapi::DOCUMENT == text;
    assert!(up_to_date, "document.json is out of date: UPDATE=1 cargo test --workspace --test service");
}

#[tokio::test]
async fn the_document_has_the_routes_that_there_are() {
    let world = World::of([]).await;
    let (assignment, flags) = (Arc::clone(&world.assignment), Arc::clone(&world.flags));
    let middleware = Arc::clone(world.assignment.base().middleware());
    let routes =
        assignment.routes().merge(flags.routes()).with_service_routes(&middleware, openapi::DOCUMENT);
    let routes: BTreeSet<(&str, &str)> = routes.list().iter().copied().collect();
    let documented: BTreeSet<(&str, &str)> = operations(&CONTRACT.document).collect();
    assert_eq!(routes, documented);
}

#[tokio::test]
async fn each_function_serves_the_document() {
    let world = World::of([]).await;
    for router in world.routers() {
        let answer = world.send_to(router, Request::get("/openapi.json").body(Body::empty()).unwrap()).await;
        assert_eq!(answer.ok(), serde_json::from_str::<Value>(openapi::DOCUMENT).unwrap());
    }
}
