//! Waiting for a condition, with a deadline. The one place in the tests that may let time pass.

use std::future::Future;
use std::time::{Duration, Instant};

/// Longest wait for anything, in milliseconds: generous, because a busy machine is no failure.
const WAIT_MS_MAX: u64 = 60_000;
/// Pause between two looks, in milliseconds.
const PAUSE_MS: u64 = 20;

/// Looks again and again until `condition` gives a value; panics with `what` after a minute.
///
/// # Panics
/// When the condition did not come true in time.
pub async fn until<T, F>(what: &str, mut condition: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + Duration::from_millis(WAIT_MS_MAX);
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {WAIT_MS_MAX} ms in vain: {what}");
        tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
    }
}
