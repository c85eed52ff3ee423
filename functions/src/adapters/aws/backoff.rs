//! Waits before something is asked again that the SDK does not ask again by itself.

use std::time::Duration;

/// The number of times in a row that the other side may do nothing for us before that is an error.
pub(super) const ROUNDS: u32 = 5;

/// The longest first pause; it doubles from then on.
const FIRST: Duration = Duration::from_millis(25);

/// Waits after so many rounds in vain; at random, so that those who were refused together do not come back together.
pub(super) async fn pause(rounds: u32) {
    let longest = FIRST * 2_u32.pow(rounds.saturating_sub(1).min(ROUNDS));
    tokio::time::sleep(longest.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
}
