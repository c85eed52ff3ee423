//! Units with an implausible share of all events, told from the archive beside an embedded store.

use crate::render::numbers::{count, percent, share};
use crate::render::printable;
use crate::render::style::BAD;
use abx_functions::events::ArchivedLine;
use serde::Serialize;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::Path;

/// Units with many events, among all that were looked at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct Busy {
    /// Events that were looked at: the newest.
    events: u64,
    /// The units of these events.
    units: u64,
    /// The most events first.
    busiest: Vec<BusyUnit>,
}

#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
struct BusyUnit {
    unit: String,
    events: u64,
    /// Of all events that were looked at, 0 to 1.
    share: f64,
}

impl BusyUnit {
    fn line(&self, all: u64) -> String {
        let (unit, share) = (printable(&self.unit), percent(self.share));
        let (events, all) = (count(self.events), count(all));
        format!("{BAD}not one user{BAD:#}: \"{unit}\" has {share} of all events ({events} of {all})")
    }
}

/// The part of the archive that is read: about 160,000 events, a fraction of a second.
const MOST_BYTES: u64 = 64 << 20;
/// Fewer events, or units, tell nothing.
const LEAST_EVENTS: u64 = 100;
const LEAST_UNITS: u64 = 10;
/// From this share of all events on, a unit is implausible, if it also has so many times the mean of the others.
const IMPLAUSIBLE_SHARE: f64 = 0.05;
const IMPLAUSIBLE_TIMES: f64 = 10.0;
/// The number of names that are listed.
const NAMED: usize = 5;

impl Busy {
    /// Looks at the newest part of an archive, for the events of one experiment or of all. Nothing without an archive.
    pub(super) fn look(folder: &Path, only: Option<&str>) -> io::Result<Self> {
        newest_units(folder, only, MOST_BYTES).map(Self::of)
    }

    /// True if there are any.
    pub(super) fn are_there(&self) -> bool {
        !self.busiest.is_empty()
    }

    /// A line for each.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.busiest.iter().map(|it| it.line(self.events))
    }

    fn of(units: HashMap<String, u64>) -> Self {
        let events = units.values().sum();
        let all = units.len() as u64;
        let mut busiest: Vec<BusyUnit> = units
            .into_iter()
            .map(|(unit, own)| BusyUnit { unit, events: own, share: share(own, events) })
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
    let others = (1.0 - unit.share) * share(1, units - 1);
    unit.share >= IMPLAUSIBLE_TIMES * others
}

/// The events of each unit in the newest part of the archive, of one experiment or of all. None without an archive.
fn newest_units(folder: &Path, only: Option<&str>, most: u64) -> io::Result<HashMap<String, u64>> {
    let mut units = HashMap::new();
    let mut days = match fs::read_dir(folder) {
        Ok(days) => days.map(|day| Ok(day?.path())).collect::<io::Result<Vec<_>>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(units),
        Err(error) => return Err(error),
    };
    // `day=2026-11-24`: in the order of their names.
    days.sort_unstable();
    let mut left = most;
    for day in days.iter().rev() {
        let path = day.join("events.jsonl");
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(_) if !path.exists() => continue,
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        let start = length.saturating_sub(left);
        file.seek(SeekFrom::Start(start))?;
        // A line that begins before the part that is read is none.
        for line in BufReader::new(file).split(b'\n').skip(usize::from(start > 0)) {
            let line = line?;
            let Ok(line) = ArchivedLine::read(&line) else { continue };
            if only.is_some_and(|experiment| !line.is_about(experiment)) {
                continue;
            }
            if let Some(unit) = line.unit {
                *units.entry(unit.into_owned()).or_default() += 1;
            }
        }
        left = left.saturating_sub(length);
        if left == 0 {
            break;
        }
    }
    Ok(units)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(units: impl IntoIterator<Item = (String, u64)>) -> HashMap<String, u64> {
        units.into_iter().collect()
    }

    #[test]
    fn a_unit_with_an_implausible_share_of_all_events_is_named() {
        let people = |count: u64, each: u64| (0..count).map(move |number| (format!("u{number}"), each));
        let named = |units: HashMap<String, u64>| -> Vec<String> {
            Busy::of(units).busiest.into_iter().map(|it| it.unit).collect()
        };
        let bot = |events: u64| [("bot".to_owned(), events)];
        assert_eq!(named(events(people(100, 2).chain(bot(50)))), ["bot"]);
        assert_eq!(named(events(people(1_000, 3).chain(bot(160)))), ["bot"], "5 %");
        assert!(named(events(people(1_000, 3).chain(bot(150)))).is_empty(), "below 5 %");
        assert!(named(events(people(12, 10).chain(bot(50)))).is_empty(), "a small test, a keen user");
        assert!(named(events(people(5, 2).chain(bot(500)))).is_empty(), "too few units to compare with");
        assert!(named(events(people(40, 1).chain(bot(20)))).is_empty(), "too few events");
        assert!(named(HashMap::new()).is_empty());
    }

    #[test]
    fn the_newest_part_of_the_archive_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(newest_units(&folder.path().join("none"), None, 100).unwrap().is_empty());
        let line =
            |unit: &str, rest: &str| format!("{{\"_id\":\"s:1\",\"unit\":\"{unit}\"{rest},\"sent\":{{}}}}\n");
        let exposed = ",\"experiment\":\"e\"";
        let credited = ",\"credited\":[{\"experiment\":\"e\",\"metric\":\"m\",\"variant\":\"a\"}]";
        for (day, text) in [
            ("2026-11-23", line("old", exposed)),
            ("2026-11-24", line("a", exposed) + "no JSON\n" + &line("a", credited) + &line("b", "")),
        ] {
            let day = folder.path().join(format!("day={day}"));
            fs::create_dir(&day).unwrap();
            fs::write(day.join("events.jsonl"), text).unwrap();
        }
        let read = |only, most| {
            let mut units: Vec<_> = newest_units(folder.path(), only, most).unwrap().into_iter().collect();
            units.sort();
            units
        };
        let named = |units: &[(&str, u64)]| -> Vec<(String, u64)> {
            units.iter().map(|(unit, events)| ((*unit).to_owned(), *events)).collect()
        };
        assert_eq!(read(None, 1 << 20), named(&[("a", 2), ("b", 1), ("old", 1)]));
        assert_eq!(read(Some("e"), 1 << 20), named(&[("a", 2), ("old", 1)]));
        assert_eq!(read(None, 60), named(&[("b", 1)]), "from the end");
    }
}
