//! Files become documents that know their lines and columns.
//!
//! `files` finds and reads them, `yaml` makes values and [`Mark`]s, and [`Corpus`] joins them with the
//! compiler, whose findings point by path.

mod corpus;
mod files;
mod mark;
mod yaml;

pub use corpus::{Checked, Corpus, Located, LocatedRelated};
pub use files::SourceFile;
pub use mark::Mark;
pub use yaml::{Fault, MAX_BYTES, Parsed, parse};
