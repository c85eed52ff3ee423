//! The page of HTTP, `docs/http.md`, which is made from the OpenAPI document of `abx dev`.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot run has failed")]

use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Updates the page with `UPDATE=1`.
#[test]
fn the_page_of_http_is_up_to_date() {
    let page = page(&abx_cli::commands::dev::document());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/http.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &page).expect("the page can be written");
    }
    let written = fs::read_to_string(&path).expect("the page is there");
    assert!(written == page, "docs/http.md is out of date: UPDATE=1 cargo test --workspace --test http");
}

fn page(document: &Value) -> String {
    let mut page = HEAD.to_owned();
    line(&mut page, &format!("\n## All requests\n\n{}\n", text(&document["info"]["description"])));
    line(&mut page, "Any request may get one of these refusals:\n\n| status | body | code |\n|---|---|---|");
    for (_, response) in refusals(document) {
        line(&mut page, &response);
    }
    line(&mut page, "\n## Routes\n\n| route | does | served by |\n|---|---|---|");
    for (title, operation) in operations(document) {
        let (id, summary, tag) =
            (text(&operation["operationId"]), text(&operation["summary"]), text(&operation["tags"][0]));
        line(&mut page, &format!("| [`{title}`](#{id}) | {summary} | {} |", served_by(tag)));
    }
    for (title, operation) in operations(document) {
        describe(&mut page, document, &title, operation);
    }
    line(
        &mut page,
        "\n## Bodies\n\nA field marked * is required in a request, and always there in a response.",
    );
    for (name, schema) in object(&document["components"]["schemas"]) {
        line(
            &mut page,
            &format!("\n<a id=\"{name}\"></a>\n\n### {name}\n\n{}\n", words(&schema["description"])),
        );
        fields(&mut page, schema);
    }
    page
}

const HEAD: &str = "# HTTP

Every route, field, limit and error. This page is made from the OpenAPI 3.1 document that each server has at `/openapi.json`: `abx dev` with the routes
of both functions and its own, the deployed functions with those of both. `abx dev` shows this page at `/docs`. CI sends generated requests to
`abx dev` by the document (`e2e/http/run`), and every response of the tests is checked against it.

[integrating.md](integrating.md) has programs, [conditions.md](conditions.md) says how values are read, [events.md](events.md) what becomes of events, and
[operating.md](operating.md#letting-callers-in) who may call a deployed stage.

The examples ask `abx dev` over the [documents of integrating.md](integrating.md#serve-an-example).
";

/// One route: its parameters, its responses, and its examples.
fn describe(page: &mut String, document: &Value, title: &str, operation: &Value) {
    line(page, &format!("\n<a id=\"{}\"></a>\n\n## {title}\n", text(&operation["operationId"])));
    line(page, &format!("{}.", text(&operation["summary"])));
    if let Some(description) = operation["description"].as_str() {
        line(page, &format!("\n{description}"));
    }
    let parameters = operation["parameters"].as_array();
    if let Some(parameters) = parameters {
        line(page, "\n| parameter | in | type | meaning |\n|---|---|---|---|");
        for parameter in parameters {
            let star = if parameter["required"] == true { " *" } else { "" };
            let kind = kind(&parameter["schema"]);
            let (name, place, meaning) =
                (text(&parameter["name"]), text(&parameter["in"]), words(&parameter["description"]));
            line(page, &format!("| `{name}`{star} | {place} | {kind} | {meaning} |"));
        }
    }
    for (kind_of_body, content) in object(&operation["requestBody"]["content"]) {
        line(page, &format!("\nBody, `{kind_of_body}`: {}", kind(&content["schema"])));
    }
    line(page, "\n| status | body | meaning |\n|---|---|---|");
    for (status, response) in object(&operation["responses"]) {
        if response["$ref"].is_null() {
            line(page, &row(status, response));
        }
    }
    examples(page, document, title, operation);
}

fn examples(page: &mut String, document: &Value, title: &str, operation: &Value) {
    let (method, path) = title.split_once(' ').expect("a method and a path");
    let mut path = path.to_owned();
    let mut query = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        match (&parameter["example"], text(&parameter["in"])) {
            (Value::Null, _) => {}
            (Value::Object(several), _) => {
                query.extend(several.iter().map(|(name, value)| format!("{name}={}", text(value))));
            }
            (example, "path") => {
                path = path.replace(&format!("{{{}}}", text(&parameter["name"])), text(example));
            }
            (example, _) => query.push(format!("{}={}", text(&parameter["name"]), text(example))),
        }
    }
    let url = format!("'localhost:8080{path}{}{}'", if query.is_empty() { "" } else { "?" }, query.join("&"));
    let requests = &operation["requestBody"]["content"]["application/json"]["examples"];
    let mut sent: Vec<(&str, &str, String)> = Vec::new();
    if method == "GET" {
        sent.push(("by_url", "", format!("curl {url}")));
    }
    for (name, example) in object(requests) {
        sent.push((name, text(&example["summary"]), format!("curl -d '{}' {url}", example["value"])));
    }
    for (name, summary, command) in sent {
        let heading = if summary.is_empty() { String::new() } else { format!("{summary}:\n\n") };
        line(page, &format!("\n{heading}```sh\n{command}\n```"));
        for (status, response) in object(&operation["responses"]) {
            let answer =
                &resolve(document, response)["content"]["application/json"]["examples"][name]["value"];
            if !answer.is_null() {
                line(page, &format!("\n```json\n// {status}\n{answer:#}\n```"));
            }
        }
    }
}

/// The fields of a schema, or its values.
fn fields(page: &mut String, schema: &Value) {
    if let Some(values) = schema["oneOf"].as_array() {
        line(page, "| value | meaning |\n|---|---|");
        for value in values {
            line(page, &format!("| `{}` | {} |", text(&value["const"]), words(&value["description"])));
        }
        return;
    }
    let properties = object(&schema["properties"]);
    if properties.is_empty() {
        return;
    }
    line(page, "| field | type | meaning |\n|---|---|---|");
    add_fields(page, "", schema);
}

fn add_fields(page: &mut String, prefix: &str, schema: &Value) {
    for (name, field) in object(&schema["properties"]) {
        let is_required = schema["required"].as_array().is_some_and(|all| all.iter().any(|it| it == name));
        let star = if is_required { " *" } else { "" };
        let default = match &field["default"] {
            Value::Null => String::new(),
            Value::String(empty) if empty.is_empty() => String::new(),
            default => format!(" Default: `{default}`."),
        };
        let meaning = words(&field["description"]);
        line(page, &format!("| `{prefix}{name}`{star} | {} | {meaning}{default} |", kind(field)));
        let inner = if field["items"]["properties"].is_object() { &field["items"] } else { field };
        let inner = inner["anyOf"]
            .as_array()
            .and_then(|all| all.iter().find(|it| it["properties"].is_object()))
            .unwrap_or(inner);
        let dot = if field["items"]["properties"].is_object() { "[]." } else { "." };
        add_fields(page, &format!("{prefix}{name}{dot}"), inner);
    }
}

/// The type of a value, with its limits.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().expect("a name");
        return format!("[{name}](#{name})");
    }
    if let Some(all) = schema["allOf"].as_array() {
        return kind(&all[0]);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        return any.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    }
    let names = match &schema["type"] {
        Value::Array(names) => names.iter().map(text).collect::<Vec<_>>().join(" or "),
        Value::String(name) => name.clone(),
        _ => "any".to_owned(),
    };
    let of =
        if schema["items"].is_object() { format!(" of {}", kind(&schema["items"])) } else { String::new() };
    let limit =
        |name: &str, words: &str| schema[name].as_u64().map(|limit| format!(", up to {limit} {words}"));
    let limits: String =
        [limit("maxLength", "bytes"), limit("maxItems", "items")].into_iter().flatten().collect();
    let pattern = schema["pattern"].as_str().map(|pattern| format!(", `{pattern}`")).unwrap_or_default();
    format!("{names}{of}{limits}{pattern}").replace('|', "\\|")
}

fn row(status: &str, response: &Value) -> String {
    let contents = object(&response["content"]);
    let body = contents.iter().map(|(kind_of_body, content)| match &content["schema"] {
        schema if kind_of_body == "application/json" => kind(schema),
        _ => format!("`{kind_of_body}`"),
    });
    format!("| {status} | {} | {} |", body.collect::<String>(), words(&response["description"]))
}

/// The responses that routes share, by status.
fn refusals(document: &Value) -> impl Iterator<Item = (String, String)> {
    let mut rows = std::collections::BTreeMap::new();
    for (_, operation) in operations(document) {
        for (status, response) in object(&operation["responses"]) {
            if !response["$ref"].is_null() {
                rows.insert(status.clone(), row(status, resolve(document, response)));
            }
        }
    }
    rows.into_iter()
}

fn served_by(tag: &str) -> &str {
    match tag {
        "Assignments" => "the assignment function, `abx dev`",
        "Flags" | "OFREP" => "the flag function, `abx dev`",
        "Service" => "both functions, `abx dev`",
        _ => "`abx dev`",
    }
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let reference = value["$ref"].as_str().map(|it| it.trim_start_matches('#'));
    reference.map_or(value, |pointer| document.pointer(pointer).expect("a reference leads somewhere"))
}

/// Each route, as `GET /path`.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let all = object(&document["paths"]).iter().flat_map(|(path, methods)| {
        object(methods)
            .iter()
            .map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
    });
    let mut all: Vec<(String, &Value)> = all.collect();
    let tags: Vec<&Value> =
        document["tags"].as_array().expect("tags").iter().map(|tag| &tag["name"]).collect();
    all.sort_by_key(|(_, operation)| tags.iter().position(|tag| **tag == operation["tags"][0]));
    all
}

fn object(value: &Value) -> &Map<String, Value> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    value.as_object().unwrap_or(&NONE)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A text on one line of a table.
fn words(value: &Value) -> String {
    text(value).split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn line(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("memory");
}
