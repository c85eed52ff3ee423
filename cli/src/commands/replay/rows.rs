//! Rows become events.

use crate::error::Error;
use abx_core::event::Amount;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// What the columns of a CSV file mean.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct RowArgs {
    /// CSV: the column of the units
    #[arg(long, value_name = "COLUMN", default_value = "user_id")]
    unit: String,
    /// CSV: the column that names the variant which the unit saw
    #[arg(long, value_name = "EXPERIMENT=COLUMN")]
    exposure: Vec<String>,
    /// CSV: an event where the column (of the same name by default) is true, so long after the row's time
    #[arg(long, value_name = "EVENT[=COLUMN][@AFTER]")]
    conversion: Vec<String>,
    /// CSV: an event with the number in the column as its property
    #[arg(long, value_name = "EVENT.PROPERTY=COLUMN[@AFTER]")]
    value: Vec<String>,
    /// CSV: the column of the row's time, in RFC 3339
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
}

/// What rows are made into.
#[derive(Debug)]
pub(super) struct Rows {
    unit: String,
    time: Option<String>,
    exposures: Vec<(String, String)>,
    conversions: Vec<Derived>,
}

/// An event that a column stands for.
#[derive(Debug)]
struct Derived {
    event: String,
    /// The property that the column's number goes to; `None` for an event that is there or not.
    property: Option<String>,
    column: String,
    after: SignedDuration,
}

impl RowArgs {
    pub(super) fn parse(&self) -> Result<Rows, Error> {
        let exposures = self.exposure.iter().map(|text| {
            let (experiment, column) =
                text.split_once('=').ok_or_else(|| wrong("--exposure", text, "EXPERIMENT=COLUMN"))?;
            Ok((experiment.to_owned(), column.to_owned()))
        });
        let conversions = self.conversion.iter().map(|text| {
            let (what, after) = after("--conversion", text)?;
            let (event, column) = what.split_once('=').unwrap_or((what, what));
            Ok(Derived { event: event.to_owned(), property: None, column: column.to_owned(), after })
        });
        let values = self.value.iter().map(|text| {
            let (what, after) = after("--value", text)?;
            let parts =
                what.split_once('=').and_then(|(name, column)| Some((name.rsplit_once('.')?, column)));
            let ((event, property), column) =
                parts.ok_or_else(|| wrong("--value", text, "EVENT.PROPERTY=COLUMN"))?;
            Ok(Derived {
                event: event.to_owned(),
                property: Some(property.to_owned()),
                column: column.to_owned(),
                after,
            })
        });
        Ok(Rows {
            unit: self.unit.clone(),
            time: self.time.clone(),
            exposures: exposures.collect::<Result<_, Error>>()?,
            conversions: conversions.chain(values).collect::<Result<_, Error>>()?,
        })
    }
}

fn wrong(option: &str, text: &str, shape: &str) -> Error {
    Error::caller(format!("{option} {text:?} is not {shape}")).help("see `abx replay --help` for an example")
}

/// What stands before and after the `@`.
fn after<'a>(option: &str, text: &'a str) -> Result<(&'a str, SignedDuration), Error> {
    let Some((what, after)) = text.rsplit_once('@') else { return Ok((text, SignedDuration::ZERO)) };
    // Days of 24 hours, as the windows of metrics have them.
    let duration = match after.strip_suffix('d').and_then(|days| days.parse::<i64>().ok()) {
        Some(days) => days.checked_mul(24).and_then(SignedDuration::try_from_hours),
        None => after.parse().ok(),
    };
    let duration = duration.ok_or_else(|| wrong(option, text, "a time after `@`, as @36h or @7d"))?;
    Ok((what, duration))
}

/// The events of a file's rows.
#[derive(Debug)]
pub(super) struct RowEvents<'r> {
    rows: &'r Rows,
    unit: usize,
    time: Option<usize>,
    exposures: Vec<usize>,
    conversions: Vec<usize>,
    now: Timestamp,
}

impl<'r> RowEvents<'r> {
    /// Finds the columns.
    pub(super) fn new(rows: &'r Rows, header: &csv::StringRecord, now: Timestamp) -> Result<Self, Error> {
        if rows.exposures.is_empty() && rows.conversions.is_empty() {
            return Err(Error::caller("nothing says what the columns of the CSV mean")
                .help("give --exposure, --conversion or --value"));
        }
        let find = |name: &str| {
            let is_it = |it: &str| it.trim_start_matches('\u{feff}') == name;
            header.iter().position(is_it).ok_or_else(|| {
                let all =
                    header.iter().map(|it| it.trim_start_matches('\u{feff}')).collect::<Vec<_>>().join(", ");
                Error::caller(format!("the CSV has no column {name:?}")).help(format!("it has {all}"))
            })
        };
        Ok(Self {
            rows,
            unit: find(&rows.unit)?,
            time: rows.time.as_deref().map(find).transpose()?,
            exposures: rows.exposures.iter().map(|(_, column)| find(column)).collect::<Result<_, _>>()?,
            conversions: rows.conversions.iter().map(|it| find(&it.column)).collect::<Result<_, _>>()?,
            now,
        })
    }

    /// The events of a row: exposures before everything else.
    pub(super) fn events(&self, row: &csv::StringRecord) -> Result<Vec<Value>, String> {
        let cell = |index: usize| row.get(index).unwrap_or_default();
        let unit = cell(self.unit);
        let time = match self.time {
            None => self.now,
            Some(column) => {
                cell(column).parse().map_err(|_| format!("{:?} is not a time in RFC 3339", cell(column)))?
            }
        };
        let mut events = Vec::new();
        for ((experiment, _), column) in self.rows.exposures.iter().zip(&self.exposures) {
            if !cell(*column).is_empty() {
                events.push(json!({
                    "event_id": format!("exposure:{experiment}:{unit}"), "type": "exposure", "unit": unit,
                    "experiment": experiment, "variant": cell(*column), "timestamp": time,
                }));
            }
        }
        for (derived, column) in self.rows.conversions.iter().zip(&self.conversions) {
            let time = time.checked_add(derived.after).map_err(|error| error.to_string())?;
            if let Some(properties) = derived.properties(cell(*column))? {
                events.push(json!({
                    "event_id": format!("{}:{unit}:{time}", derived.event), "type": "conversion", "user_id": unit,
                    "event": derived.event, "timestamp": time, "properties": properties,
                }));
            }
        }
        Ok(events)
    }
}

impl Derived {
    /// The event's properties; `None` where the cell says that there was no event.
    fn properties(&self, cell: &str) -> Result<Option<Value>, String> {
        let Some(property) = &self.property else {
            return match cell.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "t" | "y" => Ok(Some(json!({}))),
                "false" | "0" | "no" | "f" | "n" | "" => Ok(None),
                _ => Err(format!("{cell:?} in column {:?} is neither true nor false", self.column)),
            };
        };
        if cell.is_empty() {
            return Ok(None);
        }
        let number = cell.parse().ok().filter(|it| Amount::from_f64(*it).is_some());
        let number = number.ok_or_else(|| format!("{cell:?} in column {:?} is no number", self.column))?;
        let whole = cell.parse::<i64>().map_or_else(|_| json!(number), |whole| json!(whole));
        Ok(Some(Value::Object(Map::from_iter([(property.clone(), whole)]))))
    }
}
