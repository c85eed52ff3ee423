//! The event function: a batch of the stream becomes exact counts.
//!
//! | file | what happens there |
//! |---|---|
//! | `processor` | a batch, shard by shard: what is given back, and what was counted |
//! | `shard` | one shard: decode, enrich, fold, quarantine, archive, commit last |
//! | `halving` | which of many records a store refuses |
//! | `memory` | what a process remembers between batches: heads, ledgers and marks |
//! | `unknown` | names of events that no metric asks for |
//! | `archived` | the line of the archive, written and read |
//! | `local` | the events of an embedded store, as a stream |
//! | `coverage` | which records of a shard are counted, by its commit log |
//! | `redriver` | records that Lambda gave up, or that were quarantined, counted where they stood |
//! | `quarantined` | records out of quarantine, as records of a shard |
//! | `position_writer` | what says that records are counted: the head of their shard, or a guard for each |
//!
//! Why a batch is counted once, however often it is delivered: its rows are written in one transaction with the head of its shard,
//! under the condition that the head is where it was read. Everything before it (marks, quarantine, archive) can be repeated.

mod archived;
mod coverage;
mod halving;
mod local;
mod memory;
mod position_writer;
mod processor;
mod quarantined;
mod redriver;
mod shard;
mod unknown;

pub use archived::{ArchivedCredit, ArchivedLine, ArchivedRecord, NotArchived};
pub use local::LocalProcessor;
pub use processor::{BatchOutcome, BatchResponse, ItemFailure, NotHandled, Options, Processor};
pub use quarantined::{REPLAYED_STREAM, has_no_place, quarantined};
pub use redriver::{RecordRefusal, RecordStanding, RedriveSource, Redriven, Redriver, RefusalReason};
pub use unknown::RecentUnknownEvents;
