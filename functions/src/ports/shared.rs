//! A port that several hold is a port.

use super::{
    AssignmentStore, CatalogStore, Event, EventSink, Flip, Head, PortError, Put, PutRevision, RevisionInfo,
    RevisionMeta, SendReport, StoredAssignment,
};
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

    fn flip_head(&self, from: Option<u64>, to: u64) -> impl Future<Output = Result<Flip, PortError>> + Send {
        (**self).flip_head(from, to)
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
