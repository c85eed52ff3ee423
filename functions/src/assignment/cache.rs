//! The assignments that the process knows.

use crate::ports::StoredAssignment;
use abx_core::{Experiment, Pin};
use jiff::Timestamp;
use lru::LruCache;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The time, in seconds, for which an absent assignment is cached. It is short because another process may
/// store one.
const ABSENT_SECONDS: i64 = 60;

/// Under what an assignment is known. Another epoch is another assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CacheKey<'a> {
    pub unit: &'a str,
    pub experiment: &'a str,
    pub epoch: u32,
}

impl<'a> CacheKey<'a> {
    pub(super) fn new(experiment: &'a Experiment, unit: &'a str) -> Self {
        Self { unit, experiment: experiment.key(), epoch: experiment.epoch() }
    }
}

/// The cached part of an assignment. Its context is left out, because it may be sixty times as long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CachedAssignment {
    variant: Box<str>,
    pub assignment_id: Box<str>,
    epoch: u32,
    pub assigned_at: Timestamp,
    ttl: i64,
}

impl From<StoredAssignment> for CachedAssignment {
    fn from(stored: StoredAssignment) -> Self {
        Self {
            variant: stored.variant.into(),
            assignment_id: stored.assignment_id.into(),
            epoch: stored.epoch,
            assigned_at: stored.assigned_at,
            ttl: stored.ttl,
        }
    }
}

impl CachedAssignment {
    /// The assignment, as a decision takes it.
    pub(super) fn pin(&self) -> Pin<'_> {
        Pin { variant: &self.variant, epoch: self.epoch }
    }
}

/// The last used assignments.
#[derive(Debug)]
pub(super) struct Cache {
    /// The entries, by the hash of their key, so that a lookup allocates nothing; the entry holds the key.
    entries: Mutex<LruCache<u64, CacheEntry>>,
    hasher: RandomState,
}

#[derive(Debug)]
struct CacheEntry {
    unit: Box<str>,
    experiment: Box<str>,
    epoch: u32,
    /// The assignment in the store; `None` if it held none.
    stored: Option<Arc<CachedAssignment>>,
    /// The time of expiry, in seconds since 1970.
    until: i64,
}

impl CacheEntry {
    fn is_valid(&self, key: CacheKey<'_>, now: i64) -> bool {
        let is_same =
            *self.unit == *key.unit && *self.experiment == *key.experiment && self.epoch == key.epoch;
        is_same && now < self.until
    }
}

impl Cache {
    pub(super) fn new(size: NonZeroUsize) -> Self {
        Self { entries: Mutex::new(LruCache::new(size)), hasher: RandomState::new() }
    }

    /// Returns the assignment that the store holds, at a time in seconds since 1970; `None` if that is not known.
    pub(super) fn get(&self, key: CacheKey<'_>, now: i64) -> Option<Arc<CachedAssignment>> {
        let mut entries = self.lock();
        let entry = entries.get(&self.hasher.hash_one(key)).filter(|entry| entry.is_valid(key, now))?;
        entry.stored.clone()
    }

    /// Returns true if the store held nothing a moment ago.
    pub(super) fn is_absent(&self, key: CacheKey<'_>, now: i64) -> bool {
        let entries = self.lock();
        let entry = entries.peek(&self.hasher.hash_one(key)).filter(|entry| entry.is_valid(key, now));
        entry.is_some_and(|entry| entry.stored.is_none())
    }

    /// Remembers what the store holds.
    pub(super) fn put(&self, key: CacheKey<'_>, cached: Arc<CachedAssignment>) {
        let until = cached.ttl;
        self.insert(key, Some(cached), until);
    }

    /// Remembers that the store holds nothing.
    pub(super) fn put_absent(&self, key: CacheKey<'_>, now: i64) {
        self.insert(key, None, now.saturating_add(ABSENT_SECONDS));
    }

    fn insert(&self, key: CacheKey<'_>, stored: Option<Arc<CachedAssignment>>, until: i64) {
        let hash = self.hasher.hash_one(key);
        let entry = CacheEntry {
            unit: key.unit.into(),
            experiment: key.experiment.into(),
            epoch: key.epoch,
            stored,
            until,
        };
        self.lock().put(hash, entry);
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<u64, CacheEntry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: CacheKey<'_> = CacheKey { unit: "u", experiment: "e", epoch: 1 };

    fn cached(ttl: i64) -> Arc<CachedAssignment> {
        let assigned_at = Timestamp::UNIX_EPOCH;
        Arc::new(CachedAssignment {
            variant: "a".into(),
            assignment_id: "1".into(),
            epoch: 1,
            assigned_at,
            ttl,
        })
    }

    #[test]
    fn an_assignment_is_known_until_it_ends() {
        let cache = Cache::new(NonZeroUsize::MIN);
        cache.put(KEY, cached(100));
        assert!(cache.get(KEY, 99).is_some());
        assert!(cache.get(KEY, 100).is_none());
        assert!(cache.get(CacheKey { epoch: 2, ..KEY }, 99).is_none(), "another epoch");
        cache.put(CacheKey { unit: "v", ..KEY }, cached(100));
        assert!(cache.get(KEY, 0).is_none(), "one is all that it holds");
    }

    #[test]
    fn absence_is_believed_for_a_minute() {
        let cache = Cache::new(NonZeroUsize::MIN);
        cache.put_absent(KEY, 1_000);
        assert!(cache.get(KEY, 1_059).is_none());
        assert!(cache.is_absent(KEY, 1_059));
        assert!(!cache.is_absent(KEY, 1_060));
        assert!(!cache.is_absent(CacheKey { unit: "v", ..KEY }, 1_059), "another unit");
        cache.put(KEY, cached(2_000));
        assert!(cache.get(KEY, 1_001).is_some());
        assert!(!cache.is_absent(KEY, 1_001));
    }
}
