//! A circuit breaker for one model at one miner: failures cost an error budget, and when it is spent, the miner is left alone
//! for a while.
//!
//! Pure: time is an argument. Two things open it: some failures in a row, or a share of failures among the latest calls beyond
//! the budget. After the cool-down it is half open: one call at a time goes through as a probe (the user's call, which another
//! miner still takes over if it fails). A probe that succeeds closes the breaker; one that fails opens it for twice as long, up
//! to a limit. A busy miner is neither a success nor a failure.

/// When a breaker opens and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Failures in a row that open it.
    pub failures_max: u32,
    /// Share of failures among the latest calls that opens it, in percent.
    pub failures_percent_max: u32,
    /// Calls that are the latest: past this, old ones fade out by half.
    pub calls_window: u32,
    /// How long it stays open the first time.
    pub cooldown_ms: u64,
    /// How long it stays open at most, after probes that failed.
    pub cooldown_ms_max: u64,
}

/// One breaker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Breaker {
    failures_in_row: u32,
    calls: u32,
    failures: u32,
    open: Option<Open>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Open {
    until_ms: u64,
    /// How often it was opened without a success in between.
    times: u32,
    probing: bool,
}

/// What may be asked of the miner now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Any call.
    Closed,
    /// One call, to see.
    HalfOpen,
    /// None before then.
    Open {
        /// When it is half open.
        until_ms: u64,
    },
}

impl Breaker {
    /// Whether the miner may be asked now.
    #[must_use]
    pub fn admission(&self, now_ms: u64) -> Admission {
        match self.open {
            None => Admission::Closed,
            Some(open) if now_ms < open.until_ms => Admission::Open { until_ms: open.until_ms },
            Some(open) if open.probing => Admission::Open { until_ms: now_ms },
            Some(_) => Admission::HalfOpen,
        }
    }

    /// A call begins. Says whether it is the probe: while half open it is.
    pub fn begin(&mut self) -> bool {
        let probes = self.open.as_mut().map(|open| open.probing = true);
        probes.is_some()
    }

    /// The call said nothing about the miner: it was busy, or the user left.
    pub fn abstain(&mut self, is_probe: bool) {
        if let Some(open) = self.open.as_mut().filter(|_| is_probe) {
            open.probing = false;
        }
    }

    /// The miner answered as it should.
    pub fn succeed(&mut self, policy: BreakerPolicy) {
        self.failures_in_row = 0;
        if self.open.take().is_some() {
            // What is past is past, or the share would open it again at once.
            (self.calls, self.failures) = (0, 0);
        }
        self.count(policy, 0);
    }

    /// The miner failed a call. Calls that had begun before the breaker opened and fail now tell nothing new: one crash ends many.
    pub fn fail(&mut self, policy: BreakerPolicy, now_ms: u64, is_probe: bool) {
        if self.open.is_some() && !is_probe {
            return;
        }
        self.failures_in_row = self.failures_in_row.saturating_add(1);
        self.count(policy, 1);
        if self.open.is_none() && !self.is_spent(policy) {
            return;
        }
        let times = self.open.map_or(0, |open| open.times);
        let cooldown_ms = policy.cooldown_ms.saturating_mul(1 << times.min(20));
        let cooldown_ms = cooldown_ms.min(policy.cooldown_ms_max.max(policy.cooldown_ms));
        let until_ms = now_ms.saturating_add(cooldown_ms);
        self.open = Some(Open { until_ms, times: times.saturating_add(1), probing: false });
    }

    fn count(&mut self, policy: BreakerPolicy, failures: u32) {
        self.calls = self.calls.saturating_add(1);
        self.failures = self.failures.saturating_add(failures);
        if self.calls > policy.calls_window.max(1) {
            (self.calls, self.failures) = (self.calls / 2, self.failures / 2);
        }
    }

    fn is_spent(&self, policy: BreakerPolicy) -> bool {
        if self.failures_in_row >= policy.failures_max {
            return true;
        }
        // A share of few calls means nothing.
        let known = self.calls >= policy.calls_window / 2;
        let share = u64::from(self.failures) * 100 / u64::from(self.calls.max(1));
        known && share > policy.failures_percent_max.into()
    }
}

#[cfg(test)]
mod tests {
    use super::{Admission, Breaker, BreakerPolicy};

    const POLICY: BreakerPolicy = BreakerPolicy {
        failures_max: 3,
        failures_percent_max: 25,
        calls_window: 20,
        cooldown_ms: 1_000,
        cooldown_ms_max: 3_000,
    };

    fn failed(times: u32, now_ms: u64) -> Breaker {
        let mut breaker = Breaker::default();
        (0..times).for_each(|_| breaker.fail(POLICY, now_ms, false));
        breaker
    }

    #[test]
    fn a_breaker_opens_after_the_set_number_of_failures_in_a_row() {
        assert_eq!(failed(2, 5_000).admission(5_000), Admission::Closed);
        assert_eq!(failed(3, 5_000).admission(5_000), Admission::Open { until_ms: 6_000 });
    }

    #[test]
    fn a_success_in_between_starts_the_count_again() {
        let mut breaker = failed(2, 5_000);
        breaker.succeed(POLICY);
        breaker.fail(POLICY, 5_000, false);
        assert_eq!(breaker.admission(5_000), Admission::Closed);
    }

    #[test]
    fn every_third_call_that_fails_spends_the_budget_though_never_two_in_a_row() {
        let mut breaker = Breaker::default();
        let mut calls = 0;
        while breaker.admission(0) == Admission::Closed {
            calls += 1;
            if calls % 3 == 0 {
                breaker.fail(POLICY, 0, false)
            } else {
                breaker.succeed(POLICY)
            }
            assert!(calls < 100, "never opened");
        }
        assert!((POLICY.calls_window / 2..=POLICY.calls_window).contains(&calls), "{calls}");
    }

    #[test]
    fn one_failure_in_ten_is_within_the_budget() {
        let mut breaker = Breaker::default();
        for call in 0..1_000 {
            if call % 10 == 0 {
                breaker.fail(POLICY, 0, false)
            } else {
                breaker.succeed(POLICY)
            }
            assert_eq!(breaker.admission(0), Admission::Closed);
        }
    }

    #[test]
    fn many_calls_that_one_crash_ends_open_it_as_long_as_three() {
        assert!(!Breaker::default().begin());
        assert_eq!(failed(9, 5_000).admission(5_000), Admission::Open { until_ms: 6_000 });
    }

    #[test]
    fn half_open_lets_one_probe_through_at_a_time() {
        let mut breaker = failed(3, 5_000);
        assert_eq!(breaker.admission(6_000), Admission::HalfOpen);
        assert!(breaker.begin());
        assert_eq!(breaker.admission(6_000), Admission::Open { until_ms: 6_000 });
        breaker.abstain(false);
        assert_eq!(breaker.admission(6_000), Admission::Open { until_ms: 6_000 }, "an older call that ended");
        breaker.abstain(true);
        assert_eq!(breaker.admission(6_000), Admission::HalfOpen);
        assert!(breaker.begin());
        breaker.succeed(POLICY);
        assert_eq!(breaker.admission(6_000), Admission::Closed);
    }

    #[test]
    fn each_probe_that_fails_doubles_the_cooldown_up_to_its_limit() {
        let mut breaker = failed(3, 5_000);
        let mut now_ms = 6_000;
        for waited_ms in [2_000, 3_000, 3_000] {
            assert_eq!(breaker.admission(now_ms), Admission::HalfOpen);
            let is_probe = breaker.begin();
            breaker.fail(POLICY, now_ms, is_probe);
            assert_eq!(breaker.admission(now_ms), Admission::Open { until_ms: now_ms + waited_ms });
            now_ms += waited_ms;
        }
    }
}
