//! The command `abx`, as a library so that its parts can be tested and measured.
//!
//! | module | what is there |
//! |---|---|
//! | [`commands`] | one file a command: its `Args`, which [`Execute`](command::Execute), and its `Report` |
//! | [`command`] | the traits of a command |
//! | [`inputs`], [`stores`], [`earlier`] | arguments that several commands have: documents, units, times, stores |
//! | [`source`] | files become documents that know their lines and columns |
//! | [`edits`] | edits of an experiment's document, shown and written |
//! | `complete` | completion on a command line, with the keys of the documents |
//! | [`scaffold`], [`ask`] | new files of a project, and questions on a terminal |
//! | [`generate`] | code of typed keys and flags, in five languages |
//! | [`people`], [`event_files`], [`scratch`] | files of units, files of events, temporary databases |
//! | [`aws`], [`http`] | calls of functions: credentials, signatures, connections |
//! | `bench` | the load generator of `abx bench`, which nothing else knows |
//! | [`history`] | what was published and counted of an experiment |
//! | [`decisions`], [`suspects`], [`outcome`] | what several reports hold |
//! | [`render`] | tables, bars, findings: how reports look to a person |
//! | [`report`], [`output`], [`exit`], [`error`], [`advice`] | how a command ends, and what to do next |
//!
//! A command's `execute` prints nothing: it returns a report, and [`command::Run`] writes it to stdout. Progress goes to stderr, and
//! only on a terminal. No command imports from another one, and nothing outside of [`commands`] from any.

pub mod advice;
pub mod ask;
#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "aws")]
pub mod bench;
pub mod command;
pub mod commands;
mod complete;
pub mod decisions;
pub mod earlier;
pub mod edits;
pub mod error;
pub mod event_files;
pub mod exit;
pub mod generate;
pub mod history;
#[cfg(feature = "aws")]
pub mod http;
pub mod inputs;
pub mod outcome;
pub mod output;
pub mod people;
pub mod render;
pub mod report;
#[cfg(test)]
mod rules;
pub mod scaffold;
pub mod scratch;
pub mod source;
pub mod stores;
pub mod suspects;

use clap::{CommandFactory as _, Parser as _};
use output::Output;
use std::process::ExitCode;

/// Runs the command with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    complete::answer(commands::Abx::command);
    std::panic::set_hook(Box::new(|info| {
        anstream::eprintln!("abx: this is a bug, please report it: {info}");
    }));
    let command = match commands::Abx::try_parse() {
        Ok(abx) => abx,
        Err(error) => {
            let output = Output::of_unreadable_arguments();
            if error.use_stderr() && output.is_json() {
                let text = anstream::adapter::strip_str(&error.render().ansi().to_string()).to_string();
                let message = text.trim_start_matches("error: ").trim_end().to_owned();
                return output.fail(&error::Error::caller(message)).into();
            }
            // Also `--help` and `--version` end here, on stdout and with success.
            let _ = error.print();
            return if error.use_stderr() { exit::CALLER.into() } else { exit::DONE.into() };
        }
    };
    let ended = std::panic::catch_unwind(|| commands::dispatch(&command)).unwrap_or(exit::BUG);
    ended.into()
}
