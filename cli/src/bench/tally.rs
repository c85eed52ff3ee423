//! Measured latencies and failures.

use crate::aws::lambda::InvocationReport;
use crate::render::numbers::share;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Latencies are kept in microseconds, to three digits, up to an hour.
const LONGEST: u64 = 3_600_000_000;
const DIGITS: u8 = 3;
/// A request that begins so much after its time had no free connection.
pub(super) const LATE: Duration = Duration::from_millis(10);

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RequestFailure {
    /// No connection.
    Connect,
    /// No answer in time.
    TimeOut,
    /// The connection ended before the answer did, or what came was no answer.
    Broken,
    /// An answer of 400 or above.
    Status(u16),
    /// The function ended with an error.
    Function,
    /// The event function gave records of the batch back.
    GivenBack,
    /// No signature, because the credentials have expired and there are no new ones.
    NotSigned,
}

impl fmt::Display for RequestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("connect"),
            Self::TimeOut => f.write_str("time_out"),
            Self::Broken => f.write_str("broken"),
            Self::Status(status) => write!(f, "status_{status}"),
            Self::Function => f.write_str("function_error"),
            Self::GivenBack => f.write_str("given_back"),
            Self::NotSigned => f.write_str("not_signed"),
        }
    }
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RequestOutcome {
    pub(super) failure: Option<RequestFailure>,
    pub(super) told: Option<InvocationReport>,
    /// True if the server had closed the connection while it was idle, so that the request went over another one.
    pub(super) reopened: bool,
}

impl RequestOutcome {
    pub(super) const fn answered() -> Self {
        Self { failure: None, told: None, reopened: false }
    }

    pub(super) const fn failed(failure: RequestFailure) -> Self {
        Self { failure: Some(failure), told: None, reopened: false }
    }

    pub(super) const fn status(status: u16) -> Self {
        if status < 400 { Self::answered() } else { Self::failed(RequestFailure::Status(status)) }
    }
}

/// Latencies and failures of many requests.
#[derive(Debug, Clone)]
pub(super) struct BenchTally {
    latencies: Histogram<u64>,
    sum: Duration,
    failures: BTreeMap<RequestFailure, u64>,
    pub(super) answered: u64,
    /// Requests that began late, because every connection was waiting for an answer.
    pub(super) late: u64,
    /// Requests whose turn never came.
    pub(super) not_sent: u64,
    /// Requests whose connection the server had closed while it was idle; they went over another one, and are no failures for that.
    pub(super) reopened: u64,
    pub(super) cold: Cold,
    /// Invocations with a bill, and the sum of it in milliseconds.
    pub(super) billed: (u64, f64),
}

/// Cold starts, which stand apart: they are few, and of another size.
#[derive(Debug, Clone, Default)]
pub(super) struct Cold {
    /// True if any invocation told of its start.
    pub(super) is_told: bool,
    pub(super) latencies_ms: Vec<f64>,
    pub(super) inits_ms: Vec<f64>,
}

impl BenchTally {
    pub(super) fn new() -> Self {
        Self {
            latencies: histogram(),
            sum: Duration::ZERO,
            failures: BTreeMap::new(),
            answered: 0,
            late: 0,
            not_sent: 0,
            reopened: 0,
            cold: Cold::default(),
            billed: (0, 0.0),
        }
    }

    /// Counts a request that was sent. A failure that came quickly would flatter the latencies and has no part in them; one
    /// that was waited for has.
    pub(super) fn record(&mut self, outcome: &RequestOutcome, latency: Duration) {
        let told = outcome.told.unwrap_or_default();
        self.reopened += u64::from(outcome.reopened);
        self.cold.is_told |= outcome.told.is_some();
        if let Some(billed) = told.billed_ms {
            self.billed = (self.billed.0 + 1, self.billed.1 + billed);
        }
        match outcome.failure {
            Some(failure) => {
                *self.failures.entry(failure).or_default() += 1;
                if failure == RequestFailure::TimeOut {
                    self.wait(latency);
                }
            }
            None => {
                self.answered += 1;
                match told.init_ms {
                    Some(init) => {
                        self.cold.inits_ms.push(init);
                        self.cold.latencies_ms.push(latency.as_secs_f64() * 1000.0);
                    }
                    None => self.wait(latency),
                }
            }
        }
    }

    /// Counts a request whose turn did not come: it would have waited for longer than this.
    pub(super) fn leave_out(&mut self, waited: Duration) {
        self.not_sent += 1;
        self.wait(waited);
    }

    fn wait(&mut self, latency: Duration) {
        self.latencies.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1));
        self.sum += latency;
    }

    /// Adds what another one counted.
    pub(super) fn merge(&mut self, other: &Self) {
        // Both have the same bounds, so there is nothing that could not be added.
        let _ = self.latencies.add(&other.latencies);
        self.sum += other.sum;
        for (failure, count) in &other.failures {
            *self.failures.entry(*failure).or_default() += count;
        }
        self.answered += other.answered;
        self.late += other.late;
        self.not_sent += other.not_sent;
        self.reopened += other.reopened;
        self.cold.is_told |= other.cold.is_told;
        self.cold.latencies_ms.extend(&other.cold.latencies_ms);
        self.cold.inits_ms.extend(&other.cold.inits_ms);
        self.billed = (self.billed.0 + other.billed.0, self.billed.1 + other.billed.1);
    }

    pub(super) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// All requests that were due.
    pub(super) fn all(&self) -> u64 {
        self.answered + self.failed() + self.not_sent
    }

    /// Failures by kind.
    pub(super) fn failures(&self) -> BTreeMap<String, u64> {
        self.failures.iter().map(|(failure, count)| (failure.to_string(), *count)).collect()
    }

    /// A quantile of the latencies, in milliseconds; `None` without any.
    pub(super) fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        (!self.latencies.is_empty()).then(|| ms(self.latencies.value_at_quantile(quantile)))
    }

    /// The latencies, in milliseconds; `None` without any.
    pub(super) fn latency(&self) -> Option<Latency> {
        if self.latencies.is_empty() {
            return None;
        }
        let at = |quantile| ms(self.latencies.value_at_quantile(quantile));
        Some(Latency {
            min: ms(self.latencies.min()),
            // The sum is exact, the buckets are not.
            mean: self.sum.as_secs_f64() * 1000.0 / share_of(self.latencies.len()),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: ms(self.latencies.max()),
        })
    }

    /// The number of latencies between the bounds 1, 2, 5, 10, 20, 50, ... microseconds, from the first non-empty interval to the last.
    pub(super) fn bins(&self) -> Vec<Bin> {
        let mut recorded = self.latencies.iter_recorded().peekable();
        let mut bins: Vec<Bin> = Vec::new();
        let mut from = 0;
        for to in (0..10).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power))) {
            let mut count = 0;
            // A bucket of the histogram counts where it begins, so that none counts twice.
            while let Some(bucket) =
                recorded.next_if(|it| self.latencies.lowest_equivalent(it.value_iterated_to()) < to)
            {
                count += bucket.count_at_value();
            }
            if count > 0 || !bins.is_empty() {
                bins.push(Bin {
                    from: ms(from),
                    to: ms(to),
                    count,
                    share: share(count, self.latencies.len()),
                });
            }
            from = to;
        }
        while bins.last().is_some_and(|bin| bin.count == 0) {
            bins.pop();
        }
        bins
    }
}

fn histogram() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "the bounds are constants that it takes, as every test shows")]
    Histogram::new_with_bounds(1, LONGEST, DIGITS).expect("1 to an hour, to three digits")
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn share_of(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "an hour has less than 2^53 microseconds")]
fn ms(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

/// Latencies in milliseconds, from the time when a request was due until the end of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, serde::Deserialize, schemars::JsonSchema)]
pub(super) struct Latency {
    pub(super) min: f64,
    pub(super) mean: f64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

/// A bar of the histogram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct Bin {
    /// Milliseconds, included.
    pub(super) from: f64,
    /// Milliseconds, not included.
    pub(super) to: f64,
    pub(super) count: u64,
    /// Of all latencies, 0 to 1.
    pub(super) share: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tally(micros: &[u64]) -> BenchTally {
        let mut tally = BenchTally::new();
        for it in micros {
            tally.record(&RequestOutcome::answered(), Duration::from_micros(*it));
        }
        tally
    }

    #[test]
    fn quick_failures_do_not_flatter_and_waiting_counts() {
        let mut tally = tally(&[1000]);
        tally.record(&RequestOutcome::status(503), Duration::from_micros(1));
        tally.record(&RequestOutcome::failed(RequestFailure::TimeOut), Duration::from_secs(5));
        tally.leave_out(Duration::from_secs(7));
        let latency = tally.latency().unwrap();
        assert!((latency.min - 1.0).abs() < 0.01 && (latency.max - 7000.0).abs() < 10.0, "{latency:?}");
        assert_eq!((tally.answered, tally.failed(), tally.not_sent, tally.all()), (1, 2, 1, 4));
        let kinds: Vec<_> = tally.failures().into_iter().collect();
        assert_eq!(kinds, [("status_503".to_owned(), 1), ("time_out".to_owned(), 1)]);
    }

    #[test]
    fn cold_starts_stand_apart() {
        let mut tally = tally(&[1000; 10]);
        let told = Some(InvocationReport {
            init_ms: Some(80.0),
            billed_ms: Some(120.0),
            ..InvocationReport::default()
        });
        tally.record(&RequestOutcome { told, ..RequestOutcome::answered() }, Duration::from_millis(300));
        assert!(tally.latency().unwrap().max < 2.0);
        assert_eq!(tally.cold.latencies_ms, [300.0]);
        assert_eq!((tally.answered, tally.billed), (11, (1, 120.0)));
    }

    #[test]
    fn bins_are_in_the_series_1_2_5() {
        let bins = tally(&[1500, 1500, 7000, 7000]).bins();
        let of: Vec<_> = bins.iter().map(|bin| (bin.from, bin.to, bin.count)).collect();
        assert_eq!(of, [(1.0, 2.0, 2), (2.0, 5.0, 0), (5.0, 10.0, 2)]);
        assert!(BenchTally::new().bins().is_empty() && BenchTally::new().latency().is_none());
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_whole(micros in prop::collection::vec(1_u64..60_000_000, 1..200), at in any::<prop::sample::Index>()) {
            let (left, right) = micros.split_at(at.index(micros.len()));
            let (mut parts, whole) = (tally(left), tally(&micros));
            parts.merge(&tally(right));
            prop_assert_eq!(parts.latency(), whole.latency());
            prop_assert_eq!(parts.bins().iter().map(|bin| bin.count).sum::<u64>(), micros.len() as u64);
        }

        #[test]
        fn quantiles_are_right_to_three_digits(mut micros in prop::collection::vec(1_u64..60_000_000, 1..200)) {
            let measured = tally(&micros).quantile_ms(0.5).unwrap() * 1000.0;
            micros.sort_unstable();
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let right = micros[(micros.len() - 1) / 2] as f64;
            prop_assert!((measured - right).abs() <= right * 0.001 + 1.0, "{} for {}", measured, right);
        }
    }
}
