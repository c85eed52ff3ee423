//! Files become documents that know their lines and columns.
//!
//! `files` finds and reads them, `yaml` makes values and [`Mark`]s, and [`Corpus`] joins them with the
//! compiler, whose findings point by path; a [`Located`] finding points by line and column.

mod corpus;
mod files;
mod lines;
mod located;
mod mark;
mod yaml;

pub use corpus::{Checked, Corpus};
pub use files::SourceFile;
pub use lines::Lines;
pub use located::{FilePlace, Located, LocatedRelated};
pub use mark::Mark;
pub use yaml::{Fault, MAX_BYTES, Parsed, parse};
