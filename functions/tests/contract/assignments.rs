//! Contract of an [`AssignmentStore`].

use crate::{odd_units, only_winner, race};
use abx_functions::ports::{
    AssignmentStore, MAX_EXPERIMENT_KEY_BYTES, MAX_UNIT_BYTES, Put, StoredAssignment,
};
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;

const NOW: i64 = 1_800_000_000;

pub(crate) fn assignment(unit: &str, experiment_key: &str, variant: &str) -> StoredAssignment {
    StoredAssignment {
        user_id: unit.to_owned(),
        experiment_key: experiment_key.to_owned(),
        variant: variant.to_owned(),
        assignment_id: format!("{experiment_key}-{variant}"),
        epoch: 2,
        revision: 7,
        assigned_at: "2026-11-24T10:11:12.123456789Z".parse().unwrap(),
        context: json!({"country": "de", "plan": {"name": "pro"}}).as_object().cloned(),
        ttl: NOW + 90 * 86_400,
    }
}

async fn put(store: &impl AssignmentStore, assignment: &StoredAssignment) -> Put {
    store.put_if_absent(assignment, NOW).await.unwrap()
}

pub(crate) async fn what_is_stored_is_found(store: impl AssignmentStore) {
    assert_eq!(store.get("u", "e").await.unwrap(), None);
    let mut assignment = assignment("u", "e", "a");
    assert_eq!(put(&store, &assignment).await, Put::Stored);
    assert_eq!(store.get("u", "e").await.unwrap().as_ref(), Some(&assignment));
    assert_eq!(store.get("u", "other").await.unwrap(), None);
    assert_eq!(store.get("other", "e").await.unwrap(), None);
    "other".clone_into(&mut assignment.experiment_key);
    assignment.context = None;
    assignment.epoch = u32::MAX;
    assignment.revision = i64::MAX.unsigned_abs();
    assert_eq!(put(&store, &assignment).await, Put::Stored);
    assert_eq!(store.get("u", "other").await.unwrap(), Some(assignment));
}

pub(crate) async fn racers_converge(store: impl AssignmentStore + 'static) {
    let store = Arc::new(store);
    let puts = race(0..16, |racer| {
        let (store, mine) = (Arc::clone(&store), assignment("u", "e", &format!("variant_{racer}")));
        async move {
            match store.put_if_absent(&mine, NOW).await.unwrap() {
                Put::Stored => (None, mine),
                Put::Existing(there) => (Some(there), mine),
            }
        }
    });
    let winner = only_winner(puts.await);
    assert_eq!(store.get("u", "e").await.unwrap(), Some(winner));
}

pub(crate) async fn a_new_epoch_replaces(store: impl AssignmentStore) {
    let of = |epoch, variant| StoredAssignment { epoch, ..assignment("u", "e", variant) };
    assert_eq!(put(&store, &of(9, "nine")).await, Put::Stored);
    assert_eq!(put(&store, &of(10, "ten")).await, Put::Stored);
    assert_eq!(put(&store, &of(9, "late")).await, Put::Existing(of(10, "ten")), "the old one comes late");
    assert_eq!(put(&store, &of(10, "again")).await, Put::Existing(of(10, "ten")));
    assert_eq!(store.get("u", "e").await.unwrap(), Some(of(10, "ten")));
}

pub(crate) async fn an_expired_one_is_replaced(store: impl AssignmentStore) {
    let until = |ttl, variant| StoredAssignment { ttl, ..assignment("u", "e", variant) };
    let (first, second) = (until(NOW + 1, "first"), until(NOW + 90, "second"));
    assert_eq!(put(&store, &first).await, Put::Stored);
    assert_eq!(put(&store, &second).await, Put::Existing(first), "one second is left");
    assert_eq!(store.put_if_absent(&second, NOW + 1).await.unwrap(), Put::Stored);
    assert_eq!(store.get("u", "e").await.unwrap(), Some(second));
}

pub(crate) async fn a_repeated_put_is_stored_again(store: impl AssignmentStore) {
    let mine = assignment("u", "e", "a");
    for _ in 0..3 {
        assert_eq!(put(&store, &mine).await, Put::Stored, "the answer before was lost");
    }
    let twin = StoredAssignment { assignment_id: "twin".to_owned(), ..mine.clone() };
    assert_eq!(put(&store, &twin).await, Put::Existing(mine), "another call, the same moment");
}

pub(crate) async fn units_are_raw_bytes(store: impl AssignmentStore) {
    let units = odd_units();
    for unit in &units {
        assert_eq!(put(&store, &assignment(unit, "e", unit)).await, Put::Stored, "{unit:?}");
    }
    for unit in &units {
        assert_eq!(store.get(unit, "e").await.unwrap(), Some(assignment(unit, "e", unit)), "{unit:?}");
    }
    assert_eq!(units.iter().collect::<HashSet<_>>().len(), units.len());
}

pub(crate) async fn impossible_keys_are_refused(store: impl AssignmentStore) {
    let (long_unit, long_key) = ("u".repeat(MAX_UNIT_BYTES + 1), "e".repeat(MAX_EXPERIMENT_KEY_BYTES + 1));
    for (unit, key) in [("", "e"), ("u", ""), (&*long_unit, "e"), ("u", &*long_key)] {
        assert!(!store.get(unit, key).await.unwrap_err().is_transient());
        assert!(!store.put_if_absent(&assignment(unit, key, "a"), NOW).await.unwrap_err().is_transient());
    }
    assert!(!store.get_many("", &["a", "b"]).await.unwrap_err().is_transient());
}

pub(crate) async fn many_come_in_the_order_asked(store: impl AssignmentStore) {
    let keys: Vec<_> = (0..120).map(|number| format!("experiment_{number}")).collect();
    for key in keys.iter().step_by(2) {
        put(&store, &assignment("u", key, "a")).await;
    }
    put(&store, &assignment("v", &keys[1], "not mine")).await;
    let mut asked: Vec<_> = keys.iter().rev().map(String::as_str).collect();
    asked.push("experiment_0");
    let found = store.get_many("u", &asked).await.unwrap();
    assert_eq!(found.len(), asked.len());
    for (key, found) in asked.iter().zip(found) {
        let even = key.ends_with(['0', '2', '4', '6', '8']);
        assert_eq!(found, even.then(|| assignment("u", key, "a")), "{key}");
    }
    let few = store.get_many("u", &["experiment_2"]).await.unwrap();
    assert_eq!(few, [Some(assignment("u", "experiment_2", "a"))]);
    assert_eq!(store.get_many("u", &[]).await.unwrap(), []);
    assert_eq!(store.get_many("nobody", &["a", "b"]).await.unwrap(), [None, None]);
}

pub(crate) async fn contexts_hold_any_json(store: impl AssignmentStore) {
    let contexts = json!([
        {}, {"": ""}, {"big": 1e300, "small": 1e-300, "whole": 9_007_199_254_740_993_i64, "most": u64::MAX},
        {"text": "\0 \u{202e} 😀 \\ \" \n"}, {"nested": [[{"a": null}], true, []]}, {"long": "x".repeat(100_000)},
    ]);
    for (number, context) in contexts.as_array().unwrap().iter().enumerate() {
        let mut mine = assignment("u", &number.to_string(), "a");
        mine.context = context.as_object().cloned();
        assert_eq!(put(&store, &mine).await, Put::Stored, "{context}");
        assert_eq!(store.get("u", &number.to_string()).await.unwrap(), Some(mine));
    }
}
