//! The whole of hashing in one call, for a caller who has no catalog.

use super::{BUCKETS, Bucketer, Purpose, SumError, allocate};
use std::fmt;

/// Assigns variants from a salt and allocations alone: no targeting, layers, pins or time.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConsistentHasher;

/// Arguments that no unit can be assigned with.
#[derive(Debug, Clone, PartialEq)]
pub enum HashingError {
    /// The unit is empty or blank.
    UnitMissing,
    /// The traffic allocation is not a number from 0 to 1.
    Traffic(f64),
    /// The variants' allocations.
    Allocations(SumError),
}

impl fmt::Display for HashingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnitMissing => f.write_str("the user id is empty or blank"),
            Self::Traffic(traffic) => {
                write!(f, "the traffic allocation is {traffic}; it must be a number from 0 to 1")
            }
            Self::Allocations(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HashingError {}

impl ConsistentHasher {
    /// The variant's key for a user, or `None` for a user who is not in the traffic; always the same for the
    /// same arguments, and the same as a catalog's decision for an experiment of this key, without salt,
    /// epoch and targeting.
    ///
    /// `variants` are keys with allocations from 0 to 1 that sum to 1; `traffic_allocation` is from 0 to 1.
    ///
    /// ```
    /// use abx_core::ConsistentHasher;
    /// let variants = [("control", 0.5), ("treatment", 0.5)];
    /// let variant = ConsistentHasher.assign_variant("user_123", "checkout_redesign", &variants, 1.0);
    /// assert_eq!(variant, Ok(Some("treatment")));
    /// ```
    pub fn assign_variant<'v>(
        &self,
        user_id: &str,
        experiment_key: &str,
        variants: &[(&'v str, f64)],
        traffic_allocation: f64,
    ) -> Result<Option<&'v str>, HashingError> {
        if user_id.trim().is_empty() {
            return Err(HashingError::UnitMissing);
        }
        let below = share_to_buckets(traffic_allocation).ok_or(HashingError::Traffic(traffic_allocation))?;
        let allocations: Vec<f64> = variants.iter().map(|(_, allocation)| *allocation).collect();
        let ranges = allocate(&allocations).map_err(HashingError::Allocations)?;
        if Bucketer::new(experiment_key, Purpose::Traffic).bucket(user_id) >= below {
            return Ok(None);
        }
        let bucket = Bucketer::new(experiment_key, Purpose::Variant).bucket(user_id);
        let chosen = ranges.iter().zip(variants).find(|(range, _)| range.contains(bucket));
        Ok(chosen.map(|(_, (key, _))| *key))
    }
}

/// A share from 0 to 1 as a number of buckets, rounded; `None` for anything else.
pub(crate) fn share_to_buckets(share: f64) -> Option<u32> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1,000,000")]
    (0.0..=1.0).contains(&share).then(|| (share * f64::from(BUCKETS)).round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bad_arguments_are_told_apart() {
        let halves = [("a", 0.5), ("b", 0.5)];
        assert_eq!(ConsistentHasher.assign_variant(" ", "e", &halves, 1.0), Err(HashingError::UnitMissing));
        assert_eq!(ConsistentHasher.assign_variant("u", "e", &halves, 1.5), Err(HashingError::Traffic(1.5)));
        assert!(matches!(
            ConsistentHasher.assign_variant("u", "e", &[("a", 0.5)], 1.0),
            Err(HashingError::Allocations(SumError::Sum(_)))
        ));
    }

    proptest! {
        #[test]
        fn raising_traffic_never_moves_a_unit(unit in "[a-z0-9]{1,20}", low in 0.0..1.0, more in 0.0..1.0) {
            let high: f64 = f64::min(1.0, low + more);
            let variants = [("a", 0.2), ("b", 0.3), ("c", 0.5)];
            let before = ConsistentHasher.assign_variant(&unit, "e", &variants, low).unwrap();
            let after = ConsistentHasher.assign_variant(&unit, "e", &variants, high).unwrap();
            if before.is_some() {
                prop_assert_eq!(before, after);
            }
        }
    }
}
