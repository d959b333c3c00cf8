//! What a staker may do with alpha besides selling it: destroy it, and choose where what it mines is staked.

use frame_support::{dispatch::DispatchResult, ensure};
use sp_runtime::AccountId32;

use crate::runtime::{
    numbers::{AlphaBalance, NetUid},
    subtensor::{
        AutoStakeDestination, AutoStakeDestinationColdkeys, Config, Error, Event, NetworksAdded, Owner,
        Pallet, SubnetAlphaOut, Uids,
    },
};

impl<T: Config> Pallet<T> {
    /// Destroys staked alpha. Recycled, it can be issued again; burned, it still counts as issued.
    pub(crate) fn do_destroy_alpha(
        coldkey: &AccountId32,
        hotkey: &AccountId32,
        netuid: NetUid,
        alpha: AlphaBalance,
        recycle: bool,
    ) -> DispatchResult {
        ensure!(NetworksAdded::<T>::get(netuid), Error::<T>::SubnetNotExists);
        ensure!(!netuid.is_root(), Error::<T>::CannotBurnOrRecycleOnRootSubnet);
        ensure!(Owner::<T>::contains_key(hotkey), Error::<T>::HotKeyAccountNotExists);
        // More than there is means all of it.
        let alpha = alpha.min(Self::stake_of(hotkey, coldkey, netuid));
        ensure!(!alpha.is_zero(), Error::<T>::NotEnoughStakeToWithdraw);
        ensure!(alpha <= SubnetAlphaOut::<T>::get(netuid), Error::<T>::InsufficientLiquidity);
        Self::decrease_stake(hotkey, coldkey, netuid, alpha);
        Self::forget_staking(coldkey, hotkey);
        let (coldkey, hotkey) = (coldkey.clone(), hotkey.clone());
        if recycle {
            Self::recycle(netuid, alpha);
            Self::deposit_event(Event::AlphaRecycled(coldkey, hotkey, alpha, netuid));
        } else {
            Self::deposit_event(Event::AlphaBurned(coldkey, hotkey, alpha, netuid));
        }
        Ok(())
    }

    /// Has what a coldkey's hotkeys earn by mining on a subnet staked to one hotkey there.
    pub(crate) fn do_set_auto_stake(
        coldkey: &AccountId32,
        netuid: NetUid,
        hotkey: &AccountId32,
    ) -> DispatchResult {
        ensure!(NetworksAdded::<T>::get(netuid), Error::<T>::SubnetNotExists);
        ensure!(Uids::<T>::contains_key(netuid, hotkey), Error::<T>::HotKeyNotRegisteredInSubNet);
        let before = AutoStakeDestination::<T>::get(coldkey, netuid);
        ensure!(before.as_ref() != Some(hotkey), Error::<T>::SameAutoStakeHotkeyAlreadySet);
        if let Some(before) = before {
            AutoStakeDestinationColdkeys::<T>::mutate(before, netuid, |coldkeys| {
                coldkeys.retain(|other| other != coldkey);
            });
        }
        AutoStakeDestination::<T>::insert(coldkey, netuid, hotkey);
        AutoStakeDestinationColdkeys::<T>::append(hotkey, netuid, coldkey);
        Self::deposit_event(Event::AutoStakeDestinationSet {
            coldkey: coldkey.clone(),
            netuid,
            hotkey: hotkey.clone(),
        });
        Ok(())
    }
}
