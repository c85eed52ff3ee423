//! Units from a file. It is read as a stream, so that its size does not matter.

use super::inputs::{check, guess};
use crate::error::Error;
use abx_core::Subject;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

/// Names that a column of ids usually has.
const ID_COLUMNS: [&str; 4] = ["user_id", "userid", "unit", "id"];
/// A row may not be longer, in bytes: it is held in memory.
const MAX_ROW: usize = 1 << 20;

/// Hands out every unit of a CSV or JSONL file, with the other columns as attributes, over those that are given for
/// all; the count of units, of which there is at least one.
pub fn each(
    path: &Path,
    id_column: Option<&str>,
    attributes: &Map<String, Value>,
    take: &mut dyn FnMut(&Subject<'_>),
) -> Result<u64, Error> {
    let file = File::open(path).map_err(|error| Error::world(format!("{}: {error}", path.display())))?;
    let mut people = People { path, id_column, attributes, take, units: 0 };
    let mut reader = BufReader::with_capacity(1 << 16, file);
    skip_byte_order_mark(&mut reader);
    let is_json = path.extension().is_some_and(|it| it == "jsonl" || it == "ndjson" || it == "json");
    if is_json {
        people.read_jsonl(reader)?;
    } else {
        people.read_csv(reader)?;
    }
    if people.units == 0 {
        return Err(Error::caller(format!("{}: no units in this file", path.display())));
    }
    Ok(people.units)
}

fn skip_byte_order_mark(reader: &mut BufReader<File>) {
    if reader.fill_buf().is_ok_and(|start| start.starts_with("\u{feff}".as_bytes())) {
        reader.consume(3);
    }
}

struct People<'a> {
    path: &'a Path,
    id_column: Option<&'a str>,
    attributes: &'a Map<String, Value>,
    take: &'a mut dyn FnMut(&Subject<'_>),
    units: u64,
}

impl People<'_> {
    fn read_csv(&mut self, reader: BufReader<File>) -> Result<(), Error> {
        let mut reader = csv::Reader::from_reader(reader);
        let header = reader.headers().map_err(|error| self.wrong(1, error))?.clone();
        let id = self.find_id(header.iter())?;
        let mut record = csv::StringRecord::new();
        loop {
            let line = reader.position().line();
            if !reader.read_record(&mut record).map_err(|error| self.wrong(line, error))? {
                return Ok(());
            }
            let mut row = Map::new();
            for (index, (name, text)) in header.iter().zip(&record).enumerate() {
                // An empty cell is a missing attribute.
                if index != id && !text.is_empty() {
                    row.insert(name.to_owned(), guess(text));
                }
            }
            self.count_row(record.get(id).unwrap_or_default(), row, line)?;
        }
    }

    fn read_jsonl(&mut self, mut reader: BufReader<File>) -> Result<(), Error> {
        let mut text = Vec::new();
        let mut line = 0;
        let mut id_name = None;
        loop {
            line += 1;
            text.clear();
            let limit = MAX_ROW as u64 + 1;
            let read = reader.by_ref().take(limit).read_until(b'\n', &mut text);
            if read.map_err(|error| self.wrong(line, error))? == 0 {
                return Ok(());
            }
            if text.len() > MAX_ROW {
                return Err(self.wrong(line, "the line has more than 1 MiB"));
            }
            if text.trim_ascii().is_empty() {
                continue;
            }
            let mut row: Map<String, Value> =
                serde_json::from_slice(&text).map_err(|error| self.wrong(line, error))?;
            let name = match &id_name {
                Some(name) => name,
                None => {
                    let names: Vec<&str> = row.keys().map(String::as_str).collect();
                    let index = self.find_id(names.iter().copied())?;
                    id_name.insert(names.get(index).copied().unwrap_or_default().to_owned())
                }
            };
            let id = match row.remove(name) {
                Some(Value::String(text)) => text,
                Some(Value::Number(number)) => number.to_string(),
                _ => String::new(),
            };
            self.count_row(&id, row, line)?;
        }
    }

    fn count_row(&mut self, id: &str, mut row: Map<String, Value>, line: u64) -> Result<(), Error> {
        for (name, value) in self.attributes {
            row.entry(name.clone()).or_insert_with(|| value.clone());
        }
        check(&row).map_err(|error| self.wrong(line, error))?;
        (self.take)(&Subject::new(id, &row));
        self.units += 1;
        Ok(())
    }

    fn find_id<'n>(&self, names: impl Iterator<Item = &'n str> + Clone) -> Result<usize, Error> {
        let is_it = |name: &str, wanted: &str| name.trim().eq_ignore_ascii_case(wanted);
        let found = match self.id_column {
            Some(wanted) => names.clone().position(|name| is_it(name, wanted)),
            None => ID_COLUMNS.iter().find_map(|wanted| names.clone().position(|name| is_it(name, wanted))),
        };
        found.ok_or_else(|| {
            let wanted = self.id_column.map_or("of ids".to_owned(), |name| format!("{name:?}"));
            let known: Vec<&str> = names.collect();
            Error::caller(format!("{}: there is no column {wanted}", self.path.display()))
                .help(format!("name it with --id-column; there are: {}", known.join(", ")))
        })
    }

    fn wrong(&self, line: u64, what: impl std::fmt::Display) -> Error {
        Error::caller(format!("{}:{line}: {what}", self.path.display()))
    }
}
