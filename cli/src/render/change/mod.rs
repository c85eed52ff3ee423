//! Rendering of a change: for a terminal, and for a pull request.

mod human;
mod markdown;

use super::numbers::count;
use super::short;
use abx_core::change::{Change, Diff, DocumentChange, FieldChange, Flow, Outcome, UnitChanges};
use abx_core::finding::Code;
use serde_json::Value;

pub use human::{consequences, human};
pub use markdown::{code, markdown};

/// The note below the matrices. It is printed once, however many matrices follow.
const PINS: &str = "Percentages are of hash buckets. Assigned units keep their variant unless it is removed, the epoch changes, or a holdout now covers them.";

/// A matrix as text: the header, and the rows with their names.
struct Matrix {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Matrix {
    fn of_flow(flow: &Flow) -> Self {
        let cells: Vec<_> = flow.cells.iter().map(|it| (&it.before, &it.after, it.share.percent())).collect();
        Self::new(&flow.about, &flow.outcomes, &cells)
    }

    fn of_units(counted: &UnitChanges) -> Self {
        let cells: Vec<_> = counted.cells.iter().map(|it| (&it.before, &it.after, count(it.units))).collect();
        Self::new(&format!("{} known units", count(counted.units)), &counted.outcomes, &cells)
    }

    /// A row for each outcome that somebody had, a column for each that somebody gets.
    fn new(about: &str, outcomes: &[Outcome], cells: &[(&Outcome, &Outcome, String)]) -> Self {
        let before = outcomes.iter().filter(|it| cells.iter().any(|(old, ..)| old == it));
        let after: Vec<&Outcome> =
            outcomes.iter().filter(|it| cells.iter().any(|(_, new, _)| new == it)).collect();
        let header = std::iter::once(about.to_owned()).chain(after.iter().map(|it| format!("to {it}")));
        let cell = |old: &Outcome, new: &Outcome| {
            let found = cells.iter().find(|it| it.0 == old && it.1 == new);
            found.map_or("-".to_owned(), |(.., text)| text.clone())
        };
        let row = |old: &Outcome| {
            std::iter::once(format!("from {old}")).chain(after.iter().map(|new| cell(old, new))).collect()
        };
        Self { header: header.collect(), rows: before.map(row).collect() }
    }
}

/// Describes the units that move, and how many of them had to.
fn in_words(flow: &Flow) -> String {
    if flow.moved.is_none() {
        return "no unit gets another variant".to_owned();
    }
    let parts = [(&flow.switched, "get another variant"), (&flow.joined, "join"), (&flow.left, "leave")];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(share, _)| !share.is_none())
        .map(|(share, verb)| format!("{} {verb}", share.percent()))
        .collect();
    let had_to = if flow.avoidable.is_none() {
        "this is the minimum".to_owned()
    } else {
        format!("the minimum is {}, {} is avoidable", flow.minimum.percent(), flow.avoidable.percent())
    };
    format!("{}: {had_to}", parts.join(", "))
}

/// Returns true if the only change of a document is that it no longer compiles, although its text is the
/// same.
fn is_only_broken(document: &DocumentChange) -> bool {
    document.change == Change::Affected
        && document.flows.is_empty()
        && !document.findings.is_empty()
        && document.findings.iter().all(|it| it.code == Code::NotComparable)
}

/// A line about those documents, whose cause is elsewhere; nothing where there are none.
fn broken(diff: &Diff) -> Option<String> {
    let names: Vec<&str> =
        diff.documents.iter().filter(|it| is_only_broken(it)).map(|it| &*it.document).collect();
    let list = names.join(", ");
    (!names.is_empty())
        .then(|| format!("unchanged, but no longer compile, so abx cannot tell which units move: {list}"))
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

/// Counts the documents that are added, changed, removed and unchanged.
fn summary(diff: &Diff) -> String {
    let of = |wanted: fn(&Change) -> bool| diff.documents.iter().filter(|it| wanted(&it.change)).count();
    let (added, removed) = (of(|it| *it == Change::Added), of(|it| *it == Change::Removed));
    let affected = of(|it| *it == Change::Affected);
    let changed = diff.documents.len() - added - removed - affected;
    let affected = if affected > 0 { format!("{affected} affected, ") } else { String::new() };
    format!("{added} added, {changed} changed, {affected}{removed} removed, {} unchanged", diff.unchanged)
}
