//! Moving stake between hotkeys, coldkeys and subnets without taking it out.

use frame_support::{dispatch::DispatchResult, ensure};
use sp_runtime::{AccountId32, DispatchError};

use super::{Limit, Position, STAKE_MIN_RAO};
use crate::runtime::{
    numbers::{AlphaBalance, NetUid, TaoBalance},
    subtensor::{
        Config, Error, Event, NetworksAdded, Owner, Pallet, SubtokenEnabled, TransferToggle, pool::Terms,
    },
    swap::{
        self,
        curve::{ONE, Side},
    },
};

/// Least worth of a transfer, in rao.
const TRANSFER_MIN_RAO: u64 = 100_000;

/// Why stake may not move: by the staking rules or by a pool.
pub(crate) enum TransitionError<T: Config> {
    Rule(Error<T>),
    Pool(swap::Error<T>),
}

impl<T: Config> From<Error<T>> for TransitionError<T> {
    fn from(error: Error<T>) -> Self {
        Self::Rule(error)
    }
}

impl<T: Config> From<swap::Error<T>> for TransitionError<T> {
    fn from(error: swap::Error<T>) -> Self {
        Self::Pool(error)
    }
}

impl<T: Config> From<TransitionError<T>> for DispatchError {
    fn from(error: TransitionError<T>) -> Self {
        match error {
            TransitionError::Rule(error) => error.into(),
            TransitionError::Pool(error) => error.into(),
        }
    }
}

/// From where to where, and how much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transition<'a> {
    pub from: Position<'a>,
    pub to: Position<'a>,
    pub alpha: AlphaBalance,
    pub limit: Option<Limit>,
    /// Whether it is a transfer, which subnets can forbid.
    pub transfer: bool,
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_move_stake(
        coldkey: &AccountId32,
        (from_hotkey, from_netuid): (&AccountId32, NetUid),
        (to_hotkey, to_netuid): (&AccountId32, NetUid),
        alpha: AlphaBalance,
        limit: Option<Limit>,
    ) -> DispatchResult {
        let tao = Self::transition(Transition {
            from: Position { coldkey, hotkey: from_hotkey, netuid: from_netuid },
            to: Position { coldkey, hotkey: to_hotkey, netuid: to_netuid },
            alpha,
            limit,
            transfer: false,
        })?;
        Self::deposit_event(Event::StakeMoved(
            coldkey.clone(),
            from_hotkey.clone(),
            from_netuid,
            to_hotkey.clone(),
            to_netuid,
            tao,
        ));
        Ok(())
    }

    pub(crate) fn do_transfer_stake(
        (from_coldkey, from_netuid): (&AccountId32, NetUid),
        (to_coldkey, to_netuid): (&AccountId32, NetUid),
        hotkey: &AccountId32,
        alpha: AlphaBalance,
    ) -> DispatchResult {
        let tao = Self::transition(Transition {
            from: Position { coldkey: from_coldkey, hotkey, netuid: from_netuid },
            to: Position { coldkey: to_coldkey, hotkey, netuid: to_netuid },
            alpha,
            limit: None,
            transfer: true,
        })?;
        Self::deposit_event(Event::StakeTransferred(
            from_coldkey.clone(),
            to_coldkey.clone(),
            hotkey.clone(),
            from_netuid,
            to_netuid,
            tao,
        ));
        Ok(())
    }

    pub(crate) fn do_swap_stake(
        coldkey: &AccountId32,
        hotkey: &AccountId32,
        from_netuid: NetUid,
        to_netuid: NetUid,
        alpha: AlphaBalance,
        limit: Option<Limit>,
    ) -> DispatchResult {
        let tao = Self::transition(Transition {
            from: Position { coldkey, hotkey, netuid: from_netuid },
            to: Position { coldkey, hotkey, netuid: to_netuid },
            alpha,
            limit,
            transfer: false,
        })?;
        Self::deposit_event(Event::StakeSwapped(
            coldkey.clone(),
            hotkey.clone(),
            from_netuid,
            to_netuid,
            tao,
        ));
        Ok(())
    }

    /// Moves stake to another coldkey and another hotkey at once.
    pub(crate) fn do_transfer_stake_and_hotkey(
        from: Position<'_>,
        to: Position<'_>,
        alpha: AlphaBalance,
    ) -> DispatchResult {
        let amount = Self::transition(Transition { from, to, alpha, limit: None, transfer: true })?;
        Self::deposit_event(Event::StakeAndHotkeyTransferred {
            origin_coldkey: from.coldkey.clone(),
            destination_coldkey: to.coldkey.clone(),
            origin_hotkey: from.hotkey.clone(),
            destination_hotkey: to.hotkey.clone(),
            origin_netuid: from.netuid,
            destination_netuid: to.netuid,
            amount,
        });
        Ok(())
    }

    /// Whether stake may move so; the pool of transactions asks the same. Returns how much of it may move within the limit.
    pub(crate) fn check_transition(transition: &Transition<'_>) -> Result<AlphaBalance, TransitionError<T>> {
        let Transition { from, to, limit, .. } = *transition;
        let staked = Self::stake_of(from.hotkey, from.coldkey, from.netuid);
        // A coldkey that pays fees in alpha may have less than it asked to move.
        let alpha = transition.alpha.min(staked);
        let across = from.netuid != to.netuid;
        let most = match limit {
            Some(limit) if across => Self::most_to_move(from.netuid, to.netuid, limit.price)?,
            _ => u64::MAX,
        };

        let same_keys = from.coldkey == to.coldkey && from.hotkey == to.hotkey;
        ensure!(!same_keys || across, Error::<T>::SameNetuid);
        for netuid in [from.netuid, to.netuid] {
            ensure!(NetworksAdded::<T>::get(netuid), Error::<T>::SubnetNotExists);
        }
        for netuid in [from.netuid, to.netuid] {
            ensure!(SubtokenEnabled::<T>::get(netuid), Error::<T>::SubtokenDisabled);
        }
        for hotkey in [from.hotkey, to.hotkey] {
            ensure!(Owner::<T>::contains_key(hotkey), Error::<T>::HotKeyAccountNotExists);
        }
        if across {
            let trade =
                Self::quote(from.netuid, Side::Sell, alpha.get(), Terms::MARKET).map_err(Self::illiquid)?;
            let least = if transition.transfer { TRANSFER_MIN_RAO } else { STAKE_MIN_RAO };
            ensure!(trade.out > least, Error::<T>::AmountTooLow);
            let whole = limit.is_some_and(|limit| !limit.partial);
            ensure!(!whole || alpha.get() <= most, Error::<T>::SlippageTooHigh);
        }
        if transition.transfer {
            for netuid in [from.netuid, to.netuid] {
                ensure!(TransferToggle::<T>::get(netuid), Error::<T>::TransferDisallowed);
            }
        }
        Ok(AlphaBalance::new(alpha.get().min(most)))
    }

    /// Moves stake, through the pools of both subnets where they differ. Returns what it was worth in TAO.
    fn transition(transition: Transition<'_>) -> Result<TaoBalance, DispatchError> {
        let alpha = Self::check_transition(&transition)?;
        let Transition { from, to, .. } = transition;
        if from.netuid == to.netuid {
            return Self::hand_over(from, to, alpha);
        }
        // The fee is paid once: where the stake leaves, unless it leaves root, which has none.
        let (leaving, arriving) =
            if from.netuid.is_root() { (Terms::FREE, Terms::MARKET) } else { (Terms::MARKET, Terms::FREE) };
        let tao = Self::unstake_from(from, to.coldkey, alpha, leaving)?;
        if tao.get() >= STAKE_MIN_RAO {
            Self::stake_into(to, tao, arriving)?;
        }
        Ok(tao)
    }

    /// Moves stake within a subnet, without a trade.
    fn hand_over(
        from: Position<'_>,
        to: Position<'_>,
        alpha: AlphaBalance,
    ) -> Result<TaoBalance, DispatchError> {
        let netuid = from.netuid;
        ensure!(!alpha.is_zero(), Error::<T>::AmountTooLow);
        let tao = Self::worth(netuid, alpha);
        ensure!(tao.get() >= TRANSFER_MIN_RAO, Error::<T>::AmountTooLow);
        Self::decrease_stake(from.hotkey, from.coldkey, netuid, alpha);
        Self::increase_stake(to.hotkey, to.coldkey, netuid, alpha);
        if netuid.is_root() {
            Self::note_root_stake(from.hotkey, from.coldkey, alpha, u128::saturating_sub);
            Self::note_root_stake(to.hotkey, to.coldkey, alpha, u128::saturating_add);
        }
        Self::remember_staking(to.coldkey, to.hotkey);
        Self::become_delegate(to.coldkey, to.hotkey);
        Self::forget_staking(from.coldkey, from.hotkey);
        let keys = |position: Position<'_>| (position.coldkey.clone(), position.hotkey.clone());
        let ((coldkey, hotkey), (to_coldkey, to_hotkey)) = (keys(from), keys(to));
        Self::deposit_event(Event::StakeRemoved(coldkey, hotkey, tao, alpha, netuid, 0));
        Self::deposit_event(Event::StakeAdded(to_coldkey, to_hotkey, tao, alpha, netuid, 0));
        Ok(tao)
    }

    /// How much alpha may move until its price in the other subnet's alpha stands at the limit.
    fn most_to_move(from: NetUid, to: NetUid, limit: TaoBalance) -> Result<u64, swap::Error<T>> {
        match (Self::is_dynamic(from), Self::is_dynamic(to)) {
            (true, false) => Self::most_within(from, Side::Sell, limit),
            (false, true) if limit.is_zero() => Ok(u64::MAX),
            (false, true) => {
                let reverse = u128::from(ONE) * u128::from(ONE) / u128::from(limit.get());
                let price = TaoBalance::new(u64::try_from(reverse).unwrap_or(u64::MAX));
                Self::most_within(to, Side::Buy, price)
            }
            (false, false) if limit.get() > ONE => Err(swap::Error::PriceLimitExceeded),
            (false, false) => Ok(u64::MAX),
            (true, true) => Self::most_between_pools(from, to, limit.get()),
        }
    }

    /// The amount whose sale into one pool and purchase from the other averages at the limit.
    fn most_between_pools(from: NetUid, to: NetUid, limit: u64) -> Result<u64, swap::Error<T>> {
        use sp_core::U256;
        let (first, second) = (Self::reserves(from), Self::reserves(to));
        let sum = u128::from(first.tao) + u128::from(second.tao);
        if limit == 0 {
            return Ok(u64::MAX);
        }
        // x = (alpha2 * tao1 / limit - alpha1 * tao2) / (tao1 + tao2), with the limit in alpha of `to` for one of `from`.
        let gain = U256::from(second.alpha) * U256::from(first.tao) * U256::from(ONE) / U256::from(limit);
        let cost = U256::from(first.alpha) * U256::from(second.tao);
        let most = gain.checked_sub(cost).and_then(|rest| rest.checked_div(U256::from(sum)));
        let most = most.map(|most| u64::try_from(most).unwrap_or(u64::MAX)).filter(|most| *most > 0);
        most.ok_or(swap::Error::PriceLimitExceeded)
    }
}
