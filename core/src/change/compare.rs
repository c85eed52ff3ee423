//! Comparison of two sets of documents: the pairs that belong together, and the differences of each.

use super::shared::ChangedSegments;
use super::{
    CatalogVersion, Change, ChangeFinding, Diff, DocumentChange, Pair, experiment, field_changes, flag,
    renamed,
};
use crate::finding::{Code, Finding, Findings, Path};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// Compares two sets of documents at a time, which decides what runs.
#[must_use]
pub fn compare(before: &CatalogVersion<'_>, after: &CatalogVersion<'_>, now: Timestamp) -> Diff {
    let comparison = CatalogComparison::new(before, after, now);
    let new = after.documents.iter().filter_map(|document| Some((DocumentName::of(document)?, *document)));
    let changes: Vec<_> =
        new.map(|(name, document)| (name, document, comparison.of_new(name, document))).collect();
    let moved: HashSet<DocumentName<'_>> = changes
        .iter()
        .filter(|(.., change)| change.as_ref().is_some_and(DocumentChange::moves))
        .map(|(name, ..)| *name)
        .collect();
    let mut diff = Diff { documents: Vec::new(), unchanged: 0 };
    for (name, document, change) in changes {
        match with_what_it_asks(name, document, change, &moved) {
            Some(change) => diff.documents.push(change),
            None => diff.unchanged += 1,
        }
    }
    diff.documents.extend(comparison.gone().map(|name| comparison.of_gone(name)));
    // Whichever files or revision they are from, the same change reads the same.
    diff.documents.sort_by(|a, b| a.document.cmp(&b.document));
    diff
}

/// The name of a document: its kind and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct DocumentName<'a> {
    kind: &'static str,
    key: &'a str,
}

impl<'a> DocumentName<'a> {
    fn of(document: &'a Value) -> Option<Self> {
        let keyed = |kind: &'static str| Some(Self { kind, key: document.get(kind)?.as_str()? });
        keyed("experiment")
            .or_else(|| keyed("flag"))
            .or_else(|| document.get("catalog").map(|_| Self { kind: "catalog", key: "" }))
    }
}

impl fmt::Display for DocumentName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() { f.write_str(self.kind) } else { write!(f, "{} {}", self.kind, self.key) }
    }
}

struct CatalogComparison<'a> {
    before: &'a CatalogVersion<'a>,
    after: &'a CatalogVersion<'a>,
    now: Timestamp,
    old: HashMap<DocumentName<'a>, &'a Value>,
    new: HashMap<DocumentName<'a>, &'a Value>,
    /// The new name of a document, and its old one.
    renamed: HashMap<DocumentName<'a>, DocumentName<'a>>,
    segments: ChangedSegments<'a>,
    is_shared_changed: bool,
}

fn by_name<'a>(side: &'a CatalogVersion<'a>) -> HashMap<DocumentName<'a>, &'a Value> {
    side.documents.iter().filter_map(|document| Some((DocumentName::of(document)?, *document))).collect()
}

impl<'a> CatalogComparison<'a> {
    fn new(before: &'a CatalogVersion<'a>, after: &'a CatalogVersion<'a>, now: Timestamp) -> Self {
        let (old, new) = (by_name(before), by_name(after));
        let shared = DocumentName { kind: "catalog", key: "" };
        let (old_shared, new_shared) = (old.get(&shared).copied(), new.get(&shared).copied());
        let mut renamed = HashMap::new();
        for kind in ["experiment", "flag"] {
            let only_in = |side: &'a CatalogVersion<'a>,
                           other: &HashMap<DocumentName<'a>, &'a Value>|
             -> Vec<&'a Value> {
                let is_wanted = |name: DocumentName<'a>| name.kind == kind && !other.contains_key(&name);
                side.documents
                    .iter()
                    .copied()
                    .filter(|it| DocumentName::of(it).is_some_and(is_wanted))
                    .collect()
            };
            let (gone, added) = (only_in(before, &new), only_in(after, &old));
            let name = |list: &[&'a Value], at: usize| list.get(at).and_then(|it| DocumentName::of(it));
            let pairs = renamed::pairs(kind, &gone, &added);
            renamed.extend(
                pairs.into_iter().filter_map(|(from, to)| Some((name(&added, to)?, name(&gone, from)?))),
            );
        }
        Self {
            before,
            after,
            now,
            segments: ChangedSegments::between(old_shared, new_shared),
            is_shared_changed: old_shared != new_shared,
            old,
            new,
            renamed,
        }
    }

    /// Returns the difference of a document in the new set; `None` if it has none.
    fn of_new(&self, name: DocumentName<'a>, document: &'a Value) -> Option<DocumentChange> {
        let was = self.renamed.get(&name).copied().unwrap_or(name);
        let Some(old) = self.old.get(&was) else { return Some(DocumentChange::new(name, Change::Added)) };
        let fields = field_changes(old, document);
        if fields.is_empty() && !self.is_shared_changed {
            return None;
        }
        let kind = match (was == name, fields.is_empty()) {
            (false, _) => Change::Renamed(was.to_string()),
            (true, true) => Change::Affected,
            (true, false) => Change::Changed,
        };
        let mut change = DocumentChange::new(name, kind);
        change.fields = fields;
        let segment = self.segments.used_by(document).or(self.segments.used_by(old));
        if let Some(segment) = segment {
            change.notes.push(format!("its segment `{segment}` changes"));
        }
        let mut findings = Findings::default();
        match name.kind {
            "experiment" => {
                self.experiment((was, old), (name, document), segment, &mut change, &mut findings);
            }
            "flag" => self.flag((was, old), (name, document), &mut change, &mut findings),
            _ => {}
        }
        let list = findings.into_list().into_iter();
        change.findings = list.map(|it| ChangeFinding::new(it, (was != name).then_some(was.key))).collect();
        let is_same = change.fields.is_empty() && !change.moves() && change.findings.is_empty();
        (!is_same || segment.is_some()).then_some(change)
    }

    fn experiment(
        &self,
        (was, old): (DocumentName<'a>, &'a Value),
        (name, new): (DocumentName<'a>, &'a Value),
        segment: Option<&str>,
        change: &mut DocumentChange,
        findings: &mut Findings,
    ) {
        let before = self.before.catalog.experiment(was.key);
        let after = self.after.catalog.experiment(name.key);
        let (Some(before), Some(after)) = (before, after) else {
            return not_comparable(before.is_some(), after.is_some(), findings);
        };
        let pair = Pair { before, after, before_document: old, after_document: new };
        let flow = experiment::flow(&pair, self.now);
        experiment::judge(&pair, &flow, self.now, findings);
        experiment::judge_targeting(&pair, self.now, segment, findings);
        change.notes.extend(experiment::notes(&pair));
        if was != name {
            change.notes.push(format!("assignments and counts stay with the key `{}`", was.key));
        }
        if !flow.is_still() {
            change.flows.push(flow);
        }
    }

    fn flag(
        &self,
        (was, old): (DocumentName<'a>, &'a Value),
        (name, new): (DocumentName<'a>, &'a Value),
        change: &mut DocumentChange,
        findings: &mut Findings,
    ) {
        let (before, after) = (self.before.catalog.flag(was.key), self.after.catalog.flag(name.key));
        let (Some(before), Some(after)) = (before, after) else {
            return not_comparable(before.is_some(), after.is_some(), findings);
        };
        let pair = Pair { before, after, before_document: old, after_document: new };
        change.flows = flag::flows(&pair, findings);
        change.notes.extend(flag::notes(&pair));
    }

    /// The names of the documents that are gone, in their order.
    fn gone(&self) -> impl Iterator<Item = DocumentName<'a>> {
        let renamed: HashSet<DocumentName<'a>> = self.renamed.values().copied().collect();
        let names = self.before.documents.iter().filter_map(|document| DocumentName::of(document));
        names.filter(move |name| !self.new.contains_key(name) && !renamed.contains(name))
    }

    fn of_gone(&self, name: DocumentName<'a>) -> DocumentChange {
        let mut change = DocumentChange::new(name, Change::Removed);
        let experiment = self.before.catalog.experiment(name.key).filter(|_| name.kind == "experiment");
        if experiment.is_some_and(|it| it.by_status(self.now, &mut ()).is_none()) {
            let mut findings = Findings::default();
            findings
                .add(Code::ExperimentRemoved, "", "it is running, and its units no longer get a variant")
                .help("write `status: completed`, with a `winner`, and remove it when no program requests it any more");
            change.findings =
                findings.into_list().into_iter().map(|it| ChangeFinding::new(it, None)).collect();
        }
        change
    }
}

fn not_comparable(before: bool, after: bool, findings: &mut Findings) {
    if before || !after {
        findings
            .add(Code::NotComparable, "", "it does not compile, so abx cannot tell which units move")
            .help("`abx validate` shows the errors");
    } else {
        findings
            .add(
                Code::NotCompiledBefore,
                "",
                "the old version did not compile, so abx cannot tell which units move",
            )
            .help("any unit may get another variant: check what it serves with `abx simulate`");
    }
}

/// A flag asks others; where one of them moves units, this one does too.
fn with_what_it_asks(
    name: DocumentName<'_>,
    document: &Value,
    change: Option<DocumentChange>,
    moved: &HashSet<DocumentName<'_>>,
) -> Option<DocumentChange> {
    let named = |list: &str, kind: &'static str| {
        let items = document.get(list).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(move |item| Some(DocumentName { kind, key: item.get(kind)?.as_str()? }))
    };
    if name.kind != "flag" {
        return change;
    }
    let asked = named("prerequisites", "flag").map(|it| (it, "needs"));
    let asked = asked.chain(named("rules", "experiment").map(|it| (it, "serves")));
    let moving = asked.filter(|(other, _)| moved.contains(other));
    let notes: Vec<String> =
        moving.map(|(other, verb)| format!("it {verb} {other}, which moves units")).collect();
    if notes.is_empty() {
        return change;
    }
    let mut change = change.unwrap_or_else(|| DocumentChange::new(name, Change::Affected));
    change.notes.extend(notes);
    Some(change)
}

impl DocumentChange {
    fn new(name: DocumentName<'_>, change: Change) -> Self {
        Self {
            document: name.to_string(),
            change,
            fields: Vec::new(),
            flows: Vec::new(),
            notes: Vec::new(),
            findings: Vec::new(),
            counted: None,
        }
    }

    /// Returns true if the variant of any unit changes. A new reason for having no variant does not count.
    fn moves(&self) -> bool {
        self.flows.iter().any(|flow| !flow.moved.is_none())
    }
}

impl ChangeFinding {
    /// A finding about a document that had another key before: there a new salt is the new key.
    fn new(finding: Finding, old_key: Option<&str>) -> Self {
        let mut finding = Self {
            code: finding.code,
            severity: finding.severity,
            message: finding.message,
            path: finding.place.path,
            help: finding.help,
        };
        if let Some(key) = old_key
            && finding.code == Code::UnitsReshuffled
            && finding.path == Path::of("salt")
        {
            finding.code = Code::KeyRenamed;
            finding.severity = finding.code.severity();
            finding.message = format!("it was `{key}`, and its salt changed: every unit is assigned again");
        }
        finding
    }
}
