//! The chain's clock: the machine's, moved by whoever travels in time, and never standing still between two blocks.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// A clock for block timestamps, in milliseconds since 1970.
#[derive(Debug, Default)]
pub struct Clock {
    /// How far the clock was moved ahead.
    ahead_ms: AtomicU64,
    /// Time of the last block.
    last_ms: AtomicU64,
}

impl Clock {
    /// Time for the next block: later than that of the last.
    pub fn next_ms(&self) -> u64 {
        let machine = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now =
            u64::try_from(machine).unwrap_or(u64::MAX).saturating_add(self.ahead_ms.load(Ordering::SeqCst));
        let next = now.max(self.last_ms.load(Ordering::SeqCst).saturating_add(1));
        self.last_ms.store(next, Ordering::SeqCst);
        next
    }

    /// Moves the clock ahead.
    pub fn travel(&self, milliseconds: u64) {
        let add = |ahead: u64| Some(ahead.saturating_add(milliseconds));
        let _ = self.ahead_ms.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_never_share_a_time_and_travel_moves_the_next() {
        let clock = Clock::default();
        let times: Vec<u64> = (0..100).map(|_| clock.next_ms()).collect();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
        clock.travel(3_600_000);
        assert!(clock.next_ms() >= times[99] + 3_599_000);
    }
}
