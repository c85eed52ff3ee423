//! Work that could not be done. What is wrong in documents is a finding, not an error.

use crate::exit::{self, Exit};
use std::fmt;

/// Why a command could not do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    message: String,
    help: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Caller,
    World,
}

impl Error {
    /// The caller must change something.
    pub fn caller(message: impl Into<String>) -> Self {
        Self { kind: Kind::Caller, message: message.into(), help: None }
    }

    /// The world must.
    pub fn world(message: impl Into<String>) -> Self {
        Self { kind: Kind::World, message: message.into(), help: None }
    }

    /// Adds how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds another way to mend it.
    #[must_use]
    pub fn also(mut self, help: &str) -> Self {
        self.help = Some(self.help.map_or_else(|| help.to_owned(), |first| format!("{first}; {help}")));
        self
    }

    /// The exit code of each kind.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self.kind {
            Kind::Caller => exit::CALLER,
            Kind::World => exit::WORLD,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "\n  help: {help}"))
    }
}

impl std::error::Error for Error {}

/// An error of a library, with what lies under it: its own text often says no more than that it failed.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
