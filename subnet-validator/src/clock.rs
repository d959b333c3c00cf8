//! The only reader of the wall clock. Everything that decides takes its time as an argument from here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Wall clock plus the nonce source of signed requests.
#[derive(Debug, Default)]
pub struct Clock {
    nonce_ns_last: AtomicU64,
}

impl Clock {
    /// A clock that has handed out no nonce yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Milliseconds since the Unix epoch; 0 if the system clock stands before it.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
    }

    /// A nonce for one signed request: nanoseconds since the Unix epoch, never the same or smaller twice, so that two requests
    /// within one clock tick (or after the clock stepped back) are not taken for a replay.
    #[must_use]
    pub fn nonce_ns(&self) -> u64 {
        let now = u64::try_from(since_epoch().as_nanos()).unwrap_or(u64::MAX);
        let mut last = self.nonce_ns_last.load(Ordering::Relaxed);
        loop {
            let next = now.max(last.saturating_add(1));
            match self.nonce_ns_last.compare_exchange_weak(last, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return next,
                Err(seen) => last = seen,
            }
        }
    }
}

fn since_epoch() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn nonces_only_ever_grow() {
        let clock = Clock::new();
        let nonces: Vec<u64> = (0..10_000).map(|_| clock.nonce_ns()).collect();
        assert!(nonces.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
