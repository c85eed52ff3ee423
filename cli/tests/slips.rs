//! Slips that people make who write a document for the first time, or come from another tool: each finding names what to write instead.

use serde_json::Value;
use std::process::Command;

/// An experiment, to which a slip is added.
const EXPERIMENT: &str = "experiment: a\nstatus: active\nvariants:\n  - key: control\n  - key: redesign\n";

fn experiment(more: &str) -> String {
    format!("{EXPERIMENT}{more}\n")
}

fn rule(condition: &str) -> String {
    experiment(&format!("targeting_rules:\n  - {condition}"))
}

fn flag(more: &str) -> String {
    format!("flag: f\nenabled: true\n{more}\n")
}

fn metric(more: &str) -> String {
    experiment(&format!("metrics:\n  - {{key: bought, event: order, kind: conversion, {more}}}"))
}

/// A slip, and the part of a help that says what to write.
fn slips() -> Vec<(String, &'static str)> {
    let with_weights =
        |control: &str| EXPERIMENT.replace("- key: control", &format!("- key: control\n    {control}"));
    vec![
        // Shares.
        (experiment("traffic_allocation: 0,5"), "write a decimal point: 0.5"),
        (experiment("traffic_allocation: 12,5%"), "write a decimal point: 12.5%"),
        (experiment("traffic_allocation: 50"), "a percentage? Write 0.5"),
        (experiment("traffic_allocation: 10 percent"), "a percent sign where it is a percentage: 10%"),
        (experiment("traffic: 10%"), "did you mean `traffic_allocation`?"),
        (with_weights("weight: 50%"), "did you mean `allocation`?"),
        (flag("rollout_percentage: \"25\""), "drop the quotes: 25"),
        (flag("rollout_percentage: 0.25"), "`25%` if it is a share"),
        (flag("rollout: 25"), "did you mean `rollout_percentage`?"),
        // Booleans of YAML 1.1.
        ("flag: f\nenabled: yes\n".into(), "write `true`, without quotes"),
        ("flag: f\nenabled: off\n".into(), "write `false`, without quotes"),
        (rule("{attribute: beta, operator: equals, value: yes}"), "write true, or quote it"),
        // Words of other tools.
        (EXPERIMENT.replace("active", "running"), "did you mean `active`?"),
        (EXPERIMENT.replace("active", "stopped"), "did you mean `paused`?"),
        (EXPERIMENT.replace("status: active", "state: active"), "did you mean `status`?"),
        (rule("{attribute: country, operator: \"==\", value: DE}"), "did you mean `equals`?"),
        (rule("{attribute: country, operator: is, value: DE}"), "did you mean `equals`?"),
        (rule("{attribute: age, operator: \">=\", value: 18}"), "did you mean `greater_or_equal`?"),
        (rule("{attribute: country, operator: not in, value: [DE]}"), "did you mean `not_in`?"),
        (rule("{attribute: country, operator: one_of, value: [DE]}"), "did you mean `in`?"),
        (rule("{attribute: mail, operator: regex, value: x}"), "did you mean `matches`?"),
        (rule("{attribute: country, op: equals, value: DE}"), "did you mean `operator`?"),
        (rule("{field: country, operator: equals, value: DE}"), "did you mean `attribute`?"),
        (rule("and: [{attribute: country, operator: equals, value: DE}]"), "did you mean `all`?"),
        (rule("or: [{attribute: country, operator: equals, value: DE}]"), "did you mean `any`?"),
        (
            experiment("audience:\n  - {attribute: country, operator: equals, value: DE}"),
            "did you mean `targeting_rules`?",
        ),
        (experiment("metrics:\n  - {key: bought, event: order, type: conversion}"), "did you mean `kind`?"),
        (experiment("start: 2026-11-02"), "did you mean `starts_at`?"),
        // Lists and mappings.
        ("experiment: a\nstatus: active\nvariants:\n  control: {}\n  redesign: {}\n".into(), "as `- key: control`"),
        ("experiment: a\nstatus: active\nvariants: [control, redesign]\n".into(), "write {key: control}"),
        (
            "catalog:\n  segments:\n    germans:\n      when: [{attribute: country, operator: equals, value: DE}]\n".into(),
            "as `- key: germans`",
        ),
        (
            experiment("targeting_rules: {attribute: country, operator: equals, value: DE}"),
            "begin each item of the list with a dash: `- attribute: …`",
        ),
        (
            experiment("targeting_rules:\n  all:\n    - {attribute: country, operator: equals, value: DE}"),
            "with a dash: `- all: …`",
        ),
        (rule("country: DE"), "write {attribute: country, operator: equals, value: \"DE\"}"),
        (rule("country: [DE, AT]"), "operator: in, value: [\"DE\",\"AT\"]}"),
        (rule("country == \"DE\""), "a condition is {attribute, operator, value}"),
        (rule("{attribute: country, operator: equals, value: [DE, AT]}"), "use `in` for a list"),
        (experiment("metrics: [bought]"), "write {key: bought}"),
        (experiment("metrics:\n  bought: {event: order, kind: conversion}"), "as `- key: bought`"),
        (experiment("overrides:\n  - user1: control"), "without dashes before them"),
        (experiment("dimensions: country"), "write a list: [country]"),
        (experiment("owner: [a, b]"), "write one text"),
        // Kinds of documents.
        ("layers:\n  - {key: a, slots: []}\n".into(), "`layers:` stands below `catalog:`"),
        ("segments: []\n".into(), "`segments:` stands below `catalog:`"),
        (EXPERIMENT.replace("experiment:", "key:"), "`experiment: a`"),
        ("name: f\nenabled: true\n".into(), "`flag: f`"),
        (format!("- {}", EXPERIMENT.trim_end().replace('\n', "\n  ")), "leave the dash out"),
        // YAML.
        (EXPERIMENT.replace("  - ", "\t- "), "never with tabs"),
        (experiment("description: note: this is new"), "quote texts that hold `: `"),
        (experiment("overrides_file: \"data\\overrides.csv\""), "paths are written with `/` on every system"),
        (experiment("overrides_file: \"C:\\users\\x.csv\""), "paths are written with `/` on every system"),
        (experiment("overrides_file: data\\x.csv"), "write / and no \\ between folders"),
        (EXPERIMENT.replace("status: active", "status:\u{a0}active"), "a space here that is none"),
        (format!("```yaml\n{EXPERIMENT}```\n"), "belongs to Markdown"),
        (rule("{attribute: mail, operator: ends_with, value: @example.com}"), "in quotes"),
        // Versions, numbers, times.
        (rule("{attribute: v, operator: semver_greater_than, value: 1.10}"), "a version in quotes"),
        (rule("{attribute: v, operator: equals, value: 1.10}"), "\"1.10\""),
        (rule("{attribute: age, operator: greater_than, value: \"18\"}"), "drop the quotes"),
        ("experiment: 2026\nstatus: active\nvariants: [{key: x}, {key: y}]\n".into(), "in quotes: \"2026\""),
        (experiment("starts_at: 02.11.2026 08:00"), "write it as 2026-03-01T09:00:00Z"),
        (metric("window: 7"), "add the unit: 7d or 7h"),
        (metric("window: 7 days"), "24h, 7d"),
        // Names.
        (EXPERIMENT.replace("experiment: a", "experiment: Checkout Redesign"), "`checkout_redesign`"),
        (format!("{}winner: Redesign\n", EXPERIMENT.replace("active", "completed")), "did you mean `redesign`?"),
    ]
}

#[test]
fn each_slip_is_told_what_to_write() {
    let slips = slips();
    assert!(slips.len() >= 30);
    let folder = tempfile::tempdir().unwrap();
    let mut missing = Vec::new();
    for (number, (text, expected)) in slips.iter().enumerate() {
        let file = folder.path().join(format!("{number}.yaml"));
        std::fs::write(&file, text).unwrap();
        let ran = Command::new(env!("CARGO_BIN_EXE_abx"))
            .args(["validate", "--format", "json"])
            .arg(&file)
            .output()
            .unwrap();
        let report: Value = serde_json::from_slice(&ran.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let texts =
            |it: &Value| [&it["message"], &it["help"]].map(|it| it.as_str().unwrap_or_default().to_owned());
        let helps: Vec<String> = findings.iter().flat_map(texts).collect();
        if !helps.iter().any(|help| help.contains(expected)) {
            missing.push(format!("{text}\n  expected: {expected}\n  found: {helps:?}"));
        }
        // The one slip is one kind of finding: what follows from it is not told again.
        if findings.iter().any(|it| it["code"] != findings[0]["code"]) {
            missing.push(format!("{text}\n  {} findings: {findings:#?}", findings.len()));
        }
    }
    assert!(missing.is_empty(), "{} of {}:\n\n{}", missing.len(), slips.len(), missing.join("\n\n"));
}
