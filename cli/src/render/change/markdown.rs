//! A change for a pull request: what a reviewer decides by is on top, the rest is folded.

use super::{Matrix, PINS, broken, field, in_words, is_only_broken, most_moved, summary};
use crate::render::escape::{MARKDOWN, MARKDOWN_CODE, escaped};
use crate::render::numbers::count;
use abx_core::change::{Change, Diff, DocumentChange, FieldChange};
use abx_core::finding::Severity;
use std::fmt::Write as _;

/// Bytes that a comment may have. GitHub takes 65,536 characters, and a character has a byte at least.
const LONGEST: usize = 65_536;
/// Bytes that are kept free for what is said of the rest.
const NOTICE: usize = 400;

/// The comment, without its title and end, which have so many bytes. `command` shows what does not fit.
#[must_use]
pub fn markdown(diff: &Diff, around: usize, command: &str) -> String {
    if diff.documents.is_empty() {
        return "Nothing changes.\n".to_owned();
    }
    let end = if diff.documents.iter().any(|it| !it.flows.is_empty()) {
        format!("<sub>{PINS}</sub>\n")
    } else {
        String::new()
    };
    let summary = format!("\n{}.\n\n", summary(diff));
    let around = around + command.len() + end.len() + summary.len() + NOTICE;
    let mut page = MarkdownPage { text: String::new(), room: LONGEST.saturating_sub(around) };
    page.text.push_str("| document | moved | minimum | avoidable |\n|---|---:|---:|---:|\n");
    let told = || diff.documents.iter().filter(|it| !is_only_broken(it));
    let mut left_out = vec![page.add("row", told().map(|it| row(it) + "\n"))];
    page.text.push_str(&summary);
    let findings = findings(diff);
    let has_findings = !findings.is_empty();
    left_out.push(page.add("finding", findings.into_iter()));
    if has_findings {
        page.text.push('\n');
    }
    let details = diff.documents.iter().filter(|it| has_details(it)).map(details);
    left_out.push(page.add("document's details", details));
    let left_out: Vec<String> = left_out.into_iter().flatten().collect();
    if !left_out.is_empty() {
        let list = left_out.join(", ");
        let _ = writeln!(
            page.text,
            "**Left out**, because a comment has {LONGEST} characters at most: {list}. {} shows them.\n",
            code(command)
        );
    }
    page.text + &end
}

/// A text that is not filled beyond its room.
struct MarkdownPage {
    text: String,
    room: usize,
}

impl MarkdownPage {
    /// Adds the parts that fit, and says how many do not.
    fn add(&mut self, kind: &str, parts: impl Iterator<Item = String>) -> Option<String> {
        let mut left_out = 0;
        for part in parts {
            if self.text.len() + part.len() <= self.room {
                self.text.push_str(&part);
            } else {
                left_out += 1;
            }
        }
        match (left_out, kind) {
            (0, _) => None,
            (1, _) => Some(format!("1 {kind}")),
            (count, "document's details") => Some(format!("the details of {count} documents")),
            (count, _) => Some(format!("{count} {kind}s")),
        }
    }
}

fn row(document: &DocumentChange) -> String {
    let name = name(document);
    match (&document.change, most_moved(document)) {
        (Change::Added, _) => format!("| {name} is new | | | |"),
        (Change::Removed, _) => format!("| {name} is removed | | | |"),
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

/// A part for each finding, errors first.
fn findings(diff: &Diff) -> Vec<String> {
    let mut parts: Vec<(Severity, String)> =
        broken(diff).map(|it| (Severity::Error, format!("- ❌ {it}\n"))).into_iter().collect();
    for document in diff.documents.iter().filter(|it| !is_only_broken(it)) {
        for finding in &document.findings {
            let sign = if finding.severity == Severity::Error { "❌" } else { "⚠️" };
            let at = if finding.path.is_root() {
                String::new()
            } else {
                format!(", {}", code(&finding.path.to_string()))
            };
            let name = name(document);
            let mut text = format!(
                "- {sign} **{}** in {name}{at}: {}\n",
                finding.code,
                escaped(&finding.message, MARKDOWN)
            );
            if let Some(help) = &finding.help {
                let is_command = help.starts_with("abx ");
                let _ =
                    writeln!(text, "  <br>{}", if is_command { code(help) } else { escaped(help, MARKDOWN) });
            }
            parts.push((finding.severity, text));
        }
    }
    // Stable, so that the others stay in the order of the documents.
    parts.sort_by_key(|(severity, _)| *severity);
    parts.into_iter().map(|(_, text)| text).collect()
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
        let _ = writeln!(text, "{}\n", escaped(note, MARKDOWN));
    }
    for flow in &document.flows {
        let _ = writeln!(text, "{}\n{}.\n", matrix(&Matrix::of_flow(flow)), in_words(flow));
    }
    if let Some(counted) = &document.counted {
        let table = matrix(&Matrix::of_units(counted));
        let _ = writeln!(text, "{table}\n{} of them move.\n", count(counted.moved));
    }
    text + "</details>\n\n"
}

fn field_row(change: &FieldChange) -> String {
    let shown = |text: &str, is_there: bool| if is_there { code(text) } else { String::new() };
    let (before, after) = field(change);
    let (before, after) = (shown(&before, change.before.is_some()), shown(&after, change.after.is_some()));
    format!("| {} | {before} | {after} |\n", code(&change.path.to_string()))
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
    let text = escaped(text, MARKDOWN_CODE);
    // A fence is longer than any run of backticks in it.
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let space = if longest > 0 { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_document_says_stays_text() {
        assert_eq!(code("a|b"), "`a\\|b`");
        assert_eq!(code("a``b\nc"), "``` a``b c ```");
    }
}
