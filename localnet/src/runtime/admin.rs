//! The AdminUtils pallet: what the sudo key and the owners of subnets set.
//!
//! A call by an owner is refused while the same was changed too recently ([`Change`]), and calls that respect the window are
//! refused in the last blocks before an epoch, for the sudo key too. The values live in `SubtensorModule`.
//!
//! Absent: authorities and Grandpa changes, EVM switches, and the settings of baskets, of the emission gate, of
//! coldkey swaps and of dissolution.

use frame_support::pallet_macros::import_section;

mod dispatches;
mod permission;
mod setters;

pub use pallet::*;

#[cfg(doc)]
use crate::runtime::subtensor::rate_limits::Change;

#[import_section(dispatches::dispatches)]
#[frame_support::pallet]
#[allow(missing_docs, reason = "the names are the chain's own; FRAME generates items without documentation")]
pub mod pallet {
    use frame_support::{pallet_prelude::*, traits::ConstBool};
    use frame_system::pallet_prelude::*;
    use sp_runtime::{AccountId32, PerU16};

    use crate::runtime::{
        numbers::{I96F32, MechId, NetUid, TaoBalance, U64F64},
        subtensor::{
            self, Pallet as Subtensor,
            types::{ConsensusMode, RecycleOrBurnEnum},
        },
    };

    /// Weight of every call.
    const CALL_WEIGHT: Weight = Weight::from_parts(30_000_000, 0);

    #[pallet::pallet]
    #[pallet::without_storage_info]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> + subtensor::Config {}

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        PrecompileUpdated { precompile_id: PrecompileEnum, enabled: bool },
        Yuma3EnableToggled { netuid: NetUid, enabled: bool },
        BondsResetToggled { netuid: NetUid, enabled: bool },
        BurnHalfLifeSet { netuid: NetUid, burn_half_life: u16 },
        BurnIncreaseMultSet { netuid: NetUid, burn_increase_mult: U64F64 },
        SubnetEmissionEnabledSet { netuid: NetUid, enabled: bool },
        CollateralLockShareSet { netuid: NetUid, lock_share: u16 },
        CollateralDrainRatioSet { netuid: NetUid, drain_ratio: U64F64 },
        BasketConcentrationCapSet { cap: u16 },
        BasketTradingToggled { enabled: bool },
        BasketTradingFrozenSet { hotkey: AccountId32, frozen: bool },
        BasketDailyTurnoverCapSet { cap: u16 },
        BasketLiquidityCapSet { cap: u16 },
    }

    #[pallet::error]
    pub enum Error<T> {
        SubnetDoesNotExist,
        MaxValidatorsLargerThanMaxUIds,
        MaxAllowedUIdsLessThanCurrentUIds,
        BondsMovingAverageMaxReached,
        NegativeSigmoidSteepness,
        ValueNotInBounds,
        MinAllowedUidsGreaterThanCurrentUids,
        MinAllowedUidsGreaterThanMaxAllowedUids,
        MaxAllowedUidsLessThanMinAllowedUids,
        MaxAllowedUidsGreaterThanDefaultMaxAllowedUids,
        InvalidValue,
        NotPermittedOnRootSubnet,
        POWRegistrationDisabled,
        Deprecated,
        CollateralLockShareTooHigh,
        CollateralDrainRatioOutOfBounds,
        GrandpaChangeDelayMustBeZero,
    }

    /// Contracts of the real chain's EVM.
    #[derive(Clone, Copy, Debug, Decode, DecodeWithMemTracking, Encode, Eq, PartialEq, TypeInfo)]
    pub enum PrecompileEnum {
        BalanceTransfer,
        Staking,
        Subnet,
        Metagraph,
        Neuron,
        UidLookup,
        Alpha,
        Crowdloan,
        Proxy,
        Leasing,
        AddressMapping,
        VotingPower,
        AccountBalance,
        Scheduler,
        Drand,
        Timestamp,
        RuntimeConfiguration,
        PrecompileRegistry,
    }

    #[pallet::storage]
    pub type PrecompileEnable<T> =
        StorageMap<_, Blake2_128Concat, PrecompileEnum, bool, ValueQuery, ConstBool<true>>;
}
