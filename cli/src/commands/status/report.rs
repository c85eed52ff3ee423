//! The answers, as a person and a program read them.

use super::amounts::{self, WithoutAmount};
use super::archive::ArchiveStatus;
use super::catalog::{PublishedHead, Stale};
use super::cloudwatch::Alarm;
use super::mapping::{self, DiscardedRecords, Mapping};
use super::stream::{QuarantineStatus, Shard};
use super::unknown::{self, UnknownEventsStatus};
use crate::exit::{self, Exit};
use crate::outcome::CheckOutcome;
use crate::render::notes::by_reason;
use crate::render::numbers::{count, span};
use crate::render::printable;
use crate::render::style::{BAD, DIM, GOOD, TITLE};
use crate::report::{Authorship, Report};
use crate::suspects::Suspects;
use abx_core::change::{Change, Diff, DocumentChange};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::fmt::Write as _;

/// The published revision, and the problems.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct StatusReport {
    pub(super) store: String,
    #[schemars(with = "String")]
    pub(super) at: Timestamp,
    /// The revision that serves; `null` if nothing was ever published.
    pub(super) head: CheckOutcome<Option<PublishedHead>>,
    /// The changes that publishing the documents would make.
    pub(super) drift: CheckOutcome<Diff>,
    pub(super) stale: CheckOutcome<Vec<Stale>>,
    pub(super) shards: CheckOutcome<Vec<Shard>>,
    /// Events that came lately and that no metric asks for.
    pub(super) unknown_events: CheckOutcome<UnknownEventsStatus>,
    /// Events of running experiments that are in no sum, because they have no usable amount.
    pub(super) amounts: CheckOutcome<Vec<WithoutAmount>>,
    /// Those that are in alarm.
    pub(super) alarms: CheckOutcome<Vec<Alarm>>,
    /// The event source mapping, which delivers the stream to the event function.
    pub(super) mappings: CheckOutcome<Vec<Mapping>>,
    /// Records that Lambda gave up.
    pub(super) given_up: CheckOutcome<DiscardedRecords>,
    /// The delivery stream that writes the archive.
    pub(super) archive: CheckOutcome<ArchiveStatus>,
    pub(super) quarantine: CheckOutcome<QuarantineStatus>,
    /// Units that are not users, in the experiments that run.
    pub(super) suspects: Suspects,
    /// The longest time that an event may wait, in seconds.
    pub(super) max_lag: f64,
}

/// A row for a person: what it is about, whether there is something to look at, and lines below it; or why it was not asked.
struct Row {
    about: &'static str,
    text: Result<String, String>,
    lines: Vec<String>,
}

impl StatusReport {
    /// The number of problems by subject.
    fn findings(&self) -> [bool; 10] {
        [
            // A store in which nothing was ever published is probably not the one that was meant.
            self.head.is_known_and(Option::is_none),
            self.drift.is_known_and(|drift| !drift.documents.is_empty()),
            self.stale.is_known_and(|stale| !stale.is_empty()),
            self.shards.is_known_and(|shards| shards.iter().any(|shard| self.is_late(shard))),
            self.alarms.is_known_and(|alarms| !alarms.is_empty()),
            self.mappings.is_known_and(|it| mapping::is_broken(it)),
            self.given_up.is_known_and(DiscardedRecords::is_any),
            self.archive.is_known_and(ArchiveStatus::is_broken),
            self.quarantine.is_known_and(|it| !it.reasons.is_empty()),
            self.suspects.are_there(),
        ]
    }

    fn is_late(&self, shard: &Shard) -> bool {
        shard.behind.is_known_and(|seconds| *seconds > self.max_lag)
    }

    fn is_failed(&self) -> bool {
        let lag = self.shards.is_known_and(|shards| shards.iter().any(|shard| shard.behind.is_failed()));
        lag || self.head.is_failed()
            || self.drift.is_failed()
            || self.stale.is_failed()
            || self.shards.is_failed()
            || self.unknown_events.is_failed()
            || self.amounts.is_failed()
            || self.alarms.is_failed()
            || self.mappings.is_failed()
            || self.given_up.is_failed()
            || self.archive.is_failed()
            || self.quarantine.is_failed()
            || self.suspects.is_failed()
    }

    fn head_row(&self, head: Option<&PublishedHead>) -> (String, Vec<String>) {
        let Some(head) = head else { return ("nothing was ever published".to_owned(), Vec::new()) };
        let age = span(self.at.duration_since(head.published_at));
        let mut lines = Vec::new();
        if !head.by.message.is_empty() {
            lines.push(printable(&head.by.message));
        }
        if head.newest != head.revision {
            lines.push(match &head.rolled_back {
                Some(it) => {
                    let Authorship { author, message } = &it.by;
                    let why = if message.is_empty() { String::new() } else { format!(": {message}") };
                    let at = it.at.strftime("%Y-%m-%d %H:%M UTC");
                    printable(&format!(
                        "revision {} is newer: rolled back at {at} by {author}{why}",
                        head.newest
                    ))
                }
                None => format!("revision {} is newer: the head was rolled back", head.newest),
            });
        }
        let at = head.published_at.strftime("%Y-%m-%d %H:%M UTC");
        (format!("revision {} of {at}, {age} old, by {}", head.revision, printable(&head.by.author)), lines)
    }

    fn shard_row(&self, shards: &[Shard]) -> (String, Vec<String>) {
        if shards.is_empty() {
            return ("nothing was counted yet".to_owned(), Vec::new());
        }
        let line = |shard: &Shard| {
            let position = shard.position.as_deref().unwrap_or("not counted yet");
            let counted = match (shard.counted_at, shard.latest_hour) {
                (Some(at), _) => format!(", which came {} ago", span(self.at.duration_since(at))),
                (None, Some(hour)) => format!(", latest hour {}", hour.strftime("%Y-%m-%d %H:00 UTC")),
                (None, None) => String::new(),
            };
            let behind = match &shard.behind {
                CheckOutcome::Known(0.0) => "nothing waits".to_owned(),
                CheckOutcome::Known(seconds) => {
                    let waited =
                        span(SignedDuration::try_from_secs_f64(*seconds).unwrap_or(SignedDuration::MAX));
                    if self.is_late(shard) {
                        format!("{BAD}{waited} behind{BAD:#}")
                    } else {
                        format!("{waited} behind")
                    }
                }
                CheckOutcome::NotAsked(why) => format!("{DIM}{why}{DIM:#}"),
                CheckOutcome::Failed(why) => format!("{BAD}{}{BAD:#}", printable(why)),
            };
            format!("{}: at {}{counted}; {behind}", printable(&shard.name), printable(position))
        };
        let late = shards.iter().filter(|shard| self.is_late(shard)).count();
        let limit = span(SignedDuration::try_from_secs_f64(self.max_lag).unwrap_or(SignedDuration::MAX));
        let text = match late {
            0 => plural(shards.len(), "shard"),
            late => format!("{}, {BAD}{late} more than {limit} behind{BAD:#}", plural(shards.len(), "shard")),
        };
        (text, shards.iter().map(line).collect())
    }
}

fn drift_row(drift: &Diff) -> (String, Vec<String>) {
    if drift.documents.is_empty() {
        return (format!("{GOOD}none{GOOD:#}: the documents are what is published"), Vec::new());
    }
    let text = format!("{BAD}the documents are not what is published{BAD:#}: `abx publish` would change");
    (text, drift.documents.iter().map(changed).collect())
}

/// The name of the document; `abx publish` and `abx diff` show its changes.
fn changed(document: &DocumentChange) -> String {
    let name = &printable(&document.document);
    match &document.change {
        Change::Added => format!("{GOOD}+{GOOD:#} {name}"),
        Change::Removed => format!("{BAD}-{BAD:#} {name}"),
        Change::Changed => format!("~ {name}"),
        Change::Affected => format!("~ {name}, by what it uses"),
        Change::Renamed(before) => format!("~ {name}, which was {}", printable(before)),
    }
}

fn stale_row(stale: &[Stale]) -> (String, Vec<String>) {
    if stale.is_empty() {
        return (format!("{GOOD}none{GOOD:#}"), Vec::new());
    }
    let lines = stale.iter().map(|it| printable(&format!("{}: {}", it.document, it.detail))).collect();
    (format!("{BAD}{}{BAD:#}", plural(stale.len(), "document")), lines)
}

fn alarm_row(alarms: &[Alarm]) -> (String, Vec<String>) {
    if alarms.is_empty() {
        return (format!("{GOOD}none{GOOD:#}"), Vec::new());
    }
    let lines = alarms.iter().map(|it| printable(&format!("{}: {}", it.name, it.reason))).collect();
    (format!("{BAD}{}{BAD:#}", plural(alarms.len(), "alarm")), lines)
}

fn quarantine_row(found: &QuarantineStatus) -> (String, Vec<String>) {
    let since = found.since.strftime("%Y-%m-%d");
    match found.reasons.values().sum::<u64>() {
        0 => (format!("{GOOD}nothing{GOOD:#} since {since}"), Vec::new()),
        total => {
            let text = format!("{BAD}{}{BAD:#} since {since}: {}", count(total), by_reason(&found.reasons));
            (text, vec!["`abx quarantine list` shows them".to_owned()])
        }
    }
}

fn suspects_row(suspects: &Suspects) -> Row {
    let text = if suspects.are_there() {
        format!("{BAD}some are not users{BAD:#}")
    } else if suspects.is_failed() {
        format!("{BAD}not answered{BAD:#}")
    } else {
        format!("{GOOD}none{GOOD:#} is suspicious")
    };
    Row { about: "units", text: Ok(text), lines: suspects.lines(true) }
}

fn plural(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

impl Row {
    fn new<T>(
        about: &'static str,
        part: &CheckOutcome<T>,
        known: impl FnOnce(&T) -> (String, Vec<String>),
    ) -> Self {
        let (text, lines) = match part {
            CheckOutcome::Known(told) => known(told),
            CheckOutcome::NotAsked(why) => return Self { about, text: Err(why.clone()), lines: Vec::new() },
            CheckOutcome::Failed(why) => {
                (format!("{BAD}not answered{BAD:#}: {}", printable(why)), Vec::new())
            }
        };
        Self { about, text: Ok(text), lines }
    }
}

/// All rows. What was not asked stands at the end, by the reason: many rows without an answer would hide those that have one.
fn listed(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        if let Ok(answer) = &row.text {
            line(&mut text, row.about, answer);
            row.lines.iter().for_each(|it| line(&mut text, "", it));
        }
    }
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in rows {
        let Err(why) = &row.text else { continue };
        match reasons.iter_mut().find(|(reason, _)| reason == why) {
            Some((_, abouts)) => abouts.push(row.about),
            None => reasons.push((why, vec![row.about])),
        }
    }
    for (at, (why, abouts)) in reasons.iter().enumerate() {
        let about = if at == 0 { "not asked" } else { "" };
        line(&mut text, about, &format!("{DIM}{}: {}{DIM:#}", abouts.join(", "), printable(why)));
    }
    text
}

fn line(text: &mut String, about: &str, what: &str) {
    let _ = writeln!(text, "  {about:<12}{what}");
}

impl Report for StatusReport {
    const KIND: &'static str = "status";

    fn human(&self) -> String {
        let at = self.at.strftime("%Y-%m-%d %H:%M UTC");
        let rows = [
            Row::new("head", &self.head, |it| self.head_row(it.as_ref())),
            Row::new("drift", &self.drift, drift_row),
            Row::new("stale", &self.stale, |it| stale_row(it)),
            Row::new("shards", &self.shards, |it| self.shard_row(it)),
            Row::new("events", &self.unknown_events, unknown::row),
            Row::new("amounts", &self.amounts, |it| amounts::row(it)),
            Row::new("alarms", &self.alarms, |it| alarm_row(it)),
            Row::new("mapping", &self.mappings, |it| mapping::row(it)),
            Row::new("given up", &self.given_up, DiscardedRecords::row),
            Row::new("archive", &self.archive, ArchiveStatus::row),
            Row::new("quarantine", &self.quarantine, quarantine_row),
            suspects_row(&self.suspects),
        ];
        format!("{TITLE}{}{TITLE:#} {DIM}at {at}{DIM:#}\n{}", self.store, listed(&rows))
    }

    fn exit(&self) -> Exit {
        if self.findings().contains(&true) {
            exit::FINDINGS
        } else if self.is_failed() {
            exit::WORLD
        } else {
            exit::DONE
        }
    }
}
