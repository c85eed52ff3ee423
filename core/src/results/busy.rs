//! Units with an implausible share of all events: a robot, or one id that a program writes for many users.

use serde::Serialize;

/// Units with many events, among all that were looked at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Busy")]
pub struct BusyUnits {
    /// Events that were looked at: the newest.
    pub events: u64,
    /// The units of these events.
    pub units: u64,
    /// The most events first.
    pub busiest: Vec<BusyUnit>,
}

/// A unit that is implausible as one user.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct BusyUnit {
    /// Its id.
    pub unit: String,
    /// Its events.
    pub events: u64,
    /// Of all events that were looked at, 0 to 1.
    pub share: f64,
}

/// Fewer events, or units, tell nothing.
const LEAST_EVENTS: u64 = 100;
const LEAST_UNITS: u64 = 10;
/// From this share of all events on, a unit is implausible, if it also has so many times the mean of the others.
const IMPLAUSIBLE_SHARE: f64 = 0.05;
const IMPLAUSIBLE_TIMES: f64 = 10.0;
/// The number of units that are named.
const NAMED: usize = 5;

impl BusyUnits {
    /// Finds them among units, each with the number of its events.
    #[must_use]
    pub fn among(units: impl IntoIterator<Item = (String, u64)>) -> Self {
        let units: Vec<(String, u64)> = units.into_iter().collect();
        let events = units.iter().map(|(_, own)| own).sum();
        let all = units.len() as u64;
        let mut busiest: Vec<BusyUnit> = units
            .into_iter()
            .map(|(unit, own)| BusyUnit { unit, events: own, share: ratio(own, events) })
            .filter(|it| is_implausible(it, events, all))
            .collect();
        busiest.sort_by(|a, b| b.events.cmp(&a.events).then_with(|| a.unit.cmp(&b.unit)));
        busiest.truncate(NAMED);
        Self { events, units: all, busiest }
    }
}

fn is_implausible(unit: &BusyUnit, events: u64, units: u64) -> bool {
    if events < LEAST_EVENTS || units < LEAST_UNITS || unit.share < IMPLAUSIBLE_SHARE {
        return false;
    }
    // The mean of the others, as a share: with one unit in fifty robots are told from a small test.
    let others = (1.0 - unit.share) * ratio(1, units - 1);
    unit.share >= IMPLAUSIBLE_TIMES * others
}

/// A share of a whole; 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_with_an_implausible_share_of_all_events_is_named() {
        let people = |count: u64, each: u64| (0..count).map(move |number| (format!("u{number}"), each));
        let named = |units: Vec<(String, u64)>| -> Vec<String> {
            BusyUnits::among(units).busiest.into_iter().map(|it| it.unit).collect()
        };
        let with_bot =
            |count, each, events| named(people(count, each).chain([("bot".to_owned(), events)]).collect());
        assert_eq!(with_bot(100, 2, 50), ["bot"]);
        assert_eq!(with_bot(1_000, 3, 160), ["bot"], "5 %");
        assert!(with_bot(1_000, 3, 150).is_empty(), "below 5 %");
        assert!(with_bot(12, 10, 50).is_empty(), "a small test, a keen user");
        assert!(with_bot(5, 2, 500).is_empty(), "too few units to compare with");
        assert!(with_bot(40, 1, 20).is_empty(), "too few events");
        assert!(named(Vec::new()).is_empty());
    }
}
