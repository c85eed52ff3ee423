//! Counts become intervals, p-values and sizes. Each formula names its source; what cannot be tested is `None`,
//! and no result is ever infinite or not a number.
//!
//! | question | |
//! |---|---|
//! | what is the rate, and between what? | [`Proportion::wilson`] |
//! | what is the mean of a metric? | [`Moments`], from sums alone |
//! | do two variants differ? looked at once | [`compare_proportions`], [`compare_means`]; [`compare_grouped`] from sums over groups |
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
mod power;
mod proportion;
mod sample_ratio;

pub use anytime::Anytime;
pub use chi_square::{ChiSquare, goodness_of_fit, independence};
pub use compare::{Comparison, Estimate, StatisticalTest, compare_means, compare_proportions};
pub use grouped::{GroupedMean, compare_grouped};
pub use moments::Moments;
pub use multiple::{benjamini_hochberg, holm};
pub use power::{Baseline, Correction, Design, Looks, Sizes, days};
pub use proportion::{Interval, Proportion};
pub use sample_ratio::{
    RatioTest, RatioVariant, RatioVerdict, SampleRatio, SampleRatioPlan, sample_ratio, sample_ratio_over,
};

#[cfg(test)]
fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-9 * b.abs().max(1e-3), "{a} is not {b}");
}
