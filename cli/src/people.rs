//! Units from a file. It is read as a stream, so that its size does not matter.

mod csv_rows;
mod json_rows;

use crate::error::Error;
use crate::inputs::{AtArg, ContextArgs};
use crate::render::numbers::count;
use abx_core::Subject;
use abx_core::decide::{AttributeTypes, ContextLimits};
use abx_core::simulate::DistinctUnits;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

/// Names that a column of ids usually has.
const ID_COLUMNS: [&str; 4] = ["user_id", "userid", "unit", "id"];
/// A row may not be longer, in bytes: it is held in memory.
const MAX_ROW: usize = 1 << 20;
/// The largest number of units that are told apart: half a gigabyte of memory.
const MAX_UNITS: usize = 20_000_000;
/// Ids that programs write where they have none.
const NO_IDS: [&str; 7] = ["undefined", "null", "NaN", "nan", "None", "[object Object]", "(null)"];
/// The number of remembered names of attributes that no document reads.
const MAX_NAMES: usize = 1000;

/// The units of a simulation or a comparison: those of a file with their attributes, and the time at which they are decided.
#[derive(Debug, clap::Args)]
pub struct PopulationArgs {
    /// The file of units.
    #[command(flatten)]
    pub file: UnitsFileArgs,
    /// The attributes of all units.
    #[command(flatten)]
    pub context: ContextArgs,
    /// The time of the decisions.
    #[command(flatten)]
    pub at: AtArg,
}

/// The options for a file of units.
#[derive(Debug, clap::Args)]
pub struct UnitsFileArgs {
    /// Take units from a CSV file (with a header) or a JSONL file; columns that documents read are attributes,
    /// others are ignored. Each unit counts once, by its first row
    #[arg(long, alias = "users-file", value_name = "FILE")]
    units_file: Option<PathBuf>,
    /// The column or field with the unit's id; by default `user_id`, `userid`, `unit` or `id`
    #[arg(long, value_name = "NAME", requires = "units_file")]
    id_column: Option<String>,
}

impl UnitsFileArgs {
    /// The file, if there is one, with the attributes of all units and the types that documents read.
    #[must_use]
    pub fn people<'a>(
        &'a self,
        attributes: &'a Map<String, Value>,
        types: &'a AttributeTypes,
    ) -> Option<People<'a>> {
        let path = self.units_file.as_deref()?;
        Some(People { path, id_column: self.id_column.as_deref(), attributes, types })
    }
}

/// A file of units, and how it is read.
#[derive(Debug, Clone, Copy)]
pub struct People<'a> {
    /// The file: CSV, or JSONL by its name.
    pub path: &'a Path,
    /// The name of the column of ids; found by usual names otherwise.
    pub id_column: Option<&'a str>,
    /// The attributes of all, where the file does not have them.
    pub attributes: &'a Map<String, Value>,
    /// Only what documents read is taken.
    pub types: &'a AttributeTypes,
}

/// Rows of a file, and the units in them.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Census {
    /// The number of rows that were decided.
    rows: u64,
    /// The number of units; each counts once, as in its first row.
    units: u64,
    /// Units whose rows have attributes that lead to different answers.
    conflicting_units: u64,
    /// Rows that are left out, because the functions refuse such attributes or ids.
    refused_rows: u64,
}

/// The content that was read.
#[derive(Debug)]
pub struct Reading {
    refused: u64,
    /// Warnings about the file.
    pub hints: Vec<String>,
}

impl Reading {
    /// The numbers, with what was seen of the units.
    #[must_use]
    pub fn census(&self, seen: &DistinctUnits) -> Census {
        Census {
            rows: seen.rows(),
            units: seen.units(),
            conflicting_units: seen.conflicting(),
            refused_rows: self.refused,
        }
    }
}

impl Census {
    /// `20,000 rows of 349 units`, where a unit has several rows, and what is left out.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        let mut parts = Vec::new();
        if self.rows != self.units {
            let (rows, units) = (counted(self.rows, "row"), counted(self.units, "unit"));
            parts.push(format!("{rows}, {units}: the first row of each unit decides"));
        }
        if self.conflicting_units > 0 {
            let units = counted(self.conflicting_units, "unit");
            parts.push(format!("rows that lead to different answers: {units}"));
        }
        if self.refused_rows > 0 {
            parts.push(format!("left out: {}", counted(self.refused_rows, "row")));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// `1 row`, `2,000 rows`.
fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// Ends where more units would have to be told apart than fit into memory.
pub fn check_memory(seen: &DistinctUnits) -> Result<(), Error> {
    if seen.held() <= MAX_UNITS {
        return Ok(());
    }
    Err(Error::caller(format!("the file has more than {MAX_UNITS} units"))
        .help("take a part of it; a sample shows the same"))
}

impl People<'_> {
    /// Hands out every row of a CSV or JSONL file, with the attributes that documents read.
    pub fn each(&self, take: &mut dyn FnMut(&Subject<'_>) -> Result<(), Error>) -> Result<Reading, Error> {
        let mut rows = UnitRows::new(*self, take);
        let is_json = self.path.extension().is_some_and(|it| it == "jsonl" || it == "ndjson" || it == "json");
        if is_json {
            json_rows::read(&mut rows, self.open()?)?;
        } else {
            csv_rows::read(&mut rows, self.open()?)?;
        }
        rows.finish()
    }

    fn open(&self) -> Result<BufReader<File>, Error> {
        let file = File::open(self.path)
            .map_err(|error| Error::world(self.path.display().to_string()).because(error))?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        // Spreadsheets begin a file with a byte order mark.
        if reader.fill_buf().is_ok_and(|start| start.starts_with("\u{feff}".as_bytes())) {
            reader.consume(3);
        }
        Ok(reader)
    }

    fn wrong(&self, line: u64, what: impl std::fmt::Display) -> Error {
        Error::caller(format!("{}:{line}: {what}", self.path.display()))
    }

    /// The index of the column of ids.
    fn find_id(&self, names: &[&str]) -> Result<usize, Error> {
        let is_it = |name: &str, wanted: &str| name.trim().eq_ignore_ascii_case(wanted);
        let all = |wanted: &str| -> Vec<usize> {
            names.iter().enumerate().filter(|(_, name)| is_it(name, wanted)).map(|(index, _)| index).collect()
        };
        let found = match self.id_column {
            Some(wanted) => all(wanted),
            None => ID_COLUMNS
                .iter()
                .map(|wanted| all(wanted))
                .find(|found| !found.is_empty())
                .unwrap_or_default(),
        };
        match found[..] {
            [index] => Ok(index),
            [first, second, ..] => Err(self.twice(names.get(first).unwrap_or(&""), first, second)),
            [] => {
                let wanted = self.id_column.map_or("of ids".to_owned(), |name| format!("{name:?}"));
                Err(Error::caller(format!("{}: there is no column {wanted}", self.path.display()))
                    .help(format!("name it with --id-column; there are: {}", names.join(", "))))
            }
        }
    }

    fn twice(&self, name: &str, first: usize, second: usize) -> Error {
        let (first, second) = (first + 1, second + 1);
        Error::caller(format!(
            "{}: columns {first} and {second} are both named {name:?}",
            self.path.display()
        ))
        .help("rename or remove one of them: nobody knows which one is meant")
    }
}

/// Rows on their way, and what is noted of them.
struct UnitRows<'a, 't> {
    people: People<'a>,
    take: &'t mut dyn FnMut(&Subject<'_>) -> Result<(), Error>,
    limits: ContextLimits,
    read: u64,
    refused: u64,
    /// Why the first row was refused.
    first_refusal: Option<String>,
    /// Names that no document reads.
    ignored: BTreeSet<String>,
    /// Ids that look like none, with their number of rows.
    no_ids: BTreeMap<&'static str, u64>,
    /// A warning about an attribute: the text of the first such row, and the number of rows.
    doubts: BTreeMap<String, (String, u64)>,
}

impl<'a, 't> UnitRows<'a, 't> {
    fn new(people: People<'a>, take: &'t mut dyn FnMut(&Subject<'_>) -> Result<(), Error>) -> Self {
        Self {
            people,
            take,
            limits: ContextLimits::default(),
            read: 0,
            refused: 0,
            first_refusal: None,
            ignored: BTreeSet::new(),
            no_ids: BTreeMap::new(),
            doubts: BTreeMap::new(),
        }
    }

    fn ignore(&mut self, name: &str) {
        if self.ignored.len() < MAX_NAMES && !self.ignored.contains(name) {
            self.ignored.insert(name.to_owned());
        }
    }

    fn doubt(&mut self, attribute: &str, message: impl FnOnce() -> Option<String>) {
        if let Some((_, rows)) = self.doubts.get_mut(attribute) {
            *rows += 1;
        } else if let Some(message) = message() {
            self.doubts.insert(attribute.to_owned(), (message, 1));
        }
    }

    fn row(&mut self, id: &str, mut row: Map<String, Value>, line: u64) -> Result<(), Error> {
        self.read += 1;
        let no_id = if id.trim().is_empty() { Some(&"") } else { NO_IDS.iter().find(|it| **it == id.trim()) };
        if let Some(no_id) = no_id {
            *self.no_ids.entry(no_id).or_default() += 1;
        }
        for (name, value) in self.people.attributes {
            row.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let limit = self.limits.string_bytes;
        let refusal = if id.len() > limit {
            Some(format!("the id has more than {limit} bytes"))
        } else {
            self.limits.check(&row).err().map(|error| error.to_string())
        };
        if let Some(refusal) = refusal {
            self.refused += 1;
            self.first_refusal.get_or_insert_with(|| format!("line {line}: {refusal}"));
            return Ok(());
        }
        (self.take)(&Subject::new(id, &row))
    }

    fn finish(self) -> Result<Reading, Error> {
        let file = self.people.path.display();
        if self.read == 0 {
            return Err(Error::caller(format!("{file}: no units in this file")));
        }
        let mut hints = Vec::new();
        if let Some(first) = &self.first_refusal {
            let (refused, rows) = (self.refused, self.read);
            let read = counted(rows, "row");
            let message = format!(
                "{file}: {refused} of {read} left out, because the functions refuse such attributes; {first}"
            );
            if refused == rows {
                return Err(Error::caller(message));
            }
            hints.push(message);
        }
        if !self.no_ids.is_empty() {
            let rows = self.no_ids.iter().map(|(id, rows)| format!("{id:?} in {}", counted(*rows, "row")));
            let rows = rows.collect::<Vec<_>>().join(", ");
            hints.push(format!("{file}: ids that look like missing values: {rows}"));
        }
        for (message, rows) in self.doubts.values() {
            let several = if *rows > 1 { format!(" (in {})", counted(*rows, "row")) } else { String::new() };
            hints.push(format!("{file}: {message}{several}"));
        }
        hints.extend(self.ignored_hint());
        Ok(Reading { refused: self.refused, hints })
    }

    fn ignored_hint(&self) -> Option<String> {
        const SHOWN: usize = 5;
        // Where something was meant that documents read, this comes first.
        let near = |name: &&String| {
            let near = abx_core::finding::did_you_mean(name, self.people.types.names());
            near.map(|near| format!("{name:?} (did you mean `{near}`?)"))
        };
        let mut names: Vec<String> = self.ignored.iter().filter_map(|name| near(&name)).collect();
        names.extend(self.ignored.iter().filter(|name| near(name).is_none()).map(|name| format!("{name:?}")));
        let count = names.len();
        if count == 0 {
            return None;
        }
        let more = if count > SHOWN { format!(" and {} more", count - SHOWN) } else { String::new() };
        let shown = names.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
        Some(format!(
            "{}: no document reads these, so they are ignored: {shown}{more}",
            self.people.path.display()
        ))
    }
}
