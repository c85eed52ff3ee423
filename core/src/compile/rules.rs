//! Written conditions become compiled ones.

use super::lint;
use super::names::unknown;
use super::operators;
use super::shared::Shared;
use crate::decide::{AttributePath, CompiledCondition, ConditionInput, Leaf};
use crate::document::{self, DefaultSubject, Operator};
use crate::finding::{Code, Findings, Path};

/// Compiles the conditions of one document.
pub(super) struct Rules<'a> {
    shared: &'a Shared,
    /// The attribute of the unit, which is never missing where rules are asked.
    unit: &'a str,
    findings: &'a mut Findings,
    /// True if a condition names a segment.
    pub uses_segment: bool,
}

impl<'a> Rules<'a> {
    pub(super) fn new(shared: &'a Shared, unit: &'a str, findings: &'a mut Findings) -> Self {
        Self { shared, unit, findings, uses_segment: false }
    }

    /// Compiles a list, all of whose conditions must hold. A condition that cannot be compiled leaves a finding
    /// and is left out; the document does not get into the catalog.
    pub(super) fn compile(
        &mut self,
        written: &[document::Condition],
        path: &Path,
    ) -> Box<[CompiledCondition]> {
        let compiled = self.list(written, path);
        lint::conditions(written, path, self.unit, self.findings);
        compiled
    }

    fn list(&mut self, written: &[document::Condition], path: &Path) -> Box<[CompiledCondition]> {
        let compile = |(at, it)| self.condition(it, &path.index(at));
        written.iter().enumerate().filter_map(compile).collect()
    }

    fn condition(&mut self, written: &document::Condition, path: &Path) -> Option<CompiledCondition> {
        Some(match written {
            document::Condition::All { all } => CompiledCondition::All(self.list(all, &path.field("all"))),
            document::Condition::Any { any } => CompiledCondition::Any(self.list(any, &path.field("any"))),
            document::Condition::Not { not: document::Negated::All(not) } => {
                CompiledCondition::Not(self.list(not, &path.field("not")))
            }
            document::Condition::Not { not: document::Negated::One(not) } => {
                CompiledCondition::Not(self.condition(not, &path.field("not")).into_iter().collect())
            }
            document::Condition::Segment { segment } => self.segment(segment, path)?,
            document::Condition::Leaf(leaf) => {
                if self.findings.is_broken(path) {
                    return None;
                }
                CompiledCondition::Leaf(Box::new(self.leaf(leaf, path)?))
            }
        })
    }

    fn segment(&mut self, key: &str, path: &Path) -> Option<CompiledCondition> {
        self.uses_segment = true;
        self.shared.note_use(key);
        if let Some(segment) = self.shared.segments.get(key) {
            return Some(CompiledCondition::Segment(segment.clone()));
        }
        // It has a finding where it is written, and whoever uses it is left out with it.
        if self.shared.has_segment(key) || self.shared.is_lost("segments") {
            return None;
        }
        let known = self.shared.segments.keys().map(String::as_str);
        unknown(Code::UnknownSegment, "segment", key, known, path.field("segment"), self.findings);
        None
    }

    fn leaf(&mut self, written: &document::LeafConfig, path: &Path) -> Option<Leaf> {
        let operator = written.operator;
        if operator != Operator::Percentage && written.salt.is_some() {
            self.findings
                .add(Code::InvalidOperator, path.field("salt"), format!("`{operator}` takes no `salt`"))
                .help("drop it; only `percentage` has one");
        }
        let source = self.source(written, path);
        let test = operators::compile(written, path, &self.shared.patterns, self.findings);
        let (source, mut test) = (source?, test?);
        if matches!(&source, ConditionInput::Attribute(path) if path.is_user_id()) {
            test = test.of_units();
        }
        Some(Leaf { source, test, written: written.clone() })
    }

    fn source(&mut self, written: &document::LeafConfig, path: &Path) -> Option<ConditionInput> {
        match (written.attribute.as_deref(), written.operator) {
            (Some(attribute), _) if !attribute.trim().is_empty() => {
                Some(ConditionInput::Attribute(AttributePath::new(attribute)))
            }
            (Some(_), _) => {
                self.findings.add(Code::BlankText, path.field("attribute"), "the attribute is blank");
                None
            }
            (None, operator) => match operator.without_attribute() {
                Some(DefaultSubject::Now) => Some(ConditionInput::Now),
                Some(DefaultSubject::Unit) => Some(ConditionInput::Unit),
                None => {
                    self.findings
                        .add(Code::InvalidOperator, path, format!("`{operator}` needs an `attribute`"))
                        .help("add `attribute:` with the dotted path of what is compared");
                    None
                }
            },
        }
    }
}
