//! The ports on AWS.
//!
//! | file | what it is |
//! |---|---|
//! | `client` | SDK clients with a [`Budget`]: how long a call may take, and how often it is tried |
//! | `breaker` | a [`Breaker`] stops asking a store that does not answer |
//! | `dynamo` | reading items, and the one conditional write that everything here is made of |
//! | `catalog`, `assignments` | the tables, one file each |
//! | `tables` | makes the tables, for tests and emulators; the CDK app makes the real ones |
//! | `events` | Kinesis |
//!
//! A call of the SDK is a future of ten kilobytes; each is boxed where it is made, so that no router carries it.

mod assignments;
mod breaker;
mod catalog;
mod client;
mod dynamo;
mod error;
mod events;
mod tables;

pub use assignments::DynamoAssignments;
pub use breaker::{Breaker, Permit};
pub use catalog::DynamoCatalog;
pub use client::{Budget, dynamodb, emulator, kinesis, load};
pub use events::KinesisSink;
pub use tables::create_tables;
