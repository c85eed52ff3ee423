//! What a command found, and the one place that writes it.

use crate::exit::{self, Exit};
use clap::ValueEnum;
use serde::Serialize;
use std::io::{self, Write as _};

/// What a command found. Its `Serialize` form *is* the JSON output.
pub trait Report: Serialize {
    /// For a person; may hold ANSI styles, which are taken out where nobody sees them.
    fn human(&self) -> String;

    /// How the command ends.
    fn exit(&self) -> Exit {
        exit::DONE
    }
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For a person.
    #[default]
    Human,
    /// For a program.
    Json,
}

/// The option that every command has.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct FormatArg {
    /// How to write the result
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

impl FormatArg {
    /// The report in the format that was asked for.
    #[must_use]
    pub fn print(self, report: &impl Report) -> String {
        match self.format {
            Format::Human => report.human(),
            Format::Json => json(report),
        }
    }
}

/// A value as JSON text.
///
/// # Panics
///
/// If a map in it has keys that are not texts, which no report has: that would be a bug.
#[must_use]
pub fn json(value: &impl Serialize) -> String {
    #[expect(clippy::expect_used, reason = "reports hold no map with keys that are not texts")]
    let text = serde_json::to_string_pretty(value).expect("a report is JSON");
    text + "\n"
}

/// Writes text to stdout. A reader that has closed the pipe has seen enough: that is no error.
#[must_use]
pub fn write_text(text: &str, exit: Exit) -> Exit {
    let mut stdout = io::stdout().lock();
    // Taking styles out looks at every byte, so it is left out where there are none.
    let written = if text.contains('\u{1b}') {
        anstream::AutoStream::auto(&mut stdout).write_all(text.as_bytes())
    } else {
        stdout.write_all(text.as_bytes())
    };
    match written.and_then(|()| stdout.flush()) {
        Ok(()) => exit,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit::DONE,
        Err(error) => {
            anstream::eprintln!("abx: stdout: {error}");
            exit::WORLD
        }
    }
}

/// Whether somebody may still read what is written to stdout; a closed pipe is noticed without writing.
#[cfg(unix)]
#[must_use]
pub fn stdout_is_open() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdout = io::stdout();
    let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let is_asked = poll(&mut watched, Some(&at_once)).is_ok();
    let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
    !is_asked || watched.iter().all(|it| !it.revents().intersects(gone))
}

/// Whether somebody may still read what is written to stdout: here only a write would tell.
#[cfg(not(unix))]
#[must_use]
pub fn stdout_is_open() -> bool {
    true
}
