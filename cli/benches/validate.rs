//! The cost of validating a thousand files, beside only parsing them.
//!
//! Validating keeps the place of every value, reads documents, compiles them together and looks for lint. It
//! may take three times as long as a parser that makes plain values of the same texts.
#![expect(clippy::expect_used, reason = "a test that cannot run has failed")]

use abx_cli::source::Corpus;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use granit_parser::Parser;
use std::hint::black_box;

const FILES: usize = 1_000;

/// Files as people write them: four experiments and one file of flags in five.
fn files() -> Vec<(String, String)> {
    let text = |number: usize| if number.is_multiple_of(5) { flags(number) } else { experiment(number) };
    (0..FILES).map(|number| (format!("experiments/{number}.yaml"), text(number))).collect()
}

fn experiment(number: usize) -> String {
    format!(
        "# Why: the checkout loses people between the basket and the payment.
experiment: checkout_{number}
status: active
description: A checkout on one page, against the three pages that we have
owner: growth
traffic_allocation: 0.5
starts_at: 2026-03-01T09:00:00Z
ends_at: 2026-04-01T09:00:00Z
variants:
  - key: control
    allocation: 0.5
    payload: {{pages: 3, layout: classic}}
  - key: one_page
    allocation: 0.25
    payload: {{pages: 1, layout: wide}}
  - key: one_page_express
    allocation: 0.25
    payload: {{pages: 1, layout: wide, express: true}}
targeting_rules:
  - {{attribute: country, operator: in, value: [DE, AT, CH, NL, BE]}}
  - {{attribute: app.version, operator: semver_greater_or_equal, value: 4.2.0}}
  - any:
      - {{attribute: plan, operator: equals, value: pro}}
      - {{attribute: cart.total, operator: greater_than, value: 20}}
overrides: {{qa-1: one_page, qa-2: one_page_express}}
metrics:
  - {{key: purchase, event: order_paid, kind: conversion, window: 7d}}
  - {{key: revenue, event: order_paid, kind: sum, property: amount, window: 7d}}
  - {{key: errors, event: payment_failed, kind: count, direction: decrease, role: guardrail}}
"
    )
}

fn flags(number: usize) -> String {
    let flag = |part: usize| {
        format!(
            "flag: feature_{number}_{part}
description: The new search, for those who can use it
owner: search
enabled: true
rollout_percentage: 25
variants:
  - {{key: new, value: {{engine: vector, limit: 20}}}}
  - {{key: old, value: {{engine: words, limit: 10}}}}
default_variant: old
rules:
  - name: staff
    when: [{{attribute: email, operator: ends_with, value: \"@example.com\"}}]
    serve: new
targeting_rules:
  - {{attribute: language, operator: in, value: [de, en, fr]}}
"
        )
    };
    [flag(0), flag(1), flag(2)].join("---\n")
}

fn validate(files: &[(String, String)]) -> usize {
    let texts = files.iter().map(|(name, text)| (name.clone(), text.clone()));
    Corpus::from_texts(texts).compile().findings.len()
}

fn parse_to_values(files: &[(String, String)]) -> usize {
    let parse = |text: &String| {
        serde_saphyr::from_multiple::<serde_json::Value>(text).expect("the files are right").len()
    };
    files.iter().map(|(_, text)| parse(text)).sum()
}

fn parse_to_events(files: &[(String, String)]) -> usize {
    files.iter().map(|(_, text)| Parser::new_from_str(text).flatten().count()).sum()
}

fn bench(criterion: &mut Criterion) {
    let files = files();
    assert_eq!(validate(&files), 0, "the files are right");
    let bytes: usize = files.iter().map(|(_, text)| text.len()).sum();
    let mut group = criterion.benchmark_group("a thousand files");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.sample_size(20);
    group.bench_function("parse to events", |it| it.iter(|| parse_to_events(black_box(&files))));
    group.bench_function("parse to values", |it| it.iter(|| parse_to_values(black_box(&files))));
    group.bench_function("validate", |it| it.iter(|| validate(black_box(&files))));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
