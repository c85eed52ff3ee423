//! A batch of 500 events of 300 bytes through the whole handler, over an embedded store in a file, beside what the core alone does
//! with it (`--bench count` takes that apart).
//!
//! Ratios are of one run: `cargo bench -p abx-functions --bench events`.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use abx_core::event::{ItemContent, Marks, RecentUnexposed, fold, wanted};
use abx_functions::adapters::TRANSACTION_LIMITS;
use abx_functions::adapters::embedded::{EmbeddedStore, JsonlArchive};
use abx_functions::catalog::{CatalogHolder, Snapshot, encode};
use abx_functions::events::{Options, Processor};
use abx_functions::ports::{CatalogStore, RevisionMeta};
use abx_functions::sources::kinesis::{self, KinesisRecord};
use abx_functions::telemetry::{Level, Telemetry};
use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use serde_json::json;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const EVENTS: usize = 500;
const EVENT_BYTES: usize = 300;
/// Of five events of a unit, the first is its exposure and the others are purchases.
const OF_A_UNIT: usize = 5;

type Store = EmbeddedStore;

/// The event function over a file in a folder that goes away.
struct World {
    runtime: tokio::runtime::Runtime,
    snapshot: Arc<Snapshot>,
    function: Processor<Store, Store, JsonlArchive, Store>,
    _folder: tempfile::TempDir,
}

fn world() -> World {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path().join("store.sqlite")).unwrap();
    let documents = [json!({"experiment": "checkout", "status": "active",
        "variants": [{"key": "control", "allocation": 0.5}, {"key": "treatment", "allocation": 0.5}],
        "metrics": [{"key": "bought", "event": "purchase", "kind": "conversion", "role": "primary"},
            {"key": "revenue", "event": "purchase", "kind": "sum", "property": "amount"}]})];
    let meta = RevisionMeta { created_at: Timestamp::UNIX_EPOCH, author: "b".into(), message: "b".into() };
    let holder = runtime.block_on(async {
        store.put_revision(1, &encode(&documents).unwrap(), &meta).await.unwrap();
        store.flip_head(None, 1, &meta).await.unwrap();
        let holder = Arc::new(CatalogHolder::new(store.clone(), Snapshot::default()));
        holder.load().await.unwrap();
        holder
    });
    let snapshot = holder.held();
    assert!(snapshot.held_back.is_empty(), "{:?}", snapshot.held_back);
    let telemetry = Arc::new(Telemetry::new("bench", Level::Info, std::io::sink()));
    let kept = (JsonlArchive::new(folder.path().join("archive")), store.clone());
    let function = Processor::new(holder, store, kept, telemetry, Options::default());
    World { runtime, snapshot, function, _folder: folder }
}

/// The next 500 records of a shard, of the units from a number on.
fn batch(first_sequence: usize, first_unit: usize) -> Vec<u8> {
    let now = Timestamp::now();
    let records = (0..EVENTS).map(|n| {
        let unit = format!("user_{:08}", first_unit + n / OF_A_UNIT);
        let variant = if (n / OF_A_UNIT).is_multiple_of(2) { "control" } else { "treatment" };
        let sequence = format!("4961{:032}", first_sequence + n);
        let mut event = json!({"event_id": sequence, "unit": unit, "timestamp": now.as_millisecond()});
        let fields = event.as_object_mut().unwrap();
        if n.is_multiple_of(OF_A_UNIT) {
            fields.extend([("type".into(), json!("exposure")), ("experiment".into(), json!("checkout"))]);
            fields.insert("variant".into(), json!(variant));
        } else {
            fields.extend([("type".into(), json!("conversion")), ("event".into(), json!("purchase"))]);
            fields.insert("properties".into(), json!({"amount": 12.5, "currency": "EUR"}));
        }
        let bare = serde_json::to_string(&event).unwrap();
        let filling = "x".repeat(EVENT_BYTES - bare.len() - r#","page":"""#.len());
        let data = bare.replacen('{', &format!(r#"{{"page":"{filling}","#), 1).into_bytes();
        assert_eq!(data.len(), EVENT_BYTES);
        KinesisRecord { sequence, partition_key: unit, arrived: now, data }
    });
    kinesis::write("events", "shardId-000000000001", &records.collect::<Vec<_>>())
}

/// The work of the core on a batch of units that were never seen: everything but the ports.
fn all_of_core(world: &World, payload: &[u8]) -> usize {
    let batch = kinesis::read(payload, Timestamp::now()).unwrap();
    let [shard] = &batch.shards[..] else { panic!("one shard") };
    let items = shard.items(None, |_| false);
    assert!(items.iter().all(|item| matches!(item.what, ItemContent::Event(..))));
    black_box(wanted(&world.snapshot.catalog, &items));
    let known = Marks::default();
    let folded =
        fold(&world.snapshot.catalog, &shard.shard, &items, &known, Some(&RecentUnexposed::default()));
    // Of each unit its exposure and its conversion, and of each purchase its id.
    assert_eq!(folded.new_marks.len(), 2 * EVENTS / OF_A_UNIT + EVENTS - EVENTS / OF_A_UNIT);
    folded.commit(&items, (0, None), &TRANSACTION_LIMITS.commit).unwrap().rows.len()
}

fn events(criterion: &mut Criterion) {
    let world = world();
    let payload = batch(0, 0);

    let mut group = criterion.benchmark_group("events_500");
    group.bench_function("baseline: all of core, new units", |bencher| {
        bencher.iter(|| all_of_core(&world, black_box(&payload)));
    });
    let mut sequence = 0;
    for (name, units_of_a_batch) in [("handler, new units", EVENTS / OF_A_UNIT), ("handler, known units", 0)]
    {
        let mut unit = 0;
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                let mut taken = Duration::ZERO;
                for _ in 0..times {
                    let payload = batch(sequence, unit);
                    sequence += EVENTS;
                    unit += units_of_a_batch;
                    let start = std::time::Instant::now();
                    let deadline = Instant::now() + Duration::from_mins(1);
                    let handled = kinesis::handle(&world.function, black_box(&payload), deadline);
                    let outcome = world.runtime.block_on(handled).unwrap();
                    taken += start.elapsed();
                    assert!(outcome.response.batch_item_failures.is_empty(), "{outcome:?}");
                }
                taken
            });
        });
    }
    group.finish();
}

criterion_group!(benches, events);
criterion_main!(benches);
