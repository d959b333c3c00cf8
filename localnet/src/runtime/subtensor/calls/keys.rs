//! Replacing a hotkey by another of the same coldkey, on one subnet or on all.

use frame_support::{
    dispatch::DispatchResult,
    ensure,
    traits::{
        fungible::Mutate,
        tokens::{Fortitude, Precision, Preservation},
    },
};
use sp_runtime::AccountId32;

use crate::runtime::{
    numbers::NetUid,
    subtensor::{
        AlphaDividendsPerSubnet, AlphaV2, Axons, ChildKeys, ChildkeyTake, Config, Delegates, Error, Event,
        IsNetworkMember, Keys, LastHotkeySwapOnNetuid, LastRateLimitedBlock, NetworksAdded,
        NeuronCertificates, OwnedHotkeys, Owner, Pallet, ParentKeys, PendingChildKeys, Prometheus,
        RootClaimable, RootClaimed, SubnetOwnerHotkey, TotalHotkeyAlpha, TotalHotkeyAlphaLastEpoch,
        TotalHotkeySharesV2, Uids, WeightCommits, rate_limits::RateLimitKey,
    },
};

/// One hotkey in place of another.
#[derive(Clone, Copy, Debug)]
struct Replacement<'a> {
    old: &'a AccountId32,
    new: &'a AccountId32,
    netuid: NetUid,
}

impl<T: Config> Pallet<T> {
    /// Replaces a hotkey: its seat, endpoints, children, parents and, unless it keeps it, the stake to it.
    pub(crate) fn do_swap_hotkey(
        coldkey: &AccountId32,
        old: &AccountId32,
        new: &AccountId32,
        netuid: Option<NetUid>,
        keep_stake: bool,
    ) -> DispatchResult {
        Self::check_swap_hotkey(coldkey, old, new, netuid)?;
        let netuids = netuid.map_or_else(Self::all_subnets, |netuid| vec![netuid]);
        let takes_part = |netuid: &NetUid| {
            IsNetworkMember::<T>::get(old, netuid) || ChildKeys::<T>::contains_key(old, netuid)
        };
        let limited: Vec<NetUid> = netuids.iter().copied().filter(takes_part).collect();
        for netuid in &limited {
            let last = LastHotkeySwapOnNetuid::<T>::get(netuid, coldkey);
            let again =
                last == 0 || last.saturating_add(Self::hotkey_swap_on_subnet_interval()) < Self::block();
            ensure!(again, Error::<T>::HotKeySwapOnSubnetIntervalNotPassed);
        }
        let one = netuid.is_some();
        let cost = if one { Self::key_swap_on_subnet_cost() } else { Self::key_swap_cost() };
        ensure!(cost <= Self::spendable(coldkey), Error::<T>::NotEnoughBalanceToPaySwapHotKey);
        pallet_balances::Pallet::<T>::burn_from(
            coldkey,
            cost,
            Preservation::Preserve,
            Precision::Exact,
            Fortitude::Polite,
        )?;

        Self::associate(coldkey, new);
        for netuid in netuids {
            let replacement = Replacement { old, new, netuid };
            Self::replace_neuron(replacement);
            Self::replace_relations(replacement);
            if !keep_stake {
                Self::replace_stake(replacement);
            }
        }
        for netuid in limited {
            LastHotkeySwapOnNetuid::<T>::insert(netuid, coldkey, Self::block());
        }
        let (coldkey, old_hotkey, new_hotkey) = (coldkey.clone(), old.clone(), new.clone());
        if let Some(netuid) = netuid {
            Self::deposit_event(Event::HotkeySwappedOnSubnet { coldkey, old_hotkey, new_hotkey, netuid });
        } else {
            Self::replace_identity(&coldkey, old, new, keep_stake);
            Self::deposit_event(Event::HotkeySwapped { coldkey, old_hotkey, new_hotkey });
        }
        Ok(())
    }

    fn check_swap_hotkey(
        coldkey: &AccountId32,
        old: &AccountId32,
        new: &AccountId32,
        netuid: Option<NetUid>,
    ) -> Result<(), Error<T>> {
        if let Some(netuid) = netuid {
            ensure!(NetworksAdded::<T>::get(netuid), Error::<T>::SubnetNotExists);
        }
        ensure!(Self::owns(coldkey, old), Error::<T>::NonAssociatedColdKey);
        let free = !Owner::<T>::contains_key(new) || Self::owns(coldkey, new);
        ensure!(free, Error::<T>::NonAssociatedColdKey);
        ensure!(old != new, Error::<T>::NewHotKeyIsSameWithOld);
        let registered = match netuid {
            Some(netuid) => Uids::<T>::contains_key(netuid, new),
            None => IsNetworkMember::<T>::iter_prefix(new).any(|(_, member)| member),
        };
        ensure!(!registered, Error::<T>::HotKeyAlreadyRegisteredInSubNet);
        let clean = TotalHotkeyAlpha::<T>::get(new, NetUid::ROOT).is_zero()
            && RootClaimable::<T>::get(new).is_empty();
        let touches_root = netuid.is_none_or(NetUid::is_root);
        ensure!(clean || !touches_root, Error::<T>::NewHotKeyNotCleanForRootSwap);
        Ok(())
    }

    /// Gives the seat and what hangs on it to the new hotkey.
    fn replace_neuron(Replacement { old, new, netuid }: Replacement<'_>) {
        if SubnetOwnerHotkey::<T>::get(netuid) == *old {
            SubnetOwnerHotkey::<T>::insert(netuid, new);
        }
        let Some(uid) = Uids::<T>::take(netuid, old) else { return };
        Uids::<T>::insert(netuid, new, uid);
        Keys::<T>::insert(netuid, uid, new);
        IsNetworkMember::<T>::remove(old, netuid);
        IsNetworkMember::<T>::insert(new, netuid, true);
        if let Some(axon) = Axons::<T>::take(netuid, old) {
            Axons::<T>::insert(netuid, new, axon);
        }
        if let Some(certificate) = NeuronCertificates::<T>::take(netuid, old) {
            NeuronCertificates::<T>::insert(netuid, new, certificate);
        }
        if let Some(endpoint) = Prometheus::<T>::take(netuid, old) {
            Prometheus::<T>::insert(netuid, new, endpoint);
        }
        for mechanism in Self::mechanisms(netuid) {
            let index = netuid.index(mechanism);
            if let Some(commits) = WeightCommits::<T>::take(index, old) {
                WeightCommits::<T>::insert(index, new, commits);
            }
        }
    }

    /// Puts the new hotkey in the old one's place among parents and children.
    fn replace_relations(Replacement { old, new, netuid }: Replacement<'_>) {
        let rename = |relations: &mut Vec<(u64, AccountId32)>| {
            for (_, hotkey) in relations.iter_mut().filter(|(_, hotkey)| hotkey == old) {
                *hotkey = new.clone();
            }
        };
        let children = ChildKeys::<T>::take(old, netuid);
        for (_, child) in &children {
            ParentKeys::<T>::mutate(child, netuid, rename);
        }
        if !children.is_empty() {
            ChildKeys::<T>::insert(new, netuid, children);
        }
        let parents = ParentKeys::<T>::take(old, netuid);
        for (_, parent) in &parents {
            ChildKeys::<T>::mutate(parent, netuid, rename);
        }
        if !parents.is_empty() {
            ParentKeys::<T>::insert(new, netuid, parents);
        }
        if PendingChildKeys::<T>::contains_key(netuid, old) {
            PendingChildKeys::<T>::insert(netuid, new, PendingChildKeys::<T>::take(netuid, old));
        }
        if ChildkeyTake::<T>::contains_key(old, netuid) {
            ChildkeyTake::<T>::insert(new, netuid, ChildkeyTake::<T>::take(old, netuid));
        }
    }

    /// Moves everybody's stake. Into an empty pool it moves share by share; into another, by what it is worth.
    fn replace_stake(Replacement { old, new, netuid }: Replacement<'_>) {
        let stakers: Vec<AccountId32> = AlphaV2::<T>::iter_key_prefix((old,))
            .filter(|(_, on)| *on == netuid)
            .map(|(coldkey, _)| coldkey)
            .collect();
        let empty = TotalHotkeySharesV2::<T>::get(new, netuid).is_zero();
        for coldkey in &stakers {
            if empty {
                AlphaV2::<T>::insert((new, coldkey, netuid), AlphaV2::<T>::take((old, coldkey, netuid)));
            } else {
                let alpha = Self::stake_of(old, coldkey, netuid);
                Self::decrease_stake(old, coldkey, netuid, alpha);
                Self::increase_stake(new, coldkey, netuid, alpha);
            }
            if netuid.is_root() {
                for subnet in RootClaimable::<T>::get(old).into_keys() {
                    let claimed = RootClaimed::<T>::take((subnet, old, coldkey));
                    RootClaimed::<T>::insert((subnet, new, coldkey), claimed);
                }
            }
            Self::remember_staking(coldkey, new);
        }
        if empty && !stakers.is_empty() {
            TotalHotkeySharesV2::<T>::insert(new, netuid, TotalHotkeySharesV2::<T>::take(old, netuid));
            TotalHotkeyAlpha::<T>::insert(new, netuid, TotalHotkeyAlpha::<T>::take(old, netuid));
        }
        if netuid.is_root() && RootClaimable::<T>::contains_key(old) {
            RootClaimable::<T>::insert(new, RootClaimable::<T>::take(old));
        }
        for coldkey in &stakers {
            Self::forget_staking(coldkey, old);
        }
        if AlphaDividendsPerSubnet::<T>::contains_key(netuid, old) {
            let dividends = AlphaDividendsPerSubnet::<T>::take(netuid, old);
            AlphaDividendsPerSubnet::<T>::insert(netuid, new, dividends);
        }
        TotalHotkeyAlphaLastEpoch::<T>::remove(old, netuid);
    }

    /// Hands the hotkey's name over: its take, when that was last raised, and, with its stake, its owner.
    fn replace_identity(coldkey: &AccountId32, old: &AccountId32, new: &AccountId32, keep_stake: bool) {
        if Delegates::<T>::contains_key(old) {
            Delegates::<T>::insert(new, Delegates::<T>::take(old));
        }
        let raised = LastRateLimitedBlock::<T>::take(RateLimitKey::LastTxBlockDelegateTake(old.clone()));
        if raised != 0 {
            LastRateLimitedBlock::<T>::insert(RateLimitKey::LastTxBlockDelegateTake(new.clone()), raised);
        }
        if !keep_stake {
            Owner::<T>::remove(old);
            OwnedHotkeys::<T>::mutate(coldkey, |owned| owned.retain(|hotkey| hotkey != old));
        }
    }
}
