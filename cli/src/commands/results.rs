//! What came of an experiment so far?

mod judge;
mod report;

pub use report::ResultsReport;

use super::metrics::{MetricsArgs, totals};
use super::store::{block_on, unanswered};
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::report::{Format, FormatArg, write, write_text};
use abx_core::event::{StreamTotals, experiment_partition};
use abx_core::finding::did_you_mean;
use abx_functions::catalog::{CatalogHolder, Snapshot};
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

/// Show what was counted in an experiment, and what it means
///
/// Units, rates and means with intervals, differences to the control, and whether the units follow their allocations. The
/// anytime-valid columns may be looked at daily; the others hold for one look. Ends with 1 on a sample-ratio mismatch, or
/// if a guardrail is worse.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx results checkout_redesign
  abx results checkout_redesign --watch
  abx results checkout_redesign --format json
  abx results checkout_redesign --table abx-catalog --metrics-table abx-metrics")]
pub struct Args {
    /// The experiment
    #[arg(value_name = "KEY")]
    key: String,
    #[command(flatten)]
    metrics: MetricsArgs,
    /// The variant that the others are compared with; the first one by default
    #[arg(long, value_name = "VARIANT")]
    control: Option<String>,
    /// The chance of a false alarm of each interval and test
    #[arg(long, value_name = "ALPHA", default_value_t = 0.05, value_parser = super::inputs::share)]
    alpha: f64,
    /// For how many units the anytime-valid intervals are tuned; chosen before the first look
    #[arg(long, value_name = "UNITS", default_value_t = abx_core::statistics::Anytime::TUNED_FOR)]
    tuned_for: u64,
    /// Another epoch than the current one
    #[arg(long, value_name = "N")]
    epoch: Option<u32>,
    /// Show it again whenever it changes
    #[arg(long)]
    pub watch: bool,
    /// How to write it.
    #[command(flatten)]
    pub format: FormatArg,
}

/// How often a change is looked for.
const WATCH: Duration = Duration::from_secs(1);

/// Reads what was counted, and judges it.
pub fn run(args: &Args) -> Result<ResultsReport, Error> {
    block_on(read(args))
}

/// Shows the results until it is interrupted.
pub fn watch(args: &Args) -> Result<Exit, Error> {
    let mut shown = None;
    loop {
        let report = run(args)?;
        if shown.as_ref() != Some(&report) {
            let on_screen = std::io::stdout().is_terminal() && args.format.format == Format::Human;
            if on_screen {
                let _ = write_text("\u{1b}[2J\u{1b}[H", exit::DONE);
            }
            let written = write(&report, args.format.format);
            if written == exit::WORLD {
                return Ok(written);
            }
            shown = Some(report);
        }
        std::thread::sleep(WATCH);
    }
}

async fn read(args: &Args) -> Result<ResultsReport, Error> {
    let (catalog, metrics) = args.metrics.open().await?;
    let holder = Arc::new(CatalogHolder::new(catalog, Snapshot::default()));
    holder.load().await.map_err(unanswered)?;
    let snapshot = holder.held();
    let Some(experiment) = snapshot.catalog.experiment(&args.key) else {
        let keys = snapshot.catalog.experiments().iter().map(abx_core::Experiment::key);
        let near = did_you_mean(&args.key, keys).map(|near| format!("did you mean `{near}`?"));
        let help = near.unwrap_or_else(|| "only what was published is counted: see `abx publish`".to_owned());
        return Err(Error::caller(format!("there is no experiment {:?} in the store", args.key)).help(help));
    };
    let epoch = args.epoch.unwrap_or(experiment.epoch());
    let partition = experiment_partition(&args.key, epoch);
    let totals = totals(&partition, &metrics.rows(&partition).await.map_err(unanswered)?);
    let mut stream = StreamTotals::default();
    for row in metrics.rows(abx_core::event::STREAM).await.map_err(unanswered)? {
        stream.add(abx_core::event::STREAM, &row.sort, &row.counter, row.amount);
    }
    let plan = judge::Plan { control: args.control.as_deref(), alpha: args.alpha, tuned_for: args.tuned_for };
    ResultsReport::new(experiment, (snapshot.revision, epoch), &totals, &stream, &plan)
}
