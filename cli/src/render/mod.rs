//! Rendering of reports for people.

pub mod change;
pub mod chart;
pub mod escape;
pub mod junit;
pub mod notes;
pub mod numbers;
pub mod progress;
pub mod screen;
pub mod steps;
pub mod style;
pub mod table;

pub mod findings;

use serde_json::Value;

/// A value as JSON, cut after so many characters.
#[must_use]
pub fn short(value: &Value, longest: usize) -> String {
    let text = value.to_string();
    if text.chars().count() <= longest {
        return text;
    }
    text.chars().take(longest).chain("…".chars()).collect()
}

/// A text as one word of a shell, in quotes where it needs them.
#[must_use]
pub fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Escapes text from other sources (a name, a message, a label, an answer) for one line of a terminal.
/// Characters that a terminal does not display, or that change the order of others, become escapes such as
/// `\u{1b}`.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Escapes like `printable`, but keeps line breaks.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// Returns true if a terminal acts on a character instead of displaying it: control characters of both kinds
/// (C0 and C1), line and paragraph separators, and marks that set the direction of the text. A tab counts as
/// a space.
#[must_use]
pub fn steers(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}');
    (c.is_control() && c != '\t') || turns || ('\u{fff9}'..='\u{fffb}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_escaped_and_nothing_else() {
        for (text, shown) in [
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\nb\rc\0d\u{7f}", "a\\nb\\rc\\u{0}d\\u{7f}"),
            ("invoice\u{202e}fdp.exe\u{2069}", "invoice\\u{202e}fdp.exe\\u{2069}"),
            ("a\u{2028}b\u{200f}c\u{61c}", "a\\u{2028}b\\u{200f}c\\u{61c}"),
        ] {
            assert_eq!(printable(text), shown);
        }
        for text in ["", "Zoë 😀 👩\u{200d}👧 שלום \u{301} a\\b \"c\"", "a\tb"] {
            assert_eq!(printable(text), text);
        }
        assert_eq!(printable_lines("a\n\u{1b}b\n"), "a\n\\u{1b}b\n");
    }
}
pub mod wrap;
