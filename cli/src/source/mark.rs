//! Marks: the byte ranges of a document's values in its text.

use abx_core::finding::{Code, Path, PathSegment};
use std::ops::Range;

/// The place of a value, and of the values inside it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceMark {
    /// Bytes of the text.
    pub span: Range<usize>,
    /// The marks of the values inside.
    pub inside: Inside,
}

/// The places inside a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Inside {
    /// A scalar has none.
    #[default]
    Nothing,
    /// The items of a list.
    Items(Vec<SourceMark>),
    /// The fields of a mapping.
    Fields(FieldMarks),
}

/// A field's name, the bytes of the name, and the place of its value.
pub(super) type Field = (String, Range<usize>, SourceMark);

/// The places of the fields of a mapping, to be looked up by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldMarks {
    by_name: Vec<Field>,
    /// The name that is written first.
    first: Option<Range<usize>>,
}

impl FieldMarks {
    /// Takes the fields in the order in which they are written; each name is there once.
    #[must_use]
    pub fn new(mut written: Vec<Field>) -> Self {
        let first = written.first().map(|(_, span, _)| span.clone());
        written.sort_by(|a, b| a.0.cmp(&b.0));
        Self { by_name: written, first }
    }

    /// The field of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Field> {
        let index = self.by_name.binary_search_by(|(known, ..)| known.as_str().cmp(name)).ok()?;
        self.by_name.get(index)
    }
}

impl SourceMark {
    /// The bytes of a field's name, and the place of its value.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<(&Range<usize>, &Self)> {
        let Inside::Fields(fields) = &self.inside else { return None };
        fields.get(name).map(|(_, span, value)| (span, value))
    }

    /// The bytes of the name of the field that is written first; `None` of what has no field.
    #[must_use]
    pub fn first_name(&self) -> Option<&Range<usize>> {
        if let Inside::Fields(fields) = &self.inside { fields.first.as_ref() } else { None }
    }

    /// The items of a list; none of another value.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        if let Inside::Items(items) = &self.inside { items } else { &[] }
    }

    /// The end of what is written of the value. The span of a list or mapping in lines goes on to the next value.
    #[must_use]
    pub fn end(&self, text: &str) -> usize {
        let is_closed = text.get(self.span.start..).is_some_and(|rest| rest.starts_with(['[', '{']));
        let end = match &self.inside {
            Inside::Items(items) if !is_closed => items.iter().map(|it| it.end(text)).max(),
            Inside::Fields(fields) if !is_closed => {
                fields.by_name.iter().map(|(_, name, it)| it.end(text).max(name.end)).max()
            }
            _ => None,
        };
        end.unwrap_or_else(|| text.get(..self.span.end).map_or(self.span.end, |it| it.trim_end().len()))
    }

    /// The bytes to underline for a finding of a code at a path. A path that leads nowhere ends at the last
    /// value on the way.
    #[must_use]
    pub fn locate(&self, path: &Path, code: Code) -> Range<usize> {
        let mut here = self;
        let mut name: Option<&Range<usize>> = None;
        for segment in path.segments() {
            let (key, value) = match segment {
                PathSegment::Field(name) => match here.field(name) {
                    Some((key, value)) => (Some(key), value),
                    None => break,
                },
                PathSegment::Index(index) => match here.items().get(*index) {
                    Some(item) => (None, item),
                    None => break,
                },
            };
            name = key;
            here = value;
        }
        let of_name = matches!(code, Code::UnknownField | Code::UnknownKind);
        match name {
            // A list or mapping is too large to underline; its name stands for it.
            Some(name) if of_name || here.inside != Inside::Nothing || here.span.is_empty() => name.clone(),
            _ => here.head(),
        }
    }

    /// Returns the range to underline for the value: a scalar itself; for a mapping in a list, the name of
    /// its first field.
    fn head(&self) -> Range<usize> {
        match &self.inside {
            Inside::Fields(fields) => fields.first.clone().unwrap_or(self.span.clone()),
            Inside::Items(items) => items.first().map_or(self.span.clone(), SourceMark::head),
            Inside::Nothing => self.span.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::yaml::parse;
    use super::*;

    /// Returns the text that is underlined for a path.
    fn underlined<'t>(text: &'t str, path: &Path, code: Code) -> &'t str {
        let parsed = parse(text);
        let (_, mark) = parsed.documents.first().expect("a document");
        text.get(mark.locate(path, code)).expect("a span of the text")
    }

    const TEXT: &str = "experiment: a\nvariants:\n  - key: x\n    allocation: 0.5\n  - {key: y}\noverrides: {u.1: x, u: y, \"v[0]\": z}\nempty:\nowner: ''\n";

    fn variant(index: usize) -> Path {
        Path::of("variants").index(index)
    }

    #[test]
    fn values_are_underlined_and_large_ones_by_their_name() {
        for (path, expected) in [
            (Path::of("experiment"), "a"),
            (Path::of("variants"), "variants"),
            (variant(0).field("allocation"), "0.5"),
            (variant(0), "key"),
            (variant(1).field("key"), "y"),
            (Path::of("overrides"), "overrides"),
            (Path::of("empty"), "empty"),
            (Path::of("owner"), "''"),
            (Path::default(), "experiment"),
        ] {
            assert_eq!(underlined(TEXT, &path, Code::WrongType), expected, "{path}");
        }
    }

    #[test]
    fn names_may_hold_dots_and_brackets() {
        for (name, expected) in [("u.1", "x"), ("u", "y"), ("v[0]", "z")] {
            assert_eq!(underlined(TEXT, &Path::of("overrides").field(name), Code::WrongType), expected);
        }
        let nested = Path::of("overrides").field("u").field("1");
        assert_eq!(underlined(TEXT, &nested, Code::WrongType), "y", "a dot in a name is not a step");
    }

    #[test]
    fn unknown_fields_are_underlined_themselves() {
        let path = variant(0).field("allocation");
        assert_eq!(underlined(TEXT, &path, Code::UnknownField), "allocation");
    }

    #[test]
    fn a_path_that_leads_nowhere_ends_on_the_way() {
        for (path, expected) in [
            (variant(0).field("salt"), "key"),
            (variant(7).field("key"), "variants"),
            (Path::of("owner").field("name").index(0), "''"),
        ] {
            assert_eq!(underlined(TEXT, &path, Code::MissingField), expected, "{path}");
        }
    }
}
