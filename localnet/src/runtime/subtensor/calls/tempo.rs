//! The tempo and what is measured in tempos.

use frame_support::{dispatch::DispatchResult, ensure};
use frame_system::pallet_prelude::OriginFor;

use crate::runtime::{
    numbers::NetUid,
    subtensor::{
        ActivityCutoffFactorMilli, Config, Error, Event, LastEpochBlock, NetworksAdded, Pallet, Tempo,
        rate_limits::{Authority, Change, Hyperparameter},
    },
};

impl<T: Config> Pallet<T> {
    /// Sets the tempo and starts the epoch anew: the owner's choice is bounded and counted, the sudo key's is free.
    pub(crate) fn do_set_tempo(origin: OriginFor<T>, netuid: NetUid, tempo: u16) -> DispatchResult {
        let authority = Self::owner_or_root(origin, netuid)?;
        ensure!(NetworksAdded::<T>::get(netuid), Error::<T>::SubnetNotExists);
        if matches!(authority, Authority::Owner(_)) {
            let allowed = Self::min_tempo()..=Self::max_tempo();
            ensure!(allowed.contains(&tempo), Error::<T>::TempoOutOfBounds);
        }
        Self::ensure_admin_window_open(netuid)?;
        authority.ensure_allowed::<T>(netuid, Change::Tempo)?;
        Tempo::<T>::insert(netuid, tempo);
        LastEpochBlock::<T>::insert(netuid, Self::block());
        Self::deposit_event(Event::TempoSet(netuid, tempo));
        authority.record::<T>(netuid, Change::Tempo);
        Ok(())
    }

    /// Sets how long a neuron counts as active, in thousandths of a tempo. The sudo key waits for nothing.
    pub(crate) fn do_set_activity_cutoff_factor(
        origin: OriginFor<T>,
        netuid: NetUid,
        factor_milli: u32,
    ) -> DispatchResult {
        let change = Change::Hyperparameter(Hyperparameter::ActivityCutoffFactorMilli);
        let authority = Self::owner_or_root(origin, netuid)?;
        ensure!(NetworksAdded::<T>::get(netuid), Error::<T>::SubnetNotExists);
        let allowed = Self::min_activity_cutoff_factor_milli()..=Self::max_activity_cutoff_factor_milli();
        ensure!(allowed.contains(&factor_milli), Error::<T>::ActivityCutoffFactorMilliOutOfBounds);
        if matches!(authority, Authority::Owner(_)) {
            Self::ensure_admin_window_open(netuid)?;
        }
        authority.ensure_allowed::<T>(netuid, change)?;
        ActivityCutoffFactorMilli::<T>::insert(netuid, factor_milli);
        Self::deposit_event(Event::ActivityCutoffFactorMilliSet { netuid, factor_milli });
        authority.record::<T>(netuid, change);
        Ok(())
    }
}
