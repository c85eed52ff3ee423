//! Units with an implausible share of all events, told from the archive beside an embedded store.

use crate::render::numbers::{count, percent};
use crate::render::printable;
use crate::render::style::BAD;
use abx_core::results::BusyUnits;
use abx_functions::events::ArchivedLine;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::Path;

/// The part of the archive that is read: about 160,000 events, a fraction of a second.
const MOST_BYTES: u64 = 64 << 20;

/// Looks at the newest part of an archive, for the events of one experiment or of all. Nothing without an archive.
pub(super) fn look(folder: &Path, only: Option<&str>) -> io::Result<BusyUnits> {
    newest_units(folder, only, MOST_BYTES).map(BusyUnits::among)
}

/// A line for each.
pub(super) fn lines(found: &BusyUnits) -> impl Iterator<Item = String> {
    found.busiest.iter().map(|it| {
        let (unit, share) = (printable(&it.unit), percent(it.share));
        let (events, all) = (count(it.events), count(found.events));
        format!("{BAD}not one user{BAD:#}: \"{unit}\" has {share} of all events ({events} of {all})")
    })
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
