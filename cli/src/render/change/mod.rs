//! How a change looks: to a person at a terminal, and in a pull request.

mod human;
mod markdown;

use super::numbers::{count, exact_percent};
use super::short;
use abx_core::change::{Change, Counted, Diff, DocumentChange, FieldChange, Flow, Outcome, Share};
use serde_json::Value;

pub use human::{consequences, human};
pub use markdown::{code, markdown};

/// What a matrix is about is said once.
const PINS: &str =
    "Shares are of the hash. Who is assigned already keeps the variant, while it exists and the epoch lasts.";

/// A matrix as text: the header, and the rows with their names.
struct Matrix {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Matrix {
    fn of_flow(flow: &Flow) -> Self {
        let (before, after) = flow.sides();
        let cell = |old: &Outcome, new: &Outcome| percent_or_dash(&flow.share(old, new));
        Self::new(&flow.about, &before, &after, cell)
    }

    fn of_units(counted: &Counted) -> Self {
        let side = |of: fn(&abx_core::change::UnitCell) -> &Outcome| -> Vec<&Outcome> {
            let mut outcomes: Vec<&Outcome> = counted.cells.iter().map(of).collect();
            outcomes.sort();
            outcomes.dedup();
            outcomes
        };
        let cell = |old: &Outcome, new: &Outcome| {
            let found = counted.cells.iter().find(|it| it.before == *old && it.after == *new);
            found.map_or("-".to_owned(), |it| count(it.units))
        };
        let about = format!("{} known units", count(counted.units));
        Self::new(&about, &side(|it| &it.before), &side(|it| &it.after), cell)
    }

    fn new(
        about: &str,
        before: &[&Outcome],
        after: &[&Outcome],
        cell: impl Fn(&Outcome, &Outcome) -> String,
    ) -> Self {
        let header = std::iter::once(about.to_owned()).chain(after.iter().map(|it| format!("to {it}")));
        let row = |old: &&Outcome| {
            std::iter::once(format!("from {old}")).chain(after.iter().map(|new| cell(old, new))).collect()
        };
        Self { header: header.collect(), rows: before.iter().map(row).collect() }
    }
}

fn percent(share: &Share) -> String {
    exact_percent(share.to_f64())
}

fn percent_or_dash(share: &Share) -> String {
    if share.is_none() { "-".to_owned() } else { percent(share) }
}

/// Who moves, in words, and how many of them had to.
fn in_words(flow: &Flow) -> String {
    if flow.moved.is_none() {
        return "nobody gets another variant".to_owned();
    }
    let parts = [(&flow.switched, "get another variant"), (&flow.joined, "join"), (&flow.left, "leave")];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(share, _)| !share.is_none())
        .map(|(share, verb)| format!("{} {verb}", percent(share)))
        .collect();
    let had_to = if flow.avoidable.is_none() {
        "no fewer could".to_owned()
    } else {
        format!("{} had to, {} is avoidable", percent(&flow.minimum), percent(&flow.avoidable))
    };
    format!("{}: {had_to}", parts.join(", "))
}

/// The largest share that a flow of a document moves.
fn most_moved(document: &DocumentChange) -> Option<&Flow> {
    document.flows.iter().max_by(|a, b| a.moved.cmp(&b.moved))
}

/// A field and what becomes of it.
fn field(change: &FieldChange) -> (String, String) {
    let shown = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), |it| short(it, 60));
    (shown(&change.before), shown(&change.after))
}

/// How many documents are added, changed, removed and unchanged.
fn summary(diff: &Diff) -> String {
    let of = |wanted: fn(&Change) -> bool| diff.documents.iter().filter(|it| wanted(&it.change)).count();
    let (added, removed) = (of(|it| *it == Change::Added), of(|it| *it == Change::Removed));
    let affected = of(|it| *it == Change::Affected);
    let changed = diff.documents.len() - added - removed - affected;
    let affected = if affected > 0 { format!("{affected} affected, ") } else { String::new() };
    format!("{added} added, {changed} changed, {affected}{removed} removed, {} unchanged", diff.unchanged)
}
