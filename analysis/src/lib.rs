//! Exact figures of experiments from archived events, attributed by the time of the events.
//!
//! A [`Question`] names an experiment and its metrics; [`analyze`] runs a few statements of SQL on an [`Engine`] and gives an [`Answer`]:
//! exact sums for each metric, variant, phase, dimension and day. Cumulating the days gives the figures at the end of each day.
//!
//! | module | contents |
//! |---|---|
//! | `question` | questions, and the part of the archive that one needs |
//! | `answer` | answers: cells, quantiles, checks, the report of what was read |
//! | `decimal` | exact sums |
//! | `statement` | the SQL files of `sql/` with what a question says filled in |
//! | `dialect` | the differences between the engines' SQL, all of them |
//! | `analyze` | the order of statements, and what their rows mean; the trait of engines |
//! | `rows` | rows as texts, the form that every engine gives |
//! | `error` | why a question has no answer, and what to do |
//! | `embedded` | feature `datafusion`: Apache DataFusion over files, with a reader of its own |
//! | `athena` | feature `athena`: Amazon Athena over Glue's table |
//!
//! Without features the crate compiles in a second: neither engine is part of it.

mod analyze;
mod answer;
#[cfg(feature = "athena")]
pub mod athena;
mod decimal;
mod dialect;
#[cfg(feature = "datafusion")]
pub mod embedded;
mod error;
mod question;
mod rows;
mod statement;

pub use analyze::{Engine, analyze};
pub use answer::{
    Answer, BadLine, Cell, Checks, Group, LineCount, MAX_BAD_LINES, MetricChecks, Moments, QuantileAnswer,
    ReadReport, Sums, VariantUnits,
};
pub use decimal::{Decimal, NotADecimal};
pub use dialect::Dialect;
pub use error::{AnalysisError, Cause};
pub use question::{
    Cap, Extract, Measure, MetricQuestion, Part, PhaseStart, QuantileOf, QuantileQuestion, Question,
};
pub use rows::Rows;
pub use statement::{Plan, Scope, Statement};
