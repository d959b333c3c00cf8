//! What this validator has open with each miner, how fast it lately was, and how it has fared with each of its models.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::account::AccountId;
use protocol::ticket::ModelId;
use tokio::sync::Notify;

use super::breaker::{Admission, Breaker, BreakerPolicy};

/// Time in which a measurement that is not renewed loses half its weight: a miner that was slow once is tried again.
const HALF_LIFE_MS: u64 = 30_000;

/// Open calls, speeds and breakers, by miner.
pub(super) struct Loads {
    policy: BreakerPolicy,
    miners: Arc<Mutex<HashMap<AccountId, Load>>>,
    freed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Load {
    in_flight: u32,
    tokens: u64,
    models: HashMap<ModelId, Lane>,
}

/// One model at one miner.
#[derive(Debug, Default)]
struct Lane {
    breaker: Breaker,
    first_token_ms: Average,
    tokens_per_s: Average,
    call_ms: Average,
}

/// How a miner stands for one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub admission: Admission,
    pub in_flight: u32,
    pub tokens_in_flight: u64,
    pub first_token_ms: Option<u32>,
    pub tokens_per_s: Option<u32>,
    /// From ticket to receipt.
    pub call_ms: Option<u32>,
}

/// What an answer showed of its miner's speed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pace {
    /// Until the first token, where that could be seen.
    pub first_token_ms: Option<u32>,
    /// Until the last byte.
    pub total_ms: u32,
    /// Tokens delivered.
    pub tokens: u32,
}

/// An exponentially weighted average: each new value counts for an eighth, and one that is worse counts at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Average {
    value: Option<u32>,
    at_ms: u64,
}

/// One open call; it counts until this is dropped.
#[derive(Debug)]
pub(super) struct InFlight {
    policy: BreakerPolicy,
    miners: Arc<Mutex<HashMap<AccountId, Load>>>,
    freed: Arc<Notify>,
    miner: AccountId,
    model: ModelId,
    tokens: u64,
    judged: bool,
    /// Whether it is the one that a half open breaker let through.
    is_probe: bool,
}

impl Loads {
    pub(super) fn new(policy: BreakerPolicy) -> Self {
        Self { policy, miners: Arc::default(), freed: Arc::default() }
    }

    /// Counts a call as open, with the tokens that it may take.
    pub(super) fn begin(&self, miner: AccountId, model: &ModelId, tokens: u64) -> InFlight {
        let mut miners = lock(&self.miners);
        let load = miners.entry(miner).or_default();
        load.in_flight = load.in_flight.saturating_add(1);
        load.tokens = load.tokens.saturating_add(tokens);
        let is_probe = load.models.entry(model.clone()).or_default().breaker.begin();
        drop(miners);
        let (policy, miners, freed) = (self.policy, Arc::clone(&self.miners), Arc::clone(&self.freed));
        InFlight { policy, miners, freed, miner, model: model.clone(), tokens, judged: false, is_probe }
    }

    /// Ends when a call has ended since the last time. For one caller.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }

    pub(super) fn in_flight(&self, miner: &AccountId) -> u32 {
        lock(&self.miners).get(miner).map_or(0, |load| load.in_flight)
    }

    /// How these miners stand for a model, in the same order.
    pub(super) fn standings<'a>(
        &self,
        miners: impl IntoIterator<Item = &'a AccountId>,
        model: &ModelId,
        now_ms: u64,
    ) -> Vec<Standing> {
        let known = lock(&self.miners);
        miners.into_iter().map(|miner| standing(known.get(miner), model, now_ms)).collect()
    }

    /// Forgets miners that are gone and have nothing open.
    pub(super) fn retain(&self, is_known: impl Fn(&AccountId) -> bool) {
        lock(&self.miners).retain(|miner, load| load.in_flight > 0 || is_known(miner));
    }
}

fn standing(load: Option<&Load>, model: &ModelId, now_ms: u64) -> Standing {
    let lane = load.and_then(|load| load.models.get(model));
    Standing {
        admission: lane.map_or(Admission::Closed, |lane| lane.breaker.admission(now_ms)),
        in_flight: load.map_or(0, |load| load.in_flight),
        tokens_in_flight: load.map_or(0, |load| load.tokens),
        first_token_ms: lane.and_then(|lane| lane.first_token_ms.read(now_ms)),
        tokens_per_s: lane.and_then(|lane| lane.tokens_per_s.value),
        call_ms: lane.and_then(|lane| lane.call_ms.value),
    }
}

impl InFlight {
    /// The miner answered as it should. The call stays open until this is dropped.
    pub(super) fn succeed(&mut self, pace: Pace, now_ms: u64) {
        let policy = self.policy;
        self.judge(|lane| {
            lane.breaker.succeed(policy);
            if let Some(first_token_ms) = pace.first_token_ms {
                lane.first_token_ms.take(first_token_ms, now_ms, first_token_ms);
            }
            lane.call_ms.take(pace.total_ms, now_ms, 0);
            let generating_ms = pace.total_ms.saturating_sub(pace.first_token_ms.unwrap_or(0)).max(1);
            let tokens_per_s = u64::from(pace.tokens) * 1_000 / u64::from(generating_ms);
            if pace.tokens > 1 {
                lane.tokens_per_s.take(u32::try_from(tokens_per_s).unwrap_or(u32::MAX), now_ms, 0);
            }
        });
    }

    /// The miner failed.
    pub(super) fn fail(&mut self, now_ms: u64) {
        let (policy, is_probe) = (self.policy, self.is_probe);
        self.judge(|lane| lane.breaker.fail(policy, now_ms, is_probe));
    }

    fn judge(&mut self, judgement: impl FnOnce(&mut Lane)) {
        self.judged = true;
        if let Some(load) = lock(&self.miners).get_mut(&self.miner) {
            judgement(load.models.entry(self.model.clone()).or_default());
        }
    }
}

impl Average {
    /// Takes a value in; `at_least` is what the average must not stay below after it.
    fn take(&mut self, value: u32, now_ms: u64, at_least: u32) {
        let before = self.read(now_ms).unwrap_or(value);
        let mixed = (u64::from(before) * 7 + u64::from(value)) / 8;
        self.value = Some(u32::try_from(mixed).unwrap_or(u32::MAX).max(at_least));
        self.at_ms = now_ms;
    }

    /// The average, faded by its age.
    fn read(&self, now_ms: u64) -> Option<u32> {
        let halvings = now_ms.saturating_sub(self.at_ms) / HALF_LIFE_MS;
        self.value.map(|value| value.checked_shr(u32::try_from(halvings).unwrap_or(u32::MAX)).unwrap_or(0))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(load) = lock(&self.miners).get_mut(&self.miner) {
            load.in_flight = load.in_flight.saturating_sub(1);
            load.tokens = load.tokens.saturating_sub(self.tokens);
            if !self.judged
                && let Some(lane) = load.models.get_mut(&self.model)
            {
                lane.breaker.abstain(self.is_probe);
            }
        }
        self.freed.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing can panic between two states of a load, so a poisoned lock still guards a whole one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{Average, BreakerPolicy, HALF_LIFE_MS, Loads, Pace};
    use crate::fleet::breaker::Admission;
    use protocol::account::AccountId;
    use protocol::ticket::ModelId;

    const MINER: AccountId = AccountId([1; 32]);

    fn loads() -> (Loads, ModelId, ModelId) {
        let policy = BreakerPolicy {
            failures_max: 1,
            failures_percent_max: 50,
            calls_window: 10,
            cooldown_ms: 100,
            cooldown_ms_max: 100,
        };
        (Loads::new(policy), "a".parse().unwrap(), "b".parse().unwrap())
    }

    #[test]
    fn a_miner_that_fails_one_model_is_still_asked_for_another() {
        let (loads, a, b) = loads();
        loads.begin(MINER, &a, 10).fail(1_000);
        let admission = |model| loads.standings([&MINER], model, 1_050)[0].admission;
        assert_eq!(admission(&a), Admission::Open { until_ms: 1_100 });
        assert_eq!(admission(&b), Admission::Closed);
    }

    #[test]
    fn tokens_are_open_until_their_call_is_dropped() {
        let (loads, a, _) = loads();
        let first = loads.begin(MINER, &a, 10);
        let mut second = loads.begin(MINER, &a, 5);
        second.succeed(Pace { first_token_ms: Some(40), total_ms: 140, tokens: 10 }, 1);
        let open = || {
            let standing = loads.standings([&MINER], &a, 1)[0];
            (standing.in_flight, standing.tokens_in_flight, standing.first_token_ms, standing.tokens_per_s)
        };
        assert_eq!(open(), (2, 15, Some(40), Some(100)));
        drop(first);
        assert_eq!(open(), (1, 5, Some(40), Some(100)));
        drop(second);
        assert_eq!(open(), (0, 0, Some(40), Some(100)));
    }

    #[test]
    fn a_probe_whose_user_left_lets_the_next_one_through() {
        let (loads, a, _) = loads();
        loads.begin(MINER, &a, 1).fail(0);
        let admission = || loads.standings([&MINER], &a, 200)[0].admission;
        let probe = loads.begin(MINER, &a, 1);
        assert_eq!(admission(), Admission::Open { until_ms: 200 });
        drop(probe);
        assert_eq!(admission(), Admission::HalfOpen);
    }

    #[test]
    fn a_worse_time_counts_at_once_and_a_better_one_slowly_and_both_fade() {
        let mut average = Average::default();
        average.take(100, 0, 100);
        average.take(900, 1, 900);
        assert_eq!(average.read(1), Some(900));
        average.take(100, 2, 100);
        assert_eq!(average.read(2), Some(800));
        assert_eq!(average.read(2 + HALF_LIFE_MS), Some(400));
        assert_eq!(average.read(u64::MAX), Some(0));
    }
}
