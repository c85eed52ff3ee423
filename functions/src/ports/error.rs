//! The one error of all ports.

use std::error::Error;
use std::fmt;
use std::iter::successors;

/// The cause of an error.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// The result of a call of a port.
pub type PortResult<T> = Result<T, PortError>;

/// Why a port could not do what it was asked.
#[derive(Debug)]
pub enum PortError {
    /// The other side is slow, busy or away. The same call may succeed later.
    Transient {
        /// The underlying error.
        source: BoxError,
    },
    /// The same call would fail again: it was refused, or what is stored cannot be read.
    Permanent {
        /// The underlying error.
        source: BoxError,
    },
    /// The same call would fail again because of what it holds: a key, an item or a value that the other side never takes. Calls that
    /// hold something else may succeed, so a caller that asked for several things at once can find out which of them it is.
    Unprocessable {
        /// The underlying error.
        source: BoxError,
    },
}

impl PortError {
    /// An error that another try may overcome.
    #[must_use]
    pub fn transient(source: impl Into<BoxError>) -> Self {
        Self::Transient { source: source.into() }
    }

    /// An error that another try would meet again.
    #[must_use]
    pub fn permanent(source: impl Into<BoxError>) -> Self {
        Self::Permanent { source: source.into() }
    }

    /// An error that every call meets that holds the same.
    #[must_use]
    pub fn unprocessable(source: impl Into<BoxError>) -> Self {
        Self::Unprocessable { source: source.into() }
    }

    /// True if only the content of the call is at fault.
    #[must_use]
    pub fn is_unprocessable(&self) -> bool {
        matches!(self, Self::Unprocessable { .. })
    }

    /// True if a retry may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient { .. })
    }

    /// The same error, with what was done or where it happened, which stands before it.
    #[must_use]
    pub fn at(self, what: impl fmt::Display + fmt::Debug + Send + Sync + 'static) -> Self {
        match self {
            Self::Transient { source } => Self::transient(Within { what, source }),
            Self::Permanent { source } => Self::permanent(Within { what, source }),
            Self::Unprocessable { source } => Self::unprocessable(Within { what, source }),
        }
    }

    /// The first error of a type in the chain.
    #[must_use]
    pub fn find<E: Error + 'static>(&self) -> Option<&E> {
        causes(&**self.inner()).find_map(|error| error.downcast_ref())
    }

    fn inner(&self) -> &BoxError {
        match self {
            Self::Transient { source } | Self::Permanent { source } | Self::Unprocessable { source } => {
                source
            }
        }
    }
}

impl fmt::Display for PortError {
    /// The whole chain, innermost last: what is logged or shown of it keeps its cause.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&chain(&**self.inner()))
    }
}

impl Error for PortError {
    /// The cause *under* the source, as `Display` begins with the source itself.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner().source()
    }
}

/// An error with the action, or the place, in which it happened.
#[derive(Debug)]
pub struct Within<W> {
    /// The action or the place.
    pub what: W,
    source: BoxError,
}

impl<W: fmt::Display> fmt::Display for Within<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)
    }
}

impl<W: fmt::Display + fmt::Debug> Error for Within<W> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// An error, and what lies under it.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    // Of the error itself: a reference to it is an error as well, which lives no longer than the closure's argument.
    successors(Some(error), |error| (*error).source())
}

/// The text of an error and of what lies under it, innermost last. Many libraries say in their own text what lies under it as well: that is
/// written once.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    for cause in error.source().into_iter().flat_map(causes).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn the_whole_chain_is_shown_innermost_last_and_each_link_once() {
        let io = || io::Error::other("no space left");
        let error = PortError::transient(io()).at("day=2026-11-24/events.jsonl").at("the archive");
        assert!(error.is_transient());
        assert_eq!(error.to_string(), "the archive: day=2026-11-24/events.jsonl: no space left");
        assert!(error.find::<io::Error>().is_some(), "the cause itself is kept");
        assert_eq!(chain(&error), error.to_string(), "a printed chain repeats nothing");
        let above = PortError::permanent(Within { what: error.to_string(), source: error.into() });
        assert_eq!(
            above.to_string(),
            "the archive: day=2026-11-24/events.jsonl: no space left",
            "of no length"
        );
        let told_twice = PortError::permanent(Within { what: "a: no space left", source: io().into() });
        assert_eq!(told_twice.to_string(), "a: no space left");
    }
}
