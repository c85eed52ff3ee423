//! Python. Payloads are `TypedDict`s in the form of a call, because the names of their fields need not be identifiers.

use super::Head;
use super::model::{Entry, FlagValue, Model};
use super::names::{Names, Scope, shouting, snake};
use super::shape::{Fields, Kind, Shape};
use super::text::{behind, long, quoted};
use super::types::{Declared, Dialect, Place, declared, want_types};
use crate::error::Error;
use serde_json::Value;
use std::fmt::Write as _;

/// Keywords, and the types that the accessors are annotated with, which a method of their name would hide.
const RESERVED: &[&str] = &[
    "and", "as", "assert", "async", "await", "bool", "break", "class", "continue", "def", "del", "dict",
    "elif", "else", "except", "finally", "float", "for", "from", "global", "if", "import", "in", "int", "is",
    "lambda", "list", "nonlocal", "not", "or", "pass", "raise", "return", "str", "try", "while", "with",
    "yield",
];

const TYPES: &[&str] = &["ExperimentKey", "FlagKey", "Flags"];

const IMPORTS: &str = "
from enum import StrEnum
from typing import Any, Literal, NotRequired, TypedDict, cast

from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationOptions

";

const FLAGS: &str = r#"
class Flags:
    """The flags, each with its type and its default."""

    def __init__(self, client: OpenFeatureClient) -> None:
        self._client = client
"#;

pub(super) fn generate(head: &Head, model: &Model) -> Result<String, Error> {
    let mut scope = Scope::new(TYPES);
    want_types(&mut scope, model);
    let python = Python { types: scope.resolve()? };
    let mut text = behind("#", "", &head.lines());
    text.push_str(IMPORTS);
    keys(
        &mut text,
        "ExperimentKey",
        "The key of an experiment.",
        model.experiments.iter().map(|it| &it.entry),
    )?;
    keys(&mut text, "FlagKey", "The key of a flag.", model.flags.iter().map(|it| &it.entry))?;
    for experiment in &model.experiments {
        let key = &experiment.entry.key;
        python.variants(&mut text, &Place::experiment_variants(key), &experiment.entry, &experiment.variants);
        if let Some(payload) = &experiment.payload {
            let note = if payload.is_optional { " Some variants have none." } else { "" };
            let about = format!("The payload of variants of {key}.{note}");
            python.declare(&mut text, &payload.shape, &Place::payload(key), &about);
        }
    }
    for flag in &model.flags {
        let key = &flag.entry.key;
        python.variants(&mut text, &Place::flag_variants(key), &flag.entry, &flag.variants);
        match &flag.value {
            FlagValue::Object(_, shape) => {
                python.declare(&mut text, shape, &Place::value(key), &format!("The value of {key}."));
            }
            FlagValue::Text(_, Some(words)) => {
                let name = python.types.get(&Place::value(key).what);
                let _ = writeln!(text, "{name} = {}", literal_type(words.iter().map(String::as_str)));
            }
            _ => {}
        }
    }
    text.push_str(FLAGS);
    python.accessors(&mut text, model)?;
    Ok(text)
}

/// An enumeration of keys, whose members are texts.
fn keys<'m>(
    text: &mut String,
    name: &str,
    about: &str,
    entries: impl Iterator<Item = &'m Entry> + Clone,
) -> Result<(), Error> {
    let names = Scope::of_keys(&[], entries.clone().map(|it| it.key.as_str()), shouting)?;
    let _ = writeln!(text, "\nclass {name}(StrEnum):\n    \"\"\"{about}\"\"\"\n");
    for entry in entries {
        text.push_str(&behind("#", "    ", &lines(entry)));
        let _ = writeln!(text, "    {} = {}", names.get(&entry.key), quote(&entry.key));
    }
    text.push('\n');
    Ok(())
}

fn lines(entry: &Entry) -> Vec<String> {
    entry.docs.iter().cloned().chain(entry.deprecated.iter().map(|it| format!("Deprecated: {it}"))).collect()
}

fn quote(text: &str) -> String {
    quoted(text, long)
}

fn literal_type<'w>(words: impl Iterator<Item = &'w str>) -> String {
    format!("Literal[{}]", words.map(quote).collect::<Vec<_>>().join(", "))
}

/// A value as Python.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(it) => if *it { "True" } else { "False" }.to_owned(),
        Value::Number(it) => it.to_string(),
        Value::String(it) => quote(it),
        Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let fields = map.iter().map(|(name, value)| format!("{}: {}", quote(name), literal(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Returns true if a `TypedDict` can have these fields: pyright refuses one without a name.
fn is_typed(fields: &Fields) -> bool {
    !fields.contains_key("")
}

struct Python {
    types: Names,
}

impl Python {
    fn name(&self, place: &Place) -> &str {
        self.types.get(&place.what)
    }

    fn variants(&self, text: &mut String, place: &Place, of: &Entry, variants: &[Entry]) {
        let _ = writeln!(text, "\n# The variants of {}.", of.key);
        for variant in variants.iter().filter(|it| !it.docs.is_empty()) {
            text.push_str(&behind("#", "", &[format!("{}: {}", variant.key, variant.docs.join(" "))]));
        }
        let variants = literal_type(variants.iter().map(|it| it.key.as_str()));
        let _ = writeln!(text, "{} = {variants}", self.name(place));
    }

    /// Declares the type at a place, and those that it uses before it.
    fn declare(&self, text: &mut String, shape: &Shape, place: &Place, about: &str) {
        for (inner, declared) in declared(shape, place) {
            if let Declared::Record(fields) = declared
                && is_typed(fields)
            {
                if inner.what == place.what {
                    let _ = writeln!(text, "\n# {about}");
                }
                let _ = writeln!(text, "{}", self.record(fields, &inner));
            }
        }
        let ty = self.express(shape, place);
        let name = self.name(place);
        if ty != name {
            let _ = writeln!(text, "\n# {about}\n{name} = {ty}");
        }
    }

    fn record(&self, fields: &Fields, place: &Place) -> String {
        let mut text = format!("{0} = TypedDict(\"{0}\", {{", self.name(place));
        for (name, field) in fields {
            let ty = self.express(&field.shape, &place.field(name));
            let ty = if field.is_optional { format!("NotRequired[{ty}]") } else { ty };
            let _ = write!(text, "\n    {}: {ty},", quote(name));
        }
        text.push_str(if fields.is_empty() { "})" } else { "\n})" });
        text
    }

    fn accessors(&self, text: &mut String, model: &Model) -> Result<(), Error> {
        let names = Scope::of_keys(RESERVED, model.flags.iter().map(|it| it.entry.key.as_str()), snake)?;
        for flag in &model.flags {
            let key = &flag.entry.key;
            let value = Place::value(key);
            let (ty, getter, default) = match &flag.value {
                FlagValue::Boolean(it) => ("bool", "boolean", literal(&(*it).into())),
                FlagValue::Integer(it) => ("int", "integer", it.to_string()),
                FlagValue::Float(it) => ("float", "float", format!("{it:?}")),
                FlagValue::Text(it, None) => ("str", "string", quote(it)),
                FlagValue::Text(it, Some(_)) => (self.name(&value), "string", quote(it)),
                // What the client takes as a default has no null.
                FlagValue::Object(it, _) => {
                    (self.name(&value), "object", format!("cast(Any, {})", literal(it)))
                }
            };
            let call =
                format!("self._client.get_{getter}_value({}, {default}, context, options)", quote(key));
            let is_plain = matches!(ty, "bool" | "int" | "float" | "str");
            let call = if is_plain { call } else { format!("cast({ty}, {call})") };
            let _ = write!(
                text,
                "\n    def {}(\n        self,\n        context: EvaluationContext | None = None,\n        \
                 options: FlagEvaluationOptions | None = None,\n    ) -> {ty}:\n{}        return {call}\n",
                names.get(key),
                docstring(&lines(&flag.entry)),
            );
        }
        Ok(())
    }
}

fn docstring(lines: &[String]) -> String {
    let escaped: Vec<String> =
        lines.iter().map(|line| line.replace('\\', "\\\\").replace('"', "\\\"")).collect();
    match escaped.as_slice() {
        [] => String::new(),
        [line] => format!("        \"\"\"{line}\"\"\"\n"),
        lines => format!("        \"\"\"{}\n        \"\"\"\n", lines.join("\n        ")),
    }
}

impl Dialect for Python {
    fn any(&self) -> String {
        "Any".to_owned()
    }

    fn null(&self) -> String {
        "None".to_owned()
    }

    fn nullable(&self, inner: String) -> String {
        inner + " | None"
    }

    fn kind(&self, kind: &Kind<'_>, place: &Place) -> String {
        match kind {
            Kind::Boolean => "bool".to_owned(),
            Kind::Integer => "int".to_owned(),
            Kind::Float => "float".to_owned(),
            Kind::Text => "str".to_owned(),
            Kind::Words(words) => literal_type(words.iter().map(String::as_str)),
            Kind::List(items) => format!("list[{}]", self.express(items, &place.item())),
            Kind::Map(values) => format!("dict[str, {}]", self.express(values, &place.map_value())),
            Kind::Record(fields) if is_typed(fields) => self.name(place).to_owned(),
            Kind::Record(_) => "dict[str, Any]".to_owned(),
        }
    }

    fn several(&self, kinds: &[Kind<'_>], place: &Place) -> String {
        let kind = |kind: &Kind<'_>| {
            let place = if matches!(kind, Kind::Record(_)) { place.object() } else { place.clone() };
            self.kind(kind, &place)
        };
        kinds.iter().map(kind).collect::<Vec<_>>().join(" | ")
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_docstring_cannot_be_left() {
        let text = super::docstring(&["\"\"\" + evil() #".to_owned(), "ends with \\".to_owned()]);
        assert_eq!(text.matches("\"\"\"").count(), 2, "{text}");
        assert!(text.contains("ends with \\\\\n"), "{text}");
    }
}
