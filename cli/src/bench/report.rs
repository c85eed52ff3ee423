//! The report of a run.

use super::cost::Cost;
use super::enroll::Enrollment;
use super::gates::{Gate, GateName};
use super::load::Measured;
use super::tally::{BenchTally, Bin, Latency};
use super::target::{BenchTarget, Product};
use super::{Args, Rate};
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::render::numbers::{bar, count, percent, share};
use crate::render::style::{BAD, DIM, GOOD, TITLE};
use crate::render::table;
use crate::report::Report;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Latencies, failures and limits of a run. All times of latencies are in milliseconds.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct BenchReport {
    target: String,
    /// The product's function.
    product: Option<Product>,
    /// Requests a second, as asked for; `null` for as many as the connections take.
    rate: Option<f64>,
    duration_seconds: f64,
    ramp_seconds: f64,
    connections: u16,
    /// True if the users of the requests were enrolled; `null` where the target enrolls nobody.
    enrollment: Option<Enrollment>,
    /// Requests that were measured: answered, failed and not sent.
    requests: u64,
    /// Requests that succeeded: an answer of 400 or above is a failure.
    answered: u64,
    /// Successes a second.
    throughput: f64,
    /// Requests that were due and never sent, because all connections were waiting for answers.
    not_sent: u64,
    /// Requests sent more than 10 ms after they were due, for the same reason.
    late: u64,
    /// Requests whose connection the server had closed while it was idle: they went over another one, and that is no failure.
    reopened: u64,
    /// Requests that failed, by kind: `connect`, `time_out`, `broken`, `status_503`, `function_error`, `given_back`.
    failures: BTreeMap<String, u64>,
    /// Failed and not sent, of all requests: 0 to 1.
    error_share: f64,
    /// Of answered requests that were no cold starts, of time-outs, and of requests not sent, which waited at least so long.
    latency: Option<Latency>,
    histogram: Vec<Bin>,
    /// `null` where nothing tells cold starts apart.
    cold_starts: Option<ColdStarts>,
    cost: Option<Cost>,
    gates: Vec<Gate>,
    comparison: Option<BenchComparison>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct ColdStarts {
    count: u64,
    /// The highest latency among them.
    max: Option<f64>,
    /// The highest time that the function itself took to start.
    max_init: Option<f64>,
}

/// An earlier run beside this one; only what was measured in both.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct BenchComparison {
    file: String,
    earlier: BaselineRun,
    /// This run's P50 over the earlier one's.
    p50_ratio: Option<f64>,
    p99_ratio: Option<f64>,
    throughput_ratio: Option<f64>,
}

/// The fields that are read of an earlier report.
#[derive(Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub(super) struct BaselineRun {
    /// The file that it was read from.
    #[serde(skip)]
    file: String,
    target: String,
    rate: Option<f64>,
    throughput: f64,
    error_share: f64,
    latency: Option<Latency>,
}

impl BaselineRun {
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let file = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| Error::world(file.clone()).because(error))?;
        let earlier: Self = serde_json::from_str(&text).map_err(|error| {
            Error::caller(file.clone()).because(error).help("give what `abx bench --format json` wrote")
        })?;
        Ok(Self { file, ..earlier })
    }
}

impl BenchReport {
    pub(super) fn new(
        args: &Args,
        (target, enrollment): (&BenchTarget, Option<Enrollment>),
        measured: &Measured,
        earlier: Option<BaselineRun>,
    ) -> Self {
        let Measured { tally, took } = measured;
        let product = target.product();
        // The targets of the product are for a rate that somebody asks for, not for saturation.
        let held_to = product.filter(|_| args.rate != Rate::Max);
        let mut report = Self {
            target: args.target.clone(),
            product,
            rate: match args.rate {
                Rate::PerSecond(rate) => Some(rate),
                Rate::Max => None,
            },
            duration_seconds: args.load.duration.as_secs_f64(),
            ramp_seconds: args.load.ramp.as_secs_f64(),
            connections: args.load.connections.get(),
            enrollment,
            requests: tally.all(),
            answered: tally.answered,
            throughput: per(tally.answered, took.as_secs_f64()),
            not_sent: tally.not_sent,
            late: tally.late,
            reopened: tally.reopened,
            failures: tally.failures(),
            error_share: share(tally.failed() + tally.not_sent, tally.all()),
            latency: tally.latency(),
            histogram: tally.bins(),
            cold_starts: ColdStarts::of(tally),
            cost: Cost::of(tally, args.function.memory),
            gates: args.gates.or_of(held_to).check(tally),
            comparison: None,
        };
        report.comparison = earlier.map(|earlier| report.compare(earlier));
        report
    }

    fn compare(&self, earlier: BaselineRun) -> BenchComparison {
        let ratio = |of: fn(&Latency) -> f64| {
            let (now, then) = (of(self.latency.as_ref()?), of(earlier.latency.as_ref()?));
            (then > 0.0).then(|| now / then)
        };
        BenchComparison {
            p50_ratio: ratio(|it| it.p50),
            p99_ratio: ratio(|it| it.p99),
            throughput_ratio: (earlier.throughput > 0.0).then(|| self.throughput / earlier.throughput),
            file: earlier.file.clone(),
            earlier,
        }
    }

    fn head(&self) -> String {
        let rate = match self.rate {
            Some(rate) => format!("{} requests/s", number(rate)),
            None => "as many requests as it takes".to_owned(),
        };
        let ramp = match self.ramp_seconds {
            0.0 => String::new(),
            ramp => format!(" after a ramp of {} s", number(ramp)),
        };
        let how = format!("{} connections, {} s{ramp}", self.connections, number(self.duration_seconds));
        let enrollment = match self.enrollment {
            None => "",
            Some(Enrollment::Peeked) => {
                "no user was enrolled: writing assignments and exposures is not measured (--enroll)\n"
            }
            Some(Enrollment::Enrolled) => "users were enrolled: they count in the experiments\n",
            Some(Enrollment::Recorded) => {
                "evaluations were recorded; a flag that serves an experiment exposes the users to it\n"
            }
        };
        format!("{TITLE}{}{TITLE:#} {DIM}({rate}, {how}){DIM:#}\n{enrollment}\n", self.target)
    }

    fn requests(&self) -> String {
        let mut text = format!(
            "{} of {} requests succeeded, {} a second\n",
            count(self.answered),
            count(self.requests),
            number(self.throughput.round())
        );
        if !self.failures.is_empty() {
            let kinds: Vec<String> =
                self.failures.iter().map(|(kind, n)| format!("{kind} {}", count(*n))).collect();
            let _ = writeln!(text, "{BAD}failed{BAD:#}: {}", kinds.join(", "));
        }
        if self.answered == 0 {
            let _ =
                writeln!(text, "{BAD}no request succeeded{BAD:#}; an answer of 400 or above is a failure");
        }
        if self.reopened > 0 {
            let _ = writeln!(
                text,
                "sent over another connection: {}, the server had closed the idle one; no failures",
                count(self.reopened)
            );
        }
        if self.not_sent > 0 {
            let _ = writeln!(
                text,
                "{BAD}not sent{BAD:#}: {}, all connections were waiting",
                count(self.not_sent)
            );
        }
        if self.late > 0 {
            let _ = writeln!(
                text,
                "sent late: {}, no connection was free; their latency counts from when they were due",
                count(self.late)
            );
        }
        text
    }

    fn latencies(&self) -> String {
        let Some(it) = &self.latency else { return String::new() };
        let highest = self.histogram.iter().map(|bin| bin.share).fold(0.0, f64::max);
        let rows = self.histogram.iter().map(|bin| {
            let bar = bar(if highest > 0.0 { bin.share / highest } else { 0.0 }, 32);
            vec![format!("{} ms", number(bin.from)), count(bin.count), percent(bin.share), bar]
        });
        let bars = table::plain(&["from", "requests", "share", ""], &[0, 1, 2], rows);
        let figures =
            [("P50", it.p50), ("P90", it.p90), ("P99", it.p99), ("P99.9", it.p999), ("max", it.max)];
        let figures = figures.map(|(name, ms)| format!("{name} {ms:.2}"));
        format!("\n{bars}\n\nlatency in ms: {}\n", figures.join(" · "))
    }

    fn rest(&self) -> String {
        let mut text = String::new();
        let max = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms:.0} ms"));
        if let Some(it) = &self.cold_starts {
            let (slowest, init) = (max(it.max), max(it.max_init));
            let _ =
                writeln!(text, "cold starts, not in the above: {}; slowest {slowest}, init {init}", it.count);
        }
        if let Some(it) = &self.cost {
            let of = if it.is_as_billed { "as billed" } else { "the mean latency, network included" };
            let _ = writeln!(
                text,
                "a million cost {:.2} USD on Lambda {DIM}({} MB, {:.1} ms {of}; assumed: arm64, {} USD a GB-second, {:.2} USD a million requests){DIM:#}",
                it.usd_per_million,
                it.memory_mb,
                it.billed_ms,
                it.prices.usd_per_gb_second,
                it.prices.usd_per_million_requests
            );
        }
        if let Some(it) = &self.comparison {
            let times =
                |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2} times"));
            let (p50, p99, throughput) =
                (times(it.p50_ratio), times(it.p99_ratio), times(it.throughput_ratio));
            let _ = writeln!(text, "of {}: P50 {p50}, P99 {p99}, answers a second {throughput}", it.file);
            if it.earlier.target != self.target || it.earlier.rate != self.rate {
                let _ = writeln!(text, "  {BAD}that was another target or another rate{BAD:#}");
            }
        }
        text
    }

    fn gates(&self) -> String {
        let mut text = String::new();
        for gate in &self.gates {
            let show = |value: f64| match gate.name {
                GateName::Errors => format!("{} %", number(value * 100.0)),
                GateName::P50 | GateName::P99 => format!("{} ms", number(value)),
            };
            let (name, sign) = match gate.name {
                GateName::P50 => ("P50", "at most"),
                GateName::P99 => ("P99", "at most"),
                GateName::Errors => ("errors", "below"),
            };
            let measured = gate.measured.map_or("nothing measured".to_owned(), show);
            let verdict = if gate.met { format!("{GOOD}met{GOOD:#}") } else { format!("{BAD}missed{BAD:#}") };
            let _ = writeln!(text, "{verdict} {name} {sign} {}: {measured}", show(gate.limit));
        }
        text
    }
}

impl ColdStarts {
    fn of(tally: &BenchTally) -> Option<Self> {
        let max = |list: &[f64]| list.iter().copied().reduce(f64::max);
        tally.cold.is_told.then(|| Self {
            count: tally.cold.inits_ms.len() as u64,
            max: max(&tally.cold.latencies_ms),
            max_init: max(&tally.cold.inits_ms),
        })
    }
}

/// A number with at most three digits after the point, and none that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[expect(clippy::cast_precision_loss, reason = "requests stay far below 2^53")]
fn per(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

impl Report for BenchReport {
    const KIND: &'static str = "bench";

    fn human(&self) -> String {
        let parts = [self.head(), self.requests(), self.latencies(), self.rest(), self.gates()];
        parts.concat()
    }

    fn exit(&self) -> Exit {
        let is_met = self.answered > 0 && self.gates.iter().all(|gate| gate.met);
        if is_met { exit::DONE } else { exit::FINDINGS }
    }
}
