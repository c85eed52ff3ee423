//! Numbers, compared exactly.

use std::cmp::Ordering;

/// A number of JSON: an integer of up to 64 bits as it is written, any other the double that is nearest to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Integer(i128),
    Float(f64),
}

impl Number {
    pub(crate) fn of(number: &serde_json::Number) -> Self {
        match (number.as_i64(), number.as_u64()) {
            (Some(it), _) => Self::Integer(it.into()),
            (None, Some(it)) => Self::Integer(it.into()),
            // Numbers in JSON are finite, so the default is never taken.
            _ => Self::Float(number.as_f64().unwrap_or_default()),
        }
    }

    /// Compares the values themselves: no integer is rounded to a double, which would make 2^53 + 1 equal to 2^53.
    pub(crate) fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(&b),
            // Zeroes of both signs are equal, so `total_cmp` would not do; there is no NaN here.
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (Self::Integer(a), Self::Float(b)) => compare_mixed(a, b),
            (Self::Float(a), Self::Integer(b)) => compare_mixed(b, a).reverse(),
        }
    }

    /// The nearest double.
    #[expect(clippy::cast_precision_loss, reason = "the nearest is what is asked for")]
    pub(crate) fn as_float(self) -> f64 {
        match self {
            Self::Integer(it) => it as f64,
            Self::Float(it) => it,
        }
    }

    /// The value as an integer, if it is one that is known exactly: 3 and 3.0 are the same, and beyond 2^53 a double may stand
    /// for another integer than the one that was meant.
    pub(crate) fn as_integer(self) -> Option<i128> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match self {
            Self::Integer(it) => Some(it),
            Self::Float(it) => (it.fract() == 0.0 && it.abs() <= EXACT).then(|| whole_part(it)),
        }
    }

    /// The value as a whole number of 0 or more, if it is one.
    pub(crate) fn as_count(self) -> Option<u64> {
        self.as_integer().and_then(|it| u64::try_from(it).ok())
    }
}

/// An integer of 64 bits beside a double: first its whole part, then what is behind the point.
fn compare_mixed(integer: i128, float: f64) -> Ordering {
    let behind = || 0.0.partial_cmp(&float.fract()).unwrap_or(Ordering::Equal);
    integer.cmp(&whole_part(float)).then_with(behind)
}

/// The whole part, exact; beyond 128 bits the limit, which is beyond every integer of 64 bits as well.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the cast cuts off what is behind the point, and saturates"
)]
fn whole_part(float: f64) -> i128 {
    float as i128
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigInt;
    use num_rational::BigRational;
    use proptest::prelude::*;
    use serde_json::Value;

    fn number(text: &str) -> Number {
        let Value::Number(number) = serde_json::from_str(text).unwrap() else { panic!("{text}") };
        Number::of(&number)
    }

    #[test]
    fn integers_are_compared_exactly() {
        for (a, b, expected) in [
            ("9007199254740993", "9007199254740992", Ordering::Greater),
            ("9007199254740993", "9007199254740992.0", Ordering::Greater),
            ("9007199254740992", "9007199254740992.0", Ordering::Equal),
            ("-9007199254740993", "-9007199254740992.0", Ordering::Less),
            ("9223372036854775807", "9223372036854775808.0", Ordering::Less),
            ("18446744073709551615", "18446744073709551616.0", Ordering::Less),
            ("18446744073709551615", "1.8446744073709552e19", Ordering::Less),
            ("-9223372036854775808", "-9.223372036854775808e18", Ordering::Equal),
            ("1", "1.0", Ordering::Equal),
            ("1", "1.0000000000000002", Ordering::Less),
            ("-1", "-1.5", Ordering::Greater),
            ("0", "-0.0", Ordering::Equal),
            ("0", "5e-324", Ordering::Less),
            ("18446744073709551615", "1e300", Ordering::Less),
            ("-9223372036854775808", "-1e300", Ordering::Greater),
            ("1e30", "1000000000000000000000000000000", Ordering::Equal),
            ("1e30", "100000000000000000000000000000", Ordering::Greater),
        ] {
            assert_eq!(number(a).compare(number(b)), expected, "{a} and {b}");
            assert_eq!(number(b).compare(number(a)), expected.reverse(), "{b} and {a}");
        }
    }

    #[test]
    fn a_count_is_a_whole_number_of_0_or_more() {
        for (text, expected) in
            [("3", Some(3)), ("3.0", Some(3)), ("-0.0", Some(0)), ("-1", None), ("2.5", None), ("1e30", None)]
        {
            assert_eq!(number(text).as_count(), expected, "{text}");
        }
    }

    fn any_number() -> impl Strategy<Value = serde_json::Number> {
        let near_power =
            (0..64u32, -2..=2i64).prop_map(|(bits, off)| (1u64 << bits).wrapping_add_signed(off));
        prop_oneof![
            any::<i64>().prop_map(serde_json::Number::from),
            any::<u64>().prop_map(serde_json::Number::from),
            near_power.clone().prop_map(serde_json::Number::from),
            near_power.prop_map(|it| serde_json::Number::from_f64(it as f64).unwrap()),
            any::<f64>().prop_filter_map("finite", serde_json::Number::from_f64),
            (-1000..1000i32).prop_map(|it| serde_json::Number::from_f64(f64::from(it) / 4.0).unwrap()),
        ]
    }

    fn exact(number: &serde_json::Number) -> BigRational {
        match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(it), ..) => BigRational::from(BigInt::from(it)),
            (_, Some(it), _) => BigRational::from(BigInt::from(it)),
            (.., Some(it)) => BigRational::from_float(it).unwrap(),
            _ => unreachable!(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn the_order_is_that_of_exact_arithmetic(a in any_number(), b in any_number()) {
            let expected = exact(&a).cmp(&exact(&b));
            prop_assert_eq!(Number::of(&a).compare(Number::of(&b)), expected, "{} and {}", a, b);
        }

        /// A document's number is parsed by the YAML reader, a request's by that of JSON: both must find the same double.
        #[test]
        fn a_number_of_json_is_the_nearest_double(float in any::<f64>().prop_filter("finite", |it| it.is_finite()),
            digits in "[1-9][0-9]{0,18}\\.[0-9]{1,20}") {
            let read = |text: &str| serde_json::from_str::<f64>(text).unwrap().to_bits();
            prop_assert_eq!(read(&format!("{float:?}")), float.to_bits());
            prop_assert_eq!(read(&digits), digits.parse::<f64>().unwrap().to_bits());
        }
    }
}
