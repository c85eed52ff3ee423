//! Findings that know their file, line and column: what every format prints.

use super::fault::SourceFault;
use super::files::SourceFile;
use super::lines::Lines;
use super::origin::DocumentOrigin;
use abx_core::finding::{Code, Finding, Path, Severity};
use schemars::JsonSchema;
use serde::Serialize;
use std::cell::OnceCell;
use std::ops::Range;

/// A finding with its place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LocatedFinding {
    /// The stable code.
    pub code: Code,
    /// The severity.
    pub severity: Severity,
    /// The problem, in a sentence.
    pub message: String,
    /// The way to fix it.
    pub help: Option<String>,
    /// The place of the problem.
    #[serde(flatten)]
    pub place: FilePlace,
    /// The path in the document, as in `variants[1].allocation`; empty for what is wrong in the file as a whole.
    pub path: Path,
    /// Other places that belong to it.
    pub related: Vec<LocatedRelatedPlace>,
}

/// Another place that a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LocatedRelatedPlace {
    /// The explanation of the related place.
    pub message: String,
    /// The related place.
    #[serde(flatten)]
    pub place: FilePlace,
}

/// A place in a file. Lines and columns count from 1, and a column is a character.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FilePlace {
    /// The name of the file.
    pub file: String,
    /// The line of the first character.
    pub line: usize,
    /// Its column.
    pub column: usize,
    /// The line of the last character.
    pub end_line: usize,
    /// The column after the last character.
    pub end_column: usize,
    /// The index of the file among those that were read.
    #[serde(skip)]
    pub index: usize,
    /// The bytes to underline.
    #[serde(skip)]
    pub span: Range<usize>,
}

/// Finds lines and columns; a file's lines are counted when the first finding needs them.
pub(super) struct PlaceFinder<'f> {
    files: &'f [SourceFile],
    lines: Vec<OnceCell<Lines<'f>>>,
}

impl<'f> PlaceFinder<'f> {
    pub(super) fn of(files: &'f [SourceFile]) -> Self {
        Self { files, lines: files.iter().map(|_| OnceCell::new()).collect() }
    }

    /// The place of what is wrong in a file.
    pub(super) fn of_fault(&self, file: usize, fault: SourceFault) -> LocatedFinding {
        let related = fault.related.into_iter();
        LocatedFinding {
            code: fault.code,
            severity: fault.code.severity(),
            message: fault.message,
            help: fault.help,
            place: self.place(file, fault.span),
            path: Path::default(),
            related: related
                .map(|(span, message)| LocatedRelatedPlace { place: self.place(file, span), message })
                .collect(),
        }
    }

    /// The place of what is wrong in a document.
    pub(super) fn of_finding(&self, documents: &[DocumentOrigin], finding: Finding) -> LocatedFinding {
        let place =
            |place: &abx_core::finding::DocumentLocation, code: Code| match documents.get(place.document) {
                Some(origin) => match origin.listed(&place.path) {
                    Some((file, span)) => self.place(file, span),
                    None => self.place(origin.file, origin.mark.locate(&place.path, code)),
                },
                None => self.place(0, 0..0),
            };
        let related = finding.related.into_iter();
        LocatedFinding {
            code: finding.code,
            severity: finding.severity,
            message: finding.message,
            help: finding.help,
            place: place(&finding.place, finding.code),
            related: related
                .map(|it| LocatedRelatedPlace { place: place(&it.place, finding.code), message: it.message })
                .collect(),
            path: finding.place.path,
        }
    }

    pub(super) fn place(&self, index: usize, span: Range<usize>) -> FilePlace {
        let name_and_text = self.files.get(index).map_or(("", ""), |it| (&*it.name, &*it.text));
        let span = snapped(name_and_text.1, span);
        let (line, column, end_line, end_column) = match self.lines.get(index) {
            Some(cell) => {
                let lines = cell.get_or_init(|| Lines::of(name_and_text.1));
                let (line, column) = lines.position(span.start);
                let (end_line, end_column) = lines.position(span.end);
                (line, column, end_line, end_column)
            }
            None => (1, 1, 1, 1),
        };
        FilePlace { file: name_and_text.0.to_owned(), line, column, end_line, end_column, index, span }
    }
}

/// The span, made to begin and end with a character of the text.
fn snapped(text: &str, span: Range<usize>) -> Range<usize> {
    let is_end = |at: &usize| text.is_char_boundary(*at);
    let start = (0..=span.start.min(text.len())).rev().find(is_end).unwrap_or(0);
    let end = (span.end.max(start)..text.len()).find(is_end).unwrap_or(text.len());
    start..end
}
