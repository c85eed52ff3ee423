//! The times at which requests are due.
//!
//! A request has its time before the run begins, and its latency counts from that time. A caller that waits for an answer
//! before it sends the next request measures a stalled server once, where real users would have waited all along
//! ("coordinated omission"; Gil Tene, "How NOT to Measure Latency").

use std::time::Duration;

/// Requests at a rate that rises from 0 to its full height, and stays there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Schedule {
    /// Requests a second, above 0.
    rate: f64,
    /// The duration of the ramp, in seconds.
    ramp: f64,
    /// The time at the full rate, in seconds.
    duration: f64,
}

impl Schedule {
    pub(super) fn new(rate: f64, ramp: Duration, duration: Duration) -> Self {
        Self { rate, ramp: ramp.as_secs_f64(), duration: duration.as_secs_f64() }
    }

    /// The time of a request, after the beginning of the run. In the ramp `n` requests are due by `rate * t^2 / (2 * ramp)`,
    /// the area under the rate.
    #[expect(clippy::cast_precision_loss, reason = "requests stay far below 2^53")]
    pub(super) fn due(&self, index: u64) -> Duration {
        let index = index as f64;
        let in_ramp = self.rate * self.ramp / 2.0;
        let seconds = if index < in_ramp {
            (2.0 * self.ramp * index / self.rate).sqrt()
        } else {
            self.ramp + (index - in_ramp) / self.rate
        };
        Duration::from_secs_f64(seconds)
    }

    /// The number of requests in the ramp, which warms up and is not measured.
    pub(super) fn warm_up(&self) -> u64 {
        ceil(self.rate * self.ramp / 2.0)
    }

    /// The number of requests.
    pub(super) fn total(&self) -> u64 {
        ceil(self.rate * (self.ramp / 2.0 + self.duration))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of requests")]
fn ceil(requests: f64) -> u64 {
    // What is a whole number but for rounding is that number.
    (requests - 1e-6).ceil().max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn requests_are_evenly_spaced() {
        let schedule = Schedule::new(100.0, Duration::ZERO, seconds(2));
        assert_eq!((schedule.warm_up(), schedule.total()), (0, 200));
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(1), Duration::from_millis(10));
        assert_eq!(schedule.due(199), Duration::from_millis(1990));
    }

    #[test]
    fn a_ramp_is_the_area_under_a_rising_rate() {
        let schedule = Schedule::new(100.0, seconds(4), seconds(1));
        assert_eq!((schedule.warm_up(), schedule.total()), (200, 300));
        // After half of the ramp a quarter of its requests.
        assert_eq!(schedule.due(50), seconds(2));
        assert_eq!(schedule.due(200), seconds(4));
        assert_eq!(schedule.due(300), seconds(5));
    }

    proptest! {
        #[test]
        fn requests_are_due_in_order_and_in_time(
            rate in 0.1_f64..100_000.0,
            ramp in 0_u64..20_000,
            duration in 1_u64..60_000,
            at in 0.0_f64..1.0,
        ) {
            let (ramp, duration) = (Duration::from_millis(ramp), Duration::from_millis(duration));
            let schedule = Schedule::new(rate, ramp, duration);
            let total = schedule.total();
            prop_assert!(schedule.warm_up() <= total);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "an index")]
            let index = (at * total as f64) as u64;
            prop_assert!(schedule.due(index) <= schedule.due(index + 1));
            let slack = Duration::from_micros(10);
            if let Some(last) = total.checked_sub(1) {
                prop_assert!(schedule.due(last) <= ramp + duration + slack);
            }
            prop_assert!(schedule.due(total) + slack >= ramp + duration);
            prop_assert!(schedule.due(schedule.warm_up()) + slack >= ramp);
        }
    }
}
