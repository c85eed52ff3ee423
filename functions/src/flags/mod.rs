//! The flag function: what a flag gives, in our own words and in those of OFREP 0.3.
//!
//! | file | what it is |
//! |---|---|
//! | `request`, `response` | what is sent, and what is answered |
//! | `service` | evaluate, and record what was evaluated; no store is on the path |
//! | `ofrep` | the OpenFeature Remote Evaluation Protocol |
//! | `etag` | whether a caller has an answer already |
//! | `router` | paths and direct payloads |

mod etag;
mod ofrep;
mod request;
mod response;
mod router;
mod service;

pub(crate) use ofrep::{Bulk, OfrepFailure, Request as OfrepRequest, Success as OfrepSuccess};
pub use request::{FlagRequest, FlagsRequest};
pub use response::{FlagResponse, FlagsResponse, ServedExperiment};
pub use service::{FlagOptions, FlagService};
