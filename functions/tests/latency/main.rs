//! The latency of the functions over stores with drawn latencies and faults: the real handlers, the real adapters and the real
//! SDK, over services in the same process (`aws`). The clock is paused, so a run depends on its seed and not on the machine:
//! it counts what calls wait for each other, and not what they compute. `cargo bench -p abx-functions --bench latency` has
//! both, over sockets.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod aws;
mod in_process;
mod world;

use aws::{Aws, FAULTS, Fault, Plan};
use in_process::in_process;
use world::{Assigned, Shape, assign, assign_half_known, batches, percentile, ports};

fn virtually<T>(work: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(work)
}

const NEW: Shape = Shape { records: 500, of_a_unit: 1, known: false };

/// Runs some batches, whose P50 and longest time have their limits, in milliseconds.
fn batches_take(shape: Shape, p50: f64, most: f64) {
    let taken = virtually(async {
        let config = in_process(&Aws::new(Plan::USUAL, 14));
        batches(&config, ports(&config), shape, 10).await
    });
    let took = (percentile(&taken, 50.0), percentile(&taken, 100.0));
    assert!(took.0 <= p50 && took.1 <= most, "{shape:?}: P50 {:.1} ms, at most {:.1} ms", took.0, took.1);
}

#[test]
fn five_hundred_new_units() {
    batches_take(NEW, 80.0, 120.0);
}

#[test]
fn two_hundred_and_fifty_new_units() {
    batches_take(Shape { records: 250, ..NEW }, 60.0, 120.0);
}

#[test]
fn new_units_that_also_convert() {
    // The marks of their ids stand before the archive, which is one wait more.
    batches_take(Shape { of_a_unit: 5, ..NEW }, 120.0, 160.0);
}

#[test]
fn known_units() {
    batches_take(Shape { known: true, ..NEW }, 50.0, 100.0);
}

/// Assigns users, each answered within 50 ms but for one in a hundred, and at least so many of them stored.
fn assigned(plan: Plan, users: usize, are_half_known: bool, persisted: usize) -> Assigned {
    let assigned = virtually(async {
        let aws = Aws::new(plan, 15);
        let config = in_process(&aws);
        if are_half_known {
            assign_half_known(&config, &aws, users).await
        } else {
            assign(&config, &aws, 0..users).await
        }
    });
    let p99 = percentile(&assigned.taken, 99.0);
    assert!(assigned.persisted >= persisted, "{:?}: {} persisted", plan.fault, assigned.persisted);
    assert!(p99 <= 50.0, "{:?}: P99 {p99:.1} ms", plan.fault);
    assigned
}

#[test]
fn writes_with_a_long_tail_are_stored() {
    assigned(Plan::SLOW_PUTS, 1000, false, 980);
}

/// A read before each of them leaves a write less time.
#[test]
fn writes_after_reads_are_stored() {
    assigned(Plan::SLOW_PUTS, 1000, true, 980);
    for fault in FAULTS {
        assigned(Plan { fault: Some((fault, 0.1)), ..Plan::USUAL }, 250, true, 240);
    }
}

#[test]
fn a_store_that_fails_now_and_then_stores_nearly_all() {
    for fault in FAULTS {
        for (share, persisted) in [(0.03, 248), (0.1, 240), (0.3, 200)] {
            let Assigned { stored, .. } =
                assigned(Plan { fault: Some((fault, share)), ..Plan::USUAL }, 250, false, persisted);
            assert!(
                stored == 250 || fault == Fault::Throttled || share > 0.1,
                "{fault:?} {share}: {stored} stored"
            );
        }
    }
}

#[test]
fn a_store_that_always_fails_is_left_alone() {
    for fault in FAULTS {
        let assigned = assigned(Plan { fault: Some((fault, 1.0)), ..Plan::USUAL }, 250, false, 0);
        assert_eq!(assigned.persisted, 0);
        let asked = assigned.taken.iter().filter(|taken| !taken.is_zero()).count();
        assert!(asked <= 5 + 5, "{fault:?}: five, and a probe in each of five seconds, but {asked} asked");
    }
}
