//! The assignment function over a table that fails: whatever AWS does, a caller gets the computed variant, and in time.

use crate::faults::{FAULTS, faulty};
use abx_core::ConsistentHasher;
use abx_functions::adapters::aws::{Budget, DynamoAssignments, dynamodb, emulator};
use abx_functions::adapters::embedded::EmbeddedStore;
use abx_functions::assignment::{Options, Service};
use abx_functions::catalog::{CatalogHolder, Snapshot};
use abx_functions::telemetry::Telemetry;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What DESIGN.md promises a caller.
const PROMISED: Duration = Duration::from_millis(50);
/// No request hangs, however busy the machine is.
const AT_ALL: Duration = Duration::from_secs(5);
/// Fewer than the breaker counts before it opens: every request of a round reaches the fault.
const REQUESTS: usize = 4;
/// A busy machine may wake a test late, and not in each of so many rounds. A budget that is too long is late in all of them.
const ROUNDS: usize = 25;

const SHARES: [(&str, f64); 3] = [("a", 0.2), ("b", 0.3), ("c", 0.5)];

type Sink = Arc<EmbeddedStore>;

/// The variant of a unit, as hashing alone gives it.
fn computed(unit: &str) -> &'static str {
    ConsistentHasher.assign_variant(unit, "e", &SHARES, 1.0).unwrap().unwrap()
}

/// A function that knows its catalog and whose table is at an endpoint.
fn function(endpoint: &str) -> Service<Sink, DynamoAssignments, Sink> {
    let variants = SHARES.map(|(key, allocation)| json!({"key": key, "allocation": allocation}));
    let document = json!({"experiment": "e", "status": "active", "variants": variants});
    let snapshot = Snapshot::compile(7, vec![document], &Snapshot::default());
    assert!(snapshot.held_back.is_empty());
    let embedded = Arc::new(EmbeddedStore::in_memory().unwrap());
    let holder = Arc::new(CatalogHolder::new(Arc::clone(&embedded), snapshot));
    let store = DynamoAssignments::new(dynamodb(&emulator(endpoint), Budget::REQUEST), "a");
    Service::new(holder, store, embedded, Arc::new(Telemetry::silent("assignment")), Options::default())
}

async fn ask(function: &Service<Sink, DynamoAssignments, Sink>, request: Value) -> (Value, Duration) {
    let start = Instant::now();
    let answer = function.handle_direct(request.to_string().as_bytes(), "id").await;
    let took = start.elapsed();
    assert_eq!(answer.status_code, 200, "{}", answer.body);
    (serde_json::from_str(&answer.body).unwrap(), took)
}

/// Asks for several units, and says how long all answers but the slowest took: one alone may be early or late by chance. `None` if a
/// request was over before its fault, as on a busy machine.
async fn round(name: &'static str) -> Option<Duration> {
    let (endpoint, seen) = faulty(name).await;
    let function = function(&endpoint);
    let mut times = Vec::new();
    let mut reached = 0;
    for n in 0..REQUESTS {
        let unit = format!("user_{n}");
        let asked = seen.load(Ordering::SeqCst);
        let (answer, took) = ask(&function, json!({"user_id": unit, "experiment_key": "e"})).await;
        reached += usize::from(seen.load(Ordering::SeqCst) > asked);
        assert_eq!((&answer["persisted"], &answer["reason"]), (&json!(false), &json!("assigned")), "{name}");
        assert_eq!(answer["variant"], computed(&unit), "{name}");
        assert!(took < AT_ALL, "{name}: {took:?}");
        times.push(took);
    }
    times.sort_unstable();
    (reached == REQUESTS).then_some(times[REQUESTS - 2])
}

#[tokio::test]
async fn every_fault_is_answered_in_time_with_the_computed_variant() {
    for name in FAULTS {
        let mut rounds = Vec::new();
        while rounds.len() < ROUNDS && !rounds.iter().flatten().any(|took| *took < PROMISED) {
            rounds.push(round(name).await);
        }
        eprintln!("{name}: {rounds:?}");
        assert!(rounds.iter().flatten().any(|took| *took < PROMISED), "{name}: {rounds:?}");
    }
}
