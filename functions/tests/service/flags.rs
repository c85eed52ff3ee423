//! Flags in our own words.

use crate::world::{World, experiment};
use abx_functions::http::HttpFunction;
use serde_json::{Value, json};

pub(crate) fn documents() -> Vec<Value> {
    vec![
        json!({"flag": "on", "enabled": true}),
        json!({"flag": "off", "enabled": false}),
        json!({"flag": "half", "enabled": true, "rollout_percentage": 50}),
        json!({"flag": "pro", "enabled": true,
            "targeting_rules": [{"attribute": "plan", "operator": "equals", "value": "pro"}]}),
        json!({"flag": "layout", "enabled": true, "default_variant": "control",
            "variants": [{"key": "control", "value": {"columns": 2}}, {"key": "treatment", "value": {"columns": 3}}],
            "rules": [{"name": "test", "experiment": "e"}]}),
        experiment("e", &json!({})),
    ]
}

#[tokio::test]
async fn a_flag_gives_its_variant_and_why() {
    let world = World::of(documents()).await;
    for (path, value, reason) in [
        ("/flags/on", true, "enabled"),
        ("/flags/off?user_id=u", false, "flag_disabled"),
        ("/flags/pro?user_id=u&context.plan=free", false, "targeting_rules_not_met"),
        ("/flags/pro?user_id=u&context.plan=pro", true, "enabled"),
    ] {
        let answer = world.get(path).await.ok();
        assert_eq!((&answer["value"], &answer["reason"]), (&json!(value), &json!(reason)), "{answer}");
        assert_eq!(answer["revision"], 1);
    }
    let answer =
        world.post_json("/flags/pro", json!({"user_id": "u", "context": {"plan": "pro"}})).await.ok();
    assert_eq!((&answer["value"], &answer["open_feature_reason"]), (&json!(true), &json!("TARGETING_MATCH")));
    let layout = world.get("/flags/layout?user_id=u").await.ok();
    assert_eq!(layout["experiment"]["experiment_key"], "e");
    assert_eq!(layout["rule"], "test");
    let assigned = world.get("/assign?user_id=u&experiment_key=e").await.ok();
    assert_eq!(layout["variant"], assigned["variant"]);
}

#[tokio::test]
async fn without_a_unit_a_share_gives_the_default() {
    let world = World::of(documents()).await;
    let answer = world.get("/flags/half").await.ok();
    assert_eq!((&answer["value"], &answer["reason"]), (&json!(false), &json!("unit_missing")));
}

#[tokio::test]
async fn several_come_at_once() {
    let world = World::of(documents()).await;
    let all = world.post_json("/flags", json!({"user_id": "u"})).await.ok();
    let keys: Vec<&str> =
        all["flags"].as_array().unwrap().iter().map(|flag| flag["flag_key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["on", "off", "half", "pro", "layout"]);
    let some = json!({"user_id": "u", "flag_keys": ["pro", "nothing", "on"]});
    let some = world.post_json("/flags", some).await.ok();
    assert_eq!(some["flags"].as_array().unwrap().len(), 2);
    assert_eq!(some["not_found"], json!(["nothing"]));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = World::of(documents()).await;
    world.get("/flags/nothing").await.refused(404, "flag_not_found");
    let named = json!({"flag_key": "off", "user_id": "u"});
    world.post_json("/flags/on", named).await.refused(400, "invalid_request");
    World::of([]).await.get("/flags/on").await.refused(503, "catalog_unavailable");
}

#[tokio::test]
async fn a_direct_payload_names_one_flag_or_several() {
    let world = World::of(documents()).await;
    let direct = async |payload: Value| {
        let answer = world.flags.handle_direct(payload.to_string().as_bytes(), "id").await;
        (answer.status_code, serde_json::from_str::<Value>(&answer.body).unwrap())
    };
    let (status, one) = direct(json!({"user_id": "u", "flag_key": "on", "context": {}})).await;
    assert_eq!((status, &one["value"]), (200, &json!(true)));
    let (_, all) = direct(json!({"user_id": "u", "flag_keys": null})).await;
    assert_eq!(all["flags"].as_array().unwrap().len(), 5);
    let (status, none) = direct(json!({"user_id": "u"})).await;
    assert_eq!((status, &none["error"]["code"]), (400, &json!("invalid_request")));
}
