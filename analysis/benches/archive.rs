//! Times the embedded engine on an archive of its own making.
//!
//! ```sh
//! cargo bench -p abx-analysis --features datafusion -- make FOLDER 10000000 1000000
//! cargo bench -p abx-analysis --features datafusion -- time FOLDER
//! ```
//!
//! `make` writes so many events of so many units; `time` answers a question of five metrics and prints seconds and peak memory.
//! `benches/peers.py` asks DuckDB and Polars the same of the same files.

use abx_analysis::embedded::EmbeddedEngine;
use abx_analysis::{Cap, Engine, Measure, MetricQuestion, Part, Question, analyze};
use jiff::Timestamp;
use std::error::Error;
use std::fmt::Write as _;
use std::fs::{File, create_dir_all};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

/// 2026-03-01.
const START: u64 = 1_772_323_200_000;
const DAYS: u64 = 14;
const DAY: u64 = 86_400_000;

/// A generator of numbers (`SplitMix64`), so that every machine makes the same archive.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// One exposure for each unit; the other events are views and purchases of any unit, before or after its exposure; one line of a hundred is
/// there twice.
fn make(folder: &Path, events: u64, units: u64) -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    for day in 0..DAYS {
        let date = Timestamp::from_millisecond(i64::try_from(START + day * DAY)?)?.to_string();
        let folder = folder.join(format!("day={}", date.split('T').next().unwrap_or_default()));
        create_dir_all(&folder)?;
        files.push(BufWriter::with_capacity(1 << 20, File::create(folder.join("events.jsonl"))?));
    }
    let mut random = Random(7);
    let mut line = String::new();
    for number in 0..events {
        let time = START + random.below(DAYS * DAY);
        let t = Timestamp::from_millisecond(i64::try_from(time)?)?;
        let arrived = Timestamp::from_millisecond(i64::try_from(time + random.below(2000))?)?;
        line.clear();
        if number < units {
            let variant = if random.below(2) == 0 { "control" } else { "redesign" };
            let platform = if random.below(3) == 0 { "ios" } else { "android" };
            writeln!(
                line,
                "{{\"_id\":\"events/shardId-000000000001:{number}\",\"arrived_at\":\"{arrived}\",\"type\":\"exposure\",\"unit\":\"user-{number}\",\
                 \"experiment\":\"checkout\",\"variant\":\"{variant}\",\"timestamp\":\"{t}\",\"sent\":{{\"type\":\"exposure\",\
                 \"event_id\":\"e{number}\",\"unit\":\"user-{number}\",\"experiment\":\"checkout\",\"variant\":\"{variant}\",\"epoch\":1,\
                 \"revision\":3,\"timestamp\":\"{t}\",\"dimensions\":{{\"platform\":\"{platform}\"}}}}}}"
            )?;
        } else {
            let unit = random.below(units);
            let event = if random.below(4) == 0 { "purchase" } else { "view" };
            let amount = random.below(1_000_000);
            writeln!(
                line,
                "{{\"_id\":\"events/shardId-000000000001:{number}\",\"arrived_at\":\"{arrived}\",\"type\":\"conversion\",\"unit\":\"user-{unit}\",\
                 \"event\":\"{event}\",\"timestamp\":\"{t}\",\"sent\":{{\"type\":\"conversion\",\"event_id\":\"c{number}\",\
                 \"user_id\":\"user-{unit}\",\"event\":\"{event}\",\"timestamp\":\"{t}\",\
                 \"properties\":{{\"amount\":{}.{:02},\"currency\":\"EUR\"}}}}}}",
                amount / 100,
                amount % 100
            )?;
        }
        let day = usize::try_from((time - START) / DAY)?;
        let Some(file) = files.get_mut(day) else { continue };
        for _ in 0..=u8::from(random.below(100) == 0) {
            file.write_all(line.as_bytes())?;
        }
    }
    files.into_iter().try_for_each(|mut file| file.flush())?;
    Ok(())
}

/// Conversion, count, capped sum with a covariate, mean over events, and a ratio.
fn question() -> Result<Question, Box<dyn Error>> {
    let part = |event: &str, measure: Measure| Part { event: event.to_owned(), measure };
    let sum = || Measure::Sum { property: "amount".to_owned() };
    Ok(Question {
        dimension: Some("platform".to_owned()),
        metrics: vec![
            MetricQuestion::new("conversion", part("purchase", Measure::Once)),
            MetricQuestion::new("views", part("view", Measure::Count)),
            MetricQuestion {
                cap: Some(Cap::Value("25000".parse()?)),
                covariate_ms: Some(7 * DAY),
                ..MetricQuestion::new("revenue", part("purchase", sum()))
            },
            MetricQuestion::mean("basket", "purchase", "amount"),
            MetricQuestion {
                denominator: Some(part("view", Measure::Count)),
                window_to_ms: Some(3 * DAY),
                ..MetricQuestion::new("per_view", part("purchase", sum()))
            },
        ],
        ..Question::new("checkout", 1)
    })
}

/// The peak of this process's memory, in MiB; 0 where the system does not say.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// The seconds that this process kept processors busy, which other processes of the machine change less than the time; 0 where the system does
/// not say.
fn busy_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // User and system time, in hundredths.
    fields.skip(11).take(2).filter_map(|it| it.parse::<f64>().ok()).sum::<f64>() / 100.0
}

#[expect(clippy::print_stdout, reason = "the output of a program")]
fn time(folder: &Path) -> Result<(), Box<dyn Error>> {
    let question = question()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let engine = EmbeddedEngine::new(folder).with_threads(2);
    let start = Instant::now();
    runtime.block_on(engine.prepare(&question.extract()))?;
    let before = busy_seconds();
    println!(
        "read {} lines in {:.2} s, busy {before:.2} s",
        engine.read().lines,
        start.elapsed().as_secs_f64()
    );
    drop(engine);
    let start = Instant::now();
    let answer = runtime.block_on(analyze(&EmbeddedEngine::new(folder).with_threads(2), &question))?;
    let busy = busy_seconds() - before;
    println!("answered in {:.2} s, busy {busy:.2} s, peak {} MiB", start.elapsed().as_secs_f64(), peak_mib());
    let last = answer.checks.last_day.unwrap_or_default();
    for metric in &question.metrics {
        for (group, sums) in answer.at(Some(&metric.key), last) {
            println!(
                "{} {} {:?}: n {}, x {}, y {}, c {}, xx {}",
                metric.key, group.variant, group.dimension, sums.units, sums.x, sums.y, sums.c, sums.xx
            );
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["make", folder, events, units] => make(Path::new(folder), events.parse()?, units.parse()?),
        ["time", folder] => time(Path::new(folder)),
        // `cargo bench` and `cargo test --benches` pass options of their own.
        _ => Ok(()),
    }
}
