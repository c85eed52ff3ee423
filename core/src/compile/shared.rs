//! Segments, layers and holdouts.

use super::names::{Names, unknown};
use super::rules::Rules;
use super::shares::{check_range, to_buckets};
use crate::decide::{AttributePath, Holdout, Layer, Segment};
use crate::document::{Condition, Document, HoldoutConfig, LayerConfig, SegmentConfig, SharedConfig};
use crate::finding::{Code, Findings, Place};
use crate::hash::{Bucketer, Purpose, Range};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What experiments and flags share, compiled.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The index of the document, if there is one.
    document: Option<usize>,
    has_error: bool,
    pub segments: HashMap<String, Arc<Segment>>,
    pub layers: HashMap<String, CompiledLayer>,
    pub holdouts: Vec<CompiledHoldout>,
    segment_paths: Vec<(String, String)>,
    /// Segments that a rule names. Compiling rules only reads what is shared, so this is noted on the side.
    used: RefCell<HashSet<String>>,
}

#[derive(Debug)]
pub(super) struct CompiledLayer {
    pub layer: Arc<Layer>,
    pub unit: String,
    /// Experiment -> its buckets.
    pub slots: HashMap<String, Vec<Range>>,
}

#[derive(Debug)]
pub(super) struct CompiledHoldout {
    pub holdout: Arc<Holdout>,
    /// `None`: all.
    pub experiments: Option<Vec<String>>,
}

impl Shared {
    pub(super) fn compile(
        documents: &[Option<Document>],
        names: &Names<'_>,
        findings: &mut Findings,
    ) -> Self {
        let found = documents.iter().enumerate().find_map(|(index, document)| match document {
            Some(Document::Catalog(it)) => Some((index, &it.catalog)),
            _ => None,
        });
        let Some((index, written)) = found else { return Self::default() };
        findings.turn_to(index);
        let mut shared = Self { document: Some(index), ..Self::default() };
        shared.compile_segments(written, findings);
        for (at, layer) in written.layers.iter().enumerate() {
            shared.compile_layer(layer, &format!("catalog.layers[{at}]"), documents, names, findings);
        }
        for (at, holdout) in written.holdouts.iter().enumerate() {
            shared.compile_holdout(holdout, &format!("catalog.holdouts[{at}]"), names, findings);
        }
        check_unique(written, findings);
        shared.has_error = findings.has_error(index);
        shared
    }

    /// Whether a document that uses (or does not use) what is shared can be compiled.
    pub(super) fn may_use(&self, uses: bool) -> bool {
        !(uses && self.has_error)
    }

    pub(super) fn note_use(&self, segment: &str) {
        self.used.borrow_mut().insert(segment.to_owned());
    }

    pub(super) fn warn_of_unused(&self, findings: &mut Findings) {
        let Some(document) = self.document else { return };
        findings.turn_to(document);
        let used = self.used.borrow();
        for (key, path) in self.segment_paths.iter().filter(|(key, _)| !used.contains(key)) {
            findings
                .add(Code::UnusedSegment, format!("{path}.key"), format!("nothing uses the segment `{key}`"))
                .help("drop it, or check the spelling where it should be used");
        }
    }

    /// Compiles segments so that each comes after those that it names.
    fn compile_segments(&mut self, written: &SharedConfig, findings: &mut Findings) {
        let by_key: HashMap<&str, (usize, &SegmentConfig)> =
            written.segments.iter().enumerate().map(|(at, it)| (&*it.key, (at, it))).collect();
        let mut waiting: Vec<(usize, &SegmentConfig)> = written.segments.iter().enumerate().collect();
        for (at, segment) in &waiting {
            self.segment_paths.push((segment.key.to_string(), format!("catalog.segments[{at}]")));
        }
        while !waiting.is_empty() {
            let before = waiting.len();
            waiting.retain(|(at, segment)| {
                let mut named = Vec::new();
                collect_segments(&segment.when, &mut named);
                let ready = |name: &&str| self.segments.contains_key(*name) || !by_key.contains_key(*name);
                if !named.iter().all(ready) {
                    return true;
                }
                let path = format!("catalog.segments[{at}].when");
                let when = Rules::new(self, findings).compile(&segment.when, &path);
                let key = segment.key.to_string();
                let compiled = Segment { key: key.as_str().into(), when };
                self.segments.insert(key, Arc::new(compiled));
                false
            });
            if waiting.len() == before {
                for (at, segment) in waiting {
                    findings
                        .add(
                            Code::SegmentCycle,
                            format!("catalog.segments[{at}].when"),
                            format!("the segment `{}` needs itself, by way of others", &*segment.key),
                        )
                        .help("break the circle: write one of the conditions out");
                }
                return;
            }
        }
    }

    fn compile_layer(
        &mut self,
        written: &LayerConfig,
        path: &str,
        documents: &[Option<Document>],
        names: &Names<'_>,
        findings: &mut Findings,
    ) {
        let mut slots: HashMap<String, Vec<Range>> = HashMap::new();
        let mut owned: Vec<(Range, String)> = Vec::new();
        for (at, slot) in written.slots.iter().enumerate() {
            let path = format!("{path}.slots[{at}]");
            match names.experiments.get(slot.experiment.as_str()).and_then(|it| documents.get(*it)) {
                Some(Some(Document::Experiment(it))) if it.layer.as_deref() == Some(&*written.key) => {}
                Some(_) => {
                    findings
                        .add(
                            Code::LayerMismatch,
                            format!("{path}.experiment"),
                            format!(
                                "the experiment `{}` does not say that it is in this layer",
                                slot.experiment
                            ),
                        )
                        .help(format!("write `layer: {}` in the experiment", &*written.key));
                }
                None => unknown(
                    Code::UnknownExperiment,
                    "experiment",
                    &slot.experiment,
                    names.experiments.keys().copied(),
                    &format!("{path}.experiment"),
                    findings,
                ),
            }
            for (at, range) in slot.ranges.iter().enumerate() {
                let path = format!("{path}.ranges[{at}]");
                if check_range(*range, &path, findings) {
                    owned.push((*range, path));
                }
            }
            slots.entry(slot.experiment.clone()).or_default().extend(&slot.ranges);
        }
        check_overlaps(owned, findings);
        let salt = written.salt.as_deref().unwrap_or(&written.key);
        let layer = Layer { key: (*written.key).into(), bucketer: Bucketer::new(salt, Purpose::Layer) };
        let unit = written.unit.clone().unwrap_or_else(|| "user_id".to_owned());
        self.layers.insert(written.key.to_string(), CompiledLayer { layer: Arc::new(layer), unit, slots });
    }

    fn compile_holdout(
        &mut self,
        written: &HoldoutConfig,
        path: &str,
        names: &Names<'_>,
        findings: &mut Findings,
    ) {
        for (at, experiment) in written.experiments.iter().flatten().enumerate() {
            if !names.experiments.contains_key(experiment.as_str()) {
                let path = format!("{path}.experiments[{at}]");
                let known = names.experiments.keys().copied();
                unknown(Code::UnknownExperiment, "experiment", experiment, known, &path, findings);
            }
        }
        let below = to_buckets(written.allocation, 1.0, &format!("{path}.allocation"), findings);
        let salt = written.salt.as_deref().unwrap_or(&written.key);
        let holdout = Holdout {
            key: (*written.key).into(),
            unit: AttributePath::new(written.unit.as_deref().unwrap_or("user_id")),
            bucketer: Bucketer::new(salt, Purpose::Holdout),
            below,
        };
        self.holdouts
            .push(CompiledHoldout { holdout: Arc::new(holdout), experiments: written.experiments.clone() });
    }

    /// The holdouts that an experiment is subject to.
    pub(super) fn holdouts_of(&self, experiment: &str) -> Box<[Arc<Holdout>]> {
        let concerns = |it: &&CompiledHoldout| {
            it.experiments.as_ref().is_none_or(|list| list.iter().any(|key| key == experiment))
        };
        self.holdouts.iter().filter(concerns).map(|it| Arc::clone(&it.holdout)).collect()
    }
}

fn check_overlaps(mut owned: Vec<(Range, String)>, findings: &mut Findings) {
    owned.sort();
    for pair in owned.windows(2) {
        let [(first, first_path), (second, path)] = pair else { continue };
        if second.start < first.end {
            let place: Place = findings.place(first_path.as_str());
            let message =
                format!("the buckets from {} to {} have two owners", second.start, second.end.min(first.end));
            findings
                .add(Code::SlotOverlap, path.as_str(), message)
                .help(format!("start it at {}, or shorten the other", first.end))
                .related(place, "the other slot");
        }
    }
}

fn check_unique(written: &SharedConfig, findings: &mut Findings) {
    let segments = written.segments.iter().map(|it| &*it.key);
    unique("segment", "catalog.segments", segments, findings);
    unique("layer", "catalog.layers", written.layers.iter().map(|it| &*it.key), findings);
    unique("holdout", "catalog.holdouts", written.holdouts.iter().map(|it| &*it.key), findings);
}

/// Notes keys of a list's items that stand twice.
pub(super) fn unique<'k>(
    kind: &str,
    path: &str,
    keys: impl Iterator<Item = &'k str>,
    findings: &mut Findings,
) {
    let mut seen = HashMap::new();
    for (at, key) in keys.enumerate().filter(|(_, key)| !key.is_empty()) {
        let first = *seen.entry(key).or_insert(at);
        if first != at {
            let place = findings.place(format!("{path}[{first}].key"));
            findings
                .add(
                    Code::DuplicateKey,
                    format!("{path}[{at}].key"),
                    format!("there is already a {kind} `{key}`"),
                )
                .help("rename one")
                .related(place, "the first one");
        }
    }
}

/// The segments that conditions name, at any depth.
fn collect_segments<'d>(conditions: &'d [Condition], into: &mut Vec<&'d str>) {
    for condition in conditions {
        match condition {
            Condition::All { all } => collect_segments(all, into),
            Condition::Any { any } => collect_segments(any, into),
            Condition::Not { not } => collect_segments(not.conditions(), into),
            Condition::Segment { segment } => into.push(segment),
            Condition::Leaf(_) => {}
        }
    }
}
