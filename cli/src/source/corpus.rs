//! All files of a run, compiled together.

use super::files::{self, SourceFile};
use super::mark::Mark;
use super::yaml::{self, Fault};
use crate::error::Error;
use abx_core::document::Document;
use abx_core::finding::{Code, Finding, Findings, Severity};
use abx_core::{Catalog, compile};
use serde_json::Value;
use std::ops::Range;
use std::path::PathBuf;

/// The documents of some files, parsed and not yet compiled.
#[derive(Debug, Default)]
pub struct Corpus {
    files: Vec<SourceFile>,
    /// Each document's file, place and value.
    documents: Vec<Origin>,
    findings: Vec<Located>,
}

#[derive(Debug)]
struct Origin {
    file: usize,
    mark: Mark,
    value: Value,
}

/// A catalog from files, and everything found in them.
#[derive(Debug)]
pub struct Checked {
    /// The documents without errors.
    pub catalog: Catalog,
    /// The files that were read.
    pub files: Vec<SourceFile>,
    /// How many documents they hold.
    pub documents: usize,
    /// Everything found, by file and place.
    pub findings: Vec<Located>,
}

/// A finding with its place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The stable code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
    /// The index of the file.
    pub file: usize,
    /// The bytes to underline.
    pub span: Range<usize>,
    /// The path in the document; empty for what is wrong in the file as a whole.
    pub path: String,
    /// Other places that belong to it.
    pub related: Vec<LocatedRelated>,
}

/// Another place that a finding is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocatedRelated {
    /// The index of the file.
    pub file: usize,
    /// The bytes to underline.
    pub span: Range<usize>,
    /// What is there.
    pub message: String,
}

impl Corpus {
    /// Reads the YAML files that some paths name; `-` is standard input.
    pub fn load(paths: &[PathBuf]) -> Result<Self, Error> {
        let mut corpus = Self::default();
        for path in files::find(paths)? {
            let (file, fault) = files::read(&path)?;
            corpus.add(file, fault);
        }
        Ok(corpus)
    }

    fn add(&mut self, file: SourceFile, fault: Option<Fault>) {
        let index = self.files.len();
        if let Some(fault) = fault {
            self.findings.push(located(fault, index));
            self.files.push(file);
            return;
        }
        let parsed = yaml::parse(&file.text);
        if parsed.documents.is_empty() && parsed.faults.is_empty() {
            let message = "there is no document in this file";
            let help = "start one with `experiment: KEY`, `flag: KEY` or `catalog:`";
            self.findings.push(located(Fault::new(Code::UnknownKind, 0..0, message, help), index));
        }
        self.findings.extend(parsed.faults.into_iter().map(|fault| located(fault, index)));
        let origin = |(value, mark)| Origin { file: index, mark, value };
        self.documents.extend(parsed.documents.into_iter().map(origin));
        self.files.push(file);
    }

    /// Compiles the documents together.
    #[must_use]
    pub fn compile(mut self) -> Checked {
        let mut findings = Findings::default();
        let mut documents = Vec::with_capacity(self.documents.len());
        for (index, origin) in self.documents.iter().enumerate() {
            findings.turn_to(index);
            documents.push(Document::read(&origin.value, &mut findings));
        }
        let compiled = compile(&documents, findings);
        let mut found = std::mem::take(&mut self.findings);
        found.extend(compiled.findings.into_iter().map(|finding| self.locate(finding)));
        found.sort_by_key(|it| (it.file, it.span.start, it.span.end));
        Checked {
            catalog: compiled.catalog,
            documents: self.documents.len(),
            files: self.files,
            findings: found,
        }
    }

    fn locate(&self, finding: Finding) -> Located {
        let place = |place: &abx_core::finding::Place, code: Code| match self.documents.get(place.document) {
            Some(origin) => (origin.file, origin.mark.locate(&place.path, code)),
            None => (0, 0..0),
        };
        let (file, span) = place(&finding.place, finding.code);
        let related = finding
            .related
            .iter()
            .map(|it| {
                let (file, span) = place(&it.place, finding.code);
                LocatedRelated { file, span, message: it.message.clone() }
            })
            .collect();
        Located {
            code: finding.code,
            severity: finding.severity,
            message: finding.message,
            help: finding.help,
            file,
            span,
            path: finding.place.path,
            related,
        }
    }
}

impl Checked {
    /// The findings that keep a document out of the catalog.
    pub fn errors(&self) -> impl Iterator<Item = &Located> {
        self.findings.iter().filter(|it| it.severity == Severity::Error)
    }
}

fn located(fault: Fault, file: usize) -> Located {
    let related =
        fault.related.into_iter().map(|(span, message)| LocatedRelated { file, span, message }).collect();
    Located {
        code: fault.code,
        severity: fault.code.severity(),
        message: fault.message,
        help: fault.help,
        file,
        span: fault.span,
        path: String::new(),
        related,
    }
}
