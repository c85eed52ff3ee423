//! Rust. Types of payloads are read with serde, and the value of a flag is turned into JSON first, so that both are read alike.

use super::Head;
use super::model::{Entry, FlagValue, Model};
use super::names::{Names, Scope, pascal, snake};
use super::shape::{Fields, Kind, Shape};
use super::text::{behind, braced, quoted};
use super::types::{Declared, Dialect, Place, declared, field_names, want_types};
use crate::error::Error;
use serde_json::Value;
use std::fmt::Write as _;

const RESERVED: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "new", "override", "priv", "pub", "ref", "return", "self",
    "static", "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield",
];

const TYPES: &[&str] = &["ExperimentKey", "FlagKey", "Flags"];

const DERIVES: &str = "#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]";

const FLAGS: &str = "
/// The flags, each with its type and its default.
pub struct Flags<'c> {
    client: &'c open_feature::Client,
}

impl<'c> Flags<'c> {
    pub fn new(client: &'c open_feature::Client) -> Self {
        Self { client }
    }
";

const HELPERS: &str = "
fn object<T: serde::de::DeserializeOwned>(
    answer: open_feature::EvaluationResult<open_feature::StructValue>,
) -> Option<T> {
    serde_json::from_value(json(open_feature::Value::Struct(answer.ok()?))).ok()
}

fn json(value: open_feature::Value) -> serde_json::Value {
    match value {
        open_feature::Value::Bool(it) => it.into(),
        open_feature::Value::Int(it) => it.into(),
        open_feature::Value::Float(it) => it.into(),
        open_feature::Value::String(it) => it.into(),
        open_feature::Value::Array(items) => items.into_iter().map(json).collect(),
        open_feature::Value::Struct(it) => it.fields.into_iter().map(|(name, value)| (name, json(value))).collect(),
    }
}
";

pub(super) fn generate(head: &Head, model: &Model) -> Result<String, Error> {
    let mut scope = Scope::new(TYPES);
    want_types(&mut scope, model);
    let rust = Rust { types: scope.resolve()? };
    let mut text = behind("//", "", &head.lines());
    text.push_str(
        "#![allow(dead_code, deprecated, missing_docs, non_camel_case_types, non_snake_case, clippy::all)]\n",
    );
    let experiments: Vec<&Entry> = model.experiments.iter().map(|it| &it.entry).collect();
    enumeration(&mut text, "ExperimentKey", &["The key of an experiment.".to_owned()], None, &experiments)?;
    let flags: Vec<&Entry> = model.flags.iter().map(|it| &it.entry).collect();
    enumeration(&mut text, "FlagKey", &["The key of a flag.".to_owned()], None, &flags)?;
    for experiment in &model.experiments {
        rust.variants(
            &mut text,
            &Place::experiment_variants(&experiment.entry.key),
            &experiment.entry,
            &experiment.variants,
        )?;
        if let Some(payload) = &experiment.payload {
            let note = if payload.is_optional { " Some variants have none." } else { "" };
            let about = format!("The payload of variants of `{}`.{note}", experiment.entry.key);
            rust.declare(&mut text, &payload.shape, &Place::payload(&experiment.entry.key), &about)?;
        }
    }
    for flag in &model.flags {
        rust.variants(&mut text, &Place::flag_variants(&flag.entry.key), &flag.entry, &flag.variants)?;
        if let FlagValue::Object(_, shape) = &flag.value {
            let about = format!("The value of `{}`.", flag.entry.key);
            rust.declare(&mut text, shape, &Place::value(&flag.entry.key), &about)?;
        }
    }
    text.push_str(FLAGS);
    rust.accessors(&mut text, model)?;
    text.push_str("}\n");
    text.push_str(HELPERS);
    Ok(text)
}

/// An enumeration of keys.
fn enumeration(
    text: &mut String,
    name: &str,
    about: &[String],
    deprecated: Option<&String>,
    entries: &[&Entry],
) -> Result<(), Error> {
    let names = Scope::of_keys(&["Self"], entries.iter().map(|it| it.key.as_str()), pascal)?;
    let _ = write!(text, "\n{}{}", docs("", about), deprecation("", deprecated));
    text.push_str(
        "#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]\n",
    );
    let _ = writeln!(text, "pub enum {name} {{");
    let mut arms = String::new();
    for entry in entries {
        let (variant, key) = (names.get(&entry.key), quote(&entry.key));
        let _ =
            write!(text, "{}{}", docs("    ", &entry.docs), deprecation("    ", entry.deprecated.as_ref()));
        let _ = writeln!(text, "    #[serde(rename = {key})]\n    {variant},");
        let _ = writeln!(arms, "            Self::{variant} => {key},");
    }
    let _ = writeln!(
        text,
        "}}\n\nimpl {name} {{\n    pub const fn as_str(self) -> &'static str {{\n        match self {{\n{arms}        }}\n    }}\n}}"
    );
    Ok(())
}

fn deprecation(indent: &str, reason: Option<&String>) -> String {
    reason.map_or(String::new(), |it| format!("{indent}#[deprecated(note = {})]\n", quote(it)))
}

/// Doc comments, in which no line opens a block of code that would be run as a test.
fn docs(indent: &str, lines: &[String]) -> String {
    let opens = |line: &str| line.starts_with("```") || line.starts_with("~~~");
    let lines: Vec<String> =
        lines.iter().map(|line| if opens(line) { format!("\\{line}") } else { line.clone() }).collect();
    behind("///", indent, &lines)
}

fn quote(text: &str) -> String {
    quoted(text, braced)
}

struct Rust {
    types: Names,
}

impl Rust {
    fn name(&self, place: &Place) -> &str {
        self.types.get(&place.what)
    }

    fn variants(
        &self,
        text: &mut String,
        place: &Place,
        of: &Entry,
        variants: &[Entry],
    ) -> Result<(), Error> {
        let about = [format!("A variant of `{}`.", of.key)];
        let variants: Vec<&Entry> = variants.iter().collect();
        enumeration(text, self.name(place), &about, of.deprecated.as_ref(), &variants)
    }

    /// Declares the type at a place, and those that it uses before it.
    fn declare(&self, text: &mut String, shape: &Shape, place: &Place, about: &str) -> Result<(), Error> {
        for (inner, declared) in declared(shape, place) {
            text.push('\n');
            if inner.what == place.what {
                text.push_str(&behind("///", "", &[about.to_owned()]));
            }
            match declared {
                Declared::Record(fields) => self.record(text, fields, &inner)?,
                Declared::Union(kinds) => self.union(text, &kinds, &inner),
            }
        }
        let ty = self.express(shape, place);
        let name = self.name(place);
        if ty != name {
            let _ = writeln!(text, "\n/// {about}\npub type {name} = {ty};");
        }
        Ok(())
    }

    fn record(&self, text: &mut String, fields: &Fields, place: &Place) -> Result<(), Error> {
        let names = field_names(fields, RESERVED, snake)?;
        let _ = writeln!(text, "{DERIVES}\npub struct {} {{", self.name(place));
        for (name, field) in fields {
            let inner = self.express(&field.shape, &place.field(name));
            let is_bare = field.is_optional && !field.shape.is_nullable();
            let ty = if is_bare { format!("Option<{inner}>") } else { inner };
            let rename = quote(name);
            let default =
                if field.is_optional { ", default, skip_serializing_if = \"Option::is_none\"" } else { "" };
            let _ = writeln!(
                text,
                "    #[serde(rename = {rename}{default})]\n    pub {}: {ty},",
                names.get(name)
            );
        }
        text.push_str("}\n");
        Ok(())
    }

    fn union(&self, text: &mut String, kinds: &[Kind<'_>], place: &Place) {
        let _ = writeln!(text, "{DERIVES}\n#[serde(untagged)]\npub enum {} {{", self.name(place));
        for kind in kinds {
            let _ = writeln!(text, "    {}({}),", case(kind), self.kind(kind, &within(kind, place)));
        }
        text.push_str("}\n");
    }

    fn accessors(&self, text: &mut String, model: &Model) -> Result<(), Error> {
        let names = Scope::of_keys(RESERVED, model.flags.iter().map(|it| it.entry.key.as_str()), snake)?;
        for flag in &model.flags {
            let key = &flag.entry.key;
            let place = Place::value(key);
            let (ty, getter, default) = match &flag.value {
                FlagValue::Boolean(it) => ("bool", "bool", it.to_string()),
                FlagValue::Integer(it) => ("i64", "int", it.to_string()),
                FlagValue::Float(it) => ("f64", "float", format!("{it:?}")),
                FlagValue::Text(it, _) => ("String", "string", quote(it)),
                FlagValue::Object(it, shape) => {
                    (self.name(&place), "struct", self.literal(it, shape, &place)?)
                }
            };
            let call = format!("self.client.get_{getter}_value({}, context, None).await", quote(key));
            let body = match &flag.value {
                FlagValue::Object(..) => format!("object({call}).unwrap_or_else(|| {default})"),
                FlagValue::Text(..) => format!("{call}.unwrap_or_else(|_| {default}.to_owned())"),
                _ => format!("{call}.unwrap_or({default})"),
            };
            let _ = writeln!(
                text,
                "\n{}    pub async fn {}(&self, context: Option<&open_feature::EvaluationContext>) -> {ty} {{\n        {body}\n    }}",
                docs("    ", &flag.entry.docs),
                names.get(key),
            );
        }
        Ok(())
    }

    /// A value as an expression of the type of its shape.
    fn literal(&self, value: &Value, shape: &Shape, place: &Place) -> Result<String, Error> {
        let kinds = shape.kinds();
        if kinds.is_empty() && shape.is_only_null() {
            return Ok("()".to_owned());
        }
        if kinds.is_empty() {
            return Ok(format!("serde_json::from_str({}).unwrap_or_default()", quote(&value.to_string())));
        }
        if value.is_null() {
            return Ok("None".to_owned());
        }
        // Values fit their shape: it was made of them, or they were checked against its description.
        let Some(kind) = kinds.iter().find(|kind| kind.fits(value)) else {
            return Ok(format!("compile_error!({})", quote(&format!("{value} does not fit"))));
        };
        let bare = if kinds.len() > 1 {
            let inner = self.literal_of(value, kind, &within(kind, place))?;
            format!("{}::{}({inner})", self.name(place), case(kind))
        } else {
            self.literal_of(value, kind, place)?
        };
        Ok(if shape.is_nullable() { format!("Some({bare})") } else { bare })
    }

    fn literal_of(&self, value: &Value, kind: &Kind<'_>, place: &Place) -> Result<String, Error> {
        Ok(match (kind, value) {
            (Kind::Float, number) => format!("{:?}", number.as_f64().unwrap_or_default()),
            (_, Value::String(it)) => format!("{}.to_owned()", quote(it)),
            (Kind::List(items), Value::Array(list)) => {
                let item = |it| self.literal(it, items, &place.item());
                format!("vec![{}]", list.iter().map(item).collect::<Result<Vec<_>, _>>()?.join(", "))
            }
            (Kind::Map(values), Value::Object(map)) => {
                let entry = |(name, it): (&String, &Value)| {
                    let value = self.literal(it, values, &place.map_value())?;
                    Ok(format!("({}.to_owned(), {value})", quote(name)))
                };
                let entries = map.iter().map(entry).collect::<Result<Vec<_>, Error>>()?;
                format!("std::collections::BTreeMap::from([{}])", entries.join(", "))
            }
            (Kind::Record(fields), Value::Object(map)) => {
                let names = field_names(fields, RESERVED, snake)?;
                let mut text = format!("{} {{", self.name(place));
                for (name, field) in *fields {
                    let inner = match map.get(name) {
                        None => "None".to_owned(),
                        Some(it) => {
                            let inner = self.literal(it, &field.shape, &place.field(name))?;
                            let is_bare = field.is_optional && !field.shape.is_nullable();
                            if is_bare { format!("Some({inner})") } else { inner }
                        }
                    };
                    let _ = write!(text, " {}: {inner},", names.get(name));
                }
                text + " }"
            }
            (_, other) => other.to_string(),
        })
    }
}

/// The name of one type among several.
const fn case(kind: &Kind<'_>) -> &'static str {
    match kind {
        Kind::Boolean => "Boolean",
        Kind::Integer => "Integer",
        Kind::Float => "Number",
        Kind::Text | Kind::Words(_) => "Text",
        Kind::List(_) => "List",
        Kind::Map(_) => "Map",
        Kind::Record(_) => "Object",
    }
}

/// The place of one type among several.
fn within(kind: &Kind<'_>, place: &Place) -> Place {
    if matches!(kind, Kind::Record(_)) { place.object() } else { place.clone() }
}

impl Dialect for Rust {
    fn any(&self) -> String {
        "serde_json::Value".to_owned()
    }

    fn null(&self) -> String {
        "()".to_owned()
    }

    fn nullable(&self, inner: String) -> String {
        format!("Option<{inner}>")
    }

    fn kind(&self, kind: &Kind<'_>, place: &Place) -> String {
        match kind {
            Kind::Boolean => "bool".to_owned(),
            Kind::Integer => "i64".to_owned(),
            Kind::Float => "f64".to_owned(),
            Kind::Text | Kind::Words(_) => "String".to_owned(),
            Kind::List(items) => format!("Vec<{}>", self.express(items, &place.item())),
            Kind::Map(values) => {
                let values = self.express(values, &place.map_value());
                format!("std::collections::BTreeMap<String, {values}>")
            }
            Kind::Record(_) => self.name(place).to_owned(),
        }
    }

    fn several(&self, _: &[Kind<'_>], place: &Place) -> String {
        self.name(place).to_owned()
    }
}
