//! Setting and committing weights, and serving.

use frame_support::{dispatch::DispatchResult, ensure};
use frame_system::pallet_prelude::OriginFor;

use crate::runtime::{
    admin::{Config, Pallet, permission::Window},
    numbers::NetUid,
    subtensor::{
        self, Pallet as Subtensor,
        rate_limits::{Change, Hyperparameter},
    },
};

/// Fewest epochs after which commits are revealed.
const REVEAL_PERIOD_EPOCHS_MIN: u64 = 1;
/// Most epochs after which commits are revealed.
const REVEAL_PERIOD_EPOCHS_MAX: u64 = 100;

impl<T: Config> Pallet<T> {
    pub(crate) fn set_serving_rate_limit(
        origin: OriginFor<T>,
        netuid: NetUid,
        serving_rate_limit: u64,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::ServingRateLimit, |_| {
            subtensor::ServingRateLimit::<T>::insert(netuid, serving_rate_limit);
            Subtensor::<T>::emit(subtensor::Event::ServingRateLimitSet(netuid, serving_rate_limit));
            Ok(())
        })
    }

    pub(crate) fn set_weights_version_key(
        origin: OriginFor<T>,
        netuid: NetUid,
        weights_version_key: u64,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Change::WeightsVersionKey, |_| {
            subtensor::WeightsVersionKey::<T>::insert(netuid, weights_version_key);
            Subtensor::<T>::emit(subtensor::Event::WeightsVersionKeySet(netuid, weights_version_key));
            Ok(())
        })
    }

    pub(crate) fn set_weights_set_rate_limit(
        origin: OriginFor<T>,
        netuid: NetUid,
        weights_set_rate_limit: u64,
    ) -> DispatchResult {
        Self::by_root(origin, netuid, Window::Ignored, || {
            subtensor::WeightsSetRateLimit::<T>::insert(netuid, weights_set_rate_limit);
            Subtensor::<T>::emit(subtensor::Event::WeightsSetRateLimitSet(netuid, weights_set_rate_limit));
            Ok(())
        })
    }

    pub(crate) fn set_min_allowed_weights(
        origin: OriginFor<T>,
        netuid: NetUid,
        min_allowed_weights: u16,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::MinAllowedWeights, |_| {
            subtensor::MinAllowedWeights::<T>::insert(netuid, min_allowed_weights);
            Subtensor::<T>::emit(subtensor::Event::MinAllowedWeightSet(netuid, min_allowed_weights));
            Ok(())
        })
    }

    pub(crate) fn set_commit_reveal_weights_enabled(
        origin: OriginFor<T>,
        netuid: NetUid,
        enabled: bool,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::CommitRevealEnabled, |_| {
            subtensor::CommitRevealWeightsEnabled::<T>::insert(netuid, enabled);
            Subtensor::<T>::emit(subtensor::Event::CommitRevealEnabled(netuid, enabled));
            Ok(())
        })
    }

    pub(crate) fn set_commit_reveal_weights_interval(
        origin: OriginFor<T>,
        netuid: NetUid,
        interval: u64,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::WeightCommitInterval, |_| {
            ensure!(interval <= REVEAL_PERIOD_EPOCHS_MAX, subtensor::Error::<T>::RevealPeriodTooLarge);
            ensure!(interval >= REVEAL_PERIOD_EPOCHS_MIN, subtensor::Error::<T>::RevealPeriodTooSmall);
            subtensor::RevealPeriodEpochs::<T>::insert(netuid, interval);
            Subtensor::<T>::emit(subtensor::Event::CommitRevealPeriodsSet(netuid, interval));
            Ok(())
        })
    }
}
