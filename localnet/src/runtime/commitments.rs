//! The Commitments pallet: what a neuron publishes about itself.

pub mod data;
mod reveal;

pub use data::{CommitmentInfo, Data};
pub use pallet::*;

#[frame_support::pallet]
#[allow(missing_docs, reason = "the names are the chain's own; FRAME generates items without documentation")]
pub mod pallet {
    use std::collections::BTreeSet;

    use frame_support::{pallet_prelude::*, traits::ConstU32};
    use frame_system::pallet_prelude::*;
    use parity_scale_codec::Compact;
    use sp_runtime::{AccountId32, traits::UniqueSaturatedInto};

    use super::data::{CommitmentInfo, Data, Registration, RevealFailure, UsageTracker};
    use crate::runtime::{
        numbers::{NetUid, TaoBalance},
        subtensor,
    };

    /// Least bytes one commitment is counted as.
    const COUNTED_BYTES_MIN: u64 = 100;

    #[pallet::pallet]
    #[pallet::without_storage_info]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> + subtensor::Config {
        /// Fields of one commitment at most.
        #[pallet::constant]
        type MaxFields: Get<u32>;
        /// Deposit of a commitment.
        #[pallet::constant]
        type InitialDeposit: Get<TaoBalance>;
        /// Deposit of each of its fields.
        #[pallet::constant]
        type FieldDeposit: Get<TaoBalance>;
    }

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        Commitment { netuid: NetUid, who: AccountId32 },
        TimelockCommitment { netuid: NetUid, who: AccountId32, reveal_round: u64 },
        CommitmentRevealed { netuid: NetUid, who: AccountId32 },
        CommitmentRevealFailed { netuid: NetUid, who: AccountId32, reveal_round: u64, error: RevealFailure },
    }

    #[pallet::error]
    pub enum Error<T> {
        TooManyFieldsInCommitmentInfo,
        AccountNotAllowedCommit,
        SpaceLimitExceeded,
        UnexpectedUnreserveLeftover,
        TimelockRevealFailedNotAllowed,
    }

    #[pallet::storage]
    pub type TimelockedIndex<T> = StorageValue<_, BTreeSet<(NetUid, AccountId32)>, ValueQuery>;

    #[pallet::storage]
    pub type CommitmentOf<T> =
        StorageDoubleMap<_, Identity, NetUid, Twox64Concat, AccountId32, Registration, OptionQuery>;

    #[pallet::storage]
    pub type LastCommitment<T> =
        StorageDoubleMap<_, Identity, NetUid, Twox64Concat, AccountId32, u32, OptionQuery>;

    #[pallet::storage]
    pub type LastBondsReset<T> =
        StorageDoubleMap<_, Identity, NetUid, Twox64Concat, AccountId32, u32, OptionQuery>;

    #[pallet::storage]
    pub type RevealedCommitments<T> =
        StorageDoubleMap<_, Identity, NetUid, Twox64Concat, AccountId32, Vec<(Vec<u8>, u64)>, OptionQuery>;

    #[pallet::storage]
    pub type UsedSpaceOf<T> =
        StorageDoubleMap<_, Identity, NetUid, Twox64Concat, AccountId32, UsageTracker, OptionQuery>;

    #[pallet::storage]
    pub type MaxSpace<T> = StorageValue<_, u32, ValueQuery, ConstU32<3100>>;

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(_block: BlockNumberFor<T>) -> Weight {
            Self::reveal_timelocked();
            Weight::zero()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        #[pallet::call_index(0)]
        #[pallet::weight((Weight::from_parts(33_400_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn set_commitment(
            origin: OriginFor<T>,
            netuid: NetUid,
            info: Box<CommitmentInfo>,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            ensure!(subtensor::Uids::<T>::contains_key(netuid, &who), Error::<T>::AccountNotAllowedCommit);
            let fields = u32::try_from(info.fields.len()).unwrap_or(u32::MAX);
            ensure!(fields <= T::MaxFields::get(), Error::<T>::TooManyFieldsInCommitmentInfo);
            ensure!(
                !info.fields.iter().any(|field| matches!(field, Data::TimelockRevealFailed { .. })),
                Error::<T>::TimelockRevealFailedNotAllowed
            );
            Self::take_space(netuid, &who, &info)?;
            Self::store(netuid, who, *info);
            Ok(())
        }

        #[pallet::call_index(2)]
        #[pallet::weight((Weight::from_parts(3_000_000, 0), DispatchClass::Operational, Pays::No))]
        pub fn set_max_space(origin: OriginFor<T>, new_limit: u32) -> DispatchResult {
            ensure_root(origin)?;
            MaxSpace::<T>::put(new_limit);
            Ok(())
        }
    }

    impl<T: Config> Pallet<T> {
        /// Counts the commitment's bytes against what the account may write in one epoch.
        fn take_space(netuid: NetUid, who: &AccountId32, info: &CommitmentInfo) -> DispatchResult {
            let bytes: u64 = info.fields.iter().map(Data::counted_bytes).sum();
            let epoch = subtensor::SubnetEpochIndex::<T>::get(netuid);
            let mut usage = UsedSpaceOf::<T>::get(netuid, who).unwrap_or_default();
            if usage.last_epoch != epoch {
                usage = UsageTracker { last_epoch: epoch, used_space: 0 };
            }
            usage.used_space = usage.used_space.saturating_add(bytes.max(COUNTED_BYTES_MIN));
            ensure!(usage.used_space <= MaxSpace::<T>::get().into(), Error::<T>::SpaceLimitExceeded);
            UsedSpaceOf::<T>::insert(netuid, who, usage);
            Ok(())
        }

        /// Every commitment on a subnet as it is stored, by hotkey.
        pub fn by_hotkey(netuid: NetUid) -> Vec<(AccountId32, Vec<Compact<u8>>)> {
            let bytes = |registration: Registration| registration.encode().into_iter().map(Compact).collect();
            let mut commitments: Vec<_> = CommitmentOf::<T>::iter_prefix(netuid)
                .map(|(hotkey, registration)| (hotkey, bytes(registration)))
                .collect();
            commitments.sort_by(|one, other| one.0.cmp(&other.0));
            commitments
        }

        fn store(netuid: NetUid, who: AccountId32, info: CommitmentInfo) {
            let block: u32 = frame_system::Pallet::<T>::block_number().unique_saturated_into();
            let round = info.fields.iter().find_map(|field| match field {
                Data::TimelockEncrypted { reveal_round, .. } => Some(*reveal_round),
                _ => None,
            });
            CommitmentOf::<T>::insert(netuid, &who, Registration { deposit: TaoBalance::ZERO, block, info });
            LastCommitment::<T>::insert(netuid, &who, block);
            TimelockedIndex::<T>::mutate(|index| {
                if round.is_some() {
                    index.insert((netuid, who.clone()));
                } else {
                    index.remove(&(netuid, who.clone()));
                }
            });
            Self::deposit_event(match round {
                Some(reveal_round) => Event::TimelockCommitment { netuid, who, reveal_round },
                None => Event::Commitment { netuid, who },
            });
        }
    }
}
