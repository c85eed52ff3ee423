//! Ports that forward: several may hold one adapter, and one of two adapters may be chosen when a program starts.

use super::{
    Archive, ArchiveLine, AssignmentStore, CatalogStore, Committed, Event, EventSink, Flip, Guard, Head,
    HeadMove, Held, LogEntry, MarkPut, MetricStore, PersonalData, PortResult, Put, PutRevision, Quarantine,
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

/// A sink that may be left out, and then takes everything to nowhere.
impl<T: EventSink> EventSink for Option<T> {
    async fn send(&self, events: &[Event]) -> SendReport {
        match self {
            Some(sink) => sink.send(events).await,
            None => SendReport::default(),
        }
    }
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
        fn head(&self) -> PortResult<Option<Head>>;
        fn revision(&self, revision: u64) -> PortResult<Option<Vec<u8>>>;
        fn put_revision(&self, revision: u64, bytes: &[u8], meta: &RevisionMeta) -> PortResult<PutRevision>;
        fn flip_head(&self, from: Option<u64>, to: u64, meta: &RevisionMeta) -> PortResult<Flip>;
        fn head_moves(&self) -> PortResult<Vec<HeadMove>>;
        fn revisions(&self) -> PortResult<Vec<RevisionInfo>>;
    }

    AssignmentStore {
        fn get(&self, unit: &str, experiment_key: &str) -> PortResult<Option<StoredAssignment>>;
        fn get_many(&self, unit: &str, experiments: &[&str]) -> PortResult<Vec<Option<StoredAssignment>>>;
        fn put_if_absent(&self, assignment: &StoredAssignment, now: i64) -> PortResult<Put>;
    }

    EventSink {
        fn send(&self, events: &[Event]) -> SendReport;
    }

    MetricStore {
        sync fn limits(&self) -> TransactionLimits;
        fn shard(&self, shard: &str) -> PortResult<ShardState>;
        fn marks(&self, keys: &[MarkKey<'_>]) -> PortResult<Vec<Option<Mark>>>;
        fn put_marks(&self, marks: &[(MarkKey<'_>, Mark)]) -> PortResult<Vec<MarkPut>>;
        fn commit(&self, shard: &str, state: &ShardState, commit: &Commit<'_>) -> PortResult<Committed>;
        fn log(&self, shard: &str, from: &Position, to: &Position) -> PortResult<Vec<LogEntry>>;
        fn redriven(&self, shard: &str, from: &Position, to: &Position) -> PortResult<Vec<RedrivenRecord>>;
        fn redrive(&self, shard: &str, guards: &[Guard], rows: &[Additions<'_>]) -> PortResult<Committed>;
        fn rows(&self, of: RowsOf<'_>) -> PortResult<Vec<StoredRow>>;
    }

    PersonalData {
        fn held(&self, unit: &str) -> PortResult<Held>;
        fn erase(&self, unit: &str) -> PortResult<()>;
    }

    Archive {
        fn append(&self, lines: &[ArchiveLine]) -> PortResult<()>;
    }

    Quarantine {
        fn put(&self, records: &[Quarantined]) -> PortResult<()>;
        fn list(&self, since: Timestamp, limit: usize) -> PortResult<Vec<Quarantined>>;
        fn count(&self, since: Timestamp) -> PortResult<BTreeMap<String, u64>>;
        fn remove(&self, record: &Quarantined) -> PortResult<()>;
    }
}
