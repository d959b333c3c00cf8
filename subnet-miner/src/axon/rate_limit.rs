//! Token buckets, one per key (an address or a hotkey). Pure: the time is an argument.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// How often one key may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Requests per second, sustained.
    pub per_s: NonZeroU32,
    /// Requests at once after a pause.
    pub burst: NonZeroU32,
}

/// Buckets are counted in thousandths of a request, so that whole milliseconds refill without rounding.
const REQUEST: u64 = 1_000;

/// Buckets kept before full ones are forgotten; a full bucket says nothing that a new one would not.
const BUCKETS_MAX: usize = 16_384;

#[derive(Debug)]
struct Bucket {
    level: u64,
    updated_ms: u64,
}

/// The buckets of every key seen lately.
#[derive(Debug)]
pub struct RateLimiter<K> {
    rate: Rate,
    buckets: BTreeMap<K, Bucket>,
}

/// The caller must wait this long for its next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFast {
    /// Time until the next request would be admitted.
    pub retry_after_ms: u64,
}

impl<K: Ord + Copy> RateLimiter<K> {
    /// A limiter that has seen nobody.
    pub fn new(rate: Rate) -> Self {
        Self { rate, buckets: BTreeMap::new() }
    }

    /// Another rate from now on. A bucket that holds more than the new burst is cut to it when it is next used.
    pub fn set_rate(&mut self, rate: Rate) {
        self.rate = rate;
    }

    /// Takes one request out of `key`'s bucket.
    pub fn take(&mut self, key: K, now_ms: u64) -> Result<(), TooFast> {
        let full = u64::from(self.rate.burst.get()) * REQUEST;
        let per_ms = u64::from(self.rate.per_s.get());
        if self.buckets.len() >= BUCKETS_MAX && !self.buckets.contains_key(&key) {
            self.forget_full(full, per_ms, now_ms);
            if self.buckets.len() >= BUCKETS_MAX {
                return Err(TooFast { retry_after_ms: 1_000 });
            }
        }
        let bucket = self.buckets.entry(key).or_insert(Bucket { level: full, updated_ms: now_ms });
        bucket.level = level(bucket, full, per_ms, now_ms);
        bucket.updated_ms = now_ms;
        match bucket.level.checked_sub(REQUEST) {
            Some(rest) => {
                bucket.level = rest;
                Ok(())
            }
            None => Err(TooFast { retry_after_ms: (REQUEST - bucket.level).div_ceil(per_ms) }),
        }
    }

    fn forget_full(&mut self, full: u64, per_ms: u64, now_ms: u64) {
        self.buckets.retain(|_, bucket| level(bucket, full, per_ms, now_ms) < full);
    }
}

fn level(bucket: &Bucket, full: u64, per_ms: u64, now_ms: u64) -> u64 {
    let refill = now_ms.saturating_sub(bucket.updated_ms).saturating_mul(per_ms);
    bucket.level.saturating_add(refill).min(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter() -> RateLimiter<u8> {
        let number = |value| NonZeroU32::new(value).unwrap();
        RateLimiter::new(Rate { per_s: number(2), burst: number(3) })
    }

    #[test]
    fn a_burst_is_admitted_and_the_next_request_waits_its_share_of_a_second() {
        let mut limiter = limiter();
        for _ in 0..3 {
            assert_eq!(limiter.take(1, 0), Ok(()));
        }
        assert_eq!(limiter.take(1, 0), Err(TooFast { retry_after_ms: 500 }));
        assert_eq!(limiter.take(1, 499), Err(TooFast { retry_after_ms: 1 }));
        assert_eq!(limiter.take(1, 500), Ok(()));
    }

    #[test]
    fn another_rate_holds_from_the_next_request_on() {
        let number = |value| NonZeroU32::new(value).unwrap();
        let mut limiter = limiter();
        assert_eq!(limiter.take(1, 0), Ok(()));
        limiter.set_rate(Rate { per_s: number(1), burst: number(1) });
        assert_eq!(limiter.take(1, 0), Ok(()), "two were left, and one is the most now");
        assert_eq!(limiter.take(1, 0), Err(TooFast { retry_after_ms: 1_000 }));
    }

    #[test]
    fn one_keys_haste_does_not_slow_another() {
        let mut limiter = limiter();
        while limiter.take(1, 0).is_ok() {}
        assert_eq!(limiter.take(2, 0), Ok(()));
    }

    #[test]
    fn buckets_of_idle_keys_are_forgotten_when_there_are_too_many() {
        let number = |value| NonZeroU32::new(value).unwrap();
        let mut limiter = RateLimiter::new(Rate { per_s: number(1), burst: number(1) });
        for key in 0..BUCKETS_MAX {
            assert_eq!(limiter.take(key, 0), Ok(()));
        }
        assert!(limiter.take(BUCKETS_MAX, 0).is_err());
        assert_eq!(limiter.take(BUCKETS_MAX, 1_000), Ok(()));
        assert_eq!(limiter.buckets.len(), 1);
    }
}
