//! Who may use this miner: validators with a permit and enough stake, plus the operator's own list.
//!
//! Pure: made from a metagraph and a policy, asked with the time.

use std::collections::{BTreeMap, BTreeSet};

use chain_client::Metagraph;
use protocol::account::AccountId;
use serde::{Deserialize, Serialize};

/// The operator's choice of callers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PermitPolicy {
    /// Least stake of a validator with a permit, in rao of the subnet's alpha. Default 0.
    pub stake_min_rao: u64,
    /// Hotkeys that may call without permit or stake. Default none.
    pub allow: BTreeSet<AccountId>,
    /// Hotkeys that may never call, whatever their stake. Default none.
    pub deny: BTreeSet<AccountId>,
    /// How old the last metagraph may be before permits read from it stop counting, in milliseconds. Default one hour.
    pub age_ms_max: u64,
}

impl Default for PermitPolicy {
    fn default() -> Self {
        Self { stake_min_rao: 0, allow: BTreeSet::new(), deny: BTreeSet::new(), age_ms_max: 3_600_000 }
    }
}

/// The callers permitted as of one metagraph.
#[derive(Clone, Debug)]
pub struct Permits {
    policy: PermitPolicy,
    /// Each with its stake, in rao.
    validators: BTreeMap<AccountId, u64>,
    read_at_ms: u64,
}

/// Why a caller is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The operator listed the hotkey under `deny`.
    #[error("this miner's operator does not serve your hotkey")]
    Denied,
    /// No permit, or too little stake.
    #[error("your hotkey holds no validator permit with enough stake on this subnet")]
    NotPermitted,
    /// The miner has lost sight of the chain and cannot tell.
    #[error("this miner has not seen the chain for too long to know who holds a permit")]
    Stale,
}

impl Permits {
    /// The given validators with equal stake, as if a metagraph read at `read_at_ms` had named them.
    pub fn of(
        policy: PermitPolicy,
        validators: impl IntoIterator<Item = AccountId>,
        read_at_ms: u64,
    ) -> Self {
        Self::with_stakes(policy, validators.into_iter().map(|validator| (validator, 0)), read_at_ms)
    }

    /// The same with each validator's stake, in rao.
    pub fn with_stakes(
        policy: PermitPolicy,
        validators: impl IntoIterator<Item = (AccountId, u64)>,
        read_at_ms: u64,
    ) -> Self {
        Self { policy, validators: validators.into_iter().collect(), read_at_ms }
    }

    /// The validators of `metagraph` that hold a permit and at least the policy's stake.
    pub fn from_metagraph(policy: PermitPolicy, metagraph: &Metagraph, read_at_ms: u64) -> Self {
        let validators = metagraph
            .neurons
            .iter()
            .filter(|neuron| neuron.validator_permit && neuron.stake_rao >= policy.stake_min_rao)
            .map(|neuron| (neuron.hotkey, neuron.stake_rao))
            .collect();
        Self { policy, validators, read_at_ms }
    }

    /// How many validators hold a permit that counts here.
    pub fn len(&self) -> usize {
        self.validators.len()
    }

    /// A validator's stake, in rao; nothing for one without a permit.
    pub fn stake_rao(&self, validator: &AccountId) -> u64 {
        self.validators.get(validator).copied().unwrap_or(0)
    }

    /// Whether this is a validator with a permit that counts here, and the operator does not keep it out.
    pub fn has(&self, validator: &AccountId) -> bool {
        self.validators.contains_key(validator) && !self.policy.deny.contains(validator)
    }

    /// Whether no validator holds a permit that counts here.
    pub fn is_empty(&self) -> bool {
        self.validators.is_empty()
    }

    /// The share of `caller` against that of others: its stake, but at least a hundredth of the largest validator's, so that
    /// a small one is slow and not shut out. Callers that only the operator admits have that hundredth.
    pub fn weight(&self, caller: &AccountId) -> u64 {
        let largest = self.validators.values().copied().max().unwrap_or(0);
        let stake = self.validators.get(caller).copied().unwrap_or(0);
        stake.max(largest / 100).max(1)
    }

    /// Whether `caller` may use this miner now.
    pub fn check(&self, caller: &AccountId, now_ms: u64) -> Result<(), Refusal> {
        if self.policy.deny.contains(caller) {
            return Err(Refusal::Denied);
        }
        if self.policy.allow.contains(caller) {
            return Ok(());
        }
        if now_ms.saturating_sub(self.read_at_ms) > self.policy.age_ms_max {
            return Err(Refusal::Stale);
        }
        if self.validators.contains_key(caller) { Ok(()) } else { Err(Refusal::NotPermitted) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALIDATOR: AccountId = AccountId([1; 32]);
    const STRANGER: AccountId = AccountId([2; 32]);

    #[test]
    fn a_validator_is_permitted_until_the_metagraph_grows_old() {
        let permits = Permits::of(PermitPolicy::default(), [VALIDATOR], 1_000);
        assert_eq!(permits.check(&VALIDATOR, 3_601_000), Ok(()));
        assert_eq!(permits.check(&VALIDATOR, 3_601_001), Err(Refusal::Stale));
        assert_eq!(permits.check(&STRANGER, 1_000), Err(Refusal::NotPermitted));
    }

    #[test]
    fn the_operators_lists_overrule_the_chain() {
        let policy =
            PermitPolicy { allow: [STRANGER].into(), deny: [VALIDATOR].into(), ..PermitPolicy::default() };
        let permits = Permits::of(policy, [VALIDATOR], 0);
        assert_eq!(permits.check(&STRANGER, u64::MAX), Ok(()));
        assert_eq!(permits.check(&VALIDATOR, 0), Err(Refusal::Denied));
    }

    #[test]
    fn a_caller_weighs_its_stake_and_never_less_than_a_hundredth_of_the_largest() {
        let mut permits = Permits::of(PermitPolicy::default(), [VALIDATOR], 0);
        permits.validators = [(VALIDATOR, 500_000), (AccountId([3; 32]), 7)].into();
        assert_eq!(permits.weight(&VALIDATOR), 500_000);
        assert_eq!(permits.weight(&AccountId([3; 32])), 5_000);
        assert_eq!(permits.weight(&STRANGER), 5_000);
    }
}
