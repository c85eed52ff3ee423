//! Work that could not be done. What is wrong in documents is a finding, not an error.

use crate::advice::unanswered;
use crate::exit::{self, Exit};
use abx_functions::catalog::PublishError;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

pub use abx_functions::ports::chain;

/// Why a command could not do its work.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    help: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ErrorKind {
    Caller,
    World,
}

impl Error {
    /// The caller must change something.
    pub fn caller(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Caller, message: message.into(), source: None, help: None }
    }

    /// The world must.
    pub fn world(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::World, ..Self::caller(message) }
    }

    /// The error for what a build without AWS cannot reach or do.
    #[cfg(not(feature = "aws"))]
    #[must_use]
    pub fn without_aws(what: &str) -> Self {
        Self::caller(format!("{what}: this `abx` was built without AWS"))
            .help("`cargo install --path cli` builds it with all that it can do")
    }

    /// Adds what lies under it: it is shown after the message, innermost last.
    #[must_use]
    pub fn because(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: Some(source.into().into()), ..self }
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
            ErrorKind::Caller => exit::CALLER,
            ErrorKind::World => exit::WORLD,
        }
    }

    /// The next step, where one is known.
    #[must_use]
    pub fn next_step(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The message with its causes, without the help.
    #[must_use]
    pub fn reason(&self) -> String {
        chain(&ErrorChain(self))
    }
}

/// An error by its message alone, with what lies under it.
#[derive(Debug)]
struct ErrorChain<'a>(&'a Error);

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for ErrorChain<'_> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason())?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "\n  help: {help}"))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

impl From<PublishError> for Error {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Store(error) => unanswered(error),
            PublishError::NoRevision(_) => Self::caller(error.to_string()).help("`abx revisions` lists them"),
            PublishError::Taken(_) | PublishError::HeadMoved(_) => {
                Self::world(error.to_string()).help("look at the plan again, with what they changed")
            }
            PublishError::Unreadable(..) | PublishError::Unwritable(_) => {
                Self::world(error.to_string()).because(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abx_functions::ports::PortError;
    use std::io;

    #[test]
    fn the_cause_is_shown_to_its_end_and_kept() {
        let cause = PortError::transient(io::Error::other("no space left")).at("store.sqlite");
        let error = Error::world("nothing was published").because(cause).help("free some space");
        let shown = "nothing was published: store.sqlite: no space left\n  help: free some space";
        assert_eq!(error.to_string(), shown);
        assert_eq!(error.source().unwrap().to_string(), "store.sqlite: no space left");
        let already_said = Error::world("a: no space left").because(io::Error::other("no space left"));
        assert_eq!(already_said.to_string(), "a: no space left");
    }
}
