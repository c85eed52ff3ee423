//! The numbers of a metric as a person reads them.

use abx_core::results::MetricResult;
use abx_core::statistics::{Comparison, Estimate};

/// The numbers of a metric: rates in percent, their differences in points, anything else as it is.
#[derive(Clone, Copy)]
pub(super) struct MetricNumbers {
    is_rate: bool,
}

impl MetricNumbers {
    pub(super) const fn of(metric: &MetricResult) -> Self {
        Self { is_rate: metric.kind.is_rate() }
    }

    const fn scale(self) -> f64 {
        if self.is_rate { 100.0 } else { 1.0 }
    }

    /// The sign behind a value.
    pub(super) const fn unit(self) -> &'static str {
        if self.is_rate { " %" } else { "" }
    }

    /// The name of a difference.
    pub(super) const fn difference(self) -> &'static str {
        if self.is_rate { "points" } else { "difference" }
    }

    pub(super) fn number(self, number: f64, decimals: usize) -> String {
        format!("{:.decimals$}", number * self.scale())
    }

    pub(super) fn signed(self, number: f64, decimals: usize) -> String {
        format!("{:+.decimals$}", number * self.scale())
    }

    /// The decimals that show two digits of the narrowest of these intervals.
    pub(super) fn decimals(self, estimates: impl Iterator<Item = Estimate>) -> usize {
        let width = estimates
            .map(|it| (it.upper - it.lower) * self.scale())
            .filter(|it| *it > 0.0)
            .fold(f64::MAX, f64::min);
        (1..=9)
            .find(|decimals| width * 10_f64.powi(*decimals) >= 10.0)
            .map_or(2, |it| it.unsigned_abs() as usize)
    }

    pub(super) fn interval(self, it: Estimate, decimals: usize) -> String {
        format!("{} to {}", self.number(it.lower, decimals), self.number(it.upper, decimals))
    }

    /// `+1.2 points (+11.5 %)`.
    pub(super) fn change(self, it: &Comparison) -> String {
        self.change_by(it.difference, it.lift)
    }

    /// The same of a difference and its lift.
    pub(super) fn change_by(self, difference: Estimate, lift: Option<Estimate>) -> String {
        let decimals = self.decimals(std::iter::once(difference));
        let points = if self.is_rate { " points" } else { "" };
        let lift = lift.map_or_else(String::new, |lift| format!(" ({})", lift_text(lift.value)));
        format!("{}{points}{lift}", self.signed(difference.value, decimals))
    }
}

/// The day that a look closes: one at midnight closes the day before.
pub(super) fn last_day(at: &str) -> String {
    let time = at.parse::<jiff::Timestamp>().ok();
    let inside = time.and_then(|it| it.checked_sub(jiff::SignedDuration::from_millis(1)).ok());
    inside.map_or_else(|| at.to_owned(), |it| jiff::tz::Offset::UTC.to_datetime(it).date().to_string())
}

/// A lift in three digits: `+0.123 %`, `-12.3 %`, `+123 %`.
pub(super) fn lift_text(lift: f64) -> String {
    let percent = lift * 100.0;
    let decimals = match percent.abs() {
        0.0..1.0 => 3,
        1.0..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    format!("{percent:+.decimals$} %")
}
