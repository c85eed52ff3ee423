//! Where the values of a document stand in its text.

use abx_core::finding::Code;
use std::ops::Range;

/// The place of a value, and of the values inside it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mark {
    /// Bytes of the text.
    pub span: Range<usize>,
    /// What is inside.
    pub inside: Inside,
}

/// The places inside a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Inside {
    /// A scalar has none.
    #[default]
    Nothing,
    /// The items of a list.
    Items(Vec<Mark>),
    /// The fields of a mapping: name, bytes of the name, value.
    Fields(Vec<(String, Range<usize>, Mark)>),
}

impl Mark {
    /// The bytes to underline for a finding of a code at a path. A path that leads nowhere ends at the last
    /// value on the way.
    #[must_use]
    pub fn locate(&self, path: &str, code: Code) -> Range<usize> {
        let mut here = self;
        let mut name: Option<&Range<usize>> = None;
        let mut rest = path;
        while !rest.is_empty() {
            match here.step(rest) {
                Some((key, value, left)) => {
                    name = key;
                    here = value;
                    rest = left;
                }
                None => break,
            }
        }
        let of_name = matches!(code, Code::UnknownField | Code::UnknownKind);
        match name {
            // A list or mapping is too large to underline; its name stands for it.
            Some(name) if of_name || here.inside != Inside::Nothing || here.span.is_empty() => name.clone(),
            _ => here.head(),
        }
    }

    /// One step along a path: the bytes of the field's name, the value, and the rest of the path.
    fn step<'m, 'p>(&'m self, path: &'p str) -> Option<(Option<&'m Range<usize>>, &'m Mark, &'p str)> {
        match &self.inside {
            Inside::Nothing => None,
            Inside::Items(items) => {
                let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
                let item = items.get(index.parse::<usize>().ok()?)?;
                Some((None, item, rest))
            }
            Inside::Fields(fields) => {
                let path = path.strip_prefix('.').unwrap_or(path);
                // Names may hold dots themselves (`overrides` has units), so the longest one is meant.
                fields
                    .iter()
                    .filter_map(|(name, span, value)| {
                        let rest = path.strip_prefix(name.as_str())?;
                        let ends = rest.is_empty() || rest.starts_with(['.', '[']);
                        ends.then_some((name.len(), (Some(span), value, rest)))
                    })
                    .max_by_key(|(length, _)| *length)
                    .map(|(_, step)| step)
            }
        }
    }

    /// What to underline for the value: a scalar itself; of a mapping in a list, its first field's name.
    fn head(&self) -> Range<usize> {
        match &self.inside {
            Inside::Fields(fields) => fields.first().map_or(self.span.clone(), |(_, name, _)| name.clone()),
            Inside::Items(items) => items.first().map_or(self.span.clone(), Mark::head),
            Inside::Nothing => self.span.clone(),
        }
    }

    /// How many values there are, this one included.
    #[must_use]
    pub fn count(&self) -> usize {
        1 + match &self.inside {
            Inside::Nothing => 0,
            Inside::Items(items) => items.iter().map(Mark::count).sum(),
            Inside::Fields(fields) => fields.iter().map(|(_, _, value)| value.count()).sum(),
        }
    }
}
