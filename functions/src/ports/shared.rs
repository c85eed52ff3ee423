//! Ports that forward: several may hold one adapter, and one of two adapters may be chosen when a program starts.

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

/// One of two adapters of a port. Nested, one of several.
#[derive(Debug, Clone)]
pub enum Either<L, R> {
    /// The first of them.
    Left(L),
    /// The second.
    Right(R),
}

/// Forwards the methods of each port, so that they are listed once.
macro_rules! forward {
    ($($port:ident { $(sync fn $plain:ident(&self) -> $said:ty;)* $(fn $method:ident(&self $(, $name:ident: $given:ty)*) -> $answer:ty;)+ })+) => {
        $(
            impl<T: $port> $port for Arc<T> {
                $(
                    fn $plain(&self) -> $said {
                        (**self).$plain()
                    }
                )*
                $(
                    fn $method(&self $(, $name: $given)*) -> impl Future<Output = $answer> + Send {
                        (**self).$method($($name),*)
                    }
                )+
            }

            impl<L: $port, R: $port> $port for Either<L, R> {
                $(
                    fn $plain(&self) -> $said {
                        match self {
                            Self::Left(it) => it.$plain(),
                            Self::Right(it) => it.$plain(),
                        }
                    }
                )*
                $(
                    async fn $method(&self $(, $name: $given)*) -> $answer {
                        match self {
                            Self::Left(it) => it.$method($($name),*).await,
                            Self::Right(it) => it.$method($($name),*).await,
                        }
                    }
                )+
            }
        )+
    };
}

forward! {
    CatalogStore {
        fn head(&self) -> Result<Option<Head>, PortError>;
        fn revision(&self, revision: u64) -> Result<Option<Vec<u8>>, PortError>;
        fn put_revision(&self, revision: u64, bytes: &[u8], meta: &RevisionMeta) -> Result<PutRevision, PortError>;
        fn flip_head(&self, from: Option<u64>, to: u64, meta: &RevisionMeta) -> Result<Flip, PortError>;
        fn head_moves(&self) -> Result<Vec<HeadMove>, PortError>;
        fn revisions(&self) -> Result<Vec<RevisionInfo>, PortError>;
    }

    AssignmentStore {
        fn get(&self, unit: &str, experiment_key: &str) -> Result<Option<StoredAssignment>, PortError>;
        fn get_many(&self, unit: &str, experiment_keys: &[&str]) -> Result<Vec<Option<StoredAssignment>>, PortError>;
        fn put_if_absent(&self, assignment: &StoredAssignment, now: i64) -> Result<Put, PortError>;
    }

    EventSink {
        fn send(&self, events: &[Event]) -> SendReport;
    }

    MetricStore {
        sync fn limits(&self) -> TransactionLimits;
        fn shard(&self, shard: &str) -> Result<ShardState, PortError>;
        fn marks(&self, keys: &[MarkKey<'_>]) -> Result<Vec<Option<Mark>>, PortError>;
        fn put_marks(&self, marks: &[(MarkKey<'_>, Mark)]) -> Result<Vec<MarkPut>, PortError>;
        fn commit(&self, shard: &str, state: &ShardState, commit: &Commit<'_>) -> Result<Committed, PortError>;
        fn log(&self, shard: &str, from: &Position, to: &Position) -> Result<Vec<LogEntry>, PortError>;
        fn redriven(&self, shard: &str, from: &Position, to: &Position) -> Result<Vec<RedrivenRecord>, PortError>;
        fn redrive(&self, shard: &str, guards: &[Guard], rows: &[Additions<'_>]) -> Result<Committed, PortError>;
        fn rows(&self, of: RowsOf<'_>) -> Result<Vec<StoredRow>, PortError>;
    }

    PersonalData {
        fn held(&self, unit: &str) -> Result<Held, PortError>;
        fn erase(&self, unit: &str) -> Result<(), PortError>;
    }

    Archive {
        fn append(&self, lines: &[ArchiveLine]) -> Result<(), PortError>;
    }

    Quarantine {
        fn put(&self, records: &[Quarantined]) -> Result<(), PortError>;
        fn list(&self, since: Timestamp, limit: usize) -> Result<Vec<Quarantined>, PortError>;
        fn count(&self, since: Timestamp) -> Result<BTreeMap<String, u64>, PortError>;
        fn remove(&self, record: &Quarantined) -> Result<(), PortError>;
    }
}
