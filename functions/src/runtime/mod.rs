//! What a deployed function is around its router: Lambda's events become requests, and answers its envelope.
//!
//! | file | what it is |
//! |---|---|
//! | `event` | what API Gateway, function URLs and load balancers send, as a request |
//! | `invoker` | one invocation, whatever its payload is |
//! | `lifecycle` | invocations one after another; flushing after the response and at the end |
//! | `init` | settings become ports on AWS, and these a service |
//!
//! The events are read by our own page of code. `lambda_http` was tried: it panics on a body that is no base64 and on a path that is no
//! URL, and tries its strict types one after another, so that one unknown value fails the event before any handler sees it.

mod event;
mod init;
mod invoker;
mod lifecycle;

pub use init::{assignment, flags};
pub use invoker::{Invoker, Served};
pub use lifecycle::{Host, run};
