//! Contract of a [`CatalogStore`].

use crate::race;
use abx_functions::ports::{CHUNK_BYTES, CatalogStore, Flip, Head, PutRevision, RevisionInfo, RevisionMeta};
use std::ops::Deref;
use std::sync::Arc;

/// A store that can be broken from outside.
pub(crate) trait Breakable: Deref<Target: CatalogStore + Sized> + Send + Sync + 'static {
    /// Loses the end of a revision.
    async fn lose_chunk(&self, revision: u64);
    /// Changes a byte of a revision.
    async fn change_byte(&self, revision: u64);
    /// Loses the manifest, as if the publisher had died before it; false if a revision is written at once.
    async fn lose_manifest(&self, revision: u64) -> bool;
}

/// Bytes that no two seeds share, and that do not repeat.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(step).collect()
}

pub(crate) fn meta(message: &str) -> RevisionMeta {
    let created_at = "2026-11-24T10:11:12.000000001Z".parse().unwrap();
    RevisionMeta { created_at, author: "Zoë <zoe@example.com>".to_owned(), message: message.to_owned() }
}

async fn publish(store: &impl CatalogStore, revision: u64, bytes: &[u8]) {
    assert_eq!(store.put_revision(revision, bytes, &meta("")).await.unwrap(), PutRevision::Stored);
}

async fn head(store: &impl CatalogStore) -> Option<u64> {
    store.head().await.unwrap().map(|Head { revision }| revision)
}

pub(crate) async fn an_empty_store_has_nothing(store: impl Breakable) {
    assert_eq!(store.head().await.unwrap(), None);
    assert_eq!(store.revision(1).await.unwrap(), None);
    assert_eq!(store.revisions().await.unwrap(), []);
}

pub(crate) async fn revisions_of_all_sizes_come_back(store: impl Breakable) {
    let sizes = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 12 * CHUNK_BYTES + 1];
    for (revision, size) in (1..).zip(sizes) {
        let bytes = noise(size, revision);
        publish(&*store, revision, &bytes).await;
        assert!(store.revision(revision).await.unwrap() == Some(bytes), "{size}");
    }
    let chunks: Vec<u32> = store.revisions().await.unwrap().iter().map(|info| info.chunks).collect();
    assert_eq!(chunks, [13, 2, 1, 1, 1, 0]);
}

pub(crate) async fn a_number_belongs_to_one_revision(store: impl Breakable) {
    publish(&*store, 1, b"one").await;
    publish(&*store, 1, b"one").await;
    for (bytes, message) in [(&b"other"[..], ""), (b"one", "for another reason")] {
        let put = store.put_revision(1, bytes, &meta(message)).await.unwrap();
        assert_eq!(put, PutRevision::Taken);
    }
    assert_eq!(store.revision(1).await.unwrap().as_deref(), Some(&b"one"[..]));
    assert_eq!(store.revisions().await.unwrap()[0].meta, meta(""));
}

pub(crate) async fn racing_publishers_do_not_mix(store: impl Breakable) {
    let store = Arc::new(store);
    let stored = race(0..8, |racer| {
        let store = Arc::clone(&store);
        async move {
            let put = store.put_revision(1, &noise(2 * CHUNK_BYTES, racer), &meta("")).await;
            (put.unwrap() == PutRevision::Stored).then_some(racer)
        }
    });
    let winners: Vec<u64> = stored.await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    assert!(store.revision(1).await.unwrap() == Some(noise(2 * CHUNK_BYTES, winners[0])));
}

pub(crate) async fn the_head_moves_only_from_where_it_is(store: impl Breakable) {
    for revision in 1..=3 {
        publish(&*store, revision, b"x").await;
    }
    let flip = async |from, to| store.flip_head(from, to, &meta("")).await.unwrap();
    assert_eq!(flip(Some(1), 2).await, Flip::Lost { actual: None }, "there is none yet");
    assert_eq!(head(&*store).await, None);
    assert_eq!(flip(None, 1).await, Flip::Done);
    assert_eq!(flip(None, 2).await, Flip::Lost { actual: Some(1) });
    assert_eq!(flip(Some(1), 2).await, Flip::Done);
    assert_eq!(flip(Some(1), 3).await, Flip::Lost { actual: Some(2) }, "stale");
    assert_eq!(head(&*store).await, Some(2));
    assert_eq!(flip(Some(1), 2).await, Flip::Done, "the answer before was lost");
    assert_eq!(flip(Some(2), 1).await, Flip::Done, "back");
    assert_eq!(head(&*store).await, Some(1));
}

/// A store with so many revisions, of which the first is the head, for several tasks.
async fn with_head<S: Breakable>(store: S, revisions: u64) -> Arc<S> {
    for revision in 1..=revisions {
        publish(&*store, revision, b"x").await;
    }
    assert_eq!(store.flip_head(None, 1, &meta("")).await.unwrap(), Flip::Done);
    Arc::new(store)
}

pub(crate) async fn racing_flips_have_one_winner(store: impl Breakable) {
    let store = with_head(store, 17).await;
    let flips = race(2..=17, |to| {
        let store = Arc::clone(&store);
        async move { (to, store.flip_head(Some(1), to, &meta("")).await.unwrap()) }
    });
    let flips = flips.await;
    let winners: Vec<u64> = flips.iter().filter(|(_, flip)| *flip == Flip::Done).map(|(to, _)| *to).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(head(&**store).await, Some(winners[0]));
    let lost = Flip::Lost { actual: Some(winners[0]) };
    assert!(flips.iter().all(|(to, flip)| *to == winners[0] || *flip == lost));
}

pub(crate) async fn the_head_never_points_nowhere(store: impl Breakable) {
    publish(&*store, 1, b"x").await;
    assert!(!store.flip_head(None, 2, &meta("")).await.unwrap_err().is_transient());
    assert_eq!(head(&*store).await, None);
    if store.lose_manifest(1).await {
        assert!(!store.flip_head(None, 1, &meta("")).await.unwrap_err().is_transient());
        assert_eq!(head(&*store).await, None);
    }
}

pub(crate) async fn the_newest_is_listed_first(store: impl Breakable) {
    for revision in [9, 10, 11, 100] {
        let bytes = noise(40, revision);
        let meta = meta(&format!("message {revision}\n😀"));
        assert_eq!(store.put_revision(revision, &bytes, &meta).await.unwrap(), PutRevision::Stored);
    }
    let listed = store.revisions().await.unwrap();
    assert_eq!(listed.iter().map(|info| info.revision).collect::<Vec<_>>(), [100, 11, 10, 9]);
    let RevisionInfo { revision: _, meta: said, bytes, chunks, checksum } = &listed[1];
    assert_eq!((said, *bytes, *chunks, checksum.len()), (&meta("message 11\n😀"), 40, 1, 64));
}

async fn assert_broken(store: &impl CatalogStore, revision: u64) {
    let error = store.revision(revision).await.unwrap_err();
    assert!(!error.is_transient());
    assert!(error.to_string().contains(&format!("revision {revision} is broken: ")), "{error}");
}

pub(crate) async fn a_lost_chunk_is_an_error(store: impl Breakable) {
    publish(&*store, 1, &noise(3 * CHUNK_BYTES, 1)).await;
    publish(&*store, 2, b"well").await;
    store.lose_chunk(1).await;
    assert_broken(&*store, 1).await;
    assert_eq!(store.revision(2).await.unwrap().as_deref(), Some(&b"well"[..]));
}

pub(crate) async fn a_changed_byte_is_an_error(store: impl Breakable) {
    publish(&*store, 1, &noise(1000, 1)).await;
    store.change_byte(1).await;
    assert_broken(&*store, 1).await;
}

pub(crate) async fn a_half_written_revision_is_an_error_until_it_is_put(store: impl Breakable) {
    publish(&*store, 1, &noise(2 * CHUNK_BYTES, 1)).await;
    if !store.lose_manifest(1).await {
        return;
    }
    assert_broken(&*store, 1).await;
    assert_eq!(store.revisions().await.unwrap(), []);
    publish(&*store, 1, b"what another publisher made of the number").await;
    assert_eq!(store.revision(1).await.unwrap().unwrap(), b"what another publisher made of the number");
}

/// From where to where and why, the newest first.
async fn moves(store: &impl CatalogStore) -> Vec<(Option<u64>, u64, String)> {
    let moves = store.head_moves().await.unwrap();
    moves.into_iter().map(|it| (it.from, it.to, it.meta.message)).collect()
}

pub(crate) async fn moves_of_the_head_are_recorded(store: impl Breakable) {
    for revision in 1..=12 {
        publish(&*store, revision, b"x").await;
    }
    assert_eq!(moves(&*store).await, []);
    let flip = async |from, to, why| store.flip_head(from, to, &meta(why)).await.unwrap();
    assert_eq!(flip(None, 1, "first").await, Flip::Done);
    assert_eq!(flip(Some(1), 2, "second").await, Flip::Done);
    assert_eq!(flip(Some(1), 2, "the answer before was lost").await, Flip::Done);
    assert_eq!(flip(Some(1), 3, "stale").await, Flip::Lost { actual: Some(2) });
    assert!(store.flip_head(Some(2), 99, &meta("to nowhere")).await.is_err());
    assert_eq!(flip(Some(2), 1, "back").await, Flip::Done);
    for to in 2..=12 {
        assert_eq!(flip(Some(to - 1), to, "on").await, Flip::Done);
    }
    let all = moves(&*store).await;
    assert_eq!(all[0], (Some(11), 12, "on".to_owned()));
    let first = [(Some(2), 1, "back"), (Some(1), 2, "second"), (None, 1, "first")];
    assert_eq!(all[11..], first.map(|(from, to, why)| (from, to, why.to_owned())));
    assert_eq!(store.head_moves().await.unwrap()[0].meta, meta("on"));
}

pub(crate) async fn racing_moves_are_recorded_one_after_another(store: impl Breakable) {
    let store = with_head(store, 9).await;
    race(2..=9, |to| {
        let store = Arc::clone(&store);
        async move {
            let mut from = Some(1);
            // Each wins in the end.
            while let Flip::Lost { actual } = store.flip_head(from, to, &meta("")).await.unwrap() {
                from = actual;
            }
        }
    })
    .await;
    let mut all = moves(&**store).await;
    all.reverse();
    assert_eq!(all.len(), 9);
    for two in all.windows(2) {
        assert_eq!(two[1].0, Some(two[0].1), "each begins where the one before ended");
    }
    assert_eq!(head(&**store).await, Some(all[8].1));
}
