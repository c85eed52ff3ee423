//! The assignments that the process knows.

use crate::ports::StoredAssignment;
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
pub(super) struct Key<'a> {
    pub unit: &'a str,
    pub experiment: &'a str,
    pub epoch: u32,
}

/// The cached part of an assignment. Its context is left out, because it may be sixty times as long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CachedAssignment {
    pub variant: Box<str>,
    pub assignment_id: Box<str>,
    pub epoch: u32,
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

/// The cached knowledge about a unit in an experiment.
#[derive(Debug, Clone)]
pub(super) enum CachedLookup {
    /// The store holds this.
    Stored(Arc<CachedAssignment>),
    /// The store held nothing a moment ago.
    Absent,
}

/// The last used assignments.
#[derive(Debug)]
pub(super) struct Cache {
    /// The entries, by the hash of their key, so that a lookup allocates nothing; the entry holds the key.
    entries: Mutex<LruCache<u64, Entry>>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Entry {
    unit: Box<str>,
    experiment: Box<str>,
    epoch: u32,
    known: CachedLookup,
    /// The time of expiry, in seconds since 1970.
    until: i64,
}

impl Cache {
    pub(super) fn new(size: NonZeroUsize) -> Self {
        Self { entries: Mutex::new(LruCache::new(size)), hasher: RandomState::new() }
    }

    /// Returns the cached knowledge at a time in seconds since 1970.
    pub(super) fn get(&self, key: Key<'_>, now: i64) -> Option<CachedLookup> {
        let hash = self.hasher.hash_one(key);
        let mut entries = self.lock();
        let entry = entries.get(&hash)?;
        let same =
            *entry.unit == *key.unit && *entry.experiment == *key.experiment && entry.epoch == key.epoch;
        (same && now < entry.until).then(|| entry.known.clone())
    }

    /// Remembers what the store holds.
    pub(super) fn put(&self, key: Key<'_>, cached: Arc<CachedAssignment>) {
        let until = cached.ttl;
        self.insert(key, CachedLookup::Stored(cached), until);
    }

    /// Remembers that the store holds nothing.
    pub(super) fn put_absent(&self, key: Key<'_>, now: i64) {
        self.insert(key, CachedLookup::Absent, now.saturating_add(ABSENT_SECONDS));
    }

    fn insert(&self, key: Key<'_>, known: CachedLookup, until: i64) {
        let hash = self.hasher.hash_one(key);
        let entry = Entry {
            unit: key.unit.into(),
            experiment: key.experiment.into(),
            epoch: key.epoch,
            known,
            until,
        };
        self.lock().put(hash, entry);
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<u64, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key<'_> = Key { unit: "u", experiment: "e", epoch: 1 };

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
        assert!(matches!(cache.get(KEY, 99), Some(CachedLookup::Stored(_))));
        assert!(cache.get(KEY, 100).is_none());
        assert!(cache.get(Key { epoch: 2, ..KEY }, 99).is_none(), "another epoch");
        cache.put(Key { unit: "v", ..KEY }, cached(100));
        assert!(cache.get(KEY, 0).is_none(), "one is all that it holds");
    }

    #[test]
    fn absence_is_believed_for_a_minute() {
        let cache = Cache::new(NonZeroUsize::MIN);
        cache.put_absent(KEY, 1_000);
        assert!(matches!(cache.get(KEY, 1_059), Some(CachedLookup::Absent)));
        assert!(cache.get(KEY, 1_060).is_none());
        cache.put(KEY, cached(2_000));
        assert!(matches!(cache.get(KEY, 1_001), Some(CachedLookup::Stored(_))));
    }
}
