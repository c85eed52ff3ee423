//! `abx quarantine list`: records that could not be processed.

use super::SelectArgs;
use crate::advice::unanswered;
use crate::command::{Execute, block_on};
use crate::error::Error;
use crate::render::notes::by_reason;
use crate::render::numbers::count;
use crate::render::style::DIM;
use crate::render::{printable, table};
use crate::report::{FormatArg, Report};
use abx_functions::ports::{Quarantine as _, Quarantined};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// List the records that could not be processed, the newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx quarantine list
  abx quarantine list --reason not_json --since 90d
  abx quarantine list --table abx-catalog --metrics-table abx-metrics --format json")]
pub struct Args {
    #[command(flatten)]
    select: SelectArgs,
    /// Only records with this reason
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// The largest number of records to list
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    format: FormatArg,
}

/// The records that could not be processed, the newest first.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct QuarantineListReport {
    store: String,
    #[schemars(with = "String")]
    since: Timestamp,
    /// The number of records by reason, including those that are not shown.
    reasons: BTreeMap<String, u64>,
    records: Vec<RecordSummary>,
}

/// A record without its bytes.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct RecordSummary {
    /// `stream/shard:sequence`.
    pub(super) id: String,
    #[schemars(with = "String")]
    pub(super) arrived_at: Timestamp,
    /// A word for what is wrong.
    pub(super) reason: String,
    pub(super) detail: String,
    pub(super) bytes: usize,
}

impl Execute for Args {
    type Report = QuarantineListReport;

    /// Reads the records.
    fn execute(&self) -> Result<QuarantineListReport, Error> {
        block_on(async {
            let quarantine = self.select.open().await?;
            let since = self.select.since();
            let mut reasons = quarantine.count(since).await.map_err(unanswered)?;
            let records = match &self.reason {
                Some(reason) => {
                    reasons.retain(|it, _| it == reason);
                    let mut records = self.select.records(&quarantine).await?;
                    records.retain(|record| record.reason == *reason);
                    records.truncate(self.limit);
                    records
                }
                None => quarantine.list(since, self.limit).await.map_err(unanswered)?,
            };
            let records = records.iter().map(RecordSummary::new).collect();
            Ok(QuarantineListReport { store: self.select.metrics.store.name(), since, reasons, records })
        })
    }

    fn print(&self, report: &QuarantineListReport) -> String {
        self.format.print(report)
    }
}

impl RecordSummary {
    pub(super) fn new(record: &Quarantined) -> Self {
        Self {
            id: record.id.clone(),
            arrived_at: record.arrived,
            reason: record.reason.clone(),
            detail: record.detail.clone(),
            bytes: record.data.len(),
        }
    }
}

impl Report for QuarantineListReport {
    const KIND: &'static str = "quarantine-list";

    fn human(&self) -> String {
        let since = self.since.strftime("%Y-%m-%d %H:%M UTC");
        let total: u64 = self.reasons.values().sum();
        if total == 0 {
            return format!("{}: no quarantined record since {since}\n", self.store);
        }
        let rows = self.records.iter().map(|it| {
            let at = it.arrived_at.strftime("%Y-%m-%d %H:%M UTC").to_string();
            let [id, reason, detail] = [&it.id, &it.reason, &it.detail].map(|it| printable(it));
            vec![id, at, reason, count(it.bytes as u64), detail]
        });
        let mut text = table::plain(&["id", "arrived", "reason", "bytes", "what is wrong"], &[3], rows);
        let _ =
            writeln!(text, "\n  {DIM}{} since {since}: {}{DIM:#}", count(total), by_reason(&self.reasons));
        if total > self.records.len() as u64 {
            let _ = writeln!(text, "  {DIM}{} are shown: see --limit{DIM:#}", self.records.len());
        }
        text
    }
}
