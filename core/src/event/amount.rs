//! Amounts: exact counts and sums.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};
use std::str::FromStr;

/// A whole number of millionths.
///
/// Floats would make a sum depend on the order of its terms, and a redelivered batch comes in another order. A sum of
/// 10^20 still has 12 digits to go, and as a decimal it fits a number of DynamoDB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i128);

const MILLION: i128 = 1_000_000;

impl Amount {
    /// One.
    pub const ONE: Self = Self(MILLION);

    /// The greatest value that an event may have, and the least with its sign changed.
    pub const LIMIT: f64 = 1e15;

    /// A number of an event, to the nearest millionth. `None` beyond [`LIMIT`](Self::LIMIT), and for what is no number.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    pub fn from_f64(value: f64) -> Option<Self> {
        // A whole number is taken as it is: times a million it may be no float any more.
        let (whole, rest) = (value.trunc(), value.fract());
        (value.abs() <= Self::LIMIT).then(|| Self(whole as i128 * MILLION + (rest * 1e6).round() as i128))
    }

    /// A number as an event writes it: a plain decimal of at most six digits after the point exactly, any other as the
    /// nearest double. `None` as in [`from_f64`](Self::from_f64).
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        let near = Self::from_f64(text.parse().ok()?)?;
        Some(text.parse().unwrap_or(near))
    }

    /// The nearest float.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "statistics are made in floats")]
    pub fn as_f64(self) -> f64 {
        // Two steps, so that whole numbers below 2^53 are exact.
        (self.0 / MILLION) as f64 + (self.0 % MILLION) as f64 / 1e6
    }

    /// The number of millionths.
    #[must_use]
    pub const fn millionths(self) -> i128 {
        self.0
    }

    /// The whole number, if it is one that is not negative.
    #[must_use]
    pub fn as_count(self) -> Option<u64> {
        (self.0 % MILLION == 0).then(|| u64::try_from(self.0 / MILLION).ok()).flatten()
    }
}

impl From<u64> for Amount {
    fn from(count: u64) -> Self {
        Self(i128::from(count) * MILLION)
    }
}

impl Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

/// As a decimal, without an exponent: `12`, `-0.5`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, rest) = (self.0.unsigned_abs() / 1_000_000, self.0.unsigned_abs() % 1_000_000);
        if rest == 0 {
            return write!(f, "{sign}{whole}");
        }
        let rest = format!("{rest:06}");
        write!(f, "{sign}{whole}.{}", rest.trim_end_matches('0'))
    }
}

text_error! {
    /// A text that is no amount: a decimal with at most six digits after the point.
    NotAnAmount, "not a decimal with at most six digits after the point"
}

impl FromStr for Amount {
    type Err = NotAnAmount;

    fn from_str(text: &str) -> Result<Self, NotAnAmount> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, rest) = digits.split_once('.').unwrap_or((digits, ""));
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_plain(whole) || !is_plain(rest) || rest.len() > 6 {
            return Err(NotAnAmount);
        }
        let whole: i128 = whole.parse().map_err(|_| NotAnAmount)?;
        let rest: i128 = format!("{rest:0<6}").parse().map_err(|_| NotAnAmount)?;
        let amount = whole.checked_mul(MILLION).and_then(|whole| whole.checked_add(rest));
        amount.map(|amount| Self(amount * sign)).ok_or(NotAnAmount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_decimals() {
        for (value, text) in [(0.1 + 0.2, "0.3"), (-0.5, "-0.5"), (1e15, "1000000000000000"), (-0.0, "0")] {
            assert_eq!(Amount::from_f64(value).unwrap().to_string(), text);
        }
        for bad in [f64::NAN, f64::INFINITY, 1.1e15] {
            assert_eq!(Amount::from_f64(bad), None);
        }
        for bad in ["", "-", ".5", "1e3", "1.0000001", "1.-5", "+1"] {
            assert_eq!(bad.parse::<Amount>(), Err(NotAnAmount), "{bad}");
        }
        let of_text = |text| Amount::of_text(text).map(|it| it.to_string());
        for text in ["999999999999999", "-999999999999999", "123456789012.123456"] {
            assert_eq!(of_text(text).as_deref(), Some(text));
        }
        let others = ["1e15", "1.5e3", "0.1234565"].map(of_text);
        assert_eq!(others, ["1000000000000000", "1500", "0.123457"].map(|it| Some(it.to_owned())));
        for bad in ["1000000000000001", "9007199254740993.1", "9223372036854775807", "x"] {
            assert_eq!(of_text(bad), None, "{bad}");
        }
        assert_eq!(Amount::from_f64(999_999_999_999_999.0).unwrap().to_string(), "999999999999999");
        assert_eq!(Amount::from(7).as_count(), Some(7));
        assert_eq!(Amount::from_f64(7.5).unwrap().as_count(), None);
        assert!((Amount::from_f64(-2.25).unwrap().as_f64() + 2.25).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn the_order_of_a_sum_does_not_matter(mut values in prop::collection::vec(-1e9..1e9f64, 0..50)) {
            let sum = |values: &[f64]| values.iter().filter_map(|it| Amount::from_f64(*it)).sum::<Amount>();
            let forwards = sum(&values);
            values.reverse();
            prop_assert_eq!(forwards, sum(&values));
            prop_assert_eq!(forwards.to_string().parse(), Ok(forwards));
        }
    }
}
