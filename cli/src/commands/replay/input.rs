//! Files become batches. They are read as a stream, so that their size does not matter.

use super::batch::Batch;
use super::faults::Faults;
use super::rows::{RowEvents, Rows};
use crate::error::Error;
use abx_core::event::EventData;
use abx_core::hash::{Bucketer, Purpose};
use abx_functions::events::RecordToWrite;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// A line may not be longer, in bytes: it is held in memory.
const MAX_LINE: usize = 8 << 20;

/// How inputs are read.
pub(super) struct Source<'a> {
    pub rows: &'a Rows,
    /// When events without a time happened.
    pub now: Timestamp,
    pub batch_size: usize,
    pub shards: u32,
}

/// All inputs, one after another.
pub(super) struct Inputs<'a> {
    source: &'a Source<'a>,
    paths: VecDeque<PathBuf>,
    current: Option<(PathBuf, Current<'a>)>,
    /// Batches that are full, and those that are not, by shard.
    ready: VecDeque<Batch>,
    shards: Vec<Vec<RecordToWrite>>,
    /// The last sequence number that was given.
    sequence: u64,
    by_unit: Bucketer,
}

/// The file that is read.
enum Current<'a> {
    Lines { reader: Box<dyn BufRead>, line: usize },
    Rows { reader: Box<csv::Reader<BufReader<File>>>, events: RowEvents<'a> },
    Documents(VecDeque<Value>),
}

impl<'a> Inputs<'a> {
    /// All files of these paths; folders are entered.
    pub(super) fn new(paths: &[PathBuf], source: &'a Source<'a>) -> Result<Self, Error> {
        let mut files = Vec::new();
        for path in paths {
            find(path, &mut files)?;
        }
        if files.is_empty() {
            return Err(Error::caller("there are no files in these folders"));
        }
        Ok(Self {
            source,
            paths: files.into(),
            current: None,
            ready: VecDeque::new(),
            shards: vec![Vec::new(); source.shards as usize],
            sequence: 0,
            by_unit: Bucketer::new("abx-replay", Purpose::Variant),
        })
    }

    /// The next batch; `None` at the end.
    pub(super) fn next(&mut self, faults: &mut Faults) -> Result<Option<Batch>, Error> {
        while self.ready.is_empty() {
            if self.current.is_none() {
                let Some(path) = self.paths.pop_front() else { return Ok(self.rest()) };
                let current = self.open(&path)?;
                self.current = Some((path, current));
            }
            self.read(faults)?;
        }
        Ok(self.ready.pop_front())
    }

    /// What is left in a shard that did not fill a batch.
    fn rest(&mut self) -> Option<Batch> {
        let at = self.shards.iter().position(|records| !records.is_empty())?;
        self.take(at)
    }

    fn take(&mut self, shard: usize) -> Option<Batch> {
        let records = std::mem::take(self.shards.get_mut(shard)?);
        Some(Batch::Made { shard: format!("shardId-{shard:012}"), records })
    }

    fn open(&self, path: &Path) -> Result<Current<'a>, Error> {
        if path == Path::new("-") {
            return Ok(Current::Lines { reader: Box::new(BufReader::new(std::io::stdin())), line: 0 });
        }
        let file = File::open(path).map_err(|error| Error::world(format!("{}: {error}", path.display())))?;
        let reader = BufReader::with_capacity(1 << 16, file);
        match path.extension().and_then(|it| it.to_str()) {
            Some("csv") => {
                let mut reader = csv::Reader::from_reader(reader);
                let header = reader.headers().map_err(|error| wrong(path, &error))?;
                let events = RowEvents::new(self.source.rows, header, self.source.now)?;
                Ok(Current::Rows { reader: Box::new(reader), events })
            }
            Some("jsonl" | "ndjson") => Ok(Current::Lines { reader: Box::new(reader), line: 0 }),
            _ => {
                let values = serde_json::Deserializer::from_reader(reader).into_iter::<Value>();
                let values: Result<VecDeque<Value>, _> = values.collect();
                Ok(Current::Documents(values.map_err(|error| {
                    wrong(path, &error).help("events one a line belong into a .jsonl file")
                })?))
            }
        }
    }

    /// Reads one line, row or document of the current file.
    fn read(&mut self, faults: &mut Faults) -> Result<(), Error> {
        let Some((path, current)) = &mut self.current else { return Ok(()) };
        let events = match current {
            Current::Lines { reader, line } => next_line(path, reader, line)?.map(|data| vec![data]),
            Current::Rows { reader, events } => next_row(path, reader, events)?,
            Current::Documents(values) => match values.pop_front() {
                None => None,
                Some(value) => {
                    let batch = recorded(path, value)?;
                    for part in batch.chunks(self.source.batch_size) {
                        self.ready.push_back(Batch::Recorded(part.to_vec()));
                    }
                    return Ok(());
                }
            },
        };
        match events {
            None => self.current = None,
            Some(events) => {
                for event in events {
                    self.put(event, faults);
                }
            }
        }
        Ok(())
    }

    /// Gives an event a place, by its unit.
    fn put(&mut self, data: Vec<u8>, faults: &mut Faults) {
        let (unit, arrived) = match EventData::read(&data) {
            Ok(event) => (event.unit.to_string(), event.timestamp.unwrap_or(self.source.now)),
            // What is no event goes to the handler too, which says why.
            Err(_) => (String::new(), self.source.now),
        };
        let share = u64::from(self.by_unit.bucket(&unit)) * u64::from(self.source.shards) / 1_000_000;
        let shard = usize::try_from(share).unwrap_or(0);
        if faults.duplicates() {
            self.push(shard, &unit, arrived, data.clone());
        }
        self.push(shard, &unit, arrived, data);
        if let Some(poison) = faults.poison() {
            self.push(shard, "poison", arrived, poison);
        }
    }

    fn push(&mut self, shard: usize, unit: &str, arrived: Timestamp, data: Vec<u8>) {
        self.sequence += 1;
        let partition_key = unit.chars().take(256).collect();
        let record = RecordToWrite { sequence: self.sequence.to_string(), partition_key, arrived, data };
        let Some(records) = self.shards.get_mut(shard) else { return };
        records.push(record);
        if records.len() >= self.source.batch_size {
            let batch = self.take(shard);
            self.ready.extend(batch);
        }
    }
}

/// All files below a path, in order.
fn find(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::world(format!("{}: {error}", path.display()));
    if path == Path::new("-") || !fs::metadata(path).map_err(failed)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries: Result<Vec<_>, _> = fs::read_dir(path).map_err(failed)?.collect();
    let mut entries: Vec<PathBuf> = entries.map_err(failed)?.into_iter().map(|entry| entry.path()).collect();
    entries.sort();
    entries.iter().try_for_each(|entry| find(entry, files))
}

/// The next line that is not blank.
fn next_line(path: &Path, reader: &mut Box<dyn BufRead>, line: &mut usize) -> Result<Option<Vec<u8>>, Error> {
    loop {
        let mut data = Vec::new();
        let mut limited = std::io::Read::take(&mut *reader, MAX_LINE as u64 + 1);
        let length = limited.read_until(b'\n', &mut data).map_err(|error| wrong(path, &error))?;
        *line += 1;
        if length > MAX_LINE {
            return Err(Error::caller(format!(
                "{}:{line}: the line has more than {MAX_LINE} bytes",
                path.display()
            )));
        }
        if length == 0 {
            return Ok(None);
        }
        let text = data.trim_ascii();
        if !text.is_empty() {
            return Ok(Some(text.to_vec()));
        }
    }
}

fn next_row(
    path: &Path,
    reader: &mut csv::Reader<BufReader<File>>,
    events: &RowEvents<'_>,
) -> Result<Option<Vec<Vec<u8>>>, Error> {
    let mut row = csv::StringRecord::new();
    if !reader.read_record(&mut row).map_err(|error| wrong(path, &error))? {
        return Ok(None);
    }
    let line = row.position().map_or(0, csv::Position::line);
    let events =
        events.events(&row).map_err(|why| Error::caller(format!("{}:{line}: {why}", path.display())))?;
    Ok(Some(events.iter().map(|event| event.to_string().into_bytes()).collect()))
}

/// The records of a payload, or of the object that Lambda leaves for one that failed, which holds it as `payload`.
fn recorded(path: &Path, mut value: Value) -> Result<Vec<Value>, Error> {
    if let Some(payload) = value.get_mut("payload").map(Value::take) {
        value = match payload {
            Value::String(text) => serde_json::from_str(&text).map_err(|error| wrong(path, &error))?,
            payload => payload,
        };
    }
    match value.get_mut("Records").map(Value::take) {
        Some(Value::Array(records)) => Ok(records),
        _ => {
            let has_metadata = value.get("KinesisBatchInfo").is_some();
            let help = if has_metadata {
                "it only says which records failed: a destination on S3 holds them too"
            } else {
                "events one a line belong into a .jsonl file"
            };
            Err(Error::caller(format!("{}: this is no batch of Kinesis", path.display())).help(help))
        }
    }
}

fn wrong(path: &Path, error: &dyn std::error::Error) -> Error {
    Error::caller(format!("{}: {error}", path.display()))
}
