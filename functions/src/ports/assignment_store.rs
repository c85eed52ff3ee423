//! The store of assignments.

use super::{PortError, PortResult};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The longest unit that can be stored, in bytes of UTF-8: the limit of a DynamoDB partition key.
pub const MAX_UNIT_BYTES: usize = 2048;

/// The longest experiment key that can be stored, in bytes: the limit of a DynamoDB sort key.
pub const MAX_EXPERIMENT_KEY_BYTES: usize = 1024;

/// A decision that was stored, and from then on wins over the hash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredAssignment {
    /// The unit: a user's id, or the value of another attribute that the experiment randomises.
    pub user_id: String,
    /// The experiment.
    pub experiment_key: String,
    /// The variant's key.
    pub variant: String,
    /// Names this assignment in events.
    pub assignment_id: String,
    /// The experiment's epoch at the assignment.
    pub epoch: u32,
    /// The catalog's revision at the assignment.
    pub revision: u64,
    /// The time of the assignment.
    pub assigned_at: Timestamp,
    /// The known attributes of the unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Map<String, Value>>,
    /// The time of expiry, in seconds since 1970.
    pub ttl: i64,
}

impl StoredAssignment {
    /// True if it has expired at a time given in seconds since 1970. Stores delete late (DynamoDB within days), so
    /// whoever reads an assignment asks.
    #[must_use]
    pub fn is_expired(&self, now: i64) -> bool {
        self.ttl <= now
    }

    /// True if an earlier attempt of the same call, whose answer was lost, stored `self`.
    pub(crate) fn is_echo_of(&self, put: &Self) -> bool {
        self.assignment_id == put.assignment_id
            && self.variant == put.variant
            && self.assigned_at == put.assigned_at
    }

    /// Refuses what one of the stores could not keep, so that all of them behave the same.
    pub(crate) fn check(&self) -> PortResult<()> {
        check_key(&self.user_id, &self.experiment_key)
    }
}

/// Refuses keys that one of the stores could not keep.
pub(crate) fn check_key(unit: &str, experiment_key: &str) -> PortResult<()> {
    check_unit(unit)?;
    check_length("the experiment key", experiment_key, MAX_EXPERIMENT_KEY_BYTES)
}

/// Refuses a unit that one of the stores could not keep.
pub(crate) fn check_unit(unit: &str) -> PortResult<()> {
    check_length("the unit", unit, MAX_UNIT_BYTES)
}

fn check_length(what: &str, text: &str, limit: usize) -> PortResult<()> {
    match text.len() {
        0 => Err(PortError::permanent(format!("{what} is empty"))),
        length if length > limit => {
            Err(PortError::permanent(format!("{what} has {length} bytes; at most {limit} can be stored")))
        }
        _ => Ok(()),
    }
}

/// The outcome of an attempt to store an assignment.
#[derive(Debug, Clone, PartialEq)]
pub enum Put {
    /// It is stored.
    Stored,
    /// Another one was there first, and is what the unit has.
    Existing(StoredAssignment),
}

/// Keeps the first assignment of each unit and experiment.
pub trait AssignmentStore: Send + Sync {
    /// The stored assignment, expired or not: see [`StoredAssignment::is_expired`]. May miss one that was stored in the last second.
    fn get(
        &self,
        unit: &str,
        experiment_key: &str,
    ) -> impl Future<Output = PortResult<Option<StoredAssignment>>> + Send;

    /// As [`get`](Self::get) for several experiments of one unit: one entry for each key, in the order of `experiments`.
    fn get_many(
        &self,
        unit: &str,
        experiments: &[&str],
    ) -> impl Future<Output = PortResult<Vec<Option<StoredAssignment>>>> + Send;

    /// Stores, in one round trip, unless an assignment is there that has this epoch or a later one and has not
    /// expired at `now` (seconds since 1970). Of any number of concurrent calls one stores, and the others get what
    /// it stored. A call that is repeated because its answer was lost is `Stored` again.
    fn put_if_absent(
        &self,
        assignment: &StoredAssignment,
        now: i64,
    ) -> impl Future<Output = PortResult<Put>> + Send;
}
