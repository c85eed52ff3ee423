//! Counts become intervals, p-values and sizes. Each formula names its source; what cannot be tested is `None`,
//! and no result is ever infinite or not a number.
//!
//! | question | |
//! |---|---|
//! | what is the rate, and between what? | [`Proportion::wilson`] |
//! | what is the mean of a metric? | [`Moments`], from sums alone |
//! | do two variants differ? looked at once | [`compare_proportions`], [`compare_means`]; [`compare_grouped`] from sums over groups |
//! | and if the sums of single units are known? | [`unit_means`], also of changed allocations, and adjusted by what came before |
//! | and if somebody looks every day? | [`Anytime`] |
//! | and if there are several metrics and treatments? | [`holm`], [`benjamini_hochberg`] |
//! | do the units follow their allocations? | [`sample_ratio`], which may be looked at daily as well |
//! | how many units does it take? | [`Design`] |
//! | do counts fit, are two things independent? | [`goodness_of_fit`], [`independence`] |

mod anytime;
mod chi_square;
mod compare;
mod fisher;
mod grouped;
mod moments;
mod multiple;
mod normal;
mod planned;
mod power;
mod proportion;
mod sample_ratio;
mod score;
mod unit_sums;

pub use anytime::Anytime;
pub use chi_square::{ChiSquare, goodness_of_fit, independence};
pub use compare::{Comparison, Estimate, StatisticalTest, compare_means};
pub use grouped::{RatioMean, compare_grouped};
pub use moments::Moments;
pub use multiple::{benjamini_hochberg, holm};
pub use power::{Baseline, Correction, Design, Looks, Sizes, days};
pub use proportion::{Interval, Proportion};
pub use sample_ratio::{
    RatioPhase, RatioTest, RatioVariant, RatioVerdict, SampleRatio, SampleRatioPlan, sample_ratio,
    sample_ratio_of_phases, sample_ratio_over,
};
pub use score::compare_proportions;
pub use unit_sums::{UnitMeans, UnitSums, post_stratified, unit_means};

#[cfg(test)]
fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-9 * b.abs().max(1e-3), "{a} is not {b}");
}
