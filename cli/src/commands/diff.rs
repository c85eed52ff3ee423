//! `abx diff`: the units that a change moves, and the least that any such change has to move.

use crate::command::Execute;
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::inputs::{DOCUMENTS, DocumentSource, percentage};
use crate::people::{Census, PopulationArgs, check_memory};
use crate::render::change::{self, code};
use crate::render::notes::hinted;
use crate::render::numbers::{round_percent, share};
use crate::render::style::{BAD, DIM, TITLE};
use crate::report::{self, FindingCounts, Report};
use crate::source::{Checked, Corpus, LocatedFinding};
use crate::stores::StoreArgs;
use abx_core::change::{Diff, DocumentChange, FlowCounter, compare};
use abx_core::finding::Severity;
use clap::ValueEnum;
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Write as _;

/// Show which units a change of documents moves, computed exactly over all buckets
///
/// For each experiment and flag: the share of units that goes from each variant to each other one, the share that had to
/// move, and the results of running experiments that the change invalidates.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx diff main:experiments
  abx diff main:experiments experiments --max-moved 5%
  abx diff @head experiments
  abx diff @11 @12 --table abx-catalog
  abx diff old/ new/ --units-file users.csv --format markdown > comment.md

Exit code 1: NEW has errors, the change moves units or invalidates counts without need (an error), or
a document moves more than --max-moved allows.")]
pub struct Args {
    /// The documents before: files, folders, a git revision (main or main:experiments), or a published revision (@12 or @head)
    #[arg(value_name = "OLD")]
    old: DocumentSource,
    /// The documents after
    #[arg(value_name = "NEW", default_value = DOCUMENTS)]
    new: DocumentSource,
    /// Exit with 1 if a document moves more than this share of its units
    #[arg(long, value_name = "SHARE", value_parser = crate::inputs::share)]
    max_moved: Option<f64>,
    /// The same as a percentage, as it was written before
    #[arg(long, hide = true, value_name = "PERCENT", value_parser = percentage, conflicts_with = "max_moved")]
    fail_over: Option<f64>,
    #[command(flatten)]
    population: PopulationArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// Output format
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT")]
    format: DiffFormat,
}

/// The output format of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum DiffFormat {
    /// For a person
    #[default]
    Human,
    /// For a program
    Json,
    /// A comment for a pull request
    Markdown,
}

/// The differences of the documents, and the units that they move.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct DiffReport {
    /// The source of the documents before the change.
    before: String,
    /// The source of the documents after the change.
    after: String,
    /// The time that decides what runs (RFC 3339).
    #[schemars(with = "String")]
    at: Timestamp,
    /// Each document that differs.
    #[serde(flatten)]
    diff: Diff,
    /// Errors that keep documents out, each with its place.
    findings: Errors,
    /// Errors and warnings in the documents after the change.
    #[serde(flatten)]
    counts: FindingCounts,
    /// The share of units, from 0 to 1, that no document may move more of; `null` where any may.
    max_moved: Option<f64>,
    /// The documents that move more.
    over: Vec<String>,
    /// The rows of the file of users and the units in them, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<Census>,
    /// Warnings about the attributes and the file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hints: Vec<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Errors {
    before: Vec<String>,
    after: Vec<String>,
}

impl Execute for Args {
    type Report = DiffReport;

    /// Compiles both sides, and compares them.
    fn execute(&self) -> Result<DiffReport, Error> {
        // Also where no document compiles: what is wrong is part of the report.
        let load = |source: &DocumentSource| {
            DocumentSource::read(std::slice::from_ref(source), &self.store).map(Corpus::compile)
        };
        let (old, new) = (load(&self.old)?, load(&self.new)?);
        let now = self.population.at.time();
        let mut diff = compare(&old.version(), &new.version(), now);
        let mut types = old.catalog.attributes().clone();
        types.merge(new.catalog.attributes());
        let context = self.population.context.read(Some(&types))?;
        let (mut hints, mut rows) = (context.hints, None);
        if let Some(people) = self.population.file.people(&context.attributes, &types) {
            let mut counter = FlowCounter::new(&old.catalog, &new.catalog, &diff, now);
            let reading = people.each(&mut |subject| {
                counter.count(subject);
                check_memory(counter.seen())
            })?;
            rows = Some(reading.census(counter.seen()));
            hints.extend(reading.hints);
            counter.write(&mut diff);
        }
        let max_moved = self.max_moved.or(self.fail_over);
        let is_over = |it: &&DocumentChange| max_moved.is_some_and(|limit| moved(it) > limit);
        let over = diff.documents.iter().filter(is_over).map(|it| it.document.clone()).collect();
        Ok(DiffReport {
            before: self.old.to_string(),
            after: self.new.to_string(),
            at: now,
            counts: FindingCounts::of(&new.findings),
            findings: Errors { before: errors(&old), after: errors(&new) },
            max_moved,
            over,
            rows,
            hints,
            diff,
        })
    }

    fn print(&self, report: &DiffReport) -> String {
        report.print(self.format)
    }
}

fn errors(checked: &Checked) -> Vec<String> {
    let line = |it: &LocatedFinding| {
        format!("{}:{}:{}: {}", it.place.file, it.place.line, it.place.column, it.message)
    };
    checked.errors().map(line).collect()
}

/// The largest share of its units that a document moves, by hash or as counted.
fn moved(document: &DocumentChange) -> f64 {
    let counted = document.counted.iter().map(|it| share(it.moved, it.units));
    document.flows.iter().map(|flow| flow.moved.to_f64()).chain(counted).fold(0.0, f64::max)
}

impl DiffReport {
    /// The report in a format.
    #[must_use]
    pub fn print(&self, format: DiffFormat) -> String {
        match format {
            DiffFormat::Human => self.human(),
            DiffFormat::Json => report::headed_json(self),
            DiffFormat::Markdown => self.markdown(),
        }
    }

    fn markdown(&self) -> String {
        let title = format!("### Units that this moves: {} to {}\n\n", code(&self.before), code(&self.after));
        let rows = self.rows.iter().filter_map(Census::line);
        let closing: String =
            rows.chain(self.closing()).flat_map(|line| ["\n".to_owned(), line, ".\n".to_owned()]).collect();
        let command = format!("abx diff {} {}", self.before, self.after);
        title.clone() + &change::markdown(&self.diff, title.len() + closing.len(), &command) + &closing
    }

    /// Returns problems that do not belong to a single document.
    fn closing(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let (Some(limit), false) = (self.max_moved, self.over.is_empty()) {
            lines.push(format!("{} moved more than {}", self.over.join(", "), round_percent(limit)));
        }
        for (errors, side) in [(&self.findings.before, &self.before), (&self.findings.after, &self.after)] {
            const SHOWN: usize = 3;
            match errors.len() {
                0 => continue,
                1 => lines.push(format!("1 error keeps a document of {side} out")),
                count => lines.push(format!("{count} errors keep documents of {side} out")),
            }
            lines.extend(errors.iter().take(SHOWN).cloned());
            if errors.len() > SHOWN {
                lines.push(format!("abx validate {side} shows all {}", errors.len()));
            }
        }
        lines
    }

    fn has_errors(&self) -> bool {
        let findings = self.diff.documents.iter().flat_map(|document| &document.findings);
        findings.into_iter().any(|it| it.severity == Severity::Error)
    }
}

impl Report for DiffReport {
    const KIND: &'static str = "diff";

    fn human(&self) -> String {
        let at = format!("{DIM}at {}{DIM:#}", self.at.strftime("%Y-%m-%dT%H:%M:%SZ"));
        let mut text = format!("{TITLE}{} to {}{TITLE:#} {at}\n", self.before, self.after);
        text.push_str(&change::human(&self.diff));
        for line in self.rows.iter().filter_map(Census::line) {
            let _ = writeln!(text, "  {line}");
        }
        self.closing().iter().for_each(|line| {
            let _ = writeln!(text, "  {BAD}{line}{BAD:#}");
        });
        text + &hinted(&self.hints)
    }

    fn exit(&self) -> Exit {
        if self.has_errors() || !self.findings.after.is_empty() || !self.over.is_empty() {
            exit::FINDINGS
        } else {
            exit::DONE
        }
    }
}
