//! The OpenFeature Remote Evaluation Protocol.

use crate::flags::documents;
use crate::world::{Answer, World};
use abx_functions::http::HttpFunction;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use std::time::Duration;

const BULK: &str = "/ofrep/v1/evaluate/flags";

fn single(key: &str) -> String {
    format!("{BULK}/{key}")
}

fn context(plan: &str) -> Value {
    json!({"context": {"targetingKey": "u", "plan": plan}})
}

async fn bulk(world: &World, body: &Value, etag: Option<&str>) -> Answer {
    let mut request = Request::post(BULK);
    if let Some(etag) = etag {
        request = request.header("if-none-match", etag);
    }
    world.send(request.body(Body::from(body.to_string())).unwrap()).await
}

fn etag(answer: &Answer) -> String {
    answer.headers["etag"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn one_flag_is_evaluated() {
    let world = World::of(documents()).await;
    let answer = world.post_json(&single("pro"), context("pro")).await.ok();
    assert_eq!(
        answer,
        json!({"key": "pro", "reason": "TARGETING_MATCH", "variant": "on", "value": true,
            "metadata": {"revision": 1, "abxReason": "enabled"}})
    );
    let layout = world.post_json(&single("layout"), context("pro")).await.ok();
    assert_eq!(layout["reason"], "SPLIT");
    assert_eq!(layout["metadata"]["experiment"], "e");
    assert_eq!(layout["metadata"]["rule"], "test");
    let by_attribute = json!({"context": {"user_id": "u"}});
    assert!(world.post_json(&single("half"), by_attribute).await.ok()["value"].is_boolean());
}

#[tokio::test]
async fn refusals_have_the_words_of_the_protocol() {
    let world = World::of(documents()).await;
    for (key, body, status, code) in [
        ("nothing", r#"{"context": {}}"#, 404, "FLAG_NOT_FOUND"),
        ("half", r#"{"context": {}}"#, 400, "TARGETING_KEY_MISSING"),
        ("half", r#"{"context": {"targetingKey": " "}}"#, 400, "TARGETING_KEY_MISSING"),
        ("layout", r#"{"context": {}}"#, 400, "TARGETING_KEY_MISSING"),
        ("layout", r#"{"context": {"user_id": ""}}"#, 400, "TARGETING_KEY_MISSING"),
        ("half", "{}", 400, "INVALID_CONTEXT"),
        ("half", r#"{"context": null}"#, 400, "INVALID_CONTEXT"),
        ("half", r#"{"context": {"targetingKey": 7.5}}"#, 400, "INVALID_CONTEXT"),
        ("half", r#"{"context": {"targetingKey": true}}"#, 400, "INVALID_CONTEXT"),
        ("half", r#"{"context": {"plan": "a", "plan": "b"}}"#, 400, "INVALID_CONTEXT"),
        ("half", r#"{"context": []}"#, 400, "INVALID_CONTEXT"),
        ("half", r#"{"context": {"a": {"b": {"c": {"d": {"e": 1}}}}}}"#, 400, "INVALID_CONTEXT"),
        ("half", "", 400, "PARSE_ERROR"),
        ("half", "[]", 400, "PARSE_ERROR"),
        ("half", r#"{"context": "#, 400, "PARSE_ERROR"),
    ] {
        let answer = world.post(&single(key), body).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {answer:?}");
        assert_eq!(answer.json["errorCode"], code, "{body}");
        assert_eq!(answer.json["key"], key);
        assert!(answer.json["errorDetails"].is_string());
        if status == 400 && code != "TARGETING_KEY_MISSING" {
            let answer = world.post(BULK, body).await;
            assert_eq!((answer.status.as_u16(), &answer.json["errorCode"]), (400, &json!(code)));
        }
    }
}

#[tokio::test]
async fn all_are_evaluated_and_one_that_cannot_be_takes_no_other_down() {
    let world = World::of(documents()).await;
    let answer = bulk(&world, &json!({"context": {}}), None).await.ok();
    let flags = answer["flags"].as_array().unwrap();
    assert_eq!(flags.len(), 5);
    for drawn in [2, 4] {
        assert_eq!(
            flags[drawn]["errorCode"], "TARGETING_KEY_MISSING",
            "a rollout as the experiment of a rule"
        );
    }
    assert_eq!(flags[0]["value"], true);
    assert_eq!(answer["metadata"]["revision"], 1);
}

#[tokio::test]
async fn numbers_of_one_flag_have_one_kind() {
    let variants = json!([{"key": "low", "value": 0.5}, {"key": "high", "value": 1}]);
    let flag = json!({"flag": "rate", "enabled": true, "default_variant": "high", "variants": variants,
        "rules": [{"serve": "high"}]});
    let world = World::of([flag]).await;
    let text = async |path: &str, body: &str| {
        let [_, flags] = world.routers();
        let request = Request::post(path).body(Body::from(body.to_owned())).unwrap();
        let body = tower::ServiceExt::oneshot(flags, request).await.unwrap().into_body();
        String::from_utf8(axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap()
    };
    let context = r#"{"context": {"targetingKey": "u"}}"#;
    let direct = world.flags.handle_direct(br#"{"flag_key": "rate"}"#, "id").await.body;
    for answer in [
        text(&single("rate"), context).await,
        text(BULK, context).await,
        text("/flags/rate", "{}").await,
        text("/flags", "{}").await,
        direct,
    ] {
        assert!(answer.contains(r#""value":1.0"#), "{answer}");
    }
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let world = World::of(documents()).await;
    let first = bulk(&world, &context("pro"), None).await;
    let tag = etag(&first);
    for header in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let again = bulk(&world, &context("pro"), Some(&header)).await;
        assert_eq!(again.status, 304, "{header}");
        assert_eq!(etag(&again), tag);
        assert_eq!(again.json, Value::Null, "no body");
        assert!(!again.headers.contains_key("content-type"));
    }
    let other = bulk(&world, &context("free"), Some(&tag)).await;
    assert_eq!(other.status, 200, "another context");
    let mut documents = documents();
    documents.push(json!({"flag": "new", "enabled": true}));
    world.publish(documents).await;
    let later = bulk(&world, &context("pro"), Some(&tag)).await;
    assert_eq!(later.status, 200, "another catalog");
    assert_ne!(etag(&later), tag);
}

#[tokio::test]
async fn a_flag_that_looks_at_the_time_is_sent_again_when_it_changes() {
    let moment = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(400);
    let rule = json!([{"operator": "after", "value": moment.to_string()}]);
    let world = World::of([json!({"flag": "later", "enabled": true, "targeting_rules": rule})]).await;
    let before = bulk(&world, &context("pro"), None).await;
    assert_eq!(before.json["flags"][0]["value"], false);
    assert_eq!(bulk(&world, &context("pro"), Some(&etag(&before))).await.status, 304);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let after = bulk(&world, &context("pro"), Some(&etag(&before))).await;
    assert_eq!((after.status.as_u16(), &after.json["flags"][0]["value"]), (200, &json!(true)));
}
