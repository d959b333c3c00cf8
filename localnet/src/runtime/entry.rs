//! The runtime's entry points: what a node calls. `api::dispatch` runs any of them by name.

use std::collections::BTreeMap;

use frame_support::weights::Weight;
use pallet_transaction_payment::{FeeDetails, RuntimeDispatchInfo};
use sp_core::OpaqueMetadata;
use sp_inherents::{CheckInherentsResult, InherentData};
use sp_runtime::{
    AccountId32, ApplyExtrinsicResult, ExtrinsicInclusionMode,
    traits::Block as BlockT,
    transaction_validity::{TransactionSource, TransactionValidity},
};
use sp_version::RuntimeVersion;

use super::{
    Block, Commitments, Executive, InherentDataExt as _, Runtime, RuntimeCall, SlotDurationMs,
    SubtensorModule, System, TransactionPayment,
    apis::{self, SimSwapResult, SubnetPrice},
    numbers::{AlphaBalance, MechId, NetUid, TaoBalance, U64F64},
    subtensor::{
        self,
        info::{
            BasketPosition, BasketSummary, BasketTradingStatus, BetaPosition, BetaPricing, BetaPricingPage,
            DelegateInfo, Delegation, DynamicInfo, HyperparamEntry, Metagraph, NeuronInfo, NeuronInfoLite,
            SelectiveMetagraph, StakeAvailability, StakeInfo, SubnetHyperparams, SubnetHyperparamsV2,
            SubnetInfo, SubnetInfov2, SubnetState,
        },
        types::dormant::LockState,
    },
    upgrade,
};

sp_api::impl_runtime_apis! {
    impl sp_api::Core<Block> for Runtime {
        fn version() -> RuntimeVersion {
            upgrade::version()
        }

        fn execute_block(block: <Block as BlockT>::LazyBlock) {
            Executive::execute_block(block);
        }

        fn initialize_block(header: &<Block as BlockT>::Header) -> ExtrinsicInclusionMode {
            Executive::initialize_block(header)
        }
    }

    impl sp_api::Metadata<Block> for Runtime {
        fn metadata() -> OpaqueMetadata {
            OpaqueMetadata::new(upgrade::metadata(Runtime::metadata().into()))
        }

        fn metadata_at_version(version: u32) -> Option<OpaqueMetadata> {
            Runtime::metadata_at_version(version)
                .map(|metadata| OpaqueMetadata::new(upgrade::metadata(metadata.to_vec())))
        }

        fn metadata_versions() -> Vec<u32> {
            Runtime::metadata_versions()
        }
    }

    impl sp_block_builder::BlockBuilder<Block> for Runtime {
        fn apply_extrinsic(extrinsic: <Block as BlockT>::Extrinsic) -> ApplyExtrinsicResult {
            Executive::apply_extrinsic(extrinsic)
        }

        fn finalize_block() -> <Block as BlockT>::Header {
            Executive::finalize_block()
        }

        fn inherent_extrinsics(data: InherentData) -> Vec<<Block as BlockT>::Extrinsic> {
            data.create_extrinsics()
        }

        fn check_inherents(
            block: <Block as BlockT>::LazyBlock,
            data: InherentData,
        ) -> CheckInherentsResult {
            data.check_extrinsics(&block)
        }
    }

    impl sp_transaction_pool::runtime_api::TaggedTransactionQueue<Block> for Runtime {
        fn validate_transaction(
            source: TransactionSource,
            tx: <Block as BlockT>::Extrinsic,
            block_hash: <Block as BlockT>::Hash,
        ) -> TransactionValidity {
            Executive::validate_transaction(source, tx, block_hash)
        }
    }

    impl frame_system_rpc_runtime_api::AccountNonceApi<Block, AccountId32, u32> for Runtime {
        fn account_nonce(account: AccountId32) -> u32 {
            System::account_nonce(account)
        }
    }

    impl pallet_transaction_payment_rpc_runtime_api::TransactionPaymentApi<Block, TaoBalance> for Runtime {
        fn query_info(
            uxt: <Block as BlockT>::Extrinsic,
            len: u32,
        ) -> RuntimeDispatchInfo<TaoBalance> {
            TransactionPayment::query_info(uxt, len)
        }

        fn query_fee_details(
            uxt: <Block as BlockT>::Extrinsic,
            len: u32,
        ) -> FeeDetails<TaoBalance> {
            TransactionPayment::query_fee_details(uxt, len)
        }

        fn query_weight_to_fee(weight: Weight) -> TaoBalance {
            TransactionPayment::weight_to_fee(weight)
        }

        fn query_length_to_fee(length: u32) -> TaoBalance {
            TransactionPayment::length_to_fee(length)
        }
    }

    impl pallet_transaction_payment_rpc_runtime_api::TransactionPaymentCallApi<Block, TaoBalance, RuntimeCall> for Runtime {
        fn query_call_info(call: RuntimeCall, len: u32) -> RuntimeDispatchInfo<TaoBalance> {
            TransactionPayment::query_call_info(call, len)
        }

        fn query_call_fee_details(call: RuntimeCall, len: u32) -> FeeDetails<TaoBalance> {
            TransactionPayment::query_call_fee_details(call, len)
        }

        fn query_weight_to_fee(weight: Weight) -> TaoBalance {
            TransactionPayment::weight_to_fee(weight)
        }

        fn query_length_to_fee(length: u32) -> TaoBalance {
            TransactionPayment::length_to_fee(length)
        }
    }

    impl apis::AuraApi<Block> for Runtime {
        fn slot_duration() -> u64 {
            SlotDurationMs::get()
        }
    }

    impl apis::NeuronInfoRuntimeApi<Block> for Runtime {
        fn get_neurons(netuid: NetUid) -> Vec<NeuronInfo<AccountId32>> {
            SubtensorModule::neurons(netuid)
        }

        fn get_neuron(netuid: NetUid, uid: u16) -> Option<NeuronInfo<AccountId32>> {
            SubtensorModule::neuron(netuid, uid)
        }

        fn get_neurons_lite(netuid: NetUid) -> Vec<NeuronInfoLite<AccountId32>> {
            SubtensorModule::neurons_lite(netuid)
        }

        fn get_neuron_lite(netuid: NetUid, uid: u16) -> Option<NeuronInfoLite<AccountId32>> {
            SubtensorModule::neuron_lite(netuid, uid)
        }
    }

    impl apis::SubnetInfoRuntimeApi<Block> for Runtime {
        fn get_subnet_info(netuid: NetUid) -> Option<SubnetInfo<AccountId32>> {
            SubtensorModule::subnet_info(netuid)
        }

        fn get_subnets_info() -> Vec<Option<SubnetInfo<AccountId32>>> {
            SubtensorModule::all_subnets().into_iter().map(SubtensorModule::subnet_info).collect()
        }

        fn get_subnet_info_v2(netuid: NetUid) -> Option<SubnetInfov2<AccountId32>> {
            SubtensorModule::subnet_info_v2(netuid)
        }

        fn get_subnets_info_v2() -> Vec<Option<SubnetInfov2<AccountId32>>> {
            SubtensorModule::all_subnets().into_iter().map(SubtensorModule::subnet_info_v2).collect()
        }

        fn get_subnet_hyperparams(netuid: NetUid) -> Option<SubnetHyperparams> {
            SubtensorModule::hyperparameters_v1(netuid)
        }

        fn get_subnet_hyperparams_v2(netuid: NetUid) -> Option<SubnetHyperparamsV2> {
            SubtensorModule::hyperparameters_v2(netuid)
        }

        fn get_all_mechagraphs() -> Vec<Option<Metagraph<AccountId32>>> {
            let graphs = |netuid| SubtensorModule::mechanisms(netuid).map(move |mechanism| SubtensorModule::mechagraph(netuid, mechanism));
            SubtensorModule::all_subnets().into_iter().flat_map(graphs).collect()
        }

        fn get_subnet_state(netuid: NetUid) -> Option<SubnetState<AccountId32>> {
            SubtensorModule::subnet_state(netuid)
        }

        fn get_selective_metagraph(
            netuid: NetUid,
            metagraph_indexes: Vec<u16>,
        ) -> Option<SelectiveMetagraph<AccountId32>> {
            let commitments = || Commitments::by_hotkey(netuid);
            SubtensorModule::selective_metagraph(netuid, MechId::MAIN, &metagraph_indexes, commitments)
        }

        fn get_selective_mechagraph(
            netuid: NetUid,
            subid: MechId,
            metagraph_indexes: Vec<u16>,
        ) -> Option<SelectiveMetagraph<AccountId32>> {
            let commitments = || Commitments::by_hotkey(netuid);
            SubtensorModule::selective_metagraph(netuid, subid, &metagraph_indexes, commitments)
        }

        fn get_all_dynamic_info() -> Vec<Option<DynamicInfo<AccountId32>>> {
            SubtensorModule::all_subnets().into_iter().map(SubtensorModule::dynamic_info).collect()
        }

        fn get_all_metagraphs() -> Vec<Option<Metagraph<AccountId32>>> {
            SubtensorModule::all_subnets().into_iter().map(SubtensorModule::metagraph).collect()
        }

        fn get_metagraph(netuid: NetUid) -> Option<Metagraph<AccountId32>> {
            SubtensorModule::metagraph(netuid)
        }

        fn get_mechagraph(netuid: NetUid, mecid: MechId) -> Option<Metagraph<AccountId32>> {
            SubtensorModule::mechagraph(netuid, mecid)
        }

        fn get_dynamic_info(netuid: NetUid) -> Option<DynamicInfo<AccountId32>> {
            SubtensorModule::dynamic_info(netuid)
        }

        fn get_coldkey_auto_stake_hotkey(coldkey: AccountId32, netuid: NetUid) -> Option<AccountId32> {
            subtensor::AutoStakeDestination::<Runtime>::get(coldkey, netuid)
        }

        fn get_subnet_to_prune() -> Option<NetUid> {
            SubtensorModule::subnet_to_prune()
        }

        fn get_next_epoch_start_block(netuid: NetUid) -> Option<u64> {
            SubtensorModule::next_epoch_block(netuid)
        }

        fn get_block_emission() -> TaoBalance {
            SubtensorModule::block_tao()
        }

        fn get_subnet_hyperparams_v3(netuid: NetUid) -> Option<Vec<HyperparamEntry>> {
            SubtensorModule::hyperparameters(netuid)
        }
    }

    impl apis::StakeInfoRuntimeApi<Block> for Runtime {
        fn get_stake_info_for_coldkey(coldkey_account: AccountId32) -> Vec<StakeInfo<AccountId32>> {
            SubtensorModule::stakes_of(&coldkey_account)
        }

        fn get_stake_info_for_coldkeys(
            coldkey_accounts: Vec<AccountId32>,
        ) -> Vec<(AccountId32, Vec<StakeInfo<AccountId32>>)> {
            let stakes = |coldkey: AccountId32| (coldkey.clone(), SubtensorModule::stakes_of(&coldkey));
            coldkey_accounts.into_iter().map(stakes).collect()
        }

        fn get_stake_info_for_hotkey_coldkey_netuid(
            hotkey_account: AccountId32,
            coldkey_account: AccountId32,
            netuid: NetUid,
        ) -> Option<StakeInfo<AccountId32>> {
            Some(SubtensorModule::stake_info(&hotkey_account, &coldkey_account, netuid))
        }

        fn get_stake_availability_for_coldkeys(
            coldkey_accounts: Vec<AccountId32>,
            netuids: Option<Vec<NetUid>>,
        ) -> BTreeMap<AccountId32, BTreeMap<NetUid, StakeAvailability>> {
            coldkey_accounts
                .into_iter()
                .map(|coldkey| (coldkey.clone(), SubtensorModule::stake_availability(&coldkey, netuids.as_deref())))
                .collect()
        }

        fn get_coldkey_lock(coldkey: AccountId32, netuid: NetUid) -> Option<LockState> {
            SubtensorModule::coldkey_lock(&coldkey, netuid)
        }

        fn get_hotkey_conviction(hotkey: AccountId32, netuid: NetUid) -> U64F64 {
            subtensor::HotkeyLock::<Runtime>::get(netuid, hotkey).unwrap_or_default().conviction
        }

        fn get_most_convicted_hotkey_on_subnet(netuid: NetUid) -> Option<AccountId32> {
            let locks = subtensor::HotkeyLock::<Runtime>::iter_prefix(netuid);
            locks.max_by_key(|(_, lock)| lock.conviction).map(|(hotkey, _)| hotkey)
        }
    }

    impl apis::BetaBasketRuntimeApi<Block> for Runtime {
        fn get_root_basket_owed(_coldkey: AccountId32) -> TaoBalance {
            TaoBalance::ZERO
        }

        fn get_basket_payout(_hotkey: AccountId32, _coldkey: AccountId32) -> TaoBalance {
            TaoBalance::ZERO
        }

        fn get_validator_basket_nav(_hotkey: AccountId32) -> TaoBalance {
            TaoBalance::ZERO
        }

        fn get_validator_basket(_hotkey: AccountId32) -> Vec<(NetUid, AlphaBalance, TaoBalance)> {
            Vec::new()
        }

        fn get_root_basket_total_nav() -> TaoBalance {
            TaoBalance::ZERO
        }

        fn get_validator_basket_summary(hotkey: AccountId32) -> BasketSummary<AccountId32> {
            SubtensorModule::basket_summary(hotkey)
        }

        fn get_all_validator_baskets() -> Vec<BasketSummary<AccountId32>> {
            Vec::new()
        }

        fn get_root_basket_positions(_coldkey: AccountId32) -> Vec<(AccountId32, u64, TaoBalance)> {
            Vec::new()
        }

        fn get_basket_position(
            _hotkey: AccountId32,
            _coldkey: AccountId32,
        ) -> Option<BasketPosition<AccountId32>> {
            None
        }

        fn get_root_basket_portfolio(_coldkey: AccountId32) -> Vec<BasketPosition<AccountId32>> {
            Vec::new()
        }

        fn get_beta_pricing(_hotkey: AccountId32) -> Option<BetaPricing<AccountId32>> {
            None
        }

        fn get_all_beta_pricing(
            _start_after: Option<AccountId32>,
            _limit: u32,
        ) -> BetaPricingPage<AccountId32> {
            BetaPricingPage { pricing: Vec::new(), next: None }
        }

        fn get_beta_position(
            _hotkey: AccountId32,
            _coldkey: AccountId32,
        ) -> Option<BetaPosition<AccountId32>> {
            None
        }

        fn get_beta_portfolio(_coldkey: AccountId32) -> Vec<BetaPosition<AccountId32>> {
            Vec::new()
        }

        fn get_basket_trading_status(_hotkey: AccountId32) -> BasketTradingStatus {
            BasketTradingStatus::default()
        }
    }

    impl apis::DelegateInfoRuntimeApi<Block> for Runtime {
        fn get_delegates() -> Vec<DelegateInfo<AccountId32>> {
            SubtensorModule::delegates()
        }

        fn get_delegate(delegate_account: AccountId32) -> Option<DelegateInfo<AccountId32>> {
            SubtensorModule::delegate(delegate_account)
        }

        fn get_delegated(delegatee_account: AccountId32) -> Vec<Delegation> {
            SubtensorModule::delegations(&delegatee_account)
        }
    }

    impl apis::SubnetRegistrationRuntimeApi<Block> for Runtime {
        fn get_network_registration_cost() -> TaoBalance {
            SubtensorModule::network_price()
        }
    }

    impl apis::SwapRuntimeApi<Block> for Runtime {
        fn current_alpha_price(netuid: NetUid) -> u64 {
            SubtensorModule::alpha_price_rao(netuid)
        }

        fn current_alpha_price_all() -> Vec<SubnetPrice> {
            let price = |netuid| SubnetPrice { netuid, price: SubtensorModule::alpha_price_rao(netuid) };
            SubtensorModule::all_subnets().into_iter().map(price).collect()
        }

        fn sim_swap_tao_for_alpha(netuid: NetUid, tao: TaoBalance) -> SimSwapResult {
            apis::simulated_buy::<Runtime>(netuid, tao)
        }

        fn sim_swap_alpha_for_tao(netuid: NetUid, alpha: AlphaBalance) -> SimSwapResult {
            apis::simulated_sale::<Runtime>(netuid, alpha)
        }
    }
}
