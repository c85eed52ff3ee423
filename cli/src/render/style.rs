//! The few styles that reports use.

use anstyle::{AnsiColor, Style};

/// The style of a report's subject.
pub const TITLE: Style = Style::new().bold();
/// The style of results that are fine.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// The style of problems.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// The style of secondary text.
pub const DIM: Style = Style::new().dimmed();
