//! Joining root: by stake, and limited in number by block and by interval.

use frame_support::{dispatch::DispatchResult, ensure};
use sp_runtime::{AccountId32, PerU16};

use crate::runtime::{
    numbers::NetUid,
    subtensor::{
        Config, Delegates, Error, Event, MaxAllowedUids, MaxRegistrationsPerBlock, NetworksAdded, Pallet,
        RegistrationsThisBlock, RegistrationsThisInterval, SubnetworkN, TargetRegistrationsPerInterval,
        Tempo, TotalHotkeyAlpha, Uids,
    },
};

/// The take a newcomer to root has until it sets another: 18 %.
const TAKE_DEFAULT: PerU16 = PerU16::from_parts(11_796);

impl<T: Config> Pallet<T> {
    pub(crate) fn do_root_register(coldkey: &AccountId32, hotkey: &AccountId32) -> DispatchResult {
        let root = NetUid::ROOT;
        ensure!(NetworksAdded::<T>::get(root), Error::<T>::RootNetworkDoesNotExist);
        ensure!(
            RegistrationsThisBlock::<T>::get(root) < MaxRegistrationsPerBlock::<T>::get(root),
            Error::<T>::TooManyRegistrationsThisBlock
        );
        ensure!(
            RegistrationsThisInterval::<T>::get(root)
                < TargetRegistrationsPerInterval::<T>::get(root).saturating_mul(3),
            Error::<T>::TooManyRegistrationsThisInterval
        );
        ensure!(!Uids::<T>::contains_key(root, hotkey), Error::<T>::HotKeyAlreadyRegisteredInSubNet);
        Self::associate(coldkey, hotkey);

        let place = if SubnetworkN::<T>::get(root) < MaxAllowedUids::<T>::get(root) {
            None
        } else {
            let (least, uid) = Self::least_on_root().ok_or(Error::<T>::NoNeuronIdAvailable)?;
            ensure!(least < Self::root_stake(hotkey), Error::<T>::StakeTooLowForRoot);
            Some(uid)
        };
        let uid = Self::seat(root, hotkey, place);
        if !Delegates::<T>::contains_key(hotkey) {
            Delegates::<T>::insert(hotkey, TAKE_DEFAULT);
        }
        RegistrationsThisInterval::<T>::mutate(root, |count| *count = count.saturating_add(1));
        RegistrationsThisBlock::<T>::mutate(root, |count| *count = count.saturating_add(1));
        Self::deposit_event(Event::NeuronRegistered(root, uid, hotkey.clone()));
        Ok(())
    }

    /// Starts root's counts anew: by block, and by interval each tempo of root.
    pub(crate) fn reset_root_counts() {
        let root = NetUid::ROOT;
        if RegistrationsThisBlock::<T>::get(root) != 0 {
            RegistrationsThisBlock::<T>::insert(root, 0);
        }
        let interval_over =
            Self::block().checked_rem(Tempo::<T>::get(root).into()).is_none_or(|rest| rest == 0);
        if interval_over && RegistrationsThisInterval::<T>::get(root) != 0 {
            RegistrationsThisInterval::<T>::insert(root, 0);
        }
    }

    /// The seat on root with the least stake.
    fn least_on_root() -> Option<(u64, u16)> {
        let seats = Self::hotkeys(NetUid::ROOT).into_iter().zip(0u16..);
        seats.map(|(hotkey, uid)| (Self::root_stake(&hotkey), uid)).min()
    }

    fn root_stake(hotkey: &AccountId32) -> u64 {
        TotalHotkeyAlpha::<T>::get(hotkey, NetUid::ROOT).get()
    }
}
