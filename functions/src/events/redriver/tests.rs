use super::*;
use crate::adapters::TRANSACTION_LIMITS;
use crate::adapters::embedded::EmbeddedStore;
use crate::catalog::{Snapshot, encode};
use crate::events::quarantined;
use crate::ports::{ArchiveLine, Quarantined, RevisionMeta, RowsOf, TransactionLimits};
use crate::sources::kinesis::KinesisRecord;
use abx_core::event::{Batch, Commit, Limits, Totals};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

/// An archive that takes everything and keeps nothing, or nothing.
#[derive(Debug)]
struct Nowhere {
    fails: bool,
}

impl Archive for Nowhere {
    async fn append(&self, _: &[ArchiveLine]) -> PortResult<()> {
        if self.fails { Err(PortError::transient("no archive")) } else { Ok(()) }
    }
}

type Store = EmbeddedStore;

const SHARD: &str = "events/shardId-000000000001";

async fn store() -> Store {
    store_with(TRANSACTION_LIMITS).await
}

async fn store_with(limits: TransactionLimits) -> Store {
    let store = EmbeddedStore::in_memory().unwrap().with_limits(limits);
    let experiment = json!({"experiment": "e", "status": "active", "variants": [{"key": "a"}, {"key": "b"}],
        "metrics": [{"key": "paid", "event": "paid", "kind": "count"}]});
    let meta = RevisionMeta { created_at: Timestamp::now(), author: "t".into(), message: String::new() };
    store.put_revision(1, &encode(&[experiment]).unwrap(), &meta).await.unwrap();
    store.flip_head(None, 1, &meta).await.unwrap();
    store
}

fn catalog(store: &Store) -> Arc<CatalogHolder<Store>> {
    Arc::new(CatalogHolder::new(store.clone(), Snapshot::default()))
}

/// A redriver as another process has it: it remembers nothing.
fn redriver(store: &Store) -> Redriver<Store, Store, Nowhere, Store> {
    Redriver::new(catalog(store), store.clone(), (Nowhere { fails: false }, store.clone()))
}

fn batch(records: &[(u64, Value)]) -> Batch {
    let record = |(sequence, event): &(u64, Value)| KinesisRecord {
        sequence: sequence.to_string(),
        partition_key: "u".to_owned(),
        arrived: "2026-11-24T10:11:12Z".parse().unwrap(),
        data: event.to_string().into_bytes(),
    };
    let shard = Arc::from(SHARD);
    Batch::from_records(records.iter().map(|it| record(it).into_record(&shard).unwrap()))
}

fn shard_batch(records: &[(u64, Value)]) -> ShardBatch {
    batch(records).shards.remove(0)
}

/// Delivers records as Lambda does; whether all were counted.
async fn deliver(store: &Store, records: &[(u64, Value)], fails: bool) -> bool {
    let kept = (Nowhere { fails }, store.clone());
    let telemetry = Arc::new(Telemetry::silent("events"));
    let processor = Processor::new(catalog(store), store.clone(), kept, telemetry, Options::default());
    let outcome = processor.count(batch(records), Instant::now() + PATIENCE).await.unwrap();
    outcome.response.batch_item_failures.is_empty()
}

fn exposure(unit: &str, variant: &str) -> Value {
    json!({"type": "exposure", "unit": unit, "experiment": "e", "variant": variant})
}

fn paid(unit: &str) -> Value {
    json!({"type": "conversion", "user_id": unit, "event": "paid"})
}

async fn totals(store: &Store) -> Totals {
    let rows = store.rows(RowsOf::Experiment { experiment: "e", epoch: 1 }).await.unwrap();
    crate::ports::totals(&rows)
}

/// Units and payments of the variant `a`.
async fn counts(store: &Store) -> (u64, u64) {
    let variant = totals(store).await.variants.remove("a").unwrap_or_default();
    (variant.units, variant.metrics.get("paid").map_or(0, |metric| metric.events))
}

async fn redrive(store: &Store, origin: RedriveSource, batch: &ShardBatch) -> Redriven {
    let (redriven, ended) = redriver(store).redrive(origin, batch).await;
    ended.unwrap();
    assert_eq!(redriven.sum(), batch.payloads.len() as u64);
    redriven
}

fn numbers(redriven: &Redriven) -> (u64, u64, usize) {
    (redriven.counted.sum(), redriven.already_counted, redriven.refused.len())
}

#[tokio::test]
async fn a_first_exposure_that_was_given_up_stays_one() {
    let store = store().await;
    let given_up = [(5, exposure("u", "a")), (6, paid("u"))];
    assert!(!deliver(&store, &given_up, true).await, "its marks stand, and nothing is counted");
    assert!(deliver(&store, &[(7, paid("u")), (8, exposure("u", "b"))], false).await);
    assert_eq!(counts(&store).await, (0, 1), "the mark credits what comes later");
    let given_up = shard_batch(&given_up);
    let standings = redriver(&store).standings(RedriveSource::Stream, &given_up).await.unwrap();
    assert_eq!(standings, [RecordStanding::GivenUp; 2]);
    assert_eq!(numbers(&redrive(&store, RedriveSource::Stream, &given_up).await), (2, 0, 0));
    assert_eq!(numbers(&redrive(&store, RedriveSource::Stream, &given_up).await), (0, 2, 0));
    assert_eq!(counts(&store).await, (1, 2));
}

#[tokio::test]
async fn a_plan_says_what_becomes_of_each_record() {
    let store = store().await;
    for records in [[(10, paid("u")), (11, paid("u"))], [(20, paid("u")), (21, paid("u"))]] {
        assert!(deliver(&store, &records, false).await);
    }
    let standings = async |records: &[(u64, Value)]| {
        redriver(&store).standings(RedriveSource::Stream, &shard_batch(records)).await.unwrap()
    };
    let asked = [9, 11, 15, 20, 30].map(|sequence| (sequence, paid("u")));
    let mut asked = asked.to_vec();
    asked.insert(3, (16, json!("nothing")));
    let refused = RecordStanding::Refused(RefusalReason::Rejected(RejectionReason::WrongType));
    let (given_up, counted, ahead) =
        (RecordStanding::GivenUp, RecordStanding::Counted, RecordStanding::Ahead);
    assert_eq!(standings(&asked).await, [given_up, counted, given_up, refused, counted, ahead]);
    // A month later.
    store.with(|connection| connection.execute("DELETE FROM commits WHERE number = 0", ())).unwrap();
    let beyond = RecordStanding::Refused(RefusalReason::BeyondReach);
    assert_eq!(standings(&asked).await, [beyond, beyond, beyond, beyond, counted, ahead]);
    let redriven = redrive(&store, RedriveSource::Stream, &shard_batch(&asked)).await;
    assert_eq!(numbers(&redriven), (1, 1, 4));
}

fn quarantined_record(id: &str, data: &Value) -> Quarantined {
    let (reason, detail) = ("panicked".to_owned(), String::new());
    let data = data.to_string().into_bytes();
    Quarantined { id: id.to_owned(), reason, detail, arrived: Timestamp::now(), data }
}

async fn release(store: &Store, record: &Quarantined) -> Redriven {
    redrive(store, RedriveSource::Quarantine, &quarantined(record).unwrap()).await
}

/// A store that counted the first records of a shard as rejected.
async fn store_with_rejected() -> Store {
    let store = store().await;
    let records: Vec<_> = (7..=9).map(|sequence| (sequence, json!("rejected"))).collect();
    assert!(deliver(&store, &records, false).await);
    store
}

#[tokio::test]
async fn a_quarantined_record_counts_once_however_often_it_is_redriven() {
    let store = store_with_rejected().await;
    let records = [exposure("u", "a"), paid("u"), paid("u")];
    let records: Vec<_> =
        (7..).zip(&records).map(|(at, it)| quarantined_record(&format!("{SHARD}:{at}"), it)).collect();
    for expected in [(1, 0, 0), (0, 1, 0), (0, 1, 0)] {
        for record in &records {
            assert_eq!(numbers(&release(&store, record).await), expected, "{}", record.id);
        }
    }
    assert_eq!(counts(&store).await, (1, 2));
}

#[tokio::test]
async fn two_quarantined_records_of_one_event_count_once() {
    let store = store_with_rejected().await;
    let mut payment = paid("u");
    payment["event_id"] = json!("p1");
    release(&store, &quarantined_record(&format!("{SHARD}:7"), &exposure("u", "a"))).await;
    for sequence in [8, 9] {
        release(&store, &quarantined_record(&format!("{SHARD}:{sequence}"), &payment)).await;
    }
    assert_eq!(counts(&store).await, (1, 1));
}

#[tokio::test]
async fn what_is_refused_again_leaves_no_trace() {
    let store = store_with_rejected().await;
    let before = store.rows(RowsOf::Stream).await.unwrap();
    let broken = quarantined_record(&format!("{SHARD}:8"), &json!({"type": "thought", "user_id": "u"}));
    let not_yet = quarantined_record(&format!("{SHARD}:10"), &paid("u"));
    for _ in 0..2 {
        let refused = release(&store, &broken).await.refused;
        assert_eq!(refused[0].reason.as_str(), "unknown_type");
        assert_eq!(release(&store, &not_yet).await.refused[0].reason, RefusalReason::NotYetCounted);
    }
    assert_eq!(store.rows(RowsOf::Stream).await.unwrap(), before);
    // A newer abx knows the type: here, the record itself is mended.
    let mended = Quarantined { data: paid("u").to_string().into_bytes(), ..broken };
    let counted = release(&store, &mended).await.counted;
    assert_eq!((counted.sum(), counted.count(RecordClass::Unattributed)), (1, 1));
}

/// A batch that was given up has a record that is refused: the redrive of the batch counts it as rejected, which must not keep it from
/// being counted out of quarantine later. One that was counted by the redrive must not be counted again.
#[tokio::test]
async fn a_record_in_a_bucket_and_in_quarantine_counts_once() {
    let store = store().await;
    assert!(deliver(&store, &[(9, exposure("u", "a"))], false).await);
    let given_up = shard_batch(&[(5, json!("broken")), (6, paid("u"))]);
    assert_eq!(numbers(&redrive(&store, RedriveSource::Stream, &given_up).await), (1, 0, 1));
    assert_eq!(numbers(&redrive(&store, RedriveSource::Stream, &given_up).await), (0, 2, 0));
    for (sequence, expected) in [(5, (1, 0, 0)), (6, (0, 1, 0)), (5, (0, 1, 0))] {
        let record = quarantined_record(&format!("{SHARD}:{sequence}"), &paid("u"));
        assert_eq!(numbers(&release(&store, &record).await), expected, "{sequence}");
    }
}

#[tokio::test]
async fn a_record_without_a_place_counts_once() {
    let store = store().await;
    deliver(&store, &[(1, exposure("u", "a"))], false).await;
    let whole = json!({"kinesis": {"sequenceNumber": "x", "data": STANDARD.encode(paid("u").to_string())}});
    let reason = RejectionReason::NoPosition.as_str().to_owned();
    let unplaced = Quarantined { reason, ..quarantined_record("unplaced:1", &whole) };
    assert_eq!(numbers(&release(&store, &unplaced).await), (1, 0, 0));
    assert_eq!(numbers(&release(&store, &unplaced).await), (0, 1, 0));
    assert_eq!(counts(&store).await, (1, 1));
    let broken = Quarantined { data: b"{}".to_vec(), id: "unplaced:2".to_owned(), ..unplaced };
    assert_eq!(numbers(&release(&store, &broken).await), (0, 0, 1));
}

/// An exposure that was given up after its mark stood, and whose repetition was counted: it is a duplicate, and its unit's first.
#[tokio::test]
async fn a_duplicate_that_owns_its_units_mark_counts_the_unit() {
    let store = store().await;
    let mut event = exposure("u", "a");
    event["event_id"] = json!("x1");
    assert!(!deliver(&store, &[(5, event.clone())], true).await);
    assert!(deliver(&store, &[(6, event.clone())], false).await);
    let redriven = redrive(&store, RedriveSource::Stream, &shard_batch(&[(5, event)])).await;
    assert_eq!(redriven.counted.count(RecordClass::Duplicate), 1);
    let variant = totals(&store).await.variants.remove("a").unwrap();
    assert_eq!((variant.units, variant.exposures), (1, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Batches of a shard, counted, failed with their marks, or never delivered: a redrive of all of them counts each record once, and
    /// each is in one line of its report.
    #[test]
    fn every_record_read_is_counted_already_counted_or_refused(
        batches in prop::collection::vec((0..4_u8, prop::collection::vec((0..3_u8, 0..3_u8), 1..5)), 1..7),
        items in 1..4_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let redrive_limits = Limits { items, ..TRANSACTION_LIMITS.redrive };
            let limits = TransactionLimits { redrive: redrive_limits, ..TRANSACTION_LIMITS };
            let (store, straight) = (store_with(limits).await, store().await);
            let mut all = Vec::new();
            let mut counted = 0;
            for (fate, events) in batches {
                let first = all.len() as u64;
                let event = |(sequence, (kind, unit)): (u64, (u8, u8))| {
                    let unit = format!("u{unit}");
                    (sequence, match kind { 0 => exposure(&unit, "a"), 1 => paid(&unit), _ => json!("broken") })
                };
                let records: Vec<_> = (first..).zip(events).map(event).collect();
                match fate {
                    0 | 1 => {
                        assert!(deliver(&store, &records, false).await);
                        counted += records.len() as u64;
                    }
                    // Without an event it has nothing to archive.
                    2 if deliver(&store, &records, true).await => counted += records.len() as u64,
                    _ => {}
                }
                all.extend(records);
            }
            deliver(&straight, &all, false).await;
            let batch = shard_batch(&all);
            let redriven = redrive(&store, RedriveSource::Stream, &batch).await;
            assert_eq!(redriven.already_counted, counted);
            let again = redrive(&store, RedriveSource::Stream, &batch).await;
            assert_eq!(numbers(&again), (0, all.len() as u64, 0));
            let exposures = |totals: Totals| totals.variants.get("a").map_or((0, 0), |it| (it.units, it.exposures));
            assert_eq!(exposures(totals(&store).await), exposures(totals(&straight).await));
        });
    }
}

/// An event that takes several transactions, of which some were written before its batch was given up.
#[tokio::test]
async fn what_is_left_of_a_record_is_counted() {
    let store = store().await;
    assert!(deliver(&store, &[(1, exposure("u", "a"))], false).await);
    let state = store.shard(SHARD).await.unwrap();
    let position = |text: &str| -> Position { text.parse().unwrap() };
    // It stands for a larger catalog, in which `e` is one of many.
    let part = Commit {
        upto: 0,
        first: position("5"),
        head: position("5@e/paid"),
        ids: Vec::new(),
        unexposed: Vec::new(),
        rows: Vec::new(),
    };
    store.commit(SHARD, &state, &part).await.unwrap();
    assert!(deliver(&store, &[(9, paid("v"))], false).await);
    let redriven = redrive(&store, RedriveSource::Stream, &shard_batch(&[(5, paid("u"))])).await;
    assert_eq!(numbers(&redriven), (1, 0, 0));
    assert_eq!(counts(&store).await, (1, 0), "the payment was in the part that is written");
}
