//! The attributes of a subject, on the command line.

use crate::error::Error;
use abx_core::decide::{AttributeTypes, Context, ContextLimits, Hint};
use serde_json::{Map, Value};
use std::fs;
use std::io::{self, Read as _};

/// Standard input is read this far, in bytes; a context is far smaller.
const MAX_JSON: u64 = 64 << 20;

/// The attributes of a subject.
#[derive(Debug, clap::Args)]
pub struct ContextArgs {
    /// An attribute, for example country=DE or app.version=5.10, of the type that the documents compare it with; a value in double
    /// quotes, for example 'level="5"', is a JSON string
    #[arg(long, value_name = "NAME=VALUE")]
    pub context: Vec<String>,
    /// Attributes as a JSON object, which keep their types; @FILE reads a file, - reads standard input. --context takes precedence
    #[arg(long, value_name = "JSON")]
    pub context_json: Option<String>,
}

/// Attributes, and what should be known about them.
#[derive(Debug, Default)]
pub struct GivenContext {
    /// The attributes.
    pub attributes: Map<String, Value>,
    /// Warnings about them.
    pub hints: Vec<String>,
}

impl ContextArgs {
    /// The attributes, within the limits of the functions. `types` are those of the documents; without documents a text has
    /// the type that it looks like.
    pub fn read(&self, types: Option<&AttributeTypes>) -> Result<GivenContext, Error> {
        let mut given = GivenContext { attributes: self.json_attributes()?, hints: Vec::new() };
        let hints = types.map(|types| types.hints(&given.attributes)).unwrap_or_default();
        let mut names: Vec<&str> = Vec::new();
        for pair in &self.context {
            let (name, text) =
                pair.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
                    Error::caller(format!("{pair:?} is not an attribute")).help("write --context NAME=VALUE")
                })?;
            if names.contains(&name) {
                return Err(Error::caller(format!("--context gives {name:?} twice"))
                    .help("give each attribute once; a list is written as 'tags=[\"a\", \"b\"]'"));
            }
            names.push(name);
            let (value, hint) = read(name, text, types)?;
            given.hints.extend(hint);
            given.attributes.insert(name.to_owned(), value);
        }
        // What --context says anew is no longer what the JSON said.
        let stands = |hint: &Hint| !names.contains(&hint.attribute.as_str());
        given.hints.extend(hints.into_iter().filter(stands).map(|hint| hint.message));
        check(&given.attributes)?;
        Ok(given)
    }

    fn json_attributes(&self) -> Result<Map<String, Value>, Error> {
        let Some(argument) = &self.context_json else { return Ok(Map::new()) };
        let (name, text) = match argument.strip_prefix('@') {
            Some(file) => (file, fs::read_to_string(file)),
            None if argument == "-" => ("<stdin>", io::read_to_string(io::stdin().lock().take(MAX_JSON))),
            None => ("--context-json", Ok(argument.clone())),
        };
        let text = text.map_err(|error| Error::world(name.to_string()).because(error))?;
        serde_json::from_str(&text).map(|Context(attributes)| attributes).map_err(|error| {
            Error::caller(name.to_string()).because(error).help("write an object, as {\"country\": \"DE\"}")
        })
    }
}

/// Reads the text of an attribute, and says what should be known about it.
fn read(name: &str, text: &str, types: Option<&AttributeTypes>) -> Result<(Value, Option<String>), Error> {
    if text.starts_with('"') {
        let text: String = serde_json::from_str(text).map_err(|error| {
            Error::caller(format!("--context {name}: {text} is not a JSON string")).because(error)
                .help("close the quotes, or leave them out: a value without quotes is read as the documents compare it")
        })?;
        let value = Value::String(text);
        let sent = Map::from_iter([(name.to_owned(), value.clone())]);
        let hint = types.and_then(|types| types.hints(&sent).into_iter().next());
        return Ok((value, hint.map(|hint| hint.message)));
    }
    let Some(types) = types else {
        let value = AttributeTypes::default().read(name, text);
        let hint = (!value.is_string()).then(|| {
            format!("`{name}` is sent as {value}, which is not a text; for the text write 'NAME=\"{text}\"'")
        });
        return Ok((value, hint));
    };
    let value = types.read(name, text);
    let hint = types.hint_of_name(name).or_else(|| types.hint_of_text(name, text, &value));
    Ok((value, hint))
}

/// Checks attributes against the limits of the functions.
fn check(attributes: &Map<String, Value>) -> Result<(), Error> {
    ContextLimits::default().check(attributes).map_err(|error| {
        Error::caller(error.to_string()).help("the functions refuse such a context as well; send less")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use abx_core::read_and_compile;
    use serde_json::json;

    fn given(
        context: &[&str],
        context_json: Option<&str>,
        with_documents: bool,
    ) -> Result<GivenContext, Error> {
        let leaf = |attribute: &str, operator: &str, value: Value| json!({"attribute": attribute, "operator": operator, "value": value});
        let flag = json!({"flag": "f", "enabled": true, "targeting_rules": [
            leaf("app_version", "semver_greater_or_equal", json!("5.9")),
            leaf("country", "in", json!(["DE"])),
            leaf("age", "greater_than", json!(17)),
        ]});
        let compilation = read_and_compile([&flag]);
        let types = with_documents.then(|| compilation.catalog.attributes());
        let context = context.iter().map(|it| (*it).to_owned()).collect();
        ContextArgs { context, context_json: context_json.map(str::to_owned) }.read(types)
    }

    #[test]
    fn a_value_has_the_type_that_documents_compare_it_with() {
        for (pair, value, hints) in [
            ("app_version=6", json!("6"), 1),
            ("app_version=5.10", json!("5.10"), 1),
            ("app_version=5.10.1", json!("5.10.1"), 0),
            ("age=42", json!(42), 0),
            ("age=old", json!("old"), 1),
            ("age=\"42\"", json!("42"), 1),
            ("country=\"DE\"", json!("DE"), 0),
            ("country=", json!(""), 0),
            ("country=a=b", json!("a=b"), 0),
            ("contry=DE", json!("DE"), 1),
        ] {
            let given = given(&[pair], None, true).unwrap();
            let (name, _) = pair.split_once('=').unwrap();
            assert_eq!(given.attributes[name], value, "{pair}");
            assert_eq!(given.hints.len(), hints, "{pair}: {:?}", given.hints);
        }
        let typo = given(&["contry=DE"], None, true).unwrap();
        assert_eq!(typo.hints, ["no document reads the attribute `contry`; did you mean `country`?"]);
    }

    #[test]
    fn json_keeps_its_types_and_the_command_line_wins() {
        let both =
            given(&["age=42"], Some(r#"{"age": "x", "app_version": 5.1, "contry": 1}"#), true).unwrap();
        assert_eq!(json!(both.attributes), json!({"age": 42, "app_version": 5.1, "contry": 1}));
        assert_eq!(both.hints.len(), 2, "{:?}", both.hints);
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        assert!(given(&["a=1", "a=2"], None, true).is_err());
        assert!(given(&["a=\"x"], None, true).is_err());
        assert!(given(&["a"], None, true).is_err() && given(&["=1"], None, true).is_err());
        assert!(given(&[], Some(r#"{"a": 1, "a": 2}"#), true).is_err());
    }

    #[test]
    fn without_documents_a_text_is_what_it_looks_like_and_that_is_said() {
        for (pair, value, hints) in [
            ("v=5.12", json!(5.12), 1),
            ("v=5.10", json!("5.10"), 0),
            ("v=\"5.12\"", json!("5.12"), 0),
            ("v=true", json!(true), 1),
            ("v=DE", json!("DE"), 0),
        ] {
            let given = given(&[pair], None, false).unwrap();
            assert_eq!(
                (&given.attributes["v"], given.hints.len()),
                (&value, hints),
                "{pair}: {:?}",
                given.hints
            );
        }
    }
}
