//! The shell of a deployed function around its router: it turns Lambda's events into requests, and answers
//! into Lambda's envelope.
//!
//! | file | what it is |
//! |---|---|
//! | `event` | what API Gateway, function URLs and load balancers send, as a request |
//! | `invoker` | one invocation, whatever its payload is |
//! | `batches` | batches of the stream, one after another |
//! | `lifecycle` | invocations one after another; flushing after the response and at the end |
//! | `init` | settings become ports on AWS, and these a service |
//! | `extension` | the same in an extension, beside a function of any language |
//!
//! The events are read by our own page of code. `lambda_http` was tried: it panics on a body that is no base64 and on a path that is no
//! URL, and tries its strict types one after another, so that one unknown value fails the event before any handler sees it.

#[cfg(feature = "aws")]
mod batches;
mod event;
#[cfg(feature = "aws")]
mod extension;
#[cfg(feature = "aws")]
mod init;
mod invoker;
#[cfg(feature = "aws")]
mod lifecycle;

#[cfg(feature = "aws")]
pub use batches::run_batches;
#[cfg(feature = "aws")]
pub use extension::extension;
#[cfg(feature = "aws")]
pub use init::{assignment, events, flags};
pub use invoker::{ForeignTrigger, Invoker};
#[cfg(feature = "aws")]
pub use lifecycle::{Host, run};
