//! The dependencies of the functions, as traits. [`adapters`](crate::adapters) holds their implementations.
//!
//! | port | what it keeps |
//! |---|---|
//! | [`CatalogStore`] | immutable revisions of the catalog, and which of them is head |
//! | [`AssignmentStore`] | which variant a unit got, once and for all |
//! | [`EventSink`] | exposures and evaluations, on their way to the stream |
//! | [`MetricStore`] | how far each shard was counted, marks of units, and counts |
//! | [`Archive`] | every event that was taken |
//! | [`Quarantine`] | records that can never be processed |
//! | [`PersonalData`] | what is kept of one unit, to be erased |
//!
//! Every port answers with a [`PortResult`], whose [`PortError`] says one thing that a caller acts on: is it worth another try?
//! A program that chooses its adapters when it starts has [`Either`] of them.
//! One suite of tests (`tests/contract/`) says what a port promises and runs over all of its adapters.

mod archive;
mod assignment_store;
mod catalog_store;
mod error;
mod event_sink;
mod metric_store;
mod personal_data;
mod shared;

pub use archive::{Archive, ArchiveLine, Quarantine, Quarantined};
pub use assignment_store::{
    AssignmentStore, MAX_EXPERIMENT_KEY_BYTES, MAX_UNIT_BYTES, Put, StoredAssignment,
};
pub(crate) use assignment_store::{check_key, check_unit};
pub(crate) use catalog_store::no_such_revision;
pub use catalog_store::{
    CHUNK_BYTES, CatalogStore, Flip, Head, HeadMove, PutRevision, RevisionInfo, RevisionMeta,
};
#[cfg(feature = "aws")]
pub(crate) use error::{BoxError, causes};
pub use error::{PortError, PortResult, Within, chain};
pub use event_sink::{Event, EventSink, MAX_EVENT_BYTES, SendReport};
pub use metric_store::{
    Committed, Guard, LEDGER_COMMITS, LOG_KEPT, LogEntry, MarkPut, MetricStore, REDRIVEN_AROUND,
    RedrivenRecord, RowsOf, ShardState, StoredRow, TransactionLimits, stream_totals, totals,
};
pub(crate) use metric_store::{ids_from_bytes, ids_to_bytes, unexposed_from_bytes, unexposed_to_bytes};
pub use personal_data::{Held, PersonalData};
pub use shared::Either;
