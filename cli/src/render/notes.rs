//! Lines that reports of several commands have.

use super::numbers::count;
use super::printable;
use super::style::DIM;
use std::collections::BTreeMap;

/// The line about earlier assignments; empty where no store is asked.
#[must_use]
pub fn earlier_from(store: Option<&str>) -> String {
    store.map_or(String::new(), |store| format!("{DIM}earlier assignments from {store}{DIM:#}\n"))
}

/// The lines about what should be known of the input; empty for none.
#[must_use]
pub fn hinted(hints: &[String]) -> String {
    let lines = hints.iter().map(|hint| format!("hint: {}\n", printable(hint)));
    let lines: String = lines.collect();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

/// The line about documents that are left out; empty where none is.
#[must_use]
pub fn left_out(errors: usize) -> String {
    match errors {
        0 => String::new(),
        1 => "\n1 error keeps documents out: see `abx validate`\n".to_owned(),
        count => format!("\n{count} errors keep documents out: see `abx validate`\n"),
    }
}

/// `not_json 2 · too_large 1`.
#[must_use]
pub fn by_reason(reasons: &BTreeMap<String, u64>) -> String {
    reasons.iter().map(|(reason, of)| format!("{reason} {}", count(*of))).collect::<Vec<_>>().join(" · ")
}
