//! The few styles that reports use.

use anstyle::{AnsiColor, Style};

/// What a report is about.
pub const TITLE: Style = Style::new().bold();
/// What is right.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What is wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What is beside the point.
pub const DIM: Style = Style::new().dimmed();
