//! Decisions for many units, counted. Here rather than in the command, because this is the hot loop and the
//! core is optimised in every build.

mod seen;
mod tally;
mod units;

pub use seen::SeenUnits;
pub use tally::{ExperimentTally, Pair, Tally};
pub use units::{UnitStyle, Units};
