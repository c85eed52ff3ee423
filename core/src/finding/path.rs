//! The path of a value in a document.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};
use std::borrow::{Borrow, Cow};
use std::fmt;

/// The fields and items that lead to a value in a document; none for the document as a whole. It is written as
/// `variants[1].allocation`, and that text is for people only: a name may hold a dot or a bracket itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<PathSegment>);

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathSegment {
    /// The value of a field, by its name.
    Field(Cow<'static, str>),
    /// An item of a list, from 0.
    Index(usize),
}

impl Path {
    /// The path of a field of the document itself.
    pub fn of(name: impl Into<Cow<'static, str>>) -> Self {
        Self(vec![PathSegment::Field(name.into())])
    }

    /// The path of a field of the value.
    #[must_use]
    pub fn field(&self, name: impl Into<Cow<'static, str>>) -> Self {
        self.join(PathSegment::Field(name.into()))
    }

    /// The path of an item of the value.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.join(PathSegment::Index(index))
    }

    /// The path of a value inside the value.
    #[must_use]
    pub fn join(&self, segment: PathSegment) -> Self {
        let mut segments = Vec::with_capacity(self.0.len() + 1);
        segments.extend_from_slice(&self.0);
        segments.push(segment);
        Self(segments)
    }

    /// The path of a value whose path inside the value is known.
    #[must_use]
    pub fn then(&self, inside: &Self) -> Self {
        self.0.iter().chain(&inside.0).cloned().collect()
    }

    /// The steps from the document to the value.
    #[must_use]
    pub fn segments(&self) -> &[PathSegment] {
        &self.0
    }

    /// Returns true for the path of the document as a whole.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<PathSegment> for Path {
    fn from_iter<I: IntoIterator<Item = PathSegment>>(segments: I) -> Self {
        Self(segments.into_iter().collect())
    }
}

/// The path of a field of the document itself; of the document as a whole for an empty name.
impl From<&'static str> for Path {
    fn from(name: &'static str) -> Self {
        if name.is_empty() { Self::default() } else { Self::of(name) }
    }
}

impl From<&Self> for Path {
    fn from(path: &Self) -> Self {
        path.clone()
    }
}

/// Equal paths are equal slices, and in the same order.
impl Borrow<[PathSegment]> for Path {
    fn borrow(&self) -> &[PathSegment] {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                PathSegment::Field(name) if at == 0 => f.write_str(name)?,
                PathSegment::Field(name) => write!(f, ".{name}")?,
                PathSegment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Path {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_as_they_are_in_documents() {
        let item = Path::of("variants").index(1);
        for (path, text) in [
            (Path::default(), ""),
            (Path::of("status"), "status"),
            (item.clone(), "variants[1]"),
            (item.field("allocation"), "variants[1].allocation"),
            (Path::of("overrides").field("u.1".to_owned()), "overrides.u.1"),
        ] {
            assert_eq!(path.to_string(), text);
            assert_eq!(serde_json::to_value(&path).unwrap(), text);
        }
    }

    #[test]
    fn names_with_dots_are_not_paths() {
        let (name, nested) = (Path::of("a.b"), Path::of("a").field("b"));
        assert_eq!(name.to_string(), nested.to_string());
        assert_ne!(name, nested);
    }
}
