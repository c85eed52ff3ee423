//! Counts become p-values. Each formula names its source.

mod chi_square;

pub use chi_square::{ChiSquare, goodness_of_fit, independence};
