//! The cost of comparing a thousand documents, beside only compiling both sides; and of rebalancing one of them.
//!
//! The documents are compiled from their texts on both sides, as `abx diff` does. In the second every other document
//! has another share, rollout or part of a layer, and none is equal in all bytes that decide.
#![expect(clippy::expect_used, reason = "a test that cannot run has failed")]

use abx_cli::source::{Checked, Corpus, TargetRanges, edit_variants, parse};
use abx_core::change::{CatalogVersion, compare, rebalance};
use abx_core::hash::{Range, allocate};
use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use std::hint::black_box;

const DOCUMENTS: usize = 1_000;

/// Four experiments of five documents, in layers and with a holdout; the others are flags. `step` is what is
/// changed in half of them.
fn files(step: usize) -> Vec<(String, String)> {
    let document = |number: usize| {
        let step = if number.is_multiple_of(2) { step } else { 0 };
        if number.is_multiple_of(5) { flag(number, step) } else { experiment(number, step) }
    };
    let mut files: Vec<(String, String)> =
        (0..DOCUMENTS - 1).map(|number| (format!("experiments/{number}.yaml"), document(number))).collect();
    files.push(("experiments/catalog.yaml".to_owned(), shared()));
    files
}

fn experiment(number: usize, step: usize) -> String {
    let (first, last) = (20 + 10 * step, 50 - 10 * step);
    format!(
        "experiment: checkout_{number}
status: active
layer: layer_{number}
traffic_allocation: 0.{}
variants:
  - {{key: control, allocation: 0.{first}, payload: {{pages: 3}}}}
  - {{key: one_page, allocation: 0.30, payload: {{pages: 1}}}}
  - {{key: express, allocation: 0.{last}, payload: {{pages: 1, express: true}}}}
targeting_rules:
  - {{attribute: country, operator: in, value: [DE, AT, CH, NL, BE]}}
  - {{attribute: app.version, operator: semver_greater_or_equal, value: 4.2.0}}
metrics:
  - {{key: purchase, event: order_paid, kind: conversion, window: 7d}}
",
        5 + step
    )
}

fn flag(number: usize, step: usize) -> String {
    format!(
        "flag: feature_{number}
enabled: true
rollout_percentage: {}
variants:
  - {{key: new, value: {{engine: vector, limit: 20}}}}
  - {{key: old, value: {{engine: words, limit: 10}}}}
default_variant: old
rules:
  - {{name: staff, when: [{{attribute: email, operator: ends_with, value: \"@example.com\"}}], serve: new}}
",
        20 + 10 * step
    )
}

fn shared() -> String {
    let numbers = (0..DOCUMENTS - 1).filter(|number| !number.is_multiple_of(5));
    let layers: Vec<String> = numbers
        .map(|it| {
            format!(
                "    - {{key: layer_{it}, slots: [{{experiment: checkout_{it}, ranges: [[0, 700000]]}}]}}"
            )
        })
        .collect();
    let layers = layers.join("\n");
    format!("catalog:\n  holdouts:\n    - {{key: all, allocation: 0.05}}\n  layers:\n{layers}\n")
}

fn compiled(files: &[(String, String)]) -> Checked {
    let texts = files.iter().map(|(name, text)| (name.clone(), text.clone()));
    let checked = Corpus::from_texts(texts).compile();
    assert_eq!(checked.errors().count(), 0, "the files are right");
    checked
}

fn side(checked: &Checked) -> CatalogVersion<'_> {
    CatalogVersion {
        catalog: &checked.catalog,
        documents: checked.values.iter().map(|(_, value)| value).collect(),
    }
}

fn changed(before: &Checked, after: &Checked) -> usize {
    compare(&side(before), &side(after), Timestamp::UNIX_EPOCH).documents.len()
}

fn diff(criterion: &mut Criterion) {
    let (old, new) = (files(0), files(1));
    let (before, after) = (compiled(&old), compiled(&new));
    assert_eq!(changed(&before, &after), DOCUMENTS / 2, "every other document changes");
    let mut group = criterion.benchmark_group("diff of a thousand documents");
    group.sample_size(20);
    group.bench_function("baseline: compile both sides", |it| {
        it.iter(|| (compiled(black_box(&old)), compiled(black_box(&new))));
    });
    group.bench_function("compile both sides and compare", |it| {
        it.iter(|| changed(&compiled(black_box(&old)), &compiled(black_box(&new))));
    });
    group.bench_function("compare", |it| it.iter(|| changed(black_box(&before), black_box(&after))));
    group.finish();
}

fn plan(criterion: &mut Criterion) {
    let text = experiment(1, 0);
    let ranges = |shares: &[f64]| allocate(shares).expect("shares of 1");
    let old: Vec<Vec<Range>> = ranges(&[0.2, 0.3, 0.5]).into_iter().map(|range| vec![range]).collect();
    let sizes: Vec<u32> = ranges(&[0.3, 0.3, 0.4]).into_iter().map(Range::len).collect();
    let planned = || rebalance(black_box(&old), black_box(&sizes)).expect("the sums are the same");
    let write = || {
        let wanted = ["control", "one_page", "express"].into_iter().zip(planned());
        let wanted: Vec<TargetRanges> =
            wanted.map(|(key, ranges)| TargetRanges { key: key.to_owned(), ranges }).collect();
        edit_variants(black_box(&text), 0, &wanted).expect("the layout is known")
    };
    assert!(write().contains("ranges: [[0, 200000], [900000, 1000000]]"));
    let mut group = criterion.benchmark_group("rebalance of an experiment");
    group.bench_function("baseline: parse the document", |it| {
        it.iter(|| parse(black_box(&text)).documents.len());
    });
    group.bench_function("plan", |it| it.iter(planned));
    group.bench_function("plan, edit and parse again", |it| it.iter(write));
    group.finish();
}

criterion_group!(benches, diff, plan);
criterion_main!(benches);
