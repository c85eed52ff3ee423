//! The assignment and the flag function, in this process: over the embedded store, and over stores that fail as they are told.
//!
//! | file | what it is |
//! |---|---|
//! | `world` | documents, stores, and requests to the routers |
//! | `reasons`, `sticky`, `faults`, `batch` | the assignment function |
//! | `flags`, `ofrep` | the flag function |
//! | `edges` | what is refused and how, CORS, hostile ids, any bytes at all |
//! | `openapi`, `contract` | the document of the routes, against which every response is checked |
//! | `exposures` | what goes to the stream, and what is lost |

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod batch;
mod contract;
mod edges;
mod exposures;
mod faults;
mod flags;
mod ofrep;
mod openapi;
mod reasons;
mod routes;
mod sticky;
mod world;
