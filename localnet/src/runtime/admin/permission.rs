//! Who may change a subnet, and when.

use frame_support::{dispatch::DispatchResult, ensure};
use frame_system::{ensure_root, pallet_prelude::OriginFor};

use super::{Config, Error, Pallet};
use crate::runtime::{
    numbers::NetUid,
    subtensor::{
        NetworksAdded, Pallet as Subtensor,
        rate_limits::{Authority, Change},
    },
};

/// Whether a call respects the blocks before an epoch in which nothing may change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Window {
    /// It is refused in them.
    Respected,
    /// It is not.
    Ignored,
}

impl<T: Config> Pallet<T> {
    /// Lets the sudo key change a subnet.
    pub(super) fn by_root(
        origin: OriginFor<T>,
        netuid: NetUid,
        window: Window,
        write: impl FnOnce() -> DispatchResult,
    ) -> DispatchResult {
        ensure_root(origin)?;
        if window == Window::Respected {
            Subtensor::<T>::ensure_admin_window_open(netuid)?;
        }
        Self::ensure_exists(netuid)?;
        write()
    }

    /// Lets the sudo key, or the owner if the last such change is long enough ago, change a subnet.
    pub(super) fn by_owner(
        origin: OriginFor<T>,
        netuid: NetUid,
        change: impl Into<Change>,
        write: impl FnOnce(&Authority) -> DispatchResult,
    ) -> DispatchResult {
        let change = change.into();
        let authority = Subtensor::<T>::owner_or_root(origin, netuid)?;
        authority.ensure_allowed::<T>(netuid, change)?;
        Subtensor::<T>::ensure_admin_window_open(netuid)?;
        Self::ensure_exists(netuid)?;
        write(&authority)?;
        authority.record::<T>(netuid, change);
        Ok(())
    }

    /// Lets the sudo key or the owner change a subnet as often as they like.
    pub(super) fn by_owner_unlimited(
        origin: OriginFor<T>,
        netuid: NetUid,
        write: impl FnOnce() -> DispatchResult,
    ) -> DispatchResult {
        Subtensor::<T>::owner_or_root(origin, netuid)?;
        Subtensor::<T>::ensure_admin_window_open(netuid)?;
        Self::ensure_exists(netuid)?;
        write()
    }

    fn ensure_exists(netuid: NetUid) -> DispatchResult {
        ensure!(NetworksAdded::<T>::get(netuid), Error::<T>::SubnetDoesNotExist);
        Ok(())
    }
}
