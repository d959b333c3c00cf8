//! Writing what an epoch found.

use sp_runtime::PerU16;

use super::{Outcome, inputs::Shared};
use crate::runtime::{
    numbers::{AlphaBalance, I32F32, MechId, NetUid},
    subtensor::{
        Active, Bonds, Config, Consensus, ConsensusByMechanism, Dividends, Emission, Incentive, LastUpdate,
        Pallet, StakeWeight, ValidatorPermit, ValidatorTrust,
    },
};

impl<T: Config> Pallet<T> {
    pub(super) fn store_epoch(netuid: NetUid, shared: &Shared, outcomes: &[Outcome]) {
        for outcome in outcomes {
            let index = netuid.index(outcome.mechanism);
            Incentive::<T>::insert(index, proportions(&outcome.incentive));
            ConsensusByMechanism::<T>::insert(index, proportions(&outcome.consensus));
            Self::store_bonds(netuid, shared, outcome);
        }
        let merge = |of: fn(&Outcome) -> &[I32F32]| {
            let merged: Vec<I32F32> = (0..shared.hotkeys.len())
                .map(|uid| I32F32::sum(outcomes.iter().map(|outcome| outcome.share.mul(of(outcome)[uid]))))
                .collect();
            proportions(&merged)
        };
        Consensus::<T>::insert(netuid, merge(|outcome| &outcome.consensus));
        Dividends::<T>::insert(netuid, merge(|outcome| &outcome.dividends));
        ValidatorTrust::<T>::insert(netuid, merge(|outcome| &outcome.validator_trust));
        let emission: Vec<AlphaBalance> = (0..shared.hotkeys.len())
            .map(|uid| AlphaBalance::new(outcomes.iter().map(|outcome| outcome.combined_alpha[uid]).sum()))
            .collect();
        Emission::<T>::insert(netuid, emission);
        Active::<T>::insert(netuid, Self::activity(netuid, shared.hotkeys.len()));
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
                .map(|(column, bond)| (column as u16, bond.to_u16_proportion()))
                .filter(|(_, bond)| *bond > 0)
                .collect();
            Bonds::<T>::insert(index, uid, bonds);
        }
    }

    /// Which neurons have updated recently enough to count as active, by the main mechanism.
    fn activity(netuid: NetUid, neurons: usize) -> Vec<bool> {
        let (now, cutoff) = (Self::block(), Self::activity_cutoff(netuid));
        let mut updated = LastUpdate::<T>::get(netuid.index(MechId::MAIN));
        updated.resize(neurons, 0);
        updated.iter().map(|updated| updated.saturating_add(cutoff) >= now).collect()
    }
}

fn proportions(numbers: &[I32F32]) -> Vec<PerU16> {
    numbers.iter().map(|number| PerU16::from_parts(number.to_u16_proportion())).collect()
}
