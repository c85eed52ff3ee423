//! Bucketing: murmur3, buckets, and allocations as ranges of buckets.
//!
//! Scheme `abx-1`, frozen: `h = murmur3_x86_32(seed 0, "{salt}:{purpose}:{unit}")` and
//! `bucket = h * 1_000_000 >> 32`. Two purposes are two independent hashes, so that being in the traffic
//! says nothing about the variant. Another scheme would be one more constructor of [`Bucketer`].

mod consistent;
mod murmur3;
mod ranges;

use crate::words;

pub(crate) use consistent::share_to_buckets;
pub use consistent::{ConsistentHasher, HashingError};
pub use ranges::{Range, SumError, allocate};

/// Buckets are integers in `0..BUCKETS`.
pub const BUCKETS: u32 = 1_000_000;

words! {
    /// The purpose of a bucket. Each purpose is hashed separately, so that buckets of different purposes are
    /// independent.
    #[derive(schemars::JsonSchema)]
    pub enum Purpose: "snake_case" {
        /// The share of an experiment's traffic.
        Traffic,
        /// The variant of an experiment, or of a flag's split.
        Variant,
        /// A flag's rollout, or a `percentage` condition.
        Rollout,
        /// The slot of a layer.
        Layer,
        /// The share of units that are held out.
        Holdout,
    }
}

/// The salt of a document in an epoch: the first epoch is the bare salt, so that documents without `epoch`
/// and with `epoch: 1` are the same.
#[must_use]
pub fn salt_of_epoch(salt: &str, epoch: u32) -> String {
    if epoch > 1 { format!("{salt}#{epoch}") } else { salt.to_owned() }
}

/// Hashes units for one salt and one purpose. The state after `"{salt}:{purpose}:"` is computed once, here,
/// so that a decision hashes only the bytes of the unit.
#[derive(Debug, Clone)]
pub struct Bucketer {
    salt: Box<str>,
    purpose: Purpose,
    state: murmur3::Murmur3State,
}

impl Bucketer {
    /// The bucketer of scheme `abx-1`.
    #[must_use]
    pub fn new(salt: &str, purpose: Purpose) -> Self {
        let prefix = format!("{salt}:{purpose}:");
        Self { salt: salt.into(), purpose, state: murmur3::Murmur3State::after(prefix.as_bytes()) }
    }

    /// The unit's bucket, in `0..BUCKETS`. The bytes are taken as they are: never trimmed or normalised.
    #[inline]
    #[must_use]
    pub fn bucket(&self, unit: &str) -> u32 {
        bucket_of(self.hash(unit))
    }

    /// The 32-bit hash behind the bucket.
    #[inline]
    #[must_use]
    pub fn hash(&self, unit: &str) -> u32 {
        self.state.finish(unit.as_bytes())
    }

    /// The very text that is hashed for a unit, for an explanation.
    #[must_use]
    pub fn text(&self, unit: &str) -> String {
        format!("{}:{}:{unit}", self.salt, self.purpose)
    }

    /// The purpose that this bucketer draws for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The salt, with its epoch.
    #[must_use]
    pub fn salt(&self) -> &str {
        &self.salt
    }
}

/// The bucket of a hash: a multiplication and a shift, so that every bucket has the same share of the hashes
/// (to one in 4,294) and no float takes part.
#[inline]
#[must_use]
pub const fn bucket_of(hash: u32) -> u32 {
    ((hash as u64 * BUCKETS as u64) >> 32) as u32
}

/// The group of a unit, in `0..groups`, by a hash that no experiment uses.
#[must_use]
pub(crate) fn group_of(unit: &str, groups: u8) -> u8 {
    let hash = murmur3::Murmur3State::after(b"abx:group:").finish(unit.as_bytes());
    #[expect(clippy::cast_possible_truncation, reason = "it is below `groups`")]
    let group = ((u64::from(hash) * u64::from(groups)) >> 32) as u8;
    group
}

/// 64 bits of a text, to know it again: two hashes with two prefixes.
#[must_use]
pub fn fingerprint(text: &str) -> u64 {
    let half = |prefix| u64::from(murmur3::Murmur3State::after(prefix).finish(text.as_bytes()));
    half(b"abx:1:") << 32 | half(b"abx:2:")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(serde::Deserialize)]
    struct Vectors {
        buckets: Vec<BucketVector>,
        allocations: Vec<AllocationVector>,
    }
    #[derive(serde::Deserialize)]
    struct BucketVector {
        salt: String,
        purpose: String,
        unit: String,
        hash: u32,
        bucket: u32,
    }
    #[derive(serde::Deserialize)]
    struct AllocationVector {
        allocations: Vec<String>,
        ranges: Vec<(u32, u32)>,
    }

    /// Made with another implementation; frozen with the scheme.
    fn vectors() -> Vectors {
        serde_json::from_str(include_str!("../../tests/data/hash_abx1.json")).unwrap()
    }

    #[test]
    fn every_bucket_of_the_other_implementation_is_reproduced() {
        let vectors = vectors();
        assert_eq!(vectors.buckets.len(), 1560);
        for v in vectors.buckets {
            let purpose =
                [Purpose::Traffic, Purpose::Variant, Purpose::Rollout, Purpose::Layer, Purpose::Holdout]
                    .into_iter()
                    .find(|p| p.as_str() == v.purpose)
                    .unwrap();
            let bucketer = Bucketer::new(&v.salt, purpose);
            assert_eq!(bucketer.hash(&v.unit), v.hash, "{}", bucketer.text(&v.unit));
            assert_eq!(bucketer.bucket(&v.unit), v.bucket, "{}", bucketer.text(&v.unit));
        }
    }

    #[test]
    fn every_allocation_of_the_other_implementation_is_reproduced() {
        let vectors = vectors();
        assert_eq!(vectors.allocations.len(), 9);
        for v in vectors.allocations {
            let written: Vec<f64> = v.allocations.iter().map(|text| rational(text)).collect();
            let ranges: Vec<(u32, u32)> =
                allocate(&written).unwrap().into_iter().map(|r| (r.start, r.end)).collect();
            assert_eq!(ranges, v.ranges, "{:?}", v.allocations);
        }
    }

    fn rational(text: &str) -> f64 {
        match text.split_once('/') {
            Some((n, d)) => n.parse::<f64>().unwrap() / d.parse::<f64>().unwrap(),
            None => text.parse().unwrap(),
        }
    }

    #[test]
    fn the_first_epoch_is_the_bare_salt() {
        assert_eq!(salt_of_epoch("s", 1), "s");
        assert_eq!(salt_of_epoch("s", 2), "s#2");
    }

    proptest! {
        #[test]
        fn a_prefix_changes_nothing(salt in ".{0,40}", unit in ".{0,60}") {
            let bucketer = Bucketer::new(&salt, Purpose::Traffic);
            let whole = format!("{salt}:traffic:{unit}");
            let reference = ::murmur3::murmur3_32(&mut whole.as_bytes(), 0).unwrap();
            prop_assert_eq!(bucketer.hash(&unit), reference);
            prop_assert!(bucketer.bucket(&unit) < BUCKETS);
        }
    }
}
