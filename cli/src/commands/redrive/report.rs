//! The report of a redrive, or of its plan.

use crate::exit::{self, Exit};
use crate::render::numbers::count;
use crate::render::style::{BAD, DIM, GOOD, TITLE};
use crate::render::{printable, table};
use crate::report::Report;
use abx_core::event::Classes;
use abx_functions::events::{RecordStanding, Redriven};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The number of refused records that are named.
const NAMED: usize = 20;

/// Records that were redriven, or would be. Records read = counted + ahead + already counted + refused + left.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct RedriveReport {
    store: String,
    /// True if records were counted; false for a plan.
    redriven: bool,
    /// Events read.
    records: u64,
    /// Events that are counted now; without --yes, those that would be counted at their own places.
    counted: u64,
    /// Without --yes: events beyond the head of their shard, which would be counted in order and move it.
    ahead: u64,
    /// Events that were counted before, and those that were read twice.
    already_counted: u64,
    /// Events that were refused, or would be, by reason.
    refused: BTreeMap<String, u64>,
    /// Events that nothing became of, because it ended before.
    left: u64,
    /// The counts of the events; empty without --yes.
    classes: BTreeMap<&'static str, u64>,
    /// By shard.
    shards: BTreeMap<String, ShardReport>,
    /// The first refused records.
    refusals: Vec<RefusedRecord>,
    /// Why it ended before the last record.
    stopped: Option<String>,
}

/// Records of a shard.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
struct ShardReport {
    records: u64,
    /// The arrival of the first of them.
    #[schemars(with = "Option<String>")]
    first: Option<Timestamp>,
    /// The arrival of the last of them.
    #[schemars(with = "Option<String>")]
    last: Option<Timestamp>,
    counted: u64,
    ahead: u64,
    already_counted: u64,
    refused: u64,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct RefusedRecord {
    /// `stream/shard:sequence`, or the file of a record without a place.
    id: String,
    reason: String,
    detail: String,
}

impl RedriveReport {
    pub(super) fn new(store: String, redriven: bool) -> Self {
        Self {
            store,
            redriven,
            records: 0,
            counted: 0,
            ahead: 0,
            already_counted: 0,
            refused: BTreeMap::new(),
            left: 0,
            classes: BTreeMap::new(),
            shards: BTreeMap::new(),
            refusals: Vec::new(),
            stopped: None,
        }
    }

    /// Notes a record that was read.
    pub(super) fn read(&mut self, shard: &str, arrived: Timestamp) {
        self.records += 1;
        let shard = self.shard(shard);
        shard.records += 1;
        shard.first = Some(shard.first.map_or(arrived, |first| first.min(arrived)));
        shard.last = shard.last.max(Some(arrived));
    }

    /// Notes records that were read before.
    pub(super) fn repeat(&mut self, shard: &str, records: u64) {
        self.records += records;
        self.already_counted += records;
        let shard = self.shard(shard);
        shard.records += records;
        shard.already_counted += records;
    }

    /// Notes a record that was read and has no place.
    pub(super) fn refuse(&mut self, id: &str, reason: &str, detail: &str) {
        self.records += 1;
        self.add_refusal(id.to_owned(), reason, detail);
    }

    /// Notes what would become of a shard's records.
    pub(super) fn plan<'a>(
        &mut self,
        shard: &str,
        standings: impl Iterator<Item = (String, &'a RecordStanding)>,
    ) {
        for (id, standing) in standings {
            if let RecordStanding::Refused(reason) = standing {
                self.add_refusal(id, reason.as_str(), "");
            }
            let (total, of) = match standing {
                RecordStanding::Counted => (&mut self.already_counted, 0),
                RecordStanding::GivenUp => (&mut self.counted, 1),
                RecordStanding::Ahead => (&mut self.ahead, 2),
                RecordStanding::Refused(_) => (&mut 0, 3),
            };
            *total += 1;
            let it = self.shard(shard);
            let numbers = [&mut it.already_counted, &mut it.counted, &mut it.ahead, &mut it.refused];
            if let Some(number) = numbers.into_iter().nth(of) {
                *number += 1;
            }
        }
    }

    /// Notes what became of a shard's records.
    pub(super) fn done(&mut self, name: &str, redriven: &Redriven) {
        let counted = redriven.counted.sum();
        let shard = self.shard(name);
        shard.counted += counted;
        shard.already_counted += redriven.already_counted;
        shard.refused += redriven.refused.len() as u64;
        self.counted += counted;
        self.already_counted += redriven.already_counted;
        self.add_classes(&redriven.counted);
        for refusal in &redriven.refused {
            self.add_refusal(
                format!("{name}:{}", refusal.position),
                refusal.reason.as_str(),
                &refusal.detail,
            );
        }
    }

    /// Notes that it ended, and why if that was before the last record.
    pub(super) fn end(&mut self, stopped: Option<String>) {
        let done = self.counted + self.ahead + self.already_counted + self.refused();
        self.left = self.records.saturating_sub(done);
        self.stopped = stopped;
    }

    fn shard(&mut self, name: &str) -> &mut ShardReport {
        self.shards.entry(name.to_owned()).or_default()
    }

    fn add_classes(&mut self, classes: &Classes) {
        for (class, number) in classes.iter().filter(|(_, number)| *number > 0) {
            *self.classes.entry(class.as_str()).or_default() += number;
        }
    }

    fn add_refusal(&mut self, id: String, reason: &str, detail: &str) {
        *self.refused.entry(reason.to_owned()).or_default() += 1;
        if self.refusals.len() < NAMED {
            let (reason, detail) = (reason.to_owned(), detail.to_owned());
            self.refusals.push(RefusedRecord { id, reason, detail });
        }
    }

    fn refused(&self) -> u64 {
        self.refused.values().sum()
    }
}

impl Report for RedriveReport {
    const KIND: &'static str = "redrive";

    fn human(&self) -> String {
        let Self { store, records, shards, .. } = self;
        if *records == 0 {
            return format!("{store}: there are no records to redrive\n");
        }
        let would = if self.redriven { "" } else { "would be " };
        let s = if *records == 1 { "" } else { "s" };
        let mut text = format!("{TITLE}{store}{TITLE:#}: {} record{s} read\n", count(*records));
        let of = [
            (self.counted, format!("{would}counted")),
            (
                self.ahead,
                "would be counted as usual: they come after the last counted record of their shard"
                    .to_owned(),
            ),
            (self.already_counted, "already counted".to_owned()),
            (self.refused(), format!("{would}refused")),
            (self.left, "left".to_owned()),
        ];
        for (number, what) in of.iter().filter(|(number, _)| *number > 0) {
            let _ = writeln!(text, "  {:>9} {what}", count(*number));
        }
        let classes: Vec<_> = self
            .classes
            .iter()
            .map(|(class, n)| format!("{} {}", count(*n), class.replace('_', " ")))
            .collect();
        if !classes.is_empty() {
            let _ = writeln!(text, "  {DIM}counted as: {}{DIM:#}", classes.join(" · "));
        }
        let time = |time: Option<Timestamp>| {
            time.map_or_else(String::new, |it| it.strftime("%Y-%m-%d %H:%M").to_string())
        };
        let rows = shards.iter().map(|(shard, it)| {
            let numbers = [it.counted + it.ahead, it.already_counted, it.refused].map(count);
            [[printable(shard), time(it.first)].to_vec(), numbers.to_vec()].concat()
        });
        let to_count = if self.redriven { "counted" } else { "to count" };
        let header = ["shard", "since (UTC)", to_count, "already", "refused"];
        let _ = writeln!(text, "\n{}", table::plain(&header, &[2, 3, 4], rows));
        for RefusedRecord { id, reason, detail } in &self.refusals {
            let detail = if detail.is_empty() { String::new() } else { format!(": {}", printable(detail)) };
            let _ = writeln!(text, "  {BAD}{reason}{BAD:#} {}{detail}", printable(id));
        }
        if let Some(why) = &self.stopped {
            let _ = writeln!(
                text,
                "\n{BAD}stopped{BAD:#}: {why}\nRun the command again: nothing is counted twice."
            );
        }
        let _ = match (self.redriven, self.counted) {
            (false, _) => writeln!(text, "\nNothing was changed: add --yes to count them."),
            (true, 0) => writeln!(text, "\n{DIM}Nothing was left to count.{DIM:#}"),
            (true, counted) => writeln!(text, "\n{GOOD}{} counted{GOOD:#}", count(counted)),
        };
        text
    }

    fn exit(&self) -> Exit {
        let is_in_vain = self.counted + self.ahead + self.already_counted == 0;
        if self.stopped.is_some() {
            exit::WORLD
        } else if self.refused() > 0 || is_in_vain {
            exit::FINDINGS
        } else {
            exit::DONE
        }
    }
}
