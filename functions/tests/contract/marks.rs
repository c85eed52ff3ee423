//! Contract of a [`MetricStore`] for marks.

use crate::metrics::{SHARD, position};
use crate::{odd_units, only_winner, race};
use abx_core::event::{Mark, MarkKey, MarkSubject, Owner};
use abx_functions::ports::{MarkPut, MetricStore};
use std::collections::BTreeSet;
use std::sync::Arc;

pub(crate) fn key(unit: &str, metric: Option<&str>) -> MarkKey<'static> {
    let (experiment, epoch) = ("checkout".into(), 1);
    let subject = match metric {
        None => MarkSubject::Exposure { experiment, epoch },
        Some(metric) => MarkSubject::Conversion { experiment, epoch, metric: metric.to_owned().into() },
    };
    MarkKey { unit: unit.to_owned().into(), subject }
}

pub(crate) fn mark(variant: &str, owner: &str) -> Mark {
    Mark {
        variant: variant.into(),
        at: "2026-11-24T10:11:12.123Z".parse().unwrap(),
        owner: Owner { shard: SHARD.into(), position: position(owner) },
    }
}

pub(crate) async fn a_mark_that_was_never_put_is_none(store: impl MetricStore) {
    assert_eq!(store.marks(&[key("u", None), key("u", Some("purchase"))]).await.unwrap(), [None, None]);
    assert_eq!(store.marks(&[]).await.unwrap(), []);
    assert_eq!(store.put_marks(&[]).await.unwrap(), []);
}

pub(crate) async fn the_first_mark_stays(store: impl MetricStore) {
    let put = async |metric, mark: &Mark| {
        store.put_marks(&[(key("u", metric), mark.clone())]).await.unwrap().remove(0)
    };
    let first = mark("control", "5:3");
    assert_eq!(put(None, &first).await, MarkPut::First);
    assert_eq!(put(None, &first).await, MarkPut::First, "the same record again");
    for owner in ["5", "5:2", "4", "6"] {
        assert_eq!(put(None, &mark("treatment", owner)).await, MarkPut::Existing(first.clone()));
    }
    let mut elsewhere = mark("treatment", "5:3");
    elsewhere.owner.shard = "events/shardId-000000000002".into();
    assert_eq!(put(None, &elsewhere).await, MarkPut::Existing(first.clone()), "of another shard");
    assert_eq!(put(Some("purchase"), &elsewhere).await, MarkPut::First, "about something else");
    let keys = [key("u", Some("purchase")), key("u", Some("refund")), key("u", None), key("v", None)];
    let found = store.marks(&keys).await.unwrap();
    assert_eq!(found, [Some(elsewhere), None, Some(first), None]);
}

/// The first within a day, by the arrivals of the events; a later one takes its place.
pub(crate) async fn the_mark_of_an_id_ends_after_a_day(store: impl MetricStore) {
    let key = MarkKey { unit: "u".into(), subject: MarkSubject::Event(0xc0_ffee_00c0_ffee) };
    let at = |seconds: i64, owner: &str| {
        let mut mark = mark("", owner);
        mark.at += jiff::SignedDuration::from_secs(seconds);
        mark
    };
    let put = async |mark: &Mark| store.put_marks(&[(key.clone(), mark.clone())]).await.unwrap().remove(0);
    let first = at(0, "5");
    for _ in 0..2 {
        assert_eq!(put(&first).await, MarkPut::First);
    }
    for seconds in [-200_000, -1, 0, 1, 86_399] {
        assert_eq!(put(&at(seconds, "6")).await, MarkPut::Existing(first.clone()), "{seconds}");
    }
    let next = at(86_400, "7");
    assert_eq!(put(&next).await, MarkPut::First);
    assert_eq!(put(&first).await, MarkPut::Existing(next.clone()));
    assert_eq!(store.marks(std::slice::from_ref(&key)).await.unwrap(), [Some(next)]);
}

pub(crate) async fn many_marks_come_in_their_order(store: impl MetricStore) {
    let unit = |number: usize| format!("user_{}", number * 7919 % 1000);
    let all: Vec<_> = (0..1000).map(|number| (key(&unit(number), None), mark(&unit(number), "1"))).collect();
    let even: Vec<_> = all.iter().step_by(2).cloned().collect();
    assert_eq!(store.put_marks(&even).await.unwrap(), vec![MarkPut::First; 500]);
    let mut keys: Vec<_> = all.iter().map(|(key, _)| key.clone()).collect();
    keys.insert(0, keys[0].clone());
    let found = store.marks(&keys).await.unwrap();
    assert_eq!(found.len(), 1001);
    assert_eq!(found[0], found[1], "asked twice, answered twice");
    for (number, ((_, mark), found)) in all.iter().zip(&found[1..]).enumerate() {
        assert_eq!(found.as_ref(), (number % 2 == 0).then_some(mark), "{number}");
    }
    let others: Vec<_> = all.iter().map(|(key, _)| (key.clone(), mark("other", "2"))).collect();
    for (number, (put, (_, mark))) in store.put_marks(&others).await.unwrap().iter().zip(all).enumerate() {
        let expected = if number % 2 == 0 { MarkPut::Existing(mark) } else { MarkPut::First };
        assert_eq!(*put, expected, "{number}");
    }
}

pub(crate) async fn units_of_marks_are_raw_bytes(store: impl MetricStore) {
    let units = odd_units();
    let puts: Vec<_> = units.iter().map(|unit| (key(unit, None), mark(unit, "1"))).collect();
    assert_eq!(store.put_marks(&puts).await.unwrap(), vec![MarkPut::First; units.len()]);
    let keys: Vec<_> = units.iter().map(|unit| key(unit, None)).collect();
    for (unit, found) in units.iter().zip(store.marks(&keys).await.unwrap()) {
        assert_eq!(found, Some(mark(unit, "1")), "{unit:?}");
    }
    assert_eq!(units.iter().collect::<BTreeSet<_>>().len(), units.len());
}

pub(crate) async fn racers_for_a_mark_have_one_first(store: impl MetricStore + 'static) {
    let store = Arc::new(store);
    let puts = race(0..16, |racer| {
        let (store, mine) = (Arc::clone(&store), mark(&format!("variant_{racer}"), &racer.to_string()));
        async move {
            match store.put_marks(&[(key("u", None), mine.clone())]).await.unwrap().remove(0) {
                MarkPut::First => (None, mine),
                MarkPut::Existing(there) => (Some(there), mine),
            }
        }
    });
    let winner = only_winner(puts.await);
    assert_eq!(store.marks(&[key("u", None)]).await.unwrap(), [Some(winner)]);
}
