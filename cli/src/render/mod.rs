//! How reports look to a person.

pub mod change;
pub mod junit;
pub mod numbers;
pub mod steps;
pub mod style;
pub mod table;
pub mod xml;

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

/// What others wrote, as a line that steers no terminal.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}
