//! When epochs run and how they reckon.

use frame_support::{dispatch::DispatchResult, ensure};
use frame_system::pallet_prelude::OriginFor;

use crate::runtime::{
    admin::{Config, Error, Event, Pallet, permission::Window},
    numbers::NetUid,
    subtensor::{
        self, Pallet as Subtensor,
        rate_limits::{Authority, Hyperparameter},
        types::ConsensusMode,
    },
};

/// Fewest blocks of the activity cutoff that epochs no longer use.
const ACTIVITY_CUTOFF_MIN: u16 = 360;
/// Slowest moving average of bonds an owner may set, in millionths.
const BONDS_MOVING_AVERAGE_MAX: u64 = 975_000;
/// Least alpha of liquid alpha, of 65535: one fortieth.
const LIQUID_ALPHA_MIN: u16 = u16::MAX / 40;

impl<T: Config> Pallet<T> {
    pub(crate) fn set_kappa(origin: OriginFor<T>, netuid: NetUid, kappa: u16) -> DispatchResult {
        Self::by_root(origin, netuid, Window::Ignored, || {
            subtensor::Kappa::<T>::insert(netuid, kappa);
            Subtensor::<T>::emit(subtensor::Event::KappaSet(netuid, kappa));
            Ok(())
        })
    }

    pub(crate) fn set_rho(origin: OriginFor<T>, netuid: NetUid, rho: u16) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::Rho, |_| {
            subtensor::Rho::<T>::insert(netuid, rho);
            Ok(())
        })
    }

    pub(crate) fn set_activity_cutoff(
        origin: OriginFor<T>,
        netuid: NetUid,
        activity_cutoff: u16,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::ActivityCutoff, |_| {
            ensure!(activity_cutoff >= ACTIVITY_CUTOFF_MIN, subtensor::Error::<T>::ActivityCutoffTooLow);
            subtensor::ActivityCutoff::<T>::insert(netuid, activity_cutoff);
            Subtensor::<T>::emit(subtensor::Event::ActivityCutoffSet(netuid, activity_cutoff));
            Ok(())
        })
    }

    pub(crate) fn set_max_allowed_validators(
        origin: OriginFor<T>,
        netuid: NetUid,
        max_allowed_validators: u16,
    ) -> DispatchResult {
        Self::by_root(origin, netuid, Window::Respected, || {
            ensure!(
                max_allowed_validators <= subtensor::MaxAllowedUids::<T>::get(netuid),
                Error::<T>::MaxValidatorsLargerThanMaxUIds
            );
            subtensor::MaxAllowedValidators::<T>::insert(netuid, max_allowed_validators);
            Subtensor::<T>::emit(subtensor::Event::MaxAllowedValidatorsSet(netuid, max_allowed_validators));
            Ok(())
        })
    }

    pub(crate) fn set_bonds_moving_average(
        origin: OriginFor<T>,
        netuid: NetUid,
        bonds_moving_average: u64,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::BondsMovingAverage, |authority| {
            ensure!(
                authority == &Authority::Root || bonds_moving_average <= BONDS_MOVING_AVERAGE_MAX,
                Error::<T>::BondsMovingAverageMaxReached
            );
            subtensor::BondsMovingAverage::<T>::insert(netuid, bonds_moving_average);
            Subtensor::<T>::emit(subtensor::Event::BondsMovingAverageSet(netuid, bonds_moving_average));
            Ok(())
        })
    }

    pub(crate) fn set_bonds_penalty(
        origin: OriginFor<T>,
        netuid: NetUid,
        bonds_penalty: u16,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::BondsPenalty, |_| {
            subtensor::BondsPenalty::<T>::insert(netuid, bonds_penalty);
            Subtensor::<T>::emit(subtensor::Event::BondsPenaltySet(netuid, bonds_penalty));
            Ok(())
        })
    }

    pub(crate) fn set_liquid_alpha_enabled(
        origin: OriginFor<T>,
        netuid: NetUid,
        enabled: bool,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::LiquidAlphaEnabled, |_| {
            subtensor::LiquidAlphaOn::<T>::insert(netuid, enabled);
            Ok(())
        })
    }

    pub(crate) fn set_liquid_alpha_consensus_mode(
        origin: OriginFor<T>,
        netuid: NetUid,
        mode: ConsensusMode,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::LiquidAlphaConsensusMode, |_| {
            subtensor::LiquidAlphaConsensusMode::<T>::insert(netuid, mode);
            Subtensor::<T>::emit(subtensor::Event::LiquidAlphaConsensusModeSet(netuid, mode));
            Ok(())
        })
    }

    pub(crate) fn set_alpha_sigmoid_steepness(
        origin: OriginFor<T>,
        netuid: NetUid,
        steepness: i16,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::AlphaSigmoidSteepness, |authority| {
            ensure!(authority == &Authority::Root || steepness >= 0, Error::<T>::NegativeSigmoidSteepness);
            subtensor::AlphaSigmoidSteepness::<T>::insert(netuid, steepness);
            Ok(())
        })
    }

    pub(crate) fn set_yuma3_enabled(origin: OriginFor<T>, netuid: NetUid, enabled: bool) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::Yuma3Enabled, |_| {
            subtensor::Yuma3On::<T>::insert(netuid, enabled);
            Self::deposit_event(Event::Yuma3EnableToggled { netuid, enabled });
            Ok(())
        })
    }

    pub(crate) fn set_bonds_reset_enabled(
        origin: OriginFor<T>,
        netuid: NetUid,
        enabled: bool,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::BondsResetEnabled, |_| {
            subtensor::BondsResetOn::<T>::insert(netuid, enabled);
            Subtensor::<T>::emit(subtensor::Event::BondsResetOnSet(netuid, enabled));
            Self::deposit_event(Event::BondsResetToggled { netuid, enabled });
            Ok(())
        })
    }

    /// Bounds of liquid alpha.
    pub(crate) fn set_alpha_values(
        origin: OriginFor<T>,
        netuid: NetUid,
        alpha_low: u16,
        alpha_high: u16,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::AlphaValues, |_| {
            ensure!(subtensor::LiquidAlphaOn::<T>::get(netuid), subtensor::Error::<T>::LiquidAlphaDisabled);
            ensure!(alpha_high >= LIQUID_ALPHA_MIN, subtensor::Error::<T>::AlphaHighTooLow);
            let allowed = LIQUID_ALPHA_MIN..=alpha_high;
            ensure!(allowed.contains(&alpha_low), subtensor::Error::<T>::AlphaLowOutOfRange);
            subtensor::AlphaValues::<T>::insert(netuid, (alpha_low, alpha_high));
            Ok(())
        })
    }
}
