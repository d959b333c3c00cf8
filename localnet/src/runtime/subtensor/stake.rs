//! Stake as shares of each hotkey's pool: emission grows a pool without touching anyone's shares.

use sp_runtime::AccountId32;

use crate::runtime::{
    numbers::{AlphaBalance, NetUid, SafeFloat},
    subtensor::{
        AlphaV2, Config, Keys, Pallet, SubnetOwnerHotkey, SubnetworkN, TaoWeight, TotalAlphaStaked,
        TotalHotkeyAlpha, TotalHotkeySharesV2, Uids,
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
        Self::grow_pool(hotkey, netuid, alpha);
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
        TotalHotkeySharesV2::<T>::insert(hotkey, netuid, whole.saturating_sub(sold));
        TotalHotkeyAlpha::<T>::insert(hotkey, netuid, pool.saturating_sub(alpha));
        TotalAlphaStaked::<T>::mutate(netuid, |total| *total = total.saturating_sub(alpha));
    }

    /// Adds to a hotkey's pool for all who have shares in it.
    pub fn grow_pool(hotkey: &AccountId32, netuid: NetUid, alpha: AlphaBalance) {
        TotalHotkeyAlpha::<T>::mutate(hotkey, netuid, |pool| *pool = pool.saturating_add(alpha));
        TotalAlphaStaked::<T>::mutate(netuid, |total| *total = total.saturating_add(alpha));
    }

    /// Alpha staked to a hotkey, and the TAO staked to it on root as it counts here.
    pub fn weighed_stake(hotkey: &AccountId32, netuid: NetUid) -> (AlphaBalance, u64) {
        let alpha = TotalHotkeyAlpha::<T>::get(hotkey, netuid);
        let root = TotalHotkeyAlpha::<T>::get(hotkey, NetUid::ROOT);
        let weighed = u128::from(root.get()) * u128::from(TaoWeight::<T>::get()) / u128::from(u64::MAX);
        (alpha, u64::try_from(weighed).unwrap_or(u64::MAX))
    }

    /// What counts as a hotkey's stake on a subnet.
    pub fn stake_weight(hotkey: &AccountId32, netuid: NetUid) -> u128 {
        let (alpha, root) = Self::weighed_stake(hotkey, netuid);
        u128::from(alpha.get()) + u128::from(root)
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
