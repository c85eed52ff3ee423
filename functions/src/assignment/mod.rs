//! The assignment function: who gets which variant, and keeps it.
//!
//! | file | what it is |
//! |---|---|
//! | `request`, `response` | what is sent, and what is answered |
//! | `pending` | one experiment for one unit, from the decision to the response |
//! | `service` | decide, remember, store, expose |
//! | `batch` | some or all experiments for one unit, in two round trips |
//! | `cache` | the assignments that the process knows |
//! | `known_share` | whether reading an assignment before writing it pays |
//! | `router` | paths and direct payloads |

mod batch;
mod cache;
mod known_share;
mod pending;
mod request;
mod response;
mod router;
mod service;

pub use request::{AssignBatchRequest, AssignRequest};
pub use response::{AssignBatchError, AssignBatchResponse, AssignmentResponse};
pub use service::{AssignmentOptions, AssignmentService, RequestClock};
