//! `abx capture`: a recording of a stream.

mod redact;
mod stream;

use crate::command::{Execute, block_on};
use crate::error::Error;
use crate::inputs::duration;
use crate::report::{FormatArg, Report};
use abx_functions::sources::kinesis::{self, KinesisRecord, aggregate_keyed, deaggregate};
use jiff::{SignedDuration, Timestamp};
use redact::Redactor;
use serde::Serialize;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use stream::{CaptureSource, Captured, PollResult};
use tokio::time::Instant;

/// Record the events of a stream in a file, for `abx replay`
///
/// The source is a Kinesis stream, or the file of `abx dev`. Each line of the file is one Lambda payload. Unit ids are replaced
/// by pseudonyms, and text properties and unknown fields are removed; the counts stay the same. Records that are not events are
/// left out, and the report says how many.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx capture dev.json
  abx capture incident.json --stream abx-events --last 15m
  abx capture live.json --stream abx-events --for 1m
  abx replay incident.json --faults duplicate,reorder,bisect --compare")]
pub struct Args {
    /// The file to write, which must not be there yet; its name ends with .json, as `abx replay` reads it
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A Kinesis stream, with the usual AWS credentials
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,
    /// The endpoint of an emulator instead of AWS
    #[arg(long, value_name = "URL", requires = "stream")]
    endpoint: Option<String>,
    /// The file of `abx dev`, whose events are captured where no stream is named
    #[arg(long, value_name = "FILE", default_value = crate::stores::DEFAULT_STORE, conflicts_with = "stream")]
    store: PathBuf,
    /// The time to go back before now, for example 90s, 15m or 24h; a stream keeps a day of records by default
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration)]
    last: SignedDuration,
    /// The time to wait for further records; by default none, so the capture ends with the newest record
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    duration: Option<SignedDuration>,
    /// Stop after this number of records
    #[arg(long, value_name = "N")]
    records: Option<u64>,
    /// Do not redact: the file may contain personal data
    #[arg(long)]
    unredacted: bool,
    /// Output format
    #[command(flatten)]
    format: FormatArg,
}

/// The captured records.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
pub struct CaptureReport {
    /// The file.
    file: String,
    /// Its payloads: one for each time that records were read.
    batches: u64,
    /// The records in it.
    records: u64,
    /// Records that are not in it, because they hold something else than events.
    left_out: u64,
    /// True if units are pseudonyms.
    redacted: bool,
}

impl Execute for Args {
    type Report = CaptureReport;

    /// Captures up to the end, or as long as it is told.
    fn execute(&self) -> Result<CaptureReport, Error> {
        if self.file.extension().is_none_or(|it| it != "json") {
            return Err(Error::caller(format!("{}: the name does not end with .json", self.file.display()))
                .help("`abx replay` reads payloads from .json, and single events from .jsonl"));
        }
        let since = Timestamp::now().checked_sub(self.last).unwrap_or(Timestamp::MIN);
        let go_on = self
            .duration
            .map(Duration::try_from)
            .transpose()
            .map_err(|_| Error::caller("--for is negative").help("give a length, as 1m"))?;
        block_on(capture(self, since, go_on))
    }

    fn print(&self, report: &CaptureReport) -> String {
        self.format.print(report)
    }
}

async fn capture(args: &Args, since: Timestamp, go_on: Option<Duration>) -> Result<CaptureReport, Error> {
    let mut source = CaptureSource::open(args, since).await?;
    let mut out = create(&args.file)?;
    let failed = |error: io::Error| Error::world(args.file.display().to_string()).because(error);
    let until = go_on.map(|duration| Instant::now() + duration);
    let redactor = (!args.unredacted).then(Redactor::new);
    let file = args.file.display().to_string();
    let mut report = CaptureReport { file, redacted: redactor.is_some(), ..CaptureReport::default() };
    while args.records.is_none_or(|most| report.records < most) {
        if until.is_some_and(|until| until <= Instant::now()) {
            break;
        }
        match source.look().await? {
            PollResult::Nothing { is_end } if is_end && until.is_none() => break,
            PollResult::Nothing { .. } => tokio::time::sleep(source.pause()).await,
            PollResult::Records(mut captured) => {
                let most = args.records.map_or(u64::MAX, |most| most - report.records);
                captured.records.truncate(usize::try_from(most).unwrap_or(usize::MAX));
                let before = captured.records.len();
                if let Some(redactor) = &redactor {
                    captured.records =
                        captured.records.iter().filter_map(|it| redacted(redactor, it)).collect();
                }
                report.left_out += (before - captured.records.len()) as u64;
                write(&mut out, &captured, &mut report).map_err(failed)?;
            }
        }
    }
    out.flush().map_err(failed)?;
    Ok(report)
}

fn create(path: &Path) -> Result<BufWriter<File>, Error> {
    let file = File::create_new(path).map_err(|error| {
        let is_there = error.kind() == io::ErrorKind::AlreadyExists;
        let what = Error::world(path.display().to_string()).because(error);
        if is_there { what.help("choose another name") } else { what }
    })?;
    Ok(BufWriter::new(file))
}

fn write(out: &mut impl Write, captured: &Captured, report: &mut CaptureReport) -> io::Result<()> {
    if captured.records.is_empty() {
        return Ok(());
    }
    out.write_all(&kinesis::write(&captured.stream, &captured.shard, &captured.records))?;
    out.write_all(b"\n")?;
    report.batches += 1;
    report.records += captured.records.len() as u64;
    Ok(())
}

/// A record with the events in it redacted, in the form that it had; `None` where something in it is no event.
fn redacted(redactor: &Redactor, record: &KinesisRecord) -> Option<KinesisRecord> {
    let partition_key = redactor.pseudonym(&record.partition_key);
    let data = match deaggregate(&record.data) {
        None => redactor.event(&record.data)?,
        Some(events) => {
            let redacted = |(key, data): (Option<Box<str>>, Vec<u8>)| {
                let key = key.map(|key| redactor.pseudonym(&key).into());
                Some((key, redactor.event(&data)?))
            };
            aggregate_keyed(events.into_iter().map(redacted).collect::<Option<_>>()?)
        }
    };
    Some(KinesisRecord { sequence: record.sequence.clone(), partition_key, arrived: record.arrived, data })
}

impl Report for CaptureReport {
    const KIND: &'static str = "capture";

    fn human(&self) -> String {
        let mut text = format!("{}: {} records in {} batches", self.file, self.records, self.batches);
        if self.left_out > 0 {
            let _ = write!(
                text,
                "\n{} records are no events and were left out; --unredacted keeps them",
                self.left_out
            );
        }
        text + if self.redacted {
            "\nunits are pseudonyms of this capture\n"
        } else {
            "\nas they came: it may tell of persons\n"
        }
    }
}
