//! Exact counts of the events of a stream. All of it is pure: the event function reads and writes.
//!
//! | file | what happens there |
//! |---|---|
//! | `batch`, `unpack` | records, as an event source hands them over, become events, each by itself |
//! | `data`, `rejection` | a record becomes an event, or a reason why it never will |
//! | `summary` | what an event says that stands for many evaluations |
//! | `position`, `shard_name` | where a record stands in its shard, and which shard that is |
//! | `mark` | proof that a unit was exposed, or converted, and by which record |
//! | `row`, `amount` | counters, where they are kept, and what they hold |
//! | `fold`, `class` | events and marks become additions to rows, and each record falls into one class |
//! | `unexposed` | conversions that may have overtaken the exposure of their unit |
//! | `commit` | which of them are written together |
//! | `unknown` | names of events that no metric asks for |
//! | `totals` | rows become what an experiment's results are made from |

/// Declares the error of a text that cannot be read.
macro_rules! text_error {
    ($(#[$attribute:meta])* $name:ident, $($message:tt)*) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name;

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, $($message)*)
            }
        }

        impl std::error::Error for $name {}
    };
}

mod amount;
mod batch;
mod class;
mod commit;
mod data;
mod fold;
mod mark;
mod position;
mod rejection;
mod row;
mod row_size;
mod shard_name;
mod summary;
mod totals;
mod unexposed;
mod unknown;
mod unpack;

pub use amount::{Amount, NotAnAmount};
pub use batch::{Batch, Payload, Record, RecordContent, ShardBatch, Unplaced};
pub use class::{Classes, RecordClass};
pub use commit::{Additions, Commit, Limits};
pub use data::{EventData, EventKind, MAX_EVENT_BYTES};
pub(crate) use fold::property;
pub use fold::{
    Credit, Folded, ItemContent, MAX_PARTITION_KEY, Marks, StreamItem, UNKNOWN_VARIANT, fold, wanted,
};
pub use mark::{ID_WINDOW, Mark, MarkKey, MarkSubject, Owner};
pub use position::{MAX_DIGITS, NotAPosition, Part, Position, Sequence};
pub use rejection::{Rejection, RejectionReason};
pub use row::{Counter, GROUPS, Hour, MetricCounter, NotAnHour, RowKey, StreamCounter, VariantCounter};
pub use row_size::{MAX_ROW_BYTES, largest_row};
pub use shard_name::ShardName;
pub use summary::EvaluationCount;
pub use totals::{MetricTotals, StreamTotals, Totals, VariantTotals};
pub use unexposed::{RecentUnexposed, Unexposed};
pub use unknown::{MAX_UNKNOWN_NAMES, UnknownEvents};
pub use unpack::unpack;
