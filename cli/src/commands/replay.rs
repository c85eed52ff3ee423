//! What would these events have been counted as?

mod batch;
mod faults;
mod input;
mod report;
mod rows;
mod target;

pub use report::ReplayReport;

use super::store::block_on;
use crate::error::Error;
use crate::report::FormatArg;
use faults::{Fault, Faults};
use indicatif::{ProgressBar, ProgressStyle};
use input::{Inputs, Source};
use jiff::Timestamp;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use target::{Counts, Target};

/// Send recorded events through the handler of the event function, and show what they are counted as
///
/// Inputs are files, folders or `-`: events one a line (.jsonl), payloads of Kinesis invocations and the objects that Lambda
/// leaves in an on-failure bucket (.json), or rows (.csv) with --unit, --exposure, --conversion and --value. Events that come without a
/// place in a stream get one, by their unit; their time of arrival is their own time.
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
    /// Where they go: `local`, or the name of a deployed event function
    #[arg(long, value_name = "local|FUNCTION", default_value = "local")]
    to: String,
    /// The endpoint of an emulator instead of AWS
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The documents that events are counted by, where they go to `local`
    #[arg(long, value_name = "PATH", default_value = "experiments")]
    from: Vec<PathBuf>,
    /// Keep the counts in this file, for `abx results --store`; by default they are shown and forgotten
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// How many records a batch has
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch_size: u32,
    /// Over how many shards events are spread that come without a place
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    shards: u32,
    /// Deliver as a stream does on a bad day; the counts must not change
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FAULT")]
    faults: Vec<Fault>,
    /// The seed of the faults
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Replay without the faults as well, and compare; ends with 1 if the counts differ
    #[arg(long, requires = "faults")]
    compare: bool,
    #[command(flatten)]
    rows: rows::RowArgs,
    /// When rows and events without a time happened; now by default
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// How to write it.
    #[command(flatten)]
    pub(super) format: FormatArg,
}

/// Replays once, or twice to compare.
pub fn run(args: &Args) -> Result<ReplayReport, Error> {
    if args.compare && args.to != "local" {
        return Err(Error::caller("--compare needs `--to local`")
            .help("a function has one store, which would hold both runs"));
    }
    let rows = args.rows.parse()?;
    block_on(async {
        let start = Instant::now();
        let counts = replay(args, &rows, &args.faults, args.store.clone()).await?;
        let took = start.elapsed();
        let clean = if args.compare { Some(replay(args, &rows, &[], None).await?) } else { None };
        Ok(ReplayReport::new(&args.to, &counts, took, clean.as_ref()))
    })
}

async fn replay(
    args: &Args,
    rows: &rows::Rows,
    faults: &[Fault],
    store: Option<PathBuf>,
) -> Result<Counts, Error> {
    // Without a store, what was counted before an error is gone with it.
    let is_kept = store.is_some() || args.to != "local";
    let target = match &*args.to {
        "local" => Target::local(&args.from, store).await?,
        function => Target::function(function, args.endpoint.as_deref()).await?,
    };
    let source = Source {
        rows,
        now: args.at.unwrap_or_else(Timestamp::now),
        batch_size: args.batch_size as usize,
        shards: args.shards,
    };
    let mut faults = Faults::new(faults, args.seed);
    let mut counts = Counts::default();
    let progress = progress();
    let mut inputs = Inputs::new(&args.paths, &source)?;
    let so_far = |error: Error, records| {
        if !is_kept || records == 0 {
            return error;
        }
        error.also(&format!(
            "{records} records before it are counted: mend it and replay the same, and they are not counted \
             again"
        ))
    };
    while let Some(batch) = inputs.next(&mut faults).map_err(|error| so_far(error, counts.records))? {
        for delivery in faults.deliveries(batch) {
            target.deliver(&delivery, &mut counts).await?;
            progress.set_position(counts.records);
        }
    }
    progress.finish_and_clear();
    target.finish(counts).await
}

/// A line on stderr, and only where somebody watches: indicatif hides it elsewhere.
fn progress() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} records, {per_sec}, {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
