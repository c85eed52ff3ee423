//! How long the functions take over stores with drawn latencies and faults: the real handlers, the real adapters and the real
//! SDK, over services in the same process (`aws`). The clock is paused, so a run depends on its seed and not on the machine:
//! it counts what calls wait for each other, and not what they compute. `cargo bench -p abx-functions --bench latency` has
//! both, over sockets.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests fail by panicking, and report measurements"
)]

mod aws;
mod world;

use aws::{Aws, FAULTS, Plan, in_process};
use std::time::Duration;
use world::{Assigned, Shape, assign, batches, percentile, ports};

fn virtually<T>(work: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(work)
}

/// How long batches take, P50 and the longest of 30.
fn batches_take(shape: Shape) -> (f64, f64) {
    let taken = virtually(async {
        let config = in_process(&Aws::new(Plan::USUAL, 14));
        batches(&config, ports(&config), shape, 30).await
    });
    let (p50, most) = (percentile(&taken, 50.0), percentile(&taken, 100.0));
    eprintln!("{shape:?}: P50 {p50:.1} ms, the longest {most:.1} ms");
    (p50, most)
}

const NEW: Shape = Shape { records: 500, of_a_unit: 1, known: false };

#[test]
fn new_units_wait_for_each_other_as_little_as_they_can() {
    batches_take(NEW);
    batches_take(Shape { records: 250, ..NEW });
    batches_take(Shape { known: true, ..NEW });
    batches_take(Shape { of_a_unit: 5, ..NEW });
}

fn assigned(plan: Plan, users: usize) -> Assigned {
    let assigned = virtually(async {
        let aws = Aws::new(plan, 15);
        assign(&in_process(&aws), &aws, users).await
    });
    let Assigned { persisted, stored, taken } = &assigned;
    let (p50, p99) = (percentile(taken, 50.0), percentile(taken, 99.0));
    eprintln!(
        "{:?}: {persisted} persisted, {stored} stored of {users}, P50 {p50:.1}, P99 {p99:.1} ms",
        plan.fault
    );
    assigned
}

#[test]
fn a_slow_tail() {
    assigned(Plan::SLOW_PUTS, 2000);
}

#[test]
fn faults() {
    for fault in FAULTS {
        for share in [0.03, 0.1, 1.0] {
            assigned(Plan { fault: Some((fault, share)), ..Plan::USUAL }, 250);
        }
    }
    let _ = Duration::ZERO;
}
