//! Findings for a person: the line, underlined.

use crate::source::{FilePlace, Lines, LocatedFinding, SourceFile};
use abx_core::finding::Severity;
use annotate_snippets::{Annotation, AnnotationKind, Level, Renderer, Snippet};
use std::borrow::Cow;
use std::ops::Range;

/// Characters that are shown before what is underlined, in a line that is too long to show.
const BEFORE: usize = 40;
/// Characters that are shown of a line.
const WIDE: usize = 100;
/// Stands for what a line has more.
const MORE: &str = "…";

/// All findings, each with its source lines underlined. May hold ANSI styles.
#[must_use]
pub fn human(findings: &[LocatedFinding], files: &[SourceFile]) -> String {
    let mut sources = Sources { files, current: None };
    let renderer = Renderer::styled().term_width(WIDE + 20);
    let mut text = String::new();
    for finding in findings {
        text.push_str(&one(finding, &mut sources, &renderer));
        text.push_str("\n\n");
    }
    text
}

fn one(finding: &LocatedFinding, sources: &mut Sources<'_>, renderer: &Renderer) -> String {
    let shown = sources.cut(&finding.place);
    let related: Vec<_> = finding.related.iter().map(|it| (sources.cut(&it.place), &*it.message)).collect();
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(&*finding.message).id(finding.code.as_str());
    let group = title
        .element(shown.snippet(AnnotationKind::Primary, None))
        .elements(related.iter().map(|(shown, label)| shown.snippet(AnnotationKind::Context, Some(label))))
        .elements(finding.help.as_deref().map(|help| Level::HELP.message(printable(help))));
    let mut text = renderer.render(&[group]);
    for shown in std::iter::once(&shown).chain(related.iter().map(|(shown, _)| shown)) {
        shown.correct(&mut text);
    }
    text
}

/// The lines of the files, counted once a file: findings come by file.
struct Sources<'f> {
    files: &'f [SourceFile],
    current: Option<(usize, Lines<'f>)>,
}

impl<'f> Sources<'f> {
    /// The line of a place, cut where it is too long. Only the first line of several is shown.
    fn cut<'p>(&mut self, place: &'p FilePlace) -> Shown<'f, 'p> {
        let text = self.files.get(place.index).map_or("", |file| &file.text);
        if self.current.as_ref().is_none_or(|(index, _)| *index != place.index) {
            self.current = Some((place.index, Lines::of(text)));
        }
        let line = self.current.as_ref().map_or(0..0, |(_, lines)| lines.line(place.line));
        let start = place.span.start.clamp(line.start, line.end);
        let end = place.span.end.clamp(start, line.end);
        let before = back(text, line.start..start, BEFORE);
        let from = if forth(text, line.clone(), WIDE) == line.end { line.start } else { before };
        let to = forth(text, from..line.end, WIDE);
        let mut source = Cow::Borrowed(text.get(from..to).unwrap_or_default());
        let mut span = start - from..end.min(to).max(start) - from;
        if from > line.start {
            source = Cow::Owned(format!("{MORE}{source}"));
            span = span.start + MORE.len()..span.end + MORE.len();
        }
        if to < line.end {
            source.to_mut().push_str(MORE);
        }
        Shown { place, source, span }
    }
}

/// The part of a line that is shown.
struct Shown<'f, 'p> {
    place: &'p FilePlace,
    source: Cow<'f, str>,
    span: Range<usize>,
}

impl Shown<'_, '_> {
    fn snippet<'s>(&'s self, kind: AnnotationKind, label: Option<&'s str>) -> Snippet<'s, Annotation<'s>> {
        Snippet::source(&*self.source)
            .line_start(self.place.line)
            .path(&*self.place.file)
            .annotation(kind.span(self.span.clone()).label(label))
    }

    /// The renderer counts the column in what it is shown, which starts later than the line.
    fn correct(&self, text: &mut String) {
        let shown = self.source.get(..self.span.start).map_or(0, |before| before.chars().count()) + 1;
        if shown != self.place.column {
            let FilePlace { file, line, column, .. } = self.place;
            *text = text.replacen(&format!("{file}:{line}:{shown}"), &format!("{file}:{line}:{column}"), 1);
        }
    }
}

/// The byte that is some characters before the end of a range, or its start.
fn back(text: &str, range: Range<usize>, characters: usize) -> usize {
    let part = text.get(range.clone()).unwrap_or_default();
    let found = part.char_indices().rev().nth(characters.saturating_sub(1));
    found.map_or(range.start, |(at, _)| range.start + at)
}

/// The byte that is some characters after the start of a range, or its end.
fn forth(text: &str, range: Range<usize>, characters: usize) -> usize {
    let part = text.get(range.clone()).unwrap_or_default();
    part.char_indices().nth(characters).map_or(range.end, |(at, _)| range.start + at)
}

/// A help text may quote a document, and the renderer lets styles in helps pass.
fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}
