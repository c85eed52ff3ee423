//! The OpenAPI document of `abx dev`: that of the functions, with the routes that only `abx dev` has; and its page.

use super::events::EventsResponse;
use super::health::Failing;
use super::invoke::MAX_PAYLOAD;
use abx_core::event::MAX_EVENT_BYTES;
use abx_functions::openapi::{DOCUMENT, error, response, responses, responses_of, schema};
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse, Response};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};
use serde_json::{Map, Value, json};

/// `docs/http.md`, which a test makes from the document.
const TEXT: &str = include_str!("../../../../docs/http.md");

/// The document.
pub(super) fn document() -> Value {
    // A test holds that it is JSON.
    let mut document: Value = serde_json::from_str(DOCUMENT).unwrap_or_default();
    let mut schemas = responses();
    schemas.subschema_for::<EventsResponse>();
    let store = schemas.subschema_for::<Failing>();
    let mut schemas = schemas.take_definitions(true);
    schemas.insert("Event".to_owned(), event());
    let health = json!({"properties": {
        "status": {"description": "`ok`, `catalog_unavailable`, or `degraded` where the store or the archive fails."},
        "store": {"description": "A store that fails.", "anyOf": [store]},
        "events": {
            "description": "Why events are not counted.",
            "type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"],
        },
    }});
    schemas.insert("Health".to_owned(), health);
    let refused = error(&["host_not_allowed", "origin_not_allowed"]);
    let own = json!({
        "paths": {
            "/events": {"post": events()},
            "/docs": {"get": docs()},
            "/2015-03-31/functions/{name}/invocations": {"post": invoke()},
        },
        "components": {"schemas": schemas, "responses": {"not_allowed": refused}},
    });
    merge(&mut document, own);
    if let Some(Value::Array(tags)) = document.get_mut("tags") {
        tags.push(json!({"name": "abx dev", "description": "What only `abx dev` has."}));
    }
    let paths =
        document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut);
    for operation in paths.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let refused = json!({"responses": {"403": {"$ref": "#/components/responses/not_allowed"}}});
        merge(operation, refused);
    }
    document
}

/// Adds what another value has; its fields take the place of those of the same name.
fn merge(value: &mut Value, other: Value) {
    match (value, other) {
        (Value::Object(fields), Value::Object(others)) => {
            for (name, other) in others {
                merge(fields.entry(name).or_insert(Value::Null), other);
            }
        }
        (value, other) => *value = other,
    }
}

fn events() -> Value {
    let body = json!({"anyOf": [schema("Event"), {"description": "Events; those that cannot be counted are in `rejected`.", "type": "array"}]});
    let examples = json!({
        "conversion": {"summary": "A conversion", "value": {
            "type": "conversion", "event": "order_placed", "unit": "user_1", "event_id": "order_1", "properties": {"total_eur": 9.5},
        }},
        "exposure": {"summary": "An exposure", "value": {
            "type": "exposure", "experiment": "buy_button", "variant": "green", "epoch": 1, "unit": "user_1", "event_id": "view_1",
        }},
        "several": {"summary": "Several, one of which cannot be counted", "value": [
            {"type": "conversion", "event": "order_placed", "unit": "user_1", "event_id": "order_2"},
            {"type": "conversion", "event": "order_placed"},
        ]},
    });
    let gzip = json!({"schema": {"description": "JSON or lines of JSON, compressed.", "type": "string", "format": "binary"}});
    let lines = json!({"schema": {"description": "Events, one on each line.", "type": "string"}});
    json!({
        "operationId": "sendEvents",
        "tags": ["abx dev"],
        "summary": "Send events",
        "description": "Stores events and counts them. It takes what one record of the stream may hold: one event, a list, lines of JSON, or gzip \
            of these, whatever the `Content-Type` says. A deployed stage takes events from its stream.",
        "requestBody": {"required": true, "content": {
            "application/json": {"schema": body, "examples": examples},
            "application/x-ndjson": lines,
            "application/gzip": gzip,
        }},
        "responses": responses_of(
            (202, response("The events are stored.", &schema("EventsResponse"))),
            &[(400, &["invalid_request"]), (503, &["unavailable"])],
        ),
    })
}

/// An event, as `abx_core::event` reads it: a field that its kind does not have is only as wrong as its type.
fn event() -> Value {
    let id = |bytes: u32| json!({"type": ["string", "integer"], "maxLength": bytes, "pattern": "\\S"});
    let field = |description: &str, types: &[&str]| json!({"description": description, "type": types});
    let key = || json!({"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$"});
    let count = json!({
        "type": "object",
        "required": ["flag", "variant", "count"],
        "properties": {
            "flag": key(),
            "variant": key(),
            "count": {"type": "integer", "minimum": 1, "maximum": 1_000_000_000},
            "revision": {"type": ["integer", "null"], "minimum": 0, "maximum": u64::MAX},
        },
    });
    let of = |kind: &str, required: &[&str], mut fields: Value| {
        merge(&mut fields, json!({"type": {"const": kind}}));
        json!({"required": required, "properties": fields})
    };
    // The unit counts if both are there.
    let with_unit = |kind: Value| {
        let unit = json!({"required": ["unit"], "properties": {"unit": id(2_048)}});
        let user =
            json!({"required": ["user_id"], "properties": {"unit": {"const": null}, "user_id": id(2_048)}});
        json!({"allOf": [kind, {"anyOf": [unit, user]}]})
    };
    let object = json!({"type": ["object", "null"]});
    let kinds = [
        with_unit(of(
            "exposure",
            &["experiment", "variant"],
            json!({"experiment": key(), "variant": key(), "epoch": {"minimum": 1}}),
        )),
        with_unit(of("evaluation", &["flag", "variant"], json!({"flag": key(), "variant": key()}))),
        with_unit(of(
            "conversion",
            &["event"],
            json!({
                "event": {"type": "string", "minLength": 1, "maxLength": 256}, "properties": object, "context": object,
            }),
        )),
        of(
            "evaluations",
            &["counts"],
            json!({"counts": {"type": "array", "minItems": 1, "maxItems": 1_000, "items": count}}),
        ),
    ];
    let unit = &["string", "integer", "null"];
    let text = &["string", "null"];
    let (unit_words, user_words) = (
        "The unit: a text that is not blank, of up to 2,048 bytes, or a whole number.",
        "The same as `unit`, which is taken if both are there.",
    );
    let mut event = json!({
        "description": format!("An event, of up to {MAX_EVENT_BYTES} bytes on the stream. Other fields are kept and not read."),
        "type": "object",
        "required": ["type"],
        "anyOf": kinds,
        "properties": {
            "type": {"description": "The kind of event.", "enum": ["exposure", "conversion", "evaluation", "evaluations"]},
            "unit": field(unit_words, unit),
            "user_id": field(user_words, unit),
            "event_id": field("Two events with one id, type, unit and name are one event.", unit),
            "timestamp": {
                "description": "RFC 3339 with an offset, a date, or a number since 1970 in s, ms, µs or ns by its size. Without one, an event \
                    happened when it arrived.",
                "anyOf": [
                    {"type": "string", "format": "date-time"},
                    {"type": "string", "format": "date"},
                    {"type": "number", "exclusiveMinimum": -1e20, "exclusiveMaximum": 1e20},
                    {"type": "null"},
                ],
            },
            "experiment": field("The experiment of an exposure.", text),
            "variant": field("The variant of an exposure or evaluation.", text),
            "epoch": field("The epoch of an exposure, from 1; 1 if it is left out.", &["integer", "null"]),
            "event": field("The name of a conversion, of 1 to 256 bytes.", text),
            "properties": {"description": "The amounts of a conversion: an object."},
            "context": {"description": "Attributes of a conversion, for experiments with another unit than `user_id`: an object."},
            "flag": field("The flag of an evaluation.", text),
            "counts": {"description": "How often flags gave variants: 1 to 1,000 objects with `flag`, `variant`, `count` and perhaps `revision`."},
        },
    });
    let limits =
        json!({"properties": {"event_id": {"maxLength": 256}, "epoch": {"minimum": 0, "maximum": u32::MAX}}});
    merge(&mut event, limits);
    event
}

fn docs() -> Value {
    json!({
        "operationId": "docs",
        "tags": ["abx dev"],
        "summary": "Read this document as a page",
        "responses": {"200": {"description": "The page.", "content": {"text/html": {"schema": {"type": "string"}}}}},
    })
}

fn invoke() -> Value {
    let refusal = |codes: &str| {
        let schema = json!({
            "type": "object", "required": ["Type", "Message"],
            "properties": {"Type": {"const": "User"}, "Message": {"type": "string"}},
        });
        json!({"description": codes, "content": {"application/json": {"schema": schema}}})
    };
    let header = |name: &str, description: &str, words: &[&str]| json!({"name": name, "in": "header", "description": description, "schema": {"enum": words}});
    let examples = json!({
        "flag": {"summary": "A flag, by the function `flags`", "value": {"user_id": "user_1", "flag_key": "buy_button_color"}},
    });
    json!({
        "operationId": "invoke",
        "tags": ["abx dev"],
        "summary": "Invoke a function, as the Lambda API does",
        "description": format!("For AWS SDKs, the AWS CLI and `abx invoke`. The payload is JSON of up to {MAX_PAYLOAD} bytes; an empty one is `{{}}`."),
        "parameters": [
            {
                "name": "name", "in": "path", "required": true, "example": "flags",
                "description": "`assignment`, `flags` or `events`, `abx-STAGE-NAME`, or an ARN.", "schema": {"type": "string", "minLength": 1},
            },
            {"name": "Qualifier", "in": "query", "description": "A version or an alias, which is ignored.", "schema": {"type": "string"}},
            header("x-amz-invocation-type", "What is waited for.", &["RequestResponse", "Event", "DryRun"]),
            header("x-amz-log-type", "`Tail` to get the lines of the platform.", &["None", "Tail"]),
        ],
        "requestBody": {"content": {"application/json": {"schema": {}, "examples": examples}}},
        "responses": {
            "200": {
                "description": "What the function returns: of `assignment` and `flags` an object with `statusCode`, `headers` and `body`. With \
                    `x-amz-function-error`, an object with `errorType` and `errorMessage`.",
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
            "202": {"description": "Invoked, by `Event`."},
            "204": {"description": "It could be invoked, by `DryRun`."},
            "400": refusal("`InvalidParameterValueException`, `InvalidRequestContentException`"),
            "404": refusal("`ResourceNotFoundException`"),
            "408": {"$ref": "#/components/responses/request_timeout"},
            "413": refusal("`RequestTooLargeException`"),
        },
    })
}

/// The page of the document. It loads nothing.
pub(super) async fn page() -> Response {
    let policy = [(CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'")];
    (policy, Html(rendered())).into_response()
}

/// `docs/http.md` as HTML. Links to other pages of the documentation lead nowhere here, and are left out.
fn rendered() -> String {
    const HEAD: &str = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><title>abx: HTTP</title>\
        <style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;display:block;\
        overflow-x:auto}td,th{border:1px solid #8886;padding:.2rem .6rem;text-align:left;vertical-align:top}pre{background:#8882;padding:.6rem;\
        overflow-x:auto}:root{color-scheme:light dark}</style>";
    let is_away = |event: &Event<'_>| match event {
        Event::Start(Tag::Link { dest_url, .. }) => !dest_url.starts_with('#'),
        _ => false,
    };
    let mut inside = false;
    let kept =
        Parser::new_ext(TEXT, Options::ENABLE_TABLES | Options::ENABLE_HEADING_ATTRIBUTES).filter(|event| {
            let starts = is_away(event);
            let ends = inside && matches!(event, Event::End(TagEnd::Link));
            inside = (inside || starts) && !ends;
            !starts && !ends
        });
    let mut page = HEAD.to_owned();
    html::push_html(&mut page, kept);
    page
}

#[cfg(test)]
mod tests {
    use super::super::{Args, Dev};
    use super::*;
    use std::collections::BTreeSet;

    #[tokio::test]
    async fn the_document_has_the_routes_that_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store.sqlite");
        let (sources, cors, allow_host) = (Vec::new(), Vec::new(), Vec::new());
        let dev = Dev::open(&Args { sources, port: 0, store, cors, allow_host, verbose: false }).unwrap();
        let routes = dev.routes();
        let routes: BTreeSet<String> =
            routes.list().iter().map(|(path, method)| format!("{method} {path}")).collect();
        let document = document();
        let paths = document["paths"].as_object().unwrap().iter();
        let documented = paths.flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| format!("{method} {path}"))
        });
        assert_eq!(routes, documented.collect());
    }

    #[test]
    fn the_page_loads_nothing_and_leads_nowhere_else() {
        let page = rendered();
        for tag in ["src=", "<script", "<link", "url(", "href=\"http"] {
            assert!(!page.contains(tag), "{tag}");
        }
        for target in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(page.contains(&format!("id=\"{target}\"")), "nothing has the id {target}");
        }
        assert!(page.contains("<h3") && page.contains("<table>"));
    }
}
