//! Response bodies of the assignment function.

use crate::http::optional_time_schema;
use abx_core::Reason;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;

/// The variant of a unit, and the reason.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AssignmentResponse<'a> {
    /// The experiment.
    pub experiment_key: &'a str,
    /// The user id, as a text.
    pub user_id: Option<Cow<'a, str>>,
    /// The unit that was assigned: the user id, or the value of another attribute.
    pub unit: Cow<'a, str>,
    /// The variant's key; null for a unit that does not take part.
    pub variant: Option<&'a str>,
    /// The variant's payload in the document.
    pub payload: Option<&'a Value>,
    /// The reason.
    pub reason: Reason,
    /// True if the unit takes part in the experiment. An override, or the winner after the end, does not
    /// count.
    pub in_experiment: bool,
    /// The experiment's epoch.
    pub epoch: u32,
    /// The catalog's revision that decided.
    pub revision: u64,
    /// Names the assignment in events; null for a unit that does not take part.
    pub assignment_id: Option<Cow<'a, str>>,
    /// True if the store holds this assignment. `false` with the reason `assigned`, and without `peek`, means
    /// that the store was slow or unavailable, and the variant was computed.
    pub persisted: bool,
    /// The time of the unit's first assignment; null for a unit that does not take part.
    #[schemars(schema_with = "optional_time_schema")]
    pub assigned_at: Option<Timestamp>,
}

/// The variants of a unit in several experiments.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AssignBatchResponse<'a> {
    /// The user id, as a text.
    pub user_id: Option<Cow<'a, str>>,
    /// The catalog's revision that decided all of them.
    pub revision: u64,
    /// One for each experiment that was found, in the order of the request.
    pub assignments: Vec<AssignmentResponse<'a>>,
    /// One for each experiment that could not be answered.
    pub errors: Vec<AssignBatchError<'a>>,
}

/// The reason why one experiment of a batch has no answer.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AssignBatchError<'a> {
    /// The experiment, as it was asked for.
    pub experiment_key: &'a str,
    /// The code, as in the error of a single request.
    pub code: &'static str,
    /// The message, as in the error of a single request.
    pub message: Cow<'static, str>,
}
