//! Stops asking a store that does not answer.

use crate::ports::PortError;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A circuit breaker: after some failures in a window it refuses calls for a moment, and then lets one through to see.
///
/// A store that is away costs each request its whole budget; with the breaker open it costs nothing. Only transient errors
/// count: a store that refuses a request is there.
#[derive(Debug)]
pub struct Breaker {
    failures: usize,
    window: Duration,
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the latest failures were, the oldest first; never more than it takes to open.
    recent: VecDeque<Instant>,
    /// Open if this is set, until then at least: the time of the next probe.
    open_until: Option<Instant>,
}

/// Leave to make one call.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    probe: bool,
}

impl Default for Breaker {
    /// 5 failures in 10 s open it for 1 s.
    fn default() -> Self {
        Self::new(5, Duration::from_secs(10), Duration::from_secs(1))
    }
}

impl Breaker {
    /// Opens for `pause` after this many failures within `window`.
    #[must_use]
    pub fn new(failures: usize, window: Duration, pause: Duration) -> Self {
        Self { failures, window, pause, state: Mutex::default() }
    }

    /// Makes a call, unless the breaker is open: then the error is transient, and immediate.
    pub async fn call<T>(&self, work: impl Future<Output = Result<T, PortError>>) -> Result<T, PortError> {
        let Some(permit) = self.admit(Instant::now()) else {
            return Err(PortError::transient(
                "the store failed too often lately and is left alone for a moment",
            ));
        };
        let result = work.await;
        let failed = result.as_ref().is_err_and(PortError::is_transient);
        self.record(&permit, failed, Instant::now());
        result
    }

    /// Asks for leave to make a call; `None` while the breaker is open. Once in each pause one caller gets it as a probe.
    /// A probe that never comes back (its future was dropped) needs no care: the next one follows a pause later.
    pub fn admit(&self, now: Instant) -> Option<Permit> {
        let mut state = self.lock();
        match state.open_until {
            None => Some(Permit { probe: false }),
            Some(at) if now < at => None,
            Some(_) => {
                state.open_until = Some(now + self.pause);
                Some(Permit { probe: true })
            }
        }
    }

    /// Says how the call went.
    pub fn record(&self, permit: &Permit, failed: bool, now: Instant) {
        let mut state = self.lock();
        if !failed {
            if permit.probe {
                *state = State::default();
            }
            return;
        }
        state.recent.push_back(now);
        while state.recent.len() > self.failures {
            state.recent.pop_front();
        }
        let full = state.recent.len() == self.failures;
        let within = state.recent.front().is_some_and(|first| now.duration_since(*first) <= self.window);
        if full && within {
            state.open_until = Some(now + self.pause);
        }
    }

    /// Whether calls are refused.
    #[must_use]
    pub fn is_open(&self, now: Instant) -> bool {
        self.lock().open_until.is_some_and(|at| now < at)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(breaker: &Breaker, failed: bool, now: Instant) -> bool {
        let permit = breaker.admit(now);
        if let Some(permit) = &permit {
            breaker.record(permit, failed, now);
        }
        permit.is_some()
    }

    fn opened(start: Instant) -> Breaker {
        let breaker = Breaker::default();
        (0..5).for_each(|_| assert!(call(&breaker, true, start)));
        breaker
    }

    #[test]
    fn the_fifth_failure_in_ten_seconds_opens_it_for_a_second() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let breaker = Breaker::default();
        for ms in [0, 2_000, 4_000, 6_000] {
            assert!(call(&breaker, true, at(ms)));
            assert!(!breaker.is_open(at(ms)));
        }
        assert!(call(&breaker, true, at(10_000)));
        assert!(breaker.is_open(at(10_999)));
        assert!(!call(&breaker, false, at(10_999)), "refused");
        assert!(call(&breaker, false, at(11_000)), "probed");
        assert!(call(&breaker, false, at(11_000)), "and well again");
    }

    #[test]
    fn failures_far_apart_do_not_open_it() {
        let (start, breaker) = (Instant::now(), Breaker::default());
        for second in 0..100 {
            let now = start + Duration::from_millis(second * 2_501);
            assert!(call(&breaker, true, now));
            assert!(!breaker.is_open(now));
        }
    }

    #[test]
    fn one_probe_in_each_pause_even_if_it_never_comes_back() {
        let start = Instant::now();
        let breaker = opened(start);
        let later = start + Duration::from_secs(1);
        assert!(breaker.admit(later).is_some(), "the probe, which is dropped");
        assert!(breaker.admit(later).is_none(), "nobody beside it");
        assert!(breaker.admit(later + Duration::from_secs(1)).is_some());
    }

    #[test]
    fn a_failed_probe_opens_it_again() {
        let start = Instant::now();
        let breaker = opened(start);
        let later = start + Duration::from_secs(1);
        assert!(call(&breaker, true, later));
        assert!(!call(&breaker, true, later + Duration::from_millis(999)));
    }

    #[test]
    fn a_late_success_from_before_does_not_close_it() {
        let (start, breaker) = (Instant::now(), Breaker::default());
        let early = breaker.admit(start).unwrap();
        (0..5).for_each(|_| assert!(call(&breaker, true, start)));
        breaker.record(&early, false, start);
        assert!(breaker.is_open(start));
    }
}
