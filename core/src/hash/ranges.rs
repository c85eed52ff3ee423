//! Allocations become ranges of buckets, exactly.

use super::BUCKETS;
use serde::{Deserialize, Serialize};

/// Buckets from `start` up to, not including, `end`; written `[start, end]`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(from = "(u32, u32)", into = "(u32, u32)")]
pub struct Range {
    /// The first bucket.
    pub start: u32,
    /// One past the last bucket.
    pub end: u32,
}

impl Range {
    /// Returns true if a bucket lies in the range.
    #[inline]
    #[must_use]
    pub const fn contains(self, bucket: u32) -> bool {
        self.start <= bucket && bucket < self.end
    }

    /// Returns the number of buckets in the range.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.end.saturating_sub(self.start)
    }

    /// Returns true if the range contains no bucket.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl From<(u32, u32)> for Range {
    fn from((start, end): (u32, u32)) -> Self {
        Self { start, end }
    }
}

impl From<Range> for (u32, u32) {
    fn from(range: Range) -> Self {
        (range.start, range.end)
    }
}

/// Allocations that cannot become ranges.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SumError {
    /// An allocation (its index) is not a number of 0 or more.
    Invalid(usize),
    /// The sum is further than 0.01 from 1.
    Sum(f64),
}

impl std::fmt::Display for SumError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Invalid(index) => write!(f, "allocation {index} is not a number from 0 to 1"),
            Self::Sum(sum) => write!(f, "the allocations sum to {sum}, not to 1"),
        }
    }
}

impl std::error::Error for SumError {}

/// The largest accepted difference between 1 and a sum of allocations.
pub(crate) const TOLERANCE: f64 = 0.01;

/// An allocation is counted in units of 10^-12, so that equal shares written as floats stay equal and all
/// further arithmetic is on integers.
const SCALE: f64 = 1e12;

/// Ranges in the order of the allocations, which sum to [`BUCKETS`] exactly by largest remainder (Hamilton's
/// method); of equal remainders the earlier wins. Sums within 0.01 of 1 are normalised.
pub fn allocate(allocations: &[f64]) -> Result<Vec<Range>, SumError> {
    let mut parts = Vec::with_capacity(allocations.len());
    for (index, &allocation) in allocations.iter().enumerate() {
        if !(0.0..=1.0 + TOLERANCE).contains(&allocation) {
            return Err(SumError::Invalid(index));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
        parts.push((allocation * SCALE).round() as u128);
    }
    let sum: f64 = allocations.iter().sum();
    // A hair more than the tolerance, so that 0.33 + 0.33 + 0.33 is within it whatever the order of addition.
    if (sum - 1.0).abs() > TOLERANCE + 1e-9 {
        return Err(SumError::Sum(sum));
    }
    let sizes = largest_remainder(&parts);
    let mut start = 0;
    Ok(sizes
        .into_iter()
        .map(|size| {
            let range = Range { start, end: start + size };
            start = range.end;
            range
        })
        .collect())
}

/// Sizes that sum to [`BUCKETS`], in proportion to parts whose sum is above 0.
#[expect(clippy::cast_possible_truncation, reason = "a share of 1,000,000 fits u32")]
fn largest_remainder(parts: &[u128]) -> Vec<u32> {
    let sum: u128 = parts.iter().sum::<u128>().max(1);
    let exact = |part: &u128| part * u128::from(BUCKETS);
    let mut sizes: Vec<u32> = parts.iter().map(|part| (exact(part) / sum) as u32).collect();
    let left = BUCKETS - sizes.iter().sum::<u32>();
    let mut by_remainder: Vec<(usize, u128)> =
        parts.iter().map(|part| exact(part) % sum).enumerate().collect();
    by_remainder.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    for (index, _) in by_remainder.into_iter().take(left as usize) {
        if let Some(size) = sizes.get_mut(index) {
            *size += 1;
        }
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sums_that_are_not_one_are_refused() {
        assert_eq!(allocate(&[0.5, 0.4]), Err(SumError::Sum(0.9)));
        assert!(matches!(allocate(&[f64::NAN, 1.0]), Err(SumError::Invalid(0))));
        assert!(matches!(allocate(&[1.0, -0.1]), Err(SumError::Invalid(1))));
        assert!(allocate(&[]).is_err());
        assert!(allocate(&[0.333, 0.333, 0.333]).is_ok());
        assert!(allocate(&[0.33, 0.33, 0.33]).is_ok());
    }

    proptest! {
        #[test]
        fn ranges_partition_the_space(weights in prop::collection::vec(0u32..1000, 1..20)) {
            let sum: u32 = weights.iter().sum();
            prop_assume!(sum > 0);
            let allocations: Vec<f64> =
                weights.iter().map(|w| f64::from(*w) / f64::from(sum)).collect();
            let ranges = allocate(&allocations).unwrap();
            let mut next = 0;
            for (range, allocation) in ranges.iter().zip(&allocations) {
                prop_assert_eq!(range.start, next);
                prop_assert!((f64::from(range.len()) - allocation * f64::from(BUCKETS)).abs() <= 1.0);
                next = range.end;
            }
            prop_assert_eq!(next, BUCKETS);
        }
    }
}
