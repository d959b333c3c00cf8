//! Items that no call of this chain writes: locks, leases, coldkey swaps, EVM addresses, suspended child keys, baskets. They are here
//! so that clients which look into them find nothing, instead of failing on a name they know.

use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod dormant {
    #[pallet::storage]
    pub type AccountFlags<T> = StorageMap<_, Blake2_128Concat, AccountId32, u128, ValueQuery>;

    #[pallet::storage]
    pub type ChildkeyThresholdSuspended<T> = StorageMap<_, Blake2_128Concat, AccountId32, (), OptionQuery>;

    #[pallet::storage]
    pub type ColdkeySwapAnnouncements<T> = StorageMap<_, Twox64Concat, AccountId32, (u32, H256), OptionQuery>;

    #[pallet::storage]
    pub type ColdkeySwapDisputes<T> = StorageMap<_, Twox64Concat, AccountId32, u32, OptionQuery>;

    #[pallet::storage]
    pub type Lock<T> = StorageNMap<
        _,
        (
            NMapKey<Blake2_128Concat, AccountId32>,
            NMapKey<Identity, NetUid>,
            NMapKey<Blake2_128Concat, AccountId32>,
        ),
        LockState,
        OptionQuery,
    >;

    #[pallet::storage]
    pub type LockingColdkeys<T> = StorageNMap<
        _,
        (
            NMapKey<Identity, NetUid>,
            NMapKey<Blake2_128Concat, AccountId32>,
            NMapKey<Blake2_128Concat, AccountId32>,
        ),
        (),
        OptionQuery,
    >;

    #[pallet::storage]
    pub type HotkeyLock<T> =
        StorageDoubleMap<_, Identity, NetUid, Blake2_128Concat, AccountId32, LockState, OptionQuery>;

    #[pallet::storage]
    pub type DecayingHotkeyLock<T> =
        StorageDoubleMap<_, Identity, NetUid, Blake2_128Concat, AccountId32, LockState, OptionQuery>;

    #[pallet::storage]
    pub type OwnerLock<T> = StorageMap<_, Identity, NetUid, LockState, OptionQuery>;

    #[pallet::storage]
    pub type DecayingOwnerLock<T> = StorageMap<_, Identity, NetUid, LockState, OptionQuery>;

    #[pallet::storage]
    pub type DecayingLock<T> =
        StorageDoubleMap<_, Blake2_128Concat, AccountId32, Identity, NetUid, bool, OptionQuery>;

    #[pallet::storage]
    pub type AssociatedEvmAddress<T> =
        StorageDoubleMap<_, Twox64Concat, NetUid, Twox64Concat, u16, (H160, u64), OptionQuery>;

    #[pallet::storage]
    pub type SubnetLeases<T> =
        StorageMap<_, Twox64Concat, u32, SubnetLease<AccountId32, u32, TaoBalance>, OptionQuery>;

    #[pallet::storage]
    pub type MaturityRate<T> = StorageValue<_, u64, ValueQuery, ConstU64<934866>>;

    #[pallet::storage]
    pub type UnlockRate<T> = StorageValue<_, u64, ValueQuery, ConstU64<934866>>;

    #[pallet::storage]
    pub type BasketRate<T> = StorageMap<_, Blake2_128Concat, AccountId32, I96F32, ValueQuery>;

    #[pallet::storage]
    pub type BasketShares<T> = StorageMap<_, Blake2_128Concat, AccountId32, u64, ValueQuery>;
}
