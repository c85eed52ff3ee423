//! Rows of a file with a JSON object in each line.

use super::{MAX_ROW, UnitRows};
use crate::error::Error;
use abx_core::decide::{Context, unit_of};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};

pub(super) fn read(rows: &mut UnitRows<'_, '_>, mut reader: BufReader<File>) -> Result<(), Error> {
    let people = rows.people;
    let mut text = Vec::new();
    let mut line = 0;
    let mut id_name = None;
    loop {
        line += 1;
        text.clear();
        let limit = MAX_ROW as u64 + 1;
        let read = reader.by_ref().take(limit).read_until(b'\n', &mut text);
        if read.map_err(|error| people.wrong(line, error))? == 0 {
            return Ok(());
        }
        if text.len() > MAX_ROW {
            return Err(people.wrong(line, "the line has more than 1 MiB"));
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        let Context(mut row) = serde_json::from_slice(&text).map_err(|error| people.wrong(line, error))?;
        let name = match &id_name {
            Some(name) => name,
            None => {
                let names: Vec<&str> = row.keys().map(String::as_str).collect();
                let index = people.find_id(&names)?;
                id_name.insert(names.get(index).copied().unwrap_or_default().to_owned())
            }
        };
        let id = row.remove(name).unwrap_or_default();
        let id = unit_of(&id).unwrap_or_default();
        let row = take_read(rows, row);
        rows.row(&id, row, line)?;
    }
}

/// The attributes that documents read, with their types unchanged.
fn take_read(rows: &mut UnitRows<'_, '_>, row: Map<String, Value>) -> Map<String, Value> {
    let types = rows.people.types;
    let mut taken = Map::new();
    for (name, value) in row {
        if types.reads(&name) {
            taken.insert(name, value);
        } else {
            rows.ignore(&name);
        }
    }
    for hint in types.hints(&taken) {
        rows.doubt(&hint.attribute, || Some(hint.message));
    }
    taken
}
