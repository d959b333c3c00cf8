//! What a subnet's owner does: start it, set its tempo, ask for an epoch.

use frame_support::{dispatch::DispatchResult, ensure};
use frame_system::pallet_prelude::OriginFor;
use sp_runtime::{AccountId32, DispatchError};

use crate::runtime::{
    numbers::NetUid,
    subtensor::{
        AdminFreezeWindow, CommitRevealWeightsEnabled, Config, Error, Event, FirstEmissionBlockNumber,
        NetworkRegisteredAt, NetworksAdded, Pallet, PendingEpochAt, StartCallDelay, SubnetOwner,
        SubtokenEnabled,
        rate_limits::{Change, Hyperparameter},
    },
};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_start_call(coldkey: &AccountId32, netuid: NetUid) -> DispatchResult {
        ensure!(NetworksAdded::<T>::get(netuid), Error::<T>::SubnetNotExists);
        ensure!(SubnetOwner::<T>::get(netuid) == *coldkey, DispatchError::BadOrigin);
        ensure!(
            FirstEmissionBlockNumber::<T>::get(netuid).is_none(),
            Error::<T>::FirstEmissionBlockNumberAlreadySet
        );
        let ready = NetworkRegisteredAt::<T>::get(netuid).saturating_add(StartCallDelay::<T>::get());
        ensure!(Self::block() >= ready, Error::<T>::StartCallNotReady);

        let first = Self::block().saturating_add(1);
        FirstEmissionBlockNumber::<T>::insert(netuid, first);
        SubtokenEnabled::<T>::insert(netuid, true);
        Self::deposit_event(Event::FirstEmissionBlockNumberSet(netuid, first));
        Ok(())
    }

    pub(crate) fn do_trigger_epoch(owner: AccountId32, netuid: NetUid) -> DispatchResult {
        ensure!(!CommitRevealWeightsEnabled::<T>::get(netuid), Error::<T>::DynamicTempoBlockedByCommitReveal);
        ensure!(PendingEpochAt::<T>::get(netuid) == 0, Error::<T>::EpochTriggerAlreadyPending);
        // The window in which administration is frozen: validators learn of the epoch before it comes.
        let fires_at = Self::block().saturating_add(AdminFreezeWindow::<T>::get().into());
        let automatic = Self::next_epoch_block(netuid);
        ensure!(automatic.is_none_or(|block| block >= fires_at), Error::<T>::AutoEpochAlreadyImminent);
        let change = Change::Hyperparameter(Hyperparameter::TriggerEpoch);
        change.ensure_allowed::<T>(&owner, netuid)?;
        PendingEpochAt::<T>::insert(netuid, fires_at);
        change.record::<T>(&owner, netuid);
        Self::deposit_event(Event::EpochTriggered { netuid, by: owner, fires_at });
        Ok(())
    }

    pub(crate) fn ensure_subnet_owner(
        origin: OriginFor<T>,
        netuid: NetUid,
    ) -> Result<AccountId32, DispatchError> {
        let coldkey = frame_system::ensure_signed(origin)?;
        ensure!(NetworksAdded::<T>::get(netuid), Error::<T>::SubnetNotExists);
        ensure!(SubnetOwner::<T>::get(netuid) == coldkey, DispatchError::BadOrigin);
        Ok(coldkey)
    }
}
