//! The ports on AWS.
//!
//! | file | what it is |
//! |---|---|
//! | `client` | SDK clients with a [`Budget`]: how long a call may take, and how often it is tried |
//! | `hedge` | a second request where the first is slow |
//! | `breaker` | a [`Breaker`] stops asking a store that does not answer |
//! | `dynamo` | reading items, and the one conditional write that everything here is made of |
//! | `catalog`, `assignments`, `metrics`, `marks`, `quarantine`, `personal_data` | the tables, one file each |
//! | `transaction` | the transaction that a commit is |
//! | `tables` | makes the tables, for tests and emulators; the CDK app makes the real ones |
//! | `events` | Kinesis |
//! | `lag` | how far the stream is behind |
//! | `reader` | what is on the stream |
//! | `archive` | Firehose |
//! | `error` | what is at fault when a call fails |
//! | `backoff` | pauses where a service did only a part of what it was asked |
//!
//! A call of the SDK is a future of ten kilobytes; each is boxed where it is made, so that no router carries it.

mod archive;
mod assignments;
mod backoff;
mod breaker;
mod catalog;
mod client;
mod dynamo;
mod error;
mod events;
mod hedge;
mod lag;
mod marks;
mod metrics;
mod personal_data;
mod quarantine;
mod reader;
mod tables;
mod transaction;

pub use archive::FirehoseArchive;
pub use assignments::DynamoAssignments;
pub use aws_config::SdkConfig;
pub use breaker::{Breaker, Permit};
pub use catalog::DynamoCatalog;
pub use client::{Budget, dynamodb, emulator, firehose, kinesis, load};
pub use error::{AwsFault, CallFailed, Resource, ResourceKind, port_error};
pub use events::KinesisSink;
pub use lag::{KinesisLag, Waiting};
pub use metrics::DynamoMetrics;
pub use personal_data::DynamoPersonalData;
pub use quarantine::DynamoQuarantine;
pub use reader::{KinesisReader, StreamPage};
pub use tables::{TableNames, create_tables};
