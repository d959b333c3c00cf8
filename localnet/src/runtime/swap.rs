//! The `Swap` pallet: what a subnet's pool charges, and the curve it trades on.
//!
//! The reserves themselves are `SubnetTAO` and `SubnetAlphaIn` of `SubtensorModule`, which asks `curve` what they give. The
//! real pools are Balancer pools: `alpha^w * tao^(1-w)` stays, where `w` starts at one half and moves only when liquidity is
//! added at another ratio than the price. This chain adds it at the price, so `w` stays one half and the curve is the
//! constant product `alpha * tao`, computed in whole numbers and rounded so that the product never shrinks. The real chain
//! takes the same from an 18-digit power and may differ by a rao.

pub mod curve;

use frame_support::dispatch::DispatchResult;
use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;
use sp_arithmetic::Perquintill;

use crate::runtime::numbers::NetUid;

pub use pallet::*;

/// What the pallet asks about subnets.
pub trait Subnets<Origin> {
    /// Whether a subnet has a pool.
    fn has_pool(netuid: NetUid) -> bool;
    /// Refuses who is neither the subnet's owner nor root.
    fn ensure_owner_or_root(origin: Origin, netuid: NetUid) -> DispatchResult;
}

/// The weight of TAO in a pool; alpha has the rest.
#[derive(Clone, Debug, Decode, DecodeWithMemTracking, Encode, Eq, PartialEq, TypeInfo)]
pub struct Balancer {
    /// One half, in quintillionths.
    pub quote: Perquintill,
}

impl Default for Balancer {
    fn default() -> Self {
        Self { quote: Perquintill::from_percent(50) }
    }
}

#[frame_support::pallet]
#[allow(missing_docs, reason = "the names are the chain's own; FRAME generates items without documentation")]
pub mod pallet {
    use std::num::NonZeroU64;

    use frame_support::{PalletId, pallet_prelude::*, traits::ConstU16};
    use frame_system::pallet_prelude::*;

    use super::{Balancer, Subnets, curve};
    use crate::runtime::numbers::{AlphaBalance, NetUid, TaoBalance};

    /// The highest fee, in parts of 65535.
    const FEE_RATE_MAX: u16 = 10_000;

    #[pallet::pallet]
    #[pallet::without_storage_info]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// The subnets.
        type Subnets: Subnets<Self::RuntimeOrigin>;
    }

    #[pallet::extra_constants]
    impl<T: Config> Pallet<T> {
        #[pallet::constant_name(ProtocolId)]
        pub(crate) fn protocol_id() -> PalletId {
            PalletId(*b"ten/swap")
        }

        #[pallet::constant_name(MaxFeeRate)]
        pub(crate) fn max_fee_rate() -> u16 {
            FEE_RATE_MAX
        }

        #[pallet::constant_name(MinimumLiquidity)]
        pub(crate) fn minimum_liquidity() -> u64 {
            1_000
        }

        #[pallet::constant_name(MinimumReserve)]
        pub(crate) fn minimum_reserve() -> NonZeroU64 {
            curve::RESERVE_MIN
        }
    }

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        FeeRateSet { netuid: NetUid, rate: u16 },
    }

    #[pallet::error]
    #[derive(Eq, PartialEq)]
    pub enum Error<T> {
        FeeRateTooHigh,
        InsufficientInputAmount,
        InsufficientLiquidity,
        PriceLimitExceeded,
        InsufficientBalance,
        InvalidTickRange,
        InvalidLiquidityValue,
        ReservesTooLow,
        MechanismDoesNotExist,
        SubtokenDisabled,
        ReservesOutOfBalance,
        SwapInputTooLarge,
        Deprecated,
    }

    /// A pool's fee, in parts of 65535 of what is paid.
    #[pallet::storage]
    pub type FeeRate<T> = StorageMap<_, Twox64Concat, NetUid, u16, ValueQuery, ConstU16<33>>;

    #[pallet::storage]
    pub type SwapBalancer<T> = StorageMap<_, Twox64Concat, NetUid, Balancer, ValueQuery>;

    #[pallet::storage]
    pub type PalSwapInitialized<T> = StorageMap<_, Twox64Concat, NetUid, bool, ValueQuery>;

    #[pallet::storage]
    pub type BalancerTaoReservoir<T> = StorageMap<_, Twox64Concat, NetUid, TaoBalance, ValueQuery>;

    #[pallet::storage]
    pub type BalancerAlphaReservoir<T> = StorageMap<_, Twox64Concat, NetUid, AlphaBalance, ValueQuery>;

    #[pallet::storage]
    pub type ScrapReservoirAlpha<T> = StorageMap<_, Twox64Concat, NetUid, AlphaBalance, ValueQuery>;

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        #[pallet::call_index(0)]
        #[pallet::weight((Weight::from_parts(16_000_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn set_fee_rate(origin: OriginFor<T>, netuid: NetUid, rate: u16) -> DispatchResult {
            T::Subnets::ensure_owner_or_root(origin, netuid)?;
            ensure!(T::Subnets::has_pool(netuid), Error::<T>::MechanismDoesNotExist);
            ensure!(rate <= FEE_RATE_MAX, Error::<T>::FeeRateTooHigh);
            FeeRate::<T>::insert(netuid, rate);
            Self::deposit_event(Event::FeeRateSet { netuid, rate });
            Ok(())
        }
    }
}
