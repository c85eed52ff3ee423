//! Can these records be processed now? And, with `--yes`: process them.

use super::list::by_reason;
use super::{Kept, SelectArgs};
use crate::commands::dev::archive_beside;
use crate::commands::publish::head;
use crate::commands::store::{block_on, open_file, unanswered};
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::render::style::{BAD, DIM, GOOD, TITLE};
use crate::render::{printable, table};
use crate::report::{FormatArg, Report};
use abx_functions::adapters::aws::{self, Budget, DynamoMetrics, FirehoseArchive};
use abx_functions::adapters::embedded::JsonlArchive;
use abx_functions::catalog::{CatalogHolder, Snapshot};
use abx_functions::events::{Replayed, Replayer};
use abx_functions::ports::{Archive, CatalogStore, MetricStore, PortError, Quarantine as _, Quarantined};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// Send quarantined records through the handler again; without --yes only show which
///
/// For after what was wrong is mended: a newer abx, fewer experiments on one event. The handler runs here, over the store or the
/// tables. A record that is counted is forgotten afterwards, one that is refused again stays. Whenever this ends, and however often
/// it is repeated, each record is counted once. Ends with 1 if one is refused again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx quarantine replay
  abx quarantine replay --reason too_many_rows --yes
  abx quarantine replay local/shardId-000000000000:7 --yes
  abx quarantine replay --table abx-catalog --metrics-table abx-metrics --yes")]
pub struct Args {
    /// The records, as `abx quarantine list` names them; all by default
    ids: Vec<String>,
    #[command(flatten)]
    select: SelectArgs,
    /// Only records with this reason
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Replay them, instead of only showing which
    #[arg(long)]
    yes: bool,
    /// The DynamoDB table of marks, with `--table`
    #[arg(long, value_name = "NAME", requires = "table", default_value = "abx-marks")]
    marks_table: String,
    /// The Firehose stream of the archive, with `--table`
    #[arg(long, value_name = "NAME", requires = "table", default_value = "abx-archive")]
    archive_stream: String,
    #[command(flatten)]
    pub(in crate::commands) format: FormatArg,
}

/// Which records would be replayed, or what became of each.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct QuarantineReplayReport {
    store: String,
    /// How many were chosen, by reason.
    reasons: BTreeMap<String, u64>,
    /// Whether they were replayed, or only chosen.
    replayed: bool,
    /// In the order in which they came.
    records: Vec<Record>,
    /// Why it ended before the last record; those after it are as they were.
    stopped: Option<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Record {
    id: String,
    /// Why it was quarantined.
    reason: String,
    became: Became,
    /// Why it was refused again; empty for any other.
    detail: String,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Became {
    /// It was not replayed.
    Waiting,
    /// It is counted, and no longer quarantined.
    Counted,
    /// The same, and it counts for no experiment.
    CountedForNone,
    /// It was counted before, by a replay that was cut off or as another record of its event; it is no longer quarantined.
    CountedBefore,
    /// It was refused again, and stays.
    Refused,
}

/// Chooses the records, and replays them if asked to.
pub fn run(args: &Args) -> Result<QuarantineReplayReport, Error> {
    block_on(async {
        let metrics = &args.select.metrics;
        let kept = if args.yes { Kept::open_to_write(metrics).await? } else { Kept::open(metrics).await? };
        // In the order in which they came: an exposure is before what it is the reason for.
        let mut records = args.chosen(&kept).await?;
        records.reverse();
        let mut report = QuarantineReplayReport::planned(args, &records);
        if args.yes && !records.is_empty() {
            report.replayed = true;
            args.replay(&kept, &records, &mut report).await?;
        }
        Ok(report)
    })
}

impl Args {
    /// The records that are meant, the newest first.
    async fn chosen(&self, kept: &Kept) -> Result<Vec<Quarantined>, Error> {
        let mut records = self.select.records(kept).await?;
        if let Some(unknown) = self.ids.iter().find(|id| records.iter().all(|record| record.id != **id)) {
            return Err(self.select.unknown(unknown));
        }
        records.retain(|record| {
            let by_id = self.ids.is_empty() || self.ids.contains(&record.id);
            by_id && self.reason.as_ref().is_none_or(|reason| record.reason == *reason)
        });
        Ok(records)
    }

    async fn replay(
        &self,
        kept: &Kept,
        records: &[Quarantined],
        report: &mut QuarantineReplayReport,
    ) -> Result<(), Error> {
        let store = &self.select.metrics.store;
        let catalog = store.open_to_write().await?;
        if head(&catalog).await?.is_none() {
            return Err(Error::caller(format!("nothing was ever published to {}", store.name()))
                .help("events are counted by what was published: see `abx publish`"));
        }
        let catalog = Arc::new(CatalogHolder::new(catalog, Snapshot::default()));
        if store.table.is_none() {
            let archive = JsonlArchive::new(archive_beside(&store.store));
            let replayer = Replayer::new(catalog, open_file(&store.store)?, archive);
            one_by_one(replayer, kept, records, report).await;
            return Ok(());
        }
        let config = store.config().await?;
        let client = aws::dynamodb(&config, Budget::PATIENT);
        let metrics = DynamoMetrics::new(client, &*self.select.metrics.metrics_table, &*self.marks_table);
        let archive = FirehoseArchive::new(aws::firehose(&config, Budget::PATIENT), &*self.archive_stream);
        one_by_one(Replayer::new(catalog, metrics, archive), kept, records, report).await;
        Ok(())
    }
}

/// Replays records until one meets a store that does not answer, and tells of each.
async fn one_by_one<C, M, A>(
    mut replayer: Replayer<C, M, A>,
    kept: &Kept,
    records: &[Quarantined],
    report: &mut QuarantineReplayReport,
) where
    C: CatalogStore + 'static,
    M: MetricStore,
    A: Archive,
{
    for (record, told) in records.iter().zip(&mut report.records) {
        if let Err(error) = one(&mut replayer, kept, record, told).await {
            report.stopped = Some(unanswered(error).to_string());
            break;
        }
    }
}

/// Replays a record, and forgets it once it is counted: whoever ends in between finds it counted before.
async fn one<C, M, A>(
    replayer: &mut Replayer<C, M, A>,
    kept: &Kept,
    record: &Quarantined,
    told: &mut Record,
) -> Result<(), PortError>
where
    C: CatalogStore + 'static,
    M: MetricStore,
    A: Archive,
{
    told.became = match replayer.replay(record).await? {
        Replayed::Counted { unattributed: false } => Became::Counted,
        Replayed::Counted { unattributed: true } => Became::CountedForNone,
        Replayed::CountedBefore => Became::CountedBefore,
        Replayed::Refused { reason, detail } => {
            told.detail = format!("{reason}: {detail}");
            told.became = Became::Refused;
            return Ok(());
        }
    };
    kept.remove(record).await
}

impl QuarantineReplayReport {
    fn planned(args: &Args, records: &[Quarantined]) -> Self {
        let mut reasons = BTreeMap::new();
        for record in records {
            *reasons.entry(record.reason.clone()).or_default() += 1;
        }
        let waiting = |record: &Quarantined| Record {
            id: record.id.clone(),
            reason: record.reason.clone(),
            became: Became::Waiting,
            detail: String::new(),
        };
        let records = records.iter().map(waiting).collect();
        Self { store: args.select.metrics.store.name(), reasons, replayed: false, records, stopped: None }
    }

    fn count(&self, became: Became) -> usize {
        self.records.iter().filter(|record| record.became == became).count()
    }
}

impl Became {
    const fn words(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Counted => "counted",
            Self::CountedForNone => "counted, for no experiment",
            Self::CountedBefore => "counted before",
            Self::Refused => "refused again",
        }
    }
}

impl Report for QuarantineReplayReport {
    fn human(&self) -> String {
        if self.records.is_empty() {
            return format!("{}: no quarantined record to replay\n", self.store);
        }
        let mut text = format!("{TITLE}{}{TITLE:#} {DIM}{}{DIM:#}\n", self.store, by_reason(&self.reasons));
        let rows = self.records.iter().map(|it| {
            let became = if self.replayed { it.became.words() } else { "" };
            vec![printable(&it.id), printable(&it.reason), became.to_owned(), printable(&it.detail)]
        });
        let _ = writeln!(text, "{}", table::plain(&["id", "reason", "", ""], &[], rows));
        if let Some(why) = &self.stopped {
            let _ = writeln!(text, "\n{BAD}stopped{BAD:#}: {why}");
        }
        let done = [Became::Counted, Became::CountedForNone, Became::CountedBefore].map(|it| self.count(it));
        let _ = match (self.replayed, self.count(Became::Refused)) {
            (false, _) => writeln!(text, "\nnothing was replayed: add --yes"),
            (true, 0) => writeln!(text, "\n{GOOD}{} replayed{GOOD:#}", done.iter().sum::<usize>()),
            (true, refused) => {
                writeln!(
                    text,
                    "\n{} replayed, {BAD}{refused} refused again{BAD:#}",
                    done.iter().sum::<usize>()
                )
            }
        };
        text
    }

    fn exit(&self) -> Exit {
        if self.stopped.is_some() {
            exit::WORLD
        } else if self.count(Became::Refused) > 0 {
            exit::FINDINGS
        } else {
            exit::DONE
        }
    }
}
