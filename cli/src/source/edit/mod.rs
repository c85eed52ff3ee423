//! Writes fields and the ranges of variants into the text of a document, and leaves every other byte as it is.
//!
//! Printing the document anew would lose comments, quotes and line ends, so single places of the text are replaced,
//! found by their marks. What YAML allows is more than can be foreseen; so the result is parsed again, and one that
//! is not the wanted value is no result.

mod fields;
mod file;
mod items;
mod layout;

use super::mark::SourceMark;
use super::yaml::Parsed;
use super::{scalar, yaml};
use abx_core::hash::Range as Buckets;
use layout::{ItemText, Layout};
use serde_json::{Map, Value, json};
use std::ops::Range;

pub use fields::{TargetField, edit_fields};
pub use file::{create_file, replace_file};
pub use items::{NewItem, append_item};

/// A variant as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRanges {
    /// Its key; one that is not there yet is added.
    pub key: String,
    /// Its buckets.
    pub ranges: Vec<Buckets>,
}

/// Bytes of a text and what stands there instead.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TextEdit {
    span: Range<usize>,
    text: String,
}

/// The text with `ranges` for the variants of the document at an index, and without those that are not wanted.
/// `None`: it is written in a way that cannot be edited safely.
#[must_use]
pub fn edit_variants(text: &str, document: usize, wanted: &[TargetRanges]) -> Option<String> {
    let parsed = yaml::parse(text);
    let (value, mark) = parsed.documents.get(document)?;
    let (_, list) = mark.field("variants")?;
    let written = value.get("variants")?.as_array()?;
    let edits = edits(text, written, list, wanted)?;
    proven(text, edits, &parsed, document, [("variants".to_owned(), variants(written, wanted))])
}

/// The text with its edits, if it then means the same but for these fields of one document. `parsed` is the text as it is.
fn proven(
    text: &str,
    edits: Vec<TextEdit>,
    parsed: &Parsed,
    document: usize,
    fields: impl IntoIterator<Item = (String, Value)>,
) -> Option<String> {
    let edited = apply(text, edits);
    let mut expected: Vec<Value> = parsed.documents.iter().map(|(value, _)| value.clone()).collect();
    expected.get_mut(document)?.as_object_mut()?.extend(fields);
    let result = yaml::parse(&edited);
    let values = result.documents.iter().map(|(value, _)| value);
    (result.faults == parsed.faults && values.eq(expected.iter())).then_some(edited)
}

/// Renders the ranges to write by hand, for a layout that cannot be edited.
#[must_use]
pub fn by_hand(wanted: &[TargetRanges]) -> String {
    let line =
        |it: &TargetRanges| format!("\n  - {{key: {}, ranges: {}}}", quoted(&it.key), shown(&it.ranges));
    wanted.iter().map(line).collect()
}

/// A text as a scalar of YAML, in quotes where it would otherwise mean something else.
#[must_use]
pub fn written_text(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@./-".contains(c);
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let is_string = scalar::plain(text).is_ok_and(|it| it.is_string());
    if starts_well && is_string && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

/// A value as YAML reads it where it is written without quotes.
#[must_use]
pub fn plain_value(text: &str) -> Value {
    scalar::plain(text).unwrap_or_else(|()| text.into())
}

/// A key as a text of YAML: one that looks like a number or a boolean is quoted.
fn quoted(key: &str) -> String {
    if scalar::plain(key).is_ok_and(|it| it.is_string()) { key.to_owned() } else { format!("\"{key}\"") }
}

/// Ranges as they are written.
fn shown(ranges: &[Buckets]) -> String {
    let one = |range: &Buckets| format!("[{}, {}]", range.start, range.end);
    format!("[{}]", ranges.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// Returns true if a variant already has these buckets, in any order and split.
fn has_ranges(variant: &Value, wanted: &[Buckets]) -> bool {
    let Some(Ok(mut ranges)) = variant.get("ranges").cloned().map(serde_json::from_value::<Vec<Buckets>>)
    else {
        return false;
    };
    ranges.sort_unstable();
    ranges.dedup_by(|next, range| {
        let joins = next.start == range.end;
        if joins {
            range.end = next.end;
        }
        joins
    });
    ranges == wanted
}

fn key_of(variant: &Value) -> Option<&str> {
    variant.get("key")?.as_str()
}

/// The variants that a document has afterwards.
fn variants(written: &[Value], wanted: &[TargetRanges]) -> Value {
    let find = |key: &str| wanted.iter().find(|it| it.key == key);
    let kept = written.iter().filter_map(|variant| {
        let wanted = find(key_of(variant)?)?;
        if has_ranges(variant, &wanted.ranges) {
            return Some(variant.clone());
        }
        let mut fields: Map<String, Value> = variant.as_object()?.clone();
        fields.remove("allocation");
        fields.insert("ranges".to_owned(), json!(wanted.ranges));
        Some(Value::Object(fields))
    });
    let is_new = |it: &&TargetRanges| !written.iter().any(|variant| key_of(variant) == Some(&*it.key));
    let added = wanted.iter().filter(is_new).map(|it| json!({"key": it.key, "ranges": it.ranges}));
    kept.chain(added).collect()
}

/// The edits, or `None` of a layout that is not known.
fn edits(text: &str, written: &[Value], list: &SourceMark, wanted: &[TargetRanges]) -> Option<Vec<TextEdit>> {
    let layout = Layout::of(text, list)?;
    let mut edits = Vec::new();
    for (at, (variant, item)) in written.iter().zip(list.items()).enumerate() {
        let key = key_of(variant)?;
        match wanted.iter().find(|it| it.key == key) {
            None => edits.push(layout.drop(at)?),
            Some(it) if has_ranges(variant, &it.ranges) => {}
            Some(it) => edits.push(set_ranges(text, item, &shown(&it.ranges))?),
        }
    }
    let is_new = |it: &&TargetRanges| !written.iter().any(|variant| key_of(variant) == Some(&*it.key));
    let item = |it: &TargetRanges| ItemText {
        lines: vec![format!("key: {}", quoted(&it.key)), format!("ranges: {}", shown(&it.ranges))],
    };
    let added: Vec<ItemText> = wanted.iter().filter(is_new).map(item).collect();
    if !added.is_empty() {
        edits.extend(layout.add(&added)?);
    }
    Some(edits)
}

/// Writes `ranges` in the place of a variant's share, or behind its key.
fn set_ranges(text: &str, item: &SourceMark, ranges: &str) -> Option<TextEdit> {
    for name in ["ranges", "allocation"] {
        let Some((span, value)) = item.field(name) else { continue };
        let whole = span.start..value.end(text).max(span.end);
        let quote = text.get(span.start..).and_then(|it| it.chars().next()).filter(|it| "'\"".contains(*it));
        let quote = quote.map(String::from).unwrap_or_default();
        // A comment among the ranges would be lost.
        let is_plain = !text.get(whole.clone())?.contains('#');
        return is_plain.then(|| TextEdit { span: whole, text: format!("{quote}ranges{quote}: {ranges}") });
    }
    let (name, key) = item.field("key")?;
    let end = key.end(text);
    if text.get(item.span.start..)?.starts_with('{') {
        return Some(TextEdit { span: end..end, text: format!(", ranges: {ranges}") });
    }
    let line = layout::line_of(text, name.start)?;
    let margin = layout::margin(text.get(line.start..name.start)?)?;
    let end = layout::line_of(text, end)?.end;
    Some(TextEdit { span: end..end, text: format!("{}{margin}ranges: {ranges}", layout::newline(text)) })
}

/// The text with its edits, which do not overlap.
fn apply(text: &str, mut edits: Vec<TextEdit>) -> String {
    edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let mut result = String::with_capacity(text.len() + 64 * edits.len());
    let mut at = 0;
    for edit in edits {
        // Edits that overlap make a text that is not the wanted one, and are found out by that.
        result.push_str(text.get(at..edit.span.start).unwrap_or_default());
        result.push_str(&edit.text);
        at = edit.span.end;
    }
    result + text.get(at..).unwrap_or_default()
}
