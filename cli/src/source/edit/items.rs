//! Appending a mapping to a list of a document.

use super::super::mark::SourceMark;
use super::super::yaml;
use super::layout::{ItemText, Layout, line_of, margin, newline};
use super::{TextEdit, proven};
use serde_json::Value;

/// A mapping to append to a list.
#[derive(Debug, Clone, PartialEq)]
pub struct NewItem {
    /// Its value.
    pub value: Value,
    /// Its lines, the first of which stands behind the dash. A line below a field is indented by two spaces.
    pub lines: Vec<String>,
}

/// The text with a mapping behind the last one of a list of the document at an index. The list is named by its fields, from the
/// outermost on, and is made where it is missing. `None`: the document is written in a way that cannot be edited safely.
#[must_use]
pub fn append_item(text: &str, document: usize, list: &[&str], item: &NewItem) -> Option<String> {
    let parsed = yaml::parse(text);
    let (value, mark) = parsed.documents.get(document)?;
    let (outermost, (name, above)) = (list.first()?, list.split_last()?);
    let edits = edits(text, mark, above, name, item)?;
    let mut expected = value.clone();
    let mut here = &mut expected;
    for field in list {
        if here.is_null() {
            *here = Value::Object(serde_json::Map::new());
        }
        here = here.as_object_mut()?.entry(*field).or_insert(Value::Null);
    }
    match here {
        Value::Array(items) => items.push(item.value.clone()),
        Value::Null => *here = Value::Array(vec![item.value.clone()]),
        _ => return None,
    }
    let changed = expected.get_mut(*outermost)?.take();
    proven(text, edits, &parsed, document, [((*outermost).to_owned(), changed)])
}

fn edits(text: &str, mark: &SourceMark, above: &[&str], name: &str, item: &NewItem) -> Option<Vec<TextEdit>> {
    let mut here = mark;
    let mut named = None;
    for field in above {
        let (field, value) = here.field(field)?;
        (here, named) = (value, Some(field));
    }
    if let Some((field, list)) = here.field(name) {
        if !list.items().is_empty() {
            return Layout::of(text, list)?.add(&[ItemText { lines: item.lines.clone() }]);
        }
        // Nothing, or empty brackets, stands behind the name.
        let written = text.get(list.span.clone())?.trim_end();
        let removed = list.span.start..list.span.start + written.len();
        let line = line_of(text, field.start)?;
        let margin = margin(text.get(line.start..field.start)?)?;
        let added = below(text, line.end, &lines_of(item, &margin));
        let is_empty = written.is_empty() || written == "[]" && line.contains(&removed.start);
        let cleared = TextEdit { span: removed, text: String::new() };
        return is_empty.then(|| if written.is_empty() { vec![added] } else { vec![cleared, added] });
    }
    let Some(first) = here.first_name() else {
        // The mapping has no fields yet: it is an empty value behind its name.
        let field = named?;
        let line = line_of(text, field.start)?;
        let margin = margin(text.get(line.start..field.start)?)? + "  ";
        let lines = [vec![format!("{margin}{name}:")], lines_of(item, &margin)].concat();
        let is_empty = text.get(here.span.clone())?.trim().is_empty();
        return is_empty.then(|| vec![below(text, line.end, &lines)]);
    };
    if text.get(here.span.start..)?.starts_with('{') {
        return None;
    }
    let line = line_of(text, first.start)?;
    let margin = margin(text.get(line.start..first.start)?)?;
    let lines = [vec![format!("{margin}{name}:")], lines_of(item, &margin)].concat();
    Some(vec![below(text, line_of(text, here.end(text))?.end, &lines)])
}

/// The lines of an item of a list whose name has this margin.
fn lines_of(item: &NewItem, margin: &str) -> Vec<String> {
    let dash = |index: usize| if index == 0 { "- " } else { "  " };
    item.lines.iter().enumerate().map(|(index, it)| format!("{margin}  {}{it}", dash(index))).collect()
}

/// Adds lines behind the line that ends at a byte.
fn below(text: &str, at: usize, lines: &[String]) -> TextEdit {
    let newline = newline(text);
    TextEdit { span: at..at, text: lines.iter().flat_map(|line| [newline, line]).collect() }
}
