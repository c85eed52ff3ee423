//! Conversions whose unit was not exposed yet, remembered for a while: an exposure that follows shows which of them overtook it.

use super::{MarkKey, MarkSubject};
use crate::hash::fingerprint;
use foldhash::fast::RandomState;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;

/// A conversion whose unit no record before it in the shard exposed to an experiment that counts such events.
///
/// Commits remember it, so it is small: 12 bytes in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Unexposed {
    /// The hash of the missing exposure and of the event's name.
    pub key: u64,
    /// The low 32 bits of its time in milliseconds since 1970: enough, because no two times that are compared are 24 days apart.
    pub time: u32,
}

impl Unexposed {
    pub(super) fn new(exposure: &MarkKey<'_>, event: &str, time: Timestamp) -> Self {
        Self { key: key(exposure, event), time: low(time) }
    }
}

/// The conversions of the latest commits whose units were not exposed.
#[derive(Debug, Clone, Default)]
pub struct RecentUnexposed(HashMap<u64, Vec<u32>, RandomState>);

impl RecentUnexposed {
    /// Remembers one. False if it is there already: then a producer has sent it twice.
    pub fn insert(&mut self, of: Unexposed) -> bool {
        let times = self.0.entry(of.key).or_default();
        let is_new = !times.contains(&of.time);
        if is_new {
            times.push(of.time);
        }
        is_new
    }

    /// Forgets one.
    pub fn remove(&mut self, of: &Unexposed) {
        if let Some(times) = self.0.get_mut(&of.key) {
            times.retain(|time| *time != of.time);
            if times.is_empty() {
                self.0.remove(&of.key);
            }
        }
    }

    pub(super) fn contains(&self, of: &Unexposed) -> bool {
        self.0.get(&of.key).is_some_and(|times| times.contains(&of.time))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How long after an exposure each event of this name happened whose unit lacked it; negative before it.
    pub(super) fn after<'s>(
        &'s self,
        exposure: &MarkKey<'_>,
        event: &str,
        exposed_at: Timestamp,
    ) -> impl Iterator<Item = SignedDuration> + use<'s> {
        let exposed_at = low(exposed_at);
        let times = self.0.get(&key(exposure, event)).into_iter().flatten();
        times.map(move |time| SignedDuration::from_millis(time.wrapping_sub(exposed_at).cast_signed().into()))
    }
}

fn key(exposure: &MarkKey<'_>, event: &str) -> u64 {
    let MarkSubject::Exposure { experiment, epoch } = &exposure.subject else { return 0 };
    // Keys of experiments hold no `:`, and with its length no end of an event's name is taken for the beginning of a unit.
    fingerprint(&format!("{experiment}:{epoch}:{}:{event}:{}", event.len(), exposure.unit))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the low bits are what is wanted"
)]
fn low(time: Timestamp) -> u32 {
    time.as_millisecond() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_on_both_sides_of_a_wrap_are_compared() {
        let exposure = MarkKey::of_exposure("u".into(), "checkout", 1);
        // 2^32 milliseconds after 1970 is 1970-02-19.
        let wrap = Timestamp::from_millisecond(1 << 32).unwrap();
        for (millis, far) in [(5, 0), (-5, 0), (-5, 7 * 86_400_000), (0, -7 * 86_400_000)] {
            let mut recent = RecentUnexposed::default();
            let exposed_at = wrap + SignedDuration::from_millis(millis);
            let of = Unexposed::new(&exposure, "purchase", exposed_at + SignedDuration::from_millis(far));
            assert!(recent.insert(of) && !recent.insert(of));
            let after: Vec<_> = recent.after(&exposure, "purchase", exposed_at).collect();
            assert_eq!(after, [SignedDuration::from_millis(far)]);
            assert_eq!(recent.after(&exposure, "refund", exposed_at).count(), 0);
            recent.remove(&of);
            assert!(recent.is_empty());
        }
    }
}
