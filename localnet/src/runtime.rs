//! The runtime: FRAME pallets at the indices of the pinned metadata, executed natively.
//!
//! `chain` runs it through [`api::dispatch`], the same entry points a node would call in a wasm runtime.

pub mod apis;
pub mod aura;
pub mod commitments;
pub mod extensions;
pub mod numbers;
pub mod subtensor;

use std::{borrow::Cow, collections::BTreeMap};

use frame_support::{
    derive_impl,
    dispatch::DispatchClass,
    parameter_types,
    traits::{ConstU8, ConstU16, ConstU32, ConstU64, Everything},
    weights::{
        ConstantMultiplier, Weight, WeightToFeeCoefficient, WeightToFeeCoefficients, WeightToFeePolynomial,
    },
};
use frame_system::limits::{BlockLength, BlockWeights};
use pallet_transaction_payment::{ConstFeeMultiplier, FungibleAdapter, Multiplier};
use sp_core::OpaqueMetadata;
use sp_runtime::{
    AccountId32, ApplyExtrinsicResult, ExtrinsicInclusionMode, MultiAddress, MultiSignature, Perbill,
    generic,
    traits::BlakeTwo256,
    transaction_validity::{TransactionSource, TransactionValidity},
};
use sp_version::RuntimeVersion;

use self::{
    apis::{SimSwapResult, SubnetPrice},
    numbers::{AlphaBalance, MechId, NetUid, TaoBalance},
    subtensor::info::{
        DynamicInfo, HyperparamEntry, Metagraph, NeuronInfo, NeuronInfoLite, StakeAvailability, StakeInfo,
    },
};

/// Number of a block.
pub type BlockNumber = u32;
/// Header of a block.
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
/// How calls name accounts.
pub type Address = MultiAddress<AccountId32, ()>;
/// What signs a transaction.
pub type Signature = MultiSignature;
/// The transaction extensions, nested as on the real chain.
pub type TxExtension = (
    (
        frame_system::CheckNonZeroSender<Runtime>,
        frame_system::CheckSpecVersion<Runtime>,
        frame_system::CheckTxVersion<Runtime>,
        frame_system::CheckGenesis<Runtime>,
        frame_system::CheckMortality<Runtime>,
        extensions::CheckNonce,
        frame_system::CheckWeight<Runtime>,
    ),
    (
        extensions::ChargeTransactionPaymentWrapper,
        extensions::SudoTransactionExtension,
        extensions::CheckShieldedTxValidity,
        extensions::SubtensorTransactionExtension,
        extensions::DrandPriority,
    ),
    frame_metadata_hash_extension::CheckMetadataHash<Runtime>,
);
/// A transaction as it travels.
pub type UncheckedExtrinsic = generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;
/// A block.
pub type Block = generic::Block<Header, UncheckedExtrinsic>;
/// Runs blocks.
pub type Executive = frame_executive::Executive<
    Runtime,
    Block,
    frame_system::ChainContext<Runtime>,
    Runtime,
    AllPalletsWithSystem,
>;

/// The version of the runtime whose metadata is pinned.
pub const VERSION: RuntimeVersion = RuntimeVersion {
    spec_name: Cow::Borrowed("node-subtensor"),
    impl_name: Cow::Borrowed("node-subtensor"),
    authoring_version: 1,
    spec_version: 461,
    impl_version: 1,
    apis: RUNTIME_API_VERSIONS,
    transaction_version: 1,
    system_version: 1,
};

/// Smallest balance an account may keep, in rao.
pub const EXISTENTIAL_DEPOSIT_RAO: u64 = 500;
/// Milliseconds between blocks that clients are told when blocks do not come by the clock.
pub const SLOT_DURATION_MS_DEFAULT: u64 = 250;

const BLOCK_WEIGHT_MAX: Weight = Weight::from_parts(4_000_000_000_000, u64::MAX);
const BLOCK_BYTES_MAX: u32 = 10 * 1024 * 1024;
const NORMAL_RATIO: Perbill = Perbill::from_percent(75);

#[frame_support::runtime]
mod runtime {
    /// The runtime.
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeFreezeReason,
        RuntimeHoldReason,
        RuntimeSlashReason,
        RuntimeLockId,
        RuntimeTask,
        RuntimeViewFunction
    )]
    pub struct Runtime;

    #[runtime::pallet_index(0)]
    pub type System = frame_system::Pallet<Runtime>;
    #[runtime::pallet_index(2)]
    pub type Timestamp = pallet_timestamp::Pallet<Runtime>;
    #[runtime::pallet_index(3)]
    pub type Aura = aura::Pallet<Runtime>;
    #[runtime::pallet_index(5)]
    pub type Balances = pallet_balances::Pallet<Runtime>;
    #[runtime::pallet_index(6)]
    pub type TransactionPayment = pallet_transaction_payment::Pallet<Runtime>;
    #[runtime::pallet_index(7)]
    pub type SubtensorModule = subtensor::Pallet<Runtime>;
    #[runtime::pallet_index(11)]
    pub type Utility = pallet_utility::Pallet<Runtime>;
    #[runtime::pallet_index(12)]
    pub type Sudo = pallet_sudo::Pallet<Runtime>;
    #[runtime::pallet_index(18)]
    pub type Commitments = commitments::Pallet<Runtime>;
}

parameter_types! {
    pub const Version: RuntimeVersion = VERSION;
    pub Weights: BlockWeights = BlockWeights::with_sensible_defaults(BLOCK_WEIGHT_MAX, NORMAL_RATIO);
    pub Length: BlockLength = BlockLength::builder()
        .max_length(BLOCK_BYTES_MAX)
        .modify_max_length_for_class(DispatchClass::Normal, |bytes| *bytes = NORMAL_RATIO * *bytes)
        .build();
    pub const ExistentialDeposit: TaoBalance = TaoBalance::new(EXISTENTIAL_DEPOSIT_RAO);
    pub const ByteFee: TaoBalance = TaoBalance::new(1);
    pub FeeMultiplier: Multiplier = Multiplier::from_u32(1);
    pub const NoDeposit: TaoBalance = TaoBalance::ZERO;
    /// Kept in the state, since it depends on how the chain was started.
    pub storage SlotDurationMs: u64 = SLOT_DURATION_MS_DEFAULT;
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
    type AccountData = pallet_balances::AccountData<TaoBalance>;
    type BaseCallFilter = Everything;
    type Block = Block;
    type BlockHashCount = ConstU32<2400>;
    type BlockLength = Length;
    type BlockWeights = Weights;
    type SS58Prefix = ConstU16<42>;
    type Version = Version;
}

impl pallet_timestamp::Config for Runtime {
    // Blocks may follow each other at once.
    type MinimumPeriod = ConstU64<0>;
    type Moment = u64;
    type OnTimestampSet = ();
    type WeightInfo = ();
}

impl aura::Config for Runtime {
    type SlotDuration = SlotDurationMs;
}

impl pallet_balances::Config for Runtime {
    type AccountStore = System;
    type Balance = TaoBalance;
    type DoneSlashHandler = ();
    type DustRemoval = ();
    type ExistentialDeposit = ExistentialDeposit;
    type FreezeIdentifier = RuntimeFreezeReason;
    type MaxFreezes = ConstU32<50>;
    type MaxLocks = ConstU32<50>;
    type MaxReserves = ConstU32<50>;
    type ReserveIdentifier = [u8; 8];
    type RuntimeEvent = RuntimeEvent;
    type RuntimeFreezeReason = RuntimeFreezeReason;
    type RuntimeHoldReason = RuntimeHoldReason;
    type WeightInfo = ();
}

/// One rao for every 20,000 picoseconds of weight.
pub struct WeightFee;

impl WeightToFeePolynomial for WeightFee {
    type Balance = TaoBalance;

    fn polynomial() -> WeightToFeeCoefficients<Self::Balance> {
        [WeightToFeeCoefficient {
            coeff_integer: TaoBalance::ZERO,
            coeff_frac: Perbill::from_parts(50_000),
            negative: false,
            degree: 1,
        }]
        .into_iter()
        .collect()
    }
}

impl pallet_transaction_payment::Config for Runtime {
    type FeeMultiplierUpdate = ConstFeeMultiplier<FeeMultiplier>;
    type LengthToFee = ConstantMultiplier<TaoBalance, ByteFee>;
    type OnChargeTransaction = FungibleAdapter<Balances, ()>;
    type OperationalFeeMultiplier = ConstU8<5>;
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ();
    type WeightToFee = WeightFee;
}

impl subtensor::Config for Runtime {}

impl pallet_utility::Config for Runtime {
    type PalletsOrigin = OriginCaller;
    type RuntimeCall = RuntimeCall;
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ();
}

impl pallet_sudo::Config for Runtime {
    type RuntimeCall = RuntimeCall;
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ();
}

impl commitments::Config for Runtime {
    type FieldDeposit = NoDeposit;
    type InitialDeposit = NoDeposit;
    type MaxFields = ConstU32<3>;
}

sp_api::impl_runtime_apis! {
    impl sp_api::Core<Block> for Runtime {
        fn version() -> RuntimeVersion {
            VERSION
        }

        fn execute_block(block: <Block as sp_runtime::traits::Block>::LazyBlock) {
            Executive::execute_block(block);
        }

        fn initialize_block(header: &<Block as sp_runtime::traits::Block>::Header) -> ExtrinsicInclusionMode {
            Executive::initialize_block(header)
        }
    }

    impl sp_api::Metadata<Block> for Runtime {
        fn metadata() -> OpaqueMetadata {
            OpaqueMetadata::new(Runtime::metadata().into())
        }

        fn metadata_at_version(version: u32) -> Option<OpaqueMetadata> {
            Runtime::metadata_at_version(version)
        }

        fn metadata_versions() -> Vec<u32> {
            Runtime::metadata_versions()
        }
    }

    impl sp_block_builder::BlockBuilder<Block> for Runtime {
        fn apply_extrinsic(extrinsic: <Block as sp_runtime::traits::Block>::Extrinsic) -> ApplyExtrinsicResult {
            Executive::apply_extrinsic(extrinsic)
        }

        fn finalize_block() -> <Block as sp_runtime::traits::Block>::Header {
            Executive::finalize_block()
        }

        fn inherent_extrinsics(data: sp_inherents::InherentData) -> Vec<<Block as sp_runtime::traits::Block>::Extrinsic> {
            data.create_extrinsics()
        }

        fn check_inherents(
            block: <Block as sp_runtime::traits::Block>::LazyBlock,
            data: sp_inherents::InherentData,
        ) -> sp_inherents::CheckInherentsResult {
            data.check_extrinsics(&block)
        }
    }

    impl sp_transaction_pool::runtime_api::TaggedTransactionQueue<Block> for Runtime {
        fn validate_transaction(
            source: TransactionSource,
            tx: <Block as sp_runtime::traits::Block>::Extrinsic,
            block_hash: <Block as sp_runtime::traits::Block>::Hash,
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
            uxt: <Block as sp_runtime::traits::Block>::Extrinsic,
            len: u32,
        ) -> pallet_transaction_payment::RuntimeDispatchInfo<TaoBalance> {
            TransactionPayment::query_info(uxt, len)
        }

        fn query_fee_details(
            uxt: <Block as sp_runtime::traits::Block>::Extrinsic,
            len: u32,
        ) -> pallet_transaction_payment::FeeDetails<TaoBalance> {
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
        fn query_call_info(call: RuntimeCall, len: u32) -> pallet_transaction_payment::RuntimeDispatchInfo<TaoBalance> {
            TransactionPayment::query_call_info(call, len)
        }

        fn query_call_fee_details(call: RuntimeCall, len: u32) -> pallet_transaction_payment::FeeDetails<TaoBalance> {
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
            None
        }

        fn get_next_epoch_start_block(netuid: NetUid) -> Option<u64> {
            SubtensorModule::next_epoch_block(netuid)
        }

        fn get_block_emission() -> TaoBalance {
            TaoBalance::new(subtensor::BlockEmission::<Runtime>::get())
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
    }

    impl apis::SubnetRegistrationRuntimeApi<Block> for Runtime {
        fn get_network_registration_cost() -> TaoBalance {
            subtensor::NetworkMinLockCost::<Runtime>::get()
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
            let alpha_amount = SubtensorModule::quote_alpha(netuid, tao).unwrap_or_default();
            SimSwapResult { tao_amount: tao, alpha_amount, ..Default::default() }
        }

        fn sim_swap_alpha_for_tao(netuid: NetUid, alpha: AlphaBalance) -> SimSwapResult {
            let tao_amount = SubtensorModule::quote_tao(netuid, alpha).unwrap_or_default();
            SimSwapResult { tao_amount, alpha_amount: alpha, ..Default::default() }
        }
    }
}
