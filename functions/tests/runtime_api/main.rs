//! The deployed programs themselves, under a small Runtime API of the tests' own.
//!
//! | file | what it is |
//! |---|---|
//! | `lambda` | the Runtime API and the Extensions API, and a process under them |
//! | `aws` | DynamoDB (an emulator in this process) and a Kinesis that remembers |
//! | `events` | what API Gateway, function URLs and load balancers send |
//! | `serving`, `ending`, `faults`, `counting`, `beside` | the tests; `beside` is about the extension |
//! | `starting` | a measurement: how long until the first answer, and how much memory |

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod aws;
mod beside;
mod counting;
mod ending;
mod events;
mod faults;
mod lambda;
mod serving;
mod starting;
