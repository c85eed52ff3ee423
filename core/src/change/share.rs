//! Exact shares.

use crate::hash::BUCKETS;
use num_bigint::BigUint;
use num_rational::Ratio;
use num_traits::{One as _, ToPrimitive as _, Zero as _};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::iter::Sum;
use std::ops::{Add, Mul};

/// A share of units, from 0 to 1, as a fraction. Independent hashes multiply, each by a million buckets, so the
/// numbers have no fixed size.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct UnitShare(Ratio<BigUint>);

impl UnitShare {
    /// So many of so many; nothing of nothing.
    pub(super) fn new(part: BigUint, whole: BigUint) -> Self {
        if whole.is_zero() { Self::none() } else { Self(Ratio::new(part, whole)) }
    }

    /// So many buckets.
    #[must_use]
    pub fn of_buckets(buckets: u32) -> Self {
        Self::new(buckets.into(), BUCKETS.into())
    }

    /// The share of no unit.
    #[must_use]
    pub fn none() -> Self {
        Self(Ratio::zero())
    }

    /// The share of all units.
    #[must_use]
    pub fn all() -> Self {
        Self(Ratio::one())
    }

    /// Returns true if the share is zero.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_zero()
    }

    /// Returns this share minus another; zero if the other is larger.
    #[must_use]
    pub fn above(&self, other: &Self) -> Self {
        if self > other { Self(&self.0 - &other.0) } else { Self::none() }
    }

    /// The part of a whole that it is: what was a share of all becomes a share of the whole.
    #[must_use]
    pub fn within(&self, whole: &Self) -> Self {
        if whole.is_none() { Self::none() } else { Self(&self.0 / &whole.0) }
    }

    /// The nearest float, from 0 to 1.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        self.0.to_f64().unwrap_or_default()
    }
}

impl UnitShare {
    /// Formats the share as a percentage that is exact to the bucket, with as many digits as it needs: `20
    /// %`, `33.3333 %`.
    #[must_use]
    pub fn percent(&self) -> String {
        let text = format!("{:.4}", self.to_f64() * 100.0);
        match text.trim_end_matches('0').trim_end_matches('.') {
            "0" if !self.is_none() => "<0.0001 %".to_owned(),
            digits => format!("{digits} %"),
        }
    }
}

impl Add<&Self> for UnitShare {
    type Output = Self;
    fn add(self, other: &Self) -> Self {
        Self(self.0 + &other.0)
    }
}

impl Mul for &UnitShare {
    type Output = UnitShare;
    fn mul(self, other: Self) -> UnitShare {
        UnitShare(&self.0 * &other.0)
    }
}

impl<'a> Sum<&'a Self> for UnitShare {
    fn sum<I: Iterator<Item = &'a Self>>(shares: I) -> Self {
        shares.fold(Self::none(), |sum, share| sum + share)
    }
}

impl Sum for UnitShare {
    fn sum<I: Iterator<Item = Self>>(shares: I) -> Self {
        shares.fold(Self::none(), |sum, share| sum + &share)
    }
}

impl std::fmt::Display for UnitShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A share is written as a number for most readers, and as a fraction for those who check it.
impl Serialize for UnitShare {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Share", 2)?;
        fields.serialize_field("share", &self.to_f64())?;
        fields.serialize_field("exact", &self.to_string())?;
        fields.end()
    }
}

impl JsonSchema for UnitShare {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A share of units: a number from 0 to 1, and the same as an exact fraction.",
            "type": "object",
            "properties": {
                "share": {"type": "number", "minimum": 0, "maximum": 1},
                "exact": {"type": "string", "pattern": "^[0-9]+(/[0-9]+)?$"},
            },
            "required": ["share", "exact"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_exact_and_read_well() {
        let fifth = UnitShare::of_buckets(200_000);
        assert_eq!(fifth.to_string(), "1/5");
        assert_eq!((&fifth * &fifth).to_string(), "1/25");
        assert_eq!(UnitShare::all().above(&fifth).to_string(), "4/5");
        assert_eq!(fifth.percent(), "20 %");
        assert_eq!(UnitShare::of_buckets(333_333).percent(), "33.3333 %");
        assert_eq!((&UnitShare::of_buckets(1) * &fifth).percent(), "<0.0001 %");
        assert_eq!(
            (UnitShare::none().percent(), UnitShare::all().percent()),
            ("0 %".to_owned(), "100 %".to_owned())
        );
        assert!(fifth.above(&UnitShare::all()).is_none());
        assert_eq!(fifth.within(&UnitShare::of_buckets(400_000)).to_string(), "1/2");
        assert!(fifth.within(&UnitShare::none()).is_none());
        let json = serde_json::to_value(&fifth).unwrap();
        assert_eq!(json, serde_json::json!({"share": 0.2, "exact": "1/5"}));
    }

    #[test]
    fn no_product_is_too_large() {
        let mut share = UnitShare::of_buckets(999_999);
        for _ in 0..5 {
            share = &share * &share;
        }
        assert!((share.to_f64() - 0.999_968).abs() < 1e-6, "{share}");
    }
}
