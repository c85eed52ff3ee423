//! A change for a pull request: what a reviewer decides by is on top, the rest is folded.

use super::{Matrix, PINS, broken, field, in_words, is_only_broken, most_moved, summary};
use crate::render::numbers::count;
use abx_core::change::{Change, Diff, DocumentChange, FieldChange};
use abx_core::finding::Severity;
use std::fmt::Write as _;

/// The comment, without its title.
#[must_use]
pub fn markdown(diff: &Diff) -> String {
    if diff.documents.is_empty() {
        return "Nothing changes.\n".to_owned();
    }
    let mut text = String::from("| document | moved | had to | avoidable |\n|---|---:|---:|---:|\n");
    for document in diff.documents.iter().filter(|it| !is_only_broken(it)) {
        let _ = writeln!(text, "{}", row(document));
    }
    let _ = writeln!(text, "\n{}.\n", summary(diff));
    text.push_str(&findings(diff));
    diff.documents.iter().filter(|it| has_details(it)).for_each(|it| text.push_str(&details(it)));
    if diff.documents.iter().any(|it| !it.flows.is_empty()) {
        let _ = writeln!(text, "<sub>{PINS}</sub>");
    }
    text
}

fn row(document: &DocumentChange) -> String {
    let name = name(document);
    match (&document.change, most_moved(document)) {
        (Change::Added, _) => format!("| {name} is new | | | |"),
        (Change::Removed, _) => format!("| {name} is gone | | | |"),
        (_, Some(flow)) => {
            let avoidable = if flow.avoidable.is_none() {
                "-".to_owned()
            } else {
                format!("**{}**", flow.avoidable.percent())
            };
            format!("| {name} | {} | {} | {avoidable} |", flow.moved.percent(), flow.minimum.percent())
        }
        (_, None) => format!("| {name} | - | - | - |"),
    }
}

fn name(document: &DocumentChange) -> String {
    let in_code = |name: &str| match name.split_once(' ') {
        Some((kind, key)) => format!("{kind} {}", code(key)),
        None => name.to_owned(),
    };
    match &document.change {
        Change::Renamed(was) => format!("{} (was {})", in_code(&document.document), in_code(was)),
        _ => in_code(&document.document),
    }
}

fn findings(diff: &Diff) -> String {
    let mut text = broken(diff).map(|it| format!("- ❌ {it}\n")).unwrap_or_default();
    for document in diff.documents.iter().filter(|it| !is_only_broken(it)) {
        for finding in &document.findings {
            let sign = if finding.severity == Severity::Error { "❌" } else { "⚠️" };
            let at =
                if finding.path.is_empty() { String::new() } else { format!(", {}", code(&finding.path)) };
            let _ = writeln!(
                text,
                "- {sign} **{}** in {}{at}: {}",
                finding.code,
                name(document),
                escape(&finding.message)
            );
            if let Some(help) = &finding.help {
                let is_command = help.starts_with("abx ");
                let _ = writeln!(text, "  <br>{}", if is_command { code(help) } else { escape(help) });
            }
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn has_details(document: &DocumentChange) -> bool {
    let DocumentChange { fields, flows, notes, counted, .. } = document;
    !fields.is_empty() || !flows.is_empty() || !notes.is_empty() || counted.is_some()
}

fn details(document: &DocumentChange) -> String {
    let mut text = format!("<details><summary>{}</summary>\n\n", document.document);
    if !document.fields.is_empty() {
        text.push_str("| field | before | after |\n|---|---|---|\n");
        document.fields.iter().for_each(|it| text.push_str(&field_row(it)));
        text.push('\n');
    }
    for note in &document.notes {
        let _ = writeln!(text, "{}\n", escape(note));
    }
    for flow in &document.flows {
        let _ = writeln!(text, "{}\n{}.\n", matrix(&Matrix::of_flow(flow)), in_words(flow));
    }
    if let Some(counted) = &document.counted {
        let table = matrix(&Matrix::of_units(counted));
        let _ = writeln!(text, "{table}\n{} of them get something else.\n", count(counted.moved));
    }
    text + "</details>\n\n"
}

fn field_row(change: &FieldChange) -> String {
    let shown = |text: &str, is_there: bool| if is_there { code(text) } else { String::new() };
    let (before, after) = field(change);
    let (before, after) = (shown(&before, change.before.is_some()), shown(&after, change.after.is_some()));
    format!("| {} | {before} | {after} |\n", code(&change.path))
}

fn matrix(matrix: &Matrix) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = format!("|---|{}\n", "---:|".repeat(matrix.header.len().saturating_sub(1)));
    let rows: String = matrix.rows.iter().map(|row| line(row)).collect();
    line(&matrix.header) + &rule + &rows
}

/// A text as code, in a cell of a table too. What is in it makes no markup, no link and calls nobody.
#[must_use]
pub fn code(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ").replace('|', "\\|");
    // A fence is longer than any run of backticks in it.
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let space = if longest > 0 { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

/// A sentence of ours that may quote a document.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('|', "\\|").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_document_says_stays_text() {
        assert_eq!(code("a|b"), "`a\\|b`");
        assert_eq!(code("a``b\nc"), "``` a``b c ```");
        assert_eq!(escape("<img> & | x"), "&lt;img> &amp; \\| x");
    }
}
