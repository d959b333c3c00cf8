//! What is set for the whole chain, by the sudo key alone.

use frame_support::{dispatch::DispatchResult, ensure};
use frame_system::{ensure_root, pallet_prelude::OriginFor};
use sp_runtime::PerU16;

use crate::runtime::{
    admin::{Config, Error, Pallet},
    numbers::{I96F32, TaoBalance},
    subtensor::{self, Pallet as Subtensor},
};

impl<T: Config> Pallet<T> {
    pub(crate) fn set_default_take(origin: OriginFor<T>, default_take: PerU16) -> DispatchResult {
        ensure_root(origin)?;
        subtensor::MaxDelegateTake::<T>::put(default_take);
        Subtensor::<T>::emit(subtensor::Event::MaxDelegateTakeSet(default_take));
        Ok(())
    }

    pub(crate) fn set_tx_rate_limit(origin: OriginFor<T>, tx_rate_limit: u64) -> DispatchResult {
        ensure_root(origin)?;
        subtensor::TxRateLimit::<T>::put(tx_rate_limit);
        Subtensor::<T>::emit(subtensor::Event::TxRateLimitSet(tx_rate_limit));
        Ok(())
    }

    pub(crate) fn set_subnet_owner_cut(origin: OriginFor<T>, subnet_owner_cut: u16) -> DispatchResult {
        ensure_root(origin)?;
        subtensor::SubnetOwnerCut::<T>::put(subnet_owner_cut);
        Subtensor::<T>::emit(subtensor::Event::SubnetOwnerCutSet(subnet_owner_cut));
        Ok(())
    }

    pub(crate) fn set_network_rate_limit(origin: OriginFor<T>, rate_limit: u64) -> DispatchResult {
        ensure_root(origin)?;
        subtensor::NetworkRateLimit::<T>::put(rate_limit);
        Subtensor::<T>::emit(subtensor::Event::NetworkRateLimitSet(rate_limit));
        Ok(())
    }

    pub(crate) fn set_network_immunity_period(origin: OriginFor<T>, immunity_period: u64) -> DispatchResult {
        ensure_root(origin)?;
        subtensor::NetworkImmunityPeriod::<T>::put(immunity_period);
        Subtensor::<T>::emit(subtensor::Event::NetworkImmunityPeriodSet(immunity_period));
        Ok(())
    }

    pub(crate) fn set_network_min_lock_cost(origin: OriginFor<T>, lock_cost: TaoBalance) -> DispatchResult {
        ensure_root(origin)?;
        subtensor::NetworkMinLockCost::<T>::put(lock_cost);
        Subtensor::<T>::emit(subtensor::Event::NetworkMinLockCostSet(lock_cost));
        Ok(())
    }

    pub(crate) fn set_subnet_limit(origin: OriginFor<T>, max_subnets: u16) -> DispatchResult {
        ensure_root(origin)?;
        subtensor::SubnetLimit::<T>::put(max_subnets);
        Subtensor::<T>::emit(subtensor::Event::SubnetLimitSet(max_subnets));
        Ok(())
    }

    pub(crate) fn set_lock_reduction_interval(origin: OriginFor<T>, interval: u64) -> DispatchResult {
        ensure_root(origin)?;
        subtensor::NetworkLockReductionInterval::<T>::put(interval);
        Subtensor::<T>::emit(subtensor::Event::NetworkLockCostReductionIntervalSet(interval));
        Ok(())
    }

    pub(crate) fn set_stake_threshold(origin: OriginFor<T>, min_stake: u64) -> DispatchResult {
        ensure_root(origin)?;
        subtensor::StakeThreshold::<T>::put(min_stake);
        Subtensor::<T>::emit(subtensor::Event::StakeThresholdSet(min_stake));
        Ok(())
    }

    pub(crate) fn set_nominator_min_required_stake(origin: OriginFor<T>, min_stake: u64) -> DispatchResult {
        ensure_root(origin)?;
        subtensor::NominatorMinRequiredStake::<T>::put(min_stake);
        Ok(())
    }

    pub(crate) fn set_tx_delegate_take_rate_limit(
        origin: OriginFor<T>,
        tx_rate_limit: u64,
    ) -> DispatchResult {
        ensure_root(origin)?;
        subtensor::TxDelegateTakeRateLimit::<T>::put(tx_rate_limit);
        Subtensor::<T>::emit(subtensor::Event::TxDelegateTakeRateLimitSet(tx_rate_limit));
        Ok(())
    }

    pub(crate) fn set_min_delegate_take(origin: OriginFor<T>, take: PerU16) -> DispatchResult {
        ensure_root(origin)?;
        subtensor::MinDelegateTake::<T>::put(take);
        Subtensor::<T>::emit(subtensor::Event::MinDelegateTakeSet(take));
        Ok(())
    }

    pub(crate) fn set_subnet_moving_alpha(origin: OriginFor<T>, alpha: I96F32) -> DispatchResult {
        ensure_root(origin)?;
        subtensor::SubnetMovingAlpha::<T>::put(alpha);
        Ok(())
    }

    pub(crate) fn set_commit_reveal_version(origin: OriginFor<T>, version: u16) -> DispatchResult {
        ensure_root(origin)?;
        subtensor::CommitRevealWeightsVersion::<T>::put(version);
        Subtensor::<T>::emit(subtensor::Event::CommitRevealVersionSet(version));
        Ok(())
    }

    pub(crate) fn set_admin_freeze_window(origin: OriginFor<T>, window: u16) -> DispatchResult {
        ensure_root(origin)?;
        subtensor::AdminFreezeWindow::<T>::put(window);
        Subtensor::<T>::emit(subtensor::Event::AdminFreezeWindowSet(window));
        Ok(())
    }

    pub(crate) fn set_owner_hparam_rate_limit(origin: OriginFor<T>, epochs: u16) -> DispatchResult {
        ensure_root(origin)?;
        subtensor::OwnerHyperparamRateLimit::<T>::put(epochs);
        Subtensor::<T>::emit(subtensor::Event::OwnerHyperparamRateLimitSet(epochs));
        Ok(())
    }

    pub(crate) fn set_start_call_delay(origin: OriginFor<T>, delay: u64) -> DispatchResult {
        ensure_root(origin)?;
        subtensor::StartCallDelay::<T>::put(delay);
        Subtensor::<T>::emit(subtensor::Event::StartCallDelaySet(delay));
        Ok(())
    }

    pub(crate) fn set_max_epochs_per_block(origin: OriginFor<T>, max_epochs_per_block: u8) -> DispatchResult {
        ensure_root(origin)?;
        ensure!(max_epochs_per_block >= 1, Error::<T>::ValueNotInBounds);
        subtensor::MaxEpochsPerBlock::<T>::put(max_epochs_per_block);
        Subtensor::<T>::emit(subtensor::Event::MaxEpochsPerBlockSet(max_epochs_per_block));
        Ok(())
    }
}
