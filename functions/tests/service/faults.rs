//! A store that is slow, busy or away costs a caller nothing but `persisted`.

use crate::world::{Mood, World, experiment};
use abx_functions::http::HttpFunction;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn ask(unit: &str) -> Value {
    json!({"user_id": unit, "experiment_key": "e"})
}

#[tokio::test]
async fn a_store_that_fails_or_is_silent_is_done_without() {
    let world = World::of([experiment("e", &json!({}))]).await;
    world.post_json("/assign", ask("known")).await.ok();
    for (mood, unit) in [(Mood::Failing, "u"), (Mood::Silent, "v")] {
        let peek = json!({"user_id": unit, "experiment_key": "e", "peek": true});
        let well = world.post_json("/assign", peek).await.ok();
        let twin = world.twin().await;
        world.store.set(mood);
        let start = Instant::now();
        let answer = twin.post_json("/assign", ask(unit)).await.ok();
        let took = start.elapsed();
        assert!(took < Duration::from_millis(150), "{mood:?} took {took:?}");
        assert_eq!((&answer["reason"], &answer["persisted"]), (&json!("assigned"), &json!(false)));
        assert_eq!(answer["variant"], well["variant"], "the same as with the store");
        assert_eq!(answer["assignment_id"], well["assignment_id"]);
        assert!(twin.log.text().contains("store_fallback"));
        let known = world.post_json("/assign", ask("known")).await.ok();
        assert_eq!((&known["reason"], &known["persisted"]), (&json!("pinned"), &json!(true)));
        world.store.set(Mood::Well);
        let answer = twin.post_json("/assign", ask(unit)).await.ok();
        assert_eq!(answer["persisted"], true, "a failure is not remembered");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_budget() {
    let experiments: Vec<Value> = (0..20).map(|n| experiment(&format!("e{n}"), &json!({}))).collect();
    let world = World::of(experiments).await;
    world.store.set(Mood::Silent);
    let start = tokio::time::Instant::now();
    let answer = world.post_json("/assign/batch", json!({"user_id": "u"})).await.ok();
    assert!(start.elapsed() < Duration::from_millis(50), "{:?}", start.elapsed());
    let assignments = answer["assignments"].as_array().unwrap();
    assert_eq!(assignments.len(), 20);
    assert!(assignments.iter().all(|it| it["persisted"] == false && it["variant"].is_string()));
}

#[tokio::test]
async fn a_fault_that_lasts_is_logged_once_and_counted_each_time() {
    let world = World::of([experiment("e", &json!({}))]).await;
    world.post_json("/assign", ask("first")).await.ok();
    world.store.set(Mood::Failing);
    for unit in 0..50 {
        world.post_json("/assign", ask(&format!("u{unit}"))).await.ok();
    }
    let log = world.log.text();
    assert_eq!(log.matches("\"event\":\"store_fallback\"").count(), 1);
    world.assignment.base().telemetry().flush();
    assert!(world.log.text().contains("\"StoreFallbacks\":50"));
    assert!(!world.log.text().contains("u49"), "no unit is written");
}
