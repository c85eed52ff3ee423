//! Is everything as it should be?

mod amounts;
mod archive;
mod catalog;
mod cloudwatch;
mod mapping;
mod report;
mod stream;
mod unknown;

pub use report::StatusReport;

use crate::command::{Execute, block_on};
use crate::error::Error;
use crate::inputs::{DOCUMENTS, DocumentSource, duration, wait};
use crate::report::FormatArg;
use crate::stores::{MarksArg, MetricsArgs};
use crate::suspects::Suspects;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// Show the health of a deployment: the published revision, stale documents, lag, pipeline, quarantine, suspicious units
///
/// Each check runs by itself: if one fails, the others still report. Exit code 1: something needs attention. That is if nothing was
/// ever published, documents differ from the published ones or are stale, the stream is behind, an alarm is on, the event source
/// mapping is disabled or failing, records were given up or quarantined, the archive is not written, or units such as "undefined"
/// or with an implausible share of all events were counted. Exit code 3: a check could not run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx status
  abx status --stale-after 90d --format json
  abx status --table abx-catalog --metrics-table abx-metrics --stream abx-events --alarm-prefix abx-prod
  abx status --table abx-catalog --metrics-table abx-metrics --stream abx-events \\
    --events-function abx-prod-events:live --archive-stream abx-prod-archive")]
pub struct Args {
    /// Documents to compare with what is published: files, folders, or a git revision (main or main:experiments)
    #[arg(long, value_name = "SOURCE", default_value = DOCUMENTS)]
    from: Vec<DocumentSource>,
    #[command(flatten)]
    metrics: MetricsArgs,
    #[command(flatten)]
    marks: MarksArg,
    /// The Kinesis stream of events, with `--table`
    #[arg(long, value_name = "NAME", requires = "table")]
    stream: Option<String>,
    /// Report the CloudWatch alarms whose names start with this prefix, with `--table`
    #[arg(long, value_name = "PREFIX", requires = "table")]
    alarm_prefix: Option<String>,
    /// Look at the event source mapping of this function, and at the records that it gave up, with `--table`; a name with its
    /// alias, as `abx-prod-events:live`, or an ARN
    #[arg(long, value_name = "FUNCTION", requires = "table")]
    events_function: Option<String>,
    /// Look at this Firehose stream of the archive, with `--table`
    #[arg(long, value_name = "NAME", requires = "table")]
    archive_stream: Option<String>,
    /// A flag that gives every unit the same value is stale if it has not changed for this time
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = duration)]
    stale_after: SignedDuration,
    /// The longest time that an event may wait to be counted
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = wait)]
    max_lag: Duration,
    /// Count records that were quarantined or given up within this time
    #[arg(long, value_name = "DURATION", default_value = "31d", value_parser = duration)]
    since: SignedDuration,
    #[command(flatten)]
    format: FormatArg,
}

impl Execute for Args {
    type Report = StatusReport;

    /// Asks every question.
    fn execute(&self) -> Result<StatusReport, Error> {
        block_on(async {
            let now = Timestamp::now();
            let backend = self.metrics.store.open().await?;
            let (store, metrics) = self.metrics.of(&backend, Some(&self.marks));
            let catalog = catalog::ask(self, &store, now).await;
            let running: Vec<(&str, u32)> =
                catalog.running.iter().map(|(key, epoch)| (&**key, *epoch)).collect();
            let (stream, unknown_events, amounts, alarms, pipeline, archive, quarantine, suspects) = tokio::join!(
                stream::counted(self, &backend, &metrics, now),
                unknown::ask(&metrics, &catalog.events, now),
                amounts::ask(&metrics, &running),
                cloudwatch::alarms(self),
                mapping::ask(self, now),
                archive::ask(self, now),
                stream::quarantine(self, now),
                Suspects::look(&self.metrics, &metrics, None, &running, true),
            );
            Ok(StatusReport {
                store: self.metrics.store.name(),
                at: now,
                head: catalog.head,
                drift: catalog.drift,
                stale: catalog.stale,
                shards: stream,
                unknown_events,
                amounts,
                alarms,
                mappings: pipeline.mappings,
                given_up: pipeline.given_up,
                archive,
                quarantine,
                suspects,
                max_lag: self.max_lag.as_secs_f64(),
            })
        })
    }

    fn print(&self, report: &StatusReport) -> String {
        self.format.print(report)
    }
}

impl Args {
    /// The time that a flag must have changed after, so as not to be stale.
    fn stale_before(&self, now: Timestamp) -> Timestamp {
        now.checked_sub(self.stale_after).unwrap_or(Timestamp::MIN)
    }
}
