//! How findings look: to a person, and to the programs that show them.
//!
//! Every format is made from the same values, [`Located`](crate::source::Located) findings.

mod human;

pub use human::human;
