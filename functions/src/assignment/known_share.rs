//! Decides whether reading an assignment before writing it pays.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The price of a read as a part of a write: half a unit at a fifth of the price. A write is billed although its condition refuses it.
const READ_PRICE: f32 = 0.1;
/// The newest answer weighs so much of all. From nothing it takes four known units to read first, and from all some 75 new ones to
/// write at once again.
const NEWEST: f32 = 1.0 / 32.0;

/// The share of units, among those that the process does not know, that the store knows: a moving average of what it answered.
///
/// In ten environments or more most units that one of them does not know were assigned by another, and a read finds them for a tenth
/// of a refused write. At the launch of an experiment most are new, and each of them would wait for a read that finds nothing. A
/// read pays where the share is above its price.
#[derive(Debug, Default)]
pub(super) struct KnownShare(AtomicU32);

impl KnownShare {
    /// Adds an answer. Of two at once one may be lost: it is an average.
    pub(super) fn add(&self, is_known: bool) {
        let share = self.share();
        let answer = f32::from(u8::from(is_known));
        self.0.store((share + (answer - share) * NEWEST).to_bits(), Relaxed);
    }

    /// True if a read before a write is cheaper than a write alone.
    pub(super) fn favors_reading(&self) -> bool {
        self.share() > READ_PRICE
    }

    fn share(&self) -> f32 {
        f32::from_bits(self.0.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many such answers the better way changes.
    fn changes_after(share: &KnownShare, is_known: bool) -> usize {
        let way = share.favors_reading();
        (1..1_000)
            .find(|_| {
                share.add(is_known);
                share.favors_reading() != way
            })
            .unwrap()
    }

    #[test]
    fn the_better_way_is_found_soon() {
        let share = KnownShare::default();
        assert!(!share.favors_reading(), "nothing is known of the store");
        assert_eq!(changes_after(&share, true), 4);
        (0..1_000).for_each(|_| share.add(true));
        assert_eq!(changes_after(&share, false), 73);
    }

    /// Compares the cost of 10,000 misses, in writes, with that of the better of the two ways.
    #[test]
    fn no_share_costs_much_more_than_the_better_way() {
        for percent in [0_u8, 2, 5, 10, 20, 50, 90, 98, 100] {
            let (share, mut random) = (KnownShare::default(), fastrand::Rng::with_seed(percent.into()));
            let mut cost = 0.0;
            for _ in 0..10_000 {
                let is_known = random.u8(..100) < percent;
                let reads = share.favors_reading();
                cost += if reads { READ_PRICE } else { 0.0 } + if reads && is_known { 0.0 } else { 1.0 };
                share.add(is_known);
            }
            let new = 1.0 - f32::from(percent) / 100.0;
            let best = 10_000.0 * (READ_PRICE + new).min(1.0);
            assert!(cost < best * 1.05 + 10.0, "{percent} % known: {cost} writes, best {best}");
        }
    }
}
