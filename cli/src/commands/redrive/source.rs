//! Records out of files: objects of the bucket of failures, or of the archive.

use super::records::Records;
use super::report::RedriveReport;
use crate::error::Error;
use crate::event_files::{Content, MAX_LINE, recorded};
use abx_core::event::Payload;
use abx_functions::events::ArchivedRecord;
use abx_functions::sources::kinesis;
use jiff::Timestamp;
use serde_json::Value;
use std::io::{BufRead, Read};
use std::path::PathBuf;

/// Reads objects that Lambda put into the bucket of failures.
pub(super) fn failures(
    paths: &[PathBuf],
    records: &Records,
    report: &mut RedriveReport,
) -> Result<(), Error> {
    for (object, content) in Content::all(paths)?.iter().enumerate() {
        let wrong = |why: RecordFault| Error::caller(content.name.clone()).because(why).help(NOTHING);
        for value in serde_json::Deserializer::from_reader(content.reader()?).into_iter::<Value>() {
            let value = value.map_err(|error| wrong(error.into()))?;
            let batch = kinesis::read_values(&recorded(&content.name, value)?, Timestamp::now());
            let batch = batch.map_err(|error| wrong(error.into()))?;
            for shard in &batch.shards {
                report.repeat(&shard.shard, shard.repeated as u64);
                for payload in &shard.payloads {
                    add(records, report, (&shard.shard, payload), object)?;
                }
            }
            for unplaced in batch.unplaced {
                report.refuse(&content.name, unplaced.rejection.reason.as_str(), &unplaced.rejection.detail);
            }
        }
    }
    Ok(())
}

/// Reads objects of the archive.
pub(super) fn archive(paths: &[PathBuf], records: &Records, report: &mut RedriveReport) -> Result<(), Error> {
    for content in &Content::all(paths)? {
        let (mut reader, mut line, mut number) = (content.reader()?, Vec::new(), 0_usize);
        loop {
            line.clear();
            number += 1;
            let read = (&mut reader).take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line);
            if read.map_err(|error| content.failed(error))? == 0 {
                break;
            }
            let wrong = |why: RecordFault| {
                Error::caller(format!("{}:{number}", content.name)).because(why).help(NOTHING)
            };
            if line.len() > MAX_LINE {
                return Err(wrong("the line is too long for one of an archive".into()));
            }
            let text = std::str::from_utf8(line.trim_ascii()).map_err(|error| wrong(error.into()))?;
            if text.is_empty() {
                continue;
            }
            let archived = ArchivedRecord::read(text).map_err(|error| wrong(error.into()))?;
            let Some(ArchivedRecord { shard, position, arrived, data }) = archived else {
                return Err(wrong("this is not a line of an archive: it has no `_id`".into()));
            };
            let payload =
                Payload { position, arrived, partition_key: None, data: data.into(), rejection: None };
            // The archive leaves out what is no event, so its records follow each other across objects as well as within one.
            add(records, report, (&shard, &payload), 0)?;
        }
    }
    Ok(())
}

/// The reason why something is no record.
type RecordFault = Box<dyn std::error::Error + Send + Sync>;

const NOTHING: &str = "nothing was counted";

fn add(
    records: &Records,
    report: &mut RedriveReport,
    (shard, payload): (&str, &Payload),
    object: usize,
) -> Result<(), Error> {
    if records.add(shard, payload, object)? {
        report.read(shard, payload.arrived);
    } else {
        report.repeat(shard, 1);
    }
    Ok(())
}
