//! Single fields of a document: a value in the place of another one, or a new field behind a known one.

use super::super::mark::SourceMark;
use super::super::yaml;
use super::{TextEdit, layout, proven, quoted};
use serde_json::Value;
use std::fmt;

/// A field of a document as it shall be.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetField<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value, a text or a number.
    pub value: Value,
    /// The fields that it may stand behind where it is not there yet: the first that the document has.
    pub behind: &'a [&'a str],
}

/// Writes the field as a line of a document.
impl fmt::Display for TargetField<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, shown(&self.value, ""))
    }
}

/// The text with some fields of the document at an index. `None`: it is written in a way that cannot be edited safely.
#[must_use]
pub fn edit_fields(text: &str, document: usize, wanted: &[TargetField<'_>]) -> Option<String> {
    let parsed = yaml::parse(text);
    let (value, mark) = parsed.documents.get(document)?;
    let differs = |it: &&TargetField<'_>| value.get(it.name) != Some(&it.value);
    let edits = wanted.iter().filter(differs).map(|it| edit(text, mark, it)).collect::<Option<Vec<_>>>()?;
    let fields = wanted.iter().map(|it| (it.name.to_owned(), it.value.clone()));
    proven(text, edits, &parsed, document, fields)
}

fn edit(text: &str, mark: &SourceMark, wanted: &TargetField<'_>) -> Option<TextEdit> {
    match mark.field(wanted.name) {
        Some((name, value)) => replace(text, name.end, value, &wanted.value),
        None => add(text, mark, wanted),
    }
}

/// Writes a value in the place of another one, in the same quotes. The name of the field ends at `name_end`.
fn replace(text: &str, name_end: usize, old: &SourceMark, value: &Value) -> Option<TextEdit> {
    let written = text.get(old.span.clone())?.trim_end();
    if written.is_empty() {
        let colon = name_end + text.get(name_end..)?.find(':')? + 1;
        return Some(TextEdit { span: colon..colon, text: format!(" {}", shown(value, "")) });
    }
    let span = old.span.start..old.span.start + written.len();
    // Several lines may hold comments.
    let is_line = !written.contains('\n');
    is_line.then(|| TextEdit { span, text: shown(value, quote(written)) })
}

/// Adds a field behind the first of those that are named: in the same braces, or in a line of its own.
fn add(text: &str, mark: &SourceMark, wanted: &TargetField<'_>) -> Option<TextEdit> {
    let (name, before) = wanted.behind.iter().find_map(|name| mark.field(name))?;
    let quote = quote(text.get(name.clone())?);
    let field = format!("{quote}{}{quote}: {}", wanted.name, shown(&wanted.value, quote));
    let end = before.end(text).max(name.end);
    if text.get(mark.span.start..)?.starts_with('{') {
        return Some(TextEdit { span: end..end, text: format!(", {field}") });
    }
    let line = layout::line_of(text, name.start)?;
    let margin = layout::margin(text.get(line.start..name.start)?)?;
    let end = layout::line_of(text, end)?.end;
    Some(TextEdit { span: end..end, text: format!("{}{margin}{field}", layout::newline(text)) })
}

/// The quotes that a text is written in.
fn quote(written: &str) -> &str {
    written.get(..1).filter(|it| matches!(*it, "'" | "\"")).unwrap_or_default()
}

fn shown(value: &Value, quote: &str) -> String {
    match value {
        Value::String(text) if quote.is_empty() => quoted(text),
        Value::String(text) => format!("{quote}{text}{quote}"),
        other => other.to_string(),
    }
}
