//! From exec to the first answer, and the memory of it. `e2e/bootstrap/run` runs this on release builds.

use crate::aws::{Aws, documents};
use crate::lambda::Process;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The number of starts of each program.
const RUNS: usize = 20;
/// Requests after the first, for the memory.
const REQUESTS: usize = 500;
/// Half of the starts may take this long at most.
const MAX_START: Duration = Duration::from_millis(50);
/// The most memory, in KiB.
const MAX_KIB: u64 = 40 * 1024;

/// The measurements of one program.
struct Measured {
    starts: Vec<Duration>,
    kib: u64,
}

async fn measure(program: &str, payload: impl Fn(usize) -> Value) -> Measured {
    let mut measured = Measured { starts: Vec::new(), kib: 0 };
    for run in 0..RUNS {
        // Tables of its own, so that each first answer stores something.
        let aws = Aws::start().await;
        aws.publish(1, &documents()).await;
        let vars = aws.vars();
        let start = Instant::now();
        let mut process = Process::start(program, &vars).await;
        let (status, body) = process.invoke(&payload(run)).await;
        measured.starts.push(start.elapsed());
        assert_eq!(status, 200, "{body}");
        // The memory hardly differs between runs; one of them shows what requests add.
        for user in 0..if run == 0 { REQUESTS } else { 0 } {
            process.invoke(&payload(RUNS + user)).await;
        }
        measured.kib = measured.kib.max(process.peak_kib());
        process.terminate().await;
    }
    measured.starts.sort();
    measured
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement of the programs that ABX_ASSIGNMENT and ABX_FLAGS name; e2e/bootstrap/run runs it"]
async fn the_first_answer_is_soon_and_needs_little_memory() {
    let program = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} names no program"));
    let (assignment, flags) = (program("ABX_ASSIGNMENT"), program("ABX_FLAGS"));
    let assign = |user| json!({"user_id": format!("u{user}"), "experiment_key": "e"});
    let evaluate = |user| json!({"user_id": format!("u{user}"), "flag_key": "f"});
    let mut missed = Vec::new();
    for (name, measured) in
        [("assignment", measure(&assignment, assign).await), ("flags", measure(&flags, evaluate).await)]
    {
        let ms = |index: usize| measured.starts[index].as_secs_f64() * 1000.0;
        let mib = measured.kib / 1024;
        let p50 = RUNS / 2;
        println!("| {name} | {:.1} ms | {:.1} ms | {:.1} ms | {mib} MiB |", ms(0), ms(p50), ms(RUNS - 1));
        if measured.starts[p50] > MAX_START || measured.kib >= MAX_KIB {
            missed.push(name);
        }
    }
    assert!(missed.is_empty(), "over 50 ms or over 40 MiB: {missed:?}");
}
