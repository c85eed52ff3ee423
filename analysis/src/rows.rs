//! Rows of a result, as texts: the one form that every engine can give.

use crate::AnalysisError;
use std::str::FromStr;

/// The rows of a statement. Every value is a text, and a decimal has all its digits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

/// A row whose values are found by the names of their columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    columns: &'a [String],
    values: &'a [Option<String>],
}

impl Rows {
    pub(crate) fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|values| Row { columns: &self.columns, values })
    }
}

impl<'a> Row<'a> {
    pub(crate) fn text(self, name: &str) -> Result<Option<&'a str>, AnalysisError> {
        let at = self.columns.iter().position(|it| it == name);
        let value = at.and_then(|at| self.values.get(at));
        value
            .map(Option::as_deref)
            .ok_or_else(|| AnalysisError::Result { why: format!("the column `{name}` is missing") })
    }

    pub(crate) fn optional<T: FromStr>(self, name: &str) -> Result<Option<T>, AnalysisError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| AnalysisError::Result {
            why: format!("the column `{name}` holds `{text}`, which has another type"),
        })
    }

    /// A value; NULL is its default, as the sum of no rows is 0.
    pub(crate) fn get<T: FromStr + Default>(self, name: &str) -> Result<T, AnalysisError> {
        Ok(self.optional(name)?.unwrap_or_default())
    }
}
