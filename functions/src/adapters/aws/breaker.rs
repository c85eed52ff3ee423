//! Stops asking a store that does not answer.

use super::hedge::HEDGE;
use crate::ports::{PortError, PortResult};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The number of latest calls that are considered.
const RECENT: usize = 20;
/// The time in which calls are considered: older ones say nothing about the present.
const WINDOW: Duration = Duration::from_secs(10);
/// As many of them have to have failed, and half of all.
const FAILURES: usize = 5;
/// The pause before the store is called again.
const REST: Duration = Duration::from_secs(1);

/// A circuit breaker: while half of the latest calls fail it refuses calls for a second, and then lets one through to see.
///
/// A store that is away costs each request its whole budget; with the breaker open it costs nothing. A store that fails now
/// and then is worth asking, so it is the share of failures that counts: to open after any five in ten seconds lost 77 of 100
/// assignments to a store that answered 97. Only transient errors count: a store that refuses a request is there.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<BreakerState>);

#[derive(Debug, Default)]
struct BreakerState {
    /// The times at which the latest calls ended and whether they failed, the oldest first.
    recent: VecDeque<(Instant, bool)>,
    /// Open if this is set, until then at least: the time of the next probe.
    open_until: Option<Instant>,
}

/// Leave to make one call.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    probe: bool,
}

/// A call whose future is dropped before it ends, because nobody waits for it any more. After a time in which the store should have
/// answered it is a failure: a write that has only what a read before it left of a request's time would never tell otherwise.
struct AbandonedProbe<'a> {
    breaker: &'a Breaker,
    /// None once the call has ended.
    permit: Option<Permit>,
    since: Instant,
}

impl Drop for AbandonedProbe<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        if let Some(permit) = self.permit.take().filter(|_| now.duration_since(self.since) >= HEDGE) {
            self.breaker.record(&permit, true, now);
        }
    }
}

impl Breaker {
    /// Makes a call, unless the breaker is open: then the error is transient, and immediate.
    pub async fn call<T>(&self, work: impl Future<Output = PortResult<T>>) -> PortResult<T> {
        let Some(permit) = self.admit(Instant::now()) else {
            return Err(PortError::transient(
                "the store failed too often lately and is left alone for a moment",
            ));
        };
        let mut given_up = AbandonedProbe { breaker: self, permit: Some(permit), since: Instant::now() };
        let result = work.await;
        let failed = result.as_ref().is_err_and(PortError::is_transient);
        if let Some(permit) = given_up.permit.take() {
            self.record(&permit, failed, Instant::now());
        }
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
                state.open_until = Some(now + REST);
                Some(Permit { probe: true })
            }
        }
    }

    /// Says how the call went.
    pub fn record(&self, permit: &Permit, failed: bool, now: Instant) {
        let mut state = self.lock();
        if permit.probe && !failed {
            *state = BreakerState::default();
        }
        state.recent.push_back((now, failed));
        let is_old = |(at, _): &(Instant, bool)| now.duration_since(*at) > WINDOW;
        while state.recent.len() > RECENT || state.recent.front().is_some_and(is_old) {
            state.recent.pop_front();
        }
        let failures = state.recent.iter().filter(|(_, failed)| *failed).count();
        // A success opens nothing, even if a failure that it replaces did not weigh enough before.
        if failed && (permit.probe || failures >= FAILURES && 2 * failures >= state.recent.len()) {
            state.open_until = Some(now + REST);
        }
    }

    /// True if calls are refused.
    #[must_use]
    pub fn is_open(&self, now: Instant) -> bool {
        self.lock().open_until.is_some_and(|at| now < at)
    }

    fn lock(&self) -> MutexGuard<'_, BreakerState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn five_failures_and_nothing_else_open_it_for_a_second() {
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

    /// The number of calls that are made, of 1,000 in 10 s with regular failures.
    fn made(fails: impl Fn(u64) -> bool) -> usize {
        let (start, breaker) = (Instant::now(), Breaker::default());
        let made = |n: &u64| call(&breaker, fails(*n), start + Duration::from_millis(n * 10));
        (0..1000).filter(made).count()
    }

    #[test]
    fn the_share_of_failures_opens_it() {
        assert_eq!(made(|n| n % 10 == 9), 1000, "10 %");
        assert_eq!(made(|n| n % 3 == 2), 1000, "33 %");
        let half = made(|n| n % 2 == 1);
        assert!(half < 500, "50 %: {half}");
        assert_eq!(made(|_| true), 5 + 9, "all: five, and a probe in each second");
    }

    #[test]
    fn a_store_that_was_well_for_long_is_given_up_as_soon() {
        let (start, breaker) = (Instant::now(), Breaker::default());
        (0..10_000).for_each(|_| assert!(call(&breaker, false, start)));
        let failed = (0..100).take_while(|_| call(&breaker, true, start)).count();
        assert_eq!(failed, RECENT / 2);
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

    #[tokio::test(start_paused = true)]
    async fn calls_that_are_given_up_late_are_failures() {
        for (after, opens) in [(HEDGE / 2, false), (HEDGE, true)] {
            let breaker = Breaker::default();
            for _ in 0..FAILURES {
                let silent = std::future::pending::<PortResult<()>>();
                assert!(tokio::time::timeout(after, breaker.call(silent)).await.is_err());
            }
            assert_eq!(breaker.is_open(Instant::now()), opens, "{after:?}");
        }
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
