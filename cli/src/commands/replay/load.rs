//! Files become loads: the events in them that were not counted before, in the order of their times.

use super::rows::{RowEvents, RowMapping};
use super::spool::{Spool, Spooled, UNPLACED};
use crate::advice::unanswered;
use crate::error::Error;
use crate::event_files::{Content, Form, MAX_LINE, hex, recorded};
use abx_core::event::{Classes, EventData, EventKind, Position, RecordClass};
use abx_core::hash::fingerprint;
use abx_functions::adapters::embedded::{EmbeddedStore, Load, Segment, is_shared};
use abx_functions::events::ArchivedLine;
use abx_functions::sources::kinesis;
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::{BufRead, Read};

/// The ledger of what was replayed, for one target.
pub(super) struct ReplayLedger<'a> {
    pub(super) store: &'a EmbeddedStore,
    /// Empty for the store itself; else the function that counts.
    pub(super) target: String,
}

/// A load that is ready to be delivered.
pub(super) struct ReadyLoad {
    pub(super) load: Load,
    pub(super) spool: Spool,
    /// True if it is one that was interrupted: there may be more in the files.
    pub(super) is_resumed: bool,
}

/// A segment, and the file that it is in.
struct SegmentSource<'a> {
    content: &'a Content,
    segment: Segment,
}

/// Finds what of these files is to be counted, and notes it in the ledger. `None` where nothing is left. Records that are not in the
/// load go into `classes`.
pub(super) fn next(
    contents: &[&Content],
    rows: &RowMapping,
    ledger: &ReplayLedger<'_>,
    now: Timestamp,
    (delivered, classes): (&[Segment], &mut Classes),
) -> Result<Option<ReadyLoad>, Error> {
    let (done, pending) = ledger.store.replayed(&ledger.target).map_err(unanswered)?;
    let is_pending = pending.is_some();
    let (mut load, sources, known) = match pending {
        Some(load) => {
            let sources = resumed(contents, &load)?;
            (load, sources, Vec::new())
        }
        None => new(contents, rows, &done, now)?,
    };
    let is_here =
        |it: &&Segment| !delivered.iter().any(|done| done.digest == it.digest && done.part == it.part);
    classes.add(RecordClass::AlreadyCounted, known.iter().filter(is_here).map(|it| it.records).sum());
    if sources.is_empty() {
        return Ok(None);
    }
    let now = Timestamp::from_millisecond(load.made_at).unwrap_or(now);
    let spool = Spool::new()?;
    let mut filling = Filling { spool: &spool, rows, ledger, now, records: vec![0; sources.len()], known: 0 };
    // Each file is read once, for all of its segments.
    for content in contents {
        let of_file: Vec<(usize, &SegmentSource<'_>)> =
            sources.iter().enumerate().filter(|(_, it)| std::ptr::eq(it.content, *content)).collect();
        if !of_file.is_empty() {
            filling.file(content, &of_file)?;
        }
    }
    classes.add(RecordClass::AlreadyCounted, filling.known);
    let records = filling.records;
    if !is_pending {
        for (segment, records) in load.segments.iter_mut().zip(records) {
            segment.records = records;
            // Given twice in one command, or as the beginning of another file.
            let again =
                known.iter().filter(|it| it.digest == segment.digest && it.part == segment.part).count();
            classes.add(RecordClass::AlreadyCounted, records * again as u64);
        }
        ledger.store.begin_load(&ledger.target, &load).map_err(unanswered)?;
    }
    Ok(Some(ReadyLoad { load, spool, is_resumed: is_pending }))
}

/// The segments of a load that was interrupted, each in one of the files.
fn resumed<'a>(contents: &[&'a Content], load: &Load) -> Result<Vec<SegmentSource<'a>>, Error> {
    let mut sources = Vec::new();
    for segment in &load.segments {
        let mut found = None;
        for content in contents {
            if content.known(&segment.part, std::slice::from_ref(segment))?.end == segment.end {
                found = Some(content);
                break;
            }
        }
        let Some(content) = found else {
            let mut names: Vec<&str> = load.segments.iter().map(|it| &*it.name).collect();
            names.sort_unstable();
            names.dedup();
            return Err(Error::caller(format!("a replay of {} was interrupted, and {} is not given now", names.join(", "), segment.name))
                .help("replay these files again together, with the same options: what was counted of them is not counted again"));
        };
        sources.push(SegmentSource { content, segment: segment.clone() });
    }
    Ok(sources)
}

/// A load of everything that is not known yet; and the segments that are known of these files.
fn new<'a>(
    contents: &[&'a Content],
    rows: &RowMapping,
    done: &[Segment],
    now: Timestamp,
) -> Result<(Load, Vec<SegmentSource<'a>>, Vec<Segment>), Error> {
    let (mut known, mut met) = (done.to_vec(), Vec::new());
    let mut sources: Vec<SegmentSource<'a>> = Vec::new();
    for content in contents {
        let parts = if content.form == Form::Csv { rows.parts() } else { vec![String::new()] };
        if parts.is_empty() {
            return Err(Error::caller(format!(
                "{}: nothing says what the columns of the CSV mean",
                content.name
            ))
            .help("give --exposure, --conversion or --value"));
        }
        for part in parts {
            let before = content.known(&part, &known)?;
            met.extend(before.segments);
            if before.end == content.bytes {
                continue;
            }
            // A payload is read whole: the places of its records tell which are known.
            let start = if content.form == Form::Payloads { 0 } else { before.end };
            let (digest, name) = (content.digest.clone(), content.name.clone());
            let segment = Segment { digest, part, start, end: content.bytes, name, records: 0 };
            known.push(segment.clone());
            sources.push(SegmentSource { content, segment });
        }
    }
    sources.sort_by(|a, b| a.segment.cmp(&b.segment));
    let segments: Vec<Segment> = sources.iter().map(|it| it.segment.clone()).collect();
    let mut hasher = Sha256::new();
    for Segment { digest, part, start, end, .. } in &segments {
        hasher.update(format!("{digest} {part} {start} {end}\n"));
    }
    let id = hex(&hasher.finalize()).get(..16).unwrap_or_default().to_owned();
    Ok((Load { id, made_at: now.as_millisecond(), segments }, sources, met))
}

/// The content of a spool.
struct Filling<'a> {
    spool: &'a Spool,
    rows: &'a RowMapping,
    ledger: &'a ReplayLedger<'a>,
    now: Timestamp,
    /// By segment.
    records: Vec<u64>,
    /// Events whose id was counted in another input.
    known: u64,
}

impl Filling<'_> {
    fn file(&mut self, content: &Content, segments: &[(usize, &SegmentSource<'_>)]) -> Result<(), Error> {
        match content.form {
            Form::Csv => self.csv(content, segments),
            Form::Lines => {
                segments.iter().try_for_each(|(number, it)| self.lines(content, *number, &it.segment))
            }
            Form::Payloads => segments.iter().try_for_each(|(number, _)| self.payloads(content, *number)),
        }
    }

    fn lines(&mut self, content: &Content, number: usize, segment: &Segment) -> Result<(), Error> {
        let mut reader = content.reader()?;
        let (mut at, mut line_number) = (0_u64, 0_usize);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut reader).take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line);
            let read = read.map_err(|error| content.failed(error))?;
            line_number += 1;
            if read > MAX_LINE {
                let what = format!("{}:{line_number}: the line has more than {MAX_LINE} bytes", content.name);
                return Err(Error::caller(what).help("nothing of this file was counted"));
            }
            let start = at;
            at += read as u64;
            if read == 0 || start >= segment.end {
                return Ok(());
            }
            // The file may have grown since a load that is resumed, even on its last line.
            let left = usize::try_from(segment.end - start).unwrap_or(usize::MAX);
            let text = line.get(..left).unwrap_or(&line).trim_ascii();
            if at > segment.start && start < segment.start {
                let is_ended = line
                    .get(usize::try_from(segment.start - start).unwrap_or(0)..)
                    .is_some_and(|rest| rest.trim_ascii().is_empty());
                if is_ended {
                    continue;
                }
                let what =
                    format!("{}:{line_number}: the line was counted before it was complete", content.name);
                return Err(Error::caller(what)
                    .help("replay a file when its last line is whole; what follows that line can be replayed from a file of its own"));
            }
            if start >= segment.start && !text.is_empty() {
                self.line(number, text)?;
            }
        }
    }

    fn line(&mut self, segment: usize, text: &[u8]) -> Result<(), Error> {
        if text.starts_with(b"{\"_id\"")
            && let Ok(line) = ArchivedLine::read(text)
            && let (Some(id), Some(sent)) = (&line.id, line.sent)
        {
            let arrived = line.arrived().unwrap_or(self.now);
            let data = sent.get().as_bytes();
            return match line.place() {
                Some((shard, position)) => self.placed(segment, data, arrived, (shard, &position)),
                None => self.add(segment, data, Some(arrived), Some(fingerprint(id))),
            };
        }
        self.add(segment, text, None, None)
    }

    fn csv(&mut self, content: &Content, segments: &[(usize, &SegmentSource<'_>)]) -> Result<(), Error> {
        let wrong = |error: csv::Error| {
            Error::caller(content.name.clone()).because(error).help("nothing of this file was counted")
        };
        let mut reader = csv::Reader::from_reader(content.reader()?);
        let events = RowEvents::new(self.rows, reader.headers().map_err(wrong)?)?;
        let parts = self.rows.parts();
        let mut row = csv::StringRecord::new();
        while reader.read_record(&mut row).map_err(wrong)? {
            let (line, at) = row.position().map_or((0, 0), |it| (it.line(), it.byte()));
            for (number, source) in segments {
                let segment = &source.segment;
                let Some(part) = parts.iter().position(|part| *part == segment.part) else { continue };
                if at < segment.start || at >= segment.end {
                    continue;
                }
                let event = events.event(part, &row, self.now).map_err(|why| {
                    Error::caller(format!("{}:{line}: {why}", content.name))
                        .help("nothing of this file was counted")
                })?;
                if let Some((event, time)) = event {
                    self.add(*number, event.to_string().as_bytes(), Some(time), None)?;
                }
            }
        }
        Ok(())
    }

    /// Payloads of invocations, and the objects that Lambda leaves for those that failed.
    fn payloads(&mut self, content: &Content, segment: usize) -> Result<(), Error> {
        for value in serde_json::Deserializer::from_reader(content.reader()?).into_iter::<Value>() {
            let value = value.map_err(|error| {
                Error::caller(content.name.clone())
                    .because(error)
                    .help("events one a line belong into a .jsonl file")
            })?;
            let batch = kinesis::read_values(&recorded(&content.name, value)?, self.now);
            let batch = batch.map_err(|error| Error::caller(content.name.clone()).because(error))?;
            for shard in &batch.shards {
                for payload in &shard.payloads {
                    let place = (&*shard.shard, &payload.position);
                    self.placed(segment, &payload.data, payload.arrived, place)?;
                }
            }
            for unplaced in &batch.unplaced {
                self.unplaced(segment, &unplaced.raw)?;
            }
        }
        Ok(())
    }

    /// Adds a record as it was recorded.
    fn unplaced(&mut self, segment: usize, raw: &str) -> Result<(), Error> {
        let (time, data) = (self.now.as_millisecond(), raw.as_bytes().to_vec());
        let place = self.next_place(segment);
        self.spool.add(&Spooled { time, kind: UNPLACED, place, arrived: time, id: None, data })
    }

    /// The place of the next record of a segment, which counts from now on as read.
    fn next_place(&mut self, segment: usize) -> (u32, u64) {
        let ordinal = self.records.get(segment).copied().unwrap_or_default();
        if let Some(records) = self.records.get_mut(segment) {
            *records += 1;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a command has few files")]
        (segment as u32, ordinal)
    }

    /// Adds an event that has a place in a stream, unless the store counted it there.
    fn placed(
        &mut self,
        segment: usize,
        data: &[u8],
        arrived: Timestamp,
        (shard, position): (&str, &Position),
    ) -> Result<(), Error> {
        let counted = self.ledger.store.has_counted(shard, position, data);
        if counted.map_err(unanswered)? {
            self.next_place(segment);
            self.known += 1;
            return Ok(());
        }
        let mut place = format!("{shard}:{position}");
        if is_shared(shard) {
            // Stores without a name of their own count their events from 1: the same place is not the same record.
            place.push_str(&String::from_utf8_lossy(data));
        }
        self.add(segment, data, Some(arrived), Some(fingerprint(&place)))
    }

    /// Adds an event, unless it was counted as part of another input.
    fn add(
        &mut self,
        segment: usize,
        data: &[u8],
        arrived: Option<Timestamp>,
        place: Option<u64>,
    ) -> Result<(), Error> {
        let event = EventData::read(data).ok();
        let id = event.as_ref().and_then(EventData::fingerprint).or(place);
        let place = self.next_place(segment);
        if let Some(id) = id
            && self.ledger.store.has_replayed(&self.ledger.target, id).map_err(unanswered)?
        {
            self.known += 1;
            return Ok(());
        }
        let time = event.as_ref().and_then(|event| event.timestamp).or(arrived).unwrap_or(self.now);
        let kind = u8::from(!event.is_some_and(|event| matches!(event.kind, EventKind::Exposure { .. })));
        // What comes from a file without saying when it arrived came in time.
        let arrived = arrived.unwrap_or(time).as_millisecond();
        self.spool.add(&Spooled {
            time: time.as_millisecond(),
            kind,
            place,
            arrived,
            id,
            data: data.to_vec(),
        })
    }
}
