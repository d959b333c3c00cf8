//! What this validator has open with each miner, and how it has fared with it lately.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::account::AccountId;

use super::breaker::{Breaker, BreakerPolicy};

/// Open calls and breakers, by miner.
pub(super) struct Loads {
    policy: BreakerPolicy,
    miners: Arc<Mutex<HashMap<AccountId, Load>>>,
}

#[derive(Debug, Default)]
struct Load {
    in_flight: u32,
    breaker: Breaker,
}

/// One open call; it counts until this is dropped.
#[derive(Debug)]
pub(super) struct InFlight {
    miners: Arc<Mutex<HashMap<AccountId, Load>>>,
    miner: AccountId,
}

impl Loads {
    pub(super) fn new(policy: BreakerPolicy) -> Self {
        Self { policy, miners: Arc::default() }
    }

    /// Counts a call as open.
    pub(super) fn begin(&self, miner: AccountId) -> InFlight {
        let mut miners = lock(&self.miners);
        let load = miners.entry(miner).or_default();
        load.in_flight = load.in_flight.saturating_add(1);
        InFlight { miners: Arc::clone(&self.miners), miner }
    }

    pub(super) fn in_flight(&self, miner: &AccountId) -> u32 {
        lock(&self.miners).get(miner).map_or(0, |load| load.in_flight)
    }

    /// When the miner may be asked again, if not now.
    pub(super) fn closed_until_ms(&self, miner: &AccountId, now_ms: u64) -> Option<u64> {
        lock(&self.miners).get(miner)?.breaker.opens_again_ms(now_ms)
    }

    pub(super) fn succeed(&self, miner: AccountId) {
        lock(&self.miners).entry(miner).or_default().breaker.succeed();
    }

    pub(super) fn fail(&self, miner: AccountId, now_ms: u64) {
        lock(&self.miners).entry(miner).or_default().breaker.fail(self.policy, now_ms);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(load) = lock(&self.miners).get_mut(&self.miner) {
            load.in_flight = load.in_flight.saturating_sub(1);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing can panic between two states of a load, so a poisoned lock still guards a whole one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
