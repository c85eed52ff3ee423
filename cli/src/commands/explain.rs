//! `abx explain`: the reasons for a unit's decision, now and at an earlier revision.

mod answer;
mod since;

use crate::command::Execute;
use crate::decisions::{exit_with_errors, missing, subject};
use crate::earlier::{Earlier, SubjectArgs};
use crate::error::Error;
use crate::exit::Exit;
use crate::inputs::{DocumentSource, load_from};
use crate::render::notes::{earlier_from, hinted, left_out};
use crate::render::style::{DIM, TITLE};
use crate::report::{FormatArg, Report};
use crate::source::Checked;
use abx_core::Subject;
use abx_core::read::time_of_text;
use answer::UnitDecisions;
use jiff::Timestamp;
use serde::Serialize;
use since::SinceRevision;

/// Explain a decision for a unit: every step, condition, hash and bucket
///
/// With a revision, also show the decision of that revision, and the step that has changed since.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx explain user_123 checkout_redesign
  abx explain user_123 pricing_page --context country=DE
  abx explain user_123 checkout_redesign --pin control
  abx explain user_123 checkout_redesign --at 2026-03-01
  abx explain user_123 checkout_redesign --at @12
  abx explain user_123 checkout_redesign --at main
  abx explain user_123 checkout_redesign --at HEAD~3:experiments --at 2026-03-01T09:00:00Z")]
pub struct Args {
    /// The unit, for example a user id; it is hashed exactly as written. With --store, --table or --from @N an assignment stored for this unit
    /// is used
    unit: String,
    /// The key of an experiment or flag
    #[arg(add = crate::complete::experiments_and_flags())]
    key: String,
    /// Assume that this variant was assigned before, whatever the store holds (in the current epoch, unless --pin-epoch is given)
    #[arg(long, value_name = "VARIANT")]
    pin: Option<String>,
    /// The epoch of that assignment
    #[arg(long, value_name = "N", requires = "pin")]
    pin_epoch: Option<u32>,
    #[command(flatten)]
    subject: SubjectArgs,
    /// Decide as of this time, for example 2026-03-01T09:00:00Z or 2026-03-01; now by default. Or compare with a revision: a
    /// published one (@12), or one of git (main, v1.2 or HEAD~3:experiments), as of the time when it was made.
    /// Given twice, as a time and a revision: compare with the decision of that revision at that time
    #[arg(long, value_name = "TIME|REVISION")]
    at: Vec<String>,
    #[command(flatten)]
    format: FormatArg,
}

/// The decision for a unit, and the reasons for it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ExplainReport {
    unit: String,
    #[serde(flatten)]
    answer: UnitDecisions,
    /// The decision by an earlier revision, if one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<SinceRevision>,
    /// The store whose earlier assignment holds, where one is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    earlier_assignments: Option<String>,
    /// Warnings about the attributes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hints: Vec<String>,
}

/// The time and revision that `--at` names: at most one of each.
#[derive(Debug, Default)]
struct AtArgument<'a> {
    time: Option<Timestamp>,
    revision: Option<&'a str>,
}

impl<'a> AtArgument<'a> {
    fn parse(texts: &'a [String]) -> Result<Self, Error> {
        let mut when = Self::default();
        for text in texts {
            let twice = match time_of_text(text) {
                Some(time) => when.time.replace(time).is_some().then_some("times"),
                None => when.revision.replace(text).is_some().then_some("revisions"),
            };
            if let Some(what) = twice {
                return Err(Error::caller(format!("--at names two {what}")).help(
                    "give a time, for example 2026-03-01 or 2026-03-01T09:00:00Z, a revision, or one of each",
                ));
            }
        }
        Ok(when)
    }
}

impl Execute for Args {
    type Report = ExplainReport;

    /// Decides, and keeps every step.
    fn execute(&self) -> Result<ExplainReport, Error> {
        let when = AtArgument::parse(&self.at)?;
        let sources =
            when.revision.map(|it| DocumentSource::of_revision(it, &self.subject.from.from)).transpose()?;
        let checked = self.subject.from.load()?;
        let revised = when.revision.zip(sources);
        let then = revised.as_ref().map(|(revision, sources)| {
            load_from(sources, &self.subject.from.store).map_err(|error| not_a_time(error, revision))
        });
        let then = then.transpose()?;
        let mut types = checked.catalog.attributes().clone();
        if let Some(then) = &then {
            types.merge(then.catalog.attributes());
        }
        let context = self.subject.context.read(Some(&types))?;
        let subject = subject(&self.unit, &context.attributes)?;
        let mut earlier = self.read_earlier(&subject, [Some(&checked), then.as_ref()])?;
        let hints = [context.hints, std::mem::take(&mut earlier.hints)].concat();
        let report = |answer, since| ExplainReport {
            unit: self.unit.clone(),
            answer,
            since,
            earlier_assignments: earlier.store.clone(),
            hints,
        };
        let Some(((_, sources), then)) = revised.zip(then.as_ref()) else {
            let now = when.time.unwrap_or_else(Timestamp::now);
            let answer = UnitDecisions::new(self, &checked, &subject, &earlier, now)?;
            return Ok(report(answer.ok_or_else(|| missing(&self.key, &checked))?, None));
        };
        let made_at = match when.time {
            Some(time) => time,
            None => DocumentSource::made_at(&sources, &self.subject.from.store)?,
        };
        let before = UnitDecisions::new(self, then, &subject, &earlier, made_at)?;
        let now = UnitDecisions::new(self, &checked, &subject, &earlier, Timestamp::now())?;
        if before.is_none() && now.is_none() {
            return Err(missing(&self.key, &checked));
        }
        let before = before.unwrap_or_else(|| UnitDecisions::nothing(made_at, then));
        let now = now.unwrap_or_else(|| UnitDecisions::nothing(Timestamp::now(), &checked));
        let documents = since::documents(&self.key, then, &checked, Timestamp::now());
        let since = SinceRevision::new(
            since::list(&sources),
            since::list(&self.subject.from.from),
            before,
            &now,
            documents,
        );
        Ok(report(now, Some(since)))
    }

    fn print(&self, report: &ExplainReport) -> String {
        self.format.print(report)
    }
}

impl Args {
    /// The assignment that the store holds, unless one is given.
    fn read_earlier(&self, subject: &Subject<'_>, sides: [Option<&Checked>; 2]) -> Result<Earlier, Error> {
        if self.pin.is_some() {
            return Ok(Earlier::default());
        }
        let experiments = sides.into_iter().flatten().filter_map(|side| side.catalog.experiment(&self.key));
        self.subject.read_earlier(subject, experiments)
    }
}

/// A misspelt time looks like a revision.
fn not_a_time(error: Error, text: &str) -> Error {
    if text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains(':') || text.contains('T') {
        return error.also("a time is written as 2026-03-01T09:00:00Z, or as 2026-03-01");
    }
    error
}

impl Report for ExplainReport {
    const KIND: &'static str = "explain";

    fn human(&self) -> String {
        let unit = self.unit.escape_debug();
        if let Some(since) = &self.since {
            return format!("{TITLE}{unit}{TITLE:#}\n")
                + &earlier_from(self.earlier_assignments.as_deref())
                + &since.human(&self.answer)
                + &hinted(&self.hints)
                + &left_out(self.answer.errors);
        }
        let at = self.answer.at;
        format!("{TITLE}{unit}{TITLE:#} {DIM}at {at}{DIM:#}\n")
            + &earlier_from(self.earlier_assignments.as_deref())
            + &self.answer.human()
            + &hinted(&self.hints)
            + &left_out(self.answer.errors)
    }

    fn exit(&self) -> Exit {
        exit_with_errors(self.answer.errors)
    }
}
