//! Refused requests, and the way in which they are refused; hostile ids; any bytes at all.

use crate::flags::documents;
use crate::world::{Mood, Setup, World, experiment};
use abx_functions::http::HttpFunction;
use axum::body::Body;
use axum::http::{Method, Request};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fmt::Write;

const PATHS: [&str; 6] = [
    "/assign",
    "/assign/batch",
    "/flags",
    "/flags/half",
    "/ofrep/v1/evaluate/flags",
    "/ofrep/v1/evaluate/flags/half",
];

fn ask(context: &Value) -> Value {
    json!({"user_id": "u", "experiment_key": "e", "context": context})
}

#[tokio::test]
async fn limits_are_kept() {
    let world = World::of(documents()).await;
    for path in PATHS {
        world.post(path, "x".repeat(64 * 1024 + 1)).await.refused(413, "body_too_large");
        let told = Request::post(path).header("content-length", "9999999999").body(Body::empty()).unwrap();
        world.send(told).await.refused(413, "body_too_large");
    }
    let many: Value = (0..65).map(|n| (n.to_string(), json!(1))).collect::<serde_json::Map<_, _>>().into();
    for context in [many, json!({"a": "x".repeat(1025)}), json!({"a": [[[[1]]]]})] {
        world.post_json("/assign", ask(&context)).await.refused(400, "context_too_large");
    }
    let exact: Value = (0..64).map(|n| (n.to_string(), json!(1))).collect::<serde_json::Map<_, _>>().into();
    world.post_json("/assign", ask(&exact)).await.ok();
    let keys: Vec<String> = (0..257).map(|n| n.to_string()).collect();
    let batch = json!({"user_id": "u", "experiment_keys": keys});
    world.post_json("/assign/batch", batch).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn ids_are_bytes_and_nothing_is_made_of_them() {
    let world = World::of(documents()).await;
    let hostile =
        ["a\0b", "\u{202e}evil", "e\u{301}", "\u{e9}", "\u{200b}", "a\r\nb", "\u{1b}[31m", " u", "u", "U"];
    let mut ids = HashSet::new();
    for id in hostile {
        let answer = world.post_json("/assign", json!({"user_id": id, "experiment_key": "e"})).await.ok();
        assert_eq!(answer["user_id"], id);
        assert_eq!(answer["reason"], "assigned", "{id:?} is nobody else");
        assert!(ids.insert(answer["assignment_id"].clone()));
        let mut by_url = String::new();
        for byte in id.bytes() {
            write!(by_url, "%{byte:02x}").unwrap();
        }
        let path = format!("/assign?experiment_key=e&user_id={by_url}");
        assert_eq!(world.get(&path).await.ok()["reason"], "pinned", "{id:?}");
    }
    let long = |bytes: usize| json!({"user_id": "x".repeat(bytes), "experiment_key": "e"});
    world.post_json("/assign", long(1024)).await.ok();
    world.post_json("/assign", long(1025)).await.refused(400, "context_too_large");
    world.post_json("/assign", long(1_000_000)).await.refused(413, "body_too_large");
    world.get("/assign?user_id=%ff&experiment_key=e").await.refused(400, "invalid_request");
    world.get("/flags/%ff").await.refused(400, "invalid_request");
    let number = world.post_json("/assign", json!({"user_id": 42, "experiment_key": "e"})).await.ok();
    assert_eq!(number["unit"], "42");
    assert!(!world.log.text().contains('\u{1b}'));
}

#[tokio::test]
async fn no_attribute_and_no_unit_is_written_into_the_log_whatever_happens() {
    let rule = json!([{"attribute": "mail", "operator": "equals", "value": "someone@example.com"}]);
    let mut with_rule = documents();
    with_rule.push(experiment("gated", &json!({"targeting_rules": rule})));
    let context = json!({"mail": "someone@example.com", "targetingKey": "private-unit"});
    let asked = json!({"user_id": "private-unit", "experiment_key": "gated", "context": context});
    let world = World::of(with_rule).await;
    for (store, stream) in
        [(Mood::Well, Mood::Well), (Mood::Failing, Mood::Failing), (Mood::Silent, Mood::Failing)]
    {
        world.store.set(store);
        world.stream.set(stream);
        for path in PATHS {
            let mut asked = asked.clone();
            // Whom the function does not know yet, so that it asks the store.
            asked["user_id"] = json!(format!("private-unit-{store:?}"));
            if path != "/assign" {
                asked.as_object_mut().unwrap().remove("experiment_key");
            }
            world.post_json(path, asked.clone()).await;
            let mut wrong = asked.clone();
            wrong["context"]["mail"] = json!(["someone@example.com".repeat(100)]);
            assert!(world.post_json(path, wrong).await.status.is_client_error(), "{path}");
            let cut = asked.to_string().split_off(1);
            assert!(world.post(path, cut).await.status.is_client_error(), "{path}");
        }
        world.get("/assign?user_id=private-unit&experiment_key=missing&mail=someone@example.com").await;
    }
    world.assignment.base().outbox().close().await;
    world.flags.base().outbox().close().await;
    world.assignment.base().telemetry().flush();
    let log = world.log.text();
    for event in ["request_refused", "store_fallback", "events_lost", "_aws"] {
        assert!(log.contains(event), "{event} is not in what was logged:\n{log}");
    }
    for private in ["someone", "private-unit"] {
        assert!(!log.contains(private), "{private} is in the log:\n{log}");
    }
}

#[tokio::test]
async fn mistakes_are_named() {
    let world = World::of(documents()).await;
    for (body, says) in [
        ("", "not a JSON object"),
        ("[\"u\", \"e\"]", "not a JSON object"),
        ("{", "EOF"),
        (r#"{"user_id": "u", "experimentkey": "e"}"#, "experiment_key"),
        (r#"{"user_id": "u", "experiment_key": "e", "contxt": {}}"#, "contxt"),
        (r#"{"user_id": ["u"], "experiment_key": "e"}"#, "a string or a whole number"),
        (r#"{"user_id": 1.5, "experiment_key": "e"}"#, "a string or a whole number"),
        (r#"{"user_id": "u", "user_id": "v", "experiment_key": "e"}"#, "duplicate field `user_id`"),
        (
            r#"{"user_id": "u", "experiment_key": "e", "context": {"a": 1, "a": 2}}"#,
            "\"a\\\" is written twice",
        ),
        (
            r#"{"user_id": "u", "experiment_key": "e", "context": {"a": {"b": 1, "b": 2}}}"#,
            "is written twice",
        ),
        (r#"{"user_id": "u", "experiment_key": "e", "context": {"a": 1e999}}"#, "out of range"),
    ] {
        let answer = world.post("/assign", body).await;
        answer.refused(400, "invalid_request");
        let message = answer.json["error"]["message"].as_str().unwrap();
        assert!(message.contains(says), "{body}: {message}");
    }
    let deep = format!("{}{}", r#"{"context":"#.repeat(5000), "}".repeat(5000));
    world.post("/assign", deep).await.refused(400, "invalid_request");
    world.get("/nothing").await.refused(404, "not_found");
    world.get("/assign").await.refused(400, "invalid_request");
    world.get("/assign/batch").await.refused(405, "method_not_allowed");
}

#[tokio::test]
async fn a_request_has_an_id() {
    let world = World::of(documents()).await;
    let with = async |id: &str| {
        let request = Request::get("/health").header("x-request-id", id).body(Body::empty()).unwrap();
        world.send(request).await.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(with("abc-1").await, "abc-1");
    for unfit in ["a b", &"x".repeat(129)] {
        assert_eq!(with(unfit).await.len(), 32, "a new one");
    }
}

#[tokio::test]
async fn pages_of_named_origins_may_ask() {
    let shop = "https://shop.example.com";
    let origins = vec![shop.to_owned()];
    let headers = vec!["x-tenant".to_owned()];
    let world = World::new(Setup { documents: documents(), origins, headers, ..Setup::default() }).await;
    let ask = async |method: Method, origin: &str| {
        let request = Request::builder().method(method).uri("/flags/on").header("origin", origin);
        let request = request.header("access-control-request-method", "POST").body(Body::empty()).unwrap();
        world.send(request).await
    };
    let preflight = ask(Method::OPTIONS, shop).await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.headers["access-control-allow-origin"], shop);
    assert_eq!(preflight.headers["access-control-allow-methods"], "GET, POST");
    let allowed = preflight.headers["access-control-allow-headers"].to_str().unwrap();
    for header in ["if-none-match", "x-api-key", "traceparent", "tracestate", "x-tenant"] {
        assert!(allowed.split(", ").any(|it| it == header), "{header} in {allowed}");
    }
    let answer = ask(Method::GET, shop).await;
    assert_eq!((answer.status.as_u16(), &answer.headers["vary"]), (200, &"origin".parse().unwrap()));
    assert_eq!(answer.headers["access-control-allow-origin"], shop);
    for other in ["https://evil.example", "null", "https://shop.example.com.evil.example"] {
        ask(Method::OPTIONS, other).await.refused(403, "origin_not_allowed");
        let answer = ask(Method::GET, other).await;
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{other}");
    }
}

/// Something that may come as a body: any bytes, any JSON, and requests that are nearly right.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    let json = leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(".{0,8}", inner, 0..8)
                .prop_map(|map| Value::from(map.into_iter().collect::<serde_json::Map<_, _>>())),
        ]
    });
    let names =
        ["user_id", "experiment_key", "experiment_keys", "flag_keys", "context", "peek", "targetingKey"];
    let named = prop::collection::btree_map(prop::sample::select(names.to_vec()), json.clone(), 0..5);
    let named = named.prop_map(|map| json!(map));
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        json.prop_map(|json| json.to_string().into_bytes()),
        named.prop_map(|json| json.to_string().into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_bytes_are_answered_and_never_by_a_fault_of_ours(body in body(), query in "[ -~]{0,40}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::of(documents()).await;
            for path in PATHS {
                let answer = world.post(path, body.clone()).await;
                assert!(answer.status.as_u16() < 500, "{path}: {answer:?}");
                assert!(answer.json.is_object(), "{path}: {answer:?}");
            }
            for direct in [
                world.assignment.handle_direct(&body, "id").await,
                world.flags.handle_direct(&body, "id").await,
            ] {
                assert!(direct.status_code < 500, "{direct:?}");
            }
            if let Ok(request) = Request::get(format!("/assign?{query}")).body(Body::empty()) {
                assert!(world.send(request).await.status.as_u16() < 500);
            }
        });
    }
}
