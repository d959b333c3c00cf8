//! The runtime APIs of the chain's own pallets, with the names, signatures and types of the pinned metadata.

use std::collections::BTreeMap;

use sp_runtime::AccountId32;

use super::{
    numbers::{AlphaBalance, MechId, NetUid, TaoBalance, U64F64},
    subtensor::{
        self,
        info::{
            BasketPosition, BasketSummary, BasketTradingStatus, BetaPosition, BetaPricing, BetaPricingPage,
            DelegateInfo, Delegation, DynamicInfo, HyperparamEntry, Metagraph, NeuronInfo, NeuronInfoLite,
            SelectiveMetagraph, StakeAvailability, StakeInfo, SubnetHyperparams, SubnetHyperparamsV2,
            SubnetInfo, SubnetInfov2, SubnetState,
        },
        pool::Terms,
        types::dormant::LockState,
    },
    swap::curve::Side,
};

sp_api::decl_runtime_apis! {
    /// Neurons of a subnet.
    pub trait NeuronInfoRuntimeApi {
        /// Every neuron with weights and bonds.
        fn get_neurons(netuid: NetUid) -> Vec<NeuronInfo<AccountId32>>;
        /// One neuron with weights and bonds.
        fn get_neuron(netuid: NetUid, uid: u16) -> Option<NeuronInfo<AccountId32>>;
        /// Every neuron.
        fn get_neurons_lite(netuid: NetUid) -> Vec<NeuronInfoLite<AccountId32>>;
        /// One neuron.
        fn get_neuron_lite(netuid: NetUid, uid: u16) -> Option<NeuronInfoLite<AccountId32>>;
    }

    /// Subnets.
    pub trait SubnetInfoRuntimeApi {
        /// A subnet.
        fn get_subnet_info(netuid: NetUid) -> Option<SubnetInfo<AccountId32>>;
        /// Every subnet.
        fn get_subnets_info() -> Vec<Option<SubnetInfo<AccountId32>>>;
        /// A subnet with its identity.
        fn get_subnet_info_v2(netuid: NetUid) -> Option<SubnetInfov2<AccountId32>>;
        /// Every subnet with its identity.
        fn get_subnets_info_v2() -> Vec<Option<SubnetInfov2<AccountId32>>>;
        /// The hyperparameters of a subnet, first shape.
        fn get_subnet_hyperparams(netuid: NetUid) -> Option<SubnetHyperparams>;
        /// The hyperparameters of a subnet, second shape.
        fn get_subnet_hyperparams_v2(netuid: NetUid) -> Option<SubnetHyperparamsV2>;
        /// Every subnet and its neurons, as each of its mechanisms sees them.
        fn get_all_mechagraphs() -> Vec<Option<Metagraph<AccountId32>>>;
        /// The neurons of a subnet.
        fn get_subnet_state(netuid: NetUid) -> Option<SubnetState<AccountId32>>;
        /// Some fields of a subnet and its neurons, by number.
        fn get_selective_metagraph(netuid: NetUid, metagraph_indexes: Vec<u16>) -> Option<SelectiveMetagraph<AccountId32>>;
        /// Some fields of a subnet and its neurons as one mechanism sees them, by number.
        fn get_selective_mechagraph(netuid: NetUid, subid: MechId, metagraph_indexes: Vec<u16>) -> Option<SelectiveMetagraph<AccountId32>>;
        /// Every subnet's pool, emission and identity, by netuid.
        fn get_all_dynamic_info() -> Vec<Option<DynamicInfo<AccountId32>>>;
        /// Every subnet and its neurons.
        fn get_all_metagraphs() -> Vec<Option<Metagraph<AccountId32>>>;
        /// A subnet and its neurons.
        fn get_metagraph(netuid: NetUid) -> Option<Metagraph<AccountId32>>;
        /// A subnet and its neurons as one mechanism sees them.
        fn get_mechagraph(netuid: NetUid, mecid: MechId) -> Option<Metagraph<AccountId32>>;
        /// A subnet's pool, emission and identity.
        fn get_dynamic_info(netuid: NetUid) -> Option<DynamicInfo<AccountId32>>;
        /// Where a coldkey's incentive on a subnet is staked.
        fn get_coldkey_auto_stake_hotkey(coldkey: AccountId32, netuid: NetUid) -> Option<AccountId32>;
        /// The subnet that would make room for another.
        fn get_subnet_to_prune() -> Option<NetUid>;
        /// The block whose initialisation runs the next epoch.
        fn get_next_epoch_start_block(netuid: NetUid) -> Option<u64>;
        /// TAO issued by one block.
        fn get_block_emission() -> TaoBalance;
        /// The hyperparameters of a subnet.
        fn get_subnet_hyperparams_v3(netuid: NetUid) -> Option<Vec<HyperparamEntry>>;
    }

    /// Stakes.
    pub trait StakeInfoRuntimeApi {
        /// Every stake of a coldkey.
        fn get_stake_info_for_coldkey(coldkey_account: AccountId32) -> Vec<StakeInfo<AccountId32>>;
        /// Every stake of some coldkeys.
        fn get_stake_info_for_coldkeys(coldkey_accounts: Vec<AccountId32>) -> Vec<(AccountId32, Vec<StakeInfo<AccountId32>>)>;
        /// What a coldkey has staked to a hotkey on a subnet.
        fn get_stake_info_for_hotkey_coldkey_netuid(hotkey_account: AccountId32, coldkey_account: AccountId32, netuid: NetUid) -> Option<StakeInfo<AccountId32>>;
        /// How much of their stake some coldkeys may move.
        fn get_stake_availability_for_coldkeys(coldkey_accounts: Vec<AccountId32>, netuids: Option<Vec<NetUid>>) -> BTreeMap<AccountId32, BTreeMap<NetUid, StakeAvailability>>;
        /// What a coldkey has locked on a subnet.
        fn get_coldkey_lock(coldkey: AccountId32, netuid: NetUid) -> Option<LockState>;
        /// The conviction of the stake locked to a hotkey on a subnet.
        fn get_hotkey_conviction(hotkey: AccountId32, netuid: NetUid) -> U64F64;
        /// The hotkey with the most conviction on a subnet.
        fn get_most_convicted_hotkey_on_subnet(netuid: NetUid) -> Option<AccountId32>;
    }

    /// Validators' baskets.
    pub trait BetaBasketRuntimeApi {
        /// TAO a coldkey would get by claiming now.
        fn get_root_basket_owed(coldkey: AccountId32) -> TaoBalance;
        /// TAO a coldkey would get of one basket.
        fn get_basket_payout(hotkey: AccountId32, coldkey: AccountId32) -> TaoBalance;
        /// Worth of a basket.
        fn get_validator_basket_nav(hotkey: AccountId32) -> TaoBalance;
        /// What a basket holds: subnet, alpha, worth.
        fn get_validator_basket(hotkey: AccountId32) -> Vec<(NetUid, AlphaBalance, TaoBalance)>;
        /// Worth of all baskets.
        fn get_root_basket_total_nav() -> TaoBalance;
        /// A basket.
        fn get_validator_basket_summary(hotkey: AccountId32) -> BasketSummary<AccountId32>;
        /// Every basket that holds something.
        fn get_all_validator_baskets() -> Vec<BasketSummary<AccountId32>>;
        /// The baskets a coldkey has a part of: hotkey, shares, worth.
        fn get_root_basket_positions(coldkey: AccountId32) -> Vec<(AccountId32, u64, TaoBalance)>;
        /// A coldkey's part of a basket.
        fn get_basket_position(hotkey: AccountId32, coldkey: AccountId32) -> Option<BasketPosition<AccountId32>>;
        /// A coldkey's parts of baskets.
        fn get_root_basket_portfolio(coldkey: AccountId32) -> Vec<BasketPosition<AccountId32>>;
        /// Prices of a basket's token.
        fn get_beta_pricing(hotkey: AccountId32) -> Option<BetaPricing<AccountId32>>;
        /// Prices of every basket's token, page by page.
        fn get_all_beta_pricing(start_after: Option<AccountId32>, limit: u32) -> BetaPricingPage<AccountId32>;
        /// A coldkey's tokens of a basket.
        fn get_beta_position(hotkey: AccountId32, coldkey: AccountId32) -> Option<BetaPosition<AccountId32>>;
        /// A coldkey's tokens.
        fn get_beta_portfolio(coldkey: AccountId32) -> Vec<BetaPosition<AccountId32>>;
        /// Whether and how much a validator may trade within its basket.
        fn get_basket_trading_status(hotkey: AccountId32) -> BasketTradingStatus;
    }

    /// Delegates.
    pub trait DelegateInfoRuntimeApi {
        /// Every delegate.
        fn get_delegates() -> Vec<DelegateInfo<AccountId32>>;
        /// One delegate.
        fn get_delegate(delegate_account: AccountId32) -> Option<DelegateInfo<AccountId32>>;
        /// Every delegate a coldkey stakes to, by subnet.
        fn get_delegated(delegatee_account: AccountId32) -> Vec<Delegation>;
    }

    /// Registering subnets.
    pub trait SubnetRegistrationRuntimeApi {
        /// What locking a new subnet costs.
        fn get_network_registration_cost() -> TaoBalance;
    }

    /// The pools.
    pub trait SwapRuntimeApi {
        /// Price of one alpha in rao.
        fn current_alpha_price(netuid: NetUid) -> u64;
        /// Price of one alpha in rao, of every subnet.
        fn current_alpha_price_all() -> Vec<SubnetPrice>;
        /// What TAO would buy.
        fn sim_swap_tao_for_alpha(netuid: NetUid, tao: TaoBalance) -> SimSwapResult;
        /// What alpha would sell for.
        fn sim_swap_alpha_for_tao(netuid: NetUid, alpha: AlphaBalance) -> SimSwapResult;
    }

    /// The slots.
    pub trait AuraApi {
        /// Milliseconds between two blocks.
        fn slot_duration() -> u64;
    }
}

/// The price of a subnet's alpha.
#[derive(
    Clone, Debug, parity_scale_codec::Decode, parity_scale_codec::Encode, Eq, PartialEq, scale_info::TypeInfo,
)]
pub struct SubnetPrice {
    /// The subnet.
    pub netuid: NetUid,
    /// Price of one alpha in rao.
    pub price: u64,
}

/// What a swap would do.
#[derive(
    Clone,
    Debug,
    parity_scale_codec::Decode,
    parity_scale_codec::Encode,
    Default,
    Eq,
    PartialEq,
    scale_info::TypeInfo,
)]
#[allow(missing_docs, reason = "the fields are their names")]
pub struct SimSwapResult {
    pub tao_amount: TaoBalance,
    pub alpha_amount: AlphaBalance,
    pub tao_fee: TaoBalance,
    pub alpha_fee: AlphaBalance,
    pub tao_slippage: TaoBalance,
    pub alpha_slippage: AlphaBalance,
}

/// What TAO would buy, and by how much less than at the price of the moment. Nothing, when the pool refuses.
pub(super) fn simulated_buy<T: subtensor::Config>(netuid: NetUid, tao: TaoBalance) -> SimSwapResult {
    let price = subtensor::Pallet::<T>::alpha_price(netuid);
    let quote = subtensor::Pallet::<T>::quote(netuid, Side::Buy, tao.get(), Terms::MARKET);
    quote.map_or_else(
        |_| SimSwapResult::default(),
        |trade| SimSwapResult {
            tao_amount: TaoBalance::new(trade.paid),
            alpha_amount: AlphaBalance::new(trade.out),
            tao_fee: TaoBalance::new(trade.fee),
            alpha_slippage: AlphaBalance::new(price.saturating_div_int(trade.paid).saturating_sub(trade.out)),
            ..Default::default()
        },
    )
}

/// What alpha would sell for, and by how much less than at the price of the moment. Nothing, when the pool refuses.
pub(super) fn simulated_sale<T: subtensor::Config>(netuid: NetUid, alpha: AlphaBalance) -> SimSwapResult {
    let price = subtensor::Pallet::<T>::alpha_price(netuid);
    let quote = subtensor::Pallet::<T>::quote(netuid, Side::Sell, alpha.get(), Terms::MARKET);
    quote.map_or_else(
        |_| SimSwapResult::default(),
        |trade| SimSwapResult {
            tao_amount: TaoBalance::new(trade.out),
            alpha_amount: AlphaBalance::new(trade.paid),
            alpha_fee: AlphaBalance::new(trade.fee),
            tao_slippage: TaoBalance::new(price.saturating_mul_int(trade.paid).saturating_sub(trade.out)),
            ..Default::default()
        },
    )
}
