//! Stake as shares of each hotkey's pool: emission grows a pool without touching anyone's shares.

use sp_runtime::AccountId32;

use crate::runtime::{
    numbers::{AlphaBalance, NetUid, SafeFloat, TaoBalance},
    subtensor::{
        AlphaV2, Config, Keys, Owner, Pallet, StakingHotkeys, SubnetOwnerHotkey, SubnetworkN,
        TotalAlphaStaked, TotalHotkeyAlpha, TotalHotkeySharesV2, Uids,
    },
};

impl<T: Config> Pallet<T> {
    /// What `coldkey` has staked to `hotkey`.
    pub fn stake_of(hotkey: &AccountId32, coldkey: &AccountId32, netuid: NetUid) -> AlphaBalance {
        let pool = TotalHotkeyAlpha::<T>::get(hotkey, netuid);
        let whole = TotalHotkeySharesV2::<T>::get(hotkey, netuid);
        AlphaBalance::new(AlphaV2::<T>::get((hotkey, coldkey, netuid)).share_of(whole, pool.get()))
    }

    /// Adds to what `coldkey` has staked to `hotkey`.
    pub fn increase_stake(hotkey: &AccountId32, coldkey: &AccountId32, netuid: NetUid, alpha: AlphaBalance) {
        let pool = TotalHotkeyAlpha::<T>::get(hotkey, netuid);
        let whole = TotalHotkeySharesV2::<T>::get(hotkey, netuid);
        let bought = if pool.is_zero() || whole.is_zero() {
            SafeFloat::from_int(alpha.get())
        } else {
            whole.mul_div(alpha.get(), pool.get())
        };
        AlphaV2::<T>::mutate((hotkey, coldkey, netuid), |shares| *shares = shares.add(bought));
        TotalHotkeySharesV2::<T>::insert(hotkey, netuid, whole.add(bought));
        Self::add_to_pool(hotkey, netuid, alpha);
    }

    /// Takes from what `coldkey` has staked to `hotkey`, which must be at least as much.
    pub fn decrease_stake(hotkey: &AccountId32, coldkey: &AccountId32, netuid: NetUid, alpha: AlphaBalance) {
        let pool = TotalHotkeyAlpha::<T>::get(hotkey, netuid);
        let whole = TotalHotkeySharesV2::<T>::get(hotkey, netuid);
        let own = AlphaV2::<T>::get((hotkey, coldkey, netuid));
        let everything = alpha >= Self::stake_of(hotkey, coldkey, netuid);
        let sold = if everything { own } else { whole.mul_div(alpha.get(), pool.get()) };
        let left = own.saturating_sub(sold);
        if left.is_zero() {
            AlphaV2::<T>::remove((hotkey, coldkey, netuid));
        } else {
            AlphaV2::<T>::insert((hotkey, coldkey, netuid), left);
        }
        // A pool without shares or without alpha is no pool.
        let (shares, value) = (whole.saturating_sub(sold), pool.saturating_sub(alpha));
        if shares.is_zero() {
            TotalHotkeySharesV2::<T>::remove(hotkey, netuid);
        } else {
            TotalHotkeySharesV2::<T>::insert(hotkey, netuid, shares);
        }
        if value.is_zero() {
            TotalHotkeyAlpha::<T>::remove(hotkey, netuid);
        } else {
            TotalHotkeyAlpha::<T>::insert(hotkey, netuid, value);
        }
        TotalAlphaStaked::<T>::mutate(netuid, |total| *total = total.saturating_sub(alpha));
    }

    /// Adds to a hotkey's pool for all who have shares in it; for its owner, when nobody has.
    pub fn grow_pool(hotkey: &AccountId32, netuid: NetUid, alpha: AlphaBalance) {
        if TotalHotkeySharesV2::<T>::get(hotkey, netuid).is_zero() {
            let owner = Owner::<T>::get(hotkey);
            Self::increase_stake(hotkey, &owner, netuid, alpha);
            Self::remember_staking(&owner, hotkey);
            return;
        }
        Self::add_to_pool(hotkey, netuid, alpha);
    }

    fn add_to_pool(hotkey: &AccountId32, netuid: NetUid, alpha: AlphaBalance) {
        TotalHotkeyAlpha::<T>::mutate(hotkey, netuid, |pool| *pool = pool.saturating_add(alpha));
        TotalAlphaStaked::<T>::mutate(netuid, |total| *total = total.saturating_add(alpha));
    }

    /// Lists the hotkey among those the coldkey has stake with.
    pub(crate) fn remember_staking(coldkey: &AccountId32, hotkey: &AccountId32) {
        let mut hotkeys = StakingHotkeys::<T>::get(coldkey);
        if !hotkeys.contains(hotkey) {
            hotkeys.push(hotkey.clone());
            StakingHotkeys::<T>::insert(coldkey, hotkeys);
        }
    }

    /// Takes the hotkey off that list when the coldkey has nothing with it on any subnet.
    pub(crate) fn forget_staking(coldkey: &AccountId32, hotkey: &AccountId32) {
        if AlphaV2::<T>::iter_prefix((hotkey, coldkey)).next().is_some() {
            return;
        }
        let mut hotkeys = StakingHotkeys::<T>::get(coldkey);
        hotkeys.retain(|other| other != hotkey);
        if hotkeys.is_empty() {
            StakingHotkeys::<T>::remove(coldkey);
        } else {
            StakingHotkeys::<T>::insert(coldkey, hotkeys);
        }
    }

    /// What all stake to a hotkey is worth in TAO, on every subnet.
    pub fn total_stake_of(hotkey: &AccountId32) -> TaoBalance {
        let worth = |netuid| Self::worth(netuid, TotalHotkeyAlpha::<T>::get(hotkey, netuid)).get();
        TaoBalance::new(Self::all_subnets().into_iter().map(worth).fold(0, u64::saturating_add))
    }

    /// The hotkeys of a subnet, by uid.
    pub fn hotkeys(netuid: NetUid) -> Vec<AccountId32> {
        (0..SubnetworkN::<T>::get(netuid)).map(|uid| Keys::<T>::get(netuid, uid)).collect()
    }

    /// The uid of the subnet's owner hotkey, if it is registered.
    pub fn owner_uid(netuid: NetUid) -> Option<u16> {
        Uids::<T>::get(netuid, SubnetOwnerHotkey::<T>::get(netuid))
    }

    /// The number of the block being built.
    pub fn block() -> u64 {
        sp_runtime::traits::UniqueSaturatedInto::unique_saturated_into(
            frame_system::Pallet::<T>::block_number(),
        )
    }
}
