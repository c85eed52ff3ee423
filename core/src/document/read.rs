//! Reading a document from JSON values, all findings at once.
//!
//! Derived `Deserialize` stops at the first error and knows no path, so documents are read by the trait
//! [`ReadValue`] instead: a value that cannot be read leaves a finding and a default, and reading goes on.
//! The macro [`record`] makes a struct with its serde and JSON Schema derives and its reader from one
//! declaration, so the three cannot drift apart.

use super::meant::{boolean_meant, decimal_meant, list_meant, mapping_meant, word_meant};
use crate::finding::{Code, Findings, Path, PathSegment};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A path into a document while it is read; becomes a [`Path`] only when a finding needs it.
#[derive(Clone, Copy)]
pub(crate) enum ReadPath<'a> {
    Root,
    Field(&'a ReadPath<'a>, &'a str),
    Index(&'a ReadPath<'a>, usize),
}

impl ReadPath<'_> {
    /// The path, for a finding.
    pub(crate) fn path(self) -> Path {
        let mut segments = Vec::new();
        let mut here = self;
        loop {
            here = match here {
                Self::Root => break,
                Self::Field(parent, name) => {
                    segments.push(PathSegment::Field(name.to_owned().into()));
                    *parent
                }
                Self::Index(parent, index) => {
                    segments.push(PathSegment::Index(index));
                    *parent
                }
            };
        }
        segments.into_iter().rev().collect()
    }
}

/// A value that can be read from a document. Its default replaces one that could not be read, after its finding is added.
pub(crate) trait ReadValue: Default {
    /// True if a field of the type need not be written; it has its default then.
    const IS_OPTIONAL: bool = false;

    /// Reads a value; whatever is wrong with it becomes findings, and the default stands in.
    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self;
}

/// Notes that a value is of a wrong type, and lets the default stand in.
pub(crate) fn wrong_type<T: ReadValue>(
    expected: &str,
    value: &Value,
    at: ReadPath<'_>,
    findings: &mut Findings,
) -> T {
    wrong_type_because(expected, value, None, at, findings)
}

/// The same, with the help on what is probably meant.
pub(crate) fn wrong_type_because<T: ReadValue>(
    expected: &str,
    value: &Value,
    help: Option<String>,
    at: ReadPath<'_>,
    findings: &mut Findings,
) -> T {
    refuse(Code::WrongType, format!("expected {expected}, found {}", describe(value)), help, at, findings)
}

/// Notes that a value is no mapping of these fields.
pub(crate) fn not_a_mapping<T: ReadValue>(
    fields: &[&str],
    value: &Value,
    at: ReadPath<'_>,
    findings: &mut Findings,
) -> T {
    wrong_type_because("a mapping", value, mapping_meant(value, fields), at, findings)
}

/// Notes that a value cannot be used, and lets the default stand in.
pub(crate) fn refuse<T: ReadValue>(
    code: Code,
    message: String,
    help: Option<String>,
    at: ReadPath<'_>,
    findings: &mut Findings,
) -> T {
    findings.add(code, at.path(), message).help = help;
    findings.mark_broken(at.path());
    T::default()
}

/// A value in a few words, for messages.
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(it) => format!("the boolean {it}"),
        Value::Number(it) => format!("the number {it}"),
        Value::String(it) => format!("the string {}", quote(it)),
        Value::Array(it) => format!("a list of {}", it.len()),
        Value::Object(it) => format!("a mapping of {}", it.len()),
    }
}

/// A text in quotes, cut where it is long.
#[must_use]
pub fn quote(text: &str) -> String {
    const LONG: usize = 60;
    if text.chars().count() <= LONG {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(LONG).collect();
    format!("{:?}", start + "…")
}

/// Reads one field of a mapping.
pub(crate) fn field<T: ReadValue>(
    map: &Map<String, Value>,
    name: &str,
    at: ReadPath<'_>,
    findings: &mut Findings,
) -> T {
    if let Some(value) = map.get(name) {
        return T::read(value, ReadPath::Field(&at, name), findings);
    }
    if !T::IS_OPTIONAL {
        // The misspelt field that stands for this one already has a finding that says so.
        let path = ReadPath::Field(&at, name).path();
        if !findings.is_broken(&path) {
            findings
                .add(Code::MissingField, at.path(), format!("`{name}` is missing"))
                .help(format!("add `{name}:`"));
            findings.mark_broken(path);
        }
    }
    T::default()
}

/// Notes fields that nobody knows.
pub(crate) fn check_unknown(
    map: &Map<String, Value>,
    known: &[&str],
    at: ReadPath<'_>,
    findings: &mut Findings,
) {
    for name in map.keys().filter(|name| !known.contains(&name.as_str())) {
        let path = ReadPath::Field(&at, name).path();
        let unwritten = known.iter().copied().filter(|known| !map.contains_key(*known));
        let near = word_meant(name, unwritten);
        let finding = findings.add(Code::UnknownField, path, format!("unknown field {}", quote(name)));
        if let Some(near) = near {
            finding.help(format!("did you mean `{near}`?"));
            findings.mark_broken(ReadPath::Field(&at, near).path());
        } else {
            finding.help(format!("known fields: {}", known.join(", ")));
        }
    }
}

impl ReadValue for bool {
    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        match value {
            Value::Bool(it) => *it,
            other => {
                let help = boolean_meant(other).map(|it| format!("write `{it}`, without quotes"));
                wrong_type_because("true or false", other, help, at, findings)
            }
        }
    }
}

impl ReadValue for f64 {
    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        value.as_f64().unwrap_or_else(|| {
            let decimal = value.as_str().and_then(decimal_meant);
            let help = decimal.map(|it| format!("write a decimal point: {it}"));
            wrong_type_because("a number", value, help, at, findings)
        })
    }
}

impl ReadValue for u32 {
    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        let read = value.as_u64().and_then(|it| Self::try_from(it).ok());
        read.unwrap_or_else(|| wrong_type("a whole number of 0 or more", value, at, findings))
    }
}

impl ReadValue for String {
    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        match value {
            Value::String(it) => it.clone(),
            other => {
                let help = match other {
                    Value::Number(_) | Value::Bool(_) => Some(format!("write it in quotes: \"{other}\"")),
                    Value::Array(_) | Value::Object(_) => Some("write one text".to_owned()),
                    Value::Null | Value::String(_) => None,
                };
                wrong_type_because("a string", other, help, at, findings)
            }
        }
    }
}

impl ReadValue for Value {
    fn read(value: &Value, _: ReadPath<'_>, _: &mut Findings) -> Self {
        value.clone()
    }
}

impl<T: ReadValue> ReadValue for Option<T> {
    const IS_OPTIONAL: bool = true;

    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        (!value.is_null()).then(|| T::read(value, at, findings))
    }
}

impl<T: ReadValue> ReadValue for Vec<T> {
    const IS_OPTIONAL: bool = true;

    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        match value {
            Value::Array(list) => list
                .iter()
                .enumerate()
                .map(|(index, item)| T::read(item, ReadPath::Index(&at, index), findings))
                .collect(),
            other => wrong_type_because("a list", other, list_meant(other), at, findings),
        }
    }
}

impl<T: ReadValue> ReadValue for BTreeMap<String, T> {
    const IS_OPTIONAL: bool = true;

    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        match value {
            Value::Object(map) => map
                .iter()
                .map(|(name, item)| (name.clone(), T::read(item, ReadPath::Field(&at, name), findings)))
                .collect(),
            other => not_a_mapping(&[], other, at, findings),
        }
    }
}

/// The name of a field in documents: `type` of `r#type`, which Rust would take for a word of its own.
pub(crate) const fn field_name(identifier: &'static str) -> &'static str {
    match identifier.as_bytes() {
        [b'r', b'#', ..] => identifier.split_at(2).1,
        _ => identifier,
    }
}

/// Declares a mapping of a document: the struct, its derives and its reader. A field of type `Option`, `Vec`
/// or `BTreeMap` may be left out; every other one must be written.
macro_rules! record {
    ($(#[$attribute:meta])* pub struct $name:ident {
        $($(#[$field_attribute:meta])* pub $field:ident: $type:ty,)*
    }) => {
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        $(#[$attribute])*
        pub struct $name { $($(#[$field_attribute])* pub $field: $type,)* }

        impl $name {
            pub(crate) const FIELDS: &'static [&'static str] = &[$($crate::document::read::field_name(stringify!($field))),*];
        }

        impl $crate::document::read::ReadValue for $name {
            fn read(
                value: &serde_json::Value,
                at: $crate::document::read::ReadPath<'_>,
                findings: &mut $crate::finding::Findings,
            ) -> Self {
                use $crate::document::read;
                let serde_json::Value::Object(map) = value else {
                    return read::not_a_mapping(Self::FIELDS, value, at, findings);
                };
                read::check_unknown(map, Self::FIELDS, at, findings);
                Self { $($field: read::field(map, read::field_name(stringify!($field)), at, findings),)* }
            }
        }
    };
}

/// One of a closed set of words.
pub(crate) trait DocumentWord: Copy + Default + 'static {
    /// Every word with its value.
    fn words() -> impl Iterator<Item = (&'static str, Self)> + Clone;
}

impl<W: DocumentWord> ReadValue for W {
    fn read(value: &Value, at: ReadPath<'_>, findings: &mut Findings) -> Self {
        let Value::String(text) = value else { return wrong_type("a word", value, at, findings) };
        if let Some((_, found)) = W::words().find(|(word, _)| word == text) {
            return found;
        }
        let words = W::words().map(|(word, _)| word);
        let help = match word_meant(text, words.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("one of: {}", words.collect::<Vec<_>>().join(", ")),
        };
        let message = format!("{} is not a known word here", quote(text));
        refuse(Code::UnknownWord, message, Some(help), at, findings)
    }
}

/// Declares a closed set of words of documents: an enum by [`words!`](crate::words) with its JSON Schema and its reader.
macro_rules! written_words {
    ($(#[$attribute:meta])* pub enum $name:ident: $case:literal { $($variants:tt)* }) => {
        $crate::words! {
            $(#[$attribute])*
            #[derive(Default, schemars::JsonSchema)]
            pub enum $name: $case { $($variants)* }
        }

        impl $crate::document::read::DocumentWord for $name {
            fn words() -> impl Iterator<Item = (&'static str, Self)> + Clone {
                Self::ALL.into_iter().map(|it| (it.as_str(), it))
            }
        }
    };
}

/// Gives types the JSON Schemas that are written by hand.
macro_rules! json_schemas {
    ($($name:ident: $schema:tt)*) => {$(
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    )*};
}

pub(crate) use {json_schemas, record, written_words};
