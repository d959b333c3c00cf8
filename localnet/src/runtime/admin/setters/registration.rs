//! Who may register at which price, how many neurons there may be, and which of them are safe.

use core::ops::RangeInclusive;

use frame_support::{dispatch::DispatchResult, ensure};
use frame_system::pallet_prelude::OriginFor;

use crate::runtime::{
    admin::{Config, Error, Event, Pallet, permission::Window},
    numbers::{NetUid, TaoBalance, U64F64},
    subtensor::{self, Pallet as Subtensor, rate_limits::Hyperparameter},
};

/// Neurons of the owner that may be safe from pruning.
const IMMUNE_OWNER_NEURONS: RangeInclusive<u16> = 1..=10;
/// Blocks in which the price of registration may halve.
const BURN_HALF_LIFE_BLOCKS: RangeInclusive<u16> = 1..=36_100;
/// Most by which one registration may raise the price: threefold.
const BURN_INCREASE_MAX: U64F64 = U64F64::from_bits(3 << U64F64::FRACTION_BITS);
/// Largest share of the price that may become collateral, of 65535: 95 %.
const COLLATERAL_LOCK_SHARE_MAX: u16 = 62_258;
/// Most collateral that may be released per alpha earned.
const COLLATERAL_DRAIN_RATIO_MAX: U64F64 = U64F64::from_bits(10 << U64F64::FRACTION_BITS);

impl<T: Config> Pallet<T> {
    pub(crate) fn set_min_difficulty(
        origin: OriginFor<T>,
        netuid: NetUid,
        min_difficulty: u64,
    ) -> DispatchResult {
        Self::by_root(origin, netuid, Window::Respected, || {
            subtensor::MinDifficulty::<T>::insert(netuid, min_difficulty);
            Subtensor::<T>::emit(subtensor::Event::MinDifficultySet(netuid, min_difficulty));
            Ok(())
        })
    }

    pub(crate) fn set_max_difficulty(
        origin: OriginFor<T>,
        netuid: NetUid,
        max_difficulty: u64,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::MaxDifficulty, |_| {
            subtensor::MaxDifficulty::<T>::insert(netuid, max_difficulty);
            Subtensor::<T>::emit(subtensor::Event::MaxDifficultySet(netuid, max_difficulty));
            Ok(())
        })
    }

    pub(crate) fn set_adjustment_interval(
        origin: OriginFor<T>,
        netuid: NetUid,
        adjustment_interval: u16,
    ) -> DispatchResult {
        Self::by_root(origin, netuid, Window::Ignored, || {
            subtensor::AdjustmentInterval::<T>::insert(netuid, adjustment_interval);
            Subtensor::<T>::emit(subtensor::Event::AdjustmentIntervalSet(netuid, adjustment_interval));
            Ok(())
        })
    }

    pub(crate) fn set_adjustment_alpha(
        origin: OriginFor<T>,
        netuid: NetUid,
        adjustment_alpha: u64,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::AdjustmentAlpha, |_| {
            subtensor::AdjustmentAlpha::<T>::insert(netuid, adjustment_alpha);
            Subtensor::<T>::emit(subtensor::Event::AdjustmentAlphaSet(netuid, adjustment_alpha));
            Ok(())
        })
    }

    pub(crate) fn set_immunity_period(
        origin: OriginFor<T>,
        netuid: NetUid,
        immunity_period: u16,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::ImmunityPeriod, |_| {
            subtensor::ImmunityPeriod::<T>::insert(netuid, immunity_period);
            Subtensor::<T>::emit(subtensor::Event::ImmunityPeriodSet(netuid, immunity_period));
            Ok(())
        })
    }

    pub(crate) fn set_max_allowed_uids(
        origin: OriginFor<T>,
        netuid: NetUid,
        max_allowed_uids: u16,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::MaxAllowedUids, |_| {
            ensure!(
                max_allowed_uids >= subtensor::MinAllowedUids::<T>::get(netuid),
                Error::<T>::MaxAllowedUidsLessThanMinAllowedUids
            );
            ensure!(
                subtensor::SubnetworkN::<T>::get(netuid) <= max_allowed_uids,
                Error::<T>::MaxAllowedUIdsLessThanCurrentUIds
            );
            ensure!(
                max_allowed_uids <= Subtensor::<T>::initial_max_allowed_uids(),
                Error::<T>::MaxAllowedUidsGreaterThanDefaultMaxAllowedUids
            );
            Self::ensure_uids_over_mechanisms(
                max_allowed_uids,
                subtensor::MechanismCountCurrent::<T>::get(netuid),
            )?;
            subtensor::MaxAllowedUids::<T>::insert(netuid, max_allowed_uids);
            Subtensor::<T>::emit(subtensor::Event::MaxAllowedUidsSet(netuid, max_allowed_uids));
            Ok(())
        })
    }

    pub(crate) fn set_network_registration_allowed(
        origin: OriginFor<T>,
        netuid: NetUid,
        registration_allowed: bool,
    ) -> DispatchResult {
        Self::by_root(origin, netuid, Window::Ignored, || {
            subtensor::NetworkRegistrationAllowed::<T>::insert(netuid, registration_allowed);
            Subtensor::<T>::emit(subtensor::Event::RegistrationAllowed(netuid, registration_allowed));
            Ok(())
        })
    }

    pub(crate) fn set_target_registrations_per_interval(
        origin: OriginFor<T>,
        netuid: NetUid,
        target_registrations_per_interval: u16,
    ) -> DispatchResult {
        Self::by_root(origin, netuid, Window::Respected, || {
            subtensor::TargetRegistrationsPerInterval::<T>::insert(netuid, target_registrations_per_interval);
            Subtensor::<T>::emit(subtensor::Event::RegistrationPerIntervalSet(
                netuid,
                target_registrations_per_interval,
            ));
            Ok(())
        })
    }

    pub(crate) fn set_min_burn(origin: OriginFor<T>, netuid: NetUid, min_burn: TaoBalance) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::MinBurn, |_| {
            ensure!(min_burn < Subtensor::<T>::min_burn_upper_bound(), Error::<T>::ValueNotInBounds);
            ensure!(min_burn < subtensor::MaxBurn::<T>::get(netuid), Error::<T>::ValueNotInBounds);
            subtensor::MinBurn::<T>::insert(netuid, min_burn);
            Subtensor::<T>::emit(subtensor::Event::MinBurnSet(netuid, min_burn));
            Ok(())
        })
    }

    pub(crate) fn set_max_burn(origin: OriginFor<T>, netuid: NetUid, max_burn: TaoBalance) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::MaxBurn, |_| {
            ensure!(max_burn > Subtensor::<T>::max_burn_lower_bound(), Error::<T>::ValueNotInBounds);
            ensure!(max_burn > subtensor::MinBurn::<T>::get(netuid), Error::<T>::ValueNotInBounds);
            subtensor::MaxBurn::<T>::insert(netuid, max_burn);
            Subtensor::<T>::emit(subtensor::Event::MaxBurnSet(netuid, max_burn));
            Ok(())
        })
    }

    pub(crate) fn set_difficulty(origin: OriginFor<T>, netuid: NetUid, difficulty: u64) -> DispatchResult {
        Self::by_root(origin, netuid, Window::Respected, || {
            subtensor::Difficulty::<T>::insert(netuid, difficulty);
            Subtensor::<T>::emit(subtensor::Event::DifficultySet(netuid, difficulty));
            Ok(())
        })
    }

    pub(crate) fn set_max_registrations_per_block(
        origin: OriginFor<T>,
        netuid: NetUid,
        max_registrations_per_block: u16,
    ) -> DispatchResult {
        Self::by_root(origin, netuid, Window::Respected, || {
            subtensor::MaxRegistrationsPerBlock::<T>::insert(netuid, max_registrations_per_block);
            Subtensor::<T>::emit(subtensor::Event::MaxRegistrationsPerBlockSet(
                netuid,
                max_registrations_per_block,
            ));
            Ok(())
        })
    }

    pub(crate) fn set_rao_recycled(
        origin: OriginFor<T>,
        netuid: NetUid,
        rao_recycled: TaoBalance,
    ) -> DispatchResult {
        Self::by_root(origin, netuid, Window::Ignored, || {
            subtensor::RAORecycledForRegistration::<T>::insert(netuid, rao_recycled);
            Subtensor::<T>::emit(subtensor::Event::RAORecycledForRegistrationSet(netuid, rao_recycled));
            Ok(())
        })
    }

    pub(crate) fn set_owner_immune_neuron_limit(
        origin: OriginFor<T>,
        netuid: NetUid,
        immune_neurons: u16,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::ImmuneNeuronLimit, |_| {
            ensure!(IMMUNE_OWNER_NEURONS.contains(&immune_neurons), subtensor::Error::<T>::InvalidValue);
            subtensor::ImmuneOwnerUidsLimit::<T>::insert(netuid, immune_neurons);
            Ok(())
        })
    }

    pub(crate) fn set_min_allowed_uids(
        origin: OriginFor<T>,
        netuid: NetUid,
        min_allowed_uids: u16,
    ) -> DispatchResult {
        Self::by_root(origin, netuid, Window::Respected, || {
            ensure!(
                min_allowed_uids < subtensor::MaxAllowedUids::<T>::get(netuid),
                Error::<T>::MinAllowedUidsGreaterThanMaxAllowedUids
            );
            ensure!(
                min_allowed_uids < subtensor::SubnetworkN::<T>::get(netuid),
                Error::<T>::MinAllowedUidsGreaterThanCurrentUids
            );
            subtensor::MinAllowedUids::<T>::insert(netuid, min_allowed_uids);
            Subtensor::<T>::emit(subtensor::Event::MinAllowedUidsSet(netuid, min_allowed_uids));
            Ok(())
        })
    }

    pub(crate) fn set_min_non_immune_uids(origin: OriginFor<T>, netuid: NetUid, min: u16) -> DispatchResult {
        Self::by_root(origin, netuid, Window::Ignored, || {
            subtensor::MinNonImmuneUids::<T>::insert(netuid, min);
            Subtensor::<T>::emit(subtensor::Event::MinNonImmuneUidsSet(netuid, min));
            Ok(())
        })
    }

    pub(crate) fn set_burn_half_life(
        origin: OriginFor<T>,
        netuid: NetUid,
        burn_half_life: u16,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::BurnHalfLife, |_| {
            ensure!(!netuid.is_root(), Error::<T>::NotPermittedOnRootSubnet);
            ensure!(BURN_HALF_LIFE_BLOCKS.contains(&burn_half_life), Error::<T>::InvalidValue);
            subtensor::BurnHalfLife::<T>::insert(netuid, burn_half_life);
            Self::deposit_event(Event::BurnHalfLifeSet { netuid, burn_half_life });
            Ok(())
        })
    }

    pub(crate) fn set_burn_increase_mult(
        origin: OriginFor<T>,
        netuid: NetUid,
        burn_increase_mult: U64F64,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::BurnIncreaseMult, |_| {
            ensure!(!netuid.is_root(), Error::<T>::NotPermittedOnRootSubnet);
            ensure!(
                burn_increase_mult >= U64F64::ONE && burn_increase_mult <= BURN_INCREASE_MAX,
                Error::<T>::InvalidValue
            );
            subtensor::BurnIncreaseMult::<T>::insert(netuid, burn_increase_mult);
            Self::deposit_event(Event::BurnIncreaseMultSet { netuid, burn_increase_mult });
            Ok(())
        })
    }

    pub(crate) fn set_collateral_lock_share(
        origin: OriginFor<T>,
        netuid: NetUid,
        lock_share: u16,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::CollateralLockShare, |_| {
            ensure!(!netuid.is_root(), Error::<T>::NotPermittedOnRootSubnet);
            ensure!(lock_share <= COLLATERAL_LOCK_SHARE_MAX, Error::<T>::CollateralLockShareTooHigh);
            subtensor::CollateralLockShare::<T>::insert(netuid, lock_share);
            Self::deposit_event(Event::CollateralLockShareSet { netuid, lock_share });
            Ok(())
        })
    }

    pub(crate) fn set_collateral_drain_ratio(
        origin: OriginFor<T>,
        netuid: NetUid,
        drain_ratio: U64F64,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::CollateralDrainRatio, |_| {
            ensure!(!netuid.is_root(), Error::<T>::NotPermittedOnRootSubnet);
            ensure!(
                drain_ratio > U64F64::ZERO && drain_ratio <= COLLATERAL_DRAIN_RATIO_MAX,
                Error::<T>::CollateralDrainRatioOutOfBounds
            );
            subtensor::CollateralDrainRatio::<T>::insert(netuid, drain_ratio);
            Self::deposit_event(Event::CollateralDrainRatioSet { netuid, drain_ratio });
            Ok(())
        })
    }
}
