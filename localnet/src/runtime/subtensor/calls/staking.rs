//! Staking to a hotkey and taking stake back: the checks in the chain's order, the trade, and the money's way.

mod choices;
mod everything;
mod moving;

pub(crate) use moving::{Transition, TransitionError};

use frame_support::{dispatch::DispatchResult, ensure};
use sp_runtime::{AccountId32, DispatchError};

use crate::runtime::{
    numbers::{AlphaBalance, NetUid, TaoBalance},
    subtensor::{
        Config, Delegates, Error, Event, NetworksAdded, Owner, Pallet, SubnetTaoFlow, SubtokenEnabled,
        pool::Terms,
    },
    swap::{self, curve::Side},
};

/// Least amount of one stake or unstake, in rao.
pub(crate) const STAKE_MIN_RAO: u64 = 2_000_000;

/// How far a price may go, and whether less than asked is enough.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limit {
    /// Price of one alpha in rao.
    pub price: TaoBalance,
    /// Whether to do as much as the price allows.
    pub partial: bool,
}

/// A coldkey, a hotkey, and the subnet on which the one stakes to the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position<'a> {
    pub coldkey: &'a AccountId32,
    pub hotkey: &'a AccountId32,
    pub netuid: NetUid,
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_add_stake(
        coldkey: &AccountId32,
        hotkey: &AccountId32,
        netuid: NetUid,
        amount: TaoBalance,
        limit: Option<Limit>,
    ) -> DispatchResult {
        let position = Position { coldkey, hotkey, netuid };
        let most = Self::most_to_offer(netuid, Side::Buy, limit)?;
        Self::check_add_stake(position, amount, most, limit)?;
        let terms = Terms::limited(limit.map(|limit| limit.price));
        Self::stake_into(position, TaoBalance::new(amount.get().min(most)), terms)?;
        Ok(())
    }

    pub(crate) fn do_remove_stake(
        coldkey: &AccountId32,
        hotkey: &AccountId32,
        netuid: NetUid,
        amount: AlphaBalance,
        limit: Option<Limit>,
    ) -> DispatchResult {
        let position = Position { coldkey, hotkey, netuid };
        let most = Self::most_to_offer(netuid, Side::Sell, limit)?;
        Self::check_remove_stake(position, amount, most, limit)?;
        let terms = Terms::limited(limit.map(|limit| limit.price));
        Self::unstake_from(position, coldkey, AlphaBalance::new(amount.get().min(most)), terms)?;
        Ok(())
    }

    /// All of it, at any price or all within one.
    pub(crate) fn do_remove_stake_full(
        coldkey: &AccountId32,
        hotkey: &AccountId32,
        netuid: NetUid,
        price: Option<TaoBalance>,
    ) -> DispatchResult {
        ensure!(NetworksAdded::<T>::get(netuid), Error::<T>::SubnetNotExists);
        let all = Self::stake_of(hotkey, coldkey, netuid);
        let limit = price.map(|price| Limit { price, partial: false });
        Self::do_remove_stake(coldkey, hotkey, netuid, all, limit)
    }

    /// How much may be offered within a limit.
    pub(crate) fn most_to_offer(
        netuid: NetUid,
        side: Side,
        limit: Option<Limit>,
    ) -> Result<u64, swap::Error<T>> {
        limit.map_or(Ok(u64::MAX), |limit| Self::most_within(netuid, side, limit.price))
    }

    /// Whether `add_stake` may go ahead; the pool of transactions asks the same.
    pub(crate) fn check_add_stake(
        position: Position<'_>,
        amount: TaoBalance,
        most: u64,
        limit: Option<Limit>,
    ) -> Result<(), Error<T>> {
        let netuid = position.netuid;
        ensure!(NetworksAdded::<T>::get(netuid), Error::<T>::SubnetNotExists);
        ensure!(SubtokenEnabled::<T>::get(netuid), Error::<T>::SubtokenDisabled);
        ensure!(amount.get() >= Self::least_stake(netuid), Error::<T>::AmountTooLow);
        let whole = limit.is_some_and(|limit| !limit.partial);
        ensure!(!whole || amount.get() <= most, Error::<T>::SlippageTooHigh);
        let amount = TaoBalance::new(amount.get().min(most));
        ensure!(amount <= Self::spendable(position.coldkey), Error::<T>::NotEnoughBalanceToStake);
        ensure!(Owner::<T>::contains_key(position.hotkey), Error::<T>::HotKeyAccountNotExists);
        let trade = Self::quote(netuid, Side::Buy, amount.get(), Terms::MARKET).map_err(Self::illiquid)?;
        ensure!(trade.paid >= STAKE_MIN_RAO, Error::<T>::AmountTooLow);
        ensure!(trade.out > 0, Error::<T>::InsufficientLiquidity);
        Ok(())
    }

    /// Whether `remove_stake` may go ahead; the pool of transactions asks the same.
    pub(crate) fn check_remove_stake(
        position: Position<'_>,
        alpha: AlphaBalance,
        most: u64,
        limit: Option<Limit>,
    ) -> Result<(), Error<T>> {
        let netuid = position.netuid;
        ensure!(NetworksAdded::<T>::get(netuid), Error::<T>::SubnetNotExists);
        ensure!(!alpha.is_zero(), Error::<T>::AmountTooLow);
        let staked = Self::stake_of(position.hotkey, position.coldkey, netuid);
        ensure!(alpha <= staked, Error::<T>::NotEnoughStakeToWithdraw);
        let trade = Self::quote(netuid, Side::Sell, alpha.get(), Terms::MARKET).map_err(Self::illiquid)?;
        ensure!(alpha == staked || trade.out >= STAKE_MIN_RAO, Error::<T>::AmountTooLow);
        let whole = limit.is_some_and(|limit| !limit.partial);
        ensure!(!whole || alpha.get() <= most, Error::<T>::SlippageTooHigh);
        ensure!(Owner::<T>::contains_key(position.hotkey), Error::<T>::HotKeyAccountNotExists);
        Ok(())
    }

    /// The least that may be staked: the minimum and the pool's fee on it.
    fn least_stake(netuid: NetUid) -> u64 {
        let fee = Self::quote(netuid, Side::Buy, STAKE_MIN_RAO, Terms::MARKET).map(|trade| trade.fee);
        STAKE_MIN_RAO.saturating_add(fee.unwrap_or_default())
    }

    /// Takes TAO from the coldkey, buys alpha for it and stakes that. What the limit leaves over goes back.
    pub(crate) fn stake_into(
        position: Position<'_>,
        tao: TaoBalance,
        terms: Terms,
    ) -> Result<AlphaBalance, DispatchError> {
        let Position { coldkey, hotkey, netuid } = position;
        let tao = Self::pay_into_subnet(netuid, coldkey, tao)?;
        let trade = Self::buy_alpha(netuid, tao, terms)?;
        ensure!(trade.out > 0, Error::<T>::AmountTooLow);
        let alpha = AlphaBalance::new(trade.out);
        Self::increase_stake(hotkey, coldkey, netuid, alpha);
        Self::remember_staking(coldkey, hotkey);
        Self::become_delegate(coldkey, hotkey);
        if netuid.is_root() {
            Self::note_root_stake(hotkey, coldkey, alpha, u128::saturating_add);
        }
        Self::burn_of_subnet(netuid, TaoBalance::new(trade.fee))?;
        Self::pay_out_of_subnet(netuid, coldkey, TaoBalance::new(tao.get().saturating_sub(trade.taken())))?;
        Self::note_flow(netuid, trade.paid, i64::saturating_add);
        Self::deposit_event(Event::StakeAdded(
            coldkey.clone(),
            hotkey.clone(),
            tao,
            alpha,
            netuid,
            trade.fee,
        ));
        Ok(alpha)
    }

    /// Sells staked alpha and pays the TAO out. What the limit leaves over stays staked; the fee's alpha is burned.
    pub(crate) fn unstake_from(
        position: Position<'_>,
        beneficiary: &AccountId32,
        alpha: AlphaBalance,
        terms: Terms,
    ) -> Result<TaoBalance, DispatchError> {
        let Position { coldkey, hotkey, netuid } = position;
        Self::decrease_stake(hotkey, coldkey, netuid, alpha);
        let trade = Self::sell_alpha(netuid, alpha, terms)?;
        let rest = alpha.saturating_sub(AlphaBalance::new(trade.taken()));
        if !rest.is_zero() {
            Self::increase_stake(hotkey, coldkey, netuid, rest);
        }
        if netuid.is_root() {
            Self::note_root_stake(hotkey, coldkey, alpha, u128::saturating_sub);
        }
        let tao = TaoBalance::new(trade.out);
        Self::pay_out_of_subnet(netuid, beneficiary, tao)?;
        Self::forget_staking(coldkey, hotkey);
        Self::note_flow(netuid, trade.out, i64::saturating_sub);
        Self::deposit_event(Event::StakeRemoved(
            coldkey.clone(),
            hotkey.clone(),
            tao,
            AlphaBalance::new(trade.paid),
            netuid,
            trade.fee,
        ));
        Ok(tao)
    }

    /// A hotkey somebody else stakes to is a delegate, with the take it would have anyway.
    pub(crate) fn become_delegate(coldkey: &AccountId32, hotkey: &AccountId32) {
        if !Self::owns(coldkey, hotkey) && !Delegates::<T>::contains_key(hotkey) {
            Delegates::<T>::insert(hotkey, Delegates::<T>::get(hotkey));
        }
    }

    fn note_flow(netuid: NetUid, tao: u64, into: fn(i64, i64) -> i64) {
        let tao = i64::try_from(tao).unwrap_or(i64::MAX);
        SubnetTaoFlow::<T>::mutate(netuid, |flow| *flow = into(*flow, tao));
    }
}
