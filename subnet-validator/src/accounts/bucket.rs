//! A token bucket that may go into debt. Pure: the time is an argument.

/// A minute's allowance is counted in parts of 1/60,000, so that every whole millisecond refills without rounding.
const PARTS: i128 = 60_000;

/// An allowance per minute. A full bucket holds one minute's worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    per_minute: u64,
    level: i128,
    updated_ms: u64,
}

/// The bucket is empty for this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Empty {
    /// Time until the same request would be admitted, in milliseconds.
    pub retry_after_ms: u64,
}

impl Bucket {
    /// A full bucket of `per_minute` units (at least 1).
    #[must_use]
    pub fn new(per_minute: u64, now_ms: u64) -> Self {
        let per_minute = per_minute.max(1);
        Self { per_minute, level: full(per_minute), updated_ms: now_ms }
    }

    /// Units a minute.
    #[must_use]
    pub fn per_minute(&self) -> u64 {
        self.per_minute
    }

    /// Changes the allowance. What was spent stays spent, as a share of a minute.
    pub fn set_per_minute(&mut self, per_minute: u64, now_ms: u64) {
        self.refill(now_ms);
        let spent = full(self.per_minute) - self.level;
        self.level = full(per_minute.max(1)) - spent;
        self.per_minute = per_minute.max(1);
    }

    /// Takes `units`, or says when they will be there. More than a minute's worth is never there at once: it is let through
    /// when the bucket is full, and leaves it in debt.
    pub fn take(&mut self, units: u64, now_ms: u64) -> Result<(), Empty> {
        self.check(units, now_ms)?;
        self.charge(units, now_ms);
        Ok(())
    }

    /// Whether `units` could be taken now.
    pub fn check(&mut self, units: u64, now_ms: u64) -> Result<(), Empty> {
        self.refill(now_ms);
        let needed = (i128::from(units) * PARTS).min(full(self.per_minute));
        match needed - self.level {
            missing if missing <= 0 => Ok(()),
            missing => Err(Empty { retry_after_ms: self.time_ms(missing) }),
        }
    }

    /// Takes `units` that have been used already, into debt if need be.
    pub fn charge(&mut self, units: u64, now_ms: u64) {
        self.refill(now_ms);
        self.level -= i128::from(units) * PARTS;
    }

    /// Whole units left; 0 in debt.
    pub fn remaining(&mut self, now_ms: u64) -> u64 {
        self.refill(now_ms);
        u64::try_from(self.level / PARTS).unwrap_or(0)
    }

    /// Time until the bucket is full again, in milliseconds.
    pub fn reset_ms(&mut self, now_ms: u64) -> u64 {
        self.refill(now_ms);
        self.time_ms(full(self.per_minute) - self.level)
    }

    /// A clock that went back refills nothing.
    fn refill(&mut self, now_ms: u64) {
        let elapsed_ms = now_ms.saturating_sub(self.updated_ms);
        self.updated_ms = self.updated_ms.max(now_ms);
        let refill = i128::from(elapsed_ms) * i128::from(self.per_minute);
        self.level = (self.level + refill).min(full(self.per_minute));
    }

    fn time_ms(&self, parts: i128) -> u64 {
        let per_ms = i128::from(self.per_minute);
        u64::try_from((parts + per_ms - 1) / per_ms).unwrap_or(u64::MAX)
    }
}

fn full(per_minute: u64) -> i128 {
    i128::from(per_minute) * PARTS
}

#[cfg(test)]
mod tests {
    use super::{Bucket, Empty};
    use proptest::prelude::*;

    #[test]
    fn a_minutes_worth_passes_at_once_and_then_one_at_a_time() {
        let mut bucket = Bucket::new(60, 0);
        for _ in 0..60 {
            assert_eq!(bucket.take(1, 0), Ok(()));
        }
        assert_eq!(bucket.take(1, 0), Err(Empty { retry_after_ms: 1_000 }));
        assert_eq!(bucket.take(1, 999), Err(Empty { retry_after_ms: 1 }));
        assert_eq!(bucket.take(1, 1_000), Ok(()));
    }

    #[test]
    fn what_was_used_beyond_the_allowance_is_waited_for() {
        let mut bucket = Bucket::new(600, 0);
        bucket.charge(900, 0);
        assert_eq!(bucket.remaining(0), 0);
        // 300 in debt and one more to begin with, at ten a second.
        assert_eq!(bucket.check(1, 0), Err(Empty { retry_after_ms: 30_100 }));
        assert_eq!(bucket.check(1, 30_100), Ok(()));
        assert_eq!(bucket.reset_ms(30_100), 59_900);
    }

    #[test]
    fn a_call_larger_than_a_minutes_worth_waits_for_a_full_bucket_and_not_for_ever() {
        let mut bucket = Bucket::new(60, 0);
        assert_eq!(bucket.take(61, 0), Ok(()));
        assert_eq!(bucket.take(61, 0), Err(Empty { retry_after_ms: 61_000 }));
        assert_eq!(bucket.take(61, 61_000), Ok(()));
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_and_takes_nothing() {
        let mut bucket = Bucket::new(60, 100_000);
        bucket.charge(60, 100_000);
        assert_eq!(bucket.take(1, 0), Err(Empty { retry_after_ms: 1_000 }));
        assert_eq!(bucket.take(1, 100_500), Err(Empty { retry_after_ms: 500 }));
    }

    #[test]
    fn a_changed_allowance_keeps_what_was_spent() {
        let mut bucket = Bucket::new(100, 0);
        bucket.charge(90, 0);
        bucket.set_per_minute(1_000, 0);
        assert_eq!(bucket.remaining(0), 910);
        bucket.set_per_minute(50, 0);
        assert_eq!(bucket.remaining(0), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: proptest::test_runner::RngSeed::Fixed(7), cases: 64, ..ProptestConfig::default() })]

        /// The two halves of a truthful Retry-After: it works then, and not a millisecond earlier.
        #[test]
        fn the_wait_it_names_is_exact(per_minute in 1u64..100_000, spent in 0u64..300_000, units in 1u64..1_000) {
            let mut bucket = Bucket::new(per_minute, 0);
            bucket.charge(spent, 0);
            if let Err(Empty { retry_after_ms }) = bucket.check(units, 0) {
                prop_assert!(bucket.clone().check(units, retry_after_ms - 1).is_err());
                prop_assert!(bucket.check(units, retry_after_ms).is_ok());
            }
        }

        /// However calls come, no more pass than a minute's worth and what time has refilled.
        #[test]
        fn no_more_passes_than_the_allowance(steps in prop::collection::vec((0u64..2_000, 1u64..40), 1..100)) {
            let mut bucket = Bucket::new(60, 0);
            let (mut now_ms, mut passed) = (0, 0);
            for (wait_ms, units) in steps {
                now_ms += wait_ms;
                if bucket.take(units, now_ms).is_ok() {
                    passed += units;
                }
                prop_assert!(passed * 1_000 <= 60_000 + now_ms);
            }
        }
    }
}
