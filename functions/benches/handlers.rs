//! A handler's time in this process, without a network, beside the least that it can take: reading the JSON, the core's own decision,
//! and writing the JSON. The aim is at most three times that.
//!
//! Ratios are of one run: `cargo bench -p abx-functions --bench handlers`.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use abx_core::{Catalog, Flag, Subject};
use abx_functions::adapters::embedded::EmbeddedStore;
use abx_functions::assignment::{AssignRequest, AssignmentResponse};
use abx_functions::catalog::{CatalogHolder, Snapshot, encode};
use abx_functions::flags::{FlagRequest, FlagResponse, FlagsRequest, FlagsResponse};
use abx_functions::http::{HttpFunction, LambdaResponse};
use abx_functions::ports::{CatalogStore, RevisionMeta};
use abx_functions::telemetry::{Level, Telemetry};
use abx_functions::{assignment, flags};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::routing::post;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tower::{Service, ServiceExt};

type Store = EmbeddedStore;

/// Everything over one store in memory.
struct World {
    runtime: Runtime,
    snapshot: Arc<Snapshot>,
    assignment: Arc<assignment::AssignmentService<Store, Store, Store>>,
    flags: Arc<flags::FlagService<Store, Store>>,
}

fn documents() -> Vec<Value> {
    let mut documents: Vec<Value> = (0..100)
        .map(|n| match n % 4 {
            0 => json!({"flag": format!("flag_{n}"), "enabled": true}),
            1 => json!({"flag": format!("flag_{n}"), "enabled": true, "rollout_percentage": 30}),
            2 => json!({"flag": format!("flag_{n}"), "enabled": true, "rollout_percentage": 50,
                "targeting_rules": [{"attribute": "country", "operator": "in", "value": ["DE", "FR", "IT"]},
                    {"attribute": "app.version", "operator": "semver_greater_or_equal", "value": "5.0.0"}]}),
            _ => json!({"flag": format!("flag_{n}"), "enabled": true, "default_variant": "small",
                "variants": [{"key": "small", "value": {"columns": 2}}, {"key": "large", "value": {"columns": 3}}],
                "rules": [{"name": "pro", "when": [{"attribute": "plan", "operator": "equals", "value": "pro"}],
                    "split": [{"variant": "small", "allocation": 0.5}, {"variant": "large", "allocation": 0.5}]}]}),
        })
        .collect();
    documents.push(json!({"experiment": "checkout", "status": "active", "traffic_allocation": 1,
        "targeting_rules": [{"attribute": "country", "operator": "in", "value": ["DE", "FR", "IT"]}],
        "variants": [{"key": "control", "allocation": 0.5, "payload": {"color": "grey"}},
            {"key": "treatment", "allocation": 0.5, "payload": {"color": "green"}}]}));
    documents
}

fn world() -> World {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = EmbeddedStore::in_memory().unwrap();
    let meta = RevisionMeta { created_at: Timestamp::UNIX_EPOCH, author: "b".into(), message: "b".into() };
    let holder = runtime.block_on(async {
        store.put_revision(1, &encode(&documents()).unwrap(), &meta).await.unwrap();
        store.flip_head(None, 1, &meta).await.unwrap();
        let holder = Arc::new(CatalogHolder::new(store.clone(), Snapshot::default()));
        holder.load().await.unwrap();
        holder
    });
    assert!(holder.held().held_back.is_empty(), "{:?}", holder.held().held_back);
    let telemetry = || Arc::new(Telemetry::new("bench", Level::Info, std::io::sink()));
    let (held, kept, sink) = (Arc::clone(&holder), store.clone(), store.clone());
    let assignment = assignment::AssignmentService::new(
        held,
        kept,
        sink,
        telemetry(),
        assignment::AssignmentOptions::default(),
    );
    let flags =
        flags::FlagService::new(Arc::clone(&holder), store, telemetry(), flags::FlagOptions::default());
    World { runtime, snapshot: holder.held(), assignment: Arc::new(assignment), flags: Arc::new(flags) }
}

const CONTEXT: &str =
    r#"{"country": "DE", "plan": "pro", "app": {"platform": "ios", "version": "5.12.1"}, "orders": 4}"#;

/// The same bytes in and out as the handler, and nothing else in between: no limits, no memory of assignments, no events, no metrics.
fn assign_alone(catalog: &Catalog, body: &[u8]) -> Vec<u8> {
    let asked: AssignRequest = serde_json::from_slice(body).unwrap();
    let subject = Subject::new(&asked.user_id, asked.context.as_ref().unwrap());
    let now = Timestamp::now();
    let decision = catalog.experiment(&asked.experiment_key).unwrap().decide(&subject, now, None);
    let variant = decision.variant.unwrap();
    serde_json::to_vec(&AssignmentResponse {
        experiment_key: decision.experiment.key(),
        user_id: subject.user_id(),
        unit: asked.user_id.as_str().into(),
        variant: Some(&variant.key),
        payload: variant.payload.as_ref(),
        reason: decision.reason,
        in_experiment: true,
        epoch: decision.experiment.epoch(),
        revision: 1,
        assignment_id: Some("0123456789abcdef0123456789abcdef".into()),
        persisted: true,
        assigned_at: Some(now),
    })
    .unwrap()
}

/// As above.
fn flag_alone(catalog: &Catalog, key: &str, body: &[u8]) -> Vec<u8> {
    let asked: FlagRequest = serde_json::from_slice(body).unwrap();
    let subject = Subject::new(&asked.user_id, asked.context.as_ref().unwrap());
    serde_json::to_vec(&evaluate(catalog, catalog.flag(key).unwrap(), &subject, Timestamp::now())).unwrap()
}

/// As above.
fn flags_alone(catalog: &Catalog, body: &[u8]) -> Vec<u8> {
    let asked: FlagsRequest = serde_json::from_slice(body).unwrap();
    let subject = Subject::new(&asked.user_id, asked.context.as_ref().unwrap());
    let now = Timestamp::now();
    let flags = catalog.flags().iter().map(|flag| evaluate(catalog, flag, &subject, now)).collect();
    let user_id = subject.user_id();
    serde_json::to_vec(&FlagsResponse { user_id, revision: 1, flags, not_found: Vec::new() }).unwrap()
}

fn evaluate<'a>(
    catalog: &'a Catalog,
    flag: &'a Flag,
    subject: &Subject<'a>,
    now: Timestamp,
) -> FlagResponse<'a> {
    let evaluation = catalog.evaluate_flag(flag, subject, now);
    let variant = evaluation.variant.unwrap();
    FlagResponse {
        flag_key: flag.key(),
        user_id: subject.user_id(),
        variant: Some(&variant.key),
        value: Some(&variant.value),
        reason: evaluation.reason,
        open_feature_reason: evaluation.open_feature,
        rule: evaluation.rule,
        experiment: None,
        revision: 1,
    }
}

/// A request through a router, to the last byte of its answer.
fn through(
    group: &mut BenchmarkGroup<'_, WallTime>,
    world: &World,
    router: Router,
    path: &str,
    body: String,
) {
    let body = Bytes::from(body);
    let mut router = router.into_service::<Body>();
    group.bench_function("router", |bencher| {
        bencher.iter_custom(|times| {
            world.runtime.block_on(async {
                let mut taken = Duration::ZERO;
                let mut left = times;
                while left > 0 {
                    let count = left.min(1000);
                    left -= count;
                    // Making a request is the server's work, not the handler's.
                    let make = |_| Request::post(path).body(Body::from(body.clone())).unwrap();
                    let requests: Vec<_> = (0..count).map(make).collect();
                    let start = Instant::now();
                    for request in requests {
                        let response = router.ready().await.unwrap().call(request).await.unwrap();
                        assert_eq!(response.status(), 200);
                        black_box(axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap());
                    }
                    taken += start.elapsed();
                }
                taken
            })
        });
    });
}

/// A direct payload, to its envelope.
fn direct<F>(group: &mut BenchmarkGroup<'_, WallTime>, world: &World, handle: impl Fn() -> F)
where
    F: Future<Output = LambdaResponse>,
{
    group.bench_function("direct", |bencher| {
        bencher.iter_custom(|times| {
            world.runtime.block_on(async {
                let start = Instant::now();
                for _ in 0..times {
                    assert_eq!(black_box(handle().await).status_code, 200);
                }
                start.elapsed()
            })
        });
    });
}

fn handlers(criterion: &mut Criterion) {
    let world = world();
    let catalog = &world.snapshot.catalog;

    let core = format!(r#"{{"user_id": "user_123456", "context": {CONTEXT}}}"#);

    let mut group = criterion.benchmark_group("assign");
    let body = format!(r#"{{"user_id": "user_123456", "experiment_key": "checkout", "context": {CONTEXT}}}"#);
    group
        .bench_function("core", |bencher| bencher.iter(|| assign_alone(catalog, black_box(body.as_bytes()))));
    through(&mut group, &world, Arc::clone(&world.assignment).router(), "/assign", body.clone());
    direct(&mut group, &world, || world.assignment.handle_direct(body.as_bytes(), "request"));
    group.finish();

    // What the framework alone takes, for a handler that sends back what it is sent.
    let mut group = criterion.benchmark_group("nothing");
    let bare = Router::new().route("/", post(async |body: Bytes| body));
    through(&mut group, &world, bare, "/", core.clone());
    group.finish();

    let mut group = criterion.benchmark_group("flag");
    group.bench_function("core", |bencher| {
        bencher.iter(|| flag_alone(catalog, "flag_2", black_box(core.as_bytes())));
    });
    through(&mut group, &world, Arc::clone(&world.flags).router(), "/flags/flag_2", core.clone());
    let body = format!(r#"{{"user_id": "user_123456", "flag_key": "flag_2", "context": {CONTEXT}}}"#);
    direct(&mut group, &world, || world.flags.handle_direct(body.as_bytes(), "request"));
    group.finish();

    let mut group = criterion.benchmark_group("flags_100");
    assert_eq!(catalog.flags().len(), 100);
    group.bench_function("core", |bencher| {
        bencher.iter(|| flags_alone(catalog, black_box(core.as_bytes())));
    });
    through(&mut group, &world, Arc::clone(&world.flags).router(), "/flags", core.clone());
    let body = format!(r#"{{"user_id": "user_123456", "flag_keys": null, "context": {CONTEXT}}}"#);
    direct(&mut group, &world, || world.flags.handle_direct(body.as_bytes(), "request"));
    group.finish();

    let mut group = criterion.benchmark_group("ofrep_100");
    group.bench_function("core", |bencher| {
        bencher.iter(|| flags_alone(catalog, black_box(core.as_bytes())));
    });
    let context = CONTEXT.replacen('{', r#"{"targetingKey": "user_123456", "#, 1);
    let body = format!(r#"{{"context": {context}}}"#);
    through(&mut group, &world, Arc::clone(&world.flags).router(), "/ofrep/v1/evaluate/flags", body);
    group.finish();
}

criterion_group!(benches, handlers);
criterion_main!(benches);
