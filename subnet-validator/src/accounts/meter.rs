//! One account's allowance at this moment: buckets and open calls. Pure: the time is an argument.

use super::bucket::Bucket;
use super::calendar;
use super::rights::Allowance;
use super::usage::Tally;

/// Why a call must wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// Too many requests this minute.
    #[error("more than {per_minute} requests a minute; try again in {retry_after_ms} ms")]
    Requests {
        /// The limit.
        per_minute: u64,
        /// Time until a request passes.
        retry_after_ms: u64,
    },
    /// Too many tokens this minute.
    #[error("more than {per_minute} tokens a minute; try again in {retry_after_ms} ms")]
    Tokens {
        /// The limit.
        per_minute: u64,
        /// Time until a request passes.
        retry_after_ms: u64,
    },
    /// Too many calls in progress.
    #[error("{max} calls of this account are in progress; wait until one has ended")]
    InFlight {
        /// The limit.
        max: u64,
    },
    /// The day's or month's quota is used up.
    #[error("the quota of {quota} {unit} a {period} is used up; it begins anew in {resets_in_s} s")]
    Quota {
        /// How much.
        quota: u64,
        /// Of what.
        unit: &'static str,
        /// In which time.
        period: &'static str,
        /// Seconds until it begins anew.
        resets_in_s: u64,
    },
}

/// What `x-ratelimit-*` headers say of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// A minute's worth.
    pub limit: u64,
    /// What is left now.
    pub remaining: u64,
    /// Time until all of it is back, in milliseconds.
    pub reset_ms: u64,
}

/// One account's buckets and open calls.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    in_flight: u64,
}

impl Meter {
    /// Lets one call begin. `today` and `month` are what the account has used before.
    pub fn begin(
        &mut self,
        allowance: &Allowance,
        today: &Tally,
        month: &Tally,
        now_ms: u64,
    ) -> Result<(), Exceeded> {
        self.follow(allowance, now_ms);
        check_quotas(allowance, today, month, now_ms)?;
        if allowance.calls_in_flight_max > 0 && self.in_flight >= allowance.calls_in_flight_max {
            return Err(Exceeded::InFlight { max: allowance.calls_in_flight_max });
        }
        if let Some(tokens) = &mut self.tokens {
            let per_minute = tokens.per_minute();
            let wait = |empty: super::bucket::Empty| empty.retry_after_ms;
            tokens
                .check(1, now_ms)
                .map_err(|empty| Exceeded::Tokens { per_minute, retry_after_ms: wait(empty) })?;
        }
        self.request(allowance, now_ms)?;
        self.in_flight += 1;
        Ok(())
    }

    /// Takes one request that is no call, such as a list of models.
    pub fn request(&mut self, allowance: &Allowance, now_ms: u64) -> Result<(), Exceeded> {
        self.follow(allowance, now_ms);
        let Some(requests) = &mut self.requests else { return Ok(()) };
        let per_minute = requests.per_minute();
        requests
            .take(1, now_ms)
            .map_err(|empty| Exceeded::Requests { per_minute, retry_after_ms: empty.retry_after_ms })
    }

    /// A call that began has ended.
    pub fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Takes the tokens that a call turned out to use.
    pub fn charge(&mut self, tokens: u64, now_ms: u64) {
        if let Some(bucket) = &mut self.tokens {
            bucket.charge(tokens, now_ms);
        }
    }

    /// What is left of requests and of tokens, where there are limits.
    pub fn left(&mut self, now_ms: u64) -> (Option<Left>, Option<Left>) {
        let left = |bucket: &mut Bucket| Left {
            limit: bucket.per_minute(),
            remaining: bucket.remaining(now_ms),
            reset_ms: bucket.reset_ms(now_ms),
        };
        (self.requests.as_mut().map(left), self.tokens.as_mut().map(left))
    }

    /// Whether nothing would be lost by forgetting it.
    pub fn is_idle(&mut self, now_ms: u64) -> bool {
        let full =
            |bucket: &mut Option<Bucket>| bucket.as_mut().is_none_or(|bucket| bucket.reset_ms(now_ms) == 0);
        self.in_flight == 0 && full(&mut self.requests) && full(&mut self.tokens)
    }

    /// Gives the buckets the size of the limits in force.
    fn follow(&mut self, allowance: &Allowance, now_ms: u64) {
        resize(&mut self.requests, allowance.requests_per_minute, now_ms);
        resize(&mut self.tokens, allowance.tokens_per_minute, now_ms);
    }
}

fn resize(bucket: &mut Option<Bucket>, per_minute: u64, now_ms: u64) {
    match bucket {
        _ if per_minute == 0 => *bucket = None,
        None => *bucket = Some(Bucket::new(per_minute, now_ms)),
        Some(bucket) if bucket.per_minute() != per_minute => bucket.set_per_minute(per_minute, now_ms),
        Some(_) => {}
    }
}

fn check_quotas(allowance: &Allowance, today: &Tally, month: &Tally, now_ms: u64) -> Result<(), Exceeded> {
    let tomorrow_s = calendar::until_tomorrow_ms(now_ms).div_ceil(1_000);
    let next_month_s = calendar::until_next_month_ms(now_ms).div_ceil(1_000);
    let quotas = [
        (allowance.tokens_per_month, month.tokens(), "tokens", "month", next_month_s),
        (allowance.units_per_month, month.units(), "compute units", "month", next_month_s),
        (allowance.tokens_per_day, today.tokens(), "tokens", "day", tomorrow_s),
        (allowance.units_per_day, today.units(), "compute units", "day", tomorrow_s),
    ];
    match quotas.into_iter().find(|(quota, used, ..)| *quota > 0 && used >= quota) {
        Some((quota, _, unit, period, resets_in_s)) => {
            Err(Exceeded::Quota { quota, unit, period, resets_in_s })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Exceeded, Meter};
    use crate::accounts::calendar::DAY_MS;
    use crate::accounts::rights::Allowance;
    use crate::accounts::usage::Tally;

    const NOON: u64 = 20_779 * DAY_MS + DAY_MS / 2;

    fn begin(meter: &mut Meter, allowance: &Allowance, now_ms: u64) -> Result<(), Exceeded> {
        meter.begin(allowance, &Tally::default(), &Tally::default(), now_ms)
    }

    #[test]
    fn tokens_of_one_call_are_waited_for_before_the_next() {
        let allowance = Allowance { tokens_per_minute: 600, ..Allowance::default() };
        let mut meter = Meter::default();
        begin(&mut meter, &allowance, NOON).unwrap();
        meter.charge(1_200, NOON);
        meter.end();
        let wait = Exceeded::Tokens { per_minute: 600, retry_after_ms: 60_100 };
        assert_eq!(begin(&mut meter, &allowance, NOON), Err(wait));
        assert_eq!(begin(&mut meter, &allowance, NOON + 60_100), Ok(()));
    }

    #[test]
    fn a_call_that_is_refused_takes_no_request_away() {
        let allowance = Allowance { requests_per_minute: 2, calls_in_flight_max: 1, ..Allowance::default() };
        let mut meter = Meter::default();
        begin(&mut meter, &allowance, NOON).unwrap();
        for _ in 0..5 {
            assert_eq!(begin(&mut meter, &allowance, NOON), Err(Exceeded::InFlight { max: 1 }));
        }
        meter.end();
        assert_eq!(begin(&mut meter, &allowance, NOON), Ok(()));
        let left = meter.left(NOON).0.unwrap();
        assert_eq!((left.limit, left.remaining, left.reset_ms), (2, 0, 60_000));
    }

    #[test]
    fn a_used_up_quota_says_when_it_begins_anew() {
        let allowance = Allowance { tokens_per_day: 10, units_per_month: 3, ..Allowance::default() };
        let used = |tokens, milli_units| Tally { prompt_tokens: tokens, milli_units, ..Tally::default() };
        let mut meter = Meter::default();
        assert_eq!(meter.begin(&allowance, &used(9, 0), &used(9, 2_999), NOON), Ok(()));
        let day = Exceeded::Quota { quota: 10, unit: "tokens", period: "day", resets_in_s: 43_200 };
        assert_eq!(meter.begin(&allowance, &used(10, 0), &used(10, 0), NOON), Err(day));
        let resets_in_s = (8 * DAY_MS + DAY_MS / 2) / 1_000;
        let month = Exceeded::Quota { quota: 3, unit: "compute units", period: "month", resets_in_s };
        assert_eq!(meter.begin(&allowance, &used(10, 0), &used(10, 3_000), NOON), Err(month));
    }

    #[test]
    fn without_limits_nothing_is_refused_and_nothing_kept() {
        let mut meter = Meter::default();
        for _ in 0..10_000 {
            begin(&mut meter, &Allowance::default(), NOON).unwrap();
            meter.end();
        }
        assert!(meter.is_idle(NOON));
    }
}
