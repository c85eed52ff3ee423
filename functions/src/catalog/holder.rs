//! The snapshot that serves.

use super::{Snapshot, decode};
use crate::ports::{CatalogStore, PortError, PortResult};
use arc_swap::ArcSwap;
use jiff::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, timeout};

/// The age of a snapshot after which the head is read again.
const MAX_AGE: Duration = Duration::from_secs(10);
/// The time after a failure until the head is read again while no snapshot is held: until then, every request
/// is answered with 503.
const EMPTY_AGE: Duration = Duration::from_millis(500);
/// The longest time that the one request that refreshes waits for the refresh; the others do not wait at all.
const PATIENCE: Duration = Duration::from_millis(20);

/// Holds the compiled catalog of a store.
///
/// An environment that is frozen has no timers, so the age is checked at each request. A failed refresh changes
/// nothing: the last good snapshot serves, and its age is a metric.
#[derive(Debug)]
pub struct CatalogHolder<S> {
    store: S,
    snapshot: ArcSwap<Snapshot>,
    state: Mutex<HeldCatalog>,
    /// Held by the one reader that fetches.
    fetching: AsyncMutex<()>,
}

#[derive(Debug)]
struct HeldCatalog {
    /// The time of the last successful read of the head.
    checked_at: Option<Instant>,
    /// The same by the clock of the world, which goes on while an environment is frozen.
    read_at: Option<Timestamp>,
    /// The time of the next read of the head.
    due_at: Instant,
    failures: u64,
    /// The reason why the latest refresh failed, until it is taken.
    failure: Option<String>,
}

/// The age of the snapshot, and the outcome of the last refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// The time since the head was last read successfully. `None` means never, so that a bundled snapshot or
    /// none serves.
    pub age: Option<Duration>,
    /// The time of the last successful read of the head.
    pub read_at: Option<Timestamp>,
    /// Refreshes that failed since then.
    pub failures: u64,
}

impl<S: CatalogStore + 'static> CatalogHolder<S> {
    /// Holds a first snapshot, which serves until the store is read: the one bundled with the program, or an empty
    /// one.
    pub fn new(store: S, bundled: Snapshot) -> Self {
        let state = HeldCatalog {
            checked_at: None,
            read_at: None,
            due_at: Instant::now(),
            failures: 0,
            failure: None,
        };
        Self {
            store,
            snapshot: ArcSwap::from_pointee(bundled),
            state: Mutex::new(state),
            fetching: AsyncMutex::new(()),
        }
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Loads the head, however long that takes: for the start, before requests. An error leaves the snapshot.
    pub async fn load(&self) -> PortResult<()> {
        let _one = self.fetching.lock().await;
        self.fetch().await
    }

    /// The snapshot for a request. One request in about ten seconds refreshes it, and waits for that a little;
    /// all others are served at once.
    pub async fn current(self: &Arc<Self>) -> Arc<Snapshot> {
        if self.take_turn() {
            let holder = Arc::clone(self);
            // A task of its own, so that a slow fetch goes on after this request was answered.
            let refresh = tokio::spawn(async move {
                if let Ok(_one) = holder.fetching.try_lock() {
                    // What failed is counted, and tried again at the next turn.
                    let _ = holder.fetch().await;
                }
            });
            let _ = timeout(PATIENCE, refresh).await;
        }
        self.snapshot.load_full()
    }

    /// The snapshot that serves now, without a look at its age.
    pub fn held(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Returns the age of the snapshot, and the outcome of the last refresh.
    pub fn freshness(&self) -> Freshness {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let HeldCatalog { checked_at, read_at, failures, .. } = *state;
        Freshness { age: checked_at.map(|at| at.elapsed()), read_at, failures }
    }

    /// Returns the reason why the latest refresh failed, once.
    pub fn take_failure(&self) -> Option<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).failure.take()
    }

    /// Returns true if this request is the one that refreshes. The time of the next refresh is set at once,
    /// so that only one request does.
    fn take_turn(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let mine = now >= state.due_at;
        if mine {
            state.due_at = now + spread(MAX_AGE);
        }
        mine
    }

    async fn fetch(&self) -> PortResult<()> {
        // Before the call: what is published while it is under way may not be in its answer.
        let begun = Timestamp::now();
        let fetched = self.fetch_head().await;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match fetched {
            Ok(snapshot) => {
                let now = Instant::now();
                state.checked_at = Some(now);
                state.read_at = Some(begun);
                state.due_at = now + spread(MAX_AGE);
                state.failures = 0;
                state.failure = None;
                if let Some(snapshot) = snapshot {
                    self.snapshot.store(Arc::new(snapshot));
                }
                Ok(())
            }
            Err(error) => {
                state.failures += 1;
                state.failure = Some(error.to_string());
                if self.snapshot.load().is_empty() {
                    state.due_at = Instant::now() + spread(EMPTY_AGE);
                }
                Err(error)
            }
        }
    }

    /// The head's snapshot; `None` where it is held already, or nothing was ever published.
    async fn fetch_head(&self) -> PortResult<Option<Snapshot>> {
        let held = self.snapshot.load_full();
        let Some(head) = self.store.head().await? else { return Ok(None) };
        if head.revision == held.revision && !held.is_empty() {
            return Ok(None);
        }
        let number = head.revision;
        let bytes = self.store.revision(number).await?.ok_or_else(|| {
            PortError::permanent(format!("the head names revision {number}, which does not exist"))
        })?;
        let documents = decode(&bytes).map_err(PortError::permanent)?;
        Ok(Some(Snapshot::compile(number, documents, &held)))
    }
}

/// A time give or take a fifth, so that environments that started together do not ask together.
fn spread(time: Duration) -> Duration {
    time.mul_f64(fastrand::f64().mul_add(0.4, 0.8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::encode;
    use crate::ports::{Flip, Head, HeadMove, PutRevision, RevisionInfo, RevisionMeta};
    use serde_json::json;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

    /// A store whose answers a test decides.
    #[derive(Debug, Default)]
    struct Fake {
        head: AtomicU64,
        is_down: AtomicBool,
        is_silent: AtomicBool,
        head_reads: AtomicU64,
        revision_reads: AtomicU64,
    }

    impl CatalogStore for Fake {
        async fn head(&self) -> PortResult<Option<Head>> {
            self.head_reads.fetch_add(1, Relaxed);
            if self.is_silent.load(Relaxed) {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            if self.is_down.load(Relaxed) {
                return Err(PortError::transient("down"));
            }
            Ok(Some(self.head.load(Relaxed)).filter(|it| *it > 0).map(|revision| Head { revision }))
        }

        async fn revision(&self, revision: u64) -> PortResult<Option<Vec<u8>>> {
            self.revision_reads.fetch_add(1, Relaxed);
            if revision == 13 {
                return Err(PortError::permanent("written half"));
            }
            let flag = json!({"flag": format!("flag_{revision}"), "enabled": true});
            Ok(Some(encode(&[flag]).unwrap()))
        }

        async fn put_revision(&self, _: u64, _: &[u8], _: &RevisionMeta) -> PortResult<PutRevision> {
            Ok(PutRevision::Taken)
        }

        async fn flip_head(&self, _: Option<u64>, _: u64, _: &RevisionMeta) -> PortResult<Flip> {
            Ok(Flip::Done)
        }

        async fn head_moves(&self) -> PortResult<Vec<HeadMove>> {
            Ok(Vec::new())
        }

        async fn revisions(&self) -> PortResult<Vec<RevisionInfo>> {
            Ok(Vec::new())
        }
    }

    fn holder(head: u64) -> Arc<CatalogHolder<Fake>> {
        let fake = Fake { head: head.into(), ..Fake::default() };
        Arc::new(CatalogHolder::new(fake, Snapshot::default()))
    }

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_requests_make_one_fetch() {
        let holder = holder(1);
        let requests = (0..1000).map(|_| {
            let holder = Arc::clone(&holder);
            tokio::spawn(async move { holder.current().await.revision })
        });
        for request in requests.collect::<Vec<_>>() {
            request.await.unwrap();
        }
        assert_eq!(holder.store.head_reads.load(Relaxed), 1);
        assert_eq!(holder.current().await.revision, 1);
        pass(13).await;
        holder.store.head.store(2, Relaxed);
        assert_eq!(holder.current().await.revision, 2);
        assert_eq!(holder.store.head_reads.load(Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_good_snapshot_serves_while_the_store_is_down() {
        let holder = holder(1);
        holder.load().await.unwrap();
        holder.store.is_down.store(true, Relaxed);
        for minutes in 1..=10 {
            pass(60).await;
            assert_eq!(holder.current().await.revision, 1);
            assert!(holder.freshness().age.unwrap() >= Duration::from_secs(60 * minutes));
            assert_eq!(holder.freshness().failures, minutes);
        }
        holder.store.is_down.store(false, Relaxed);
        pass(13).await;
        holder.current().await;
        assert_eq!(holder.freshness().failures, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_of_nothing_asks_again_within_a_second() {
        for blip in [1, 5, 30] {
            let holder = holder(1);
            holder.store.is_down.store(true, Relaxed);
            assert!(holder.load().await.is_err());
            let (start, length) = (Instant::now(), Duration::from_secs(blip));
            while start.elapsed() < length {
                assert!(holder.current().await.is_empty());
                tokio::time::advance(Duration::from_millis(50)).await;
            }
            // Once a turn, and not once a request.
            assert!(holder.store.head_reads.load(Relaxed) <= 2 + 3 * blip);
            holder.store.is_down.store(false, Relaxed);
            while holder.current().await.is_empty() {
                tokio::time::advance(Duration::from_millis(50)).await;
            }
            assert!(start.elapsed() <= length + Duration::from_secs(1), "{blip} s: {:?}", start.elapsed());
            let reads = holder.store.head_reads.load(Relaxed);
            pass(2).await;
            holder.current().await;
            assert_eq!(holder.store.head_reads.load(Relaxed), reads, "as ever, once something is held");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_store_costs_one_request_a_little() {
        let holder = holder(1);
        holder.load().await.unwrap();
        holder.store.is_silent.store(true, Relaxed);
        pass(13).await;
        let start = Instant::now();
        assert_eq!(holder.current().await.revision, 1);
        assert_eq!(start.elapsed(), PATIENCE);
        let start = Instant::now();
        holder.current().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_revision_written_half_is_never_served() {
        let holder = holder(1);
        holder.load().await.unwrap();
        holder.store.head.store(13, Relaxed);
        assert!(holder.load().await.is_err());
        assert_eq!(holder.held().revision, 1);
        assert!(holder.held().catalog.flag("flag_1").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_rollback_is_served_as_any_other_head() {
        let holder = holder(2);
        holder.load().await.unwrap();
        holder.store.head.store(1, Relaxed);
        pass(13).await;
        assert_eq!(holder.current().await.revision, 1);
        assert!(holder.held().catalog.flag("flag_2").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_store_the_bundled_snapshot_serves() {
        let flag = json!({"flag": "bundled", "enabled": true});
        let fake = Fake { is_down: true.into(), ..Fake::default() };
        let bundled = Snapshot::compile(7, vec![flag], &Snapshot::default());
        let holder = Arc::new(CatalogHolder::new(fake, bundled));
        assert!(holder.load().await.is_err());
        assert!(holder.current().await.catalog.flag("bundled").is_some());
        assert_eq!(holder.freshness().age, None);
    }
}
