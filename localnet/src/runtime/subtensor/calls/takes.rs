//! The delegate take: what a hotkey's owner keeps of its stakers' dividends.

use frame_support::{dispatch::DispatchResult, ensure};
use sp_runtime::{AccountId32, PerU16};

use crate::runtime::subtensor::{
    Config, Delegates, Error, Event, LastRateLimitedBlock, MaxDelegateTake, MinDelegateTake, Owner, Pallet,
    TxDelegateTakeRateLimit, rate_limits::RateLimitKey,
};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_decrease_take(
        coldkey: &AccountId32,
        hotkey: &AccountId32,
        take: PerU16,
    ) -> DispatchResult {
        Self::check_decrease_take(coldkey, hotkey, take)?;
        Delegates::<T>::insert(hotkey, take);
        Self::deposit_event(Event::TakeDecreased(coldkey.clone(), hotkey.clone(), take));
        Ok(())
    }

    pub(crate) fn do_increase_take(
        coldkey: &AccountId32,
        hotkey: &AccountId32,
        take: PerU16,
    ) -> DispatchResult {
        Self::check_increase_take(coldkey, hotkey, take)?;
        LastRateLimitedBlock::<T>::insert(
            RateLimitKey::LastTxBlockDelegateTake(hotkey.clone()),
            Self::block(),
        );
        Delegates::<T>::insert(hotkey, take);
        Self::deposit_event(Event::TakeIncreased(coldkey.clone(), hotkey.clone(), take));
        Ok(())
    }

    pub(crate) fn check_decrease_take(
        coldkey: &AccountId32,
        hotkey: &AccountId32,
        take: PerU16,
    ) -> Result<(), Error<T>> {
        Self::check_take_of(coldkey, hotkey)?;
        let lower = Delegates::<T>::try_get(hotkey).map_or(true, |current| take < current);
        ensure!(lower && take >= MinDelegateTake::<T>::get(), Error::<T>::DelegateTakeTooLow);
        Ok(())
    }

    pub(crate) fn check_increase_take(
        coldkey: &AccountId32,
        hotkey: &AccountId32,
        take: PerU16,
    ) -> Result<(), Error<T>> {
        Self::check_take_of(coldkey, hotkey)?;
        let higher = Delegates::<T>::try_get(hotkey).map_or(true, |current| take > current);
        ensure!(higher, Error::<T>::DelegateTakeTooLow);
        ensure!(take <= MaxDelegateTake::<T>::get(), Error::<T>::DelegateTakeTooHigh);
        let last = LastRateLimitedBlock::<T>::get(RateLimitKey::LastTxBlockDelegateTake(hotkey.clone()));
        let limit = TxDelegateTakeRateLimit::<T>::get();
        let again = limit == 0 || last == 0 || Self::block().saturating_sub(last) > limit;
        ensure!(again, Error::<T>::DelegateTxRateLimitExceeded);
        Ok(())
    }

    fn check_take_of(coldkey: &AccountId32, hotkey: &AccountId32) -> Result<(), Error<T>> {
        ensure!(Owner::<T>::contains_key(hotkey), Error::<T>::HotKeyAccountNotExists);
        ensure!(Self::owns(coldkey, hotkey), Error::<T>::NonAssociatedColdKey);
        Ok(())
    }
}
