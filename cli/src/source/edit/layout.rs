//! The layout of a list: lines with dashes, or brackets.

use super::super::mark::SourceMark;
use super::TextEdit;
use std::ops::Range;

/// A mapping to add to a list, in lines that are not indented by where they will stand.
pub(super) struct ItemText {
    pub(super) lines: Vec<String>,
}

impl ItemText {
    /// True if each line is a field with a value of its own.
    fn is_short(&self) -> bool {
        self.lines.iter().all(|line| !line.starts_with([' ', '-']) && !line.ends_with(':'))
    }

    /// The mapping on one line. A list below a field becomes one in brackets.
    fn in_braces(&self) -> String {
        let mut text = String::new();
        let mut is_in_list = false;
        for line in &self.lines {
            if let Some(item) = line.trim_start().strip_prefix("- ") {
                text.push_str(if text.ends_with('[') { "" } else { ", " });
                text.push_str(item);
                continue;
            }
            text.push_str(if is_in_list { "]" } else { "" });
            text.push_str(if text.is_empty() { "" } else { ", " });
            text.push_str(line);
            is_in_list = line.ends_with(':');
            text.push_str(if is_in_list { " [" } else { "" });
        }
        format!("{{{text}{}}}", if is_in_list { "]" } else { "" })
    }
}

/// A list of mappings in a text.
pub(super) struct Layout<'t> {
    text: &'t str,
    list: &'t SourceMark,
    is_in_brackets: bool,
}

/// The bytes of the line of a byte, without its end.
pub(super) fn line_of(text: &str, at: usize) -> Option<Range<usize>> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |at| at + 1);
    let end = text.get(at..)?.find('\n').map_or(text.len(), |found| at + found);
    let end = if text.get(at..end)?.ends_with('\r') { end - 1 } else { end };
    Some(start..end)
}

/// The start of the next line; the end of the text after the last.
fn next_line(text: &str, at: usize) -> Option<usize> {
    Some(text.get(at..)?.find('\n').map_or(text.len(), |found| at + found + 1))
}

/// Returns the line ending that a text uses.
pub(super) fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// The spaces below what stands before a field: spaces, and perhaps a dash.
pub(super) fn margin(before: &str) -> Option<String> {
    let is_plain = before.chars().all(|c| c == ' ' || c == '-') && before.matches('-').count() <= 1;
    is_plain.then(|| " ".repeat(before.len()))
}

impl<'t> Layout<'t> {
    pub(super) fn of(text: &'t str, list: &'t SourceMark) -> Option<Self> {
        let start = text.get(list.span.start..)?;
        // An alias stands for a list that is written elsewhere.
        let is_in_brackets = start.starts_with('[');
        (!start.starts_with('*')).then_some(Self { text, list, is_in_brackets })
    }

    /// The line of an item as far as the item: spaces and a dash.
    fn dash(&self, item: &SourceMark) -> Option<&'t str> {
        let line = line_of(self.text, item.span.start)?;
        let before = self.text.get(line.start..item.span.start)?;
        (before.trim() == "-").then_some(before)
    }

    /// The end of the lines of an item: what is written of it, and comments that are as deep as its fields.
    fn end_of_lines(&self, item: &SourceMark) -> Option<usize> {
        let depth = self.dash(item)?.len();
        let mut at = next_line(self.text, item.end(self.text))?;
        loop {
            let line = self.text.get(at..line_of(self.text, at)?.end)?;
            let inside = line.trim_start_matches(' ');
            if !inside.starts_with('#') || line.len() - inside.len() < depth {
                return Some(at);
            }
            at = next_line(self.text, at)?;
        }
    }

    /// Takes an item out.
    pub(super) fn drop(&self, at: usize) -> Option<TextEdit> {
        let items = self.list.items();
        let item = items.get(at)?;
        if !self.is_in_brackets {
            self.dash(item)?;
            let start = line_of(self.text, item.span.start)?.start;
            return Some(TextEdit { span: start..self.end_of_lines(item)?, text: String::new() });
        }
        // With the comma that follows; of the last, with the one before.
        let span = match (items.get(at + 1), at.checked_sub(1).and_then(|it| items.get(it))) {
            (Some(next), _) => item.span.start..next.span.start,
            (None, Some(before)) => before.end(self.text)..item.end(self.text),
            (None, None) => return None,
        };
        let is_plain = !self.text.get(span.clone())?.contains('#');
        is_plain.then(|| TextEdit { span, text: String::new() })
    }

    /// Puts mappings behind the last item.
    pub(super) fn add(&self, items: &[ItemText]) -> Option<Vec<TextEdit>> {
        let last = self.list.items().last()?;
        if self.is_in_brackets {
            return self.add_in_brackets(last, &items.iter().map(ItemText::in_braces).collect::<Vec<_>>());
        }
        let dash = self.dash(last)?;
        let (newline, margin) = (newline(self.text), margin(dash)?);
        let is_flow = self.text.get(last.span.start..)?.starts_with('{');
        let item = |it: &ItemText| {
            let body = if is_flow && it.is_short() {
                it.in_braces()
            } else {
                it.lines.join(&format!("{newline}{margin}"))
            };
            format!("{dash}{body}{newline}")
        };
        let at = self.end_of_lines(last)?;
        let is_ended = self.text.get(..at)?.ends_with('\n');
        let text: String = items.iter().map(item).collect();
        // A last line without an end gets one, and the new last line has none.
        let text = if is_ended { text } else { format!("{newline}{}", text.trim_end()) };
        Some(vec![TextEdit { span: at..at, text }])
    }

    fn add_in_brackets(&self, last: &SourceMark, items: &[String]) -> Option<Vec<TextEdit>> {
        let line = line_of(self.text, last.span.start)?;
        let before = self.text.get(line.start..last.span.start)?;
        let end = last.end(self.text);
        if !before.trim().is_empty() {
            return Some(vec![TextEdit { span: end..end, text: format!(", {}", items.join(", ")) }]);
        }
        // Each item has a line: so has the new one, behind a comment on the last.
        let newline = newline(self.text);
        let line_end = line_of(self.text, end)?.end;
        let rest = self.text.get(end..line_end)?.trim_start();
        let has_comma = rest.starts_with(',');
        if !(rest.is_empty() || has_comma || rest.starts_with('#')) {
            return Some(vec![TextEdit { span: end..end, text: format!(", {}", items.join(", ")) }]);
        }
        let lines = items.join(&format!(",{newline}{before}"));
        let comma = |wanted: bool| if wanted { "," } else { "" };
        Some(vec![
            TextEdit { span: end..end, text: comma(!has_comma).to_owned() },
            TextEdit {
                span: line_end..line_end,
                text: format!("{newline}{before}{lines}{}", comma(has_comma)),
            },
        ])
    }
}
