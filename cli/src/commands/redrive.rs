//! `abx redrive`: records that were given up, which `--yes` counts.

mod records;
mod report;
mod source;

pub use report::RedriveReport;

use crate::advice::unanswered;
use crate::command::{Execute, block_on};
use crate::error::Error;
use crate::inputs::duration;
use crate::report::FormatArg;
use crate::stores::{AnyArchive, AnyCatalog, AnyMetrics, AnyQuarantine, Backend, MetricsArgs};
use abx_core::event::ShardBatch;
use abx_functions::catalog::{CatalogHolder, Snapshot, head};
use abx_functions::events::{RedriveSource, Redriver, quarantined};
use abx_functions::ports::{PortError, Quarantine as _, Quarantined};
use jiff::{SignedDuration, Timestamp};
use records::Records;
use std::path::PathBuf;
use std::sync::Arc;

/// Count records that were given up, or that no commit has counted; without --yes only list them
///
/// PATHs are objects that Lambda put into the bucket of failures, or folders of them. Records keep their shards and positions, so
/// each counts once. It is safe to interrupt this command, to repeat it, and to run it while the event function or another redrive
/// is running. The handler runs here, over the store or the tables. Exit code 1: a record was refused, or no record was counted,
/// now or earlier.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx redrive failures/
  abx redrive failures/ --table abx-catalog --metrics-table abx-metrics --yes
  abx redrive --from-archive archive/ --table abx-catalog --yes
  abx redrive --quarantine --reason too_large --yes")]
#[command(group = clap::ArgGroup::new("source").required(true).multiple(false))]
pub struct Args {
    /// Objects of the bucket of failures, or folders of them
    #[arg(value_name = "PATH", group = "source")]
    paths: Vec<PathBuf>,
    /// Objects of the archive instead, or folders of them
    #[arg(long, value_name = "PATH", num_args = 1.., group = "source")]
    from_archive: Vec<PathBuf>,
    /// Quarantined records instead, which are removed from quarantine once they are counted
    #[arg(long, group = "source")]
    quarantine: bool,
    /// Of the quarantine, only this record, as `abx quarantine list` names it
    #[arg(long, value_name = "ID", conflicts_with_all = ["paths", "from_archive"])]
    id: Vec<String>,
    /// Of the quarantine, only records with this reason
    #[arg(long, value_name = "REASON", conflicts_with_all = ["paths", "from_archive"])]
    reason: Option<String>,
    /// Of the quarantine, only records that arrived within this time, for example 12h or 90d
    #[arg(long, value_name = "DURATION", conflicts_with_all = ["paths", "from_archive"], default_value = "31d", value_parser = duration)]
    since: SignedDuration,
    #[command(flatten)]
    metrics: MetricsArgs,
    /// The DynamoDB table of marks, with `--table`
    #[arg(long, value_name = "NAME", requires = "table", default_value = "abx-marks")]
    marks_table: String,
    /// The Firehose stream of the archive, with `--table`
    #[arg(long, value_name = "NAME", requires = "table", default_value = "abx-archive")]
    archive_stream: String,
    /// Count the records, instead of only listing them
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    format: FormatArg,
}

/// Records to redrive.
enum RedriveInput {
    /// Of shards, by their places.
    Records(Records),
    /// Of the quarantine, in the order in which they came: an exposure is before what it is the reason for.
    Quarantine(Vec<Quarantined>),
}

impl Execute for Args {
    type Report = RedriveReport;

    /// Plans a redrive, or does it.
    fn execute(&self) -> Result<RedriveReport, Error> {
        block_on(async {
            let mut report = RedriveReport::new(self.metrics.store.name(), self.yes);
            let backend = self.metrics.store.open_existing(self.yes).await?;
            let kept = self.metrics.quarantine(&backend);
            let source = self.read(&kept, &mut report).await?;
            let stopped = self.redrive(&source, (&backend, kept), &mut report).await?;
            report.end(stopped.map(|error| unanswered(error).to_string()));
            Ok(report)
        })
    }

    fn print(&self, report: &RedriveReport) -> String {
        self.format.print(report)
    }
}

impl Args {
    async fn read(&self, kept: &AnyQuarantine, report: &mut RedriveReport) -> Result<RedriveInput, Error> {
        if self.quarantine {
            return self.quarantined(kept).await.map(RedriveInput::Quarantine);
        }
        let records = Records::new()?;
        if self.from_archive.is_empty() {
            source::failures(&self.paths, &records, report)?;
        } else {
            source::archive(&self.from_archive, &records, report)?;
        }
        Ok(RedriveInput::Records(records))
    }

    async fn quarantined(&self, kept: &AnyQuarantine) -> Result<Vec<Quarantined>, Error> {
        let since = Timestamp::now().checked_sub(self.since).unwrap_or(Timestamp::MIN);
        let mut records = kept.list(since, usize::MAX).await.map_err(unanswered)?;
        if let Some(unknown) = self.id.iter().find(|id| records.iter().all(|record| record.id != **id)) {
            return Err(self.metrics.no_record(unknown));
        }
        records.retain(|record| {
            let by_id = self.id.is_empty() || self.id.contains(&record.id);
            by_id && self.reason.as_ref().is_none_or(|reason| record.reason == *reason)
        });
        records.reverse();
        Ok(records)
    }

    /// Why it ended before the last record, if it did.
    async fn redrive(
        &self,
        source: &RedriveInput,
        (backend, kept): (&Backend, AnyQuarantine),
        report: &mut RedriveReport,
    ) -> Result<Option<PortError>, Error> {
        let store = &self.metrics.store;
        let catalog = backend.catalog();
        if head(&catalog).await?.is_none() {
            return Err(Error::caller(format!("nothing was ever published to {}", store.name()))
                .help("events are counted by what was published: see `abx publish`"));
        }
        let catalog = Arc::new(CatalogHolder::new(catalog, Snapshot::default()));
        let counts = backend.metrics(&self.metrics.metrics_table, &self.marks_table);
        let redriver = Redriver::new(catalog, counts, (backend.archive(&self.archive_stream), kept.clone()));
        let ended = RedriveJob { redriver, is_real: self.yes }.all(source, &kept, report).await?;
        Ok(ended.err())
    }
}

/// A redrive, or the plan of one.
struct RedriveJob {
    redriver: Redriver<AnyCatalog, AnyMetrics, AnyArchive, AnyQuarantine>,
    is_real: bool,
}

impl RedriveJob {
    async fn all(
        &self,
        source: &RedriveInput,
        kept: &AnyQuarantine,
        report: &mut RedriveReport,
    ) -> Result<Result<(), PortError>, Error> {
        match source {
            RedriveInput::Records(records) => self.shards(records, report).await,
            RedriveInput::Quarantine(records) => Ok(self.quarantine(records, kept, report).await),
        }
    }

    async fn shards(
        &self,
        records: &Records,
        report: &mut RedriveReport,
    ) -> Result<Result<(), PortError>, Error> {
        for shard in records.shards()? {
            let mut after = None;
            loop {
                let batch = records.next(&shard, after.as_ref())?;
                let Some(last) = batch.payloads.last() else { break };
                after = Some(last.position.clone());
                if let Err(error) = self.batch(RedriveSource::Stream, &batch, report).await {
                    return Ok(Err(error));
                }
            }
        }
        Ok(Ok(()))
    }

    async fn quarantine(
        &self,
        records: &[Quarantined],
        kept: &AnyQuarantine,
        report: &mut RedriveReport,
    ) -> Result<(), PortError> {
        for (record, batch) in records.iter().filter_map(|it| Some((it, quarantined(it)?))) {
            for payload in &batch.payloads {
                report.read(&batch.shard, payload.arrived);
            }
            let is_done = self.batch(RedriveSource::Quarantine, &batch, report).await?;
            if is_done {
                // Whoever ends in between finds it counted before.
                kept.remove(record).await?;
            }
        }
        Ok(())
    }

    /// True if all of a batch are counted now.
    async fn batch(
        &self,
        origin: RedriveSource,
        batch: &ShardBatch,
        report: &mut RedriveReport,
    ) -> Result<bool, PortError> {
        if !self.is_real {
            let standings = self.redriver.standings(origin, batch).await?;
            let ids = batch.payloads.iter().map(|it| format!("{}:{}", batch.shard, it.position));
            report.plan(&batch.shard, ids.zip(&standings));
            return Ok(false);
        }
        let (redriven, ended) = self.redriver.redrive(origin, batch).await;
        report.done(&batch.shard, &redriven);
        ended.map(|()| redriven.refused.is_empty())
    }
}
