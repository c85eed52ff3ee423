//! Bytes of a text become lines and columns.

use std::ops::Range;

/// The start of each line of a text, so that a position is found without reading the text again.
#[derive(Debug)]
pub struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
    is_ascii: bool,
}

impl<'t> Lines<'t> {
    /// Reads a text once.
    #[must_use]
    pub fn of(text: &'t str) -> Self {
        // A byte order mark is no character of the first line.
        let first = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(first).chain(after_breaks).collect(), is_ascii: text.is_ascii() }
    }

    /// The line and the column of a byte, both from 1; a column is a character.
    #[must_use]
    pub fn position(&self, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..at).unwrap_or_default();
        let column = if self.is_ascii { before.len() } else { before.chars().count() };
        (line, column + 1)
    }

    /// The bytes of a line, counted from 1, without its end.
    #[must_use]
    pub fn line(&self, line: usize) -> Range<usize> {
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len());
        let end = self.starts.get(line).map_or(self.text.len(), |next| next - 1);
        let has_return = self.text.get(start..end).is_some_and(|line| line.ends_with('\r'));
        start..if has_return { end - 1 } else { end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_are_counted_from_one_and_in_characters() {
        let lines = Lines::of("a\néx\r\n\nz");
        assert_eq!(lines.position(0), (1, 1));
        assert_eq!(lines.position(4), (2, 2), "é is two bytes and one column");
        assert_eq!(lines.position(8), (4, 1));
        assert_eq!(lines.position(9), (4, 2), "the end of the text");
        assert_eq!(lines.line(2), 2..5, "without CRLF");
        assert_eq!(lines.line(3), 7..7);
        assert_eq!(lines.line(4), 8..9);
    }

    #[test]
    fn a_byte_order_mark_is_no_column() {
        assert_eq!(Lines::of("\u{feff}ab").position(4), (1, 2));
        assert_eq!(Lines::of("\u{feff}ab").position(0), (1, 1));
    }

    #[test]
    fn an_empty_text_has_one_place() {
        assert_eq!(Lines::of("").position(0), (1, 1));
        assert_eq!(Lines::of("").line(1), 0..0);
    }
}
