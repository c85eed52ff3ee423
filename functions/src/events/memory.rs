//! The memory of a process between batches. All of it can be forgotten: the store has it.

use crate::ports::{LEDGER_COMMITS, ShardState};
use abx_core::event::{Commit, Mark, MarkKey, RecentUnexposed, Unexposed};
use jiff::civil::Date;
use lru::LruCache;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Heads, ledgers and marks.
#[derive(Debug)]
pub(super) struct Memory {
    shards: Mutex<HashMap<String, ShardMemory>>,
    marks: Mutex<LruCache<MarkKey<'static>, Mark>>,
    /// For each shard, the latest day that unknown events came on, and their names.
    names: Mutex<HashMap<String, (Date, BTreeSet<String>)>>,
}

/// A shard, as far as this process knows. Another process may have moved on; then a commit is refused.
#[derive(Debug, Default)]
pub(super) struct ShardMemory {
    /// Head and number of commits; its own lists are empty, they are in `ids` and `unexposed`.
    pub state: ShardState,
    ids: HashSet<u64>,
    unexposed: RecentUnexposed,
    /// The commits of this process, the oldest first: those that the store forgets too.
    recent: VecDeque<(Vec<u64>, Vec<Unexposed>)>,
}

impl From<ShardState> for ShardMemory {
    fn from(mut state: ShardState) -> Self {
        let ids = std::mem::take(&mut state.ledger).into_iter().collect();
        let mut unexposed = RecentUnexposed::default();
        for of in std::mem::take(&mut state.unexposed) {
            unexposed.insert(of);
        }
        Self { state, ids, unexposed, recent: VecDeque::new() }
    }
}

impl ShardMemory {
    /// True if an event was taken lately.
    pub(super) fn knows(&self, id: u64) -> bool {
        self.ids.contains(&id)
    }

    /// The conversions of the latest commits whose units were not exposed.
    pub(super) fn unexposed(&self) -> &RecentUnexposed {
        &self.unexposed
    }

    /// Notes what was committed.
    pub(super) fn advance(&mut self, commit: Commit<'_>) {
        self.state.head = Some(commit.head);
        self.state.commits += 1;
        self.ids.extend(&commit.ids);
        for of in &commit.unexposed {
            self.unexposed.insert(*of);
        }
        self.recent.push_back((commit.ids, commit.unexposed));
        if self.recent.len() as u64 > LEDGER_COMMITS
            && let Some((ids, unexposed)) = self.recent.pop_front()
        {
            for id in ids {
                self.ids.remove(&id);
            }
            for of in unexposed {
                self.unexposed.remove(&of);
            }
        }
    }
}

impl Memory {
    pub(super) fn new(marks: NonZeroUsize) -> Self {
        Self { shards: Mutex::default(), marks: Mutex::new(LruCache::new(marks)), names: Mutex::default() }
    }

    /// Takes a shard out: whoever asks meanwhile reads it from the store.
    pub(super) fn take(&self, shard: &str) -> Option<ShardMemory> {
        lock(&self.shards).remove(shard)
    }

    /// Puts it back.
    pub(super) fn put(&self, shard: &str, ledger: ShardMemory) {
        lock(&self.shards).insert(shard.to_owned(), ledger);
    }

    /// Takes the names of a shard's unknown events of a day out.
    pub(super) fn take_names(&self, shard: &str, day: Date) -> Option<BTreeSet<String>> {
        lock(&self.names).remove(shard).filter(|(latest, _)| *latest == day).map(|(_, names)| names)
    }

    /// Puts them back. A name in them that was not committed after all does no harm: it only takes a place.
    pub(super) fn put_names(&self, shard: &str, day: Date, names: BTreeSet<String>) {
        lock(&self.names).insert(shard.to_owned(), (day, names));
    }

    /// The marks that are known of these keys, and the keys of the others.
    pub(super) fn marks<'k>(&self, keys: Vec<MarkKey<'k>>) -> (Vec<(MarkKey<'k>, Mark)>, Vec<MarkKey<'k>>) {
        let mut marks = lock(&self.marks);
        let mut known = Vec::new();
        let mut unknown = Vec::new();
        for key in keys {
            // The cache wants a key of its own type, which a borrowed one can become and a reference to it cannot.
            match marks.get(&key.clone().into_owned()) {
                Some(mark) => known.push((key, mark.clone())),
                None => unknown.push(key),
            }
        }
        (known, unknown)
    }

    /// Remembers marks.
    pub(super) fn remember<'a>(&self, found: impl Iterator<Item = (&'a MarkKey<'a>, &'a Mark)>) {
        let mut marks = lock(&self.marks);
        for (key, mark) in found {
            marks.put(key.clone().into_owned(), mark.clone());
        }
    }
}

/// Whoever panicked left a map that is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
