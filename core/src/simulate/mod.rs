//! Decisions for many units, counted. Here rather than in the command, because this is the hot loop and the
//! core is optimised in every build.

mod checks;
mod distinct;
mod tally;
mod units;

pub use checks::SimulationChecks;
pub use distinct::DistinctUnits;
pub use tally::{ExperimentTally, PairTally, Tally};
pub use units::{UnitStyle, Units};
