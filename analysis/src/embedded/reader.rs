//! Reads an archive into a store, on all processors: JSON lines, plain or in gzip, and Parquet. The contents of a file say which it is,
//! because Firehose's names say nothing.

use super::decode::{Columns, Decoded, Decoder, Identities};
use super::files::{ArchiveFile, ArchivePlace, reason};
use super::store::{Builders, Store};
use crate::answer::{BadLine, MAX_BAD_LINES, ReadReport};
use crate::{AnalysisError, Extract};
use datafusion::arrow::array::{Array, AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

/// The bytes of lines that a thread takes at a time.
const BLOCK_BYTES: usize = 1 << 20;
/// The longest line. An event has at most 256 KiB.
const LONGEST_LINE: usize = 16 << 20;

/// The lines of a partition and type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LineTotals {
    pub(super) lines: i64,
    pub(super) arrived: i64,
    pub(super) t: i64,
}

/// What was read beside the events.
#[derive(Debug, Clone, Default)]
pub(super) struct Loaded {
    pub(super) report: ReadReport,
    pub(super) lines: BTreeMap<(Date, String), LineTotals>,
    bad: BTreeSet<BadLine>,
}

/// Reads what a question needs.
pub(super) fn load(
    place: &ArchivePlace,
    extract: &Extract,
    store: &Store,
    threads: usize,
) -> Result<Loaded, AnalysisError> {
    let (files, unreadable) = place.list(extract)?;
    let mut loaded = Loaded::default();
    loaded.report.files = files.len() as u64;
    for it in unreadable {
        loaded.bad_line(BadLine { file: it.path.display().to_string(), line: None, why: it.why });
    }
    if files.is_empty() {
        return Err(AnalysisError::Archive {
            place: place.name(),
            why: match loaded.bad.first() {
                Some(bad) => format!("{bad}"),
                None => "it has no files for these days".to_owned(),
            },
            help: "check the path: it is a folder with `day=…` folders, a folder of files, or a file"
                .to_owned(),
            cause: None,
        });
    }
    let queue = Queue {
        state: Mutex::new(QueueState { files: files.into(), sources: VecDeque::new(), busy: 0 }),
        freed: Condvar::new(),
    };
    let identities = Identities::new();
    let parts = std::thread::scope(|scope| {
        let work = || work(&queue, extract, identities, store);
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let failed = |error: ArrowError| AnalysisError::Archive {
        place: place.name(),
        why: format!("its events cannot be kept for the statements: {error}"),
        help: "free space in the folder for temporary files, or point TMPDIR to another".to_owned(),
        cause: Some(Box::new(error)),
    };
    for part in parts {
        let part = part.map_err(|_| failed(ArrowError::ComputeError("a reader panicked".to_owned())))?;
        loaded.merge(part.map_err(failed)?);
    }
    store.seal().map_err(failed)?;
    loaded.report.bad = std::mem::take(&mut loaded.bad).into_iter().collect();
    Ok(loaded)
}

/// The files that are left, and those that are open and wait for a thread.
struct Queue {
    state: Mutex<QueueState>,
    freed: Condvar,
}

struct QueueState {
    files: VecDeque<ArchiveFile>,
    sources: VecDeque<Source>,
    /// The number of sources that a thread reads from now.
    busy: usize,
}

enum Work {
    Open(ArchiveFile),
    Read(Source),
}

impl Queue {
    /// The next piece of work; `None` if nothing is left. A source is given to one thread at a time, only for reading; lines are decoded
    /// when it has been given back, so that two threads share one large file.
    fn next(&self) -> Option<Work> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(source) = state.sources.pop_front() {
                state.busy += 1;
                return Some(Work::Read(source));
            }
            if let Some(file) = state.files.pop_front() {
                state.busy += 1;
                return Some(Work::Open(file));
            }
            if state.busy == 0 {
                return None;
            }
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give_back(&self, source: Option<Source>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.busy -= 1;
        state.sources.extend(source);
        drop(state);
        self.freed.notify_all();
    }
}

/// An open file.
struct Source {
    file: ArchiveFile,
    input: Input,
    /// The lines, or rows, that were taken so far.
    lines: u64,
    /// What was read after the last line feed.
    rest: Vec<u8>,
    /// Why the file ends here, reported after the lines before it.
    failure: Option<String>,
}

enum Input {
    Lines(Box<dyn Read + Send>),
    Parquet(Box<ParquetRecordBatchReader>),
}

enum Block {
    Lines(Vec<u8>),
    Rows(RecordBatch),
}

impl Source {
    fn open(file: ArchiveFile) -> Result<Self, (ArchiveFile, String)> {
        match Self::input(&file.path) {
            Ok(input) => Ok(Self { file, input, lines: 0, rest: Vec::new(), failure: None }),
            Err(why) => Err((file, why)),
        }
    }

    fn input(path: &Path) -> Result<Input, String> {
        let in_words = |error: io::Error| reason(&error);
        let mut file = File::open(path).map_err(in_words)?;
        let mut magic = Vec::new();
        file.by_ref().take(4).read_to_end(&mut magic).map_err(in_words)?;
        file.rewind().map_err(in_words)?;
        match magic.as_slice() {
            b"PAR1" => parquet(file).map(|reader| Input::Parquet(Box::new(reader))),
            [0x1f, 0x8b, ..] => {
                let file = BufReader::with_capacity(256 * 1024, file);
                Ok(Input::Lines(Box::new(MultiGzDecoder::new(file))))
            }
            _ => Ok(Input::Lines(Box::new(file))),
        }
    }

    /// The next block, and the number of lines before it. `Err` says why the file ends here.
    fn block(&mut self) -> Result<Option<(Block, u64)>, String> {
        if let Some(why) = self.failure.take() {
            return Err(why);
        }
        let before = self.lines;
        match &mut self.input {
            Input::Parquet(reader) => {
                let Some(batch) = reader.next() else { return Ok(None) };
                let batch = batch.map_err(|error| format!("after row {before}: {error}"))?;
                self.lines += batch.num_rows() as u64;
                Ok(Some((Block::Rows(batch), before)))
            }
            Input::Lines(input) => {
                let mut bytes = std::mem::take(&mut self.rest);
                loop {
                    let old = bytes.len();
                    let read = input.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut bytes);
                    if let Err(error) = read {
                        // The lines before are as they were written.
                        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                        bytes.truncate(end);
                        let lines = before + count_lines(&bytes);
                        let what = match error.kind() {
                            io::ErrorKind::UnexpectedEof => {
                                "it ends in the middle of its gzip data (a truncated file)".to_owned()
                            }
                            _ => reason(&error),
                        };
                        self.lines = lines;
                        self.failure = Some(format!("{what}; what follows line {lines} is missing"));
                        return Ok(Some((Block::Lines(bytes), before)));
                    }
                    if bytes.len() == old {
                        // The end: the last line need not have a line feed.
                        self.lines = before + count_lines(&bytes) + 1;
                        return Ok((!bytes.is_empty()).then_some((Block::Lines(bytes), before)));
                    }
                    let new = bytes.get(old..).unwrap_or_default();
                    if let Some(end) = new.iter().rposition(|byte| *byte == b'\n') {
                        self.rest = bytes.split_off(old + end + 1);
                        self.lines = before + count_lines(&bytes);
                        return Ok(Some((Block::Lines(bytes), before)));
                    }
                    if bytes.len() > LONGEST_LINE {
                        return Err(format!(
                            "line {} is longer than {} MiB, so that this is not a file of lines; it is read no further",
                            before + 1,
                            LONGEST_LINE >> 20
                        ));
                    }
                }
            }
        }
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// The columns that a row needs. Others are passed over.
const NEEDED: [&str; 9] =
    ["id", "arrived_at", "type", "unit", "event", "experiment", "variant", "timestamp", "sent"];

fn parquet(file: File) -> Result<ParquetRecordBatchReader, String> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| error.to_string())?;
    let schema = builder.schema();
    let missing: Vec<&str> =
        NEEDED.into_iter().filter(|name| schema.field_with_name(name).is_err()).collect();
    if !missing.is_empty() {
        let s = if missing.len() == 1 { "" } else { "s" };
        return Err(format!("it is Parquet without the column{s} `{}`", missing.join("`, `")));
    }
    let columns = NEEDED.iter().filter_map(|name| schema.index_of(name).ok()).collect::<Vec<_>>();
    let mask = ProjectionMask::roots(builder.parquet_schema(), columns);
    builder.with_projection(mask).with_batch_size(4096).build().map_err(|error| error.to_string())
}

impl Loaded {
    fn bad_line(&mut self, bad: BadLine) {
        self.report.bad_lines += 1;
        // The first in their order, whichever thread finds them first.
        self.bad.insert(bad);
        if self.bad.len() > MAX_BAD_LINES {
            self.bad.pop_last();
        }
    }

    fn merge(&mut self, other: Self) {
        self.report.lines += other.report.lines;
        self.report.bad_lines += other.report.bad_lines;
        self.report.without_unit += other.report.without_unit;
        self.bad.extend(other.bad);
        while self.bad.len() > MAX_BAD_LINES {
            self.bad.pop_last();
        }
        for (key, added) in other.lines {
            let known = self.lines.entry(key).or_insert(LineTotals { lines: 0, ..added });
            known.lines += added.lines;
            known.arrived = known.arrived.max(added.arrived);
            known.t = known.t.max(added.t);
        }
    }
}

/// One thread: reads blocks and decodes their lines until nothing is left.
fn work(
    queue: &Queue,
    extract: &Extract,
    identities: Identities,
    store: &Store,
) -> Result<Loaded, ArrowError> {
    let mut thread = Thread {
        decoder: Decoder::new(extract, identities),
        builders: store.builders(),
        loaded: Loaded::default(),
        latest: (i64::MIN, Date::ZERO),
    };
    while let Some(work) = queue.next() {
        let mut source = match work {
            Work::Read(source) => source,
            Work::Open(file) => match Source::open(file) {
                Ok(source) => source,
                Err((file, why)) => {
                    queue.give_back(None);
                    thread.loaded.bad_line(BadLine { file: file.name, line: None, why });
                    continue;
                }
            },
        };
        let block = source.block();
        let file = source.file.clone();
        match block {
            Ok(Some((block, before))) => {
                queue.give_back(Some(source));
                match block {
                    Block::Lines(bytes) => thread.lines(&file, &bytes, before)?,
                    Block::Rows(batch) => thread.rows(&file, &batch, before)?,
                }
            }
            Ok(None) => queue.give_back(None),
            Err(why) => {
                queue.give_back(None);
                thread.loaded.bad_line(BadLine { file: file.name, line: None, why });
            }
        }
    }
    thread.builders.finish()?;
    Ok(thread.loaded)
}

struct Thread<'q, 's> {
    decoder: Decoder<'q>,
    builders: Builders<'s>,
    loaded: Loaded,
    /// The day of the latest line without a partition, which most lines after it have as well: number of days, and date.
    latest: (i64, Date),
}

impl Thread<'_, '_> {
    fn lines(&mut self, file: &ArchiveFile, bytes: &[u8], before: u64) -> Result<(), ArrowError> {
        let name = &file.name;
        for (number, line) in (before + 1..).zip(bytes.split(|byte| *byte == b'\n')) {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            self.loaded.report.lines += 1;
            // Only an event without any id needs it.
            let place =
                if line.starts_with(b"{\"_id\"") { String::new() } else { format!("{name}:{number}") };
            match self.decoder.line(line, &place) {
                Ok(decoded) => add(
                    &mut self.builders,
                    &mut self.loaded,
                    &mut self.latest,
                    file,
                    &decoded,
                    &self.decoder.amounts,
                )?,
                Err(why) => self.loaded.bad_line(BadLine { file: name.clone(), line: Some(number), why }),
            }
        }
        Ok(())
    }

    fn rows(&mut self, file: &ArchiveFile, batch: &RecordBatch, before: u64) -> Result<(), ArrowError> {
        let texts = NEEDED.map(|name| -> Result<StringArray, ArrowError> {
            let column = batch.column_by_name(name);
            let column = column.ok_or_else(|| ArrowError::SchemaError(format!("no column {name}")))?;
            Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
        });
        let mut columns = Vec::with_capacity(texts.len());
        for text in texts {
            columns.push(text?);
        }
        let [id, arrived_at, kind, unit, event, experiment, variant, timestamp, sent] = columns.as_slice()
        else {
            return Ok(());
        };
        let name = &file.name;
        for (row, number) in (0..batch.num_rows()).zip(before + 1..) {
            self.loaded.report.lines += 1;
            let columns = Columns {
                id: value(id, row),
                arrived_at: value(arrived_at, row),
                kind: value(kind, row),
                unit: value(unit, row),
                event: value(event, row),
                experiment: value(experiment, row),
                variant: value(variant, row),
                timestamp: value(timestamp, row),
                sent: value(sent, row),
            };
            match self.decoder.row(columns, "") {
                Ok(decoded) => add(
                    &mut self.builders,
                    &mut self.loaded,
                    &mut self.latest,
                    file,
                    &decoded,
                    &self.decoder.amounts,
                )?,
                Err(why) => self.loaded.bad_line(BadLine { file: name.clone(), line: Some(number), why }),
            }
        }
        Ok(())
    }
}

fn value(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

fn add(
    builders: &mut Builders<'_>,
    loaded: &mut Loaded,
    latest: &mut (i64, Date),
    file: &ArchiveFile,
    decoded: &Decoded<'_>,
    amounts: &[Option<i128>],
) -> Result<(), ArrowError> {
    let day = file.day.unwrap_or_else(|| {
        let number = decoded.arrived.div_euclid(86_400_000);
        if latest.0 != number {
            let time = Timestamp::from_millisecond(decoded.arrived).unwrap_or_default();
            *latest = (number, Offset::UTC.to_datetime(time).date());
        }
        latest.1
    });
    let added = LineTotals { lines: 1, arrived: decoded.arrived, t: decoded.t };
    count(&mut loaded.lines, day, &decoded.kind, added);
    loaded.report.without_unit += u64::from(decoded.is_without_unit);
    match &decoded.relevant {
        Some(relevant) => builders.add(relevant, decoded.t, decoded.arrived, amounts),
        None => Ok(()),
    }
}

fn count(lines: &mut BTreeMap<(Date, String), LineTotals>, day: Date, kind: &str, added: LineTotals) {
    // There are few types, so that a range finds the one without making a key.
    let mut of_day = lines.range_mut((day, String::new())..).take_while(|it| it.0.0 == day);
    if let Some((_, known)) = of_day.find(|it| it.0.1 == kind) {
        known.lines += added.lines;
        known.arrived = known.arrived.max(added.arrived);
        known.t = known.t.max(added.t);
    } else {
        lines.insert((day, kind.to_owned()), added);
    }
}
