//! The event function in a storm: whatever fails, whenever it dies, however often and in which portions records come, each
//! count is what happened.
//!
//! `ABX_CHAOS_SEEDS` runs as many seeds, `ABX_CHAOS_SECONDS` as many as fit into so many seconds, both from `ABX_CHAOS_FIRST` on;
//! `ABX_CHAOS_SEED` runs one of them.
//!
//! | fault of the matrix | test |
//! |---|---|
//! | 1 throttles, 2 lost answers, 3 late writes, 4 silence | `fault_01_…` to `fault_04_…` here; with the SDK in `contract/` |
//! | 5 unprocessed keys, 6 and 7 partial failures of Firehose and Kinesis | `contract/` |
//! | 8 redelivery, 9 bisect and rewind, 10 crashes, 11 zombies, 12 resharding, 13 given up and redriven, 14 duplicates | `fault_08_…` to `fault_14_…` here |
//! | 16 malformed | `fault_16_…` here; `abx-core`, `event::batch` and `event::data`, and every storm |
//! | 15 poison | `abx-core`, `event::batch` and `event::data`, and every storm; what a store refuses in `refusals` and every storm |
//! | 18 aggregated, 19 clocks, 20 sequence numbers | `abx-core`, `event::batch` and `event::data`, and every storm |
//! | 17 more rows than a transaction holds | `abx-core`, `counting`, and every storm: its transactions hold 5 to 11 rows, and a purchase of a unit in eight experiments takes up to 17 |
//! | exposures that are lost before the stream | `outbox`; every way to lose one in `abx_functions::outbox` |
//! | a catalog that cannot be read, or that another process knows first | `newest`, and every storm |
//! | several events in a record: aggregated, lines, a list, gzip | every storm; limits in `abx-core`, `event::unpack` |

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod newest;
mod outbox;
mod ports;
mod refusals;
mod storm;
mod truth;

use abx_core::event::Limits;
use abx_functions::adapters::TRANSACTION_LIMITS;
use abx_functions::events::NotHandled;
use abx_functions::sources::kinesis;
use ports::{Plan, Sabotage};
use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};
use storm::{Ended, World, compare, miscredited, run};
use truth::{Form, Happening, Record, START, Shard, What, story};

const EVERYTHING: Plan = Plan {
    refuse: 4,
    lose_answer: 4,
    late: 4,
    hang: 2,
    crash: 4,
    zombie: 15,
    redeliver: 20,
    restart: 15,
    give_up: 25,
    redrive: 15,
};
const NOTHING: Plan = Plan {
    refuse: 0,
    lose_answer: 0,
    late: 0,
    hang: 0,
    crash: 0,
    zombie: 0,
    redeliver: 0,
    restart: 0,
    give_up: 0,
    redrive: 0,
};
/// The number of records in a story.
const LENGTH: usize = 120;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// Runs seeds, from the first on, until there were enough.
fn seeds(plan: Plan, count: u64) {
    for seed in 0..count {
        check(seed, plan);
    }
}

fn check(seed: u64, plan: Plan) {
    if let Err(wrong) = run(seed, LENGTH, plan, Sabotage::Nothing) {
        panic!(
            "seed {seed} (again: ABX_CHAOS_SEED={seed} cargo test -p abx-functions --test chaos storm):\n{wrong}"
        );
    }
}

#[test]
fn storm() {
    if let Some(seed) = setting("ABX_CHAOS_SEED") {
        return check(seed, EVERYTHING);
    }
    let seconds = setting("ABX_CHAOS_SECONDS").map(Duration::from_secs);
    let count = setting("ABX_CHAOS_SEEDS").unwrap_or(if seconds.is_some() { u64::MAX } else { 60 });
    let first = setting("ABX_CHAOS_FIRST").unwrap_or(0);
    let start = Instant::now();
    let mut ran = 0;
    while ran < count && seconds.is_none_or(|limit| start.elapsed() < limit) {
        check(first + ran, EVERYTHING);
        ran += 1;
    }
    println!("{ran} seeds, 0 wrong counts, {:.1} s", start.elapsed().as_secs_f64());
}

/// Declares a test for each kind of fault: so many seeds of each plan.
macro_rules! faults {
    ($($(#[$attribute:meta])* $name:ident: $count:literal of $({ $($fault:ident: $percent:literal),* })*;)*) => {$(
        #[test]
        $(#[$attribute])*
        fn $name() {
            $(seeds(Plan { $($fault: $percent,)* ..NOTHING }, $count);)*
        }
    )*};
}

faults! {
    without_faults_all_is_counted_at_once: 12 of {};
    fault_01_throttled: 12 of { refuse: 25 };
    fault_02_written_and_not_acknowledged: 12 of { lose_answer: 25 };
    fault_03_written_after_the_retry: 12 of { late: 25, restart: 30 };
    /// Each invocation answers 300 ms before its deadline; see `Process::invoke`.
    fault_04_silence: 12 of { hang: 25 };
    fault_08_delivered_again_hours_later: 12 of { redeliver: 60, restart: 30 };
    fault_09_cut_and_rewound: 12 of { refuse: 10, crash: 10, redeliver: 30 };
    fault_11_a_zombie_beside_the_retry: 12 of { zombie: 80, lose_answer: 10 };
    /// Every second story has a shard that is split; its units go on in the children. In every second one two shards are merged.
    fault_12_resharded: 12 of { crash: 10, restart: 50 };
    /// A failed batch in two is given up, and redriven at any later time.
    fault_13_given_up_and_redriven: 24 of
        { refuse: 15, lose_answer: 5, give_up: 50, redrive: 10 }
        { crash: 15, late: 5, zombie: 30, give_up: 50, redrive: 30 };
    /// One record in twelve is sent twice by its producer, under another sequence number; one in twenty to another shard, up to two
    /// days later.
    fault_14_sent_twice: 12 of { restart: 60 };
}

/// Lambda's answer can name no record then, and an answer that names none says that all is well.
#[test]
fn fault_16_records_without_a_number_that_cannot_be_kept() {
    blocking(async {
        let mut world = World::new(0, Plan { refuse: 100, ..NOTHING }, Sabotage::Nothing).await;
        let process = world.start(TRANSACTION_LIMITS.commit).await;
        let batch = br#"{"Records": [{"kinesis": {"data": "e30="}}]}"#;
        let deadline = || tokio::time::Instant::now() + Duration::from_secs(30);
        let error = kinesis::handle(&process.function, batch, deadline()).await.unwrap_err();
        assert!(matches!(error, NotHandled::Nameless(_)), "{error}");
        world.faults.lock().unwrap().plan = NOTHING;
        let outcome = kinesis::handle(&process.function, batch, deadline()).await.unwrap();
        assert_eq!((outcome.unplaced, outcome.response.batch_item_failures.len()), (1, 0));
        assert_eq!(world.state.lock().unwrap().quarantine.len(), 1);
    });
}

fn blocking<T>(work: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(work)
}

fn one_shard(seed: u64, length: usize) -> Shard {
    let mut random = fastrand::Rng::with_seed(seed);
    story(&mut random, length * 2).swap_remove(1)
}

/// A world without faults, in which a second catalog is published.
async fn two_catalogs() -> World {
    let world = World::new(0, NOTHING, Sabotage::Nothing).await;
    world.publish_second().await;
    world
}

/// Transactions of few rows, so that a batch takes several.
const TIGHT: Limits = Limits { rows: 6, counters: 250, ids: 5_000, items: usize::MAX };

#[test]
fn fault_10_a_crash_before_or_after_any_step() {
    let shard = one_shard(5, 20);
    let steps = blocking(async {
        let mut world = two_catalogs().await;
        let process = world.start(TIGHT).await;
        assert_eq!(process.invoke(&shard, &shard.records).await, Ended::Done);
        world.faults.lock().unwrap().calls
    });
    assert!(steps > 8, "{steps} calls: marks, quarantine, archive and several commits");
    for step in 1..=steps {
        for after in [false, true] {
            blocking(async {
                let mut world = two_catalogs().await;
                world.faults.lock().unwrap().crash_at = Some((step, after));
                let process = world.start(TIGHT).await;
                let ended = process.invoke(&shard, &shard.records).await;
                // A refusal cuts off what runs beside it, which may have made one call more or less by then.
                let came = world.faults.lock().unwrap().calls >= step;
                assert_eq!(ended, if came { Ended::Crashed } else { Ended::Done }, "step {step}");
                assert!(came || step > steps * 9 / 10, "step {step} of {steps}");
                world.faults.lock().unwrap().crash_at = None;
                let process = world.start(TIGHT).await;
                assert_eq!(process.invoke(&shard, &shard.records).await, Ended::Done, "step {step}");
                compare(&world, std::slice::from_ref(&shard))
                    .unwrap_or_else(|wrong| panic!("step {step}, after {after}:\n{wrong}"));
            });
        }
    }
}

/// All interleavings of two processes: every order of six calls of each.
#[test]
fn fault_11_every_interleaving_of_two() {
    let shard = one_shard(3, 6);
    let mut orders = 0;
    for turns in orders_of_two() {
        orders += 1;
        blocking(async {
            let mut world = two_catalogs().await;
            let (one, two) =
                (world.start(TRANSACTION_LIMITS.commit).await, world.start(TRANSACTION_LIMITS.commit).await);
            world.faults.lock().unwrap().turns = turns.clone();
            let (one, two) =
                tokio::join!(one.invoke(&shard, &shard.records), two.invoke(&shard, &shard.records));
            assert!(one == Ended::Done || two == Ended::Done, "{one:?} {two:?}");
            compare(&world, std::slice::from_ref(&shard))
                .unwrap_or_else(|wrong| panic!("order {turns:?}:\n{wrong}"));
        });
    }
    assert_eq!(orders, 924);
}

/// A unit whose exposures and purchases are in two shards, as after a change of partition keys: whichever shard's mark is
/// first, no line of the archive says what was not counted.
#[test]
fn a_unit_in_two_shards_is_archived_as_it_is_counted() {
    let event = |shard: usize, number: i64, what| {
        let (id, time) = (format!("{shard}-{number}"), START + number * 1000);
        let happenings = vec![Happening { id, unit: "u".to_owned(), time, what }];
        Record { sequence: 1000 + number.unsigned_abs(), arrived: time, happenings, form: Form::Plain }
    };
    let shards = ["a", "b"].map(|variant| {
        let shard = usize::from(variant == "b");
        let records = vec![
            event(shard, 0, What::Purchase(1.0)),
            event(shard, 1 + i64::from(variant == "b"), What::Exposure("checkout", variant)),
            event(shard, 3, What::Purchase(2.0)),
        ];
        Shard { name: format!("events/shardId-{shard:012}"), parents: Vec::new(), records }
    });
    for turns in orders_of_two() {
        blocking(async {
            let mut world = two_catalogs().await;
            let (one, two) =
                (world.start(TRANSACTION_LIMITS.commit).await, world.start(TRANSACTION_LIMITS.commit).await);
            world.faults.lock().unwrap().turns = turns.clone();
            let [a, b] = &shards;
            let ended = tokio::join!(one.invoke(a, &a.records), two.invoke(b, &b.records));
            assert_eq!(ended, (Ended::Done, Ended::Done));
            assert_eq!(miscredited(&world.state.lock().unwrap(), &BTreeSet::new()), "", "{turns:?}");
        });
    }
}

/// Every order in which two processes can make their first six calls.
fn orders_of_two() -> impl Iterator<Item = VecDeque<usize>> {
    let orders = (0..1_u32 << 12).filter(|bits| bits.count_ones() == 6);
    orders.map(|bits| (0..12).map(|step| if bits >> step & 1 == 1 { 1 } else { 2 }).collect())
}

/// True if one of a few seeds shows that something is broken.
fn is_caught(sabotage: Sabotage) -> bool {
    is_caught_within(LENGTH, sabotage)
}

fn is_caught_within(length: usize, sabotage: Sabotage) -> bool {
    (0..60).any(|seed| run(seed, length, EVERYTHING, sabotage).is_err())
}

#[test]
fn the_storm_catches_a_forgotten_ledger() {
    assert!(is_caught(Sabotage::Ledger));
}

#[test]
fn the_storm_catches_forgotten_conversions_that_overtook_their_exposure() {
    assert!(is_caught(Sabotage::Unexposed));
}

#[test]
fn the_storm_catches_a_head_that_names_no_part() {
    // A short story: an event in parts is counted again and again, until its batch runs out of time.
    assert!(is_caught_within(LENGTH / 8, Sabotage::Part));
}

#[test]
fn the_storm_catches_a_head_without_condition() {
    assert!(is_caught(Sabotage::Condition));
}

#[test]
fn the_storm_catches_marks_that_do_not_know_their_owner() {
    assert!(is_caught(Sabotage::Owner));
}

#[test]
fn the_storm_catches_rows_that_are_written_before_the_head() {
    assert!(is_caught(Sabotage::Order));
}

#[test]
fn the_storm_catches_ids_that_are_forgotten() {
    assert!(is_caught(Sabotage::Ids));
}

#[test]
fn the_storm_catches_a_redrive_without_guards() {
    assert!(is_caught(Sabotage::Guard));
}

#[test]
fn the_storm_catches_a_log_without_beginnings() {
    assert!(is_caught(Sabotage::Log));
}

#[test]
fn the_storm_catches_a_redrive_under_new_positions() {
    assert!(is_caught(Sabotage::NewPositions));
}

#[test]
fn the_storm_catches_a_catalog_that_is_published_too_late() {
    assert!(is_caught(Sabotage::Catalog));
}

#[test]
fn the_storm_catches_an_archive_that_forgets() {
    assert!(is_caught(Sabotage::Archive));
}
