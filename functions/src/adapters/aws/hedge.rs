//! A second request where the first one is slow or fails.

use crate::ports::PortResult;
use futures_util::future::{Either, select};
use std::pin::pin;
use std::time::Duration;
use tokio::time::sleep;

/// The time that the first request has to itself. DynamoDB answers 99 of 100 calls in less, so that on an ordinary day one call
/// in a hundred is made twice.
pub(super) const HEDGE: Duration = Duration::from_millis(15);
/// The longest pause after a failure; at random, so that those who were refused together do not come back together.
const PAUSE: Duration = Duration::from_millis(3);

/// Makes a call, and once more where it fails for now, or has no answer after [`HEDGE`]: then both are under way, and the
/// first answer counts. For calls that may be made twice: reads, and writes whose repetition is known by what they wrote.
///
/// The SDK's own repetition waits until an attempt has used up its time, which leaves too little for the next one, and does
/// not repeat a call whose answer is garbled.
pub(super) async fn hedged<T, F>(call: impl Fn() -> F) -> PortResult<T>
where
    F: Future<Output = PortResult<T>>,
{
    let first = pin!(call());
    let first = match select(first, pin!(sleep(HEDGE))).await {
        Either::Left((Err(error), _)) if error.is_transient() => {
            sleep(PAUSE.mul_f64(fastrand::f64())).await;
            return call().await;
        }
        Either::Left((answer, _)) => return answer,
        Either::Right(((), first)) => first,
    };
    // Whoever answers first; a failure waits for the other.
    match select(first, pin!(call())).await {
        Either::Left((Err(error), second)) if error.is_transient() => second.await,
        Either::Right((Err(error), first)) if error.is_transient() => first.await,
        Either::Left((answer, _)) | Either::Right((answer, _)) => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::PortError;
    use std::cell::Cell;
    use tokio::time::Instant;

    /// The script of a request: it answers after so many milliseconds, with its number or an error.
    type Does = (u64, Result<(), fn() -> PortError>);
    const REFUSED: fn() -> PortError = || PortError::permanent("no");
    const FAILED: fn() -> PortError = || PortError::transient("no");

    /// The number of the request that answered (0 for none), the number of requests, and the longest time, in milliseconds.
    async fn outcome(requests: [Does; 2]) -> (usize, usize, u128) {
        let (made, start) = (Cell::new(0), Instant::now());
        let answer = hedged(|| {
            let number = made.replace(made.get() + 1);
            let (takes, ends) = requests[number];
            async move {
                sleep(Duration::from_millis(takes)).await;
                ends.map(|()| number + 1).map_err(|error| error())
            }
        });
        let answer = answer.await.unwrap_or(0);
        (answer, made.get(), start.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_good_answer_counts() {
        const NEVER: u64 = 1_000_000;
        let ok = |takes| -> Does { (takes, Ok(())) };
        let fails = |takes| -> Does { (takes, Err(FAILED)) };
        for (requests, answer, made, longest) in [
            ([ok(14), ok(0)], 1, 1, 14),
            ([ok(30), ok(20)], 1, 2, 30),
            ([ok(NEVER), ok(5)], 2, 2, 20),
            ([fails(2), ok(5)], 2, 2, 10),
            ([fails(20), ok(30)], 2, 2, 45),
            ([ok(40), fails(2)], 1, 2, 40),
            ([fails(1), fails(1)], 0, 2, 5),
            ([fails(20), fails(30)], 0, 2, 45),
            ([(2, Err(REFUSED)), ok(0)], 0, 1, 2),
            ([(20, Err(REFUSED)), ok(NEVER)], 0, 2, 20),
        ] {
            let (by, requests_made, took) = outcome(requests).await;
            assert_eq!((by, requests_made), (answer, made));
            assert!(took <= longest + 1, "{took} ms, not {longest}");
        }
    }
}
