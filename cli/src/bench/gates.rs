//! The limits of a run.

use super::tally::BenchTally;
use super::target::Product;
use crate::render::numbers::share;
use serde::Serialize;
use std::time::Duration;

/// Limits, as they were asked for.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct GateArgs {
    /// The largest median latency, for example 20ms
    #[arg(long, value_name = "DURATION", value_parser = crate::inputs::wait)]
    p50: Option<Duration>,
    /// The largest 99th percentile of latency
    #[arg(long, value_name = "DURATION", value_parser = crate::inputs::wait)]
    p99: Option<Duration>,
    /// The share of requests that failed or were not sent must be below this, for example 0.1%
    #[arg(long, value_name = "SHARE", value_parser = crate::inputs::share)]
    errors: Option<f64>,
}

/// A limit, and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct Gate {
    pub(super) name: GateName,
    /// Milliseconds for a latency, a share from 0 to 1 for errors.
    pub(super) limit: f64,
    /// In the same unit; `null` with nothing measured, which misses the limit.
    pub(super) measured: Option<f64>,
    pub(super) met: bool,
}

/// The measure that a limit is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum GateName {
    P50,
    P99,
    Errors,
}

impl GateArgs {
    /// These limits, and the product's own where none was given.
    pub(super) fn or_of(self, product: Option<Product>) -> Self {
        let Some(product) = product else { return self };
        let (p50, p99) = product.targets();
        Self {
            p50: self.p50.or(p50),
            p99: self.p99.or(Some(p99)),
            errors: self.errors.or(Some(Product::MAX_ERRORS)),
        }
    }

    /// Holds the limits against what was measured.
    pub(super) fn check(&self, tally: &BenchTally) -> Vec<Gate> {
        let time = |name, limit: Option<Duration>, quantile| {
            let limit = limit?.as_secs_f64() * 1000.0;
            let measured = tally.quantile_ms(quantile);
            Some(Gate { name, limit, measured, met: measured.is_some_and(|measured| measured <= limit) })
        };
        let errors = self.errors.map(|limit| {
            let measured = share(tally.failed() + tally.not_sent, tally.all());
            // Below the limit, as the product's target says; but no error at all passes any limit.
            Gate {
                name: GateName::Errors,
                limit,
                measured: Some(measured),
                met: measured < limit || measured == 0.0,
            }
        });
        [time(GateName::P50, self.p50, 0.5), time(GateName::P99, self.p99, 0.99), errors]
            .into_iter()
            .flatten()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::RequestOutcome;
    use super::*;

    fn tally(latencies_ms: &[u64], failed: u64) -> BenchTally {
        let mut tally = BenchTally::new();
        for ms in latencies_ms {
            tally.record(&RequestOutcome::answered(), Duration::from_millis(*ms));
        }
        for _ in 0..failed {
            tally.record(&RequestOutcome::status(500), Duration::from_millis(1));
        }
        tally
    }

    fn names_and_met(gates: &[Gate]) -> Vec<(GateName, bool)> {
        gates.iter().map(|gate| (gate.name, gate.met)).collect()
    }

    #[test]
    fn a_product_has_its_own_limits_unless_others_are_given() {
        let args = GateArgs { p99: Some(Duration::from_millis(5)), ..GateArgs::default() };
        let gates = args.or_of(Some(Product::Assignment)).check(&tally(&[10; 100], 0));
        let limits: Vec<f64> = gates.iter().map(|gate| gate.limit).collect();
        assert_eq!(limits, [20.0, 5.0, 0.001]);
        assert_eq!(
            names_and_met(&gates),
            [(GateName::P50, true), (GateName::P99, false), (GateName::Errors, true)]
        );
        assert!(GateArgs::default().or_of(None).check(&tally(&[10], 0)).is_empty());
        let of_events = GateArgs::default().or_of(Some(Product::Events)).check(&tally(&[99; 10], 0));
        assert_eq!(names_and_met(&of_events), [(GateName::P99, true), (GateName::Errors, true)]);
    }

    #[test]
    fn errors_must_stay_below_the_limit() {
        let args = GateArgs { errors: Some(0.01), ..GateArgs::default() };
        assert!(args.check(&tally(&[1; 199], 1))[0].met);
        assert!(!args.check(&tally(&[1; 99], 1))[0].met);
        let mut late = tally(&[1; 99], 0);
        late.leave_out(Duration::from_secs(1));
        assert!(!args.check(&late)[0].met, "a request that could not be sent is a failure");
        let none = GateArgs { errors: Some(0.0), ..GateArgs::default() };
        assert!(none.check(&tally(&[1], 0))[0].met);
    }

    #[test]
    fn nothing_measured_misses_a_latency() {
        let args = GateArgs { p50: Some(Duration::from_secs(1)), ..GateArgs::default() };
        assert_eq!(names_and_met(&args.check(&BenchTally::new())), [(GateName::P50, false)]);
    }
}
