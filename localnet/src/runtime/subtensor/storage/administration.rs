//! When owners last changed what they may change only so often.

use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod administration {
    #[pallet::storage]
    pub type LastRateLimitedBlock<T> = StorageMap<_, Identity, RateLimitKey<AccountId32>, u64, ValueQuery>;
}
