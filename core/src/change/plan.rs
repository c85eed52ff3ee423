//! Ranges for new shares that move the fewest units, in few pieces.

use crate::hash::Range;
use std::collections::BTreeMap;

/// A piece of the space, and the index of its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    range: Range,
    owner: usize,
}

/// New ranges for owners whose sizes change, in ascending order for each owner. `ranges[i]` are those that owner
/// `i` has, without overlaps; `sizes[i]` is how many buckets it shall have. Both sums must be the same, and an
/// owner may begin or end with nothing.
///
/// An owner that shrinks gives away exactly what it has too much, and nobody else gives anything: that is the sum
/// of `max(0, old - new)`, and no ranges of these sizes move less. First, neighbours move the end between
/// them, which makes no new piece. Where none are neighbours, a piece is cut off, and each cut uses up what
/// somebody gives or needs; so there are at most (givers + takers - 1) pieces more than before.
///
/// `None`: there are not as many sizes as owners, or the sums differ.
#[must_use]
pub fn rebalance(ranges: &[Vec<Range>], sizes: &[u32]) -> Option<Vec<Vec<Range>>> {
    let sum = |sizes: &mut dyn Iterator<Item = u32>| sizes.map(u64::from).sum::<u64>();
    let old: Vec<u32> = ranges.iter().map(|list| list.iter().map(|range| range.len()).sum()).collect();
    if ranges.len() != sizes.len() || sum(&mut old.iter().copied()) != sum(&mut sizes.iter().copied()) {
        return None;
    }
    let mut plan = RebalancePlan::new(ranges, &old, sizes);
    while !plan.give.is_empty() {
        if !plan.move_an_end() {
            plan.cut();
        }
    }
    let mut result = vec![Vec::new(); sizes.len()];
    for piece in plan.pieces {
        if let Some(list) = result.get_mut(piece.owner) {
            list.push(piece.range);
        }
    }
    Some(result)
}

struct RebalancePlan {
    /// The pieces in ascending order; none is empty, and two that touch have different owners.
    pieces: Vec<Piece>,
    /// The buckets that each owner still has too many or too few of. Owners with nothing left are removed.
    give: BTreeMap<usize, u32>,
    take: BTreeMap<usize, u32>,
}

impl RebalancePlan {
    fn new(ranges: &[Vec<Range>], old: &[u32], new: &[u32]) -> Self {
        let differences = |from: &[u32], to: &[u32]| -> BTreeMap<usize, u32> {
            let surplus = from.iter().zip(to).map(|(from, to)| from.saturating_sub(*to)).enumerate();
            surplus.filter(|(_, surplus)| *surplus > 0).collect()
        };
        let owned = |(owner, list): (usize, &Vec<Range>)| -> Vec<Piece> {
            list.iter().map(|range| Piece { range: *range, owner }).collect()
        };
        let mut pieces: Vec<Piece> = ranges.iter().enumerate().flat_map(owned).collect();
        pieces.sort_by_key(|piece| piece.range);
        let mut plan = Self { pieces, give: differences(old, new), take: differences(new, old) };
        plan.tidy();
        plan
    }

    /// Drops empty pieces and joins what belongs together.
    fn tidy(&mut self) {
        self.pieces.retain(|piece| !piece.range.is_empty());
        self.pieces.dedup_by(|next, piece| {
            let joins = next.owner == piece.owner && next.range.start == piece.range.end;
            if joins {
                piece.range.end = next.range.end;
            }
            joins
        });
    }

    /// Returns the number of buckets that may go from one owner to another.
    fn passable(&self, from: usize, to: usize) -> u32 {
        let of = |map: &BTreeMap<usize, u32>, owner: usize| map.get(&owner).copied().unwrap_or(0);
        of(&self.give, from).min(of(&self.take, to))
    }

    fn note(&mut self, from: usize, to: usize, size: u32) {
        for (map, owner) in [(&mut self.give, from), (&mut self.take, to)] {
            if let Some(left) = map.get_mut(&owner) {
                *left -= size;
                if *left == 0 {
                    map.remove(&owner);
                }
            }
        }
    }

    /// Moves the end between two neighbours of whom one gives and the other takes; false where there are none.
    fn move_an_end(&mut self) -> bool {
        let neighbours = self.pieces.windows(2).enumerate().find_map(|(at, two)| {
            let [left, right] = two else { return None };
            if left.range.end != right.range.start {
                return None;
            }
            let to_right = self.passable(left.owner, right.owner).min(left.range.len());
            let to_left = self.passable(right.owner, left.owner).min(right.range.len());
            (to_right > 0 || to_left > 0).then_some((at, *left, *right, to_right, to_left))
        });
        let Some((at, mut left, mut right, to_right, to_left)) = neighbours else { return false };
        // An owner gives or takes, never both, so that one of the two is 0.
        let end = left.range.end - to_right + to_left;
        (left.range.end, right.range.start) = (end, end);
        for (piece, new) in self.pieces.iter_mut().skip(at).zip([left, right]) {
            *piece = new;
        }
        self.note(left.owner, right.owner, to_right);
        self.note(right.owner, left.owner, to_left);
        self.tidy();
        true
    }

    /// Cuts off the end of a piece whose owner has too much: all of it where that fits, which makes no new piece, else
    /// before another that has too much and can then move an end, else of the largest.
    fn cut(&mut self) {
        let Some(to) = self.take.iter().max_by_key(|(_, left)| **left).map(|(owner, _)| *owner) else {
            return self.give.clear();
        };
        let passable = |piece: &Piece| self.passable(piece.owner, to);
        let rank = |at: usize, piece: &Piece| {
            let is_whole = passable(piece) >= piece.range.len();
            let before_another = self.pieces.get(at + 1).is_some_and(|next| passable(next) > 0);
            (is_whole, before_another, piece.range.len())
        };
        let givers = self.pieces.iter().enumerate().filter(|(_, piece)| passable(piece) > 0);
        let best = givers.max_by_key(|(at, piece)| rank(*at, piece)).map(|(at, piece)| (at, *piece));
        let Some((at, piece)) = best else { return self.give.clear() };
        let size = self.passable(piece.owner, to).min(piece.range.len());
        let middle = piece.range.end - size;
        let cut = Piece { range: Range { start: middle, end: piece.range.end }, owner: to };
        if let Some(kept) = self.pieces.get_mut(at) {
            kept.range.end = middle;
        }
        self.pieces.insert(at + 1, cut);
        self.note(piece.owner, to, size);
        self.tidy();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{BUCKETS, allocate};
    use proptest::prelude::*;

    fn from(shares: &[f64]) -> Vec<Vec<Range>> {
        allocate(shares).unwrap().into_iter().map(|range| vec![range]).collect()
    }

    fn sizes(shares: &[f64]) -> Vec<u32> {
        allocate(shares).unwrap().into_iter().map(Range::len).collect()
    }

    fn range(start: u32, end: u32) -> Range {
        Range { start, end }
    }

    /// The owner of each bucket.
    fn owners(ranges: &[Vec<Range>]) -> Vec<usize> {
        let mut owners = vec![usize::MAX; BUCKETS as usize];
        for (owner, range) in
            ranges.iter().enumerate().flat_map(|(at, list)| list.iter().map(move |it| (at, it)))
        {
            for bucket in range.start..range.end {
                assert_eq!(owners[bucket as usize], usize::MAX, "bucket {bucket} has two owners");
                owners[bucket as usize] = owner;
            }
        }
        owners
    }

    #[test]
    fn neighbours_move_the_end_between_them() {
        let halves = from(&[0.5, 0.5]);
        let moved = rebalance(&halves, &sizes(&[0.3, 0.7])).unwrap();
        assert_eq!(moved, [vec![range(0, 300_000)], vec![range(300_000, BUCKETS)]]);
        assert_eq!(rebalance(&moved, &sizes(&[0.5, 0.5])), Some(halves), "and back");
    }

    #[test]
    fn the_issues_example_moves_a_tenth() {
        let moved = rebalance(&from(&[0.2, 0.3, 0.5]), &sizes(&[0.3, 0.3, 0.4])).unwrap();
        assert_eq!(moved[1], [range(200_000, 500_000)], "who keeps the share keeps the buckets");
        assert_eq!(moved.iter().map(Vec::len).sum::<usize>(), 4);
    }

    #[test]
    fn owners_come_and_go() {
        let mut ranges = from(&[0.5, 0.5]);
        ranges.push(Vec::new());
        let added = rebalance(&ranges, &sizes(&[0.4, 0.4, 0.2])).unwrap();
        assert_eq!(added.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1], "{added:?}");
        let dropped = rebalance(&added, &[500_000, 0, 500_000]).unwrap();
        assert!(dropped[1].is_empty());
        assert_eq!(rebalance(&from(&[1.0]), &[1, 1]), None, "other owners");
        assert_eq!(rebalance(&from(&[1.0]), &[1]), None, "another sum");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Three changes after one another, so that the later ones start from pieces. Every bucket is looked at.
        #[test]
        fn exactly_the_minimum_moves_in_few_pieces(
            steps in prop::collection::vec(prop::collection::vec(0u32..20, 5), 4),
        ) {
            let shares = |weights: &[u32]| -> Vec<f64> {
                let sum: u32 = weights.iter().sum::<u32>().max(1);
                weights.iter().map(|it| f64::from(*it) / f64::from(sum)).collect()
            };
            prop_assume!(steps.iter().all(|weights| weights.iter().any(|it| *it > 0)));
            let mut ranges: Vec<Vec<Range>> =
                from(&shares(&steps[0])).into_iter().map(|it| it.into_iter().filter(|it| !it.is_empty()).collect()).collect();
            for step in &steps[1..] {
                let wanted = sizes(&shares(step));
                let old: Vec<u32> = ranges.iter().map(|it| it.iter().map(|it| it.len()).sum()).collect();
                let new = rebalance(&ranges, &wanted).unwrap();
                let (before, after) = (owners(&ranges), owners(&new));
                prop_assert!(!after.contains(&usize::MAX), "every bucket has an owner");
                let sums: Vec<u32> = new.iter().map(|it| it.iter().map(|it| it.len()).sum()).collect();
                prop_assert_eq!(&sums, &wanted);
                let moved = before.iter().zip(&after).filter(|(a, b)| a != b).count();
                let minimum: u32 = old.iter().zip(&wanted).map(|(old, new)| old.saturating_sub(*new)).sum();
                prop_assert_eq!(moved, minimum as usize);
                let changed = old.iter().zip(&wanted).filter(|(old, new)| old != new).count();
                let pieces = |ranges: &[Vec<Range>]| ranges.iter().map(Vec::len).sum::<usize>();
                prop_assert!(pieces(&new) <= pieces(&ranges) + changed.saturating_sub(1));
                ranges = new;
            }
        }
    }
}
