//! A catalog, a subject and a time become a decision with its reason.
//!
//! Everything here is immutable and allocates nothing on the way to a decision. The code that decides also
//! explains: it is generic over the trait `Trace`, and `()` traces nothing.

mod attributes;
mod catalog;
mod condition;
mod context;
mod experiment;
mod flag;
mod kinds;
mod network;
mod number;
mod reason;
mod settled;
mod split;
mod subject;
mod test;
mod trace;
mod version;

pub use attributes::{AttributeTypes, Column, Hint};
pub use catalog::Catalog;
pub(crate) use condition::{AttributePath, CompiledCondition, CompiledSegment, ConditionInput, Leaf};
pub use context::Context;
pub(crate) use experiment::ExperimentParts;
pub use experiment::{Decision, Experiment, Finality, Pin, Variant};
pub(crate) use experiment::{Holdout, Layer, Slot};
pub use flag::{Evaluation, Flag, FlagVariant};
pub(crate) use flag::{Prerequisite, Rollout, Rule, Serve};
pub(crate) use network::network;
pub(crate) use number::Number;
pub use reason::{FlagReason, OpenFeatureReason, Reason};
pub(crate) use split::Split;
pub(crate) use subject::USER_ID;
pub use subject::{ContextLimits, LimitError, Subject, unit_of};
pub(crate) use test::{
    ComparisonOperator, ConditionTest, Geo, Set, TimeTest, TimeWindow, Weekdays, equal, same,
};
pub(crate) use trace::{Draw, Trace};
pub use trace::{Stage, Step};
pub(crate) use version::{VersionRange, lenient_version};

use jiff::Timestamp;

/// The input of a decision, apart from the catalog.
#[derive(Clone, Copy)]
pub(crate) struct DecisionInput<'a> {
    pub subject: &'a Subject<'a>,
    pub now: Timestamp,
    /// The unit that the experiment or flag is about, where the subject has one.
    pub unit: Option<&'a str>,
}
