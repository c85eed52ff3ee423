//! All files of a run, compiled together.

use super::fault::Fault;
use super::files::{self, SourceFile};
use super::located::{FilePlace, LocatedFinding, Places};
use super::mark::Mark;
use super::origin::Origin;
use super::written;
use super::yaml;
use crate::error::Error;
use abx_core::finding::{Code, Severity};
use abx_core::rehearsal::Suite;
use abx_core::{Catalog, read_and_compile};
use abx_functions::catalog::name;
use serde_json::Value;
use std::collections::HashMap;
use std::path::PathBuf;

/// The documents of some files, parsed and not yet compiled.
#[derive(Debug, Default)]
pub struct Corpus {
    files: Vec<SourceFile>,
    /// Each document's file, place and value.
    documents: Vec<Origin>,
    faults: Vec<(usize, Fault)>,
}

/// A catalog from files, and everything found in them.
#[derive(Debug)]
pub struct Checked {
    /// The documents without errors.
    pub catalog: Catalog,
    /// The files that were read.
    pub files: Vec<SourceFile>,
    /// The number of documents in the files.
    pub documents: usize,
    /// The documents as written, each with the index of its file; without tests, which are never published.
    pub values: Vec<(usize, Value)>,
    /// The rule tests.
    pub tests: Vec<Suite>,
    /// Everything found, by file and place.
    pub findings: Vec<LocatedFinding>,
    placed: Vec<DocumentPosition>,
}

/// The position of a document, and its name.
#[derive(Debug)]
struct DocumentPosition {
    file: usize,
    mark: Mark,
    /// The document's name, for example `experiment checkout`; tests have none.
    name: Option<String>,
}

impl Corpus {
    /// Reads the YAML files that some paths name; `-` is standard input.
    pub fn load(paths: &[PathBuf]) -> Result<Self, Error> {
        let mut corpus = Self::default();
        corpus.add_paths(paths)?;
        Ok(corpus)
    }

    /// Takes texts as if they were the files of these names.
    #[must_use]
    pub fn from_texts<N: Into<String>, T: Into<String>>(texts: impl IntoIterator<Item = (N, T)>) -> Self {
        let mut corpus = Self::default();
        for (name, text) in texts {
            corpus.add_bytes(name, text.into().into_bytes());
        }
        corpus
    }

    /// Adds the bytes of a file of this name.
    pub fn add_bytes(&mut self, name: impl Into<String>, bytes: Vec<u8>) {
        let (file, fault) = files::accept(name.into(), bytes);
        self.add(file, fault);
    }

    /// Adds a document that is no text, as if it were a file of this name. Its places are those in its JSON, and the
    /// limits of files do not hold: they are about what is written by people.
    pub fn add_value(&mut self, name: impl Into<String>, value: Value) {
        let text = crate::report::json(&value);
        let mark = yaml::parse(&text).documents.pop().map(|(_, mark)| mark).unwrap_or_default();
        self.documents.push(Origin { file: self.files.len(), mark, value });
        self.files.push(SourceFile { name: name.into(), text });
    }

    /// Adds the files that some paths name.
    pub fn add_paths(&mut self, paths: &[PathBuf]) -> Result<(), Error> {
        for path in files::find(paths)? {
            let (file, fault) = files::read(&path)?;
            self.add(file, fault);
        }
        Ok(())
    }

    fn add(&mut self, file: SourceFile, fault: Option<Fault>) {
        let index = self.files.len();
        if let Some(fault) = fault {
            self.faults.push((index, fault));
            self.files.push(file);
            return;
        }
        let parsed = yaml::parse(&file.text);
        if parsed.documents.is_empty() && parsed.faults.is_empty() {
            let message = "there is no document in this file";
            let help = "start one with `experiment: KEY`, `flag: KEY`, `catalog:` or `tests: KEY`";
            self.faults.push((index, Fault::new(Code::UnknownKind, 0..0, message, help)));
        }
        self.faults.extend(parsed.faults.into_iter().map(|fault| (index, fault)));
        for (value, mark) in &parsed.documents {
            let written = written::faults(&file.text, value, mark).into_iter();
            self.faults.extend(written.map(|fault| (index, fault)));
        }
        let origin = |(value, mark)| Origin { file: index, mark, value };
        self.documents.extend(parsed.documents.into_iter().map(origin));
        self.files.push(file);
    }

    /// Compiles the documents together.
    #[must_use]
    pub fn compile(mut self) -> Checked {
        let compiled = read_and_compile(self.documents.iter().map(|origin| &origin.value));
        let places = Places::of(&self.files);
        let faults = std::mem::take(&mut self.faults);
        let mut found: Vec<_> =
            faults.into_iter().map(|(file, fault)| places.of_fault(file, fault)).collect();
        found.extend(compiled.findings.into_iter().map(|it| places.of_finding(&self.documents, it)));
        found.sort_by_key(|it| (it.place.index, it.place.span.start, it.place.span.end));
        let mut checked = Checked {
            catalog: compiled.catalog,
            documents: self.documents.len(),
            values: Vec::new(),
            tests: compiled.tests,
            findings: found,
            files: self.files,
            placed: Vec::new(),
        };
        for Origin { file, mark, value } in self.documents {
            checked.placed.push(DocumentPosition { file, mark, name: name(&value) });
            if value.get("tests").is_none() {
                checked.values.push((file, value));
            }
        }
        checked
    }
}

impl Checked {
    /// The findings that keep a document out of the catalog.
    pub fn errors(&self) -> impl Iterator<Item = &LocatedFinding> {
        self.findings.iter().filter(|it| it.severity == Severity::Error)
    }

    /// The places of values in the files.
    #[must_use]
    pub fn places(&self) -> DocumentPlaces<'_> {
        let by_name = self.placed.iter().filter_map(|it| Some((it.name.as_deref()?, it))).collect();
        DocumentPlaces { places: Places::of(&self.files), documents: &self.placed, by_name }
    }
}

/// Finds the places of values, counting the lines of each file once.
pub struct DocumentPlaces<'f> {
    places: Places<'f>,
    documents: &'f [DocumentPosition],
    by_name: HashMap<&'f str, &'f DocumentPosition>,
}

impl DocumentPlaces<'_> {
    /// The place of a value by its path and the index of its document among all that were read.
    #[must_use]
    pub fn of(&self, document: usize, path: &str) -> Option<FilePlace> {
        self.documents.get(document).map(|it| self.within(it, path))
    }

    /// Finds a place by the document's name, for example `experiment checkout`.
    #[must_use]
    pub fn of_name(&self, name: &str, path: &str) -> Option<FilePlace> {
        self.by_name.get(name).map(|it| self.within(it, path))
    }

    fn within(&self, document: &DocumentPosition, path: &str) -> FilePlace {
        self.places.place(document.file, document.mark.locate(path, Code::WrongType))
    }
}
