//! `abx replay`: counts of recorded events.

mod batch;
mod faults;
#[cfg(feature = "aws")]
mod function;
#[cfg(not(feature = "aws"))]
#[path = "replay/no_function.rs"]
mod function;
mod load;
mod report;
mod rows;
mod spool;
mod target;

pub use report::ReplayReport;

use crate::advice::unanswered;
use crate::command::{Execute, block_on};
use crate::error::Error;
use crate::event_files::{Content, Form, recorded};
use crate::inputs::{DocumentSource, parse_time};
use crate::render::progress;
use crate::report::FormatArg;
use abx_core::event::{EventData, RecordClass};
use abx_core::hash::{Bucketer, Purpose};
use abx_functions::adapters::embedded::Segment;
use abx_functions::sources::kinesis::{self, KinesisRecord};
use batch::ReplayBatch;
use faults::{Fault, Faults};
use indicatif::ProgressBar;
use jiff::Timestamp;
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use target::{ReplayCounts, ReplayTarget};

/// Count recorded events with the handler of the event function, and show the counts
///
/// Inputs are files, folders or `-`: events or archive lines (.jsonl), payloads of Kinesis invocations and the objects that
/// Lambda leaves in an on-failure bucket (.json), or rows (.csv) with --unit, --exposure, --conversion and --value; each may be
/// compressed (.gz). Events are counted in the order of their times, whatever the order of lines and files. Nothing is counted
/// twice: a file that was replayed before adds nothing, a file that has grown adds its new lines, and an event with an `event_id`
/// counts once even if several files contain it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx replay events.jsonl
  abx replay failed-batches/ --to abx-events
  abx replay events.jsonl --faults duplicate,reorder,bisect --seed 7 --compare
  abx replay players.csv --unit userid --exposure cookie_cats_gate=version \\
    --conversion retention_1@1d --conversion retention_7@7d --value gamerounds.rounds=sum_gamerounds@13d")]
pub struct Args {
    /// Files, folders, or `-` for events on standard input, one a line
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The handler: `local`, or the name of a deployed event function
    #[arg(long, value_name = "local|FUNCTION", default_value = "local")]
    to: String,
    /// Count the records in the deployment of the function that --to names
    #[arg(long, short)]
    yes: bool,
    /// The endpoint of an emulator instead of AWS
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The documents that events are counted by, where they go to `local`: files, folders, a git revision or a published revision. By
    /// default `experiments`, or what the store has published
    #[arg(long, value_name = "SOURCE")]
    from: Option<Vec<DocumentSource>>,
    /// Keep the counts in this file, for `abx results --store`; by default they are only shown
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Records in a batch
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch_size: u32,
    /// Shards that events are distributed over, by their unit
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    shards: u32,
    /// Keep the order of files and lines, as a stream would, instead of sorting by time
    #[arg(long)]
    as_they_come: bool,
    /// Deliver with faults of a stream; the counts must not change
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FAULT")]
    faults: Vec<Fault>,
    /// The seed of the faults
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Replay without the faults as well, and compare; exits with 1 if the counts differ
    #[arg(long, requires = "faults")]
    compare: bool,
    #[command(flatten)]
    rows: rows::RowArgs,
    /// The time of rows and events that have none; now by default
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,
    /// Output format
    #[command(flatten)]
    format: FormatArg,
}

impl Execute for Args {
    type Report = ReplayReport;

    /// Replays once, or twice to compare.
    fn execute(&self) -> Result<ReplayReport, Error> {
        if self.compare && self.to != "local" {
            return Err(Error::caller("--compare needs `--to local`")
                .help("a function has one store, which would hold both runs"));
        }
        if self.to != "local" && !self.yes {
            let message = format!("nothing was sent: {} counts what it is sent for good", self.to);
            return Err(Error::caller(message).help(
                "`--to local` shows what these records come to; add --yes to count them in the deployment",
            ));
        }
        let rows = self.rows.parse()?;
        let contents = Content::all(&self.paths)?;
        block_on(async {
            let start = Instant::now();
            let counts = replay(self, &contents, &rows, &self.faults, self.store.clone()).await?;
            let took = start.elapsed();
            let clean =
                if self.compare { Some(replay(self, &contents, &rows, &[], None).await?) } else { None };
            Ok(ReplayReport::new(&self.to, &counts, took, clean.as_ref()))
        })
    }

    fn print(&self, report: &ReplayReport) -> String {
        self.format.print(report)
    }
}

async fn replay(
    args: &Args,
    contents: &[Content],
    rows: &rows::RowMapping,
    faults: &[Fault],
    store: Option<PathBuf>,
) -> Result<ReplayCounts, Error> {
    let target = match &*args.to {
        "local" => ReplayTarget::local(args.from.as_deref(), store).await?,
        function => ReplayTarget::function(function, args.endpoint.as_deref()).await?,
    };
    let mut delivery = Delivering {
        args,
        target: &target,
        faults: Faults::new(faults, args.seed),
        counts: ReplayCounts::default(),
        progress: progress(),
    };
    let now = args.at.unwrap_or_else(Timestamp::now);
    // What a function is sent as it was recorded keeps its place in the stream: that is a redelivery.
    let (recorded, others): (Vec<_>, Vec<_>) =
        contents.iter().partition(|it| target.is_function() && it.form == Form::Payloads);
    for batch in recorded_batches(&recorded, args.batch_size as usize)? {
        delivery.batch(batch).await?;
    }
    let ledger = target.ledger();
    let mut delivered: Vec<Segment> = Vec::new();
    while let Some(ready) =
        load::next(&others, rows, &ledger, now, (&delivered, &mut delivery.counts.classes))?
    {
        delivery.load(&ready).await?;
        let ended = ready.spool.with_ids(|ids| ledger.store.end_load(&ledger.target, &ready.load.id, ids))?;
        ended.map_err(unanswered)?;
        delivered.extend(ready.load.segments);
        if !ready.is_resumed {
            break;
        }
    }
    delivery.progress.finish_and_clear();
    target.finish(delivery.counts).await
}

/// Recorded payloads in the order of their places: a later file may hold what came earlier.
fn recorded_batches(contents: &[&Content], batch_size: usize) -> Result<Vec<ReplayBatch>, Error> {
    let mut records = Vec::new();
    for content in contents {
        for value in serde_json::Deserializer::from_reader(content.reader()?).into_iter::<Value>() {
            let value = value.map_err(|error| Error::caller(content.name.clone()).because(error))?;
            records.extend(recorded(&content.name, value)?);
        }
    }
    records.sort_by_cached_key(kinesis::place_of);
    Ok(records.chunks(batch_size).map(|some| ReplayBatch::Recorded(some.to_vec())).collect())
}

/// Delivers batches, as a stream does on a good day or a bad one.
struct Delivering<'a> {
    args: &'a Args,
    target: &'a ReplayTarget,
    faults: Faults,
    counts: ReplayCounts,
    progress: ProgressBar,
}

impl Delivering<'_> {
    /// Delivers a load in the order of its events' times. Each gets a place in a shard of the load: the same one whenever it is delivered.
    async fn load(&mut self, ready: &load::ReadyLoad) -> Result<(), Error> {
        let by_unit = Bucketer::new("abx-replay", Purpose::Variant);
        let shards = u64::from(self.args.shards);
        let mut places: Vec<(u64, Vec<KinesisRecord>)> = vec![(0, Vec::new()); self.args.shards as usize];
        let shard_name = |shard: usize| format!("{}-{shard:04}", ready.load.id);
        let spool = &ready.spool;
        spool
            .each(self.args.as_they_come, async |event, is_duplicate| {
                if is_duplicate {
                    self.counts.classes.add(RecordClass::Duplicate, 1);
                    return Ok(());
                }
                if event.kind == spool::UNPLACED {
                    // What was read as JSON can be read as such.
                    let record = serde_json::from_slice(&event.data).unwrap_or_default();
                    return self.batch(ReplayBatch::Recorded(vec![record])).await;
                }
                let unit = EventData::read(&event.data).map(|it| it.unit.into_owned()).unwrap_or_default();
                let shard = u64::from(by_unit.bucket(&unit)) * shards / 1_000_000;
                let shard = usize::try_from(shard).unwrap_or(0);
                let records = self.faults.records(event.data);
                for data in records {
                    let Some((sequence, waiting)) = places.get_mut(shard) else { continue };
                    *sequence += 1;
                    waiting.push(KinesisRecord {
                        sequence: sequence.to_string(),
                        partition_key: unit.chars().take(256).collect(),
                        arrived: Timestamp::from_millisecond(event.arrived).unwrap_or(Timestamp::UNIX_EPOCH),
                        data,
                    });
                    if waiting.len() >= self.args.batch_size as usize {
                        let records = std::mem::take(waiting);
                        self.batch(ReplayBatch::Made { shard: shard_name(shard), records }).await?;
                    }
                }
                Ok(())
            })
            .await?;
        for (shard, (_, records)) in places.into_iter().enumerate() {
            if !records.is_empty() {
                self.batch(ReplayBatch::Made { shard: shard_name(shard), records }).await?;
            }
        }
        Ok(())
    }

    async fn batch(&mut self, batch: ReplayBatch) -> Result<(), Error> {
        for delivery in self.faults.deliveries(batch) {
            self.target.deliver(&delivery, &mut self.counts).await?;
            self.progress.set_position(self.counts.delivered);
        }
        Ok(())
    }
}

/// The number of records so far.
fn progress() -> ProgressBar {
    let bar = progress::spinner("{spinner} {human_pos} records, {per_sec}, {elapsed}");
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
