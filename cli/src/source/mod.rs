//! Files become documents that know their lines and columns.
//!
//! `files` finds and reads them; `yaml`, `builder` and `scalar` make values and [`SourceMark`]s; [`Corpus`] joins them
//! with the compiler, whose findings point by path; a [`LocatedFinding`] finding points by line and column. A file that a
//! document names (`overrides`) is read from `beside` it. `edit` goes the other way: it writes values where they
//! stand, and leaves every other byte alone.

mod beside;
mod builder;
mod corpus;
mod edit;
mod fault;
mod files;
mod git;
mod lines;
mod located;
mod mark;
mod origin;
mod overrides;
mod scalar;
mod written;
mod yaml;

pub use corpus::{Checked, Corpus, DocumentPlaces};
pub use edit::{
    NewItem, TargetField, TargetRanges, append_item, by_hand, create_file, edit_fields, edit_variants,
    plain_value, replace_file, written_text,
};
pub use fault::SourceFault;
pub use files::{SourceFile, find};
pub use git::GitPlace;
pub use lines::Lines;
pub use located::{FilePlace, LocatedFinding, LocatedRelatedPlace};
pub use mark::SourceMark;
pub use yaml::{MAX_BYTES, Parsed, parse};
