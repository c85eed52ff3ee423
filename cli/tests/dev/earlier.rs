//! `abx assign` and `abx explain` over a store say what the server says: an earlier assignment holds.

use crate::program::Place;
use serde_json::{Value, json};

fn all_in(variant: &str, epoch: u32) -> String {
    let share = |key: &str| i32::from(key == variant);
    format!(
        "experiment: test\nstatus: active\nepoch: {epoch}\n\
         variants: [{{key: a, allocation: {}}}, {{key: b, allocation: {}}}]\n",
        share("a"),
        share("b"),
    )
}

fn outcome(report: &Value) -> (Value, Value) {
    let row = report.get("experiment").map_or(&report["experiments"][0], |experiment| &experiment["outcome"]);
    (row["variant"].clone(), row["reason"].clone())
}

#[test]
fn an_earlier_assignment_holds_here_as_it_does_there() {
    let place = Place::with(&[("test.yaml", &all_in("a", 1))]);
    let dev = place.serve();
    assert_eq!(dev.get("/assign?user_id=u&experiment_key=test").ok()["variant"], "a");
    place.write("test.yaml", &all_in("b", 1));
    dev.until_revision(2);
    let pinned = (json!("a"), json!("pinned"));
    let server = dev.get("/assign?user_id=u&experiment_key=test&peek=true").ok();
    assert_eq!((server["variant"].clone(), server["reason"].clone()), pinned);
    for from in ["@head", "docs"] {
        assert_eq!(outcome(&place.report(&["assign", "u", "test", "--from", from])), pinned, "{from}");
        let explained = place.report(&["explain", "u", "test", "--from", from]);
        assert_eq!(outcome(&explained), pinned, "{from}");
        assert_eq!(explained["earlier_assignments"], "store.sqlite");
        assert!(explained.to_string().contains("assigned to `a` earlier"), "{explained}");
    }
    let other = place.report(&["explain", "v", "test", "--from", "@head"]);
    assert_eq!(outcome(&other), (json!("b"), json!("assigned")));
    assert!(other.to_string().contains("no earlier assignment"), "{other}");
    let given = place.report(&["explain", "u", "test", "--from", "@head", "--pin", "b"]);
    assert_eq!(outcome(&given), (json!("b"), json!("pinned")), "--pin is a question of its own");
    let before = place.report(&["assign", "u", "test", "--from", "@head", "--at", "2026-01-01"]);
    assert_eq!(outcome(&before), (json!("b"), json!("assigned")), "it was not made yet");
    place.write("test.yaml", &all_in("b", 2));
    dev.until_revision(3);
    let explained = place.report(&["explain", "u", "test", "--from", "@head"]);
    assert_eq!(outcome(&explained), (json!("b"), json!("assigned")));
    assert!(explained.to_string().contains("is from epoch 1, but the epoch is now 2"), "{explained}");
}
