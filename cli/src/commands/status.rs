//! Is everything as it should be?

mod amounts;
mod catalog;
mod report;
mod stream;
mod unknown;

pub use report::StatusReport;

use super::inputs::{age, duration};
use super::metrics::{MarksArg, MetricsArgs};
use super::store::block_on;
use super::suspects::Suspects;
use crate::error::Error;
use crate::report::FormatArg;
use jiff::{SignedDuration, Timestamp};
use std::path::PathBuf;
use std::time::Duration;

/// Show what serves, what is stale, how far the stream is behind, alarms, quarantine and units that are not users
///
/// Each question is asked by itself, so that one that cannot be answered hides no other. Ends with 1 if there is something to look
/// at: nothing was ever published, documents that differ from what is published, stale documents, a stream that is behind, alarms, quarantined records, units
/// such as "undefined" or with an implausible share of all events; else with 3 if something could not be asked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx status
  abx status --stale-after 90d --format json
  abx status --table abx-catalog --metrics-table abx-metrics --stream abx-events --alarm-prefix abx-prod")]
pub struct Args {
    /// The documents that are compared with what is published
    #[arg(long, value_name = "PATH", default_value = DOCUMENTS)]
    from: Vec<PathBuf>,
    #[command(flatten)]
    metrics: MetricsArgs,
    #[command(flatten)]
    marks: MarksArg,
    /// The Kinesis stream of events, with `--table`
    #[arg(long, value_name = "NAME", requires = "table")]
    stream: Option<String>,
    /// Look at the CloudWatch alarms whose names begin so, with `--table`
    #[arg(long, value_name = "PREFIX", requires = "table")]
    alarm_prefix: Option<String>,
    /// A flag that gives everybody the same is stale when it has not changed for so long
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = age)]
    stale_after: SignedDuration,
    /// How long an event may wait to be counted
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
    max_lag: Duration,
    /// Count quarantined records that came in this time
    #[arg(long, value_name = "TIME", default_value = "31d", value_parser = age)]
    since: SignedDuration,
    #[command(flatten)]
    pub(super) format: FormatArg,
}

/// Where documents are, unless it is said.
const DOCUMENTS: &str = "experiments";

/// Asks every question.
pub fn run(args: &Args) -> Result<StatusReport, Error> {
    block_on(async {
        let now = Timestamp::now();
        let (store, metrics) = args.metrics.open(Some(&args.marks)).await?;
        let catalog = catalog::ask(args, &store, now).await;
        let running: Vec<(&str, u32)> = catalog.running.iter().map(|(key, epoch)| (&**key, *epoch)).collect();
        let (stream, unknown_events, amounts, alarms, quarantine, suspects) = tokio::join!(
            stream::counted(args, &metrics, now),
            unknown::ask(&metrics, &catalog.events, now),
            amounts::ask(&metrics, &running),
            stream::alarms(args),
            stream::quarantine(args, now),
            Suspects::look(&args.metrics, &metrics, None, &running, true),
        );
        Ok(StatusReport {
            store: args.metrics.store.name(),
            at: now,
            head: catalog.head,
            drift: catalog.drift,
            stale: catalog.stale,
            shards: stream,
            unknown_events,
            amounts,
            alarms,
            quarantine,
            suspects,
            max_lag: args.max_lag.as_secs_f64(),
        })
    })
}

impl Args {
    /// The time that a flag must have changed after, so as not to be stale.
    fn stale_before(&self, now: Timestamp) -> Timestamp {
        now.checked_sub(self.stale_after).unwrap_or(Timestamp::MIN)
    }
}
