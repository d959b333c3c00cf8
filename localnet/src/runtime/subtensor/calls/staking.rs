//! Staking to a hotkey and taking stake back.

use frame_support::{
    dispatch::DispatchResult,
    ensure,
    traits::{
        fungible::{Inspect, Mutate},
        tokens::{Fortitude, Precision, Preservation},
    },
};
use sp_runtime::AccountId32;

use crate::runtime::{
    numbers::{AlphaBalance, NetUid, TaoBalance},
    subtensor::{
        Config, Error, Event, NetworksAdded, Owner, Pallet, StakingHotkeys, SubtokenEnabled, TotalStake,
    },
};

/// Least amount of one stake or unstake, in rao.
pub(crate) const STAKE_MIN_RAO: u64 = 2_000_000;

/// The pools of this chain take no fee; the events have a field for one.
const NO_FEE_RAO: u64 = 0;

impl<T: Config> Pallet<T> {
    pub(crate) fn do_add_stake(
        coldkey: &AccountId32,
        hotkey: &AccountId32,
        netuid: NetUid,
        amount: TaoBalance,
    ) -> DispatchResult {
        Self::check_add_stake(coldkey, hotkey, netuid, amount)?;
        pallet_balances::Pallet::<T>::burn_from(
            coldkey,
            amount,
            Preservation::Preserve,
            Precision::Exact,
            Fortitude::Polite,
        )
        .map_err(|_| Error::<T>::NotEnoughBalanceToStake)?;
        let alpha = Self::buy_alpha(netuid, amount)?;
        Self::increase_stake(hotkey, coldkey, netuid, alpha);
        TotalStake::<T>::mutate(|total| *total = TaoBalance::new(total.get().saturating_add(amount.get())));
        StakingHotkeys::<T>::mutate(coldkey, |hotkeys| {
            if !hotkeys.contains(hotkey) {
                hotkeys.push(hotkey.clone());
            }
        });
        Self::deposit_event(Event::StakeAdded(
            coldkey.clone(),
            hotkey.clone(),
            amount,
            alpha,
            netuid,
            NO_FEE_RAO,
        ));
        Ok(())
    }

    pub(crate) fn do_remove_stake(
        coldkey: &AccountId32,
        hotkey: &AccountId32,
        netuid: NetUid,
        alpha: AlphaBalance,
    ) -> DispatchResult {
        Self::check_remove_stake(coldkey, hotkey, netuid, alpha)?;
        Self::decrease_stake(hotkey, coldkey, netuid, alpha);
        let tao = Self::sell_alpha(netuid, alpha)?;
        pallet_balances::Pallet::<T>::mint_into(coldkey, tao)?;
        TotalStake::<T>::mutate(|total| *total = TaoBalance::new(total.get().saturating_sub(tao.get())));
        Self::deposit_event(Event::StakeRemoved(
            coldkey.clone(),
            hotkey.clone(),
            tao,
            alpha,
            netuid,
            NO_FEE_RAO,
        ));
        Ok(())
    }

    /// Whether `add_stake` may go ahead; the pool asks the same.
    pub(crate) fn check_add_stake(
        coldkey: &AccountId32,
        hotkey: &AccountId32,
        netuid: NetUid,
        amount: TaoBalance,
    ) -> Result<(), Error<T>> {
        ensure!(NetworksAdded::<T>::get(netuid), Error::<T>::SubnetNotExists);
        ensure!(netuid.is_root() || SubtokenEnabled::<T>::get(netuid), Error::<T>::SubtokenDisabled);
        ensure!(amount.get() >= STAKE_MIN_RAO, Error::<T>::AmountTooLow);
        let spendable = pallet_balances::Pallet::<T>::reducible_balance(
            coldkey,
            Preservation::Preserve,
            Fortitude::Polite,
        );
        ensure!(amount <= spendable, Error::<T>::NotEnoughBalanceToStake);
        ensure!(Owner::<T>::contains_key(hotkey), Error::<T>::HotKeyAccountNotExists);
        ensure!(Self::quote_alpha(netuid, amount).is_some(), Error::<T>::InsufficientLiquidity);
        Ok(())
    }

    /// Whether `remove_stake` may go ahead; the pool asks the same.
    pub(crate) fn check_remove_stake(
        coldkey: &AccountId32,
        hotkey: &AccountId32,
        netuid: NetUid,
        alpha: AlphaBalance,
    ) -> Result<(), Error<T>> {
        ensure!(NetworksAdded::<T>::get(netuid), Error::<T>::SubnetNotExists);
        ensure!(netuid.is_root() || SubtokenEnabled::<T>::get(netuid), Error::<T>::SubtokenDisabled);
        ensure!(Owner::<T>::contains_key(hotkey), Error::<T>::HotKeyAccountNotExists);
        ensure!(!alpha.is_zero(), Error::<T>::AmountTooLow);
        ensure!(alpha <= Self::stake_of(hotkey, coldkey, netuid), Error::<T>::NotEnoughStakeToWithdraw);
        ensure!(Self::quote_tao(netuid, alpha).is_some(), Error::<T>::InsufficientLiquidity);
        Ok(())
    }

    /// Whether alpha costs no more than a buyer would pay.
    pub(crate) fn check_buy_price(netuid: NetUid, limit: TaoBalance) -> Result<(), Error<T>> {
        ensure!(Self::alpha_price_rao(netuid) <= limit.get(), Error::<T>::SlippageTooHigh);
        Ok(())
    }

    /// Whether alpha sells for no less than a seller would take.
    pub(crate) fn check_sell_price(netuid: NetUid, limit: TaoBalance) -> Result<(), Error<T>> {
        ensure!(Self::alpha_price_rao(netuid) >= limit.get(), Error::<T>::SlippageTooHigh);
        Ok(())
    }
}
