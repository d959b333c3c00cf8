//! The runtime: FRAME pallets at the indices of the pinned metadata, executed natively.
//!
//! `chain` runs it through [`api::dispatch`], the same entry points a node would call in a wasm runtime.

pub mod admin;
pub mod apis;
pub mod aura;
pub mod commitments;
pub mod depth;
pub mod drand;
mod entry;
pub mod extensions;
pub mod numbers;
pub mod proxies;
pub mod shield;
pub mod subtensor;
pub mod swap;
pub mod upgrade;

use std::{borrow::Cow, collections::BTreeSet};

use frame_support::{
    derive_impl,
    dispatch::DispatchClass,
    parameter_types,
    traits::{ConstU8, ConstU16, ConstU32, ConstU64, Everything, Get},
    weights::{
        ConstantMultiplier, Weight, WeightToFeeCoefficient, WeightToFeeCoefficients, WeightToFeePolynomial,
    },
};
use frame_system::limits::{BlockLength, BlockWeights};
use pallet_transaction_payment::{ConstFeeMultiplier, FungibleAdapter, Multiplier};
use sp_runtime::{AccountId32, MultiAddress, MultiSignature, Perbill, generic, traits::BlakeTwo256};
use sp_version::RuntimeVersion;

use self::{entry::RUNTIME_API_VERSIONS, numbers::TaoBalance};

pub use self::entry::api;

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
    #[runtime::pallet_index(16)]
    pub type Proxy = pallet_proxy::Pallet<Runtime>;
    #[runtime::pallet_index(18)]
    pub type Commitments = commitments::Pallet<Runtime>;
    #[runtime::pallet_index(19)]
    pub type AdminUtils = admin::Pallet<Runtime>;
    #[runtime::pallet_index(26)]
    pub type Drand = drand::Pallet<Runtime>;
    #[runtime::pallet_index(28)]
    pub type Swap = swap::Pallet<Runtime>;
    #[runtime::pallet_index(30)]
    pub type MevShield = shield::Pallet<Runtime>;
}

parameter_types! {
    pub Weights: BlockWeights = BlockWeights::with_sensible_defaults(BLOCK_WEIGHT_MAX, NORMAL_RATIO);
    pub Length: BlockLength = BlockLength::builder()
        .max_length(BLOCK_BYTES_MAX)
        .modify_max_length_for_class(DispatchClass::Normal, |bytes| *bytes = NORMAL_RATIO * *bytes)
        .build();
    pub const ExistentialDeposit: TaoBalance = TaoBalance::new(EXISTENTIAL_DEPOSIT_RAO);
    pub const ByteFee: TaoBalance = TaoBalance::new(1);
    pub FeeMultiplier: Multiplier = Multiplier::from_u32(1);
    pub const NoDeposit: TaoBalance = TaoBalance::ZERO;
    pub const ProxyDepositBase: TaoBalance = TaoBalance::new(60_000_000);
    pub const ProxyDepositFactor: TaoBalance = TaoBalance::new(33_000_000);
    pub const ProxyAnnouncementDepositBase: TaoBalance = TaoBalance::new(36_000_000);
    pub const ProxyAnnouncementDepositFactor: TaoBalance = TaoBalance::new(68_000_000);
    /// Kept in the state, since it depends on how the chain was started.
    pub storage SlotDurationMs: u64 = SLOT_DURATION_MS_DEFAULT;
    /// Kept in the state, so that a chain goes on with its own beacon wherever its state goes.
    pub storage BeaconSeed: [u8; 32] = [0; 32];
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
    type Version = upgrade::Version;
}

impl pallet_timestamp::Config for Runtime {
    // Blocks may follow each other at once.
    type MinimumPeriod = ConstU64<0>;
    type Moment = u64;
    type OnTimestampSet = Drand;
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

impl admin::Config for Runtime {}

impl shield::Config for Runtime {}

/// Rounds that weights and commitments are encrypted to.
pub struct AwaitedRounds;

impl Get<BTreeSet<u64>> for AwaitedRounds {
    fn get() -> BTreeSet<u64> {
        SubtensorModule::awaited_rounds().into_iter().chain(Commitments::awaited_rounds()).collect()
    }
}

impl drand::Config for Runtime {
    type AwaitedRounds = AwaitedRounds;
    type Seed = BeaconSeed;
}

impl swap::Config for Runtime {
    type Subnets = SubtensorModule;
}

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

impl pallet_proxy::Config for Runtime {
    type AnnouncementDepositBase = ProxyAnnouncementDepositBase;
    type AnnouncementDepositFactor = ProxyAnnouncementDepositFactor;
    type BlockNumberProvider = System;
    type CallHasher = BlakeTwo256;
    type Currency = Balances;
    type MaxPending = ConstU32<75>;
    type MaxProxies = ConstU32<20>;
    type ProxyDepositBase = ProxyDepositBase;
    type ProxyDepositFactor = ProxyDepositFactor;
    type ProxyType = proxies::ProxyType;
    type RuntimeCall = RuntimeCall;
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ();
}

impl commitments::Config for Runtime {
    type FieldDeposit = NoDeposit;
    type InitialDeposit = NoDeposit;
    type MaxFields = ConstU32<3>;
}

#[cfg(test)]
mod tests;
