//! `abx list`: all documents, and where each of them is.

use crate::command::Execute;
use crate::error::Error;
use crate::inputs::SourcesArgs;
use crate::render::numbers::plural;
use crate::render::printable;
use crate::render::style::{DIM, TITLE};
use crate::report::{FindingCounts, Format, FormatArg, Report};
use crate::source::{Checked, DocumentPlaces, FilePlace};
use abx_core::finding::Path;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;

/// The width that reports fit in.
const COLUMNS: usize = 80;

/// List all experiments, flags, segments, layers, holdouts and rule tests, with status, owner and file
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx list
  abx list @head --table abx-catalog
  abx list --json | jq -r '.documents[] | select(.status == \"active\") | .key'")]
pub struct Args {
    #[command(flatten)]
    documents: SourcesArgs,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    #[command(flatten)]
    format: FormatArg,
}

/// The documents.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ListReport {
    #[serde(flatten)]
    counts: FindingCounts,
    /// By kind, then in the order of the files. Those with errors are among them.
    documents: Vec<ListRow>,
}

/// A document, or a part of the catalog document.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct ListRow {
    kind: Kind,
    key: String,
    /// The status of an experiment as it is written; `enabled` or `disabled` of a flag.
    status: Option<String>,
    owner: Option<String>,
    description: Option<String>,
    file: String,
    line: usize,
}

/// The kind of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Experiment,
    Flag,
    Segment,
    Layer,
    Holdout,
    Tests,
}

impl Kind {
    /// The kinds, as reports order them, and the words for one of each.
    const ALL: [(Self, &'static str); 6] = [
        (Self::Experiment, "experiment"),
        (Self::Flag, "flag"),
        (Self::Segment, "segment"),
        (Self::Layer, "layer"),
        (Self::Holdout, "holdout"),
        (Self::Tests, "test document"),
    ];
}

impl Execute for Args {
    type Report = ListReport;

    /// Reads the documents; those with errors are listed as well.
    fn execute(&self) -> Result<ListReport, Error> {
        let checked = self.documents.check()?;
        let mut documents = rows(&checked);
        documents.sort_by_key(|row| row.kind);
        Ok(ListReport { counts: FindingCounts::of(&checked.findings), documents })
    }

    fn print(&self, report: &ListReport) -> String {
        let format = if self.json { FormatArg { format: Format::Json } } else { self.format };
        format.print(report)
    }
}

fn rows(checked: &Checked) -> Vec<ListRow> {
    let places = checked.places();
    let mut rows = Vec::new();
    for (_, value) in &checked.values {
        rows.extend(document(value, Kind::Experiment, "experiment", &places));
        rows.extend(document(value, Kind::Flag, "flag", &places));
        for (kind, list) in
            [(Kind::Segment, "segments"), (Kind::Layer, "layers"), (Kind::Holdout, "holdouts")]
        {
            let parts = value.pointer(&format!("/catalog/{list}")).and_then(Value::as_array);
            for (index, part) in parts.into_iter().flatten().enumerate() {
                let path = Path::of("catalog").field(list).index(index).field("key");
                let place = places.of_name("catalog", &path);
                rows.extend(text(part, "key").zip(place).map(|(key, place)| row(kind, key, part, place)));
            }
        }
    }
    for suite in &checked.tests {
        let place = places.of(suite.document, &Path::of("tests"));
        rows.extend(place.map(|place| row(Kind::Tests, suite.key.clone(), &Value::Null, place)));
    }
    rows
}

/// The row of a document of a kind.
fn document(value: &Value, kind: Kind, name: &str, places: &DocumentPlaces<'_>) -> Option<ListRow> {
    let key = text(value, name)?;
    let place = places.of_name(&format!("{name} {key}"), &Path::of(name.to_owned()))?;
    let is_enabled = value.get("enabled").and_then(Value::as_bool);
    let enabled = is_enabled.map(|it| if it { "enabled" } else { "disabled" }.to_owned());
    let status = if kind == Kind::Flag { enabled } else { text(value, "status") };
    Some(ListRow { status, ..row(kind, key, value, place) })
}

fn row(kind: Kind, key: String, value: &Value, place: FilePlace) -> ListRow {
    let (owner, description) = (text(value, "owner"), text(value, "description"));
    ListRow { kind, key, status: None, owner, description, file: place.file, line: place.line }
}

fn text(value: &Value, field: &str) -> Option<String> {
    value.get(field)?.as_str().map(str::to_owned)
}

/// The rows of a kind in columns, with their files in the last one or, `by_file`, in lines above them; and true if all of it fits.
fn section(rows: &[&ListRow], by_file: bool) -> (String, bool) {
    let cell = |text: Option<&String>| text.map_or("-".to_owned(), |it| printable(it));
    let cells = |row: &&ListRow| {
        [printable(&row.key), cell(row.status.as_ref()), cell(row.owner.as_ref()), printable(&row.file)]
    };
    let cells: Vec<[String; 4]> = rows.iter().map(cells).collect();
    // A column that says nothing is left out.
    let width = |index: usize| {
        let width = cells.iter().filter_map(|row| row.get(index)).map(|it| it.chars().count()).max();
        width.filter(|_| cells.iter().any(|row| row.get(index).is_some_and(|it| it != "-")))
    };
    let (key, status, owner) = (width(0).unwrap_or_default(), width(1), width(2));
    let widths = [Some(key), status, owner];
    let columns = |row: &[String; 4]| {
        let shown = row.iter().zip(widths).filter_map(|(text, width)| Some(format!("{text:<0$}", width?)));
        shown.collect::<Vec<_>>().join("  ")
    };
    // A long key must not move all others out of sight.
    let is_wide = widths.iter().flatten().map(|width| width + 2).sum::<usize>() + 2 > COLUMNS;
    let stacked = |row: &[String; 4]| {
        let shown = row.iter().zip(widths).filter(|(_, width)| width.is_some()).map(|(text, _)| text);
        let mut lines = vec!["    ".to_owned()];
        for text in shown {
            match lines.last_mut() {
                Some(line) if line.trim().is_empty() => line.push_str(text),
                Some(line) if line.chars().count() + 2 + text.chars().count() <= COLUMNS => {
                    line.extend(["  ", text]);
                }
                _ => lines.push(format!("      {text}")),
            }
        }
        lines.join("\n")
    };
    let fits = |row: &[String; 4]| {
        let [.., file] = row;
        columns(row).chars().count() + file.chars().count() + 4 <= COLUMNS
    };
    let mut text = String::new();
    let mut last = None;
    for row in &cells {
        let [.., file] = row;
        if by_file && last.replace(file) != Some(file) {
            let _ = writeln!(text, "  {DIM}{file}{DIM:#}");
        }
        let _ = if by_file && is_wide {
            writeln!(text, "{}", stacked(row))
        } else if by_file {
            writeln!(text, "    {}", columns(row).trim_end())
        } else {
            writeln!(text, "  {}  {DIM}{file}{DIM:#}", columns(row))
        };
    }
    (text, cells.iter().all(fits))
}

impl Report for ListReport {
    const KIND: &'static str = "list";

    fn human(&self) -> String {
        let of_kind = |kind| self.documents.iter().filter(move |row| row.kind == kind).collect::<Vec<_>>();
        let kinds = Kind::ALL.map(|(kind, word)| (word, of_kind(kind)));
        let kinds: Vec<_> = kinds.into_iter().filter(|(_, rows)| !rows.is_empty()).collect();
        // One form for all kinds, which are read together.
        let by_file = !kinds.iter().all(|(_, rows)| section(rows, false).1);
        let mut text = String::new();
        for (word, rows) in &kinds {
            let _ = writeln!(text, "{TITLE}{word}s{TITLE:#}\n{}", section(rows, by_file).0);
        }
        let counts: Vec<String> = kinds.iter().map(|(word, rows)| plural(rows.len(), word)).collect();
        let counts = if counts.is_empty() { "no documents".to_owned() } else { counts.join(", ") };
        let _ = writeln!(text, "{counts}");
        if self.counts.errors > 0 {
            let _ = writeln!(text, "{}: see `abx validate`", plural(self.counts.errors, "error"));
        }
        text
    }
}
