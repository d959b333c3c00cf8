//! What an epoch reads: stake, permits, activity, and each mechanism's weights and bonds, masked as the rules say.

use std::collections::BTreeMap;

use sp_runtime::AccountId32;

use super::matrix::{Matrix, normalised};
use crate::runtime::{
    numbers::{I32F32, MechId, NetUid},
    subtensor::{
        ActivityCutoffFactorMilli, AlphaSigmoidSteepness, AlphaValues, BlockAtRegistration, Bonds,
        BondsMovingAverage, BondsPenalty, CommitRevealWeightsEnabled, Config, ConsensusByMechanism, Kappa,
        LastMechansimStepBlock, LastUpdate, LiquidAlphaConsensusMode, LiquidAlphaOn, MaxAllowedValidators,
        Pallet, StakeThreshold, Tempo, ValidatorPermit, Weights, Yuma3On, types::ConsensusMode,
    },
};

/// `BondsMovingAverage` that means one.
const MOVING_AVERAGE_ONE: u64 = 1_000_000;

/// What every mechanism of a subnet shares.
pub(super) struct Shared {
    pub hotkeys: Vec<AccountId32>,
    pub owner: Option<usize>,
    /// Stake weights, normalised.
    pub stake: Vec<I32F32>,
    /// Permits of the epoch that now ends, with the owner's.
    pub permits: Vec<bool>,
    /// Permits of the epoch that now begins.
    pub new_permits: Vec<bool>,
    pub registered_at: Vec<u64>,
}

/// What one mechanism adds.
pub(super) struct Inputs {
    /// Who has updated recently enough.
    pub active: Vec<bool>,
    /// Stake of active validators with a permit, normalised.
    pub active_stake: Vec<I32F32>,
    /// Weights that count, rows normalised.
    pub weights: Matrix,
    /// Bonds, those of the recently registered masked: shares of one, for classic bonds as stored.
    pub bonds: Matrix,
    pub kappa: I32F32,
    pub bonds_penalty: I32F32,
    /// How much of the new bonds an epoch takes over.
    pub bonds_alpha: I32F32,
    pub yuma3: bool,
    /// How bonds of Yuma 3 move; `None` when all move by `bonds_alpha`.
    pub liquid: Option<Liquid>,
}

/// The rate of liquid bonds.
pub(super) struct Liquid {
    pub low: I32F32,
    pub high: I32F32,
    pub steepness: I32F32,
    /// The consensus weights are measured against, if it is not that of the epoch that runs.
    pub previous_consensus: Option<Vec<I32F32>>,
}

impl<T: Config> Pallet<T> {
    pub(super) fn shared_inputs(netuid: NetUid) -> Shared {
        let hotkeys = Self::hotkeys(netuid);
        let owner = Self::owner_uid(netuid).map(usize::from);
        let stake = Self::normalised_stake(netuid, &hotkeys, owner);

        let mut permits = ValidatorPermit::<T>::get(netuid);
        permits.resize(hotkeys.len(), false);
        let mut new_permits = most_staked(&stake, usize::from(MaxAllowedValidators::<T>::get(netuid)));
        for permits in [&mut permits, &mut new_permits] {
            if let Some(permit) = owner.and_then(|owner| permits.get_mut(owner)) {
                *permit = true;
            }
        }
        let registered_at =
            (0..hotkeys.len()).map(|uid| BlockAtRegistration::<T>::get(netuid, uid as u16)).collect();
        Shared { hotkeys, owner, stake, permits, new_permits, registered_at }
    }

    fn normalised_stake(netuid: NetUid, hotkeys: &[AccountId32], owner: Option<usize>) -> Vec<I32F32> {
        let threshold = u128::from(StakeThreshold::<T>::get());
        let stakes: Vec<u128> = hotkeys
            .iter()
            .enumerate()
            .map(|(uid, hotkey)| {
                let stake = Self::stake_weight(hotkey, netuid);
                if stake < threshold && owner != Some(uid) { 0 } else { stake }
            })
            .collect();
        let total = stakes.iter().sum();
        stakes.into_iter().map(|stake| I32F32::from_ratio(stake, total)).collect()
    }

    pub(super) fn mechanism_inputs(netuid: NetUid, mechanism: MechId, shared: &Shared) -> Inputs {
        let index = netuid.index(mechanism);
        let size = shared.hotkeys.len();
        let now = Self::block();
        let mut updated = LastUpdate::<T>::get(index);
        updated.resize(size, 0);

        let cutoff = Self::activity_cutoff(netuid);
        let active: Vec<bool> = updated.iter().map(|updated| updated.saturating_add(cutoff) >= now).collect();
        let counted: Vec<I32F32> = (0..size)
            .map(|uid| if active[uid] && shared.permits[uid] { shared.stake[uid] } else { I32F32::ZERO })
            .collect();
        let yuma3 = Yuma3On::<T>::get(netuid);

        let committed = Self::committed_at(netuid, mechanism, shared);
        let mut weights = Matrix::zero(size);
        for row in (0..size).filter(|row| shared.permits[*row]) {
            for (column, value) in Weights::<T>::get(index, row as u16) {
                let column = usize::from(column);
                let to_itself = row == column && shared.owner != Some(row);
                let outdated = shared
                    .registered_at
                    .get(column)
                    .is_none_or(|registered| updated[row] <= *registered || committed[row] < *registered);
                if !to_itself && !outdated {
                    weights.set(row, column, I32F32::from_int(value.into()));
                }
            }
        }

        Inputs {
            active,
            active_stake: normalised(&counted),
            weights: weights.rows_normalised(),
            bonds: Self::bonds_that_hold(netuid, mechanism, shared, |bond| {
                if yuma3 { I32F32::from_u16_proportion(bond) } else { I32F32::from_int(bond.into()) }
            }),
            kappa: I32F32::from_u16_proportion(Kappa::<T>::get(netuid)),
            bonds_penalty: I32F32::from_u16_proportion(BondsPenalty::<T>::get(netuid)),
            bonds_alpha: I32F32::ONE.sub(I32F32::from_ratio(
                BondsMovingAverage::<T>::get(netuid).into(),
                MOVING_AVERAGE_ONE.into(),
            )),
            yuma3,
            liquid: Self::liquid_alpha(netuid, mechanism, size),
        }
    }

    fn liquid_alpha(netuid: NetUid, mechanism: MechId, size: usize) -> Option<Liquid> {
        if !LiquidAlphaOn::<T>::get(netuid) {
            return None;
        }
        let (low, high) = AlphaValues::<T>::get(netuid);
        let previous = match LiquidAlphaConsensusMode::<T>::get(netuid) {
            ConsensusMode::Current => false,
            ConsensusMode::Previous => true,
            // When only what the consensus left counts, weights are never above this epoch's.
            ConsensusMode::Auto => BondsPenalty::<T>::get(netuid) == u16::MAX,
        };
        let previous_consensus = previous.then(|| {
            let stored = ConsensusByMechanism::<T>::get(netuid.index(mechanism));
            let mut shares: Vec<I32F32> =
                stored.iter().map(|share| I32F32::from_u16_proportion(share.deconstruct())).collect();
            shares.resize(size, I32F32::ZERO);
            shares
        });
        Some(Liquid {
            low: I32F32::from_u16_proportion(low),
            high: I32F32::from_u16_proportion(high),
            steepness: I32F32::from_int(AlphaSigmoidSteepness::<T>::get(netuid).into()),
            previous_consensus,
        })
    }

    /// Block of each neuron's first commit that still waits to be revealed. What it committed then is not about neurons that
    /// registered later.
    fn committed_at(netuid: NetUid, mechanism: MechId, shared: &Shared) -> Vec<u64> {
        let mut blocks = vec![u64::MAX; shared.hotkeys.len()];
        if !CommitRevealWeightsEnabled::<T>::get(netuid) {
            return blocks;
        }
        let uids: BTreeMap<&AccountId32, usize> =
            shared.hotkeys.iter().enumerate().map(|(uid, hotkey)| (hotkey, uid)).collect();
        for (hotkey, block) in Self::first_commit_blocks(netuid, netuid.index(mechanism)) {
            if let Some(uid) = uids.get(&hotkey) {
                blocks[*uid] = blocks[*uid].min(block);
            }
        }
        blocks
    }

    /// Bonds as stored, without those towards neurons registered since the last epoch.
    fn bonds_that_hold(
        netuid: NetUid,
        mechanism: MechId,
        shared: &Shared,
        read: impl Fn(u16) -> I32F32,
    ) -> Matrix {
        let last_step = LastMechansimStepBlock::<T>::get(netuid);
        let last_epoch = if last_step == 0 {
            Self::block().saturating_sub(Tempo::<T>::get(netuid).into())
        } else {
            last_step.saturating_add(1)
        };
        let mut bonds = Matrix::zero(shared.hotkeys.len());
        for row in 0..shared.hotkeys.len() {
            for (column, value) in Bonds::<T>::get(netuid.index(mechanism), row as u16) {
                let column = usize::from(column);
                if shared.registered_at.get(column).is_some_and(|registered| last_epoch > *registered) {
                    bonds.set(row, column, read(value));
                }
            }
        }
        bonds
    }

    /// Blocks after its last update during which a neuron counts as active.
    pub fn activity_cutoff(netuid: NetUid) -> u64 {
        let factor = u64::from(ActivityCutoffFactorMilli::<T>::get(netuid));
        (factor * u64::from(Tempo::<T>::get(netuid)) / 1_000).max(1)
    }
}

/// Marks the `count` largest stakes that are not zero; among equals the later uid wins, as a stable ascending sort leaves it.
fn most_staked(stake: &[I32F32], count: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..stake.len()).collect();
    order.sort_by_key(|uid| stake[*uid]);
    let mut marked: Vec<bool> = stake.iter().map(|stake| *stake > I32F32::ZERO).collect();
    for uid in order.into_iter().take(stake.len().saturating_sub(count)) {
        marked[uid] = false;
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_largest_stakes_get_a_permit_and_never_an_empty_one() {
        let stake: Vec<I32F32> = [5, 0, 7, 5].into_iter().map(I32F32::from_int).collect();
        assert_eq!(most_staked(&stake, 2), [false, false, true, true]);
        assert_eq!(most_staked(&stake, 9), [true, false, true, true]);
        assert_eq!(most_staked(&stake, 0), [false; 4]);
    }
}
