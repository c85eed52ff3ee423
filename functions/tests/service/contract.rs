//! Compares responses with an OpenAPI document. The tests of the command use it, too.

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;
use std::collections::HashMap;

/// The address of the document for the validator.
const ADDRESS: &str = "http://abx/openapi.json";

/// A document, with its schemas compiled.
pub(crate) struct Contract {
    pub(crate) document: Value,
    schemas: Schemas,
    /// The schemas of JSON bodies, by the JSON pointer to the body.
    compiled: HashMap<String, SchemaIndex>,
}

/// A request, and its response.
pub(crate) struct Exchange<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) status: u16,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) answer: &'a Value,
}

impl Contract {
    pub(crate) fn new(document: Value) -> Self {
        let (mut compiler, mut schemas, mut compiled) = (Compiler::new(), Schemas::new(), HashMap::new());
        compiler.add_resource(ADDRESS, document.clone()).unwrap();
        for (path, method) in operations(&document) {
            let operation = operation_pointer(path, method);
            let responses = document.pointer(&operation).unwrap()["responses"].as_object().unwrap();
            let responses = responses.keys().map(|status| format!("{operation}/responses/{status}"));
            for pointer in responses.chain([format!("{operation}/requestBody")]) {
                let schema = format!("{}/content/application~1json/schema", resolve(&document, &pointer));
                if document.pointer(&schema).is_some() {
                    let fragment = schema.replace('{', "%7B").replace('}', "%7D");
                    let index = compiler.compile(&format!("{ADDRESS}#{fragment}"), &mut schemas).unwrap();
                    compiled.insert(pointer, index);
                }
            }
        }
        Self { document, schemas, compiled }
    }

    /// Checks a response, and that a request which succeeded is one that the document allows.
    pub(crate) fn check(&self, exchange: &Exchange<'_>) {
        let Exchange { method, path, body, status, content_type, answer } = *exchange;
        let name = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
        let template = self.template(path);
        let pointer = template.map(|template| operation_pointer(template, &name)).unwrap_or_default();
        let Some(operation) = self.document.pointer(&pointer).filter(|_| template.is_some()) else {
            // What comes before routes may refuse anything.
            if method != "HEAD" && method != "OPTIONS" && ![401, 403, 413].contains(&status) {
                let expected = if template.is_some() { 405 } else { 404 };
                assert_eq!(status, expected, "the document has no {method} {path}: {answer}");
            }
            return;
        };
        let is_described = operation["responses"][&status.to_string()].is_object();
        assert!(is_described, "the document has no {status} of {method} {path}: {answer}");
        let response = format!("{pointer}/responses/{status}");
        if self.compiled.contains_key(&response) && method != "HEAD" {
            assert_eq!(content_type, Some("application/json"), "{method} {path} {status}");
            self.check_body(&response, answer);
        }
        let request = format!("{pointer}/requestBody");
        if (200..300).contains(&status)
            && self.compiled.contains_key(&request)
            && let Ok(body) = serde_json::from_slice(body)
        {
            self.check_body(&request, &body);
        }
    }

    /// The template of a path, such as `/flags/{key}`.
    fn template(&self, path: &str) -> Option<&str> {
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |template: &&String| {
            let wanted: Vec<&str> = template.split('/').collect();
            let fits = |(wanted, part): (&&str, &&str)| {
                wanted == part || (wanted.starts_with('{') && !part.is_empty())
            };
            wanted.len() == parts.len() && wanted.iter().zip(&parts).all(fits)
        };
        self.document["paths"].as_object().unwrap().keys().find(fits).map(String::as_str)
    }

    fn check_body(&self, pointer: &str, body: &Value) {
        let checked = self.schemas.validate(body, self.compiled[pointer]);
        let checked = checked.map_err(|error| format!("{error:#}"));
        assert_eq!(checked, Ok(()), "{body} does not fit {pointer}");
    }
}

/// The pointer that the reference at a pointer leads to, or the same.
fn resolve(document: &Value, pointer: &str) -> String {
    let reference = document.pointer(pointer).and_then(|value| value["$ref"].as_str());
    reference.map_or(pointer, |reference| reference.trim_start_matches('#')).to_owned()
}

/// The path and the method of each operation.
pub(crate) fn operations(document: &Value) -> impl Iterator<Item = (&str, &str)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, methods)| {
        methods.as_object().unwrap().keys().map(|method| (path.as_str(), method.as_str()))
    })
}

fn operation_pointer(path: &str, method: &str) -> String {
    format!("/paths/{}/{method}", path.replace('/', "~1"))
}
