//! Rows become events.

use crate::error::Error;
use crate::inputs::duration;
use abx_core::event::Amount;
use abx_core::read::time_of_text;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// The meaning of the columns of a CSV file.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct RowArgs {
    /// CSV: the column of the units
    #[arg(long, value_name = "COLUMN", default_value = "user_id")]
    unit: String,
    /// CSV: the column that names the variant which the unit saw
    #[arg(long, value_name = "EXPERIMENT=COLUMN")]
    exposure: Vec<String>,
    /// CSV: an event where the column (of the same name by default) is true, at the row's time or later
    #[arg(long, value_name = "EVENT[=COLUMN][@AFTER]")]
    conversion: Vec<String>,
    /// CSV: a property of an event, with the number in the column; without --conversion for the event, a row with a property is an event
    #[arg(long, value_name = "EVENT.PROPERTY=COLUMN[@AFTER]")]
    value: Vec<String>,
    /// CSV: the column of the row's time: RFC 3339, a date, or seconds or milliseconds since 1970
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
}

/// The events that rows are made into.
#[derive(Debug)]
pub(super) struct RowMapping {
    unit: String,
    time: Option<String>,
    events: Vec<Derived>,
}

/// An event that columns stand for: one for each row, with all its properties.
#[derive(Debug)]
struct Derived {
    kind: DerivedKind,
    /// The delay after the row's time.
    after: SignedDuration,
}

#[derive(Debug)]
enum DerivedKind {
    /// An exposure, and the column of its variant.
    Exposure { experiment: String, column: String },
    /// A named event; the column that says whether there was one, and the columns of its properties. Without the first there was one
    /// where a property has a value.
    Conversion { event: String, column: Option<String>, properties: Vec<(String, String)> },
}

impl RowArgs {
    pub(super) fn parse(&self) -> Result<RowMapping, Error> {
        let mut events = Vec::new();
        for text in &self.exposure {
            let (experiment, column) =
                text.split_once('=').ok_or_else(|| wrong("--exposure", text, "EXPERIMENT=COLUMN"))?;
            let kind = DerivedKind::Exposure { experiment: experiment.to_owned(), column: column.to_owned() };
            events.push(Derived { kind, after: SignedDuration::ZERO });
        }
        for text in &self.conversion {
            let (what, after) = after("--conversion", text)?;
            let (event, column) = what.split_once('=').unwrap_or((what, what));
            add(&mut events, text, event, Some(column), None, after)?;
        }
        for text in &self.value {
            let (what, after) = after("--value", text)?;
            let parts =
                what.split_once('=').and_then(|(name, column)| Some((name.rsplit_once('.')?, column)));
            let ((event, property), column) =
                parts.ok_or_else(|| wrong("--value", text, "EVENT.PROPERTY=COLUMN"))?;
            add(&mut events, text, event, None, Some((property, column)), after)?;
        }
        Ok(RowMapping { unit: self.unit.clone(), time: self.time.clone(), events })
    }
}

/// Adds what an option says of a named event to what others said of it.
fn add(
    events: &mut Vec<Derived>,
    text: &str,
    name: &str,
    flag: Option<&str>,
    value: Option<(&str, &str)>,
    when: Option<SignedDuration>,
) -> Result<(), Error> {
    let is_it = |it: &Derived| matches!(&it.kind, DerivedKind::Conversion { event, .. } if event == name);
    let at = events.iter().position(is_it).unwrap_or_else(|| {
        let kind = DerivedKind::Conversion { event: name.to_owned(), column: None, properties: Vec::new() };
        events.push(Derived { kind, after: when.unwrap_or(SignedDuration::ZERO) });
        events.len() - 1
    });
    let Some(Derived { kind: DerivedKind::Conversion { column, properties, .. }, after }) =
        events.get_mut(at)
    else {
        return Ok(());
    };
    let twice =
        |what: String| Error::caller(what).help("one row is one event of a name, with all its properties");
    if when.is_some_and(|when| when != *after) {
        return Err(twice(format!(
            "{text:?} puts the event {name:?} at another time than an option before it"
        )));
    }
    if let Some(flag) = flag
        && column.replace(flag.to_owned()).is_some()
    {
        return Err(twice(format!("--conversion names the event {name:?} twice")));
    }
    if let Some((property, of)) = value {
        if properties.iter().any(|(known, _)| known == property) {
            return Err(twice(format!("--value names {name}.{property} twice")));
        }
        properties.push((property.to_owned(), of.to_owned()));
    }
    Ok(())
}

fn wrong(option: &str, text: &str, shape: &str) -> Error {
    Error::caller(format!("{option} {text:?} is not {shape}")).help("see `abx replay --help` for an example")
}

/// The text before the `@`, and the time after it, if it is there.
fn after<'a>(option: &str, text: &'a str) -> Result<(&'a str, Option<SignedDuration>), Error> {
    let Some((what, after)) = text.rsplit_once('@') else { return Ok((text, None)) };
    // Days of 24 hours, as the windows of metrics have them.
    let duration =
        duration(after).map_err(|_| wrong(option, text, "a time after `@`, for example @36h or @7d"))?;
    Ok((what, Some(duration)))
}

impl RowMapping {
    /// The names of the parts that a file is read for: an exposure or a named event each, in the order of the options.
    pub(super) fn parts(&self) -> Vec<String> {
        let name = |derived: &Derived| match &derived.kind {
            DerivedKind::Exposure { experiment, .. } => format!("exposure:{experiment}"),
            DerivedKind::Conversion { event, .. } => format!("event:{event}"),
        };
        self.events.iter().map(name).collect()
    }
}

/// The events of a file's rows.
#[derive(Debug)]
pub(super) struct RowEvents<'r> {
    rows: &'r RowMapping,
    unit: usize,
    time: Option<usize>,
    columns: Vec<(Option<usize>, Vec<usize>)>,
}

impl<'r> RowEvents<'r> {
    /// Finds the columns.
    pub(super) fn new(rows: &'r RowMapping, header: &csv::StringRecord) -> Result<Self, Error> {
        let names: Vec<&str> = header.iter().map(|it| it.trim_start_matches('\u{feff}')).collect();
        let find = |name: &str| match names.iter().filter(|it| **it == name).count() {
            1 => Ok(names.iter().position(|it| *it == name).unwrap_or_default()),
            0 => Err(Error::caller(format!("the CSV has no column {name:?}"))
                .help(format!("it has {}", names.join(", ")))),
            number => Err(Error::caller(format!("the CSV has {number} columns named {name:?}"))
                .help("rename all but one of them")),
        };
        let columns = rows.events.iter().map(|derived| match &derived.kind {
            DerivedKind::Exposure { column, .. } => Ok((Some(find(column)?), Vec::new())),
            DerivedKind::Conversion { column, properties, .. } => {
                let properties = properties.iter().map(|(_, column)| find(column));
                Ok((column.as_deref().map(find).transpose()?, properties.collect::<Result<_, _>>()?))
            }
        });
        Ok(Self {
            rows,
            unit: find(&rows.unit)?,
            time: rows.time.as_deref().map(find).transpose()?,
            columns: columns.collect::<Result<_, Error>>()?,
        })
    }

    /// The event of a row that one part stands for, and its time; `None` where the row has none.
    pub(super) fn event(
        &self,
        part: usize,
        row: &csv::StringRecord,
        now: Timestamp,
    ) -> Result<Option<(Value, Timestamp)>, String> {
        let cell = |index: usize| row.get(index).unwrap_or_default();
        let (Some(derived), Some((column, properties))) =
            (self.rows.events.get(part), self.columns.get(part))
        else {
            return Ok(None);
        };
        let time = match self.time {
            None => now,
            Some(column) => time_of_text(cell(column)).ok_or_else(|| {
                format!("{:?} is not a time; write it like 2026-03-01T09:00:00Z", cell(column))
            })?,
        };
        let time = time.checked_add(derived.after).map_err(|error| error.to_string())?;
        let unit = cell(self.unit);
        let event = match &derived.kind {
            DerivedKind::Exposure { experiment, .. } => {
                let variant = column.map(cell).unwrap_or_default();
                (!variant.is_empty()).then(|| {
                    json!({"type": "exposure", "unit": unit, "experiment": experiment, "variant": variant, "timestamp": time})
                })
            }
            DerivedKind::Conversion { event, column: name, properties: named } => {
                let mut values = Map::new();
                for ((property, column), index) in named.iter().zip(properties) {
                    if let Some(number) = number(cell(*index), column)? {
                        values.insert(property.clone(), number);
                    }
                }
                let is_there = match (column, name) {
                    (Some(index), Some(name)) => flag(cell(*index), name)?,
                    _ => !values.is_empty(),
                };
                is_there.then(|| {
                    json!({"type": "conversion", "user_id": unit, "event": event, "timestamp": time, "properties": values})
                })
            }
        };
        Ok(event.map(|event| (event, time)))
    }
}

fn flag(cell: &str, column: &str) -> Result<bool, String> {
    match cell.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "t" | "y" => Ok(true),
        "false" | "0" | "no" | "f" | "n" | "" => Ok(false),
        _ => Err(format!("{cell:?} in column {column:?} is neither true nor false")),
    }
}

fn number(cell: &str, column: &str) -> Result<Option<Value>, String> {
    if cell.is_empty() {
        return Ok(None);
    }
    let number = cell.parse().ok().filter(|it| Amount::from_f64(*it).is_some());
    let number = number.ok_or_else(|| format!("{cell:?} in column {column:?} is not a number"))?;
    Ok(Some(cell.parse::<i64>().map_or_else(|_| json!(number), |whole| json!(whole))))
}
