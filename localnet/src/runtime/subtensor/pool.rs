//! Buying and selling alpha: through the pool on subnets of mechanism 1, one to one on root and subnets of mechanism 0.

use sp_runtime::DispatchError;

use crate::runtime::{
    numbers::{AlphaBalance, NetUid, TaoBalance, U64F64},
    subtensor::{
        Config, Error, Pallet, SubnetAlphaIn, SubnetAlphaOut, SubnetMechanism, SubnetTAO, SubnetVolume,
        TotalStake,
    },
    swap::{
        self,
        curve::{ONE, Order, Refusal, Reserves, Side, Trade},
    },
};

/// The mechanism of a subnet with a pool.
pub(crate) const DYNAMIC: u16 = 1;

/// How a trade is bounded and charged.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Terms {
    /// Price of one alpha in rao that the trade must not pass.
    pub limit_rao: Option<u64>,
    /// Whether the pool's fee is dropped.
    pub free: bool,
}

impl Terms {
    /// Any price, with the fee.
    pub const MARKET: Self = Self { limit_rao: None, free: false };
    /// Any price, without the fee.
    pub const FREE: Self = Self { limit_rao: None, free: true };

    /// A limit, with the fee.
    pub fn limited(limit: Option<TaoBalance>) -> Self {
        Self { limit_rao: limit.map(TaoBalance::get), free: false }
    }
}

impl<T: Config> Pallet<T> {
    /// Whether alpha of this subnet is traded through a pool.
    pub fn is_dynamic(netuid: NetUid) -> bool {
        !netuid.is_root() && SubnetMechanism::<T>::get(netuid) == DYNAMIC
    }

    /// What a subnet's pool holds.
    pub fn reserves(netuid: NetUid) -> Reserves {
        Reserves { tao: SubnetTAO::<T>::get(netuid).get(), alpha: SubnetAlphaIn::<T>::get(netuid).get() }
    }

    /// What a trade would come to.
    pub fn quote(netuid: NetUid, side: Side, amount: u64, terms: Terms) -> Result<Trade, swap::Error<T>> {
        if !Self::is_dynamic(netuid) {
            return Self::quote_one_to_one(netuid, side, amount);
        }
        let fee_rate = if terms.free { 0 } else { swap::FeeRate::<T>::get(netuid) };
        let order = Order { side, amount, limit_rao: terms.limit_rao, fee_rate };
        Self::reserves(netuid).trade(&order).map_err(|refusal| match refusal {
            Refusal::ReservesTooLow => swap::Error::ReservesTooLow,
            Refusal::PastLimit => swap::Error::PriceLimitExceeded,
            Refusal::TooLarge => swap::Error::SwapInputTooLarge,
        })
    }

    fn quote_one_to_one(netuid: NetUid, side: Side, amount: u64) -> Result<Trade, swap::Error<T>> {
        if side == Side::Sell && amount > SubnetTAO::<T>::get(netuid).get() {
            return Err(swap::Error::InsufficientLiquidity);
        }
        Ok(Trade { paid: amount, fee: 0, out: amount })
    }

    /// How much may be offered until the price stands at the limit.
    pub fn most_within(netuid: NetUid, side: Side, limit: TaoBalance) -> Result<u64, swap::Error<T>> {
        if Self::is_dynamic(netuid) {
            let amount = Self::reserves(netuid).amount_max(side);
            return Self::quote(netuid, side, amount, Terms::limited(Some(limit))).map(|trade| trade.taken());
        }
        let within = match side {
            Side::Buy => limit.get() >= ONE,
            Side::Sell => limit.get() <= ONE,
        };
        Ok(if within { u64::MAX } else { 0 })
    }

    /// Price of one alpha in TAO.
    pub fn alpha_price(netuid: NetUid) -> U64F64 {
        if Self::is_dynamic(netuid) { Self::reserves(netuid).price() } else { U64F64::ONE }
    }

    /// Price of one alpha in rao.
    pub fn alpha_price_rao(netuid: NetUid) -> u64 {
        Self::alpha_price(netuid).saturating_mul_int(ONE)
    }

    /// What alpha is worth in TAO at the current price, without what selling it would move.
    pub fn worth(netuid: NetUid, alpha: AlphaBalance) -> TaoBalance {
        TaoBalance::new(Self::alpha_price(netuid).saturating_mul_int(alpha.get()))
    }

    /// Puts TAO into the pool and takes alpha out.
    pub(crate) fn buy_alpha(netuid: NetUid, tao: TaoBalance, terms: Terms) -> Result<Trade, DispatchError> {
        let trade = Self::quote(netuid, Side::Buy, tao.get(), terms)?;
        let (paid, alpha) = (TaoBalance::new(trade.paid), AlphaBalance::new(trade.out));
        SubnetAlphaIn::<T>::mutate(netuid, |reserve| *reserve = reserve.saturating_sub(alpha));
        SubnetAlphaOut::<T>::mutate(netuid, |out| *out = out.saturating_add(alpha));
        Self::grow_tao_reserve(netuid, paid);
        Self::count_volume(netuid, tao);
        Ok(trade)
    }

    /// Puts alpha into the pool and takes TAO out.
    pub(crate) fn sell_alpha(
        netuid: NetUid,
        alpha: AlphaBalance,
        terms: Terms,
    ) -> Result<Trade, DispatchError> {
        let trade = Self::quote(netuid, Side::Sell, alpha.get(), terms)?;
        let (paid, tao) = (AlphaBalance::new(trade.paid), TaoBalance::new(trade.out));
        SubnetAlphaIn::<T>::mutate(netuid, |reserve| *reserve = reserve.saturating_add(paid));
        SubnetAlphaOut::<T>::mutate(netuid, |out| *out = out.saturating_sub(paid));
        SubnetTAO::<T>::mutate(netuid, |reserve| {
            *reserve = TaoBalance::new(reserve.get().saturating_sub(tao.get()))
        });
        TotalStake::<T>::mutate(|total| *total = TaoBalance::new(total.get().saturating_sub(tao.get())));
        Self::count_volume(netuid, tao);
        Ok(trade)
    }

    /// Notes TAO that entered a subnet's reserve.
    pub(crate) fn grow_tao_reserve(netuid: NetUid, tao: TaoBalance) {
        let grown = |sum: &mut TaoBalance| *sum = TaoBalance::new(sum.get().saturating_add(tao.get()));
        SubnetTAO::<T>::mutate(netuid, grown);
        TotalStake::<T>::mutate(grown);
    }

    /// Alpha of a subnet that exists: in its pool and outside.
    pub(crate) fn alpha_issued(netuid: NetUid) -> AlphaBalance {
        SubnetAlphaIn::<T>::get(netuid)
            .saturating_add(SubnetAlphaOut::<T>::get(netuid))
            .saturating_add(swap::BalancerAlphaReservoir::<T>::get(netuid))
    }

    /// Takes alpha out of existence, so that it can be issued again.
    pub(crate) fn recycle(netuid: NetUid, alpha: AlphaBalance) {
        SubnetAlphaOut::<T>::mutate(netuid, |out| *out = out.saturating_sub(alpha));
    }

    fn count_volume(netuid: NetUid, tao: TaoBalance) {
        SubnetVolume::<T>::mutate(netuid, |volume| *volume = volume.saturating_add(tao.get().into()));
    }

    /// A pool's refusal as the staking calls tell it before they trade.
    pub(crate) fn illiquid(_: swap::Error<T>) -> Error<T> {
        Error::InsufficientLiquidity
    }
}

impl<T: Config> swap::Subnets<frame_system::pallet_prelude::OriginFor<T>> for Pallet<T> {
    fn has_pool(netuid: NetUid) -> bool {
        Self::is_dynamic(netuid)
    }

    fn ensure_owner_or_root(
        origin: frame_system::pallet_prelude::OriginFor<T>,
        netuid: NetUid,
    ) -> frame_support::dispatch::DispatchResult {
        Self::owner_or_root(origin, netuid).map(|_| ())
    }
}
