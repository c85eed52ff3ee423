//! Names of experiments and flags, over all documents.

use crate::document::{Document, FeatureFlagConfig};
use crate::finding::{Code, Findings, Path, did_you_mean};
use crate::hash::{Purpose, salt_of_epoch};
use std::collections::HashMap;

/// The positions of experiments and flags: key -> index of the document.
#[derive(Debug, Default)]
pub(super) struct Names<'d> {
    pub experiments: HashMap<&'d str, usize>,
    pub flags: HashMap<&'d str, usize>,
    /// True if a document could not be read at all. A name that is not found may then belong to that
    /// document.
    pub incomplete: bool,
}

impl<'d> Names<'d> {
    pub(super) fn collect(documents: &'d [Option<Document>], findings: &mut Findings) -> Self {
        let mut names = Self::default();
        let mut shared = None;
        let mut salts = HashMap::new();
        for (index, document) in documents.iter().enumerate() {
            findings.turn_to(index);
            match document {
                Some(Document::Experiment(it)) => {
                    if claim(&mut names.experiments, "experiment", &it.experiment, index, findings) {
                        let salt = it.salt.as_deref().unwrap_or(&it.experiment);
                        claim_salt(&mut salts, &[Purpose::Variant], salt, it.epoch, index, findings);
                    }
                }
                Some(Document::Flag(it)) => {
                    if claim(&mut names.flags, "flag", &it.flag, index, findings) {
                        let salt = it.salt.as_deref().unwrap_or(&it.flag);
                        claim_salt(&mut salts, purposes(it), salt, it.epoch, index, findings);
                    }
                }
                Some(Document::Catalog(_)) => match shared {
                    None => shared = Some(index),
                    Some(first) => {
                        let place =
                            crate::finding::DocumentLocation { document: first, path: "catalog".into() };
                        findings
                            .add(Code::DuplicateKey, "catalog", "there is already a catalog document")
                            .help("move its segments, layers and holdouts into the other")
                            .related(place, "the first one");
                    }
                },
                Some(Document::Tests(_)) => {}
                None => names.incomplete = true,
            }
        }
        names
    }
}

/// Returns the purposes for which a flag hashes: only splits hash for the variant.
fn purposes(flag: &FeatureFlagConfig) -> &'static [Purpose] {
    let shares = flag.variants.iter().filter(|it| it.allocation.is_some() || it.ranges.is_some()).count();
    if shares > 1 || flag.rules.iter().any(|rule| rule.split.is_some()) {
        &[Purpose::Rollout, Purpose::Variant]
    } else {
        &[Purpose::Rollout]
    }
}

/// Takes a key; false for one that is taken already, or could not be read.
fn claim<'d>(
    names: &mut HashMap<&'d str, usize>,
    kind: &'static str,
    key: &'d str,
    index: usize,
    findings: &mut Findings,
) -> bool {
    if key.is_empty() {
        return false;
    }
    let first = *names.entry(key).or_insert(index);
    if first != index {
        let place = crate::finding::DocumentLocation { document: first, path: kind.into() };
        findings
            .add(Code::DuplicateKey, kind, format!("there is already a {kind} `{key}`"))
            .help("rename one; give it the old key as `salt` to keep the variant of every unit")
            .related(place, "the first one");
    }
    first == index
}

fn claim_salt<'d>(
    salts: &mut HashMap<(Purpose, String), (usize, &'d str)>,
    purposes: &[Purpose],
    salt: &'d str,
    epoch: Option<u32>,
    index: usize,
    findings: &mut Findings,
) {
    if salt.is_empty() {
        return;
    }
    let whole = salt_of_epoch(salt, epoch.unwrap_or(1));
    let mut twin = None;
    for purpose in purposes {
        let (first, _) = *salts.entry((*purpose, whole.clone())).or_insert((index, salt));
        if first != index {
            twin = Some((first, *purpose));
        }
    }
    if let Some((document, purpose)) = twin {
        let place = crate::finding::DocumentLocation { document, path: Path::default() };
        findings
            .add(
                Code::DuplicateSalt,
                "",
                format!("another document draws the {purpose} with the salt {whole:?} too"),
            )
            .help("give one of the two a `salt` of its own, or their results depend on each other")
            .related(place, "the other one");
    }
}

/// Notes a name that is not known, with the nearest one that is.
pub(super) fn unknown<'n>(
    code: Code,
    kind: &str,
    name: &str,
    known: impl IntoIterator<Item = &'n str>,
    path: impl Into<Path>,
    findings: &mut Findings,
) {
    let path = path.into();
    if findings.is_broken(&path) {
        return;
    }
    let known: Vec<&str> = known.into_iter().collect();
    let finding = findings.add(code, path, format!("there is no {kind} {}", crate::document::quote(name)));
    match did_you_mean(name, known.iter().copied()) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None if known.is_empty() => finding.help(format!("no {kind} is defined in the files that were read")),
        None if known.len() <= 12 => finding.help(format!("known: {}", known.join(", "))),
        None => finding,
    };
}
