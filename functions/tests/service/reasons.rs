//! Every reason that an experiment has, as a caller sees it.

use crate::world::{World, experiment};
use abx_functions::http::HttpFunction;
use serde_json::{Value, json};

async fn world() -> World {
    let shared = json!({"catalog": {
        "layers": [{"key": "page", "slots": [
            {"experiment": "layered", "ranges": [[0, 1]]}, {"experiment": "neighbour", "ranges": [[1, 1_000_000]]},
        ]}],
        "holdouts": [{"key": "all_held", "allocation": 1, "experiments": ["held"]}],
    }});
    let rule = json!([{"attribute": "plan", "operator": "equals", "value": "pro"}]);
    World::of([
        shared,
        experiment("plain", &json!({})),
        experiment("draft", &json!({"status": "draft"})),
        experiment("paused", &json!({"status": "paused"})),
        experiment("won", &json!({"status": "completed", "winner": "treatment"})),
        experiment("overridden", &json!({"overrides": {"u": "treatment"}})),
        experiment("held", &json!({})),
        experiment("layered", &json!({"layer": "page"})),
        experiment("neighbour", &json!({"layer": "page"})),
        experiment("targeted", &json!({"targeting_rules": rule})),
        experiment("nobody", &json!({"traffic_allocation": 0})),
        experiment("by_account", &json!({"unit": "account_id"})),
    ])
    .await
}

async fn ask(world: &World, key: &str) -> Value {
    world.get(&format!("/assign?user_id=u&experiment_key={key}")).await.ok()
}

#[tokio::test]
async fn each_reason_says_who_takes_part() {
    let world = world().await;
    for (key, reason, variant, takes_part) in [
        ("plain", "assigned", true, true),
        ("plain", "pinned", true, true),
        ("draft", "not_active", false, false),
        ("paused", "not_active", false, false),
        ("won", "winner", true, false),
        ("overridden", "override", true, false),
        ("held", "holdout", false, false),
        ("layered", "other_in_layer", false, false),
        ("targeted", "targeting", false, false),
        ("nobody", "traffic", false, false),
    ] {
        let answer = ask(&world, key).await;
        assert_eq!(answer["reason"], reason, "{answer}");
        assert_eq!(answer["variant"].is_string(), variant, "{answer}");
        assert_eq!(answer["payload"].is_object(), variant, "{answer}");
        assert_eq!(answer["in_experiment"], takes_part, "{answer}");
        assert_eq!(answer["assignment_id"].is_string(), takes_part, "{answer}");
        assert_eq!(answer["assigned_at"].is_string(), takes_part, "{answer}");
        assert_eq!(answer["persisted"], takes_part, "{answer}");
        assert_eq!(answer["user_id"], "u");
        assert_eq!(answer["experiment_key"], key);
        assert_eq!((&answer["epoch"], &answer["revision"]), (&json!(1), &json!(1)));
    }
}

#[tokio::test]
async fn a_context_may_come_in_the_url_and_in_the_body() {
    let world = world().await;
    assert_eq!(ask(&world, "targeted").await["reason"], "targeting");
    let path = "/assign?user_id=u&experiment_key=targeted&context.plan=pro";
    assert_eq!(world.get(path).await.ok()["reason"], "assigned");
    let body = json!({"user_id": "v", "experiment_key": "targeted", "context": {"plan": "pro"}});
    assert_eq!(world.post_json("/assign", body).await.ok()["reason"], "assigned");
}

#[tokio::test]
async fn another_attribute_may_be_the_unit() {
    let world = world().await;
    world.get("/assign?user_id=u&experiment_key=by_account").await.refused(400, "unit_missing");
    let body = |user: &str| {
        let context = json!({"account_id": 42});
        json!({"user_id": user, "experiment_key": "by_account", "context": context})
    };
    let first = world.post_json("/assign", body("u")).await.ok();
    assert_eq!((&first["unit"], &first["user_id"]), (&json!("42"), &json!("u")));
    let in_url = world.get("/assign?experiment_key=by_account&context.account_id=42&peek=true").await.ok();
    assert_eq!((&in_url["unit"], &in_url["reason"]), (&json!("42"), &json!("pinned")));
    let second = world.post_json("/assign", body("v")).await.ok();
    assert_eq!(second["reason"], "pinned", "the account is assigned, not the user");
    assert_eq!(second["assignment_id"], first["assignment_id"]);
}

#[tokio::test]
async fn the_catalog_may_lack_what_is_asked_for_or_everything() {
    let world = world().await;
    world.get("/assign?user_id=u&experiment_key=unknown").await.refused(404, "experiment_not_found");
    world.get("/assign?user_id=%20&experiment_key=plain").await.refused(400, "unit_missing");
    let empty = World::of([]).await;
    let answer = empty.get("/assign?user_id=u&experiment_key=plain").await;
    answer.refused(503, "catalog_unavailable");
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(empty.get("/health").await.status, 503);
    let health = world.get("/health").await.ok();
    assert_eq!((&health["status"], &health["revision"]), (&json!("ok"), &json!(1)));
}

#[tokio::test]
async fn a_direct_payload_is_answered_as_a_request() {
    let world = world().await;
    let payload = json!({"user_id": "u", "experiment_key": "plain"}).to_string();
    let answer = world.assignment.handle_direct(payload.as_bytes(), "id-1").await;
    assert_eq!(answer.status_code, 200);
    assert_eq!(answer.headers["content-type"], "application/json");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["reason"], "assigned");
    let answer = world.assignment.handle_direct(b"[]", "id-2").await;
    assert_eq!(answer.status_code, 400);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["error"]["request_id"], "id-2");
}
