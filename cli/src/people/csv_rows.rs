//! Rows of a CSV file with a header.

use super::{People, UnitRows};
use crate::error::Error;
use abx_core::decide::Column;
use csv::{Reader, StringRecord};
use serde_json::Map;
use std::fs::File;
use std::io::BufReader;

/// A column that documents read.
struct Taken {
    index: usize,
    name: String,
    column: Column,
    /// True if the warnings about its texts were given already.
    is_told: bool,
}

pub(super) fn read(rows: &mut UnitRows<'_, '_>, reader: BufReader<File>) -> Result<(), Error> {
    let people = rows.people;
    let mut reader = Reader::from_reader(reader);
    let header = reader.headers().map_err(|error| people.wrong(1, error))?.clone();
    let names: Vec<&str> = header.iter().collect();
    let id = people.find_id(&names)?;
    let mut taken = columns(rows, &names, id)?;
    look(&people, &mut taken)?;
    let mut record = StringRecord::new();
    loop {
        let line = reader.position().line();
        if !reader.read_record(&mut record).map_err(|error| people.wrong(line, error))? {
            return Ok(());
        }
        let mut row = Map::new();
        for taken in &mut taken {
            // An empty cell is a missing attribute.
            let Some(text) = record.get(taken.index).filter(|text| !text.is_empty()) else { continue };
            let value = taken.column.read(text);
            if !taken.is_told || !taken.column.fits(&value) {
                let mut hint = people.types.hint_of_text(&taken.name, text, &value);
                taken.is_told |= hint.is_some();
                if hint.is_some() || !taken.column.fits(&value) {
                    rows.doubt(&taken.name, || hint.take());
                }
            }
            row.insert(taken.name.clone(), value);
        }
        rows.row(record.get(id).unwrap_or_default(), row, line)?;
    }
}

/// The columns that documents read; none of them may be there twice.
fn columns(rows: &mut UnitRows<'_, '_>, names: &[&str], id: usize) -> Result<Vec<Taken>, Error> {
    let people = rows.people;
    let mut taken: Vec<Taken> = Vec::new();
    for (index, name) in names.iter().enumerate().filter(|(index, _)| *index != id) {
        if !people.types.reads(name) {
            rows.ignore(name);
            continue;
        }
        if let Some(first) = taken.iter().find(|it| it.name == *name) {
            return Err(people.twice(name, first.index, index));
        }
        taken.push(Taken {
            index,
            name: (*name).to_owned(),
            column: people.types.column(name),
            is_told: false,
        });
    }
    Ok(taken)
}

/// Reads the file once before, where documents do not agree on a column's type, and all of its cells decide it.
fn look(people: &People<'_>, taken: &mut [Taken]) -> Result<(), Error> {
    if !taken.iter().any(|it| it.column.is_open()) {
        return Ok(());
    }
    if !people.path.is_file() {
        let message = format!("{}: it would have to be read twice", people.path.display());
        return Err(Error::caller(message).help("write it into a file first"));
    }
    let mut reader = Reader::from_reader(people.open()?);
    let mut record = StringRecord::new();
    loop {
        let line = reader.position().line();
        if !reader.read_record(&mut record).map_err(|error| people.wrong(line, error))? {
            return Ok(());
        }
        for taken in taken.iter_mut() {
            if let Some(text) = record.get(taken.index).filter(|text| !text.is_empty()) {
                taken.column.look(text);
            }
        }
    }
}
