//! The proof, in the transaction that counts records, that they are counted: the head of their shard, or a guard for each.

use super::memory::ShardMemory;
use crate::ports::{Committed, Guard, MetricStore, PortResult};
use abx_core::event::{Commit, ItemContent, Position, RecentUnexposed, RecordClass, StreamItem};
use std::collections::{HashMap, HashSet};

/// The part that the guard of a record names that was counted as rejected: a later redrive out of quarantine may still count it as
/// an event. No key begins so.
const REJECTED: &str = "~rejected";

/// Writes how far a shard is counted.
pub(super) enum PositionWriter<'a> {
    /// By the head: records come in their order, and once the head is behind them they are counted.
    Head(&'a mut ShardMemory),
    /// By guards, for records that the head passed without counting them.
    Guards(Guards<'a>),
}

/// The guards of records.
pub(super) struct Guards<'a> {
    /// Of the shard, as it was read before.
    pub ledger: &'a ShardMemory,
    /// Those records that have a guard, or are counted in part.
    pub reached: HashMap<Position, Reached>,
    /// The ids of events that were redriven before.
    pub ids: &'a HashSet<u64>,
    /// The records that were counted with these guards.
    pub done: Vec<(Position, RecordClass)>,
    /// The ids that were taken with this.
    pub taken: Vec<u64>,
}

/// The progress in counting a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reached {
    /// The position in its guard, if it has one.
    pub guard: Option<Position>,
    /// The last part of it that is counted, by the guard or by the log.
    pub part: Option<Position>,
}

impl Reached {
    /// The progress that a guard shows.
    pub(super) fn by_guard(guard: Position) -> Self {
        let part = Some(guard.clone()).filter(|it| it.part.is_some() && !is_of_rejected(it));
        Self { guard: Some(guard), part }
    }
}

/// True if the guard of a record says that it was counted as rejected.
pub(super) fn is_of_rejected(guard: &Position) -> bool {
    guard.part.as_ref().is_some_and(|(experiment, _)| &**experiment == REJECTED)
}

impl PositionWriter<'_> {
    /// True if an event was taken lately.
    pub(super) fn knows(&self, id: u64) -> bool {
        match self {
            Self::Head(ledger) => ledger.knows(id),
            Self::Guards(guards) => guards.ledger.knows(id) || guards.ids.contains(&id),
        }
    }

    /// The conversions of the latest commits whose units were not exposed. A redrive has none: what came after its records, and found
    /// no exposure because that had been given up, overtook nothing.
    pub(super) fn unexposed(&self) -> Option<&RecentUnexposed> {
        match self {
            Self::Head(ledger) => Some(ledger.unexposed()),
            Self::Guards(_) => None,
        }
    }

    /// The position after which records are left to count.
    pub(super) fn head(&self) -> Option<&Position> {
        match self {
            Self::Head(ledger) => ledger.state.head.as_ref(),
            Self::Guards(_) => None,
        }
    }

    /// The last position that is counted before the rest of an item.
    pub(super) fn reached(&self, item: Option<&StreamItem<'_>>) -> Option<&Position> {
        match self {
            Self::Head(ledger) => ledger.state.head.as_ref(),
            Self::Guards(guards) => guards.reached.get(item?.position)?.part.as_ref(),
        }
    }

    /// Writes a commit that counts these items whole, and maybe a part of the one after them.
    pub(super) async fn write(
        &self,
        store: &impl MetricStore,
        shard: &str,
        commit: &Commit<'_>,
        items: &[StreamItem<'_>],
    ) -> PortResult<Committed> {
        match self {
            Self::Head(ledger) => store.commit(shard, &ledger.state, commit).await,
            Self::Guards(guards) => store.redrive(shard, &guards.of(commit, items), &commit.rows).await,
        }
    }

    /// Notes what was written.
    pub(super) fn advance(&mut self, commit: Commit<'_>, items: &[StreamItem<'_>], classes: &[RecordClass]) {
        match self {
            Self::Head(ledger) => ledger.advance(commit),
            Self::Guards(guards) => {
                guards.taken.extend(&commit.ids);
                guards.done.extend(items.iter().map(|it| it.position.clone()).zip(classes.iter().copied()));
                if commit.head.part.is_some() {
                    guards.reached.insert(commit.head.whole(), Reached::by_guard(commit.head));
                }
            }
        }
    }
}

impl Guards<'_> {
    fn of(&self, commit: &Commit<'_>, items: &[StreamItem<'_>]) -> Vec<Guard> {
        let guard = |record: &Position, after: Position, id: Option<u64>| {
            let before = self.reached.get(record).and_then(|it| it.guard.clone());
            Guard { before, after, id }
        };
        let whole = items.iter().map(|item| {
            let rejected =
                matches!(item.what, ItemContent::Rejected(_)).then(|| (REJECTED.into(), "".into()));
            let id = item.id().filter(|id| commit.ids.contains(id));
            guard(item.position, Position { part: rejected, ..item.position.clone() }, id)
        });
        let part = commit.head.part.is_some().then(|| guard(&commit.head.whole(), commit.head.clone(), None));
        whole.chain(part).collect()
    }
}
