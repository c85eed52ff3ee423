//! The pure heart of `abx`: no clock, network, file, environment, thread or async.
//!
//! A change belongs where the data is at that moment of its life:
//!
//! | module | what happens there |
//! |---|---|
//! | [`document`] | JSON values become documents: what is *written*, with every finding at once |
//! | [`mod@compile`] | documents become a [`Catalog`]: what *decides*; meaning is checked and parsed here |
//! | [`decide`] | a catalog, a subject and a time become a decision with its reason, and its explanation |
//! | [`change`] | two sets of documents become whom the step between them moves, and whom it had to |
//! | [`hash`] | a salt, a purpose and a unit become a bucket; allocations become ranges |
//! | [`event`] | what a stream carries becomes exact counts |
//! | [`metric`] | what an event adds to a metric, for every kind of metric |
//! | [`plan`] | what was planned before the start, which results are judged by |
//! | [`results`] | counts become comparisons and verdicts |
//! | [`finding`] | what is wrong in a document, as data |
//! | [`read`] | units, ids and times are read, wherever they come from |
//! | [`rehearsal`] | rule tests: who must get what, in which bucket, and what of a document they reach |
//! | [`simulate`] | decisions for many units are counted |
//! | [`statistics`] | counts become p-values, intervals and sample sizes, each formula with its source |
//!
//! ```
//! use abx_core::{Subject, read_and_compile};
//!
//! let written = serde_json::json!({
//!     "experiment": "checkout_redesign", "status": "active",
//!     "variants": [{"key": "control", "allocation": 0.5}, {"key": "redesign", "allocation": 0.5}],
//! });
//! let compiled = read_and_compile([&written]);
//! assert!(compiled.findings.is_empty());
//!
//! let experiment = compiled.catalog.experiment("checkout_redesign").expect("it was compiled");
//! let attributes = serde_json::Map::new();
//! let now = jiff::Timestamp::UNIX_EPOCH;
//! let decision = experiment.decide(&Subject::new("user_123", &attributes), now, None);
//! assert_eq!(decision.variant.map(|variant| &*variant.key), Some("redesign"));
//! ```

pub mod change;
pub mod compile;
pub mod decide;
pub mod document;
pub mod event;
pub mod finding;
pub mod hash;
pub mod metric;
pub mod plan;
pub mod read;
pub mod rehearsal;
pub mod results;
pub mod simulate;
pub mod statistics;
mod words;

pub use compile::{Compilation, compile, read_and_compile};
pub use decide::{Catalog, Decision, Evaluation, Experiment, Flag, Pin, Reason, Subject};
pub use document::{ExperimentConfig, FeatureFlagConfig};
pub use hash::ConsistentHasher;
