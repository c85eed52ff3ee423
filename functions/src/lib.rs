//! The deployed functions of `abx`, as a library: what Lambda runs, the command runs too.
//!
//! | module | what happens there |
//! |---|---|
//! | [`ports`] | what the functions need from the world, as traits |
//! | [`adapters`] | who fulfils them: AWS, and one `SQLite` file |
//! | [`catalog`] | documents become a revision, a revision becomes what serves |
//! | [`assignment`] | who gets which variant, and keeps it |
//! | [`flags`] | what a flag gives, in our own words and in those of OFREP |
//! | [`sources`] | what hands records to the event function: Kinesis |
//! | [`events`] | a batch of records becomes exact counts |
//! | [`outbox`] | exposures and evaluations, on their way to the stream |
//! | [`http`] | what every router shares: limits, refusals, CORS, the envelope |
//! | [`openapi`] | the OpenAPI document of the routes |
//! | [`serving`] | both functions that answer requests, in one process |
//! | [`telemetry`] | log lines and metrics |
//! | [`settings`] | what the environment says |
//! | [`runtime`] | Lambda's events become requests, and answers become its envelope |

pub mod adapters;
pub mod assignment;
pub mod catalog;
pub mod events;
pub mod flags;
pub mod http;
pub mod openapi;
pub mod outbox;
pub mod ports;
pub mod runtime;
pub mod serving;
pub mod settings;
pub mod sources;
pub mod telemetry;
