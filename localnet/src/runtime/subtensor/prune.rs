//! Which neuron makes room when a subnet is full, and what is cleared when one does.

use sp_runtime::{AccountId32, PerU16};

use crate::runtime::{
    numbers::{AlphaBalance, NetUid},
    subtensor::{
        Active, Axons, BlockAtRegistration, Bonds, Config, Consensus, ConsensusByMechanism, Dividends,
        Emission, ImmuneOwnerUidsLimit, ImmunityPeriod, Incentive, IsNetworkMember, Keys, LastUpdate,
        MaxAllowedUids, MinNonImmuneUids, NeuronCertificates, Owner, Pallet, Prometheus, StakeWeight,
        SubnetOwner, SubnetOwnerHotkey, SubnetworkN, Uids, ValidatorPermit, ValidatorTrust, Weights,
    },
};

impl<T: Config> Pallet<T> {
    /// Where a newcomer goes: `Some(None)` at the end, `Some(Some(uid))` in place of that neuron, `None` nowhere.
    pub(crate) fn place_for_newcomer(netuid: NetUid) -> Option<Option<u16>> {
        if SubnetworkN::<T>::get(netuid) < MaxAllowedUids::<T>::get(netuid) {
            return Some(None);
        }
        Self::neuron_to_prune(netuid).map(Some)
    }

    /// The neuron with the least emission, then the oldest, then the lowest uid; past its immunity if enough are, else among
    /// the immune. The owner's own neurons are never pruned.
    fn neuron_to_prune(netuid: NetUid) -> Option<u16> {
        let protected = Self::owner_neurons(netuid);
        let emission = Emission::<T>::get(netuid);
        let immunity = u64::from(ImmunityPeriod::<T>::get(netuid));
        let now = Self::block();
        let (mut immune, mut mortal) = (Vec::new(), Vec::new());
        for uid in 0..SubnetworkN::<T>::get(netuid) {
            if protected.contains(&Keys::<T>::get(netuid, uid)) {
                continue;
            }
            let registered = BlockAtRegistration::<T>::get(netuid, uid);
            let rank = (emission.get(usize::from(uid)).copied().unwrap_or_default(), registered, uid);
            if now.saturating_sub(registered) < immunity { &mut immune } else { &mut mortal }.push(rank);
        }
        let candidates =
            if mortal.len() > usize::from(MinNonImmuneUids::<T>::get(netuid)) { &mortal } else { &immune };
        candidates.iter().min().map(|(_, _, uid)| *uid)
    }

    /// Hotkeys of the subnet's owner that cannot be pruned: the owner hotkey, if registered, and the oldest others, up to the
    /// limit.
    pub(crate) fn owner_neurons(netuid: NetUid) -> Vec<AccountId32> {
        let limit = usize::from(ImmuneOwnerUidsLimit::<T>::get(netuid));
        let owner = SubnetOwner::<T>::get(netuid);
        let mut owned: Vec<_> = Self::hotkeys(netuid)
            .into_iter()
            .zip(0u16..)
            .filter(|(hotkey, _)| Owner::<T>::get(hotkey) == owner)
            .map(|(hotkey, uid)| (BlockAtRegistration::<T>::get(netuid, uid), uid, hotkey))
            .collect();
        owned.sort();
        let mut hotkeys: Vec<AccountId32> =
            owned.into_iter().map(|(_, _, hotkey)| hotkey).take(limit).collect();
        let first = SubnetOwnerHotkey::<T>::get(netuid);
        if Uids::<T>::contains_key(netuid, &first) && !hotkeys.contains(&first) {
            hotkeys.insert(0, first);
            hotkeys.truncate(limit);
        }
        hotkeys
    }

    /// Forgets the neuron at `uid`: its rows, its scores, its weights and bonds in every mechanism.
    pub(crate) fn clear_neuron(netuid: NetUid, uid: u16) {
        let hotkey = Keys::<T>::get(netuid, uid);
        Uids::<T>::remove(netuid, &hotkey);
        IsNetworkMember::<T>::remove(&hotkey, netuid);
        Axons::<T>::remove(netuid, &hotkey);
        NeuronCertificates::<T>::remove(netuid, &hotkey);
        Prometheus::<T>::remove(netuid, &hotkey);

        let at = usize::from(uid);
        Active::<T>::mutate(netuid, |items| put(items, at, true));
        Emission::<T>::mutate(netuid, |items| put(items, at, AlphaBalance::ZERO));
        Consensus::<T>::mutate(netuid, |items| put(items, at, PerU16::default()));
        ValidatorTrust::<T>::mutate(netuid, |items| put(items, at, PerU16::default()));
        Dividends::<T>::mutate(netuid, |items| put(items, at, PerU16::default()));
        ValidatorPermit::<T>::mutate(netuid, |items| put(items, at, false));
        StakeWeight::<T>::mutate(netuid, |items| put(items, at, 0));
        for mechanism in Self::mechanisms(netuid) {
            let index = netuid.index(mechanism);
            Incentive::<T>::mutate(index, |items| put(items, at, PerU16::default()));
            ConsensusByMechanism::<T>::mutate(index, |items| put(items, at, PerU16::default()));
            LastUpdate::<T>::mutate(index, |items| put(items, at, Self::block()));
            Weights::<T>::remove(index, uid);
            Bonds::<T>::remove(index, uid);
        }
    }
}

/// Replaces one item of a vector, if it has it.
fn put<V>(items: &mut [V], at: usize, value: V) {
    if let Some(item) = items.get_mut(at) {
        *item = value;
    }
}
