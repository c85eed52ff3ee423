//! The outcome of one check of several.

use crate::error::Error;
use serde::Serialize;

/// The outcome of one check. Each runs by itself, so a check that fails hides no other.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(tag = "state", content = "told", rename_all = "snake_case")]
#[schemars(rename = "Part")]
pub enum CheckOutcome<T> {
    /// The answer.
    Known(T),
    /// Nobody said where to ask, or it does not exist here.
    NotAsked(String),
    /// It was asked and not answered.
    Failed(String),
}

impl<T> From<Result<T, Error>> for CheckOutcome<T> {
    fn from(answer: Result<T, Error>) -> Self {
        answer.map_or_else(|error| Self::failed(&error), Self::Known)
    }
}

impl<T> CheckOutcome<T> {
    /// Without the help below it, which is about publishing and the like.
    #[must_use]
    pub fn failed(error: &Error) -> Self {
        Self::Failed(error.reason())
    }

    /// The same question with another answer.
    pub fn map<U>(self, told: impl FnOnce(T) -> U) -> CheckOutcome<U> {
        match self {
            Self::Known(it) => CheckOutcome::Known(told(it)),
            Self::NotAsked(why) => CheckOutcome::NotAsked(why),
            Self::Failed(why) => CheckOutcome::Failed(why),
        }
    }

    /// True if there is an answer, and it is as told.
    pub fn is_known_and(&self, is_so: impl FnOnce(&T) -> bool) -> bool {
        matches!(self, Self::Known(it) if is_so(it))
    }

    /// True if it was asked and not answered.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}
