//! Segments, layers and holdouts.

mod segments;

use super::names::{Names, unknown};
use super::patterns::Patterns;
use super::shares::{check_range, to_buckets};
use crate::decide::{AttributePath, CompiledSegment, Holdout, Layer, USER_ID};
use crate::document::{Document, HoldoutConfig, LayerConfig, SharedConfig};
use crate::finding::{Code, DocumentLocation, Findings, Path};
use crate::hash::{Bucketer, Purpose, Range};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The compiled segments, layers and holdouts.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The index of the document, if there is one.
    document: Option<usize>,
    has_error: bool,
    /// The lists, as `segments`, that could not be read in full. What is not in them may have been written.
    lost: Vec<&'static str>,
    pub segments: HashMap<String, Arc<CompiledSegment>>,
    pub layers: HashMap<String, CompiledLayer>,
    pub holdouts: Vec<CompiledHoldout>,
    segment_paths: Vec<(String, Path)>,
    /// Segments that a rule names. Compiling rules only reads what is shared, so this is noted on the side.
    used: RefCell<HashSet<String>>,
    /// The regular expressions of all documents.
    pub patterns: RefCell<Patterns>,
}

#[derive(Debug)]
pub(super) struct CompiledLayer {
    pub layer: Arc<Layer>,
    /// `None`: it could not be read.
    pub unit: Option<String>,
    /// Experiment -> its buckets.
    pub slots: HashMap<String, Vec<Range>>,
    /// True if the owner of a slot could not be read.
    pub slots_lost: bool,
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
        let mut all = documents.iter().enumerate().filter_map(|(index, document)| match document {
            Some(Document::Catalog(it)) => Some((index, &it.catalog)),
            _ => None,
        });
        let Some((index, written)) = all.next() else {
            // Without holdouts: else any file that cannot be read would take every experiment down.
            let lost = if names.incomplete { vec!["segments", "layers"] } else { Vec::new() };
            return Self { has_error: names.incomplete, lost, ..Self::default() };
        };
        findings.turn_to(index);
        let several = all.next().is_some();
        let mut shared = Self { document: Some(index), ..Self::default() };
        shared.lost = lost_lists(written, several, findings);
        shared.compile_segments(written, findings);
        for (at, layer) in written.layers.iter().enumerate() {
            shared.compile_layer(layer, &list("layers").index(at), documents, names, findings);
        }
        for (at, holdout) in written.holdouts.iter().enumerate() {
            shared.compile_holdout(holdout, &list("holdouts").index(at), names, findings);
        }
        check_unique(written, findings);
        shared.has_error = several || findings.has_error(index);
        shared
    }

    /// Returns true if a list, for example `segments`, could not be read in full.
    pub(super) fn is_lost(&self, list: &str) -> bool {
        self.lost.contains(&list)
    }

    /// Returns true if a segment is written, even if it could not be compiled.
    pub(super) fn has_segment(&self, key: &str) -> bool {
        self.segment_paths.iter().any(|(written, _)| written == key)
    }

    /// Returns true if a document can be compiled, given whether it uses the shared document.
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
                .add(Code::UnusedSegment, path.field("key"), format!("nothing uses the segment `{key}`"))
                .help("drop it, or check the spelling where it should be used");
        }
    }

    fn compile_layer(
        &mut self,
        written: &LayerConfig,
        path: &Path,
        documents: &[Option<Document>],
        names: &Names<'_>,
        findings: &mut Findings,
    ) {
        super::check_hashing(path, written.unit.as_deref(), written.salt.as_deref(), findings);
        let mut slots: HashMap<String, Vec<Range>> = HashMap::new();
        let mut owned: Vec<(Range, Path)> = Vec::new();
        for (at, slot) in written.slots.iter().enumerate() {
            let path = path.field("slots").index(at);
            let index = names.experiments.get(slot.experiment.as_str()).copied();
            match index.and_then(|it| documents.get(it)) {
                Some(Some(Document::Experiment(it))) if it.layer.as_deref() == Some(&*written.key) => {}
                // It has a finding where it is written.
                Some(_) if index.is_some_and(|it| findings.is_broken_in(it, "layer")) => {}
                Some(_) if written.key.is_empty() => {}
                Some(_) => {
                    findings
                        .add(
                            Code::LayerMismatch,
                            path.field("experiment"),
                            format!("the experiment `{}` does not name this layer", slot.experiment),
                        )
                        .help(format!("write `layer: {}` in the experiment", &*written.key));
                }
                None if names.incomplete => {}
                None => unknown(
                    Code::UnknownExperiment,
                    "experiment",
                    &slot.experiment,
                    names.experiments.keys().copied(),
                    path.field("experiment"),
                    findings,
                ),
            }
            for (at, range) in slot.ranges.iter().enumerate() {
                let path = path.field("ranges").index(at);
                if check_range(*range, &path, findings) {
                    owned.push((*range, path));
                }
            }
            slots.entry(slot.experiment.clone()).or_default().extend(&slot.ranges);
        }
        check_overlaps(owned, findings);
        let salt = written.salt.as_deref().unwrap_or(&written.key);
        let layer = Layer { key: (*written.key).into(), bucketer: Bucketer::new(salt, Purpose::Layer) };
        let unit = written.unit.clone().unwrap_or_else(|| USER_ID.to_owned());
        let unit = Some(unit).filter(|_| !findings.is_broken(path.field("unit")));
        let slots_lost = slots.contains_key("") || findings.is_lost(path.field("slots"));
        let layer = CompiledLayer { layer: Arc::new(layer), unit, slots, slots_lost };
        self.layers.insert(written.key.to_string(), layer);
    }

    fn compile_holdout(
        &mut self,
        written: &HoldoutConfig,
        path: &Path,
        names: &Names<'_>,
        findings: &mut Findings,
    ) {
        super::check_hashing(path, written.unit.as_deref(), written.salt.as_deref(), findings);
        for (at, experiment) in written.experiments.iter().flatten().enumerate() {
            if !names.incomplete && !names.experiments.contains_key(experiment.as_str()) {
                let path = path.field("experiments").index(at);
                let known = names.experiments.keys().copied();
                unknown(Code::UnknownExperiment, "experiment", experiment, known, &path, findings);
            }
        }
        let below = to_buckets(written.allocation.0, 1.0, &path.field("allocation"), findings);
        let salt = written.salt.as_deref().unwrap_or(&written.key);
        let holdout = Holdout {
            key: (*written.key).into(),
            unit: AttributePath::new(written.unit.as_deref().unwrap_or(USER_ID)),
            bucketer: Bucketer::new(salt, Purpose::Holdout),
            below,
        };
        // Experiments that cannot be read may be any.
        let readable = !findings.is_broken(path.field("experiments"));
        let experiments = written.experiments.clone().filter(|_| readable);
        self.holdouts.push(CompiledHoldout { holdout: Arc::new(holdout), experiments });
    }

    /// The holdouts that an experiment is subject to.
    pub(super) fn holdouts_of(&self, experiment: &str) -> Box<[Arc<Holdout>]> {
        let concerns = |it: &&CompiledHoldout| {
            it.experiments.as_ref().is_none_or(|list| list.iter().any(|key| key == experiment))
        };
        self.holdouts.iter().filter(concerns).map(|it| Arc::clone(&it.holdout)).collect()
    }
}

fn check_overlaps(mut owned: Vec<(Range, Path)>, findings: &mut Findings) {
    owned.sort();
    // The one before that reaches furthest; it need not be the neighbour.
    let mut furthest: Option<&(Range, Path)> = None;
    for slot in &owned {
        let (second, path) = slot;
        if let Some((first, first_path)) = furthest
            && second.start < first.end
        {
            let place: DocumentLocation = findings.place(first_path.clone());
            let message =
                format!("the buckets from {} to {} have two owners", second.start, second.end.min(first.end));
            findings
                .add(Code::SlotOverlap, path.clone(), message)
                .help(format!("start it at {}, or shorten the other", first.end))
                .related(place, "the other slot");
        }
        if furthest.is_none_or(|(first, _)| first.end < second.end) {
            furthest = Some(slot);
        }
    }
}

/// The path of a list of the shared document.
fn list(name: &'static str) -> Path {
    Path::of("catalog").field(name)
}

fn check_unique(written: &SharedConfig, findings: &mut Findings) {
    let segments = written.segments.iter().map(|it| &*it.key);
    unique("segment", list("segments"), segments, findings);
    unique("layer", list("layers"), written.layers.iter().map(|it| &*it.key), findings);
    unique("holdout", list("holdouts"), written.holdouts.iter().map(|it| &*it.key), findings);
}

/// Notes keys of a list's items that stand twice.
pub(super) fn unique<'k>(
    kind: &str,
    path: impl Into<Path>,
    keys: impl Iterator<Item = &'k str>,
    findings: &mut Findings,
) {
    let path = path.into();
    let mut seen = HashMap::new();
    for (at, key) in keys.enumerate().filter(|(_, key)| !key.is_empty()) {
        let first = *seen.entry(key).or_insert(at);
        if first != at {
            let place = findings.place(path.index(first).field("key"));
            findings
                .add(
                    Code::DuplicateKey,
                    path.index(at).field("key"),
                    format!("there is already a {kind} `{key}`"),
                )
                .help("rename one")
                .related(place, "the first one");
        }
    }
}

/// The lists of a catalog of which not everything could be read; all, where another catalog has more.
fn lost_lists(written: &SharedConfig, several: bool, findings: &Findings) -> Vec<&'static str> {
    let unnamed = |name: &str| match name {
        "segments" => written.segments.iter().any(|it| it.key.is_empty()),
        "layers" => written.layers.iter().any(|it| it.key.is_empty()),
        _ => false,
    };
    let is_lost = |name: &&'static str| several || unnamed(name) || findings.is_lost(list(name));
    ["segments", "layers", "holdouts"].into_iter().filter(is_lost).collect()
}
