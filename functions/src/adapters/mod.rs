//! Who fulfils the [`ports`](crate::ports).
//!
//! | module | what it is |
//! |---|---|
//! | [`aws`] | DynamoDB and Kinesis, with budgets that fit into a request |
//! | [`embedded`] | one `SQLite` file; no server and no account: the default of every local command |

pub mod aws;
pub mod embedded;
