//! The assignment function: who gets which variant, and keeps it.
//!
//! | file | what it is |
//! |---|---|
//! | `request`, `response` | what is sent, and what is answered |
//! | `question` | one experiment asked for one unit: the decision, with and without a pin |
//! | `service` | decide, remember, store, expose |
//! | `batch` | some or all experiments for one unit, in two round trips |
//! | `cache` | the assignments that the process knows |
//! | `known_share` | whether reading an assignment before writing it pays |
//! | `router` | paths and direct payloads |

mod batch;
mod cache;
mod known_share;
mod question;
mod request;
mod response;
mod router;
mod service;

pub use request::{AssignRequest, BatchRequest};
pub use response::{AssignmentResponse, BatchError, BatchResponse};
pub use router::{router, routes};
pub use service::{AssignmentOptions, AssignmentService, RequestClock};
