//! Java. Payloads are records that are read from the SDK's `Value`, so that no library for JSON is needed. Files hold only ASCII, because
//! Java 17 reads them in the encoding of the machine.

use super::Head;
use super::model::{Entry, FlagValue, Model};
use super::names::{Names, Scope, camel, shouting};
use super::shape::{Field, Fields, Kind, Shape};
use super::text::{behind, block};
use super::types::{Declared, Dialect, Place, declared, field_names, want_types};
use crate::error::Error;
use serde_json::Value;
use std::fmt::Write as _;

/// Keywords, and methods of every object that a method without arguments would replace.
const RESERVED: &[&str] = &[
    "abstract",
    "assert",
    "boolean",
    "break",
    "byte",
    "case",
    "catch",
    "char",
    "class",
    "clone",
    "const",
    "continue",
    "default",
    "do",
    "double",
    "else",
    "enum",
    "extends",
    "false",
    "final",
    "finalize",
    "finally",
    "float",
    "for",
    "getClass",
    "goto",
    "hashCode",
    "if",
    "implements",
    "import",
    "instanceof",
    "int",
    "interface",
    "long",
    "native",
    "new",
    "notify",
    "notifyAll",
    "null",
    "package",
    "permits",
    "private",
    "protected",
    "public",
    "record",
    "return",
    "sealed",
    "short",
    "static",
    "strictfp",
    "super",
    "switch",
    "synchronized",
    "this",
    "throw",
    "throws",
    "toString",
    "transient",
    "true",
    "try",
    "var",
    "void",
    "volatile",
    "wait",
    "while",
    "yield",
];

const TYPES: &[&str] = &["Abx", "ExperimentKey", "FlagKey", "Flags"];

const IMPORTS: &str = "
import dev.openfeature.sdk.Client;
import dev.openfeature.sdk.EvaluationContext;
import dev.openfeature.sdk.ImmutableStructure;
import dev.openfeature.sdk.Structure;
import dev.openfeature.sdk.Value;
import java.util.AbstractMap;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Experiments and flags. */
public final class Abx {
    private Abx() {}
";

const HELPERS: &str = "
    private static <T> T field(Value value, String name, Function<Value, T> read) {
        Structure structure = value.asStructure();
        return structure == null ? null : read(structure.getValue(name), read);
    }

    private static <T> T read(Value value, Function<Value, T> read) {
        return value == null || value.isNull() ? null : read.apply(value);
    }

    private static Long asLong(Value value) {
        return value.asObject() instanceof Number number ? (Long) number.longValue() : null;
    }

    private static <T> Function<Value, List<T>> listOf(Function<Value, T> read) {
        return value -> {
            if (!value.isList()) {
                return null;
            }
            List<T> items = new ArrayList<>();
            for (Value item : value.asList()) {
                items.add(read(item, read));
            }
            return items;
        };
    }

    private static <T> Function<Value, Map<String, T>> mapOf(Function<Value, T> read) {
        return value -> {
            if (!value.isStructure()) {
                return null;
            }
            Map<String, T> map = new LinkedHashMap<>();
            for (Map.Entry<String, Value> entry : value.asStructure().asMap().entrySet()) {
                map.put(entry.getKey(), read(entry.getValue(), read));
            }
            return map;
        };
    }

    @SafeVarargs
    private static <T> List<T> list(T... items) {
        List<T> list = new ArrayList<>();
        for (T item : items) {
            list.add(item);
        }
        return list;
    }

    private static <T> Map.Entry<String, T> entry(String name, T value) {
        return new AbstractMap.SimpleEntry<>(name, value);
    }

    @SafeVarargs
    private static <T> Map<String, T> map(Map.Entry<String, T>... entries) {
        Map<String, T> map = new LinkedHashMap<>();
        for (Map.Entry<String, T> entry : entries) {
            map.put(entry.getKey(), entry.getValue());
        }
        return map;
    }
}
";

const FLAGS: &str = "
    /** The flags, each with its type and its default. */
    public static final class Flags {
        private final Client client;

        public Flags(Client client) {
            this.client = client;
        }
";

pub(super) fn generate(head: &Head, model: &Model) -> Result<String, Error> {
    let mut scope = Scope::new(TYPES);
    want_types(&mut scope, model);
    let java = Java { types: scope.resolve()? };
    let mut text = behind("//", "", &head.lines().map(|line| escape(&line)));
    let _ = writeln!(text, "\npackage {};", head.package);
    text.push_str(IMPORTS);
    let experiments: Vec<&Entry> = model.experiments.iter().map(|it| &it.entry).collect();
    enumeration(&mut text, "ExperimentKey", "The key of an experiment.", None, &experiments)?;
    let flags: Vec<&Entry> = model.flags.iter().map(|it| &it.entry).collect();
    enumeration(&mut text, "FlagKey", "The key of a flag.", None, &flags)?;
    for experiment in &model.experiments {
        let key = &experiment.entry.key;
        java.variants(&mut text, &Place::experiment_variants(key), &experiment.entry, &experiment.variants)?;
        if let Some(payload) = &experiment.payload {
            let note = if payload.is_optional { " Some variants have none." } else { "" };
            let about = format!("The payload of variants of {key}.{note}");
            java.declare(&mut text, &payload.shape, &Place::payload(key), &about)?;
        }
    }
    for flag in &model.flags {
        let key = &flag.entry.key;
        java.variants(&mut text, &Place::flag_variants(key), &flag.entry, &flag.variants)?;
        if let FlagValue::Object(_, shape) = &flag.value {
            java.declare(&mut text, shape, &Place::value(key), &format!("The value of {key}."))?;
        }
    }
    text.push_str(FLAGS);
    java.accessors(&mut text, model)?;
    text.push_str("    }\n");
    text.push_str(HELPERS);
    Ok(text)
}

/// An enumeration of keys.
fn enumeration(
    text: &mut String,
    name: &str,
    about: &str,
    deprecated: Option<&String>,
    entries: &[&Entry],
) -> Result<(), Error> {
    let names = Scope::of_keys(&[], entries.iter().map(|it| it.key.as_str()), shouting)?;
    let _ = write!(text, "\n{}    public enum {name} {{", docs("    ", &[about.to_owned()], deprecated));
    for (index, entry) in entries.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let docs = docs("        ", &entry.docs, entry.deprecated.as_ref());
        let _ = write!(text, "{comma}\n{docs}        {}({})", names.get(&entry.key), quote(&entry.key));
    }
    let _ = write!(
        text,
        ";\n\n        private final String key;\n\n        {name}(String key) {{\n            this.key = key;\n        }}\n\n        \
         /** The key, as documents have it. */\n        public String key() {{\n            return key;\n        }}\n    }}\n"
    );
    Ok(())
}

fn docs(indent: &str, lines: &[String], deprecated: Option<&String>) -> String {
    let mut lines: Vec<String> = lines.iter().map(|line| escape(line)).collect();
    lines.extend(deprecated.map(|it| format!("@deprecated {}", escape(it))));
    let annotation = if deprecated.is_some() { format!("{indent}@Deprecated\n") } else { String::new() };
    block(indent, &lines, str::to_owned) + &annotation
}

/// A text in a comment. Java reads `\u002a` as an asterisk everywhere, before it looks for comments.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        let is_plain = c == ' ' || c.is_ascii_graphic() && !"\\*@<>&{}".contains(c);
        if is_plain {
            escaped.push(c);
        } else {
            let _ = write!(escaped, "&#{};", u32::from(c));
        }
    }
    escaped
}

/// A literal. An escape such as `\u000a` would be a line break before Java looks for literals, so control characters are octal.
fn quote(text: &str) -> String {
    let mut literal = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => literal.extend(['\\', c]),
            ' '..='~' => literal.push(c),
            '\0'..='\x7f' => {
                let _ = write!(literal, "\\{:03o}", u32::from(c));
            }
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(literal, "\\u{unit:04x}");
                }
            }
        }
    }
    literal.push('"');
    literal
}

struct Java {
    types: Names,
}

impl Java {
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
        let variants: Vec<&Entry> = variants.iter().collect();
        let about = format!("A variant of {}.", of.key);
        enumeration(text, self.name(place), &about, of.deprecated.as_ref(), &variants)
    }

    /// Declares the type at a place, and those that it uses before it. What is not an object is the one component of a record,
    /// because Java cannot give a type another name.
    fn declare(&self, text: &mut String, shape: &Shape, place: &Place, about: &str) -> Result<(), Error> {
        for (inner, declared) in declared(shape, place) {
            if let Declared::Record(fields) = declared {
                let about = if inner.what == place.what { vec![about.to_owned()] } else { Vec::new() };
                let _ = write!(text, "\n{}", docs("    ", &about, None));
                self.record(text, fields, &inner)?;
            }
        }
        let (name, ty) = (self.name(place), self.express(shape, place));
        if ty != name {
            let reader = self.reader(shape, place);
            let _ = write!(
                text,
                "\n{}    public record {name}({ty} value) {{\n        public static {name} of(Value value) {{\n            \
                 return new {name}(read(value, {reader}));\n        }}\n    }}\n",
                docs("    ", &[about.to_owned()], None)
            );
        }
        Ok(())
    }

    fn record(&self, text: &mut String, fields: &Fields, place: &Place) -> Result<(), Error> {
        let names = field_names(fields, RESERVED, camel)?;
        let name = self.name(place);
        let mut components = Vec::new();
        let mut readers = Vec::new();
        for (field_name, field) in fields {
            let place = place.field(field_name);
            components.push(format!("{} {}", self.express(&field.shape, &place), names.get(field_name)));
            let reader = self.reader(&field.shape, &place);
            readers.push(format!("\n                field(value, {}, {reader})", quote(field_name)));
        }
        let _ = write!(
            text,
            "    public record {name}({}) {{\n        /** Reads a value; what is missing, or of another type, is null. */\n        \
             public static {name} of(Value value) {{\n            return new {name}({});\n        }}\n    }}\n",
            components.join(", "),
            readers.join(",")
        );
        Ok(())
    }

    /// The function that reads a value of a shape.
    fn reader(&self, shape: &Shape, place: &Place) -> String {
        match shape.kinds().as_slice() {
            [Kind::Boolean] => "Value::asBoolean".to_owned(),
            [Kind::Integer] => "Abx::asLong".to_owned(),
            [Kind::Float] => "Value::asDouble".to_owned(),
            [Kind::Text | Kind::Words(_)] => "Value::asString".to_owned(),
            [Kind::List(items)] => format!("listOf({})", self.reader(items, &place.item())),
            [Kind::Map(values)] => format!("mapOf({})", self.reader(values, &place.map_value())),
            [Kind::Record(_)] => format!("{}::of", self.name(place)),
            _ => "Function.identity()".to_owned(),
        }
    }

    fn accessors(&self, text: &mut String, model: &Model) -> Result<(), Error> {
        let names = Scope::of_keys(RESERVED, model.flags.iter().map(|it| it.entry.key.as_str()), camel)?;
        for flag in &model.flags {
            let key = quote(&flag.entry.key);
            let place = Place::value(&flag.entry.key);
            let (ty, getter, default) = match &flag.value {
                FlagValue::Boolean(it) => ("boolean", "Boolean", it.to_string()),
                // The SDK's integers have 32 bits.
                FlagValue::Integer(it) if i32::try_from(*it).is_ok() => ("int", "Integer", it.to_string()),
                FlagValue::Integer(it) => ("double", "Double", format!("{it}.0")),
                FlagValue::Float(it) => ("double", "Double", format!("{it:?}")),
                FlagValue::Text(it, _) => ("String", "String", quote(it)),
                FlagValue::Object(..) => (self.name(&place), "Object", "new Value()".to_owned()),
            };
            let call = format!("client.get{getter}Value({key}, {default}, context)");
            let body = match &flag.value {
                FlagValue::Object(it, shape) => {
                    let fallback = self.whole(it, shape, &place)?;
                    format!(
                        "Value value = {call};\n            return value == null || value.isNull() ? {fallback} : {ty}.of(value);"
                    )
                }
                _ => format!("return {call};"),
            };
            let _ = write!(
                text,
                "\n{}        public {ty} {}(EvaluationContext context) {{\n            {body}\n        }}\n",
                docs("        ", &flag.entry.docs, None),
                names.get(&flag.entry.key),
            );
        }
        Ok(())
    }

    /// The value of a flag, in the record that stands for it.
    fn whole(&self, value: &Value, shape: &Shape, place: &Place) -> Result<String, Error> {
        let literal = self.literal(value, shape, place)?;
        let is_record = matches!(shape.kinds().as_slice(), [Kind::Record(_)]);
        Ok(if is_record { literal } else { format!("new {}({literal})", self.name(place)) })
    }

    /// A value as an expression of the type of its shape.
    fn literal(&self, value: &Value, shape: &Shape, place: &Place) -> Result<String, Error> {
        let kinds = shape.kinds();
        let [kind] = kinds.as_slice() else { return Ok(any(value)) };
        Ok(match (kind, value) {
            (_, Value::Null) => format!("({}) null", self.express(shape, place)),
            (Kind::Integer, number) => format!("{number}L"),
            (Kind::Float, number) => format!("{:?}", number.as_f64().unwrap_or_default()),
            (_, Value::String(it)) => quote(it),
            (Kind::List(items), Value::Array(list)) => {
                let item = |it| self.literal(it, items, &place.item());
                let ty = self.express(items, &place.item());
                format!(
                    "Abx.<{ty}>list({})",
                    list.iter().map(item).collect::<Result<Vec<_>, _>>()?.join(", ")
                )
            }
            (Kind::Map(values), Value::Object(map)) => {
                let entry = |(name, it): (&String, &Value)| {
                    Ok(format!("entry({}, {})", quote(name), self.literal(it, values, &place.map_value())?))
                };
                let ty = self.express(values, &place.map_value());
                let entries = map.iter().map(entry).collect::<Result<Vec<_>, Error>>()?;
                format!("Abx.<{ty}>map({})", entries.join(", "))
            }
            (Kind::Record(fields), Value::Object(map)) => {
                let field = |(name, field): (&String, &Field)| match map.get(name) {
                    Some(it) => self.literal(it, &field.shape, &place.field(name)),
                    None => Ok("null".to_owned()),
                };
                let fields = fields.iter().map(field).collect::<Result<Vec<_>, _>>()?;
                format!("new {}({})", self.name(place), fields.join(", "))
            }
            (_, other) => other.to_string(),
        })
    }
}

/// A value as the SDK's `Value`.
fn any(value: &Value) -> String {
    match value {
        Value::Null => "new Value()".to_owned(),
        Value::Bool(it) => format!("new Value({it})"),
        Value::Number(it) => match it.as_i64().and_then(|it| i32::try_from(it).ok()) {
            Some(it) => format!("new Value({it})"),
            None => format!("new Value({:?})", it.as_f64().unwrap_or_default()),
        },
        Value::String(it) => format!("new Value({})", quote(it)),
        Value::Array(items) => {
            format!("new Value(Abx.<Value>list({}))", items.iter().map(any).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) => {
            let entries = map.iter().map(|(name, it)| format!("entry({}, {})", quote(name), any(it)));
            let entries = entries.collect::<Vec<_>>().join(", ");
            format!("new Value(new ImmutableStructure(Abx.<Value>map({entries})))")
        }
    }
}

impl Dialect for Java {
    fn any(&self) -> String {
        "Value".to_owned()
    }

    fn null(&self) -> String {
        "Value".to_owned()
    }

    /// Every type here may be null.
    fn nullable(&self, inner: String) -> String {
        inner
    }

    fn kind(&self, kind: &Kind<'_>, place: &Place) -> String {
        match kind {
            Kind::Boolean => "Boolean".to_owned(),
            Kind::Integer => "Long".to_owned(),
            Kind::Float => "Double".to_owned(),
            Kind::Text | Kind::Words(_) => "String".to_owned(),
            Kind::List(items) => format!("List<{}>", self.express(items, &place.item())),
            Kind::Map(values) => format!("Map<String, {}>", self.express(values, &place.map_value())),
            Kind::Record(_) => self.name(place).to_owned(),
        }
    }

    fn several(&self, _: &[Kind<'_>], _: &Place) -> String {
        "Value".to_owned()
    }
}
