//! `StakeInfoRuntimeApi`.

use std::collections::BTreeMap;

use parity_scale_codec::{Compact, Decode, Encode};
use scale_info::TypeInfo;
use sp_runtime::AccountId32;

use crate::runtime::{
    numbers::{AlphaBalance, NetUid, TaoBalance},
    subtensor::{
        Config, Emission, IsNetworkMember, Lock, Pallet, StakingHotkeys, Uids, types::dormant::LockState,
    },
};

/// What a coldkey has staked to a hotkey on a subnet.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the fields are their names")]
pub struct StakeInfo<AccountId> {
    pub hotkey: AccountId,
    pub coldkey: AccountId,
    pub netuid: Compact<NetUid>,
    pub stake: Compact<AlphaBalance>,
    pub locked: Compact<u64>,
    pub emission: Compact<AlphaBalance>,
    pub tao_emission: Compact<TaoBalance>,
    pub drain: Compact<u64>,
    pub is_registered: bool,
}

/// How much of a coldkey's stake on a subnet it may move.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the fields are their names")]
pub struct StakeAvailability {
    pub total: Compact<AlphaBalance>,
    pub locked: Compact<AlphaBalance>,
    pub available: Compact<AlphaBalance>,
}

impl<T: Config> Pallet<T> {
    /// Every stake of a coldkey that is not nothing.
    pub fn stakes_of(coldkey: &AccountId32) -> Vec<StakeInfo<AccountId32>> {
        let hotkeys = StakingHotkeys::<T>::get(coldkey);
        hotkeys
            .iter()
            .flat_map(|hotkey| Self::all_subnets().into_iter().map(move |netuid| (hotkey, netuid)))
            .map(|(hotkey, netuid)| Self::stake_info(hotkey, coldkey, netuid))
            .filter(|info| !info.stake.0.is_zero())
            .collect()
    }

    /// What a coldkey has staked to a hotkey on a subnet, even if nothing.
    pub fn stake_info(hotkey: &AccountId32, coldkey: &AccountId32, netuid: NetUid) -> StakeInfo<AccountId32> {
        let emission = Uids::<T>::get(netuid, hotkey)
            .and_then(|uid| Emission::<T>::get(netuid).get(usize::from(uid)).copied())
            .unwrap_or_default();
        StakeInfo {
            netuid: Compact(netuid),
            stake: Compact(Self::stake_of(hotkey, coldkey, netuid)),
            locked: Compact(0),
            emission: Compact(emission),
            tao_emission: Compact(TaoBalance::ZERO),
            drain: Compact(0),
            is_registered: IsNetworkMember::<T>::get(hotkey, netuid),
            hotkey: hotkey.clone(),
            coldkey: coldkey.clone(),
        }
    }

    /// What a coldkey has locked on a subnet, to whichever hotkey.
    pub fn coldkey_lock(coldkey: &AccountId32, netuid: NetUid) -> Option<LockState> {
        Lock::<T>::iter_prefix_values((coldkey, netuid)).next()
    }

    /// What a coldkey has on each subnet. Nothing is ever locked on this chain.
    pub fn stake_availability(
        coldkey: &AccountId32,
        netuids: Option<&[NetUid]>,
    ) -> BTreeMap<NetUid, StakeAvailability> {
        let mut totals = BTreeMap::<NetUid, AlphaBalance>::new();
        for info in Self::stakes_of(coldkey) {
            let netuid = info.netuid.0;
            if netuids.is_none_or(|netuids| netuids.contains(&netuid)) {
                let total = totals.entry(netuid).or_default();
                *total = total.saturating_add(info.stake.0);
            }
        }
        totals
            .into_iter()
            .map(|(netuid, total)| {
                let (total, locked) = (Compact(total), Compact(AlphaBalance::ZERO));
                (netuid, StakeAvailability { total, locked, available: total })
            })
            .collect()
    }
}
