//! The share of units that moves between each pair of outcomes, and the part of it that had to move.

use super::outcome::Outcome;
use super::share::UnitShare;
use super::space::{DecisionPath, joint};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The movement of units between outcomes, as shares of the units that the flow is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Flow {
    /// The units that the flow is about.
    pub about: String,
    /// Every outcome, in the order in which a table shows them: variants as they are written, then none and why.
    pub outcomes: Vec<Outcome>,
    /// Each outcome before with each outcome after that it goes to; pairs that nobody has are left out.
    pub cells: Vec<Cell>,
    /// Units that get something else than before: those that switch, join and leave.
    pub moved: UnitShare,
    /// The share that moves from one variant to another.
    pub switched: UnitShare,
    /// The share that moves from no variant to one.
    pub joined: UnitShare,
    /// The share that moves from a variant to none.
    pub left: UnitShare,
    /// The least that any change to the same shares moves.
    pub minimum: UnitShare,
    /// The share that moves beyond the minimum.
    pub avoidable: UnitShare,
    /// The part of it that [`super::rebalance`] avoids: units that switch between variants of the same hash.
    #[serde(skip)]
    pub(super) avoidable_switches: UnitShare,
}

/// A share of the units, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cell {
    /// The outcome before the change.
    pub before: Outcome,
    /// The outcome after the change.
    pub after: Outcome,
    /// The share of units with this pair of outcomes.
    #[serde(flatten)]
    pub share: UnitShare,
}

/// The distribution of one side: some units are inside and get variants by shares, all others get the same
/// outcome.
///
/// Inside and shares are drawn by independent hashes, so the least that moves from one shape to another is what
/// nested insides and nested ranges move: who enters or leaves the inside, and of those inside on both sides the
/// total variation distance of the two distributions, `1 - Σ min(p, q)` (Levin, Peres, Wilmer, *Markov Chains and
/// Mixing Times*, 4.1: no coupling keeps more in place).
#[derive(Debug)]
pub(super) struct Shape<'a> {
    pub inside: UnitShare,
    /// The shares of the variants among those inside.
    pub split: BTreeMap<&'a str, UnitShare>,
    /// The variant of the units outside; `None` is no variant.
    pub outside: Option<&'a str>,
}

impl<'a> Shape<'a> {
    /// Builds the shape of outcomes where no unit outside has a variant.
    fn of(outcomes: impl Iterator<Item = (Outcome<&'a str>, UnitShare)>) -> Self {
        let mut split: BTreeMap<&str, UnitShare> = BTreeMap::new();
        for (outcome, share) in outcomes {
            if let Outcome::Variant(key) = outcome {
                let known = split.entry(key).or_default();
                *known = std::mem::take(known) + &share;
            }
        }
        let inside: UnitShare = split.values().sum();
        for share in split.values_mut() {
            *share = share.within(&inside);
        }
        Self { inside, split, outside: None }
    }

    /// The share of units inside that have another variant than the one outside of another shape.
    fn unlike(&self, outside: Option<&str>) -> UnitShare {
        let like = outside.and_then(|key| self.split.get(key));
        UnitShare::all().above(like.unwrap_or(&UnitShare::none()))
    }

    /// The least share of those inside on both sides that gets another variant.
    fn distance(&self, other: &Self) -> UnitShare {
        let keys: BTreeSet<&str> = self.split.keys().chain(other.split.keys()).copied().collect();
        let none = UnitShare::none();
        let lost = |key: &&str| {
            let (old, new) = (self.split.get(key), other.split.get(key));
            old.unwrap_or(&none).above(new.unwrap_or(&none))
        };
        keys.iter().map(lost).sum()
    }

    /// The least share of units that moves.
    fn minimum(&self, other: &Self) -> UnitShare {
        let (wide, narrow) = if self.inside >= other.inside { (self, other) } else { (other, self) };
        let between = wide.inside.above(&narrow.inside);
        let outside = UnitShare::all().above(&wide.inside);
        let of_outside = if self.outside == other.outside { UnitShare::none() } else { outside };
        // With nobody inside on one side there is no distribution to be near to.
        let of_inside = if narrow.inside.is_none() { UnitShare::none() } else { self.distance(other) };
        &between * &wide.unlike(narrow.outside) + &(&narrow.inside * &of_inside) + &of_outside
    }
}

impl Flow {
    /// The flow from one decision to another where nobody outside has a variant. `keys` are the variants in order.
    pub(super) fn between(
        about: &str,
        keys: &[&str],
        before: &DecisionPath<'_>,
        after: &DecisionPath<'_>,
    ) -> Self {
        let cells = cells(before, after);
        let old = Shape::of(cells.iter().map(|((first, _), share)| (*first, share.clone())));
        let new = Shape::of(cells.iter().map(|((_, second), share)| (*second, share.clone())));
        Self::new(about, keys, &cells, &old, &new)
    }

    /// The flow from one decision to another, whose shapes are known.
    pub(super) fn shaped(
        about: &str,
        keys: &[&str],
        before: (&DecisionPath<'_>, &Shape<'_>),
        after: (&DecisionPath<'_>, &Shape<'_>),
    ) -> Self {
        Self::new(about, keys, &cells(before.0, after.0), before.1, after.1)
    }

    fn new(about: &str, keys: &[&str], cells: &Cells<'_>, old: &Shape<'_>, new: &Shape<'_>) -> Self {
        let sum = |wanted: &dyn Fn(bool, bool) -> bool| -> UnitShare {
            let moved = cells.iter().filter(|((first, second), _)| first.differs(second));
            let wanted = moved
                .filter(|((first, second), _)| wanted(first.variant().is_some(), second.variant().is_some()));
            wanted.map(|(_, share)| share).sum()
        };
        let (switched, joined, left) =
            (sum(&|old, new| old && new), sum(&|old, _| !old), sum(&|_, new| !new));
        let both: UnitShare = cells
            .iter()
            .filter(|((first, second), _)| first.variant().is_some() && second.variant().is_some())
            .map(|(_, share)| share)
            .sum();
        let moved = switched.clone() + &joined + &left;
        let minimum = old.minimum(new);
        Self {
            about: about.to_owned(),
            outcomes: outcomes(keys, cells.iter().map(|(pair, _)| *pair)),
            avoidable: moved.above(&minimum),
            avoidable_switches: switched.above(&(&both * &old.distance(new))),
            cells: cells
                .iter()
                .map(|((before, after), share)| Cell {
                    before: before.owned(),
                    after: after.owned(),
                    share: share.clone(),
                })
                .collect(),
            moved,
            switched,
            joined,
            left,
            minimum,
        }
    }

    /// Returns true if every unit keeps its outcome, including the reason for having no variant.
    #[must_use]
    pub fn is_still(&self) -> bool {
        self.cells.iter().all(|cell| cell.before == cell.after)
    }

    /// The share that goes from one outcome to another.
    #[must_use]
    pub fn share(&self, before: &Outcome, after: &Outcome) -> UnitShare {
        let found = self.cells.iter().find(|cell| cell.before == *before && cell.after == *after);
        found.map(|cell| cell.share.clone()).unwrap_or_default()
    }
}

/// Every outcome of some pairs once: variants by their place in a list, then none and why.
pub(super) fn outcomes<'a>(
    keys: &[&str],
    pairs: impl Iterator<Item = (Outcome<&'a str>, Outcome<&'a str>)>,
) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome<&str>> = pairs.flat_map(|(old, new)| [old, new]).collect();
    let place = |outcome: &Outcome<&str>| outcome.variant().map(|key| keys.iter().position(|it| *it == key));
    outcomes.sort_by_key(|outcome| (outcome.variant().is_none(), place(outcome), *outcome));
    outcomes.dedup();
    outcomes.iter().map(Outcome::owned).collect()
}

/// The keys of both sides, in the order of the new one, then what is gone.
pub(super) fn keys<'a>(
    old: impl Iterator<Item = &'a str>,
    new: impl Iterator<Item = &'a str>,
) -> Vec<&'a str> {
    let mut keys: Vec<&str> = new.collect();
    let gone: Vec<&str> = old.filter(|key| !keys.contains(key)).collect();
    keys.extend(gone);
    keys
}

type Cells<'a> = Vec<((Outcome<&'a str>, Outcome<&'a str>), UnitShare)>;

fn cells<'a>(before: &DecisionPath<'a>, after: &DecisionPath<'a>) -> Cells<'a> {
    let (points, whole) = joint(before, after);
    points.into_iter().map(|(pair, count)| (pair, UnitShare::new(count, whole.clone()))).collect()
}
