//! `abx forget`: all stored data of one unit, and its erasure.

mod archive;

use crate::advice::unanswered;
use crate::command::{Execute, block_on};
use crate::error::Error;
use crate::render::numbers::count;
use crate::render::style::{DIM, GOOD, TITLE};
use crate::report::{FormatArg, Report};
use crate::stores::MetricsArgs;
use abx_core::event::MarkSubject;
use abx_functions::ports::{PersonalData as _, Quarantine as _, Quarantined};
use archive::ArchiveFile;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::fmt::{self, Write as _};
use std::path::PathBuf;

/// Erase all stored data of one unit; without --yes only list it
///
/// Erases stored assignments, marks (proofs of a first exposure or conversion), quarantined records, and the lines of
/// archive files. Counts stay: no counter names a unit. The stream keeps events until its retention ends, and if the
/// unit comes back, it counts as a new one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx forget user_123
  abx forget user_123 --yes
  abx forget user_123 --table abx-catalog --archive downloaded/ --yes")]
pub struct Args {
    /// The unit, exactly as it was sent
    unit: String,
    #[command(flatten)]
    metrics: MetricsArgs,
    /// The DynamoDB table of assignments, with `--table`
    #[arg(long, value_name = "NAME", requires = "table", default_value = "abx-assignments")]
    assignments_table: String,
    /// The DynamoDB table of marks, with `--table`
    #[arg(long, value_name = "NAME", requires = "table", default_value = "abx-marks")]
    marks_table: String,
    /// Archive files (.jsonl, .gz) or folders of them, which are rewritten without the unit's lines; by default the archive
    /// beside the file of the store. Objects of S3 are downloaded before and uploaded again afterwards
    #[arg(long, value_name = "PATH")]
    archive: Vec<PathBuf>,
    /// Erase, instead of only listing what is stored
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    format: FormatArg,
}

/// The stored data of a unit, and whether it is erased.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ForgetReport {
    unit: String,
    store: String,
    /// Experiments with a stored assignment.
    assignments: Vec<String>,
    /// Proofs of a first exposure or conversion, and of events' ids.
    marks: Vec<MarkReport>,
    /// Events that wait in the file of the store.
    events: u64,
    /// Ids of quarantined records.
    quarantined: Vec<String>,
    /// Archive files with lines of the unit.
    archive: Vec<ArchiveFile>,
    /// Archive files that were read.
    archive_files_read: usize,
    /// True if all of it is erased; otherwise it is only listed.
    erased: bool,
}

/// A mark of the unit.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(tag = "of", rename_all = "snake_case")]
enum MarkReport {
    /// Its first exposure.
    Exposure { experiment: String, epoch: u32 },
    /// Its first conversion for a metric.
    Conversion { experiment: String, epoch: u32, metric: String },
    /// An event with an `event_id`, of which the hash is stored.
    Event { id_hash: String },
}

impl Execute for Args {
    type Report = ForgetReport;

    /// Lists what is stored, and erases it if asked to.
    fn execute(&self) -> Result<ForgetReport, Error> {
        if self.unit.trim().is_empty() {
            return Err(Error::caller("the unit is blank").help("give the id exactly as it was sent"));
        }
        block_on(async {
            let backend = self.metrics.store.open_existing(self.yes).await?;
            let data = backend.personal_data(&self.assignments_table, &self.marks_table);
            let quarantine = self.metrics.quarantine(&backend);
            let held = data.held(&self.unit).await.map_err(unanswered)?;
            let quarantined = quarantine.list(Timestamp::MIN, usize::MAX).await.map_err(unanswered)?;
            let quarantined: Vec<Quarantined> =
                quarantined.into_iter().filter(|record| is_of(record, &self.unit)).collect();
            let files = archive::find(&self.archive_paths()?)?;
            let archive = archive::lines_of(&files, &self.unit)?;
            let mut report = ForgetReport {
                unit: self.unit.clone(),
                store: self.metrics.store.name(),
                assignments: held.assignments,
                marks: held.marks.iter().map(|mark| MarkReport::new(&mark.subject)).collect(),
                events: held.events,
                quarantined: quarantined.iter().map(|record| record.id.clone()).collect(),
                archive,
                archive_files_read: files.len(),
                erased: false,
            };
            if self.yes {
                // The store comes last: as long as it has the unit, a repetition finds what an interruption left.
                archive::erase(&report.archive, &self.unit)?;
                for record in &quarantined {
                    quarantine.remove(record).await.map_err(unanswered)?;
                }
                data.erase(&self.unit).await.map_err(unanswered)?;
                report.erased = true;
            }
            Ok(report)
        })
    }

    fn print(&self, report: &ForgetReport) -> String {
        self.format.print(report)
    }
}

impl Args {
    /// The archive files or folders to read; the one beside the store may not be there.
    fn archive_paths(&self) -> Result<Vec<PathBuf>, Error> {
        if let Some(missing) = self.archive.iter().find(|path| !path.exists()) {
            return Err(Error::world(format!("{}: no such file or folder", missing.display())));
        }
        if !self.archive.is_empty() {
            return Ok(self.archive.clone());
        }
        let beside = self.metrics.store.archive_folder().filter(|path| path.exists());
        Ok(beside.into_iter().collect())
    }
}

impl MarkReport {
    fn new(mark: &MarkSubject<'_>) -> Self {
        match mark {
            MarkSubject::Exposure { experiment, epoch } => {
                Self::Exposure { experiment: experiment.to_string(), epoch: *epoch }
            }
            MarkSubject::Conversion { experiment, epoch, metric } => Self::Conversion {
                experiment: experiment.to_string(),
                epoch: *epoch,
                metric: metric.to_string(),
            },
            MarkSubject::Event(id) => Self::Event { id_hash: format!("{id:016x}") },
        }
    }
}

impl fmt::Display for MarkReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exposure { experiment, epoch } => write!(f, "{experiment} (epoch {epoch})"),
            Self::Conversion { experiment, epoch, metric } => {
                write!(f, "{experiment} (epoch {epoch}): {metric}")
            }
            Self::Event { id_hash } => write!(f, "event id {id_hash}"),
        }
    }
}

/// True if a quarantined record is of a unit, as far as that can be read: most of them are no valid events.
fn is_of(record: &Quarantined, unit: &str) -> bool {
    let value: Value = serde_json::from_slice(&record.data).unwrap_or_default();
    ["unit", "user_id"].iter().any(|name| match value.get(name) {
        Some(Value::String(text)) => text == unit,
        Some(Value::Number(number)) => number.to_string() == unit,
        _ => false,
    })
}

impl ForgetReport {
    fn is_empty(&self) -> bool {
        self.assignments.is_empty()
            && self.marks.is_empty()
            && self.events == 0
            && self.quarantined.is_empty()
            && self.archive.is_empty()
    }
}

impl Report for ForgetReport {
    const KIND: &'static str = "forget";

    fn human(&self) -> String {
        let files = self.archive_files_read;
        let read = format!("{} archive file{}", count(files as u64), if files == 1 { "" } else { "s" });
        let mut text = format!("{TITLE}{}{TITLE:#} {DIM}and {read}{DIM:#}\n", self.store);
        if self.is_empty() {
            let _ = writeln!(text, "  nothing is stored of this unit");
            return text;
        }
        let marks: Vec<String> = self.marks.iter().map(ToString::to_string).collect();
        let mut part = |name: &str, number: u64, list: &[String]| {
            if number > 0 {
                let _ = writeln!(text, "  {name:<12} {:>6}  {DIM}{}{DIM:#}", count(number), list.join(", "));
            }
        };
        part("assignments", self.assignments.len() as u64, &self.assignments);
        part("marks", marks.len() as u64, &marks);
        part("events", self.events, &[]);
        part("quarantined", self.quarantined.len() as u64, &self.quarantined);
        for file in &self.archive {
            part("archived", file.lines, std::slice::from_ref(&file.file));
        }
        let _ = if self.erased {
            writeln!(
                text,
                "{GOOD}erased{GOOD:#}; the counts stay, and a stream keeps its events until its retention ends"
            )
        } else {
            writeln!(text, "nothing was erased: add --yes")
        };
        text
    }
}
