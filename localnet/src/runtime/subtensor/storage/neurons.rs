//! Rows and vectors of the neurons of a subnet: keys, endpoints, weights, bonds, and what the last epoch found.

use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod neurons {
    #[pallet::storage]
    pub type Owner<T> = StorageMap<_, Blake2_128Concat, AccountId32, AccountId32, ValueQuery, ZeroAccount>;

    #[pallet::storage]
    pub type OwnedHotkeys<T> = StorageMap<_, Blake2_128Concat, AccountId32, Vec<AccountId32>, ValueQuery>;

    #[pallet::storage]
    pub type SubnetworkN<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery>;

    #[pallet::storage]
    pub type IsNetworkMember<T> =
        StorageDoubleMap<_, Blake2_128Concat, AccountId32, Identity, NetUid, bool, ValueQuery>;

    #[pallet::storage]
    pub type Uids<T> = StorageDoubleMap<_, Identity, NetUid, Blake2_128Concat, AccountId32, u16, OptionQuery>;

    #[pallet::storage]
    pub type Keys<T> =
        StorageDoubleMap<_, Identity, NetUid, Identity, u16, AccountId32, ValueQuery, ZeroAccount>;

    #[pallet::storage]
    pub type BlockAtRegistration<T> = StorageDoubleMap<_, Identity, NetUid, Identity, u16, u64, ValueQuery>;

    #[pallet::storage]
    pub type Axons<T> =
        StorageDoubleMap<_, Identity, NetUid, Blake2_128Concat, AccountId32, AxonInfo, OptionQuery>;

    #[pallet::storage]
    pub type NeuronCertificates<T> =
        StorageDoubleMap<_, Identity, NetUid, Blake2_128Concat, AccountId32, NeuronCertificate, OptionQuery>;

    #[pallet::storage]
    pub type Prometheus<T> =
        StorageDoubleMap<_, Identity, NetUid, Blake2_128Concat, AccountId32, PrometheusInfo, OptionQuery>;

    #[pallet::storage]
    pub type Active<T> = StorageMap<_, Identity, NetUid, Vec<bool>, ValueQuery>;

    #[pallet::storage]
    pub type ValidatorPermit<T> = StorageMap<_, Identity, NetUid, Vec<bool>, ValueQuery>;

    #[pallet::storage]
    pub type ValidatorTrust<T> = StorageMap<_, Identity, NetUid, Vec<PerU16>, ValueQuery>;

    #[pallet::storage]
    pub type Dividends<T> = StorageMap<_, Identity, NetUid, Vec<PerU16>, ValueQuery>;

    #[pallet::storage]
    pub type Consensus<T> = StorageMap<_, Identity, NetUid, Vec<PerU16>, ValueQuery>;

    #[pallet::storage]
    pub type ConsensusByMechanism<T> = StorageMap<_, Identity, NetUidStorageIndex, Vec<PerU16>, ValueQuery>;

    #[pallet::storage]
    pub type Incentive<T> = StorageMap<_, Identity, NetUidStorageIndex, Vec<PerU16>, ValueQuery>;

    #[pallet::storage]
    pub type Emission<T> = StorageMap<_, Identity, NetUid, Vec<AlphaBalance>, ValueQuery>;

    #[pallet::storage]
    pub type LastUpdate<T> = StorageMap<_, Identity, NetUidStorageIndex, Vec<u64>, ValueQuery>;

    #[pallet::storage]
    pub type StakeWeight<T> = StorageMap<_, Identity, NetUid, Vec<u16>, ValueQuery>;

    #[pallet::storage]
    pub type Weights<T> =
        StorageDoubleMap<_, Identity, NetUidStorageIndex, Identity, u16, Vec<(u16, u16)>, ValueQuery>;

    #[pallet::storage]
    pub type Bonds<T> =
        StorageDoubleMap<_, Identity, NetUidStorageIndex, Identity, u16, Vec<(u16, u16)>, ValueQuery>;

    #[pallet::storage]
    pub type IdentitiesV2<T> = StorageMap<_, Blake2_128Concat, AccountId32, ChainIdentityV2, OptionQuery>;

    #[pallet::storage]
    pub type MinerCollateral<T> = StorageNMap<
        _,
        (
            NMapKey<Identity, NetUid>,
            NMapKey<Blake2_128Concat, AccountId32>,
            NMapKey<Blake2_128Concat, AccountId32>,
        ),
        MinerCollateralState,
        OptionQuery,
    >;
}
