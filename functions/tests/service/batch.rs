//! Some or all experiments for one unit.

use crate::world::{World, experiment};
use abx_functions::http::HttpFunction;
use abx_functions::ports::AssignmentStore;
use serde_json::{Value, json};
use std::sync::atomic::Ordering::SeqCst;

async fn world() -> World {
    let mut documents: Vec<Value> = (0..5).map(|n| experiment(&format!("e{n}"), &json!({}))).collect();
    documents.push(experiment("secret", &json!({"status": "draft"})));
    documents.push(experiment("by_account", &json!({"unit": "account_id"})));
    World::of(documents).await
}

fn keys(answers: &Value) -> Vec<&str> {
    answers.as_array().unwrap().iter().map(|it| it["experiment_key"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn all_are_answered_but_drafts() {
    let world = world().await;
    let answer = world.post_json("/assign/batch", json!({"user_id": "u"})).await.ok();
    assert_eq!(keys(&answer["assignments"]), ["e0", "e1", "e2", "e3", "e4"]);
    assert_eq!(keys(&answer["errors"]), ["by_account"]);
    assert_eq!(answer["errors"][0]["code"], "unit_missing");
    assert_eq!((&answer["user_id"], &answer["revision"]), (&json!("u"), &json!(1)));
}

#[tokio::test]
async fn some_are_answered_in_the_order_asked_and_as_one_by_one() {
    let world = world().await;
    let body = json!({"user_id": "u", "context": {"account_id": 7},
        "experiment_keys": ["e3", "nothing", "secret", "by_account", "e1", "e3"]});
    let batch = world.post_json("/assign/batch", body.clone()).await.ok();
    assert_eq!(keys(&batch["assignments"]), ["e3", "secret", "by_account", "e1"]);
    assert_eq!(batch["assignments"][2]["unit"], "7");
    assert_eq!(keys(&batch["errors"]), ["nothing"]);
    assert_eq!(batch["errors"][0]["code"], "experiment_not_found");
    let twin = world.twin().await;
    for answer in batch["assignments"].as_array().unwrap() {
        let one =
            json!({"user_id": "u", "context": {"account_id": 7}, "experiment_key": answer["experiment_key"]});
        let one = twin.post_json("/assign", one).await.ok();
        assert_eq!(one["variant"], answer["variant"]);
        assert_eq!(one["assignment_id"], answer["assignment_id"]);
    }
    let again = twin.post_json("/assign/batch", body).await.ok();
    let reasons: Vec<&Value> =
        again["assignments"].as_array().unwrap().iter().map(|it| &it["reason"]).collect();
    assert_eq!(reasons, ["pinned", "not_active", "pinned", "pinned"]);
}

#[tokio::test]
async fn one_read_and_one_write_for_each_new_one() {
    let world = world().await;
    let body = || json!({"user_id": "u", "experiment_keys": ["e0", "e1", "e2"]});
    world.post_json("/assign/batch", body()).await.ok();
    assert_eq!(world.store.calls.swap(0, SeqCst), 4);
    world.post_json("/assign/batch", body()).await.ok();
    assert_eq!(world.store.calls.load(SeqCst), 0, "the process knows them");
    let twin = world.twin().await;
    let all = json!({"user_id": "u", "experiment_keys": ["e0", "e1", "e2", "e3"]});
    twin.post_json("/assign/batch", all).await.ok();
    assert_eq!(world.store.calls.load(SeqCst), 2, "one read, and one new");
}

#[tokio::test]
async fn a_direct_payload_is_a_batch_if_it_says_so() {
    let world = world().await;
    let direct = async |payload: Value| {
        let answer = world.assignment.handle_direct(payload.to_string().as_bytes(), "id").await;
        (answer.status_code, serde_json::from_str::<Value>(&answer.body).unwrap())
    };
    let (_, some) = direct(json!({"user_id": "u", "experiment_keys": ["e0"]})).await;
    assert_eq!(keys(&some["assignments"]), ["e0"]);
    let (_, all) = direct(json!({"user_id": "u", "experiment_keys": null})).await;
    assert_eq!(all["assignments"].as_array().unwrap().len(), 5);
    let (_, without) = direct(json!({"user_id": "u"})).await;
    assert_eq!(keys(&without["assignments"]), keys(&all["assignments"]));
}

#[tokio::test]
async fn without_an_experiment_all_are_assigned_and_none_is_exposed() {
    let world = world().await;
    for path in ["/assign", "/assign/batch"] {
        let answer = world.post_json(path, json!({"user_id": path})).await.ok();
        assert_eq!(keys(&answer["assignments"]), ["e0", "e1", "e2", "e3", "e4"], "{path}");
        assert_eq!(answer["errors"][0]["code"], "unit_missing", "{path}");
        assert!(answer["assignments"].as_array().unwrap().iter().all(|it| it["persisted"] == true));
    }
    world
        .post_json("/assign", json!({"user_id": "null", "experiment_keys": null, "expose": null}))
        .await
        .ok();
    world.post_json("/assign", json!({"user_id": "peeks", "peek": true, "expose": true})).await.ok();
    world
        .post_json("/assign", json!({"user_id": "quiet", "experiment_keys": ["e0"], "expose": false}))
        .await
        .ok();
    world.assignment.base().outbox().flush().await;
    assert_eq!(world.stream.take(), Vec::<Value>::new(), "the unit may never see them");
    assert!(world.store.store.get("peeks", "e0").await.unwrap().is_none());

    world.post_json("/assign", json!({"user_id": "u", "expose": true})).await.ok();
    world.post_json("/assign", json!({"user_id": "u", "experiment_keys": ["e0", "e1"]})).await.ok();
    world.post_json("/assign/batch", json!({"user_id": "v", "experiment_keys": ["e0", "e1"]})).await.ok();
    world.assignment.base().outbox().flush().await;
    let exposed = world.stream.take();
    let of = |unit: &str| exposed.iter().filter(|event| event["unit"] == unit).count();
    assert_eq!((of("u"), of("v")), (5, 2), "asked for, or named: {exposed:?}");
}

#[tokio::test]
async fn one_experiment_and_several_are_not_asked_for_at_once() {
    let world = world().await;
    let body = json!({"user_id": "u", "experiment_key": "e0", "experiment_keys": ["e1"]});
    world.post_json("/assign", body).await.refused(400, "invalid_request");
    world
        .post_json("/assign", json!({"user_id": "u", "experiment_key": null}))
        .await
        .refused(400, "invalid_request");
    world.get("/assign?user_id=u").await.refused(400, "invalid_request");
    for path in ["/assign", "/assign/batch"] {
        world.post_json(path, json!({"peek": true})).await.refused(400, "invalid_request");
        world.post_json(path, json!({"context": {"account_id": 7}})).await.ok();
    }
}
