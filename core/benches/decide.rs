//! Benchmarks of decisions, each beside a baseline in the same run.
//!
//! | group | baseline | target |
//! |---|---|---|
//! | `plain` | the bare murmur3 of the same two texts (crate `murmur3` and our own) | 1.5 times our own + 20 ns |
//! | `targeted` | - | 250 ns |
//! | `flags` | - | 15 us for 100 flags |
//! | `simulate` | the bare loop: ids made in place, two hashes | 12 M units/s |

#![expect(clippy::unwrap_used, reason = "a bench")]

use abx_core::hash::{Bucketer, Purpose};
use abx_core::simulate::{Tally, UnitStyle, Units};
use abx_core::{Catalog, Subject, read_and_compile};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::hint::black_box;

const UNIT: &str = "user_1234567";

fn catalog(documents: &[Value]) -> Catalog {
    let compiled = read_and_compile(documents);
    assert!(compiled.findings.is_empty(), "{:#?}", compiled.findings);
    compiled.catalog
}

fn plain_experiment() -> Catalog {
    catalog(&[json!({
        "experiment": "checkout_redesign", "status": "active", "traffic_allocation": 0.999_999,
        "variants": [{"key": "control", "allocation": 0.5}, {"key": "redesign", "allocation": 0.5}],
    })])
}

fn plain(criterion: &mut Criterion) {
    let catalog = plain_experiment();
    let experiment = catalog.experiment("checkout_redesign").unwrap();
    let attributes = Map::new();
    let now = Timestamp::UNIX_EPOCH;
    let traffic = format!("checkout_redesign:traffic:{UNIT}");
    let variant = format!("checkout_redesign:variant:{UNIT}");
    let mut group = criterion.benchmark_group("plain");
    group.bench_function("baseline: crate murmur3, two texts", |bencher| {
        bencher.iter(|| {
            let a = murmur3::murmur3_32(&mut black_box(traffic.as_bytes()), 0).unwrap();
            let b = murmur3::murmur3_32(&mut black_box(variant.as_bytes()), 0).unwrap();
            a ^ b
        });
    });
    // Its own prefix (`:layer:`) is hashed beforehand, so that a call hashes the whole text.
    let bare = Bucketer::new("", Purpose::Layer);
    group.bench_function("baseline: our murmur3, two texts", |bencher| {
        bencher.iter(|| bare.hash(black_box(&traffic)) ^ bare.hash(black_box(&variant)));
    });
    group.bench_function("decide", |bencher| {
        bencher.iter(|| {
            let subject = Subject::new(black_box(UNIT), &attributes);
            experiment.decide(&subject, now, None).variant.is_some()
        });
    });
    group.bench_function("look up by key and decide", |bencher| {
        bencher.iter(|| {
            let subject = Subject::new(black_box(UNIT), &attributes);
            let experiment = catalog.experiment(black_box("checkout_redesign")).unwrap();
            experiment.decide(&subject, now, None).variant.is_some()
        });
    });
    group.finish();
}

fn targeted_rules() -> Value {
    json!([
        {"attribute": "country", "operator": "in", "value": ["DE", "AT", "CH"]},
        {"attribute": "app.version", "operator": "semver_greater_or_equal", "value": "2.1.0"},
    ])
}

fn context() -> Map<String, Value> {
    let context = json!({
        "country": "AT", "plan": "pro", "age": 34, "app": {"version": "2.4.1", "os": "ios"},
        "email": "ada@example.com", "beta": true,
    });
    context.as_object().unwrap().clone()
}

fn targeted(criterion: &mut Criterion) {
    let third = |key: &str, allocation: f64| json!({"key": key, "allocation": allocation});
    let rules = json!([
        {"attribute": "country", "operator": "in", "value": ["DE", "AT", "CH"]},
        {"attribute": "age", "operator": "greater_or_equal", "value": 18},
    ]);
    let catalog = catalog(&[
        json!({
            "experiment": "pricing", "status": "active", "traffic_allocation": 0.2, "targeting_rules": rules,
            "variants": [third("a", 0.34), third("b", 0.33), third("c", 0.33)],
        }),
        json!({
            "experiment": "versions", "status": "active", "traffic_allocation": 0.2,
            "targeting_rules": targeted_rules(),
            "variants": [third("a", 0.34), third("b", 0.33), third("c", 0.33)],
        }),
    ]);
    let attributes = context();
    let now = Timestamp::UNIX_EPOCH;
    // Some units are in the 20 % and some are not, so both are measured.
    let units: Vec<String> = (0..64).map(|index| format!("user_{index}")).collect();
    let mut group = criterion.benchmark_group("targeted");
    for (name, key) in [("two conditions", "pricing"), ("two conditions, one a semantic version", "versions")]
    {
        let experiment = catalog.experiment(key).unwrap();
        let mut next = 0;
        group.bench_function(format!("{name}, 20 % traffic, three variants"), |bencher| {
            bencher.iter(|| {
                next = (next + 1) % units.len();
                let subject = Subject::new(units.get(next).unwrap(), &attributes);
                experiment.decide(black_box(&subject), now, None).variant.is_some()
            });
        });
    }
    group.finish();
}

fn flags(criterion: &mut Criterion) {
    let documents: Vec<Value> = (0..100)
        .map(|index| match index % 4 {
            0 => json!({"flag": format!("flag_{index}"), "enabled": true}),
            1 => json!({"flag": format!("flag_{index}"), "enabled": true, "rollout_percentage": 20}),
            2 => json!({
                "flag": format!("flag_{index}"), "enabled": true, "rollout_percentage": 50,
                "targeting_rules": targeted_rules(),
            }),
            _ => json!({
                "flag": format!("flag_{index}"), "enabled": true, "default_variant": "a",
                "variants": [{"key": "a", "value": "x"}, {"key": "b", "value": "y"}],
                "rules": [
                    {"when": [{"attribute": "plan", "operator": "equals", "value": "free"}], "serve": "a"},
                    {"when": [{"attribute": "beta", "operator": "equals", "value": true}],
                     "split": [{"variant": "a"}, {"variant": "b"}]},
                ],
            }),
        })
        .collect();
    let catalog = catalog(&documents);
    let attributes = context();
    let subject = Subject::new(UNIT, &attributes);
    let now = Timestamp::UNIX_EPOCH;
    let mut group = criterion.benchmark_group("flags");
    group.throughput(Throughput::Elements(100));
    group.bench_function("100 flags for one unit", |bencher| {
        bencher.iter(|| {
            let on = |flag| catalog.evaluate_flag(flag, black_box(&subject), now).variant.is_some();
            catalog.flags().iter().filter(|flag| on(flag)).count()
        });
    });
    group.finish();
}

fn simulate(criterion: &mut Criterion) {
    const COUNT: u64 = 100_000;
    let catalog = plain_experiment();
    let experiment = catalog.experiment("checkout_redesign").unwrap();
    let attributes = Map::new();
    let traffic = Bucketer::new("checkout_redesign", Purpose::Traffic);
    let variant = Bucketer::new("checkout_redesign", Purpose::Variant);
    let units = Units::new(UnitStyle::Sequential, 0);
    let mut group = criterion.benchmark_group("simulate");
    group.throughput(Throughput::Elements(COUNT));
    group.bench_function("baseline: ids in place and two hashes", |bencher| {
        bencher.iter(|| {
            let mut buffer = String::with_capacity(64);
            let mut counts = [0_u64; 2];
            for index in 0..COUNT {
                units.write(index, &mut buffer);
                if traffic.bucket(&buffer) < 999_999 {
                    let second = usize::from(variant.bucket(&buffer) >= 500_000);
                    *counts.get_mut(second).unwrap() += 1;
                }
            }
            counts
        });
    });
    group.bench_function("tally of one experiment", |bencher| {
        bencher.iter_batched_ref(
            || Tally::new(&[experiment]),
            |tally| tally.count_generated(units, 0..COUNT, &attributes, Timestamp::UNIX_EPOCH),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, plain, targeted, flags, simulate);
criterion_main!(benches);
