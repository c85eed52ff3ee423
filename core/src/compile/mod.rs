//! Documents become a catalog, and everything that is wrong in them becomes findings, all at once.
//!
//! | file | what |
//! |---|---|
//! | `chains` | what names one another: circles, and chains that are too long |
//! | `names` | who is called what: duplicate keys, equal salts, look-ups with "did you mean" |
//! | `shared` | segments, layers, holdouts |
//! | `experiment`, `flag` | one document of each kind |
//! | `shares` | allocations and ranges |
//! | `payload` | payloads, compared with `payload_schema` |
//! | `rules`, `operators`, `patterns` | conditions, what each operator takes, and the budget of regular expressions |
//! | `tests` | rule tests, and the combinations of their matrices |
//! | `lint` | rules that work and do not do what was meant |

mod chains;
mod experiment;
mod flag;
mod lint;
mod metrics;
mod names;
mod operators;
mod patterns;
mod payload;
mod rule_tests;
mod rules;
mod shared;
mod shares;

use crate::decide::Catalog;
use crate::document::Document;
use crate::finding::{Code, Finding, Findings, Path};
use crate::rehearsal::Suite;
use names::Names;
use serde_json::Value;
use shared::Shared;

/// A catalog, and what is wrong in the documents that it was made from.
#[derive(Debug)]
pub struct Compilation {
    /// The documents without errors.
    pub catalog: Catalog,
    /// The rule tests, in the order of the documents.
    pub tests: Vec<Suite>,
    /// Everything found, in the order of the documents.
    pub findings: Vec<Finding>,
}

/// Reads documents from JSON values and compiles them together. The value at index `i` is the document that
/// findings call `i`.
#[must_use]
pub fn read_and_compile<'v>(values: impl IntoIterator<Item = &'v Value>) -> Compilation {
    let mut findings = Findings::default();
    let mut documents = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        findings.turn_to(index);
        documents.push(Document::read(value, &mut findings));
    }
    compile(&documents, findings)
}

/// Compiles documents together. `documents[i]` is the document that findings call `i`; `None` stands for one
/// whose kind could not be told. `findings` are those of reading them.
///
/// A document with an error is left out of the catalog and takes no other down: a flag whose prerequisite is
/// left out serves its default, and a rule that serves an experiment left out is passed over. What uses a
/// segment, a layer or a holdout of a shared document with an error is left out with it, because guessing
/// would let units in.
#[must_use]
pub fn compile(documents: &[Option<Document>], mut findings: Findings) -> Compilation {
    let names = Names::collect(documents, &mut findings);
    let shared = Shared::compile(documents, &names, &mut findings);
    let mut compiled = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        if let Some(Document::Experiment(written)) = document {
            findings.turn_to(index);
            compiled.push((index, experiment::compile(written, &shared, &mut findings)));
        }
    }
    let experiments: Vec<_> = compiled
        .into_iter()
        .filter(|(index, compiled)| !findings.has_error(*index) && shared.may_use(compiled.uses_shared))
        .map(|(_, compiled)| crate::decide::Experiment::new(compiled.parts))
        .collect();
    let flags = flag::compile_all(documents, &experiments, &shared, &names, &mut findings);
    // A rule that could not be read may use any segment.
    if !names.incomplete && !findings.any_broken() {
        shared.warn_of_unused(&mut findings);
    }
    let catalog = Catalog::new(experiments, flags);
    let tests = rule_tests::compile_all(documents, &catalog, &names, &mut findings);
    let mut findings = findings.into_list();
    findings.sort_by_key(|finding| finding.place.document);
    Compilation { catalog, tests, findings }
}

/// Checks what is hashed, and by which attribute. `path` is where the two are written.
fn check_hashing(path: &Path, unit: Option<&str>, salt: Option<&str>, findings: &mut Findings) {
    for (name, text) in [("unit", unit), ("salt", salt)] {
        let path = path.field(name);
        if text.is_some_and(|text| text.trim().is_empty()) && !findings.is_broken(&path) {
            findings
                .add(Code::BlankText, path, format!("`{name}` is blank"))
                .help("leave it out, or name one");
        }
    }
}

/// Overrides that nobody read would be missing, so the document is left out.
fn check_overrides_file(file: Option<&str>, findings: &mut Findings) {
    if let Some(file) = file {
        let message = format!("the overrides in {} were not read", crate::document::quote(file));
        findings
            .add(Code::OverridesFile, "overrides_file", message)
            .help("`abx publish` reads the file and publishes its units as `overrides`");
        findings.mark_broken("overrides_file");
    }
}

fn check_epoch(epoch: Option<u32>, findings: &mut Findings) {
    if epoch == Some(0) && !findings.is_broken("epoch") {
        findings
            .add(Code::InvalidValue, "epoch", "epochs are counted from 1")
            .help("write 1, or leave it out");
    }
}

/// Returns true if a variant with one of these keys may be among the variants of the current document that
/// could not be read in full.
fn variants_lost<'k>(mut keys: impl Iterator<Item = &'k str>, findings: &Findings) -> bool {
    findings.is_lost("variants") || keys.any(str::is_empty)
}
