//! `abx results`: the analysis of an experiment.

#[cfg(feature = "archive")]
mod archive;
#[cfg(feature = "archive")]
mod bucket;
mod evidence;
mod formats;
mod human;
mod judgement;
mod list;
mod numbers;
mod place;
mod report;
mod sentence;

pub use list::ResultsListReport;
pub use report::ResultsReport;

use crate::advice::unanswered;
#[cfg(feature = "archive")]
use crate::aws::aws_config_for;
use crate::command::{Execute, ReportSchema, Run, block_on};
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::history::{History, PublishedExperiment};
use crate::inputs::DocumentSource;
use crate::output::{Output, stdout_is_open};
use crate::render::screen::Screen;
use crate::report::{Report as _, headed_json};
use crate::stores::{MarksArg, MetricsArgs};
use crate::suspects::Suspects;
use abx_core::finding::did_you_mean;
use abx_core::results::totals_until;
use abx_functions::catalog::head;
use abx_functions::ports::{MetricStore as _, RowsOf, stream_totals};
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use evidence::{Evidence, start_of_hour};
use formats::ResultsFormat;
use jiff::Timestamp;
use judgement::AnalysisOptions;
use place::ArchivePlace;
use report::Judged;
use std::time::Duration;

/// Analyze the counts of an experiment; without KEY, list all experiments with counts
///
/// Units, rates and means with intervals, differences to the control, and whether the units follow their allocations. All
/// differences and verdicts are valid at every look, so you may look every day; `--final` judges once, at a time that was planned before
/// the start. With several metrics or variants, the level of each interval is corrected. An experiment that is no longer published is judged by the newest revision that has it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx results
  abx results checkout_redesign
  abx results checkout_redesign --watch
  abx results checkout_redesign --final
  abx results checkout_redesign --at @12
  abx results checkout_redesign --format json
  abx results checkout_redesign --format html > results.html
  abx results checkout_redesign --archive archive/ --by country
  abx results checkout_redesign --table abx-catalog --metrics-table abx-metrics --archive s3://abx-archive/events/
  abx results checkout_redesign --table abx-catalog --metrics-table abx-metrics

Exit code 1: a sample ratio mismatch (SRM), a guardrail that is worse, or nothing was counted.
With --table the list has published experiments only, because abx does not scan a table.
docs/statistics.md has the formulas.")]
pub struct Args {
    /// The experiment; without it, all experiments with counts are listed
    #[arg(value_name = "KEY", add = crate::complete::experiments())]
    key: Option<String>,
    #[command(flatten)]
    metrics: MetricsArgs,
    #[command(flatten)]
    marks: MarksArg,
    /// The control; the first variant by default
    #[arg(long, value_name = "VARIANT", requires = "key")]
    control: Option<String>,
    /// The probability of any false positive among primary metrics and among guardrails; the false discovery rate of secondary ones
    /// [default: the plan's, or 5 %]
    #[arg(long, value_name = "SHARE", value_parser = crate::inputs::probability)]
    alpha: Option<f64>,
    /// The number of units that the anytime-valid intervals are tuned for; choose it before the first look
    /// [default: the planned units, or 10000]
    #[arg(long, value_name = "UNITS", value_parser = crate::inputs::count)]
    tuned_for: Option<u64>,
    /// Judge by the one look that was planned, instead of by intervals that are valid at every look
    #[arg(long = "final", requires = "key", conflicts_with = "watch")]
    is_final: bool,
    /// Show this epoch instead of the current one
    #[arg(long, value_name = "N", requires = "key")]
    epoch: Option<u32>,
    /// Judge by the document of this revision, for example @12; by default by the head, or the newest revision with the experiment
    #[arg(long, value_name = "@N", requires = "key", value_parser = parse_revision)]
    at: Option<RevisionArg>,
    /// Judge what was counted before a time, in RFC 3339 or as a date; the hour that it lies in is left out
    #[arg(long, value_name = "TIME", requires = "key", conflicts_with = "watch", value_parser = parse_time)]
    until: Option<Timestamp>,
    /// Analyze archived events instead of counters: a folder with `day=` partitions, a file of events, or `s3://BUCKET/PREFIX/`, which is
    /// copied into temporary files first; the store's own without DIR
    #[arg(long, value_name = "DIR", requires = "key", num_args = 0..=1, conflicts_with_all = ["watch", "athena"],
        value_parser = OsStringValueParser::new().try_map(ArchivePlace::parse))]
    #[expect(clippy::option_option, reason = "not asked for, the store's own, or another one")]
    archive: Option<Option<ArchivePlace>>,
    /// Analyze the archive by Athena, in this workgroup
    #[arg(long, value_name = "WORKGROUP", requires = "key", conflicts_with = "watch")]
    athena: Option<String>,
    /// The database of the archive in Athena
    #[arg(long, value_name = "DATABASE", requires = "athena", default_value = "abx_archive")]
    database: String,
    /// Break down by an attribute that exposures have (`dimensions:` of the document); from an archive
    #[arg(long, value_name = "ATTRIBUTE", requires = "key")]
    by: Option<String>,
    /// Show the goal at the end of each day, too
    #[arg(long, requires = "key")]
    daily: bool,
    /// Show the results again whenever they change: on a terminal in their place, cut to its window; elsewhere one report after the other
    #[arg(long, requires = "key")]
    watch: bool,
    /// Output format
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT")]
    format: ResultsFormat,
}

/// The interval between looks for a change.
const WATCH: Duration = Duration::from_secs(1);

/// A published revision; `None` is the head.
#[derive(Debug, Clone, Copy)]
struct RevisionArg(Option<u64>);

fn parse_revision(text: &str) -> Result<RevisionArg, String> {
    match text.parse() {
        Ok(DocumentSource::Published(revision)) => Ok(RevisionArg(revision)),
        _ => {
            Err("write a published revision, for example @12 or @head; `abx revisions` lists them".to_owned())
        }
    }
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    let time = abx_core::document::DateTime::parse(text);
    time.map(|it| it.0).ok_or_else(|| "write for example 2026-11-24T09:00:00Z or 2026-11-24".to_owned())
}

impl Args {
    fn options(&self) -> AnalysisOptions<'_> {
        let Self { alpha, tuned_for, is_final, .. } = *self;
        AnalysisOptions { control: self.control.as_deref(), alpha, tuned_for, is_final }
    }
}

impl Run for Args {
    fn run(&self, output: &Output) -> Exit {
        match &self.key {
            None => ListExperiments(self).run(output),
            Some(key) if self.watch => watch(self, key, output).unwrap_or_else(|error| output.fail(&error)),
            Some(key) => Judge(self, key).run(output),
        }
    }

    fn reports() -> Vec<ReportSchema> {
        [Judge::reports(), ListExperiments::reports()].concat()
    }
}

/// The results of one experiment.
struct Judge<'a>(&'a Args, &'a str);

impl Execute for Judge<'_> {
    type Report = ResultsReport;

    fn execute(&self) -> Result<ResultsReport, Error> {
        block_on(read(self.0, self.1))
    }

    fn print(&self, report: &ResultsReport) -> String {
        report.print(self.0.format)
    }
}

/// The list of all experiments that were counted.
struct ListExperiments<'a>(&'a Args);

impl Execute for ListExperiments<'_> {
    type Report = ResultsListReport;

    fn execute(&self) -> Result<ResultsListReport, Error> {
        if !matches!(self.0.format, ResultsFormat::Human | ResultsFormat::Json) {
            return Err(Error::caller("the list of experiments is a text or JSON").help("name an experiment"));
        }
        block_on(list::read(self.0))
    }

    fn print(&self, report: &ResultsListReport) -> String {
        match self.0.format {
            ResultsFormat::Json => headed_json(report),
            _ => report.human(),
        }
    }
}

/// Shows the results until it is interrupted, or until nobody reads them any more: on a terminal in their place, elsewhere one after the other.
fn watch(args: &Args, key: &str, output: &Output) -> Result<Exit, Error> {
    let judge = Judge(args, key);
    let (mut shown, mut screen) = (None, Screen::default());
    // A reader that is gone is noticed also while nothing changes.
    while stdout_is_open() {
        let report = judge.execute()?;
        let is_new = shown.as_ref() != Some(&report);
        let window = if args.format == ResultsFormat::Human { output.window() } else { None };
        let written = match window {
            Some(size) if is_new || screen.is_stale(size) => {
                output.draw(&mut screen, &judge.print(&report), size, report.exit())
            }
            None if is_new => output.write(&judge.print(&report), report.exit()),
            _ => exit::DONE,
        };
        if written == exit::WORLD {
            return Ok(written);
        }
        shown = Some(report);
        std::thread::sleep(WATCH);
    }
    Ok(exit::DONE)
}

async fn read(args: &Args, key: &str) -> Result<ResultsReport, Error> {
    let (catalog, metrics) = args.metrics.open(Some(&args.marks)).await?;
    let history = History::read(&catalog).await?;
    let found = match args.at {
        None => history.find(key, args.epoch).await?,
        Some(RevisionArg(Some(revision))) => Some(history.at(key, revision).await?),
        Some(RevisionArg(None)) => {
            let revision =
                head(&catalog).await?.ok_or_else(|| Error::caller("nothing was ever published"))?;
            Some(history.at(key, revision).await?)
        }
    };
    let epoch_of = |found: &PublishedExperiment| found.experiment(key).map(abx_core::Experiment::epoch);
    let epoch = args.epoch.or_else(|| found.as_ref().and_then(epoch_of)).unwrap_or(1);
    let totals = crate::history::count_of(&metrics, key, epoch).await?;
    if found.is_none() && totals.variants.is_empty() {
        return Err(unknown(&history, key).await?);
    }
    let stream = stream_totals(&metrics.rows(RowsOf::Stream).await.map_err(unanswered)?);
    let suspects = Suspects::look(&args.metrics, &metrics, Some(key), &[(key, epoch)], !args.watch).await;
    let phases = match (&found, args.at) {
        (Some(found), None) => history.phases(key, found).await?,
        (Some(found), Some(_)) => found.phase(key).into_iter().collect(),
        (None, _) => Vec::new(),
    };
    let experiment = found.as_ref().and_then(|it| it.experiment(key));
    if args.archive.is_some() || args.athena.is_some() {
        let judged = Judged { key, epoch, found: found.as_ref(), phases: &phases, stream: &stream, suspects };
        let experiment = experiment.ok_or_else(|| {
            Error::caller("there is no document to analyze the archive by")
                .help("publish the experiment first")
        })?;
        return of_archive(args, experiment, judged).await;
    }
    if args.by.is_some() {
        return Err(Error::caller("live counters do not know the attributes of units")
            .help("add --archive DIR or --athena WORKGROUP"));
    }
    let (totals, now) = match args.until {
        Some(until) => (totals_until(&totals, until), until),
        None => (totals, start_of_hour(Timestamp::now())),
    };
    let evidence = Evidence::of_counters(experiment, &totals, &phases, now);
    let judged = Judged { key, epoch, found: found.as_ref(), phases: &phases, stream: &stream, suspects };
    let report = ResultsReport::new(judged, evidence, &args.options())?;
    Ok(ResultsReport { shows_daily: args.daily, ..report })
}

/// The results of archived events.
#[cfg(feature = "archive")]
async fn of_archive(
    args: &Args,
    experiment: &abx_core::Experiment,
    judged: Judged<'_>,
) -> Result<ResultsReport, Error> {
    if let Some(by) = args.by.as_deref().filter(|by| !experiment.dimensions().any(|it| it == *by)) {
        let known: Vec<&str> = experiment.dimensions().collect();
        let help = match &*known {
            [] => format!("write `dimensions: [{by}]` into the document; later exposures then have it"),
            known => format!("its exposures have {}", known.join(", ")),
        };
        return Err(
            Error::caller(format!("the exposures of the experiment have no attribute {by:?}")).help(help)
        );
    }
    let archived = archive::ArchivedExperiment {
        experiment,
        phases: judged.phases,
        by: args.by.as_deref(),
        until: args.until,
    };
    let (evidence, by_value) = match (&args.archive, &args.athena) {
        (Some(place), _) => {
            let own = || args.metrics.store.archive_folder().map(ArchivePlace::Folder);
            match place.clone().or_else(own) {
                Some(ArchivePlace::Folder(folder)) => {
                    let engine = abx_analysis::embedded::EmbeddedEngine::new(&folder);
                    archived.read(&engine, &format!("archive {}", folder.display())).await?
                }
                Some(ArchivePlace::Bucket(folder)) => {
                    let endpoint = args.metrics.store.endpoint.as_deref();
                    let config = aws_config_for(&format!("bucket {}", folder.bucket), endpoint).await?;
                    let fetched = folder.fetch(&config, archived.last_day()).await?;
                    archived.read(&fetched.engine(), &format!("archive {folder}")).await?
                }
                None => {
                    return Err(Error::caller("the archive of a table is in a bucket")
                        .help("name it: --archive s3://BUCKET/events/; or use --athena WORKGROUP"));
                }
            }
        }
        (None, Some(workgroup)) => {
            let config = args.metrics.store.config().await?;
            let client = abx_analysis::athena::Client::new(&config);
            let engine = abx_analysis::athena::AthenaEngine::new(client, workgroup, &args.database);
            archived.read(&engine, &format!("archive {} by Athena", args.database)).await?
        }
        (None, None) => return Err(Error::caller("no archive is named")),
    };
    let report =
        ResultsReport::new(judged, evidence, &args.options())?.by(args.by.as_deref(), by_value, experiment);
    Ok(ResultsReport { shows_daily: args.daily, ..report })
}

/// The results of archived events.
#[cfg(not(feature = "archive"))]
#[expect(clippy::unused_async, reason = "the same call as with the engine")]
async fn of_archive(_: &Args, _: &abx_core::Experiment, _: Judged<'_>) -> Result<ResultsReport, Error> {
    Err(Error::caller("this `abx` was built without the engine that reads archives")
        .help("build it with: cargo build --release --features archive"))
}

/// The error for a key that was neither published nor counted.
async fn unknown(history: &History<'_>, key: &str) -> Result<Error, Error> {
    let all = history.all().await?;
    let near = did_you_mean(key, all.keys().map(|(key, _)| key.as_str()));
    let help = near.map_or_else(
        || "`abx results` lists all experiments that were counted".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    Ok(Error::caller(format!("no experiment {key:?} was ever published or counted in this store")).help(help))
}
