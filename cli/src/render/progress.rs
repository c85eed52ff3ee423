//! Progress on stderr, where somebody watches: indicatif shows none elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::atomic::{AtomicBool, Ordering};

/// True after [`hide`]. It belongs to the process, as the terminal does.
static HIDDEN: AtomicBool = AtomicBool::new(false);

/// Shows no progress from now on.
pub fn hide() {
    HIDDEN.store(true, Ordering::Relaxed);
}

/// True if no progress is to be shown.
#[must_use]
pub fn is_hidden() -> bool {
    HIDDEN.load(Ordering::Relaxed)
}

/// A bar up to a known number, in a style of indicatif.
#[must_use]
pub fn bar(total: u64, template: &str) -> ProgressBar {
    with_style(ProgressBar::new(total), template, ProgressStyle::default_bar())
}

/// A spinner, where the end is not known.
#[must_use]
pub fn spinner(template: &str) -> ProgressBar {
    with_style(ProgressBar::new_spinner(), template, ProgressStyle::default_spinner())
}

fn with_style(bar: ProgressBar, template: &str, otherwise: ProgressStyle) -> ProgressBar {
    if is_hidden() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar.with_style(ProgressStyle::with_template(template).unwrap_or(otherwise))
}
