//! The command `abx`, as a library so that its parts can be tested and measured.
//!
//! | module | what is there |
//! |---|---|
//! | [`commands`] | one file a command: its question, `Args`, a `Report`, and `run` |
//! | [`source`] | files become documents that know their lines and columns |
//! | [`render`] | tables, bars, findings: how reports look to a person |
//! | [`exit`], [`error`] | how a command ends |
//!
//! A command's `run` prints nothing: it returns a report, and [`commands::dispatch`] is the one place that
//! writes to stdout. Progress goes to stderr, and only on a terminal.

pub mod commands;
pub mod error;
pub mod exit;
pub mod render;
pub mod report;
pub mod source;

use clap::Parser;
use std::process::ExitCode;

/// Runs the command with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        anstream::eprintln!("abx: this is a bug, please report it: {info}");
    }));
    let command = match commands::Abx::try_parse() {
        Ok(abx) => abx,
        Err(error) => {
            // Also `--help` and `--version` end here, on stdout and with success.
            let _ = error.print();
            return if error.use_stderr() { exit::CALLER.into() } else { exit::DONE.into() };
        }
    };
    let ended = std::panic::catch_unwind(|| commands::dispatch(command)).unwrap_or(exit::BUG);
    ended.into()
}
