//! A circuit breaker per miner: after some failures in a row it is left alone for a while.
//!
//! Pure: time is an argument. After the cool-down the miner is asked again; the first success closes the breaker, the first
//! failure opens it for another cool-down.

/// When a breaker opens and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Failures in a row that open it.
    pub failures_max: u32,
    /// How long it stays open.
    pub cooldown_ms: u64,
}

/// One miner's breaker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    open_until_ms: u64,
}

impl Breaker {
    /// Whether the miner may be asked now.
    #[must_use]
    pub fn admits(&self, now_ms: u64) -> bool {
        now_ms >= self.open_until_ms
    }

    /// When it may be asked again, if it may not now.
    #[must_use]
    pub fn opens_again_ms(&self, now_ms: u64) -> Option<u64> {
        (!self.admits(now_ms)).then_some(self.open_until_ms)
    }

    /// The miner answered as it should.
    pub fn succeed(&mut self) {
        *self = Self::default();
    }

    /// The miner failed a call.
    pub fn fail(&mut self, policy: BreakerPolicy, now_ms: u64) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= policy.failures_max {
            self.open_until_ms = now_ms.saturating_add(policy.cooldown_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Breaker, BreakerPolicy};

    const POLICY: BreakerPolicy = BreakerPolicy { failures_max: 3, cooldown_ms: 1_000 };

    fn failed(times: u32, now_ms: u64) -> Breaker {
        let mut breaker = Breaker::default();
        (0..times).for_each(|_| breaker.fail(POLICY, now_ms));
        breaker
    }

    #[test]
    fn a_breaker_opens_after_the_set_number_of_failures_in_a_row() {
        assert!(failed(2, 5_000).admits(5_000));
        assert!(!failed(3, 5_000).admits(5_000));
    }

    #[test]
    fn a_success_in_between_starts_the_count_again() {
        let mut breaker = failed(2, 5_000);
        breaker.succeed();
        breaker.fail(POLICY, 5_000);
        assert!(breaker.admits(5_000));
    }

    #[test]
    fn after_the_cooldown_one_failure_is_enough_to_open_it_again() {
        let mut breaker = failed(3, 5_000);
        assert_eq!(breaker.opens_again_ms(5_999), Some(6_000));
        assert!(breaker.admits(6_000));
        breaker.fail(POLICY, 6_000);
        assert!(!breaker.admits(6_999));
    }
}
