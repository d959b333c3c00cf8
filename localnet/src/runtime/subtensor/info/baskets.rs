//! `BetaBasketRuntimeApi`: what validators' baskets hold and are worth.
//!
//! No call of this chain buys into a basket: every basket holds nothing, and every answer says so.

use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;
use sp_runtime::AccountId32;

use crate::runtime::{
    numbers::{AlphaBalance, NetUid, TaoBalance, U64F64},
    subtensor::{BasketShares, Config, Pallet},
};

/// A validator's basket.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the fields are their names")]
pub struct BasketSummary<AccountId> {
    pub hotkey: AccountId,
    pub nav_tao: TaoBalance,
    pub spot_nav_tao: TaoBalance,
    pub shares: u64,
    pub deposited_tao: TaoBalance,
    pub redeemed_tao: TaoBalance,
    pub holdings: Vec<BasketHolding>,
}

/// What a basket holds of one subnet.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the fields are their names")]
pub struct BasketHolding {
    pub netuid: NetUid,
    pub alpha: AlphaBalance,
    pub spot_tao: TaoBalance,
    pub realizable_tao: TaoBalance,
}

/// A coldkey's part of a basket.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the fields are their names")]
pub struct BasketPosition<AccountId> {
    pub hotkey: AccountId,
    pub beta: u64,
    pub beta_total: u64,
    pub nav_tao: TaoBalance,
    pub value_tao: TaoBalance,
    pub spot_value_tao: TaoBalance,
}

/// Prices of a basket's token.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the fields are their names")]
pub struct BetaPricing<AccountId> {
    pub hotkey: AccountId,
    pub spot_price: U64F64,
    pub display_price: U64F64,
    pub stake_price: U64F64,
    pub staker_yield: U64F64,
    pub staker_twr: U64F64,
    pub bag_index: U64F64,
    pub stake_index: U64F64,
    pub first_block: u64,
    pub provisional: bool,
    pub spot_nav_tao: TaoBalance,
    pub shares: u64,
    pub display_shares: U64F64,
}

/// A page of prices.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the fields are their names")]
pub struct BetaPricingPage<AccountId> {
    pub pricing: Vec<BetaPricing<AccountId>>,
    pub next: Option<AccountId>,
}

/// A coldkey's tokens of a basket.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the fields are their names")]
pub struct BetaPosition<AccountId> {
    pub hotkey: AccountId,
    pub beta: u64,
    pub display_beta: U64F64,
    pub display_price: U64F64,
    pub value_tao: TaoBalance,
    pub spot_value_tao: TaoBalance,
    pub provisional: bool,
}

/// Whether and how much a validator may trade within its basket.
#[derive(Clone, Debug, Decode, Default, Encode, Eq, PartialEq, TypeInfo)]
#[allow(missing_docs, reason = "the fields are their names")]
pub struct BasketTradingStatus {
    pub enabled: bool,
    pub frozen: bool,
    pub refill_blocks: u64,
    pub tao_available: TaoBalance,
    pub budget_tao: TaoBalance,
}

impl<T: Config> Pallet<T> {
    /// A validator's basket.
    pub fn basket_summary(hotkey: AccountId32) -> BasketSummary<AccountId32> {
        BasketSummary {
            nav_tao: TaoBalance::ZERO,
            spot_nav_tao: TaoBalance::ZERO,
            shares: BasketShares::<T>::get(&hotkey),
            deposited_tao: TaoBalance::ZERO,
            redeemed_tao: TaoBalance::ZERO,
            holdings: Vec::new(),
            hotkey,
        }
    }
}
