//! `abx dev`, the real program, as a newcomer and as a hostile caller meet it.
//!
//! | file | what it is |
//! |---|---|
//! | `newcomer` | ask, edit, see it live; a broken file; nothing lost at a restart |
//! | `publishing` | `abx publish`, `rollback`, `revisions` and `pull` beside it, two publishers, and one that is killed |
//! | `counting` | assign, convert, see results; the same from a capture |
//! | `earlier` | `abx assign` and `abx explain` over its store, beside its own answers |
//! | `hostile` | limits, refusals and CORS over a real socket |
//! | `ending` | signals, and a port that is taken |
//! | `reading` | commands that read change nothing, wherever they read; what is kept is private |
//! | `failing` | a full disk, a locked and a deleted store; programs that are killed |
//! | `aws` | every command that asks AWS, over all that can be wrong with that |
//! | `invoke` | the `Invoke` call by the client of AWS |
//! | `calling` | `abx invoke`, and all that can be wrong with a call |
//! | `archive`, `bucket` | `abx results --archive`, of a folder and of a bucket; only with the feature `archive` |
//! | `results` | `abx results`: what was ever counted, verdicts, units that are not users |
//! | `operating` | `abx status` and `abx quarantine` over its store |
//! | `pipeline` | `abx status` over a deployment whose mapping, given up records and archive are well or not |
//! | `signing` | requests to the URL of a function, which are signed |
//! | `program` | the program, over documents and a store of its own |
//! | `mount` | a file system of a test's own |
//! | `http` | a small HTTP client |
//!
//! Nothing here waits for a fixed time: what is to come is asked for until it is there, for as long as a busy machine may need.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests fail by panicking, and report measurements"
)]

#[cfg(feature = "archive")]
mod archive;
mod aws;
#[cfg(feature = "archive")]
mod bucket;
mod calling;
/// Responses are compared with the OpenAPI document, as in the tests of the functions.
#[path = "../../../functions/tests/service/contract.rs"]
mod contract;
mod counting;
mod earlier;
mod ending;
mod failing;
mod hostile;
mod http;
mod invoke;
mod mount;
mod newcomer;
mod operating;
mod pipeline;
mod program;
mod publishing;
mod reading;
mod results;
mod signing;
