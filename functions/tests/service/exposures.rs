//! Events that go to the stream, and events that are lost.

use crate::world::{Mood, Setup, World, experiment};
use abx_functions::http::HttpFunction;
use abx_functions::settings::{Evaluations, Exposures};
use serde_json::{Value, json};

async fn world(exposures: Exposures) -> World {
    with(exposures, Evaluations::Summary).await
}

async fn with(exposures: Exposures, evaluations: Evaluations) -> World {
    let flag = json!({"flag": "f", "enabled": true, "variants": [
            {"key": "control", "value": "a"}, {"key": "treatment", "value": "b"}],
        "rules": [{"name": "test", "experiment": "e"}], "default_variant": "control"});
    let documents = vec![experiment("e", &json!({"overrides": {"tester": "control"}})), flag];
    World::new(Setup { documents, exposures, evaluations, ..Setup::default() }).await
}

fn ask(unit: &str) -> Value {
    json!({"user_id": unit, "experiment_key": "e"})
}

#[tokio::test]
async fn an_exposure_says_who_saw_what() {
    let world = world(Exposures::After).await;
    let answer = world.post_json("/assign", ask("u")).await.ok();
    assert!(world.stream.take().is_empty(), "it waits for the response");
    world.assignment.base().outbox().flush().await;
    assert_eq!(world.stream.keys(), ["u"]);
    let [event] = &world.stream.take()[..] else { panic!("one event") };
    assert_eq!(event["type"], "exposure");
    for name in ["variant", "revision", "epoch"] {
        assert_eq!(event[name], answer[name], "{name}");
    }
    assert_eq!((&event["experiment"], &event["unit"]), (&json!("e"), &json!("u")));
    assert_eq!(event["event_id"].as_str().unwrap().len(), 32);
    let twin = world.twin().await;
    twin.post_json("/assign", ask("u")).await.ok();
    twin.assignment.base().outbox().flush().await;
    assert_eq!(twin.stream.take()[0]["event_id"], event["event_id"], "the same in every process");
}

#[tokio::test]
async fn only_who_takes_part_is_exposed_and_once() {
    let world = world(Exposures::After).await;
    for _ in 0..3 {
        world.post_json("/assign", ask("u")).await.ok();
        world.post_json("/assign", ask("tester")).await.ok();
        let quiet = json!({"user_id": "v", "experiment_key": "e", "expose": false});
        world.post_json("/assign", quiet).await.ok();
    }
    assert_eq!(world.assignment.base().outbox().waiting(), 1);
}

#[tokio::test]
async fn sync_sends_before_the_response_and_off_never() {
    let sync = world(Exposures::Sync).await;
    sync.post_json("/assign", ask("u")).await.ok();
    assert_eq!(sync.stream.take().len(), 1);
    let off = world(Exposures::Off).await;
    off.post_json("/assign", ask("u")).await.ok();
    off.post_json("/flags/f", json!({"user_id": "u"})).await.ok();
    assert_eq!(off.assignment.base().outbox().waiting() + off.flags.base().outbox().waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_away_for_a_while_loses_nothing() {
    let world = world(Exposures::Sync).await;
    world.stream.set(Mood::Failing);
    world.post_json("/assign", ask("u")).await.ok();
    world.post_json("/assign", ask("v")).await.ok();
    assert_eq!(world.assignment.base().outbox().waiting(), 2, "the stream is left alone for a second");
    world.stream.set(Mood::Well);
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    world.post_json("/assign", ask("w")).await.ok();
    assert_eq!(world.stream.take().len(), 3);
    assert_eq!(world.assignment.base().outbox().waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_is_counted_exactly() {
    let world = world(Exposures::After).await;
    for unit in 0..10_050 {
        world.assign(ask(&format!("u{unit}")), 0).await;
    }
    assert_eq!(world.assignment.base().outbox().waiting(), 10_000);
    world.stream.set(Mood::Failing);
    world.assignment.base().outbox().close().await;
    assert_eq!(world.assignment.base().outbox().waiting(), 0);
    world.assignment.base().telemetry().flush();
    let log = world.log.text();
    let lost: Vec<u64> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter_map(|line| line["EventsLost"].as_u64())
        .collect();
    assert_eq!(lost.iter().sum::<u64>(), 10_050);
}

/// The numbers of what a world wrote to its log about events.
fn logged(world: &World, name: &str) -> u64 {
    world.flags.base().telemetry().flush();
    let log = world.log.text();
    log.lines().filter_map(|line| serde_json::from_str::<Value>(line).unwrap()[name].as_u64()).sum()
}

/// Asks for one flag and for all, three times each, and once without a unit.
async fn evaluate(world: &World) {
    for _ in 0..3 {
        world.post_json("/flags/f", json!({"user_id": "u"})).await.ok();
        world.post_json("/flags", json!({"user_id": "u"})).await.ok();
    }
    world.post_json("/flags/f", json!({})).await;
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn evaluations_are_counted_and_sent_every_ten_seconds() {
    let world = world(Exposures::After).await;
    evaluate(&world).await;
    world.flags.base().outbox().flush().await;
    let exposures = world.stream.take();
    assert_eq!(kinds(&exposures), ["exposure"]);
    tokio::time::advance(std::time::Duration::from_secs(10)).await;
    world.flags.base().outbox().flush().await;
    let summaries = world.stream.take();
    assert!(kinds(&summaries).iter().all(|kind| *kind == "evaluations"), "{summaries:?}");
    // Two events where the clock went on to the next minute.
    let entries = summaries.iter().flat_map(|event| event["counts"].as_array().unwrap());
    let counted: u64 = entries.clone().filter_map(|entry| entry["count"].as_u64()).sum();
    assert_eq!(counted, 7, "and the one without a unit, which has the default variant");
    let expected = |variant: &Value| entries.clone().any(|entry| entry["variant"] == *variant);
    assert!(expected(&exposures[0]["variant"]) && expected(&json!("control")));
    for entry in entries.clone() {
        assert_eq!((&entry["flag"], &entry["revision"]), (&json!("f"), &exposures[0]["revision"]));
    }
    world.assign(ask("u"), 0).await;
    world.assignment.base().outbox().flush().await;
    assert_eq!(
        world.stream.take()[0]["event_id"],
        exposures[0]["event_id"],
        "the same exposure by either way"
    );
}

#[tokio::test]
async fn evaluations_one_by_one_are_sent_once() {
    let world = with(Exposures::After, Evaluations::Each).await;
    evaluate(&world).await;
    world.flags.base().outbox().flush_all().await;
    let events = world.stream.take();
    assert_eq!(kinds(&events), ["evaluation", "exposure"]);
    assert_eq!((&events[0]["flag"], &events[0]["variant"]), (&json!("f"), &events[1]["variant"]));
}

#[tokio::test]
async fn evaluations_that_are_off_leave_exposures() {
    let world = with(Exposures::After, Evaluations::Off).await;
    evaluate(&world).await;
    world.flags.base().outbox().flush_all().await;
    assert_eq!(kinds(&world.stream.take()), ["exposure"]);
}

#[tokio::test]
async fn sync_sends_counts_before_the_response() {
    let world = with(Exposures::Sync, Evaluations::Summary).await;
    for _ in 0..2 {
        world.post_json("/flags/f", json!({"user_id": "u"})).await.ok();
        assert!(kinds(&world.stream.take()).contains(&"evaluations"));
    }
}

/// A summary that a stream does not take goes again as it is, so that its readers know it by its id; one that is lost counts as all that
/// it stands for.
#[tokio::test(start_paused = true)]
async fn a_summary_is_sent_again_or_counted_as_lost() {
    let world = world(Exposures::After).await;
    world.stream.set(Mood::Failing);
    evaluate(&world).await;
    world.flags.base().outbox().flush_all().await;
    world.stream.set(Mood::Well);
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    world.flags.base().outbox().flush().await;
    let sent = world.stream.take();
    assert_eq!(sent.iter().filter(|event| event["type"] == "evaluations").count(), sent.len() - 1);
    assert_eq!(logged(&world, "EventsLost"), 0);

    world.stream.set(Mood::Failing);
    evaluate(&world).await;
    world.flags.base().outbox().close().await;
    assert_eq!(logged(&world, "EventsLost"), 7);
}
