//! The places that results and errors are written to.

use crate::error::Error;
use crate::exit::{self, Exit};
use crate::render::screen::{Screen, WindowSize};
use crate::render::{printable_lines, progress};
use crate::report::{Report, headed_json};
use serde::Serialize;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::{env, fs};

/// The options about output, which every command has.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Print errors only: no result, no progress
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Write the result to this file instead of stdout
    #[arg(long, short, value_name = "FILE", global = true)]
    output: Option<PathBuf>,
    #[command(flatten)]
    color: colorchoice_clap::Color,
}

/// The place of a command's result, and the form of its errors.
#[derive(Debug)]
pub struct Output {
    is_quiet: bool,
    file: Option<PathBuf>,
    is_json: bool,
}

impl Output {
    /// The output that was asked for. Colors and progress are switched for the whole process.
    #[must_use]
    pub fn new(args: &OutputArgs) -> Self {
        args.color.write_global();
        if args.quiet {
            progress::hide();
        }
        Self { is_quiet: args.quiet, file: args.output.clone(), is_json: wants_json(env::args_os()) }
    }

    /// The output of arguments that cannot be read.
    #[must_use]
    pub fn of_unreadable_arguments() -> Self {
        Self { is_quiet: false, file: None, is_json: wants_json(env::args_os()) }
    }

    /// True if errors are to be written as JSON.
    #[must_use]
    pub const fn is_json(&self) -> bool {
        self.is_json
    }

    /// Writes a result, and returns the exit code: `exit`, or another one if it cannot be written.
    #[must_use]
    pub fn write(&self, text: &str, exit: Exit) -> Exit {
        match &self.file {
            Some(file) => match fs::write(file, anstream::adapter::strip_str(text).to_string()) {
                Ok(()) => exit,
                Err(error) => self.fail(&Error::world(file.display().to_string()).because(error)),
            },
            None if self.is_quiet => exit,
            None => to_stdout(text, exit),
        }
    }

    /// The size of the window in which a person reads results; `None` where these go elsewhere, or to a terminal that only writes on.
    #[cfg(unix)]
    #[must_use]
    pub fn window(&self) -> Option<WindowSize> {
        let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        if self.file.is_some() || self.is_quiet || is_dumb || !io::stdout().is_terminal() {
            return None;
        }
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        let size = WindowSize { columns: size.ws_col.into(), rows: size.ws_row.into() };
        (size.columns > 0 && size.rows > 0).then_some(size)
    }

    /// The size of the window in which a person reads results, which is not asked for here.
    #[cfg(not(unix))]
    #[must_use]
    pub fn window(&self) -> Option<WindowSize> {
        None
    }

    /// Draws a result in the place of the one before, and returns the exit code: `exit`, or another one if it cannot be written.
    #[must_use]
    pub fn draw(&self, screen: &mut Screen, text: &str, size: WindowSize, exit: Exit) -> Exit {
        let mut stdout = io::stdout().lock();
        let is_plain = anstream::AutoStream::choice(&stdout) == anstream::ColorChoice::Never;
        let plain = if is_plain { anstream::adapter::strip_str(text).to_string() } else { text.to_owned() };
        // What moves the cursor is no style, which NO_COLOR would take out.
        let frame = screen.draw(&plain, size);
        exit_of(stdout.write_all(frame.as_bytes()).and_then(|()| stdout.flush()), exit)
    }

    /// Writes an error: to stderr for a person, to stdout for a program.
    #[must_use]
    pub fn fail(&self, error: &Error) -> Exit {
        if self.is_json {
            return to_stdout(&headed_json(&ErrorReport::new(error)), error.exit());
        }
        // A service, a file's name or another program may have a part in the message.
        anstream::eprintln!("abx: {}", printable_lines(&error.to_string()));
        error.exit()
    }
}

/// True if arguments ask for JSON, whether or not they can be read: their own errors are to be JSON, too.
fn wants_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let mut is_value = false;
    for argument in arguments.skip(1) {
        let Some(argument) = argument.to_str() else { continue };
        if is_value && argument == "json" {
            return true;
        }
        match argument {
            "--" => return false,
            "--format=json" | "-fjson" | "-f=json" | "--json" => return true,
            _ => is_value = matches!(argument, "--format" | "-f"),
        }
    }
    false
}

/// An error, for a program.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ErrorReport {
    /// The error with its causes, the innermost last.
    message: String,
    /// The next step, where one is known.
    help: Option<String>,
    /// The exit code.
    exit: u8,
}

impl ErrorReport {
    fn new(error: &Error) -> Self {
        Self {
            message: error.reason(),
            help: error.next_step().map(str::to_owned),
            exit: error.exit().code(),
        }
    }
}

impl Report for ErrorReport {
    const KIND: &'static str = "error";

    fn human(&self) -> String {
        self.message.clone()
    }
}

/// Writes text to stdout. A reader that has closed the pipe has seen enough: that is no error.
fn to_stdout(text: &str, exit: Exit) -> Exit {
    let mut stdout = io::stdout().lock();
    // Taking styles out looks at every byte, so it is left out where there are none.
    let written = if text.contains('\u{1b}') {
        anstream::AutoStream::auto(&mut stdout).write_all(text.as_bytes())
    } else {
        stdout.write_all(text.as_bytes())
    };
    exit_of(written.and_then(|()| stdout.flush()), exit)
}

/// The exit code after writing to stdout.
fn exit_of(written: io::Result<()>, exit: Exit) -> Exit {
    match written {
        Ok(()) => exit,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit::DONE,
        Err(error) => {
            anstream::eprintln!("abx: stdout: {error}");
            exit::WORLD
        }
    }
}

/// True if stdout may still have a reader; a closed pipe is noticed without writing.
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

/// True if stdout may still have a reader: here only a write would show that.
#[cfg(not(unix))]
#[must_use]
pub fn stdout_is_open() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_known_by_the_format_that_they_ask_for() {
        let wants = |arguments: &str| wants_json(arguments.split(' ').map(OsString::from));
        for json in [
            "abx x --format json",
            "abx x -f json y",
            "abx x --format=json",
            "abx -fjson x",
            "abx list --json x",
            "abx x -f -f json",
        ] {
            assert!(wants(json), "{json}");
        }
        for other in
            ["abx x", "abx x --format human json", "abx x -- --format json", "abx json", "abx x --format"]
        {
            assert!(!wants(other), "{other}");
        }
    }
}
