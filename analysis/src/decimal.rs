//! Decimals of a fixed scale: sums that do not depend on the order of their terms.

use std::fmt;
use std::str::FromStr;

/// A whole number of units of `10^-SCALE`.
///
/// Floats would make a sum depend on the order of its terms, and files of an archive are read in any order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal<const SCALE: u32>(i128);

/// A text that is not a decimal of the scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotADecimal;

impl fmt::Display for NotADecimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a decimal of at most 38 digits")
    }
}

impl std::error::Error for NotADecimal {}

impl<const SCALE: u32> Decimal<SCALE> {
    const ONE_UNITS: i128 = 10_i128.pow(SCALE);

    /// Makes a decimal of its smallest units.
    #[must_use]
    pub const fn from_units(units: i128) -> Self {
        Self(units)
    }

    /// Makes a decimal of a whole number; `None` beyond the range.
    #[must_use]
    pub fn from_whole(whole: i128) -> Option<Self> {
        whole.checked_mul(Self::ONE_UNITS).map(Self)
    }

    /// Returns the number of smallest units.
    #[must_use]
    pub const fn units(self) -> i128 {
        self.0
    }

    /// Returns the sum; `None` beyond the range.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// Returns the nearest float, or one next to it.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "statistics are made in floats")]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / Self::ONE_UNITS as f64
    }
}

/// As a decimal, without an exponent and without zeros at the end: `12`, `-0.5`.
impl<const SCALE: u32> fmt::Display for Decimal<SCALE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = Self::ONE_UNITS.unsigned_abs();
        let (whole, rest) = (self.0.unsigned_abs() / one, self.0.unsigned_abs() % one);
        let sign = if self.0 < 0 { "-" } else { "" };
        if rest == 0 {
            return write!(f, "{sign}{whole}");
        }
        let rest = format!("{rest:0width$}", width = SCALE as usize);
        write!(f, "{sign}{whole}.{}", rest.trim_end_matches('0'))
    }
}

impl<const SCALE: u32> FromStr for Decimal<SCALE> {
    type Err = NotADecimal;

    fn from_str(text: &str) -> Result<Self, NotADecimal> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, rest) = digits.split_once('.').unwrap_or((digits, ""));
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let rest = rest.trim_end_matches('0');
        if whole.is_empty() || !is_plain(whole) || !is_plain(rest) || rest.len() > SCALE as usize {
            return Err(NotADecimal);
        }
        let whole: i128 = whole.parse().map_err(|_| NotADecimal)?;
        let padded = format!("{rest:0<width$}", width = SCALE as usize);
        let rest: i128 = if padded.is_empty() { 0 } else { padded.parse().map_err(|_| NotADecimal)? };
        let units = whole.checked_mul(Self::ONE_UNITS).and_then(|whole| whole.checked_add(rest));
        units.map(|units| Self(units * sign)).ok_or(NotADecimal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_read_and_written() {
        for (text, units, written) in
            [("12", 12_000_000, "12"), ("-0.500000", -500_000, "-0.5"), ("0.0000010", 1, "0.000001")]
        {
            let read: Decimal<6> = text.parse().unwrap();
            assert_eq!((read.units(), read.to_string().as_str()), (units, written));
        }
        for bad in ["", "-", "1e3", "0.0000001", "x", "1.-5", "999999999999999999999999999999999999999"] {
            assert_eq!(bad.parse::<Decimal<6>>(), Err(NotADecimal), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(units in any::<i64>()) {
            let decimal = Decimal::<12>::from_units(units.into());
            prop_assert_eq!(decimal.to_string().parse(), Ok(decimal));
        }
    }
}
