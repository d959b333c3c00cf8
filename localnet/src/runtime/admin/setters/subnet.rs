//! Mechanisms, the owner's share and hotkey, switches of a subnet's market, and its size.

use frame_support::{StorageMap, dispatch::DispatchResult, ensure};
use frame_system::{ensure_root, pallet_prelude::OriginFor};
use sp_runtime::{AccountId32, PerU16};

use crate::runtime::{
    admin::{Config, Error, Event, Pallet, permission::Window},
    numbers::{MechId, NetUid},
    subtensor::{
        self, Pallet as Subtensor,
        rate_limits::{Change, Hyperparameter},
        types::RecycleOrBurnEnum,
    },
};

/// Most neurons of a subnet times its mechanisms.
const UIDS_OVER_MECHANISMS_MAX: u32 = 256;

impl<T: Config> Pallet<T> {
    pub(crate) fn set_min_childkey_take_per_subnet(
        origin: OriginFor<T>,
        netuid: NetUid,
        take: PerU16,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::MinChildkeyTake, |_| {
            let allowed = subtensor::MinChildkeyTake::<T>::get()..=subtensor::MaxChildkeyTake::<T>::get();
            ensure!(allowed.contains(&take), Error::<T>::InvalidValue);
            subtensor::MinChildkeyTakePerSubnet::<T>::insert(netuid, take);
            Subtensor::<T>::emit(subtensor::Event::MinChildKeyTakePerSubnetSet(netuid, take));
            Ok(())
        })
    }

    pub(crate) fn set_toggle_transfer(origin: OriginFor<T>, netuid: NetUid, toggle: bool) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::TransferEnabled, |_| {
            subtensor::TransferToggle::<T>::insert(netuid, toggle);
            Subtensor::<T>::emit(subtensor::Event::TransferToggle(netuid, toggle));
            Ok(())
        })
    }

    pub(crate) fn set_recycle_or_burn(
        origin: OriginFor<T>,
        netuid: NetUid,
        recycle_or_burn: RecycleOrBurnEnum,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Hyperparameter::RecycleOrBurn, |_| {
            subtensor::RecycleOrBurn::<T>::insert(netuid, recycle_or_burn);
            Ok(())
        })
    }

    pub(crate) fn set_ema_price_halving_period(
        origin: OriginFor<T>,
        netuid: NetUid,
        ema_halving: u64,
    ) -> DispatchResult {
        Self::by_root(origin, netuid, Window::Ignored, || {
            subtensor::EMAPriceHalvingBlocks::<T>::insert(netuid, ema_halving);
            Ok(())
        })
    }

    pub(crate) fn set_subtoken_enabled(
        origin: OriginFor<T>,
        netuid: NetUid,
        subtoken_enabled: bool,
    ) -> DispatchResult {
        Self::by_root(origin, netuid, Window::Respected, || {
            subtensor::SubtokenEnabled::<T>::insert(netuid, subtoken_enabled);
            Ok(())
        })
    }

    pub(crate) fn set_owner_cut_enabled(
        origin: OriginFor<T>,
        netuid: NetUid,
        enabled: bool,
    ) -> DispatchResult {
        Self::switch_owner_cut::<subtensor::OwnerCutEnabled<T>>(origin, netuid, enabled)
    }

    /// A switch of the owner's share, of which root has none.
    fn switch_owner_cut<Switch: StorageMap<NetUid, bool>>(
        origin: OriginFor<T>,
        netuid: NetUid,
        enabled: bool,
    ) -> DispatchResult {
        Self::by_owner_unlimited(origin, netuid, || {
            ensure!(!netuid.is_root(), Error::<T>::NotPermittedOnRootSubnet);
            Switch::insert(netuid, enabled);
            Ok(())
        })
    }

    pub(crate) fn set_owner_cut_auto_lock_enabled(
        origin: OriginFor<T>,
        netuid: NetUid,
        enabled: bool,
    ) -> DispatchResult {
        Self::switch_owner_cut::<subtensor::OwnerCutAutoLockEnabled<T>>(origin, netuid, enabled)
    }

    pub(crate) fn set_subnet_emission_enabled(
        origin: OriginFor<T>,
        netuid: NetUid,
        enabled: bool,
    ) -> DispatchResult {
        Self::by_root(origin, netuid, Window::Ignored, || {
            ensure!(!netuid.is_root(), Error::<T>::NotPermittedOnRootSubnet);
            subtensor::SubnetEmissionEnabled::<T>::insert(netuid, enabled);
            Self::deposit_event(Event::SubnetEmissionEnabledSet { netuid, enabled });
            Ok(())
        })
    }

    /// Names the hotkey that stands for the owner. The sudo key has to wait too.
    pub(crate) fn set_owner_hotkey(
        origin: OriginFor<T>,
        netuid: NetUid,
        hotkey: AccountId32,
    ) -> DispatchResult {
        Subtensor::<T>::owner_or_root(origin, netuid)?;
        ensure!(subtensor::NetworksAdded::<T>::get(netuid), subtensor::Error::<T>::SubnetNotExists);
        Change::OwnerHotkey.ensure_allowed::<T>(&hotkey, netuid)?;
        Change::OwnerHotkey.record::<T>(&hotkey, netuid);
        subtensor::SubnetOwnerHotkey::<T>::insert(netuid, &hotkey);
        Subtensor::<T>::emit(subtensor::Event::SubnetOwnerHotkeySet(netuid, hotkey));
        Ok(())
    }

    /// Adds mechanisms, or removes the last ones with all they hold. Emission is then split evenly.
    pub(crate) fn set_mechanism_count(origin: OriginFor<T>, netuid: NetUid, count: MechId) -> DispatchResult {
        Self::by_owner(origin, netuid, Change::Mechanisms, |_| {
            let most = subtensor::MaxMechanismCount::<T>::get();
            ensure!(count > MechId::MAIN && count <= most, subtensor::Error::<T>::InvalidValue);
            Self::ensure_uids_over_mechanisms(subtensor::MaxAllowedUids::<T>::get(netuid), count)?;
            let now = subtensor::MechanismCountCurrent::<T>::get(netuid);
            if count == now {
                return Ok(());
            }
            for removed in (count.get()..now.get()).map(MechId::new) {
                Subtensor::<T>::clear_mechanism(netuid, removed);
            }
            subtensor::MechanismCountCurrent::<T>::insert(netuid, count);
            subtensor::MechanismEmissionSplit::<T>::remove(netuid);
            Ok(())
        })
    }

    /// Shares of the emission by mechanism, of 65535 together; without shares it is split evenly.
    pub(crate) fn set_emission_split(
        origin: OriginFor<T>,
        netuid: NetUid,
        split: Option<Vec<u16>>,
    ) -> DispatchResult {
        Self::by_owner(origin, netuid, Change::EmissionSplit, |_| {
            let Some(split) = split else {
                subtensor::MechanismEmissionSplit::<T>::remove(netuid);
                return Ok(());
            };
            let most = usize::from(subtensor::MechanismCountCurrent::<T>::get(netuid).get());
            ensure!((1..=most).contains(&split.len()), subtensor::Error::<T>::InvalidValue);
            let total: u64 = split.iter().map(|share| u64::from(*share)).sum();
            ensure!(total == u64::from(u16::MAX), subtensor::Error::<T>::InvalidValue);
            subtensor::MechanismEmissionSplit::<T>::insert(netuid, split);
            Ok(())
        })
    }

    /// Most mechanisms any subnet may have.
    pub(crate) fn set_max_mechanism_count(origin: OriginFor<T>, most: MechId) -> DispatchResult {
        ensure_root(origin)?;
        ensure!(most > MechId::MAIN, subtensor::Error::<T>::InvalidValue);
        subtensor::MaxMechanismCount::<T>::put(most);
        Ok(())
    }

    /// Removes the neurons that earn least until `most` are left.
    pub(crate) fn trim(origin: OriginFor<T>, netuid: NetUid, most: u16) -> DispatchResult {
        Self::by_owner(origin, netuid, Change::Trim, |_| Subtensor::<T>::trim_to(netuid, most))
    }

    pub(super) fn ensure_uids_over_mechanisms(most: u16, mechanisms: MechId) -> DispatchResult {
        let total = u32::from(most).saturating_mul(mechanisms.get().into());
        ensure!(total <= UIDS_OVER_MECHANISMS_MAX, subtensor::Error::<T>::TooManyUIDsPerMechanism);
        Ok(())
    }
}
