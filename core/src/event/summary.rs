//! A summary: how often a process evaluated flags.

use super::data::{Text, key, unreadable};
use super::{Rejection, RejectionReason as Reason};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The most entries of a summary.
const MAX_COUNTS: usize = 1_000;
/// The greatest count of an entry. A process that evaluates a million flags a second takes a quarter of an hour for it, so a greater
/// one is a mistake, and a sum that holds it could not be corrected.
const MAX_COUNT: u64 = 1_000_000_000;

/// The number of times that a flag gave a variant.
#[derive(Debug, Clone, Serialize)]
pub struct EvaluationCount<'a> {
    /// The flag.
    pub flag: Cow<'a, str>,
    /// The variant.
    pub variant: Cow<'a, str>,
    /// The catalog's revision, if the sender says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The number of times; at least one.
    pub count: u64,
}

/// An entry, as written.
#[derive(Deserialize)]
struct RawSummaryEntry<'a> {
    #[serde(borrow)]
    flag: Option<Text<'a>>,
    #[serde(borrow)]
    variant: Option<Text<'a>>,
    revision: Option<u64>,
    count: Option<u64>,
}

/// Reads and validates the entries of a summary.
pub(super) fn read(raw: &RawValue) -> Result<Vec<EvaluationCount<'_>>, Rejection> {
    let written: Vec<RawSummaryEntry<'_>> =
        serde_json::from_str(raw.get()).map_err(|error| unreadable(&error))?;
    if written.is_empty() || written.len() > MAX_COUNTS {
        let detail = format!("`counts` has {} entries; it has 1 to {MAX_COUNTS}", written.len());
        return Err(Rejection::new(Reason::InvalidValue, detail));
    }
    written.into_iter().map(entry).collect()
}

fn entry(
    RawSummaryEntry { flag, variant, revision, count }: RawSummaryEntry<'_>,
) -> Result<EvaluationCount<'_>, Rejection> {
    let (flag, variant) = (key("flag", flag)?, key("variant", variant)?);
    match count {
        None => Err(Rejection::new(Reason::MissingField, "`count` is missing")),
        Some(count @ 1..=MAX_COUNT) => Ok(EvaluationCount { flag, variant, revision, count }),
        Some(_) => {
            Err(Rejection::new(Reason::InvalidValue, format!("`count` is not between 1 and {MAX_COUNT}")))
        }
    }
}
