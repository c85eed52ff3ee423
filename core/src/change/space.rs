//! The joint distribution of two decisions, by arithmetic over bucket spaces.
//!
//! A decision is a row of questions, each about the bucket of one hash; the first that applies decides. The
//! same hash (unit, salt and purpose) puts a unit into the same bucket on both sides, so there intervals
//! intersect; different hashes are independent, so there shares multiply. Nothing is sampled, and every count
//! is an integer: of all points of the product of the spaces.

use super::outcome::Outcome;
use crate::hash::{BUCKETS, Bucketer, Range};
use num_bigint::BigUint;
use std::collections::BTreeMap;

/// One space of buckets. Another unit is drawn independently, even by the same salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hash<'a> {
    unit: &'a str,
    salt: &'a str,
    purpose: &'static str,
}

impl<'a> Hash<'a> {
    pub(super) fn new(unit: &'a str, bucketer: &'a Bucketer) -> Self {
        Self { unit, salt: bucketer.salt(), purpose: bucketer.purpose().as_str() }
    }
}

/// A question about the bucket of a hash.
#[derive(Debug)]
pub(super) struct Question<'a> {
    hash: Hash<'a>,
    /// `(end, answer)` in ascending order up to [`BUCKETS`]; `None` leaves it to the next question.
    slices: Vec<(u32, Option<Outcome<&'a str>>)>,
}

impl<'a> Question<'a> {
    /// A question that decides for the buckets below an end.
    pub(super) fn below(hash: Hash<'a>, end: u32, outcome: Outcome<&'a str>) -> Self {
        Self { hash, slices: vec![(end, Some(outcome)), (BUCKETS, None)] }
    }

    /// A question that decides for the buckets from a start on.
    pub(super) fn from(hash: Hash<'a>, start: u32, outcome: Outcome<&'a str>) -> Self {
        Self { hash, slices: vec![(start, None), (BUCKETS, Some(outcome))] }
    }

    /// A question that decides for the buckets outside of ranges.
    pub(super) fn outside(hash: Hash<'a>, ranges: &[Range], outcome: Outcome<&'a str>) -> Self {
        let mut ranges = ranges.to_vec();
        ranges.sort_unstable();
        let inside = ranges.iter().flat_map(|range| [(range.start, Some(outcome)), (range.end, None)]);
        Self { hash, slices: inside.chain([(BUCKETS, Some(outcome))]).collect() }
    }

    /// A question that decides for everybody.
    pub(super) fn split(hash: Hash<'a>, slices: impl Iterator<Item = (u32, Outcome<&'a str>)>) -> Self {
        Self { hash, slices: slices.map(|(end, outcome)| (end, Some(outcome))).collect() }
    }

    /// The answer for a bucket.
    fn answer(&self, bucket: u32) -> Option<Outcome<&'a str>> {
        let at = self.slices.partition_point(|(end, _)| *end <= bucket);
        self.slices.get(at).and_then(|(_, answer)| *answer)
    }
}

/// A decision: the first question that applies, else what is left.
#[derive(Debug)]
pub(super) struct DecisionPath<'a> {
    pub questions: Vec<Question<'a>>,
    pub otherwise: Outcome<&'a str>,
}

impl<'a> DecisionPath<'a> {
    /// A question that decides for every unit.
    pub(super) const fn always(outcome: Outcome<&'a str>) -> Self {
        Self { questions: Vec::new(), otherwise: outcome }
    }

    /// Returns the decision of the first question about a hash that applies to a bucket, with the question's
    /// rank.
    fn decided(&self, hash: Hash<'_>, bucket: u32) -> Option<RankedOutcome<'a>> {
        let mut about = self.questions.iter().enumerate().filter(|(_, question)| question.hash == hash);
        about.find_map(|(rank, it)| Some((rank, it.answer(bucket)?)))
    }
}

/// The rank of a question, and its answer. A lower rank comes first, whatever is asked before it here.
type RankedOutcome<'a> = (usize, Outcome<&'a str>);
/// The decisions on both sides, as far as they are known.
type RankedPair<'a> = (RankedOutcome<'a>, RankedOutcome<'a>);

/// Points by what they get before and after.
type Points<'a> = BTreeMap<(Outcome<&'a str>, Outcome<&'a str>), BigUint>;

/// Returns the number of points of the product of all spaces for each pair of outcomes, and the number of all
/// points.
pub(super) fn joint<'a>(before: &DecisionPath<'a>, after: &DecisionPath<'a>) -> (Points<'a>, BigUint) {
    let start = ((usize::MAX, before.otherwise), (usize::MAX, after.otherwise));
    let mut points: BTreeMap<RankedPair<'a>, BigUint> = BTreeMap::from([(start, 1_u32.into())]);
    let mut whole = BigUint::from(1_u32);
    let asked = before.questions.iter().chain(&after.questions).map(|question| question.hash);
    let mut hashes: Vec<Hash<'a>> = asked.collect();
    hashes.sort_unstable();
    hashes.dedup();
    // What is known after each hash is kept, and not the way to it, so that many hashes cost no more than their sum.
    for hash in hashes {
        let mut next: BTreeMap<RankedPair<'a>, BigUint> = BTreeMap::new();
        for (answers, buckets) in classes(hash, before, after) {
            for ((first, second), count) in &points {
                let both = (earlier(*first, answers.0), earlier(*second, answers.1));
                *next.entry(both).or_default() += count * buckets;
            }
        }
        points = next;
        whole *= BUCKETS;
    }
    let mut cells = Points::new();
    for (((_, first), (_, second)), count) in points {
        *cells.entry((first, second)).or_default() += count;
    }
    (cells, whole)
}

fn earlier<'a>(known: RankedOutcome<'a>, answer: Option<RankedOutcome<'a>>) -> RankedOutcome<'a> {
    answer.filter(|answer| answer.0 < known.0).unwrap_or(known)
}

/// The buckets of a hash, counted by what both sides answer.
fn classes<'a>(
    hash: Hash<'a>,
    before: &DecisionPath<'a>,
    after: &DecisionPath<'a>,
) -> BTreeMap<(Option<RankedOutcome<'a>>, Option<RankedOutcome<'a>>), u32> {
    let questions = before.questions.iter().chain(&after.questions).filter(|it| it.hash == hash);
    let mut ends: Vec<u32> = questions.flat_map(|it| it.slices.iter().map(|(end, _)| *end)).collect();
    ends.push(BUCKETS);
    ends.sort_unstable();
    ends.dedup();
    let mut classes = BTreeMap::new();
    let mut start = 0;
    // Between two neighbouring ends nothing changes, so one bucket answers for all.
    for end in ends.into_iter().filter(|end| *end > 0) {
        let answers = (before.decided(hash, start), after.decided(hash, start));
        *classes.entry(answers).or_default() += end - start;
        start = end;
    }
    classes
}
