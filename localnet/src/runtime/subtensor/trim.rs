//! Making a subnet smaller: fewer neurons, whose uids close the gaps, or fewer mechanisms.

use std::collections::BTreeMap;

use frame_support::{dispatch::DispatchResult, ensure};
use sp_runtime::{AccountId32, Percent};

use crate::runtime::{
    numbers::{MechId, NetUid},
    subtensor::{
        Active, BlockAtRegistration, Bonds, Config, Consensus, ConsensusByMechanism, Dividends, Emission,
        Error, ImmunityPeriod, Incentive, Keys, LastUpdate, MaxAllowedUids, MinAllowedUids, NetworksAdded,
        Pallet, StakeWeight, SubnetworkN, TimelockedWeightCommits, Uids, ValidatorPermit, ValidatorTrust,
        WeightCommits, Weights,
    },
};

/// Share of the neurons left that may be safe from trimming.
const IMMUNE_SHARE_MAX: Percent = Percent::from_percent(80);

impl<T: Config> Pallet<T> {
    /// Forgets everything a mechanism holds.
    pub(crate) fn clear_mechanism(netuid: NetUid, mechanism: MechId) {
        let index = netuid.index(mechanism);
        Incentive::<T>::remove(index);
        LastUpdate::<T>::remove(index);
        ConsensusByMechanism::<T>::remove(index);
        let _weights = Weights::<T>::clear_prefix(index, u32::MAX, None);
        let _bonds = Bonds::<T>::clear_prefix(index, u32::MAX, None);
        let _commits = WeightCommits::<T>::clear_prefix(index, u32::MAX, None);
        let _timelocked = TimelockedWeightCommits::<T>::clear_prefix(index, u32::MAX, None);
    }

    /// Lets a subnet have `most` neurons at most, and removes the mortal ones with the least emission until that holds.
    /// Those left keep their order and get the first uids.
    pub(crate) fn trim_to(netuid: NetUid, most: u16) -> DispatchResult {
        ensure!(NetworksAdded::<T>::get(netuid), Error::<T>::SubnetNotExists);
        let allowed = MinAllowedUids::<T>::get(netuid)..=MaxAllowedUids::<T>::get(netuid);
        ensure!(allowed.contains(&most), Error::<T>::InvalidValue);
        MaxAllowedUids::<T>::insert(netuid, most);
        let count = SubnetworkN::<T>::get(netuid);
        if count <= most {
            return Ok(());
        }
        let kept = Self::uids_to_keep(netuid, count, most)?;
        for uid in (0..count).filter(|uid| !kept.contains(uid)) {
            Self::clear_neuron(netuid, uid);
        }
        Self::renumber(netuid, count, &kept);
        Ok(())
    }

    /// The uids that stay, in order: all immune ones, and of the others those with the most emission.
    fn uids_to_keep(netuid: NetUid, count: u16, most: u16) -> Result<Vec<u16>, Error<T>> {
        let owned = Self::owner_neurons(netuid);
        let emission = Emission::<T>::get(netuid);
        let immunity = u64::from(ImmunityPeriod::<T>::get(netuid));
        let now = Self::block();
        let is_immune = |uid: u16| {
            owned.contains(&Keys::<T>::get(netuid, uid))
                || now.saturating_sub(BlockAtRegistration::<T>::get(netuid, uid)) < immunity
        };
        let (mut kept, mut mortal): (Vec<u16>, Vec<u16>) = (0..count).partition(|uid| is_immune(*uid));
        ensure!(
            Percent::from_rational(u32::try_from(kept.len()).unwrap_or(u32::MAX), u32::from(most))
                < IMMUNE_SHARE_MAX,
            Error::<T>::TrimmingWouldExceedMaxImmunePercentage
        );
        mortal.sort_by_key(|uid| core::cmp::Reverse(emission.get(usize::from(*uid)).copied()));
        mortal.truncate(usize::from(most).saturating_sub(kept.len()));
        kept.append(&mut mortal);
        kept.sort_unstable();
        Ok(kept)
    }

    /// Gives the kept neurons the uids from 0 on; rows and vectors follow.
    fn renumber(netuid: NetUid, count: u16, kept: &[u16]) {
        let places: BTreeMap<u16, u16> = kept.iter().copied().zip(0..).collect();
        let neurons: Vec<(AccountId32, u64)> = kept
            .iter()
            .map(|uid| (Keys::<T>::get(netuid, uid), BlockAtRegistration::<T>::get(netuid, uid)))
            .collect();
        for uid in 0..count {
            Keys::<T>::remove(netuid, uid);
            BlockAtRegistration::<T>::remove(netuid, uid);
        }
        for (uid, (hotkey, registered)) in (0..).zip(neurons) {
            Uids::<T>::insert(netuid, &hotkey, uid);
            Keys::<T>::insert(netuid, uid, hotkey);
            BlockAtRegistration::<T>::insert(netuid, uid, registered);
        }
        Active::<T>::mutate(netuid, |items| pick(items, kept));
        Emission::<T>::mutate(netuid, |items| pick(items, kept));
        Consensus::<T>::mutate(netuid, |items| pick(items, kept));
        Dividends::<T>::mutate(netuid, |items| pick(items, kept));
        ValidatorTrust::<T>::mutate(netuid, |items| pick(items, kept));
        ValidatorPermit::<T>::mutate(netuid, |items| pick(items, kept));
        StakeWeight::<T>::mutate(netuid, |items| pick(items, kept));
        for mechanism in Self::mechanisms(netuid) {
            let index = netuid.index(mechanism);
            Incentive::<T>::mutate(index, |items| pick(items, kept));
            LastUpdate::<T>::mutate(index, |items| pick(items, kept));
            ConsensusByMechanism::<T>::mutate(index, |items| pick(items, kept));
            for (from, to) in &places {
                let weights = renamed(Weights::<T>::take(index, from), &places);
                let bonds = renamed(Bonds::<T>::take(index, from), &places);
                // The places go up, and none lies behind the uid it is for: nothing not yet moved is overwritten.
                if !weights.is_empty() {
                    Weights::<T>::insert(index, to, weights);
                }
                if !bonds.is_empty() {
                    Bonds::<T>::insert(index, to, bonds);
                }
            }
        }
        SubnetworkN::<T>::insert(netuid, u16::try_from(kept.len()).unwrap_or(u16::MAX));
    }
}

/// The items at these places.
fn pick<V: Clone + Default>(items: &mut Vec<V>, places: &[u16]) {
    *items = places.iter().map(|place| items.get(usize::from(*place)).cloned().unwrap_or_default()).collect();
}

/// A row whose uids have new places; those without one are gone.
fn renamed(row: Vec<(u16, u16)>, places: &BTreeMap<u16, u16>) -> Vec<(u16, u16)> {
    row.into_iter().filter_map(|(uid, value)| Some((*places.get(&uid)?, value))).collect()
}
