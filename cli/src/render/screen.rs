//! A text on a terminal that changes in its place.

use super::numbers::plural;
use std::fmt::Write as _;

/// Columns and rows of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSize {
    /// The columns.
    pub columns: usize,
    /// The rows.
    pub rows: usize,
}

/// The part of a terminal that a text takes. Each text takes the place of the one before: nothing above it is erased, and nothing scrolls out of
/// the window but what a longer text needs room for. The alternate screen of terminals was rejected, because the last text is then not there any
/// more when the command ends.
#[derive(Debug, Default)]
pub struct Screen {
    /// The columns of each line that is drawn.
    drawn: Vec<usize>,
    size: Option<WindowSize>,
}

impl Screen {
    /// Returns true if the window has another size than when it was drawn.
    #[must_use]
    pub fn is_stale(&self, size: WindowSize) -> bool {
        self.size != Some(size)
    }

    /// The bytes that draw a text, which a terminal has to get in one piece. A text that is longer than the window is cut, because its
    /// beginning could not be drawn again; the last line says so.
    pub fn draw(&mut self, text: &str, size: WindowSize) -> String {
        let cut: String;
        // The cursor waits in the row below.
        let most = size.rows.saturating_sub(1).max(1);
        let (mut lines, mut rows): (Vec<&str>, usize) = (Vec::new(), 0);
        let all = text.lines().count();
        for line in text.lines() {
            rows += rows_of(columns_of(line), size.columns);
            if rows > most {
                break;
            }
            lines.push(line);
        }
        if lines.len() < all {
            let shown = |lines: &[&str]| -> usize {
                lines.iter().map(|line| rows_of(columns_of(line), size.columns)).sum()
            };
            while shown(&lines) >= most && !lines.is_empty() {
                lines.pop();
            }
            let left = plural(all - lines.len(), "more line");
            let words = format!("… {left}: make the window longer, or run it without --watch");
            cut = words.chars().take(size.columns.max(1)).collect();
            lines.push(&cut);
        }
        // A window that became smaller has wrapped or scrolled what it showed.
        let before: usize = self.drawn.iter().map(|columns| rows_of(*columns, size.columns)).sum();
        let before = before.min(size.rows.saturating_sub(1));
        // Between the marks a terminal that knows them shows nothing half drawn.
        let mut frame = String::from("\u{1b}[?2026h\r");
        if before > 0 {
            let _ = write!(frame, "\u{1b}[{before}A");
        }
        for line in &lines {
            frame.push_str(line);
            // Behind a full row the cursor stands on its last column, which would be erased.
            let fills_rows = columns_of(line).checked_rem(size.columns) == Some(0) && columns_of(line) > 0;
            frame.push_str(if fills_rows { "\r\n" } else { "\u{1b}[K\r\n" });
        }
        frame.push_str("\u{1b}[J\u{1b}[?2026l");
        self.drawn = lines.iter().map(|line| columns_of(line)).collect();
        self.size = Some(size);
        frame
    }
}

/// The columns of a line without its styles.
fn columns_of(line: &str) -> usize {
    anstream::adapter::strip_str(line).to_string().chars().count()
}

/// The rows that so many columns take.
fn rows_of(columns: usize, of_window: usize) -> usize {
    columns.div_ceil(of_window.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal that knows what a screen uses.
    struct Terminal {
        size: WindowSize,
        /// Rows that scrolled out of the window, and those in it.
        rows: Vec<Vec<char>>,
        top: usize,
        cursor: (usize, usize),
    }

    impl Terminal {
        fn new(columns: usize, rows: usize, before: &[&str]) -> Self {
            let size = WindowSize { columns, rows };
            let mut it = Self { size, rows: vec![Vec::new()], top: 0, cursor: (0, 0) };
            for line in before {
                it.take(&format!("{line}\r\n"));
            }
            it
        }

        fn line_feed(&mut self) {
            self.cursor.0 += 1;
            if self.cursor.0 == self.rows.len() {
                self.rows.push(Vec::new());
            }
            self.top = self.top.max((self.cursor.0 + 1).saturating_sub(self.size.rows));
        }

        fn take(&mut self, text: &str) {
            let mut rest = text.chars();
            while let Some(c) = rest.next() {
                match c {
                    '\r' => self.cursor.1 = 0,
                    '\n' => self.line_feed(),
                    '\u{1b}' => {
                        assert_eq!(rest.next(), Some('['));
                        let mut number = String::new();
                        let end = loop {
                            match rest.next().unwrap() {
                                end if end.is_ascii_alphabetic() => break end,
                                c => number.push(c),
                            }
                        };
                        let (row, column) = self.cursor;
                        match end {
                            'A' => self.cursor.0 = row.saturating_sub(number.parse().unwrap()).max(self.top),
                            'K' => self.rows[row].truncate(column),
                            'J' => {
                                self.rows[row].truncate(column);
                                self.rows.truncate(row + 1);
                            }
                            'h' | 'l' => assert_eq!(number, "?2026"),
                            'm' => {}
                            other => panic!("{other}"),
                        }
                    }
                    c => {
                        // A row is left when the next character comes, as terminals do.
                        if self.cursor.1 == self.size.columns {
                            self.cursor.1 = 0;
                            self.line_feed();
                        }
                        let (row, column) = self.cursor;
                        let length = self.rows[row].len().max(column + 1);
                        self.rows[row].resize(length, ' ');
                        self.rows[row][column] = c;
                        self.cursor.1 += 1;
                    }
                }
            }
        }

        fn shown(&self) -> Vec<String> {
            self.rows.iter().map(|row| row.iter().collect()).collect()
        }
    }

    fn text(lines: &[&str]) -> String {
        lines.join("\n") + "\n"
    }

    #[test]
    fn a_text_takes_the_place_of_the_one_before() {
        let mut terminal = Terminal::new(10, 6, &["$ one", "$ two"]);
        let mut screen = Screen::default();
        for (drawn, shown) in [
            (&["a", "bbb"][..], &["$ one", "$ two", "a", "bbb", ""][..]),
            (&["\u{1b}[1ma\u{1b}[0m", "b"], &["$ one", "$ two", "a", "b", ""]),
            (&["0123456789", "b"], &["$ one", "$ two", "0123456789", "b", ""]),
            (&["0123456789ab", "c"], &["$ one", "$ two", "0123456789", "ab", "c", ""]),
            (&["x"], &["$ one", "$ two", "x", ""]),
            (&["1", "2", "3", "4", "5"], &["$ one", "$ two", "1", "2", "3", "4", "5", ""]),
            (&["1", "2", "", "4", "6"], &["$ one", "$ two", "1", "2", "", "4", "6", ""]),
        ] {
            terminal.take(&screen.draw(&text(drawn), terminal.size));
            assert_eq!(terminal.shown(), shown);
        }
    }

    #[test]
    fn a_longer_text_is_cut_and_says_so() {
        let mut terminal = Terminal::new(80, 4, &["$ one"]);
        let mut screen = Screen::default();
        for last in ["8", "9"] {
            let lines = ["1", "2", "3", "4", "5", "6", "7", last];
            terminal.take(&screen.draw(&text(&lines), terminal.size));
            let cut = "… 6 more lines: make the window longer, or run it without --watch";
            assert_eq!(terminal.shown(), ["$ one", "1", "2", cut, ""]);
        }
        // As narrow and low as a window can be.
        for (columns, rows) in [(1, 1), (3, 2), (0, 0)] {
            let size = WindowSize { columns, rows };
            assert!(Screen::default().draw(&text(&["12345", "2", "3"]), size).contains('…'));
        }
    }

    #[test]
    fn a_window_of_another_size_is_drawn_again() {
        let mut screen = Screen::default();
        let size = WindowSize { columns: 10, rows: 6 };
        assert!(screen.is_stale(size));
        screen.draw(&text(&["0123456789", "b"]), size);
        assert!(!screen.is_stale(size));
        let narrow = WindowSize { columns: 5, rows: 6 };
        assert!(screen.is_stale(narrow));
        // What took two rows takes three.
        assert!(screen.draw(&text(&["a"]), narrow).contains("\u{1b}[3A"));
        let low = WindowSize { columns: 10, rows: 2 };
        screen.draw(&text(&["a", "b", "c", "d"]), WindowSize { columns: 10, rows: 9 });
        assert!(screen.draw(&text(&["a"]), low).contains("\u{1b}[1A"), "no further than the window");
    }
}
