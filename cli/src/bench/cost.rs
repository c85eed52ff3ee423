//! The cost of a million requests.

use super::tally::BenchTally;
use serde::Serialize;

/// The assumed prices of Lambda on arm64.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct Prices {
    pub(super) usd_per_gb_second: f64,
    pub(super) usd_per_million_requests: f64,
}

/// The published prices of us-east-1, first tier.
const PRICES: Prices = Prices { usd_per_gb_second: 0.000_013_333_4, usd_per_million_requests: 0.20 };

/// The cost of a million requests on Lambda at the assumed prices. An API in front, stores and stream are not included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct Cost {
    pub(super) usd_per_million: f64,
    /// Of the function, in MB.
    pub(super) memory_mb: u32,
    /// On average, in milliseconds.
    pub(super) billed_ms: f64,
    /// True if that is what the log tails said; otherwise it is the mean latency, which is more, since it holds the network.
    pub(super) is_as_billed: bool,
    #[serde(flatten)]
    pub(super) prices: Prices,
}

impl Cost {
    /// `None` with nothing measured.
    pub(super) fn of(tally: &BenchTally, memory_mb: u32) -> Option<Self> {
        let (count, sum) = tally.billed;
        let billed_ms = match u32::try_from(count) {
            Ok(count) if count > 0 => sum / f64::from(count),
            // A bill is in whole milliseconds, and never nothing.
            _ => tally.latency()?.mean.ceil().max(1.0),
        };
        let gb_seconds = f64::from(memory_mb) / 1024.0 * billed_ms / 1000.0;
        Some(Self {
            usd_per_million: gb_seconds * 1e6 * PRICES.usd_per_gb_second + PRICES.usd_per_million_requests,
            memory_mb,
            billed_ms,
            is_as_billed: count > 0,
            prices: PRICES,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::RequestOutcome;
    use super::*;
    use crate::aws::lambda::InvocationReport;
    use std::time::Duration;

    #[test]
    fn a_million_requests_of_a_gigabyte_second() {
        let mut tally = BenchTally::new();
        assert_eq!(Cost::of(&tally, 1024), None);
        tally.record(&RequestOutcome::answered(), Duration::from_micros(999_500));
        let cost = Cost::of(&tally, 1024).unwrap();
        // 13.3334 for the compute of a million seconds with 1 GB, 0.20 for the requests.
        assert!((cost.usd_per_million - 13.533_4).abs() < 1e-9, "{cost:?}");
        assert!(!cost.is_as_billed);
        let told = Some(InvocationReport { billed_ms: Some(2.0), ..InvocationReport::default() });
        tally.record(&RequestOutcome { told, ..RequestOutcome::answered() }, Duration::from_millis(10));
        let cost = Cost::of(&tally, 512).unwrap();
        assert!((cost.usd_per_million - 0.213_333_4).abs() < 1e-9, "{cost:?}");
        assert!(cost.is_as_billed);
    }
}
