//! `abx simulate`: decisions for many units, tested against the documents.

mod report;

use crate::command::Execute;
use crate::error::Error;
use crate::inputs::{self, SourcesArgs};
use crate::people::{PopulationArgs, check_memory};
use crate::render::progress;
use crate::report::{FindingCounts, FormatArg};
use abx_core::simulate::{Tally, UnitStyle, Units};
use abx_core::{Experiment, Subject};
use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

pub use report::SimulateReport;

/// Simulate experiments over many units: traffic, variants, exclusions, balance and independence
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx simulate experiments/
  abx simulate experiments/ --only checkout_redesign --units 10000000 --ids uuid
  abx simulate experiments/ --context country=DE --context plan=pro
  abx simulate experiments/ --units-file players.csv --id-column userid

Exit code 1: variants or traffic do not follow their allocations, two experiments depend on one
another, or nothing was tested because too few units drew a variant; --alpha is the probability
of a false positive.")]
pub struct Args {
    #[command(flatten)]
    documents: SourcesArgs,
    /// Only this experiment; may be given several times
    #[arg(long, alias = "experiment", value_name = "KEY", add = crate::complete::experiments())]
    only: Vec<String>,
    /// Number of units to generate
    #[arg(long, alias = "users", value_name = "N", default_value_t = 1_000_000, conflicts_with = "units_file", value_parser = inputs::count)]
    units: u64,
    /// Form of generated ids
    #[arg(long, value_enum, default_value_t, conflicts_with = "units_file")]
    ids: IdStyle,
    /// The seed of the generated units
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "units_file")]
    seed: u64,
    #[command(flatten)]
    population: PopulationArgs,
    /// The probability of a false positive over all tests together
    #[arg(long, value_name = "SHARE", default_value_t = 0.001, value_parser = inputs::probability)]
    alpha: f64,
    /// Threads; by default one per core
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    #[command(flatten)]
    format: FormatArg,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum IdStyle {
    /// `user_17`
    #[default]
    Sequential,
    /// `6f1c2a3e-…`
    Uuid,
    /// `ada.lovelace17@example.com`
    Email,
}

impl From<IdStyle> for UnitStyle {
    fn from(style: IdStyle) -> Self {
        match style {
            IdStyle::Sequential => Self::Sequential,
            IdStyle::Uuid => Self::Uuid,
            IdStyle::Email => Self::Email,
        }
    }
}

impl Execute for Args {
    type Report = SimulateReport;

    /// Counts the decisions for all units.
    fn execute(&self) -> Result<SimulateReport, Error> {
        let checked = self.documents.load()?;
        let context = self.population.context.read(Some(checked.catalog.attributes()))?;
        let mut hints = context.hints;
        let mut census = None;
        let experiments = wanted(self, &checked)?;
        let now = self.population.at.time();
        let (tally, source) =
            match self.population.file.people(&context.attributes, checked.catalog.attributes()) {
                Some(people) => {
                    let mut tally = Tally::new(&experiments);
                    let mut seen = tally.seen();
                    let reading = people.each(&mut |subject: &Subject<'_>| {
                        tally.count_row(subject, now, &mut seen);
                        check_memory(&seen)
                    })?;
                    census = Some(reading.census(&seen));
                    hints.extend(reading.hints);
                    (tally, people.path.display().to_string())
                }
                None => {
                    let style = UnitStyle::from(self.ids);
                    let units = Units::new(style, self.seed);
                    (
                        count_generated(self, units, &experiments, &context.attributes, now),
                        format!("generated, {}", style.as_str()),
                    )
                }
            };
        Ok(SimulateReport::new(&tally, source, self.alpha, FindingCounts::of(&checked.findings))
            .with_input(census, hints))
    }

    fn print(&self, report: &SimulateReport) -> String {
        self.format.print(report)
    }
}

/// The experiments that were asked for.
fn wanted<'c>(args: &Args, checked: &'c crate::source::Checked) -> Result<Vec<&'c Experiment>, Error> {
    let all = checked.catalog.experiments();
    if args.only.is_empty() {
        if all.is_empty() {
            return Err(Error::caller("there is no experiment in these documents")
                .help("`abx new experiment KEY` adds one"));
        }
        return Ok(all.iter().collect());
    }
    let find = |key: &String| {
        let known = all.iter().map(Experiment::key);
        checked.catalog.experiment(key).ok_or_else(|| inputs::unknown_key("experiment", key, known, checked))
    };
    args.only.iter().map(find).collect()
}

/// Generated units in pieces, on several threads. A unit depends on its number only, so the result does not
/// depend on the threads.
fn count_generated<'c>(
    args: &Args,
    units: Units,
    experiments: &[&'c Experiment],
    attributes: &Map<String, Value>,
    now: Timestamp,
) -> Tally<'c> {
    const PIECE: u64 = 1 << 16;
    let threads = args.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let next = AtomicU64::new(0);
    let bar = progress::bar(args.units, "{bar:40} {human_pos} of {human_len} units, {per_sec}, {eta} left");
    let work = || {
        let mut tally = Tally::new(experiments);
        loop {
            let start = next.fetch_add(PIECE, Ordering::Relaxed);
            if start >= args.units {
                return tally;
            }
            let end = args.units.min(start + PIECE);
            tally.count_generated(units, start..end, attributes, now);
            bar.inc(end - start);
        }
    };
    let mut whole = Tally::new(experiments);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            match worker.join() {
                Ok(tally) => whole.merge(&tally),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    bar.finish_and_clear();
    whole
}
