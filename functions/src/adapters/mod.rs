//! Who fulfils the [`ports`](crate::ports).
//!
//! | module | what it is |
//! |---|---|
//! | [`aws`] | DynamoDB and Kinesis, with budgets that fit into a request |
//! | [`embedded`] | one `SQLite` file; no server and no account: the default of every local command |
//! | [`keys`] | rows, counters and marks as the texts that both keep them under |

pub mod aws;
pub mod embedded;
pub mod keys;

use crate::ports::TransactionLimits;
use abx_core::event::Limits;

/// What a transaction of DynamoDB holds: 100 actions of at most 4 MB, of which each update has at most 300 operators. The embedded
/// store has no such limits and keeps to them, so that what is rehearsed here is committed as the deployed function commits it.
pub const TRANSACTION_LIMITS: TransactionLimits = TransactionLimits {
    // Beside the head, its entry in the log, in which an id has 8 bytes, and the row of unknown events.
    commit: Limits { rows: 97, counters: 250, ids: 5_000, items: usize::MAX },
    // Beside the row of unknown events.
    redrive: Limits { rows: 69, counters: 250, ids: 5_000, items: 30 },
};
