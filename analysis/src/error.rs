//! Errors: why a question has no answer, and what to do.

use std::error::Error;
use std::fmt;

/// The cause of an error, whatever its type.
pub type Cause = Box<dyn Error + Send + Sync>;

/// The reason why a question has no answer.
#[derive(Debug)]
pub enum AnalysisError {
    /// The question itself cannot be answered.
    Question {
        /// What is wrong with it.
        why: String,
        /// What to do.
        help: String,
    },
    /// The archive cannot be read.
    Archive {
        /// The file, folder or partition.
        place: String,
        /// What is wrong with it.
        why: String,
        /// What to do.
        help: String,
        /// The cause, if another library named one.
        cause: Option<Cause>,
    },
    /// The values of a metric have too many digits for exact sums.
    TooLarge {
        /// The metric.
        metric: String,
    },
    /// The engine could not run a statement.
    Engine {
        /// The name of the statement, and of the engine.
        statement: String,
        /// What the engine said.
        why: String,
        /// What to do.
        help: String,
        /// The cause, if another library named one.
        cause: Option<Cause>,
    },
    /// The engine's result is not what the statement asks for.
    Result {
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for AnalysisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Question { why, help } => write!(f, "the question cannot be answered: {why}; {help}"),
            Self::Archive { place, why, help, .. } => write!(f, "cannot read {place}: {why}; {help}"),
            Self::TooLarge { metric } => write!(
                f,
                "the values of metric `{metric}` are too large for exact sums: a unit's total must be below 10^13, and the sum of squares \
                 below 10^25; limit them with `cap`, or send the property in a larger unit"
            ),
            Self::Engine { statement, why, help, .. } => write!(f, "{statement} failed: {why}; {help}"),
            Self::Result { why } => write!(
                f,
                "the engine's result cannot be read: {why}; check that the table's columns are those that the stack of this version created"
            ),
        }
    }
}

impl Error for AnalysisError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let (Self::Archive { cause, .. } | Self::Engine { cause, .. }) = self else { return None };
        cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}
