//! The published schemas: they take what the reader takes and what the commands write.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot run has failed")]

use abx_core::compile;
use abx_core::document::{Document, Operator};
use abx_core::finding::{Code, Findings, Severity};
use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// The output of the command.
fn abx(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_abx")).args(arguments).output().expect("the command runs");
    String::from_utf8(output.stdout).expect("text")
}

/// A schema, ready to validate.
struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    fn new(arguments: &[&str]) -> Self {
        let schema = serde_json::from_str(&abx(arguments)).expect("a schema is JSON");
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("schema.json", schema).expect("a schema has an address");
        let index = compiler.compile("schema.json", &mut schemas).expect("a schema is valid");
        Self { schemas, index }
    }

    fn takes(&self, value: &Value) -> Result<(), String> {
        self.schemas.validate(value, self.index).map_err(|error| format!("{error:#}"))
    }
}

/// The documents of a text that has no faults.
fn documents(text: &str) -> Vec<Value> {
    let parsed = abx_cli::source::parse(text);
    assert_eq!(parsed.faults, []);
    parsed.documents.into_iter().map(|(value, _)| value).collect()
}

/// A document of each kind, with every nesting of conditions.
const DOCUMENTS: &str = r#"
experiment: a
status: active
starts_at: 2026-03-01T09:00:00+01:00
ends_at: 2026-04-01
epoch: 2
owner: null
variants:
  - {key: x, ranges: [[0, 500000]], payload: {any: [thing]}}
  - {key: "y", ranges: [[500000, 1000000]]}
targeting_rules:
  - all: [{any: [{segment: s}, {not: {attribute: a.b, operator: exists}}]}]
  - not: [{attribute: n, operator: between, value: [1, 2.5]}]
  - {attribute: a, operator: percentage, value: 10, salt: z}
overrides: {"user 1": x}
metrics: [{key: m, event: paid, kind: mean, property: amount, role: guardrail, window: 7d}]
---
flag: f
enabled: true
rollout_percentage: 12.5
variants: [{key: on, value: true}, {key: off, value: false}]
default_variant: off
prerequisites: [{flag: g, variant: on}]
rules:
  - {name: r, when: [{segment: s}], serve: on}
  - split: [{variant: on, allocation: 0.5}, {variant: off, allocation: 0.5}]
  - experiment: a
---
catalog:
  segments: [{key: s, when: [{attribute: x, operator: in, value: [1]}]}]
  layers: [{key: l, slots: [{experiment: a, ranges: [[0, 10]]}]}]
  holdouts: [{key: h, allocation: 0.05, experiments: [a]}]
---
tests: a
kind: experiment
at: 2026-03-01
cases:
  - {name: n, unit: u, pin: x, at: 2026-03-01T09:00:00Z, context: {a: {b: 1}}, expect: {variant: null}}
  - buckets: {holdout: 1, layer: 2, traffic: 3, variant: 4, percentage: 5}
    matrix: {country: [DE, null], n: [1, [2]]}
    expect: {variant: x, reason: assigned}
    except: [{when: {country: DE, n: [1, [2]]}, expect: {value: {a: b}}}]
"#;

#[test]
fn documents_are_taken() {
    let schema = Schema::new(&["schema"]);
    for document in documents(DOCUMENTS) {
        assert_eq!(schema.takes(&document), Ok(()), "{document}");
    }
}

#[test]
fn the_projects_own_documents_are_taken() {
    let schema = Schema::new(&["schema"]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments");
    for path in abx_cli::source::find(&[folder]).expect("the folder is there") {
        for document in documents(&std::fs::read_to_string(&path).expect("a text")) {
            assert_eq!(schema.takes(&document), Ok(()), "{}", path.display());
        }
    }
}

#[test]
fn what_the_reader_refuses_is_refused() {
    let schema = Schema::new(&["schema"]);
    for bad in [
        "{}",
        "hello",
        "experiment: a",
        "flag: f",
        "flag: A B\nenabled: true",
        "flag: f\nenabled: on",
        "flag: f\nenabled: true\nenable: true",
        "flag: f\nenabled: true\nrollout_percentage: 101",
        "flag: f\nenabled: true\nepoch: 0",
        "flag: f\nenabled: true\ntargeting_rules: [{operator: percentage, value: 500, salt: s}]",
        "flag: f\nenabled: true\ntargeting_rules: [{operator: percentage, value: 5}]",
        "flag: f\nenabled: true\ntargeting_rules: [{attribute: a, operator: equals}]",
        "flag: f\nenabled: true\ntargeting_rules: [{operator: equals, value: 1}]",
        "flag: f\nenabled: true\ntargeting_rules: [{attribute: a, operator: exists, value: 1}]",
        "flag: f\nenabled: true\ntargeting_rules: [{attribute: a, operator: in, value: DE}]",
        "flag: f\nenabled: true\ntargeting_rules: [{attribute: a, operator: greater_than, value: \"5\"}]",
        "flag: f\nenabled: true\nvariants: [{key: a, value: [1]}]\ndefault_variant: a",
        "flag: f\nenabled: true\nrules: [{name: r}]",
        "flag: f\nenabled: true\nrules: [{serve: on, experiment: e}]",
        "experiment: a\nstatus: draft\nvariants: []",
        "experiment: a\nstatus: draft\nvariants: [{key: x, allocation: 2}]",
        "tests: a\ncases: []",
        "flag: f\nenabled: true\nexperiment: a\nstatus: draft",
        "flag: f\nenabled: true\ntargeting_rules: [{attribute: a, operator: greater_then, value: 1}]",
        "flag: f\nenabled: true\ntargeting_rules: [{all: [], any: []}]",
        "flag: f\nenabled: true\nrules: [{serv: on}]",
        "experiment: a\nstatus: draft\nvariants: [{key: x, alocation: 1}]",
        "experiment: a\nstatus: draft\nstarts_at: tomorrow",
        "experiment: a\nstatus: draft\nmetrics: [{key: m, event: e, kind: conversion, window: 7}]",
        "catalog: {segment: []}",
        "tests: a\ncases: [{name: n}]",
        "tests: a\ncases: [{expect: {varant: x}}]",
        "tests: a\ncases: [{expect: {variant: 1}}]",
        "tests: a\ncases: [{expect: {variant: x}, matrix: {a: 1}}]",
        "tests: a\ncase: []",
        "catalog: {layers: [{key: l, slots: [{experiment: a, ranges: [[0]]}]}]}",
    ] {
        for document in documents(bad) {
            assert!(schema.takes(&document).is_err(), "{bad}");
        }
    }
}

#[test]
fn reports_are_as_described() {
    let folder = |name: &str| format!("{}/tests/sessions/{name}", env!("CARGO_MANIFEST_DIR"));
    let (broken, warned) = (folder("broken"), folder("warned"));
    let (tested, badly) = (folder("tested"), folder("tested_badly"));
    for arguments in [
        &["validate", &broken, &warned][..],
        &["test", &tested, &badly],
        &["explain", "u", "pricing", "--from", &tested],
        &["explain-code"],
        &["explain-code", "too-deep"],
        &["completions", "bash"],
        &["srm", "a=50", "b=50", "c=1", "--shares", "0.5,0.5,0"],
        &[
            "diff",
            &folder("change/before"),
            &folder("change/after"),
            "--units-file",
            &folder("change/people.csv"),
        ],
        &["rebalance", "prices", "--to", "control=0.5,low=0.5", &folder("change/before")],
        &["ramp", "prices", "50%", "--lower", &folder("change/before")],
        &["pause", "prices", &folder("change/before")],
        &["conclude", "prices", "--winner", "low", &folder("change/before")],
        &["power", "--mean", "0", "--sd", "1", "--mde-abs", "0.1"],
    ] {
        let report = abx(&[arguments, &["--format", "json"]].concat());
        let schema = Schema::new(&["schema", "--report", arguments[0]]);
        let report = serde_json::from_str(&report).expect("a report is JSON");
        assert_eq!(schema.takes(&report), Ok(()), "{arguments:?}");
    }
}

/// A change of what documents may hold shows in this file. `UPDATE=1` writes it.
#[test]
fn the_schema_of_documents_is_the_published_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/document.schema.json");
    let schema = abx(&["schema"]);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &schema).expect("the file is written");
    }
    let published = std::fs::read_to_string(&path).expect("the file is there");
    assert_eq!(schema, published, "run this test with UPDATE=1 and look at what changed");
}

/// Ways in which a value may be wrong, or only otherwise.
fn mutations(value: &Value) -> Vec<Value> {
    let mut all = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(0.5),
        json!(101),
        json!(2_000_000),
        json!(""),
        json!(" "),
        json!("x"),
        json!("10%"),
        json!("1000%"),
        json!([]),
        json!([1]),
        json!(["x"]),
        json!({}),
        json!({"x": 1}),
    ];
    if let Value::Array(items) = value {
        all.extend(items.first().map(|item| json!([item])));
        all.push(json!([[value]]));
    }
    all
}

/// Every document that comes of a change at one place: another value, a field less, a field more.
fn mutants(value: &Value, into: &mut Vec<Value>, rebuild: &dyn Fn(Value) -> Value) {
    into.extend(mutations(value).into_iter().map(rebuild));
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let with = |inner: Option<Value>| {
                    let mut fields = fields.clone();
                    fields.remove(name);
                    fields.extend(inner.map(|inner| (name.clone(), inner)));
                    rebuild(Value::Object(fields))
                };
                into.push(with(None));
                mutants(inner, into, &|inner| with(Some(inner)));
            }
            let more =
                ["value", "salt", "epoch", "serve", "split", "experiment", "allocation", "ranges", "unknown"];
            for name in more.into_iter().filter(|name| !fields.contains_key(*name)) {
                for inner in [json!("on"), json!(0.5), json!(null)] {
                    let mut fields = fields.clone();
                    fields.insert(name.to_owned(), inner);
                    into.push(rebuild(Value::Object(fields)));
                }
            }
            let operators =
                Operator::ALL.iter().map(|it| it.as_str()).filter(|_| fields.contains_key("operator"));
            for operator in operators {
                let mut fields = fields.clone();
                fields.insert("operator".to_owned(), operator.into());
                into.push(rebuild(Value::Object(fields)));
            }
        }
        Value::Array(items) => {
            for (at, inner) in items.iter().enumerate() {
                mutants(inner, into, &|inner| {
                    let mut items = items.clone();
                    items[at] = inner;
                    rebuild(Value::Array(items))
                });
            }
        }
        _ => {}
    }
}

/// True if a finding depends on one document and field alone, and not on names, sums or other documents.
fn is_of_one_document(code: Code) -> bool {
    !matches!(
        code,
        Code::UnknownVariant
            | Code::UnknownSegment
            | Code::UnknownLayer
            | Code::UnknownExperiment
            | Code::UnknownFlag
            | Code::UnknownKey
            | Code::LayerMismatch
            | Code::SlotOverlap
            | Code::SegmentCycle
            | Code::PrerequisiteCycle
            | Code::DuplicateKey
            | Code::ExpectationInvalid
            | Code::MatrixInvalid
    )
}

/// The schema never refuses what `validate` accepts, and marks most of what one document alone shows to be wrong.
#[test]
fn the_schema_and_validate_agree_on_mutations() {
    let schema = Schema::new(&["schema"]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments");
    let paths = abx_cli::source::find(&[folder]).expect("the folder is there");
    let mut all: Vec<Value> = documents(DOCUMENTS);
    for path in paths {
        all.extend(documents(&std::fs::read_to_string(&path).expect("a text")));
    }
    let (mut wrong, mut marked, mut total) = (0_u32, 0_u32, 0_u32);
    let mut missed: BTreeMap<&str, u32> = BTreeMap::new();
    for (at, document) in all.iter().enumerate() {
        let mut mutated = Vec::new();
        mutants(document, &mut mutated, &|it| it);
        // A few hundred of each, spread over the whole document.
        let step = (mutated.len() / 300).max(1);
        for mutant in mutated.into_iter().skip(at % step).step_by(step) {
            let mut findings = Findings::default();
            let read = Document::read(&mutant, &mut findings);
            let found = compile(&[read], findings).findings;
            let errors: Vec<Code> =
                found.iter().filter(|it| it.severity == Severity::Error).map(|it| it.code).collect();
            let takes = schema.takes(&mutant);
            total += 1;
            // Tests of a key that is not there are not looked at any further.
            let is_unseen = errors.contains(&Code::UnknownKey);
            if let Some(error) = errors.iter().find(|code| is_of_one_document(**code)) {
                wrong += 1;
                marked += u32::from(takes.is_err());
                if takes.is_ok() {
                    *missed.entry(error.as_str()).or_default() += 1;
                }
            } else if !is_unseen {
                assert_eq!(takes, Ok(()), "{errors:?} {mutant:#}");
            }
        }
    }
    let rate = f64::from(marked) / f64::from(wrong);
    println!("{total} mutants, {wrong} wrong, {marked} marked ({:.1} %); missed: {missed:?}", rate * 100.0);
    assert!(rate >= 0.95, "{rate}: {missed:?}");
}
