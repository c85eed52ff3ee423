//! The one error of all ports.

use std::error::Error;
use std::fmt;

type Source = Box<dyn Error + Send + Sync>;

/// Why a port could not do what it was asked.
#[derive(Debug)]
pub enum PortError {
    /// The other side is slow, busy or away. The same call may succeed later.
    Transient {
        /// What happened.
        source: Source,
    },
    /// The same call would fail again: it was refused, or what is stored cannot be read.
    Permanent {
        /// What happened.
        source: Source,
    },
}

impl PortError {
    /// An error that another try may overcome.
    #[must_use]
    pub fn transient(source: impl Into<Source>) -> Self {
        Self::Transient { source: source.into() }
    }

    /// An error that another try would meet again.
    #[must_use]
    pub fn permanent(source: impl Into<Source>) -> Self {
        Self::Permanent { source: source.into() }
    }

    /// Whether another try may overcome it.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient { .. })
    }

    fn inner(&self) -> &Source {
        match self {
            Self::Transient { source } | Self::Permanent { source } => source,
        }
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner().fmt(f)
    }
}

impl Error for PortError {
    /// What lies *under* the source: `Display` already shows the source itself, and a printed chain would repeat it.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner().source()
    }
}
