//! The position of a record in its shard.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The most digits that a sequence number has: `0|([1-9]\d{0,128})`.
pub const MAX_DIGITS: usize = 129;

/// A sequence number: up to 129 decimal digits, which fit neither `u128` nor a number of DynamoDB. Held as text that is shared, because
/// items, marks and heads of a batch repeat it, and ordered by length before text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sequence(Arc<str>);

impl Sequence {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Sequence {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let is_plain = text == "0" || !text.starts_with('0');
        // `all` would stop at the first that is none, and look at one byte at a time for it.
        let is_number = || text.bytes().fold(true, |is_number, byte| is_number & byte.is_ascii_digit());
        let fits = (1..=MAX_DIGITS).contains(&text.len()) && is_number();
        if is_plain && fits { Ok(Self(text.into())) } else { Err(NotAPosition) }
    }
}

impl Ord for Sequence {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Sequence {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A place in a shard: a record, in a record that holds several events one of them, and of an event that counts for more metrics than
/// fit into one commit a part. Written `4959…`, `4959…:2` for the third event of such a record, and
/// `4959…@checkout/revenue` where only the parts up to that metric are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position {
    /// The record.
    pub sequence: Sequence,
    /// The number of the event in it, from 0.
    pub sub: u32,
    /// The last part that is counted, by experiment and metric; `None` for the whole event. Only a head has one.
    pub part: Option<Part>,
}

/// A part of an event: what it counts for one metric of one experiment. Parts are ordered by name, not by number, because a catalog
/// that is published in between may know other experiments.
pub type Part = (Box<str>, Box<str>);

impl From<Sequence> for Position {
    fn from(sequence: Sequence) -> Self {
        Self { sequence, sub: 0, part: None }
    }
}

impl Position {
    /// True if this is a part of the event at another position.
    #[must_use]
    pub fn is_part_of(&self, event: &Self) -> bool {
        self.part.is_some() && self.sequence == event.sequence && self.sub == event.sub
    }

    /// The event that this is, or is a part of.
    #[must_use]
    pub fn whole(&self) -> Self {
        Self { part: None, ..self.clone() }
    }
}

/// A part stands before the whole.
impl Ord for Position {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_event = self.sequence.cmp(&other.sequence).then(self.sub.cmp(&other.sub));
        by_event.then_with(|| match (&self.part, &other.part) {
            (Some(a), Some(b)) => a.cmp(b),
            (a, b) => a.is_none().cmp(&b.is_none()),
        })
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sequence.0)?;
        if self.sub > 0 {
            write!(f, ":{}", self.sub)?;
        }
        match &self.part {
            Some((experiment, metric)) => write!(f, "@{experiment}/{metric}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Position {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let (event, part) = text.split_once('@').map_or((text, None), |(event, part)| (event, Some(part)));
        let (sequence, sub) = event.split_once(':').unwrap_or((event, "0"));
        let part = part.map(|part| part.split_once('/').ok_or(NotAPosition)).transpose()?;
        Ok(Self {
            sequence: sequence.parse()?,
            sub: sub.parse().map_err(|_| NotAPosition)?,
            part: part.map(|(experiment, metric)| (experiment.into(), metric.into())),
        })
    }
}

text_error! {
    /// A text that names no place in a shard.
    NotAPosition, "not a sequence number: that is 1 to {MAX_DIGITS} decimal digits without leading zeros"
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sequence(text: &str) -> Sequence {
        text.parse().unwrap()
    }

    #[test]
    fn only_sequence_numbers_are_read() {
        for good in ["0", "1", "10", &"9".repeat(129)] {
            assert_eq!(sequence(good).as_str(), good);
        }
        for bad in ["", "00", "01", "-1", "+1", "1.0", "1e3", " 1", "١", &"9".repeat(130)] {
            assert_eq!(bad.parse::<Sequence>(), Err(NotAPosition), "{bad}");
        }
        assert!("1:".parse::<Position>().is_err());
        assert!("1:x".parse::<Position>().is_err());
    }

    #[test]
    fn long_numbers_come_after_short_ones() {
        assert!(sequence("9") < sequence("10"), "as texts they are the other way round");
        assert!(sequence(&"9".repeat(56)) < sequence(&format!("1{}", "0".repeat(56))));
        let at = |text: &str| text.parse::<Position>().unwrap();
        assert!(at("9:7") < at("10"));
        assert!(at("10") < at("10:1"));
        assert!(at("10") > at("10@b/m") && at("10@b/m") > at("10@a/z") && at("10@a/a") > at("9:7"));
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_numbers(a: u128, b: u128) {
            prop_assert_eq!(sequence(&a.to_string()).cmp(&sequence(&b.to_string())), a.cmp(&b));
        }

        #[test]
        fn what_is_written_is_read(number: u128, sub: u32) {
            for part in [None, Some(("checkout.v2".into(), "revenue-7d_x".into()))] {
                let position = Position { sequence: sequence(&number.to_string()), sub, part };
                prop_assert_eq!(position.to_string().parse(), Ok(position));
            }
        }
    }
}
