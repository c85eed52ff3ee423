//! Go. Each declaration stands by itself, so that gofmt has nothing to align.

use super::Head;
use super::model::{Entry, FlagValue, Model};
use super::names::{Names, Scope, pascal};
use super::shape::{Field, Fields, Kind, Shape};
use super::text::{behind, long, quoted};
use super::types::{Declared, Dialect, Place, declared, field_names, want_types};
use crate::error::Error;
use serde_json::Value;
use std::fmt::Write as _;

const TYPES: &[&str] = &["Client", "ExperimentKey", "FlagKey", "Flags", "NewFlags"];

const IMPORTS: &str = r#"
import (
	"context"
	"encoding/json"

	"github.com/open-feature/go-sdk/openfeature"
)
"#;

const FLAGS: &str = r"
// Client is the part of *openfeature.Client that is used here.
type Client interface {
	BooleanValue(ctx context.Context, flag string, defaultValue bool, evalCtx openfeature.EvaluationContext, options ...openfeature.Option) (bool, error)
	StringValue(ctx context.Context, flag string, defaultValue string, evalCtx openfeature.EvaluationContext, options ...openfeature.Option) (string, error)
	FloatValue(ctx context.Context, flag string, defaultValue float64, evalCtx openfeature.EvaluationContext, options ...openfeature.Option) (float64, error)
	IntValue(ctx context.Context, flag string, defaultValue int64, evalCtx openfeature.EvaluationContext, options ...openfeature.Option) (int64, error)
	ObjectValue(ctx context.Context, flag string, defaultValue any, evalCtx openfeature.EvaluationContext, options ...openfeature.Option) (any, error)
}

// Flags has the flags, each with its type and its default.
type Flags struct {
	client Client
}

// NewFlags asks a client.
func NewFlags(client Client) Flags {
	return Flags{client}
}
";

const HELPERS: &str = r"
func object[T any](fallback T, value any, err error) (T, error) {
	if err != nil {
		return fallback, err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fallback, err
	}
	var typed T
	if err := json.Unmarshal(text, &typed); err != nil {
		return fallback, err
	}
	return typed, nil
}

func pointer[T any](value T) *T {
	return &value
}
";

pub(super) fn generate(head: &Head, model: &Model) -> Result<String, Error> {
    let mut scope = Scope::new(TYPES);
    want_types(&mut scope, model);
    for (kind, entries) in entries_of(model) {
        for entry in entries {
            scope.want(constant(kind, &entry.key), format!("{kind}{}", pascal(&entry.key)));
        }
    }
    for (place, variants) in variants_of(model) {
        for variant in variants {
            scope.want(variant_constant(&place, &variant.key), place.field(&variant.key).plain);
        }
    }
    let go = Go { names: scope.resolve()? };
    let mut text = behind("//", "", &head.lines());
    let _ = writeln!(text, "\npackage {}", head.package);
    text.push_str(IMPORTS);
    for (kind, entries) in entries_of(model) {
        let _ = writeln!(text, "\n// {kind}Key is the key of {}.\ntype {kind}Key string", article(kind));
        for entry in entries {
            go.constant(&mut text, &constant(kind, &entry.key), &format!("{kind}Key"), entry);
        }
    }
    for (place, variants) in variants_of(model) {
        let name = go.name(&place);
        let _ = writeln!(text, "\n// {name} is one of {}.\ntype {name} string", place.what);
        for variant in variants {
            go.constant(&mut text, &variant_constant(&place, &variant.key), name, variant);
        }
    }
    for experiment in &model.experiments {
        if let Some(payload) = &experiment.payload {
            let note = if payload.is_optional { " Some variants have none." } else { "" };
            go.declare(&mut text, &payload.shape, &Place::payload(&experiment.entry.key), note)?;
        }
    }
    for flag in &model.flags {
        if let FlagValue::Object(_, shape) = &flag.value {
            go.declare(&mut text, shape, &Place::value(&flag.entry.key), "")?;
        }
    }
    text.push_str(FLAGS);
    go.accessors(&mut text, model)?;
    text.push_str(HELPERS);
    Ok(text)
}

fn entries_of(model: &Model) -> [(&'static str, Vec<&Entry>); 2] {
    [
        ("Experiment", model.experiments.iter().map(|it| &it.entry).collect()),
        ("Flag", model.flags.iter().map(|it| &it.entry).collect()),
    ]
}

fn variants_of(model: &Model) -> Vec<(Place, &[Entry])> {
    let of_experiment = model
        .experiments
        .iter()
        .map(|it| (Place::experiment_variants(&it.entry.key), it.variants.as_slice()));
    let of_flags = model.flags.iter().map(|it| (Place::flag_variants(&it.entry.key), it.variants.as_slice()));
    of_experiment.chain(of_flags).collect()
}

fn article(kind: &str) -> &'static str {
    if kind == "Experiment" { "an experiment" } else { "a flag" }
}

fn constant(kind: &str, key: &str) -> String {
    format!("the key of {} {key}", kind.to_ascii_lowercase())
}

fn variant_constant(place: &Place, key: &str) -> String {
    format!("{key} of {}", place.what)
}

fn quote(text: &str) -> String {
    quoted(text, long)
}

/// A comment, whose last paragraph says that something is deprecated.
fn comment(indent: &str, entry: &Entry) -> String {
    let mut lines = entry.docs.clone();
    if let Some(reason) = &entry.deprecated {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(format!("Deprecated: {reason}"));
    }
    behind("//", indent, &lines)
}

/// Returns true if `encoding/json` finds a field of this name by its tag.
fn is_taggable(name: &str) -> bool {
    let is_known = |c: char| c.is_alphanumeric() || "!#$%&()*+-./:;<=>?@[]^_{|}~ ".contains(c);
    !name.is_empty() && name.chars().all(is_known)
}

struct Go {
    names: Names,
}

impl Go {
    fn name(&self, place: &Place) -> &str {
        self.names.get(&place.what)
    }

    fn constant(&self, text: &mut String, what: &str, ty: &str, entry: &Entry) {
        let (name, key) = (self.names.get(what), quote(&entry.key));
        let _ = writeln!(text, "\n{}const {name} {ty} = {key}", comment("", entry));
    }

    /// Declares the type at a place, and those that it uses before it.
    fn declare(&self, text: &mut String, shape: &Shape, place: &Place, note: &str) -> Result<(), Error> {
        for (inner, declared) in declared(shape, place) {
            let Declared::Record(fields) = declared else { continue };
            if fields.keys().all(|name| is_taggable(name)) {
                let _ = write!(text, "\n// {} is {}.{note}\n", self.name(&inner), Self::about(&inner));
                self.record(text, fields, &inner)?;
            }
        }
        let ty = self.express(shape, place);
        let name = self.name(place);
        if ty != name {
            let _ = writeln!(text, "\n// {name} is {}.{note}\ntype {name} = {ty}", Self::about(place));
        }
        Ok(())
    }

    /// The name of a field may hold anything.
    fn about(place: &Place) -> String {
        crate::render::printable(&place.what)
    }

    fn record(&self, text: &mut String, fields: &Fields, place: &Place) -> Result<(), Error> {
        let names = field_names(fields, &[], pascal)?;
        let mut parts = Vec::new();
        for (name, field) in fields {
            let inner = self.express(&field.shape, &place.field(name));
            let inner = if Self::is_pointer(field) { format!("*{inner}") } else { inner };
            let omit = if field.is_optional { ",omitempty" } else { "" };
            // A tag of `-` alone leaves a field out.
            let comma = if name == "-" && omit.is_empty() { "," } else { "" };
            parts.push(format!("\t{} {inner} `json:\"{name}{comma}{omit}\"`\n", names.get(name)));
        }
        let _ = writeln!(text, "type {} struct {{\n{}}}", self.name(place), parts.join("\n"));
        Ok(())
    }

    /// Returns true if a pointer says that an optional field is missing; lists, maps and `any` may be nil themselves.
    fn is_pointer(field: &Field) -> bool {
        field.is_optional && !field.shape.is_nullable() && needs_pointer(&field.shape)
    }

    fn accessors(&self, text: &mut String, model: &Model) -> Result<(), Error> {
        let names = Scope::of_keys(&[], model.flags.iter().map(|it| it.entry.key.as_str()), pascal)?;
        for flag in &model.flags {
            let key = quote(&flag.entry.key);
            let place = Place::value(&flag.entry.key);
            let (ty, getter, default) = match &flag.value {
                FlagValue::Boolean(it) => ("bool", "Boolean", it.to_string()),
                FlagValue::Integer(it) => ("int64", "Int", it.to_string()),
                FlagValue::Float(it) => ("float64", "Float", format!("{it:?}")),
                FlagValue::Text(it, _) => ("string", "String", quote(it)),
                FlagValue::Object(..) => (self.name(&place), "Object", "fallback".to_owned()),
            };
            let call = format!("f.client.{getter}Value(ctx, {key}, {default}, evalCtx, options...)");
            let body = match &flag.value {
                FlagValue::Object(it, shape) => format!(
                    "var fallback {ty} = {}\n\tvalue, err := {call}\n\treturn object(fallback, value, err)",
                    self.literal(it, shape, &place)?
                ),
                _ => format!("return {call}"),
            };
            let name = names.get(&flag.entry.key);
            let mut docs = flag.entry.docs.clone();
            docs.insert(0, format!("{name} is the flag {}.", flag.entry.key));
            let _ = writeln!(
                text,
                "\n{}func (f Flags) {name}(ctx context.Context, evalCtx openfeature.EvaluationContext, options ...openfeature.Option) ({ty}, error) {{\n\t{body}\n}}",
                behind("//", "", &docs),
            );
        }
        Ok(())
    }

    /// A value as an expression of the type of its shape.
    fn literal(&self, value: &Value, shape: &Shape, place: &Place) -> Result<String, Error> {
        let kinds = shape.kinds();
        let [kind] = kinds.as_slice() else { return Ok(any(value)) };
        if value.is_null() {
            return Ok("nil".to_owned());
        }
        let bare = self.literal_of(value, kind, place)?;
        let is_pointer = shape.is_nullable() && needs_pointer(shape);
        Ok(if is_pointer { format!("pointer({bare})") } else { bare })
    }

    fn literal_of(&self, value: &Value, kind: &Kind<'_>, place: &Place) -> Result<String, Error> {
        let ty = self.kind(kind, place);
        Ok(match (kind, value) {
            (Kind::Integer, number) => format!("int64({number})"),
            (Kind::Float, number) => format!("float64({:?})", number.as_f64().unwrap_or_default()),
            (Kind::List(items), Value::Array(list)) => {
                let item = |it| self.literal(it, items, &place.item());
                format!("{ty}{{{}}}", list.iter().map(item).collect::<Result<Vec<_>, _>>()?.join(", "))
            }
            (Kind::Map(values), Value::Object(map)) => {
                let entry = |(name, it): (&String, &Value)| {
                    Ok(format!("{}: {}", quote(name), self.literal(it, values, &place.map_value())?))
                };
                format!("{ty}{{{}}}", map.iter().map(entry).collect::<Result<Vec<_>, Error>>()?.join(", "))
            }
            (Kind::Record(fields), Value::Object(map)) if fields.keys().all(|name| is_taggable(name)) => {
                let names = field_names(fields, &[], pascal)?;
                let mut parts = Vec::new();
                for (name, field) in *fields {
                    let Some(it) = map.get(name) else { continue };
                    let inner = self.literal(it, &field.shape, &place.field(name))?;
                    let inner = if Self::is_pointer(field) { format!("pointer({inner})") } else { inner };
                    parts.push(format!("{}: {inner}", names.get(name)));
                }
                format!("{ty}{{{}}}", parts.join(", "))
            }
            (_, other) => any(other),
        })
    }
}

/// Returns true if a type has no nil of its own.
fn needs_pointer(shape: &Shape) -> bool {
    match shape.kinds().as_slice() {
        [Kind::List(_) | Kind::Map(_)] => false,
        [Kind::Record(fields)] => fields.keys().all(|name| is_taggable(name)),
        kinds => kinds.len() == 1,
    }
}

/// A value as `encoding/json` reads it into `any`.
fn any(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Bool(it) => it.to_string(),
        Value::Number(it) => format!("float64({:?})", it.as_f64().unwrap_or_default()),
        Value::String(it) => quote(it),
        Value::Array(items) => format!("[]any{{{}}}", items.iter().map(any).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let fields = map.iter().map(|(name, it)| format!("{}: {}", quote(name), any(it)));
            format!("map[string]any{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

impl Dialect for Go {
    fn any(&self) -> String {
        "any".to_owned()
    }

    fn null(&self) -> String {
        "any".to_owned()
    }

    fn nullable(&self, inner: String) -> String {
        let has_nil = inner == "any" || inner.starts_with("[]") || inner.starts_with("map[");
        if has_nil { inner } else { format!("*{inner}") }
    }

    fn kind(&self, kind: &Kind<'_>, place: &Place) -> String {
        match kind {
            Kind::Boolean => "bool".to_owned(),
            Kind::Integer => "int64".to_owned(),
            Kind::Float => "float64".to_owned(),
            Kind::Text | Kind::Words(_) => "string".to_owned(),
            Kind::List(items) => format!("[]{}", self.express(items, &place.item())),
            Kind::Map(values) => format!("map[string]{}", self.express(values, &place.map_value())),
            Kind::Record(fields) if fields.keys().all(|name| is_taggable(name)) => {
                self.name(place).to_owned()
            }
            Kind::Record(_) => "map[string]any".to_owned(),
        }
    }

    fn several(&self, _: &[Kind<'_>], _: &Place) -> String {
        "any".to_owned()
    }
}
