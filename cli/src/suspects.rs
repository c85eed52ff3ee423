//! Units that are not users: ids that a bug writes for everybody without one, and units with an implausible share of all events.
//! Either makes one unit of many users, or one user of a robot, and both bend results.

mod busy;

use crate::advice::unanswered;
use crate::error::Error;
use crate::outcome::CheckOutcome;
use crate::render::printable;
use crate::render::style::{BAD, DIM};
use crate::stores::{AnyMetrics, MetricsArgs};
use abx_core::event::{MarkKey, MarkSubject};
use abx_core::results::BusyUnits;
use abx_functions::ports::MetricStore as _;
use jiff::Timestamp;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt::Write as _;

/// Texts that programs write where an id is missing: few enough for one look-up of marks. Matching is exact, because units are.
pub const PLACEHOLDERS: &[&str] = &[
    "undefined",
    "null",
    "NULL",
    "Null",
    "nil",
    "<nil>",
    "None",
    "none",
    "NaN",
    "nan",
    "[object Object]",
    "[object Undefined]",
    "{}",
    "[]",
    "\"\"",
    "''",
    "0",
    "-1",
    "00000000-0000-0000-0000-000000000000",
    "true",
    "false",
    "N/A",
    "n/a",
    "unknown",
    "anonymous",
    "guest",
    "default",
    "test",
    "user_id",
    "userId",
    "user-id",
    "{user_id}",
    "${user_id}",
    "{{user_id}}",
    "{user}",
    "${userId}",
    "{{userId}}",
    "%s",
    "(null)",
    "(not set)",
    "undefined-undefined",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
];

/// Units that are not users.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Suspects {
    /// Exposed units whose id is a placeholder, such as `undefined`.
    placeholders: CheckOutcome<Vec<Placeholder>>,
    /// Units with an implausible share of all events.
    busy: CheckOutcome<BusyUnits>,
}

/// A placeholder that was exposed as if it were a user.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
struct Placeholder {
    unit: String,
    experiment: String,
    epoch: u32,
    /// The variant that it saw first.
    variant: String,
    /// The time.
    #[schemars(with = "String")]
    since: Timestamp,
}

impl Suspects {
    /// Looks for them in some experiments, each with its epoch; for busy units among the events of one experiment, or of all.
    /// `may_take_time` is false for whoever asks each second.
    pub async fn look(
        args: &MetricsArgs,
        metrics: &AnyMetrics,
        only: Option<&str>,
        experiments: &[(&str, u32)],
        may_take_time: bool,
    ) -> Self {
        let busy = match args.store.archive_folder() {
            None => CheckOutcome::NotAsked(
                "a table has no counts of them; docs/statistics.md has a query".to_owned(),
            ),
            Some(_) if !may_take_time => CheckOutcome::NotAsked("not while watching".to_owned()),
            Some(folder) => {
                let read = busy::look(&folder, only);
                read.map_err(|error| Error::world(folder.display().to_string()).because(error)).into()
            }
        };
        Self { placeholders: placeholders(metrics, experiments).await.into(), busy }
    }

    /// True if there are any.
    #[must_use]
    pub fn are_there(&self) -> bool {
        self.placeholders.is_known_and(|it| !it.is_empty())
            || self.busy.is_known_and(|it| !it.busiest.is_empty())
    }

    /// A line for each, and for each question without an answer; with the experiments where there are several.
    #[must_use]
    pub fn lines(&self, has_several: bool) -> Vec<String> {
        let mut lines = Vec::new();
        let unasked = |what: &str, why: &str| format!("{DIM}{what}: not known, {}{DIM:#}", printable(why));
        match &self.placeholders {
            CheckOutcome::Known(found) => lines.extend(found.iter().map(|it| it.line(has_several))),
            CheckOutcome::NotAsked(why) | CheckOutcome::Failed(why) => {
                lines.push(unasked("ids such as \"undefined\"", why));
            }
        }
        match &self.busy {
            CheckOutcome::Known(found) => lines.extend(busy::lines(found)),
            CheckOutcome::NotAsked(why) | CheckOutcome::Failed(why) => {
                lines.push(unasked("units with too many events", why));
            }
        }
        lines
    }

    /// The lines, indented below the table of an experiment.
    #[must_use]
    pub fn human(&self) -> String {
        self.lines(false).iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "  {line}");
            text
        })
    }

    /// True if a question was asked and not answered.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        self.placeholders.is_failed() || self.busy.is_failed()
    }
}

impl Placeholder {
    fn line(&self, has_several: bool) -> String {
        let Self { unit, experiment, variant, since, .. } = self;
        let within = if has_several { format!("{experiment} ({variant})") } else { variant.clone() };
        format!("{BAD}not a user{BAD:#}: {unit:?}, in {within} since {}", since.strftime("%Y-%m-%d"))
    }
}

/// The placeholders that have the mark of an exposure.
async fn placeholders(metrics: &AnyMetrics, experiments: &[(&str, u32)]) -> Result<Vec<Placeholder>, Error> {
    let places: Vec<(&'static str, &str, u32)> = experiments
        .iter()
        .flat_map(|(experiment, epoch)| PLACEHOLDERS.iter().map(|unit| (*unit, *experiment, *epoch)))
        .collect();
    let key = |(unit, experiment, epoch): &(&'static str, &str, u32)| MarkKey {
        unit: Cow::Borrowed(*unit),
        subject: MarkSubject::Exposure { experiment: Cow::Owned((*experiment).to_owned()), epoch: *epoch },
    };
    let keys: Vec<MarkKey<'_>> = places.iter().map(key).collect();
    let marks = metrics.marks(&keys).await.map_err(unanswered)?;
    let found = places.into_iter().zip(marks).filter_map(|((unit, experiment, epoch), mark)| {
        let mark = mark?;
        Some(Placeholder {
            unit: unit.to_owned(),
            experiment: experiment.to_owned(),
            epoch,
            variant: mark.variant.to_string(),
            since: mark.at,
        })
    });
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One call of a batch get takes a hundred keys.
    #[test]
    fn the_placeholders_of_an_experiment_are_one_look_up() {
        assert!(PLACEHOLDERS.len() <= 100);
        let unique: std::collections::HashSet<_> = PLACEHOLDERS.iter().collect();
        assert_eq!(unique.len(), PLACEHOLDERS.len(), "a batch get refuses a key that it is given twice");
    }
}
