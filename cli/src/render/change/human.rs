//! A change for a person at a terminal.

use super::{Matrix, PINS, broken, field, in_words, is_only_broken, summary};
use crate::render::numbers::count;
use crate::render::style::{BAD, DIM, GOOD};
use crate::render::table;
use abx_core::change::{Change, ChangeFinding, Diff, DocumentChange, Flow, UnitChanges};
use abx_core::finding::Severity;
use std::fmt::Write as _;

/// All documents: a line for each, its fields, where its units go, and what that spoils. May hold ANSI styles.
#[must_use]
pub fn human(diff: &Diff) -> String {
    let mut text = String::new();
    for change in [Change::Added, Change::Removed] {
        let (style, sign) = if change == Change::Added { (GOOD, '+') } else { (BAD, '-') };
        for document in diff.documents.iter().filter(|it| it.change == change) {
            let _ = writeln!(text, "  {style}{sign}{style:#} {}", document.document);
            document.findings.iter().for_each(|it| text.push_str(&finding(it)));
        }
    }
    let is_told =
        |it: &&DocumentChange| matches!(it.change, Change::Added | Change::Removed) || is_only_broken(it);
    for document in diff.documents.iter().filter(|it| !is_told(it)) {
        text.push_str(&both(document));
    }
    if let Some(broken) = broken(diff) {
        let _ = writeln!(text, "  {BAD}!{BAD:#} {broken}");
    }
    let _ = writeln!(text, "  {DIM}{}{DIM:#}", summary(diff));
    if diff.documents.iter().any(|it| !it.flows.is_empty()) {
        let _ = writeln!(text, "  {DIM}{PINS}{DIM:#}");
    }
    text
}

/// A document that is on both sides.
fn both(document: &DocumentChange) -> String {
    let what = match &document.change {
        Change::Renamed(was) => format!(" was {was}"),
        Change::Affected => " is unchanged, but something that it uses has changed".to_owned(),
        _ => String::new(),
    };
    let mut text = format!("  ~ {}{what}\n", document.document);
    for change in &document.fields {
        let (before, after) = field(change);
        let _ = writeln!(text, "      {}: {before} -> {after}", change.path);
    }
    for note in &document.notes {
        let _ = writeln!(text, "      {note}");
    }
    text + &consequences(document)
}

/// Renders the flow of units of a document and the problems that it causes.
#[must_use]
pub fn consequences(document: &DocumentChange) -> String {
    let flows = document.flows.iter().map(flow);
    let counted = document.counted.iter().map(counted);
    flows.chain(counted).chain(document.findings.iter().map(finding)).collect()
}

/// Renders a flow of units as a table.
fn flow(flow: &Flow) -> String {
    matrix(&Matrix::of_flow(flow)) + &format!("      {}\n", in_words(flow))
}

fn counted(counted: &UnitChanges) -> String {
    let table = matrix(&Matrix::of_units(counted));
    format!("{table}      {} of them move\n", count(counted.moved))
}

fn matrix(matrix: &Matrix) -> String {
    let header: Vec<&str> = matrix.header.iter().map(String::as_str).collect();
    let right: Vec<usize> = (1..header.len()).collect();
    let table = table::plain(&header, &right, matrix.rows.iter().cloned());
    table.lines().flat_map(|line| ["    ", line, "\n"]).collect()
}

fn finding(finding: &ChangeFinding) -> String {
    let style = if finding.severity == Severity::Error { BAD } else { DIM };
    let at = if finding.path.is_root() { String::new() } else { format!("{}: ", finding.path) };
    let title = format!("{}[{}]", finding.severity, finding.code);
    let message = wrapped(&format!("{at}{}", finding.message), 6 + title.len() + 1, 8);
    let mut text = format!("      {style}{title}{style:#} {message}\n");
    if let Some(help) = &finding.help {
        let _ = writeln!(text, "        help: {}", wrapped(help, 14, 14));
    }
    text
}

/// Breaks a sentence into lines of up to 80 columns: the first begins after `used` of them, and the others after `indent`.
/// A command stays whole, because it is to be pasted.
fn wrapped(sentence: &str, used: usize, indent: usize) -> String {
    const WIDTH: usize = 80;
    if sentence.starts_with("abx ") {
        return sentence.to_owned();
    }
    let (mut text, mut column) = (String::new(), used);
    // A number stays with its sign.
    for word in sentence.replace(" %", "\u{a0}%").split(' ') {
        let length = word.chars().count();
        if column + length > WIDTH && !text.is_empty() {
            text.truncate(text.trim_end().len());
            let _ = write!(text, "\n{:indent$}", "");
            column = indent;
        }
        let _ = write!(text, "{word} ");
        column += length + 1;
    }
    text.trim_end().replace('\u{a0}', " ")
}
