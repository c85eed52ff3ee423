//! Contract of a [`Quarantine`].

use crate::catalog::noise;
use abx_functions::ports::{Quarantine, Quarantined};
use jiff::{SignedDuration, Timestamp};

/// A record that came so many seconds ago.
fn record(id: &str, ago: i64, data: Vec<u8>) -> Quarantined {
    let arrived = Timestamp::now() - SignedDuration::from_secs(ago);
    Quarantined {
        id: id.to_owned(),
        reason: "not_json".to_owned(),
        detail: format!("why \"{id}\" is none: \0 😀"),
        arrived: Timestamp::from_millisecond(arrived.as_millisecond()).unwrap(),
        data,
    }
}

/// Before everything that is put here.
fn long_ago() -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(24 * 60)
}

async fn ids(store: &impl Quarantine, limit: usize) -> Vec<String> {
    store.list(long_ago(), limit).await.unwrap().into_iter().map(|record| record.id).collect()
}

pub(crate) async fn an_empty_quarantine_lists_nothing(store: impl Quarantine) {
    assert_eq!(store.list(long_ago(), 10).await.unwrap(), []);
    store.put(&[]).await.unwrap();
    assert_eq!(store.list(long_ago(), 0).await.unwrap(), []);
}

pub(crate) async fn records_of_all_sizes_come_back(store: impl Quarantine) {
    let sizes = [0, 1, 349_999, 350_000, 350_001, 700_000, 700_001, 6_000_000];
    let records: Vec<_> = (1_u64..)
        .zip(sizes)
        .map(|(number, size)| {
            record(
                &format!("events/shardId-000000000000:4959{number}:2"),
                60 * number.cast_signed(),
                noise(size, number),
            )
        })
        .collect();
    store.put(&records).await.unwrap();
    assert!(store.list(long_ago(), 100).await.unwrap() == records, "all of them, whole");
}

pub(crate) async fn the_newest_come_first(store: impl Quarantine) {
    let day = 86_400;
    let ago = [day, 0, 29 * day, 3, 2 * day, 2, 1, day + 1];
    let records: Vec<_> = ago.iter().map(|ago| record(&format!("{ago}"), *ago, vec![b'x'; 10])).collect();
    store.put(&records).await.unwrap();
    let mut order = ago;
    order.sort_unstable();
    let order: Vec<_> = order.iter().map(ToString::to_string).collect();
    for limit in 0..=ago.len() {
        assert_eq!(ids(&store, limit).await, order[..limit]);
    }
    assert_eq!(ids(&store, 1000).await, order);
}

pub(crate) async fn a_record_is_kept_once(store: impl Quarantine) {
    let large = record("large", 5, noise(800_000, 1));
    for _ in 0..3 {
        store.put(&[large.clone(), record("small", 10, Vec::new())]).await.unwrap();
    }
    assert_eq!(ids(&store, 10).await, ["large", "small"]);
    assert!(store.list(long_ago(), 1).await.unwrap() == [large]);
    let later = record("small", 1, b"later".to_vec());
    store.put(std::slice::from_ref(&later)).await.unwrap();
    assert_eq!(ids(&store, 10).await, ["small", "large"], "as it came at the latest");
    assert_eq!(store.list(long_ago(), 1).await.unwrap(), [later]);
}

pub(crate) async fn many_of_one_moment_are_all_kept(store: impl Quarantine) {
    let one = record("", 1, Vec::new());
    let records: Vec<_> = (0..300)
        .map(|number| Quarantined {
            id: format!("events/shardId-000000000000:{number:03}"),
            data: noise(number % 50, 1),
            ..one.clone()
        })
        .collect();
    store.put(&records).await.unwrap();
    let mut expected = records;
    expected.reverse();
    assert_eq!(store.list(long_ago(), 1000).await.unwrap(), expected);
    assert_eq!(store.list(long_ago(), 7).await.unwrap(), expected[..7]);
}

pub(crate) async fn only_what_came_since_is_listed_and_counted(store: impl Quarantine) {
    let day = 86_400;
    let now = Timestamp::now();
    let of = |id: &str, ago: i64, reason: &str| Quarantined {
        reason: reason.to_owned(),
        ..record(id, ago, noise(9, 1))
    };
    let records = [
        of("a", 5, "not_json"),
        of("b", 7, "too_large"),
        of("c", day, "not_json"),
        of("d", 45 * day, "not_utf8"),
    ];
    store.put(&records).await.unwrap();
    for (since, expected, counts) in [
        (60 * day, &["a", "b", "c", "d"][..], &[("not_json", 2), ("not_utf8", 1), ("too_large", 1)][..]),
        (2 * day, &["a", "b", "c"], &[("not_json", 2), ("too_large", 1)]),
        (6, &["a"], &[("not_json", 1)]),
        (0, &[], &[]),
    ] {
        let since = now - SignedDuration::from_secs(since);
        let listed = store.list(since, 10).await.unwrap();
        assert_eq!(listed.iter().map(|record| &*record.id).collect::<Vec<_>>(), expected);
        let counted = store.count(since).await.unwrap();
        assert_eq!(counted.iter().map(|(reason, count)| (&**reason, *count)).collect::<Vec<_>>(), counts);
    }
}

pub(crate) async fn what_is_removed_is_gone_alone(store: impl Quarantine) {
    let large = record("large", 5, noise(800_000, 1));
    let small = record("small", 5, Vec::new());
    store.put(&[large.clone(), small.clone(), record("other", 3, vec![1])]).await.unwrap();
    for _ in 0..2 {
        store.remove(&large).await.unwrap();
        assert_eq!(ids(&store, 10).await, ["other", "small"]);
    }
    // A record that came again meanwhile is another matter.
    store.put(&[record("small", 1, Vec::new())]).await.unwrap();
    store.remove(&small).await.unwrap();
    assert_eq!(ids(&store, 10).await, ["small", "other"]);
    store.put(std::slice::from_ref(&large)).await.unwrap();
    assert!(store.list(long_ago(), 10).await.unwrap().contains(&large), "it can come back, whole");
}
