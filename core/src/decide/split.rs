//! Variants by share.

use super::{Draw, Step, Trace};
use crate::hash::{BUCKETS, Bucketer, Range};

/// The assignment of buckets to variants: every bucket belongs to one.
#[derive(Debug, Clone)]
pub(crate) struct Split {
    bucketer: Bucketer,
    /// `(end, variant)` in ascending order; the last end is the number of buckets.
    slices: Box<[(u32, u32)]>,
}

impl Split {
    /// Builds the split from ranges that cover every bucket once, with the index of their variant.
    pub(crate) fn new(bucketer: Bucketer, ranges: impl IntoIterator<Item = (Range, usize)>) -> Self {
        let mut slices: Vec<(u32, u32)> = ranges
            .into_iter()
            .filter(|(range, _)| !range.is_empty())
            .map(|(range, variant)| (range.end, u32::try_from(variant).unwrap_or(u32::MAX)))
            .collect();
        slices.sort_unstable();
        Self { bucketer, slices: slices.into() }
    }

    /// The index of the unit's variant.
    #[inline]
    pub(crate) fn choose<T: Trace>(&self, unit: &str, trace: &mut T) -> usize {
        let all = || Range { start: 0, end: BUCKETS };
        let bucket = trace.bucket(Draw::Variant, &self.bucketer, unit, all);
        let above = |(end, _): &&(u32, u32)| bucket < *end;
        let chosen = self.slices.iter().find(above).map_or(0, |(_, variant)| *variant);
        trace.record(|| Step::bucket(&self.bucketer, unit, self.range_of(bucket)));
        chosen as usize
    }

    /// Returns the bucketer that draws the variants.
    pub(crate) fn bucketer(&self) -> &Bucketer {
        &self.bucketer
    }

    /// `(end, variant)` in ascending order, of slices that are not empty.
    pub(crate) fn slices(&self) -> &[(u32, u32)] {
        &self.slices
    }

    /// Returns true if more than one variant has a share.
    pub(crate) fn is_several(&self) -> bool {
        self.slices.len() > 1
    }

    /// The share of each of `count` variants, in buckets.
    pub(crate) fn sizes(&self, count: usize) -> Vec<u32> {
        let mut sizes = vec![0; count];
        let mut start = 0;
        for (end, variant) in &self.slices {
            if let Some(size) = sizes.get_mut(*variant as usize) {
                *size += end - start;
            }
            start = *end;
        }
        sizes
    }

    fn range_of(&self, bucket: u32) -> Range {
        let mut start = 0;
        for (end, _) in &self.slices {
            if bucket < *end {
                return Range { start, end: *end };
            }
            start = *end;
        }
        Range::default()
    }
}
