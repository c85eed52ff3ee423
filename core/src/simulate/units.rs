//! Units made in place: nothing is stored, and the n-th is always the same.

use crate::words;
use std::fmt::Write as _;

words! {
    /// The form of the ids of generated units.
    #[derive(Default, schemars::JsonSchema)]
    pub enum UnitStyle: "snake_case" {
        /// `user_17`: consecutive numbers, which a weak hash would correlate.
        #[default]
        Sequential,
        /// `6f1c…-…`: random, in the form of a version 4 UUID.
        Uuid,
        /// `ada.lovelace17@example.com`: long common parts.
        Email,
    }
}

/// The n-th unit of a style and a seed.
#[derive(Debug, Clone, Copy)]
pub struct Units {
    style: UnitStyle,
    seed: u64,
}

const FIRST_NAMES: [&str; 8] = ["ada", "alan", "barbara", "edsger", "grace", "john", "katherine", "tim"];
const LAST_NAMES: [&str; 8] =
    ["lovelace", "turing", "liskov", "dijkstra", "hopper", "backus", "johnson", "berners"];

impl Units {
    /// Units of a style. A seed of 0 starts the sequential ones at `user_0`; another starts elsewhere.
    #[must_use]
    pub const fn new(style: UnitStyle, seed: u64) -> Self {
        Self { style, seed }
    }

    /// Writes the unit into a buffer, in place of what was there.
    #[inline]
    pub fn write(&self, index: u64, buffer: &mut String) {
        buffer.clear();
        match self.style {
            UnitStyle::Sequential => {
                buffer.push_str("user_");
                // Another seed is another range of numbers, so that it is another sample.
                let start = if self.seed == 0 { 0 } else { scramble(self.seed) >> 24 };
                push_number(start.wrapping_add(index), buffer);
            }
            UnitStyle::Uuid => push_uuid(self.random(index, 0), self.random(index, 1), buffer),
            UnitStyle::Email => {
                let random = self.random(index, 0);
                buffer.push_str(pick(&FIRST_NAMES, random));
                buffer.push('.');
                buffer.push_str(pick(&LAST_NAMES, random >> 8));
                push_number(index, buffer);
                buffer.push_str("@example.com");
            }
        }
    }

    fn random(&self, index: u64, lane: u64) -> u64 {
        scramble(scramble(self.seed ^ (lane << 63)).wrapping_add(index))
    }
}

/// The output function of `SplitMix64` (Steele, Lea, Flood, OOPSLA 2014): random access needs no generator state.
const fn scramble(index: u64) -> u64 {
    let mut z = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn pick<'n>(names: &[&'n str; 8], random: u64) -> &'n str {
    let index = usize::try_from(random % 8).unwrap_or_default();
    names.get(index).copied().unwrap_or_default()
}

/// `write!` takes five times as long.
fn push_number(number: u64, buffer: &mut String) {
    buffer.push_str(itoa::Buffer::new().format(number));
}

fn push_uuid(high: u64, low: u64, buffer: &mut String) {
    let high = (high & 0xffff_ffff_ffff_0fff) | 0x4000;
    let low = (low & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
    let (time_low, time_mid, time_high) = (high >> 32, (high >> 16) & 0xffff, high & 0xffff);
    // Writing to a string cannot fail.
    let _ = write!(
        buffer,
        "{time_low:08x}-{time_mid:04x}-{time_high:04x}-{:04x}-{:012x}",
        low >> 48,
        low & 0xffff_ffff_ffff
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(style: UnitStyle, seed: u64, index: u64) -> String {
        let mut buffer = "rest".to_owned();
        Units::new(style, seed).write(index, &mut buffer);
        buffer
    }

    #[test]
    fn the_nth_unit_is_always_the_same() {
        assert_eq!(unit(UnitStyle::Sequential, 0, 0), "user_0");
        assert_eq!(unit(UnitStyle::Sequential, 0, 1_234_567_890), "user_1234567890");
        assert_eq!(unit(UnitStyle::Uuid, 7, 3), unit(UnitStyle::Uuid, 7, 3));
        assert_ne!(unit(UnitStyle::Uuid, 7, 3), unit(UnitStyle::Uuid, 8, 3));
        assert_ne!(unit(UnitStyle::Sequential, 7, 3), unit(UnitStyle::Sequential, 8, 3));
    }

    #[test]
    fn units_have_the_form_of_their_style() {
        let uuid = unit(UnitStyle::Uuid, 1, 1);
        let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{uuid}");
        assert_eq!(uuid.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
        assert!(unit(UnitStyle::Email, 1, 42).ends_with("42@example.com"));
    }

    #[test]
    fn no_unit_comes_twice() {
        for style in [UnitStyle::Sequential, UnitStyle::Uuid, UnitStyle::Email] {
            let units: std::collections::HashSet<String> = (0..10_000).map(|i| unit(style, 1, i)).collect();
            assert_eq!(units.len(), 10_000, "{style:?}");
        }
    }
}
