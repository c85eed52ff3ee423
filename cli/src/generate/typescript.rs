//! TypeScript. Keys are types of texts, so only the methods of `Flags` need identifiers. Nothing is imported: the clients for servers
//! and for browsers are known by their shape.

use super::Head;
use super::model::{Entry, Flag, FlagValue, Model};
use super::names::{Scope, camel};
use super::shape::{Field, Fields, Kind};
use super::text::{block, braced, quoted};
use super::types::{Dialect, Place};
use crate::error::Error;
use serde_json::Value;
use std::fmt::Write as _;

/// Methods that every object has, and `then`, by which an object would be taken for a promise.
const RESERVED: &[&str] = &["constructor", "then", "toString", "toLocaleString", "valueOf", "toJSON"];

pub(super) fn generate(head: &Head, model: &Model) -> Result<String, Error> {
    let mut text = head.lines().map(|line| format!("// {line}\n")).concat();
    text.push_str("/* eslint-disable */\n\n");
    let experiments = model.experiments.iter().map(|it| (&it.entry, it.variants.as_slice()));
    keys(&mut text, "experiment", experiments);
    text.push_str(
        "/** The payloads of variants, by experiment. Experiments without payloads are not here. */\n",
    );
    text.push_str("export interface ExperimentPayloads {\n");
    for experiment in &model.experiments {
        let Some(payload) = &experiment.payload else { continue };
        let key = &experiment.entry.key;
        let ty = TypeScript.express(&payload.shape, &Place::payload(key));
        let null = if payload.is_optional && !payload.shape.is_nullable() { " | null" } else { "" };
        let _ = writeln!(text, "  {}: {ty}{null};", quote(key));
    }
    text.push_str("}\n\n/** The payload of a variant of an experiment. */\n");
    text.push_str(
        "export type ExperimentPayload<K extends keyof ExperimentPayloads> = ExperimentPayloads[K];\n\n",
    );
    keys(&mut text, "flag", model.flags.iter().map(|it| (&it.entry, it.variants.as_slice())));
    text.push_str("/** The values of flags. */\nexport interface FlagValues {\n");
    for flag in &model.flags {
        let _ = writeln!(text, "  {}: {};", quote(&flag.entry.key), value_type(flag));
    }
    text.push_str("}\n\n/** The value of a flag. */\n");
    text.push_str("export type FlagValue<K extends FlagKey> = FlagValues[K];\n\n");
    text.push_str(CLIENT);
    methods(&mut text, model)?;
    text.push_str("}\n");
    Ok(text)
}

/// What is used of a client, and how its calls are passed on.
const CLIENT: &str = "\
/** The part of a client that is used here: `Client` of `@openfeature/server-sdk` and of `@openfeature/web-sdk` have it. */
export interface OpenFeatureClient {
  getBooleanValue(flagKey: string, defaultValue: boolean, ...rest: any[]): boolean | Promise<boolean>;
  getStringValue(flagKey: string, defaultValue: string, ...rest: any[]): string | Promise<string>;
  getNumberValue(flagKey: string, defaultValue: number, ...rest: any[]): number | Promise<number>;
  getObjectValue(flagKey: string, defaultValue: any, ...rest: any[]): any;
}

/** What a client takes after the default: context and options on a server, options in a browser. */
export type Rest<C extends OpenFeatureClient> =
  Parameters<C[\"getBooleanValue\"]> extends [unknown, unknown, ...infer R] ? R : never;

/** What a client answers: a promise on a server, the value in a browser. */
export type Answer<C extends OpenFeatureClient, T> =
  C extends { getBooleanValue(...args: any[]): Promise<boolean> } ? Promise<T> : T;

/** The flags, each with its type and its default. */
export class Flags<C extends OpenFeatureClient> {
  readonly #client: C;

  constructor(client: C) {
    this.#client = client;
  }
";

/// The keys of one kind with their variants, as a constant and as types.
fn keys<'m>(text: &mut String, kind: &str, entries: impl Iterator<Item = (&'m Entry, &'m [Entry])>) {
    let article = if kind == "experiment" { "an" } else { "a" };
    let upper = if kind == "experiment" { "Experiment" } else { "Flag" };
    let _ = writeln!(text, "/** The keys of {kind}s, each with the keys of its variants. */");
    let _ = writeln!(text, "export const {kind}s = {{");
    for (entry, variants) in entries {
        text.push_str(&docs("  ", entry));
        let variants: Vec<String> = variants.iter().map(|it| quote(&it.key)).collect();
        let _ = writeln!(text, "  {}: [{}],", quote(&entry.key), variants.join(", "));
    }
    let _ = writeln!(
        text,
        "}} as const;\n\n\
         /** The key of {article} {kind}. */\n\
         export type {upper}Key = keyof typeof {kind}s;\n\n\
         /** The key of a variant of {article} {kind}. */\n\
         export type {upper}Variant<K extends {upper}Key> = (typeof {kind}s)[K][number];\n"
    );
}

fn methods(text: &mut String, model: &Model) -> Result<(), Error> {
    let names = Scope::of_keys(RESERVED, model.flags.iter().map(|it| it.entry.key.as_str()), camel)?;
    for flag in &model.flags {
        let key = quote(&flag.entry.key);
        let (getter, default) = match &flag.value {
            FlagValue::Boolean(it) => ("getBooleanValue", it.to_string()),
            FlagValue::Integer(it) => ("getNumberValue", it.to_string()),
            FlagValue::Float(it) => ("getNumberValue", format!("{it:?}")),
            FlagValue::Text(it, _) => ("getStringValue", quote(it)),
            FlagValue::Object(it, _) => ("getObjectValue", literal(it)),
        };
        let name = names.get(&flag.entry.key);
        let answer = format!("Answer<C, FlagValues[{key}]>");
        let _ = write!(
            text,
            "\n{}  {name}(...rest: Rest<C>): {answer} {{\n    \
             return this.#client.{getter}({key}, {default}, ...rest) as {answer};\n  }}\n",
            docs("  ", &flag.entry)
        );
    }
    Ok(())
}

fn value_type(flag: &Flag) -> String {
    match &flag.value {
        FlagValue::Boolean(_) => "boolean".to_owned(),
        FlagValue::Integer(_) | FlagValue::Float(_) => "number".to_owned(),
        FlagValue::Text(_, None) => "string".to_owned(),
        FlagValue::Text(_, Some(words)) => union(words.iter().map(|it| quote(it))),
        FlagValue::Object(_, shape) => TypeScript.express(shape, &Place::value(&flag.entry.key)),
    }
}

fn docs(indent: &str, entry: &Entry) -> String {
    let deprecated = entry.deprecated.iter().map(|it| format!("@deprecated {it}"));
    let lines: Vec<String> = entry.docs.iter().cloned().chain(deprecated).collect();
    block(indent, &lines, |line| line.replace("*/", "*\\/"))
}

fn quote(text: &str) -> String {
    quoted(text, braced)
}

fn union(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(" | ")
}

/// A value as TypeScript. It is not its JSON, in which `__proto__` would set the prototype.
fn literal(value: &Value) -> String {
    let list = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::String(it) => quote(it),
        Value::Array(items) => format!("[{}]", list(items.iter().map(literal).collect())),
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            let name = |it: &str| if it == "__proto__" { format!("[{}]", quote(it)) } else { quote(it) };
            let fields = map.iter().map(|(it, value)| format!("{}: {}", name(it), literal(value)));
            format!("{{ {} }}", list(fields.collect()))
        }
        other => other.to_string(),
    }
}

struct TypeScript;

impl TypeScript {
    fn record(&self, fields: &Fields, place: &Place) -> String {
        if fields.is_empty() {
            return "Record<string, never>".to_owned();
        }
        let field = |(name, field): (&String, &Field)| {
            let mark = if field.is_optional { "?" } else { "" };
            format!("{}{mark}: {}", quote(name), self.express(&field.shape, &place.field(name)))
        };
        format!("{{ {} }}", fields.iter().map(field).collect::<Vec<_>>().join("; "))
    }
}

impl Dialect for TypeScript {
    fn any(&self) -> String {
        "unknown".to_owned()
    }

    fn null(&self) -> String {
        "null".to_owned()
    }

    fn nullable(&self, inner: String) -> String {
        inner + " | null"
    }

    fn kind(&self, kind: &Kind<'_>, place: &Place) -> String {
        match kind {
            Kind::Boolean => "boolean".to_owned(),
            Kind::Integer | Kind::Float => "number".to_owned(),
            Kind::Text => "string".to_owned(),
            Kind::Words(words) => union(words.iter().map(|it| quote(it))),
            Kind::List(items) => format!("Array<{}>", self.express(items, &place.item())),
            Kind::Map(values) => format!("Record<string, {}>", self.express(values, &place.map_value())),
            Kind::Record(fields) => self.record(fields, place),
        }
    }

    fn several(&self, kinds: &[Kind<'_>], place: &Place) -> String {
        union(kinds.iter().map(|kind| self.kind(kind, place)))
    }
}
