//! Every route, and every way to ask: one unit, one rule for what is not known, and no effect where none is wanted.

use crate::flags::documents;
use crate::world::{Answer, Setup, World};
use abx_functions::http::HttpFunction;
use abx_functions::ports::AssignmentStore;
use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

/// Each route with a request that is right: the parameters of a GET, or the body of a POST.
const ROUTES: [(&str, &str, &str); 8] = [
    ("GET", "/assign", "user_id=7&experiment_key=e"),
    ("GET", "/flags/half", "user_id=7"),
    ("POST", "/assign", r#"{"user_id": 7, "experiment_key": "e"}"#),
    ("POST", "/assign/batch", r#"{"user_id": 7, "experiment_keys": ["e"]}"#),
    ("POST", "/flags/half", r#"{"user_id": 7}"#),
    ("POST", "/flags", r#"{"user_id": 7}"#),
    ("POST", "/ofrep/v1/evaluate/flags/half", r#"{"context": {"targetingKey": 7}}"#),
    ("POST", "/ofrep/v1/evaluate/flags", r#"{"context": {"targetingKey": 7}}"#),
];

async fn ask(world: &World, method: &str, path: &str, rest: &str) -> Answer {
    let (uri, body) = if method == "GET" { (format!("{path}?{rest}"), "") } else { (path.to_owned(), rest) };
    send(world, method, &uri, body).await
}

async fn send(world: &World, method: &str, uri: &str, body: &str) -> Answer {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request = Request::builder().method(method).uri(uri).body(Body::from(body.to_owned()));
    world.send(request.unwrap()).await
}

#[tokio::test]
async fn one_unit_is_one_however_it_is_written() {
    let world = World::of(documents()).await;
    for (method, path, rest) in ROUTES {
        let mut answers = Vec::new();
        for unit in ["7", "7.0", "\"7\""] {
            // A URL knows texts only.
            if method == "GET" && unit != "7" {
                continue;
            }
            // Enrolls first, so that all are pinned.
            let rest = rest.replace(": 7", &format!(": {unit}"));
            ask(&world, method, path, &rest).await;
            answers.push(ask(&world, method, path, &rest).await.ok());
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{method} {path}: {answers:?}");
    }
    let stored = world.store.store.get("7", "e").await.unwrap();
    assert!(stored.is_some(), "one assignment for all of them");
    let by_attribute = json!({"experiment_key": "e", "context": {"user_id": 7}});
    let answer = world.post_json("/assign", by_attribute).await.ok();
    assert_eq!((&answer["user_id"], &answer["reason"]), (&json!("7"), &json!("pinned")));
}

#[tokio::test]
async fn what_is_not_known_is_refused_by_name() {
    let world = World::of(documents()).await;
    for (method, path, rest) in ROUTES {
        let is_protocol = path.starts_with("/ofrep");
        // Another revision of the protocol may add fields and parameters.
        let expected = |answer: &Answer, says: &str| {
            if is_protocol {
                assert_eq!(answer.status, 200, "{path}: {answer:?}");
                return;
            }
            answer.refused(400, "invalid_request");
            let message = answer.json["error"]["message"].as_str().unwrap();
            assert!(message.contains(says), "{method} {path}: {message}");
        };
        if method == "GET" {
            expected(&ask(&world, method, path, &format!("{rest}&plan=pro")).await, "write `context.plan`");
            expected(
                &ask(&world, method, path, &format!("{rest}&usr_id=u")).await,
                "did you mean `user_id`?",
            );
            expected(
                &ask(&world, method, path, &format!("{rest}&xyz")).await,
                "`xyz` is not known: known parameters are user_id",
            );
            for twice in ["user_id=8", "context.a=1&context.a=1"] {
                expected(&ask(&world, method, path, &format!("{rest}&{twice}")).await, "more than once");
            }
        } else {
            let more = rest.replacen('{', "{\"xyz\": 1, ", 1);
            expected(&ask(&world, method, path, &more).await, "xyz");
            let in_url = send(&world, method, &format!("{path}?peek=true"), rest).await;
            expected(&in_url, "a POST has its fields in the body");
            let twice = rest.replacen('{', "{\"context\": {\"a\": 1, \"a\": 2}, ", 1);
            let answer = ask(&world, method, path, &twice).await;
            assert_eq!(answer.status, 400, "{path}: {answer:?}");
        }
    }
    world.get("/flags/half?peek=true").await.refused(400, "invalid_request");
}

#[tokio::test]
async fn a_head_has_no_effect_and_the_status_of_a_get() {
    let world = World::of(documents()).await;
    for (method, path, rest) in ROUTES {
        let query = if method == "GET" { rest } else { "" };
        let answer = send(&world, "HEAD", &format!("{path}?{query}"), "").await;
        match method {
            "GET" => assert_eq!(answer.status, 200, "{path}: {answer:?}"),
            _ if path == "/assign" => assert_eq!(answer.status, 400, "without a user"),
            _ if path == "/flags/half" => assert_eq!(answer.status, 200, "{path}"),
            _ => assert_eq!(answer.status, 405, "{path}: {answer:?}"),
        }
        assert_eq!(answer.json, Value::Null, "no body");
    }
    world.assignment.base().outbox().close().await;
    world.flags.base().outbox().close().await;
    assert_eq!(world.stream.take(), Vec::<Value>::new(), "nobody was exposed");
    assert_eq!(world.store.store.get("7", "e").await.unwrap(), None, "nobody was enrolled");
}

#[tokio::test]
async fn who_peeks_by_url_is_not_enrolled_and_who_only_asks_not_exposed() {
    let world = World::of(documents()).await;
    world.get("/assign?user_id=u&experiment_key=e&peek=true").await.ok();
    assert_eq!(world.store.store.get("u", "e").await.unwrap(), None);
    world.get("/assign?user_id=u&experiment_key=e&expose=false").await.ok();
    assert!(world.store.store.get("u", "e").await.unwrap().is_some());
    world.assignment.base().outbox().close().await;
    assert_eq!(world.stream.take(), Vec::<Value>::new());
}

#[tokio::test]
async fn a_base_path_and_a_slash_at_the_end_change_nothing() {
    let setup = Setup { documents: documents(), base_path: "/shop/v1".to_owned(), ..Setup::default() };
    let world = World::new(setup).await;
    for (method, path, rest) in ROUTES {
        for path in
            [path.to_owned(), format!("{path}/"), format!("/shop/v1{path}"), format!("/shop/v1{path}/")]
        {
            assert_eq!(ask(&world, method, &path, rest).await.status, 200, "{method} {path}");
        }
        let elsewhere = ask(&world, method, &format!("/other{path}"), rest).await;
        elsewhere.refused(404, "not_found");
    }
    assert_eq!(world.get("/shop/v1/health/").await.status, 200);
}

#[tokio::test]
async fn attributes_in_a_url_have_the_types_that_documents_compare_them_with() {
    let flag = |key: &str, operator: &str, value: Value| {
        json!({"flag": key, "enabled": true,
            "targeting_rules": [{"attribute": format!("a.{key}"), "operator": operator, "value": value}]})
    };
    let world = World::of([
        flag("version", "semver_greater_or_equal", json!("5.9")),
        flag("age", "greater_than", json!(17)),
        flag("zip", "equals", json!("01234")),
        flag("member", "equals", json!(true)),
        flag("tags", "contains", json!("x")),
        flag("since", "after", json!("2026-01-01")),
    ])
    .await;
    for (key, text, expected) in [
        ("version", "5.10", true),
        ("age", "18", true),
        ("age", "17", false),
        ("zip", "01234", true),
        ("zip", "1234", false),
        ("member", "true", true),
        ("tags", "[%22x%22]", true),
        ("since", "2026-02-01", true),
    ] {
        let answer = world.get(&format!("/flags/{key}?context.a.{key}={text}")).await.ok();
        assert_eq!(answer["value"], expected, "{key}={text}: {answer}");
    }
}
