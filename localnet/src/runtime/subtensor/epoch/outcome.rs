//! Writing what an epoch found.

use sp_runtime::PerU16;

use super::{Outcome, inputs::Shared};
use crate::runtime::{
    numbers::{AlphaBalance, I32F32, MechId, NetUid},
    subtensor::{
        Active, Bonds, Config, Consensus, ConsensusByMechanism, Dividends, Emission, Event, Incentive,
        Pallet, StakeWeight, ValidatorPermit, ValidatorTrust,
    },
};

impl<T: Config> Pallet<T> {
    pub(super) fn store_epoch(netuid: NetUid, shared: &Shared, outcomes: &[Outcome], emission: u64) {
        for outcome in outcomes {
            let index = netuid.index(outcome.mechanism);
            Incentive::<T>::insert(index, proportions(&outcome.incentive));
            ConsensusByMechanism::<T>::insert(index, proportions(&outcome.consensus));
            Self::store_bonds(netuid, shared, outcome);
            let emissions = outcome.server_alpha.iter().copied().map(AlphaBalance::new).collect();
            Self::deposit_event(Event::IncentiveAlphaEmittedToMiners { netuid: index, emissions });
        }
        let merge = Merge { outcomes, emission };
        Consensus::<T>::insert(netuid, merge.shares(|outcome| &outcome.consensus));
        Dividends::<T>::insert(netuid, merge.shares(|outcome| &outcome.dividends));
        ValidatorTrust::<T>::insert(netuid, merge.shares(|outcome| &outcome.validator_trust));
        let alpha = merge.numbers(|outcome| outcome.combined_alpha.clone());
        Emission::<T>::insert(netuid, alpha.into_iter().map(AlphaBalance::new).collect::<Vec<_>>());
        let active = |uid: usize| outcomes.iter().any(|outcome| outcome.active[uid]);
        Active::<T>::insert(netuid, (0..shared.hotkeys.len()).map(active).collect::<Vec<_>>());
        StakeWeight::<T>::insert(
            netuid,
            shared.stake.iter().map(|stake| stake.to_u16_proportion()).collect::<Vec<_>>(),
        );
        ValidatorPermit::<T>::insert(netuid, &shared.new_permits);
    }

    /// Validators keep bonds; whoever loses the permit loses them.
    fn store_bonds(netuid: NetUid, shared: &Shared, outcome: &Outcome) {
        let index = netuid.index(outcome.mechanism);
        for row in 0..shared.hotkeys.len() {
            let uid = row as u16;
            if !shared.new_permits[row] {
                if Bonds::<T>::contains_key(index, uid) {
                    Bonds::<T>::remove(index, uid);
                }
                continue;
            }
            let bonds: Vec<(u16, u16)> = outcome
                .bonds
                .row(row)
                .iter()
                .enumerate()
                .filter(|(_, bond)| **bond > I32F32::ZERO)
                .map(|(column, bond)| (column as u16, bond.to_u16_proportion()))
                .collect();
            Bonds::<T>::insert(index, uid, bonds);
        }
    }
}

/// Merging what mechanisms found by what each pays.
struct Merge<'a> {
    outcomes: &'a [Outcome],
    emission: u64,
}

impl Merge<'_> {
    /// Shares of 65535, each truncated on its own before it is weighed, as on the real chain.
    fn shares(&self, of: fn(&Outcome) -> &[I32F32]) -> Vec<PerU16> {
        let stored =
            |outcome: &Outcome| of(outcome).iter().map(|share| share.to_u16_proportion().into()).collect();
        let share = |number: u64| PerU16::from_parts(u16::try_from(number).unwrap_or(u16::MAX));
        self.numbers(stored).into_iter().map(share).collect()
    }

    /// The sum over the mechanisms of each number times the mechanism's part of the emission, truncated at every step. Where
    /// nothing is paid the main mechanism counts alone.
    fn numbers(&self, of: impl Fn(&Outcome) -> Vec<u64>) -> Vec<u64> {
        let mut merged = Vec::new();
        for outcome in self.outcomes {
            let weight = match (u128::from(outcome.emission) << 64).checked_div(self.emission.into()) {
                Some(weight) => weight,
                None => u128::from(outcome.mechanism == MechId::MAIN) << 64,
            };
            let numbers = of(outcome);
            merged.resize(numbers.len(), 0u64);
            for (sum, number) in merged.iter_mut().zip(numbers) {
                let weighed = (sp_core::U256::from(number) * sp_core::U256::from(weight)) >> 64;
                *sum = sum.saturating_add(u64::try_from(weighed).unwrap_or(u64::MAX));
            }
        }
        merged
    }
}

fn proportions(numbers: &[I32F32]) -> Vec<PerU16> {
    numbers.iter().map(|number| PerU16::from_parts(number.to_u16_proportion())).collect()
}
