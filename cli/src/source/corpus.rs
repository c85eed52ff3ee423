//! All files of a run, compiled together.

use super::beside::{Beside, sibling};
use super::fault::SourceFault;
use super::files::{self, SourceFile};
use super::git::GitPlace;
use super::located::{FilePlace, LocatedFinding, PlaceFinder};
use super::mark::SourceMark;
use super::origin::{DocumentOrigin, ListedPlaces};
use super::overrides::{self, Listed};
use super::written;
use super::yaml;
use crate::error::Error;
use crate::inputs::DOCUMENTS;
use abx_core::change::CatalogVersion;
use abx_core::document::quote;
use abx_core::finding::{Code, Finding, Path as ValuePath, PathSegment, Severity};
use abx_core::rehearsal::Suite;
use abx_core::{Catalog, read_and_compile};
use abx_functions::catalog::name;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The documents of some files, parsed and not yet compiled.
#[derive(Debug, Default)]
pub struct Corpus {
    files: Vec<SourceFile>,
    /// Each document's file, place and value.
    documents: Vec<DocumentOrigin>,
    faults: Vec<(usize, SourceFault)>,
    /// Files that documents name, there or not.
    named: Vec<PathBuf>,
    /// The number of files that are what it is about, where others are only read because these refer to them.
    asked: Option<usize>,
}

/// A catalog from files, and everything found in them.
#[derive(Debug)]
pub struct Checked {
    /// The documents without errors.
    pub catalog: Catalog,
    /// The files that were read.
    pub files: Vec<SourceFile>,
    /// The number of files, from the first, that it is about. Others were read because these refer to them.
    pub asked: usize,
    /// The number of documents in these.
    pub documents: usize,
    /// The documents as written, each with the index of its file; without tests, which are never published.
    pub values: Vec<(usize, Value)>,
    /// The rule tests.
    pub tests: Vec<Suite>,
    /// Everything found, by file and place.
    pub findings: Vec<LocatedFinding>,
    /// Files of this machine that documents name, there or not.
    pub named: Vec<PathBuf>,
    placed: Vec<DocumentPosition>,
}

/// The position of a document, and its name.
#[derive(Debug)]
struct DocumentPosition {
    file: usize,
    mark: SourceMark,
    /// The document's name, for example `experiment checkout`; tests have none.
    name: Option<String>,
}

impl DocumentOrigin {
    /// The place of an override that stands in another file.
    pub(super) fn listed(&self, path: &ValuePath) -> Option<(usize, Range<usize>)> {
        let listed = self.listed.as_ref()?;
        let [PathSegment::Field(field), PathSegment::Field(unit)] = path.segments() else { return None };
        let span = listed.units.get(&**unit).filter(|_| field == "overrides")?;
        Some((listed.file, span.clone()))
    }
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
            corpus.add_bytes(name, text.into().into_bytes(), &Beside::Nowhere);
        }
        corpus
    }

    /// Adds the other files of the folder that holds files which were named alone, because these refer to what stands there. Findings are
    /// only those about the files so far.
    pub fn add_beside(&mut self, paths: &[PathBuf]) -> Result<(), Error> {
        let Some(folder) = folder_of_documents(paths) else { return Ok(()) };
        let place = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        let named: Vec<PathBuf> = paths.iter().map(place).collect();
        let others = files::find(&[folder])?.into_iter().filter(|path| !named.contains(&place(path)));
        self.asked = Some(self.files.len());
        self.add_paths(&others.collect::<Vec<_>>())
    }

    /// Adds the bytes of a file of this name.
    fn add_bytes(&mut self, name: impl Into<String>, bytes: Vec<u8>, beside: &Beside<'_>) {
        let (file, fault) = files::accept(name.into(), bytes);
        self.add(file, fault, beside);
    }

    /// Adds the files of a git revision.
    pub fn add_git(&mut self, place: &GitPlace) -> Result<(), Error> {
        for (place, bytes) in place.read()? {
            self.add_bytes(&place.name, bytes, &Beside::Git(&place));
        }
        Ok(())
    }

    /// Takes files that were read before, with these texts in the place of their own, and files of other names added. Each is a name
    /// and a text.
    #[must_use]
    pub fn with_texts(files: &[SourceFile], texts: &[(String, String)]) -> Self {
        let mut corpus = Self::default();
        let read = || files.iter().filter(|file| file.named_by.is_none());
        let text_of = |name: &str| texts.iter().find(|(other, _)| other == name).map(|(_, text)| text);
        let kept = read().map(|file| (&file.name, text_of(&file.name).unwrap_or(&file.text)));
        let is_new = |(name, _): &&(String, String)| !read().any(|file| file.name == *name);
        let added = texts.iter().filter(is_new).map(|(name, text)| (name, text));
        for (name, text) in kept.chain(added) {
            corpus.add_bytes(name, text.as_bytes().to_vec(), &Beside::Read(files));
        }
        corpus
    }

    /// Adds a document that is no text, as if it were a file of this name. Its places are those in its JSON, and the
    /// limits of files do not hold: they are about what is written by people.
    pub fn add_value(&mut self, name: impl Into<String>, value: Value) {
        let text = crate::report::json(&value);
        let mark = yaml::parse(&text).documents.pop().map(|(_, mark)| mark).unwrap_or_default();
        self.documents.push(DocumentOrigin {
            file: self.files.len(),
            mark,
            value,
            listed: None,
            is_said: false,
        });
        self.files.push(SourceFile { name: name.into(), text, named_by: None });
    }

    /// Adds the files that some paths name.
    pub fn add_paths(&mut self, paths: &[PathBuf]) -> Result<(), Error> {
        for path in files::find(paths)? {
            let (file, fault) = files::read(&path)?;
            // A pipe stands nowhere; like standard input, it is as if it were written where one is.
            let folder = path.parent().filter(|_| path.is_file()).unwrap_or(Path::new(""));
            self.add(file, fault, &Beside::Folder(folder));
        }
        Ok(())
    }

    fn add(&mut self, file: SourceFile, fault: Option<SourceFault>, beside: &Beside<'_>) {
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
            self.faults.push((index, SourceFault::new(Code::UnknownKind, 0..0, message, help)));
        }
        self.faults.extend(parsed.faults.into_iter().map(|fault| (index, fault)));
        for (value, mark) in &parsed.documents {
            let written = written::faults(&file.text, value, mark).into_iter();
            self.faults.extend(written.map(|fault| (index, fault)));
        }
        let name = file.name.clone();
        self.files.push(file);
        for (value, mark) in parsed.documents {
            let mut origin = DocumentOrigin { file: index, mark, value, listed: None, is_said: false };
            self.read_overrides(&mut origin, &name, beside);
            self.documents.push(origin);
        }
    }

    /// Takes the overrides of the file that a document names into the document. Where that fails, the field stays,
    /// and so the document has an error.
    fn read_overrides(&mut self, origin: &mut DocumentOrigin, document: &str, beside: &Beside<'_>) {
        let Value::Object(fields) = &mut origin.value else { return };
        let Some(Value::String(path)) = fields.get("overrides_file") else { return };
        if fields.contains_key("tests") || !fields.get("overrides").is_none_or(Value::is_object) {
            return;
        }
        origin.is_said = true;
        self.named.extend(beside.on_disk(path));
        let mark = origin.mark.locate(&ValuePath::of("overrides_file"), Code::OverridesFile);
        let bytes = match overrides::check_name(path) {
            Ok(()) => beside.read(document, path, overrides::MAX_BYTES),
            Err(why) => Err(why),
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(why) => {
                let message = format!("the overrides in {} cannot be read: {why}", quote(path));
                self.faults.push((
                    origin.file,
                    SourceFault::new(Code::OverridesFile, mark, message, overrides::HELP),
                ));
                return;
            }
        };
        let name = sibling(document, path);
        let (mut file, fault) = files::accept_up_to(overrides::MAX_BYTES, overrides::TOO_LARGE, name, bytes);
        file.named_by = Some(origin.file);
        let index = self.files.len();
        let mut listed = match fault {
            Some(fault) => Listed::broken(fault),
            None => Listed::read(&file),
        };
        self.files.push(file);
        let mut merged = fields.get("overrides").and_then(Value::as_object).cloned().unwrap_or_default();
        let units = listed.merge(&mut merged);
        if !listed.is_broken() {
            fields.remove("overrides_file");
            fields.insert("overrides".to_owned(), Value::Object(merged));
            origin.listed = Some(ListedPlaces { file: index, units });
        }
        self.faults.extend(listed.faults.into_iter().map(|fault| (index, fault)));
    }

    /// Compiles the documents together.
    #[must_use]
    pub fn compile(mut self) -> Checked {
        let compiled = read_and_compile(self.documents.iter().map(|origin| &origin.value));
        let places = PlaceFinder::of(&self.files);
        let faults = std::mem::take(&mut self.faults);
        let mut found: Vec<_> =
            faults.into_iter().map(|(file, fault)| places.of_fault(file, fault)).collect();
        // Why a file of overrides was not read was said with more words.
        let is_said = |it: &Finding| {
            let origin = self.documents.get(it.place.document);
            it.code == Code::OverridesFile && origin.is_some_and(|it| it.is_said)
        };
        let others = compiled.findings.into_iter().filter(|it| !is_said(it));
        found.extend(once_per_file(others.map(|it| places.of_finding(&self.documents, it)), &self.files));
        found.sort_by_key(|it| (it.place.index, it.place.span.start, it.place.span.end));
        let asked = self.asked.unwrap_or(self.files.len());
        let is_about = |place: &FilePlace| place.index < asked;
        // Of two documents that cannot both be, the finding is about the later one.
        found.retain(|it| is_about(&it.place) || it.related.iter().any(|it| is_about(&it.place)));
        let documents = self.documents.iter().filter(|it| it.file < asked).count();
        let mut checked = Checked {
            catalog: compiled.catalog,
            documents,
            asked,
            values: Vec::new(),
            tests: compiled.tests,
            findings: found,
            files: self.files,
            named: self.named,
            placed: Vec::new(),
        };
        for DocumentOrigin { file, mark, value, .. } in self.documents {
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

    /// The documents and their catalog, to be compared with those of another time.
    #[must_use]
    pub fn version(&self) -> CatalogVersion<'_> {
        CatalogVersion {
            catalog: &self.catalog,
            documents: self.values.iter().map(|(_, value)| value).collect(),
        }
    }

    /// The places of values in the files.
    #[must_use]
    pub fn places(&self) -> DocumentPlaces<'_> {
        let by_name = self.placed.iter().filter_map(|it| Some((it.name.as_deref()?, it))).collect();
        DocumentPlaces { places: PlaceFinder::of(&self.files), documents: &self.placed, by_name }
    }
}

/// The folder whose documents belong together with some files: the outermost of the name `experiments` that holds them all, or else their own
/// folder if a `catalog.yaml` is in it. `None` if anything but files is named.
fn folder_of_documents(paths: &[PathBuf]) -> Option<PathBuf> {
    let folder = |path: &PathBuf| {
        let own = path.parent().filter(|_| path.is_file())?;
        let own = if own == Path::new("") { Path::new(".") } else { own };
        let has_catalog = ["catalog.yaml", "catalog.yml"].iter().any(|name| own.join(name).is_file());
        let of_documents = own.ancestors().filter(|it| it.ends_with(DOCUMENTS)).last();
        of_documents.or(Some(own).filter(|_| has_catalog)).map(Path::to_path_buf)
    };
    let mut folders = paths.iter().map(folder);
    let first = folders.next()??;
    folders.all(|it| it.as_ref() == Some(&first)).then_some(first)
}

/// Findings, of which those that lines of a file of overrides share are one: a renamed variant is in thousands of them.
fn once_per_file(
    findings: impl Iterator<Item = LocatedFinding>,
    files: &[SourceFile],
) -> Vec<LocatedFinding> {
    let mut kept: Vec<(LocatedFinding, usize)> = Vec::new();
    let mut known: HashMap<(usize, String), usize> = HashMap::new();
    for finding in findings {
        let file = finding.place.index;
        if files.get(file).is_some_and(|it| it.named_by.is_some()) {
            let at = *known.entry((file, finding.message.clone())).or_insert(kept.len());
            if let Some((first, lines)) = kept.get_mut(at) {
                if finding.place.span.start < first.place.span.start {
                    *first = finding;
                }
                *lines += 1;
                continue;
            }
        }
        kept.push((finding, 1));
    }
    let told = |(mut finding, lines): (LocatedFinding, usize)| {
        if lines > 1 {
            let _ = write!(finding.message, "; {lines} units of this file have it");
        }
        finding
    };
    kept.into_iter().map(told).collect()
}

/// Finds the places of values, counting the lines of each file once.
pub struct DocumentPlaces<'f> {
    places: PlaceFinder<'f>,
    documents: &'f [DocumentPosition],
    by_name: HashMap<&'f str, &'f DocumentPosition>,
}

impl DocumentPlaces<'_> {
    /// The place of a value by its path and the index of its document among all that were read.
    #[must_use]
    pub fn of(&self, document: usize, path: &ValuePath) -> Option<FilePlace> {
        self.documents.get(document).map(|it| self.within(it, path))
    }

    /// Finds a place by the document's name, for example `experiment checkout`.
    #[must_use]
    pub fn of_name(&self, name: &str, path: &ValuePath) -> Option<FilePlace> {
        self.by_name.get(name).map(|it| self.within(it, path))
    }

    fn within(&self, document: &DocumentPosition, path: &ValuePath) -> FilePlace {
        self.places.place(document.file, document.mark.locate(path, Code::WrongType))
    }
}
