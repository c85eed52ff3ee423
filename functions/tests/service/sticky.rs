//! Once assigned, a unit stays where it is, until the epoch or the assignment ends.

use crate::world::{World, all_in, at, experiment};
use abx_functions::http::HttpFunction;
use abx_functions::ports::{AssignmentStore, StoredAssignment};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

const DAY: i64 = 86_400;

fn ask(key: &str) -> Value {
    json!({"user_id": "u", "experiment_key": key})
}

#[tokio::test]
async fn an_assignment_outlives_a_change_of_shares_of_traffic_and_of_targeting() {
    let world = World::of([all_in("e", "control", &json!({}))]).await;
    let first = world.assign(ask("e"), 0).await;
    assert_eq!((&first["reason"], &first["variant"]), (&json!("assigned"), &json!("control")));
    let rule = json!([{"attribute": "plan", "operator": "equals", "value": "pro"}]);
    for change in [
        json!({}),
        json!({"traffic_allocation": 0}),
        json!({"targeting_rules": rule}),
        json!({"status": "paused"}),
    ] {
        world.publish([all_in("e", "treatment", &change)]).await;
        for process in [&world, &world.twin().await] {
            let later = process.assign(ask("e"), 60).await;
            assert_eq!(
                (&later["reason"], &later["variant"]),
                (&json!("pinned"), &json!("control")),
                "{change}"
            );
            assert_eq!(later["assignment_id"], first["assignment_id"]);
            assert_eq!(later["assigned_at"], first["assigned_at"]);
            assert_eq!(later["persisted"], true);
        }
    }
}

#[tokio::test]
async fn a_new_epoch_assigns_anew() {
    let world = World::of([all_in("e", "control", &json!({}))]).await;
    let first = world.assign(ask("e"), 0).await;
    world.publish([all_in("e", "treatment", &json!({"epoch": 2}))]).await;
    let second = world.assign(ask("e"), 60).await;
    assert_eq!((&second["reason"], &second["variant"]), (&json!("assigned"), &json!("treatment")));
    assert_eq!((&second["epoch"], &second["persisted"]), (&json!(2), &json!(true)));
    assert_ne!(second["assignment_id"], first["assignment_id"]);
}

#[tokio::test]
async fn a_process_with_an_older_catalog_answers_and_takes_nothing_back() {
    let world = World::of([all_in("e", "control", &json!({}))]).await;
    let old = world.twin().await;
    world.publish([all_in("e", "treatment", &json!({"epoch": 2}))]).await;
    world.assign(ask("e"), 0).await;
    let answer = old.assign(ask("e"), 1).await;
    assert_eq!((&answer["variant"], &answer["persisted"]), (&json!("control"), &json!(false)));
    assert_eq!(world.twin().await.assign(ask("e"), 2).await["reason"], "pinned");
}

#[tokio::test]
async fn an_assignment_ends_also_in_the_memory_of_a_process() {
    let world = World::of([all_in("e", "control", &json!({}))]).await;
    world.assign(ask("e"), 0).await;
    world.publish([all_in("e", "treatment", &json!({}))]).await;
    assert_eq!(world.assign(ask("e"), 90 * DAY - 1).await["variant"], "control");
    let later = world.assign(ask("e"), 90 * DAY).await;
    assert_eq!((&later["reason"], &later["variant"]), (&json!("assigned"), &json!("treatment")));
    assert_eq!(world.twin().await.assign(ask("e"), 90 * DAY).await["variant"], "treatment");
}

#[tokio::test]
async fn what_has_ended_is_not_read_and_a_clock_behind_ends_nothing() {
    let world = World::of([all_in("e", "treatment", &json!({"traffic_allocation": 0}))]).await;
    let stored = StoredAssignment {
        user_id: "u".into(),
        experiment_key: "e".into(),
        variant: "control".into(),
        assignment_id: "x".into(),
        epoch: 1,
        revision: 1,
        assigned_at: at(1_000_000),
        context: None,
        ttl: 1_000_000 + DAY,
    };
    world.store.store.put_if_absent(&stored, 1_000_000).await.unwrap();
    for (seconds, reason) in [(0, "pinned"), (1_000_000 + DAY - 1, "pinned"), (1_000_000 + DAY, "traffic")] {
        assert_eq!(world.twin().await.assign(ask("e"), seconds).await["reason"], reason, "at {seconds}");
    }
}

#[tokio::test]
async fn a_variant_that_is_gone_is_decided_anew() {
    let world = World::of([all_in("e", "control", &json!({}))]).await;
    world.assign(ask("e"), 0).await;
    let variants = json!([{"key": "treatment", "allocation": 0.5}, {"key": "other", "allocation": 0.5}]);
    world.publish([experiment("e", &json!({"variants": variants}))]).await;
    let answer = world.assign(ask("e"), 1).await;
    assert_eq!((&answer["reason"], &answer["persisted"]), (&json!("assigned"), &json!(false)));
    assert_ne!(answer["variant"], "control");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_race_converge() {
    let old = World::of([all_in("e", "control", &json!({}))]).await;
    let old_twin = old.twin().await;
    // The configuration changes between them.
    old.publish([all_in("e", "treatment", &json!({}))]).await;
    let mut processes = vec![old_twin];
    for _ in 0..7 {
        processes.push(old.twin().await);
    }
    let processes: Vec<_> = processes.into_iter().map(Arc::new).collect();
    for unit in 0..50 {
        let request = json!({"user_id": format!("u{unit}"), "experiment_key": "e"});
        // No two ask in the very same moment: the store takes such a call for a repeated one.
        let racers = processes.iter().zip(0..).map(|(process, second)| {
            let (process, request) = (Arc::clone(process), request.clone());
            tokio::spawn(async move { process.assign(request, second).await })
        });
        let mut answers = Vec::new();
        for racer in racers.collect::<Vec<_>>() {
            answers.push(racer.await.unwrap());
        }
        for answer in &answers {
            assert_eq!(answer["variant"], answers[0]["variant"]);
            assert_eq!(answer["assignment_id"], answers[0]["assignment_id"]);
            assert_eq!(answer["persisted"], true);
        }
        assert_eq!(answers.iter().filter(|answer| answer["reason"] == "assigned").count(), 1);
    }
}

#[tokio::test]
async fn who_peeks_is_not_enrolled_and_sees_what_is() {
    let world = World::of([all_in("e", "control", &json!({}))]).await;
    let peek = || json!({"user_id": "u", "experiment_key": "e", "peek": true});
    let before = world.assign(peek(), 0).await;
    assert_eq!((&before["reason"], &before["variant"]), (&json!("assigned"), &json!("control")));
    assert_eq!(before["persisted"], false);
    assert_eq!(world.store.store.get("u", "e").await.unwrap(), None);
    assert_eq!(world.assignment.base().outbox().waiting(), 0);
    assert_eq!(
        world.assign(ask("e"), 1).await["persisted"],
        true,
        "what is known to be absent is stored all the same"
    );
    let after = world.twin().await.assign(peek(), 2).await;
    assert_eq!((&after["reason"], &after["persisted"]), (&json!("pinned"), &json!(true)));
    let by_url = world.get("/assign?user_id=w&experiment_key=e&peek=true").await.ok();
    assert_eq!(by_url["persisted"], false);
}

#[tokio::test]
async fn the_store_is_asked_once_for_each_unit_and_never_for_nothing() {
    let rule = json!([{"attribute": "plan", "operator": "equals", "value": "pro"}]);
    let world = World::of([
        experiment("e", &json!({})),
        experiment("targeted", &json!({"targeting_rules": rule})),
        experiment("draft", &json!({"status": "draft"})),
        experiment("overridden", &json!({"overrides": {"u": "control"}})),
    ])
    .await;
    for (key, calls) in [("e", 1), ("targeted", 1), ("draft", 0), ("overridden", 0)] {
        world.store.calls.store(0, SeqCst);
        for _ in 0..10 {
            world.assign(ask(key), 0).await;
        }
        assert_eq!(world.store.calls.load(SeqCst), calls, "{key}");
    }
    world.store.calls.store(0, SeqCst);
    world.assign(ask("targeted"), 61).await;
    assert_eq!(world.store.calls.load(SeqCst), 1, "another process may have assigned it meanwhile");
}

/// Most of the units that one of many processes does not know were assigned by another: a read finds them, where a refused write costs
/// ten times as much. New ones are written at once again.
#[tokio::test]
async fn units_that_other_processes_assigned_are_read_and_not_written() {
    let world = World::of([experiment("e", &json!({}))]).await;
    let twin = world.twin().await;
    let calls = || (world.store.calls.swap(0, SeqCst), world.store.puts.swap(0, SeqCst));
    let ask = |unit: String| json!({"user_id": unit, "experiment_key": "e"});
    for unit in 0..500 {
        world.assign(ask(format!("u{unit}")), 0).await;
    }
    assert_eq!(calls(), (500, 500), "new ones are not read");
    for unit in 0..500 {
        let answer = twin.assign(ask(format!("u{unit}")), 1).await;
        assert_eq!((&answer["reason"], &answer["persisted"]), (&json!("pinned"), &json!(true)));
    }
    assert_eq!(calls(), (500, 4), "the first few were written in vain");
    for unit in 0..500 {
        let answer = twin.assign(ask(format!("v{unit}")), 1).await;
        assert_eq!((&answer["reason"], &answer["persisted"]), (&json!("assigned"), &json!(true)));
    }
    assert_eq!(calls(), (500 + 73, 500), "and the first few of these were read in vain");
}

#[tokio::test]
async fn a_unit_that_peeked_is_not_read_again_before_it_is_stored() {
    let world = World::of([experiment("e", &json!({}))]).await;
    let twin = world.twin().await;
    for unit in 0..10 {
        world.assign(json!({"user_id": format!("u{unit}"), "experiment_key": "e"}), 0).await;
        twin.assign(json!({"user_id": format!("u{unit}"), "experiment_key": "e"}), 1).await;
    }
    twin.assign(json!({"user_id": "new", "experiment_key": "e", "peek": true}), 1).await;
    world.store.calls.store(0, SeqCst);
    assert_eq!(twin.assign(json!({"user_id": "new", "experiment_key": "e"}), 2).await["persisted"], true);
    assert_eq!(world.store.calls.load(SeqCst), 1);
}
