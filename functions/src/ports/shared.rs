//! A port that several hold is a port.

use super::{
    Archive, ArchiveLine, AssignmentStore, CatalogStore, Committed, Event, EventSink, Flip, Guard, Head,
    HeadMove, Held, LogEntry, MarkPut, MetricStore, PersonalData, PortError, Put, PutRevision, Quarantine,
    Quarantined, RedrivenRecord, RevisionInfo, RevisionMeta, RowsOf, SendReport, ShardState,
    StoredAssignment, StoredRow, TransactionLimits,
};
use abx_core::event::{Additions, Commit, Mark, MarkKey, Position};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

impl<T: CatalogStore> CatalogStore for Arc<T> {
    fn head(&self) -> impl Future<Output = Result<Option<Head>, PortError>> + Send {
        (**self).head()
    }

    fn revision(&self, revision: u64) -> impl Future<Output = Result<Option<Vec<u8>>, PortError>> + Send {
        (**self).revision(revision)
    }

    fn put_revision(
        &self,
        revision: u64,
        bytes: &[u8],
        meta: &RevisionMeta,
    ) -> impl Future<Output = Result<PutRevision, PortError>> + Send {
        (**self).put_revision(revision, bytes, meta)
    }

    fn flip_head(
        &self,
        from: Option<u64>,
        to: u64,
        meta: &RevisionMeta,
    ) -> impl Future<Output = Result<Flip, PortError>> + Send {
        (**self).flip_head(from, to, meta)
    }

    fn head_moves(&self) -> impl Future<Output = Result<Vec<HeadMove>, PortError>> + Send {
        (**self).head_moves()
    }

    fn revisions(&self) -> impl Future<Output = Result<Vec<RevisionInfo>, PortError>> + Send {
        (**self).revisions()
    }
}

impl<T: AssignmentStore> AssignmentStore for Arc<T> {
    fn get(
        &self,
        unit: &str,
        experiment_key: &str,
    ) -> impl Future<Output = Result<Option<StoredAssignment>, PortError>> + Send {
        (**self).get(unit, experiment_key)
    }

    fn get_many(
        &self,
        unit: &str,
        experiment_keys: &[&str],
    ) -> impl Future<Output = Result<Vec<Option<StoredAssignment>>, PortError>> + Send {
        (**self).get_many(unit, experiment_keys)
    }

    fn put_if_absent(
        &self,
        assignment: &StoredAssignment,
        now: i64,
    ) -> impl Future<Output = Result<Put, PortError>> + Send {
        (**self).put_if_absent(assignment, now)
    }
}

impl<T: EventSink> EventSink for Arc<T> {
    fn send(&self, events: &[Event]) -> impl Future<Output = SendReport> + Send {
        (**self).send(events)
    }
}

impl<T: MetricStore> MetricStore for Arc<T> {
    fn limits(&self) -> TransactionLimits {
        (**self).limits()
    }

    fn shard(&self, shard: &str) -> impl Future<Output = Result<ShardState, PortError>> + Send {
        (**self).shard(shard)
    }

    fn marks(
        &self,
        keys: &[MarkKey<'_>],
    ) -> impl Future<Output = Result<Vec<Option<Mark>>, PortError>> + Send {
        (**self).marks(keys)
    }

    fn put_marks(
        &self,
        marks: &[(MarkKey<'_>, Mark)],
    ) -> impl Future<Output = Result<Vec<MarkPut>, PortError>> + Send {
        (**self).put_marks(marks)
    }

    fn commit(
        &self,
        shard: &str,
        state: &ShardState,
        commit: &Commit<'_>,
    ) -> impl Future<Output = Result<Committed, PortError>> + Send {
        (**self).commit(shard, state, commit)
    }

    fn log(
        &self,
        shard: &str,
        from: &Position,
        to: &Position,
    ) -> impl Future<Output = Result<Vec<LogEntry>, PortError>> + Send {
        (**self).log(shard, from, to)
    }

    fn redriven(
        &self,
        shard: &str,
        from: &Position,
        to: &Position,
    ) -> impl Future<Output = Result<Vec<RedrivenRecord>, PortError>> + Send {
        (**self).redriven(shard, from, to)
    }

    fn redrive(
        &self,
        shard: &str,
        guards: &[Guard],
        rows: &[Additions<'_>],
    ) -> impl Future<Output = Result<Committed, PortError>> + Send {
        (**self).redrive(shard, guards, rows)
    }

    fn rows(&self, of: RowsOf<'_>) -> impl Future<Output = Result<Vec<StoredRow>, PortError>> + Send {
        (**self).rows(of)
    }
}

impl<T: PersonalData> PersonalData for Arc<T> {
    fn held(&self, unit: &str) -> impl Future<Output = Result<Held, PortError>> + Send {
        (**self).held(unit)
    }

    fn erase(&self, unit: &str) -> impl Future<Output = Result<(), PortError>> + Send {
        (**self).erase(unit)
    }
}

impl<T: Archive> Archive for Arc<T> {
    fn append(&self, lines: &[ArchiveLine]) -> impl Future<Output = Result<(), PortError>> + Send {
        (**self).append(lines)
    }
}

impl<T: Quarantine> Quarantine for Arc<T> {
    fn put(&self, records: &[Quarantined]) -> impl Future<Output = Result<(), PortError>> + Send {
        (**self).put(records)
    }

    fn list(
        &self,
        since: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Quarantined>, PortError>> + Send {
        (**self).list(since, limit)
    }

    fn count(
        &self,
        since: Timestamp,
    ) -> impl Future<Output = Result<BTreeMap<String, u64>, PortError>> + Send {
        (**self).count(since)
    }

    fn remove(&self, record: &Quarantined) -> impl Future<Output = Result<(), PortError>> + Send {
        (**self).remove(record)
    }
}
